//! The network that an address belongs to: what is counted wherever one caller must not take everything.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whoever attacks from one IPv4 address easily has its neighbours.
const IPV4_PREFIX: u32 = 24;
/// What one household or one rented machine is given, and often more than the /64 it uses.
const IPV6_PREFIX: u32 = 56;

/// The network of an address: its IPv4 /24 or its IPv6 /56, as the configuration's limits have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        // An IPv4 address that came in over an IPv6 socket is still one.
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => {
                let mask = u32::MAX << (u32::BITS - IPV4_PREFIX);
                Ipv4Addr::from_bits(v4.to_bits() & mask).into()
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX << (u128::BITS - IPV6_PREFIX);
                Ipv6Addr::from_bits(v6.to_bits() & mask).into()
            }
        })
    }
}

/// As in `192.0.2.0/24`: for what is about servers, never for who came to a page.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.0 {
            IpAddr::V4(_) => IPV4_PREFIX,
            IpAddr::V6(_) => IPV6_PREFIX,
        };
        write!(f, "{}/{prefix}", self.0)
    }
}

/// Says nothing of where somebody is.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        let address: IpAddr = text.parse().expect("an address");
        address.into()
    }

    #[test]
    fn ipv4_by_its_24() {
        assert_eq!(network("192.0.2.0"), network("192.0.2.255"));
        assert_ne!(network("192.0.2.0"), network("192.0.3.0"));
        assert_ne!(network("192.0.2.1"), network("192.1.2.1"));
        assert_eq!(network("::ffff:192.0.2.7"), network("192.0.2.9"));
    }

    #[test]
    fn ipv6_by_its_56() {
        assert_eq!(
            network("2001:db8:1:2300::1"),
            network("2001:db8:1:23ff:ffff::9")
        );
        assert_ne!(network("2001:db8:1:2300::1"), network("2001:db8:1:2400::1"));
        assert_ne!(network("2001:db8:1::1"), network("2001:db8:2::1"));
    }

    #[test]
    fn the_two_kinds_never_meet() {
        assert_ne!(network("::1"), network("0.0.0.0"));
        assert_ne!(network("::"), network("0.0.0.0"));
    }

    #[test]
    fn it_is_not_shown() {
        assert_eq!(format!("{:?}", network("192.0.2.7")), "Network(..)");
    }
}
