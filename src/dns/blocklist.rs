//! Blocklists in DNS (RFC 5782): which name to ask for, and what an answer means.

use std::net::IpAddr;

use crate::address::Domain;

/// The name to ask a list for about an address: its octets or nibbles from the last, with dots between.
pub fn listing_name(address: IpAddr, list: &Domain) -> String {
    let reversed = match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(v6) => {
            let nibbles = format!("{:032x}", v6.to_bits());
            let nibbles: Vec<String> = nibbles.chars().rev().map(String::from).collect();
            nibbles.join(".")
        }
    };
    format!("{reversed}.{list}")
}

/// Whether an answer says yes: an address in 127/8; 127.255.255/24 is an error of the list's, as they use it.
pub fn is_listing(answer: IpAddr) -> bool {
    match answer {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            a == 127 && (b, c) != (255, 255)
        }
        IpAddr::V6(_) => false,
    }
}
