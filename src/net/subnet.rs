//! A range of addresses, as people write it: `192.0.2.0/24`, `2001:db8::/48`, or one address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses that begin alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    first: IpAddr,
    prefix: u32,
}

/// A text that is no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no network: write it as \"192.0.2.0/24\", \"2001:db8::/48\", or one address")]
pub struct NotASubnet;

impl Subnet {
    /// The range of this size in which the address is. An IPv4 address that came in over an IPv6 socket is still one.
    pub fn new(address: IpAddr, prefix: u32) -> Self {
        let address = address.to_canonical();
        let prefix = prefix.min(bits(address));
        let first = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(u32::BITS - prefix).unwrap_or(0);
                Ipv4Addr::from_bits(v4.to_bits() & mask).into()
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(u128::BITS - prefix).unwrap_or(0);
                Ipv6Addr::from_bits(v6.to_bits() & mask).into()
            }
        };
        Self { first, prefix }
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4()
            && Self::new(address, self.prefix).first == self.first
    }

    /// Whether they have addresses in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => u32::BITS,
        IpAddr::V6(_) => u128::BITS,
    }
}

impl FromStr for Subnet {
    type Err = NotASubnet;

    fn from_str(text: &str) -> Result<Self, NotASubnet> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotASubnet)?;
        let most = bits(address);
        let prefix = prefix.map_or(Ok(most), |prefix| prefix.parse().map_err(|_| NotASubnet))?;
        match prefix <= most && address == address.to_canonical() {
            true => Ok(Self::new(address, prefix)),
            false => Err(NotASubnet),
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// Says nothing of where somebody is.
impl fmt::Debug for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subnet(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().expect("a network")
    }

    #[test]
    fn ranges_are_read_and_hold_what_is_in_them() {
        for (range, within, without) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.77/24", "::ffff:192.0.2.1", "2001:db8::1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("2001:db8::/48", "2001:db8:0:ffff::1", "2001:db8:1::"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
        ] {
            let range = subnet(range);
            assert!(
                range.contains(within.parse().expect("an address")),
                "{range}"
            );
            assert!(
                !range.contains(without.parse().expect("an address")),
                "{range}"
            );
        }
        assert_eq!(subnet("192.0.2.77/24").to_string(), "192.0.2.0/24");
        for bad in [
            "",
            "192.0.2.0/33",
            "192.0.2/24",
            "x/8",
            "::/129",
            "192.0.2.0/",
            "::ffff:192.0.2.0/120",
        ] {
            assert_eq!(bad.parse::<Subnet>(), Err(NotASubnet), "{bad:?}");
        }
    }

    #[test]
    fn ranges_meet_where_one_is_in_the_other() {
        let office = subnet("192.0.2.0/24");
        for meets in ["192.0.2.9", "192.0.0.0/16", "192.0.2.0/24"] {
            assert!(office.meets(&subnet(meets)) && subnet(meets).meets(&office));
        }
        assert!(!office.meets(&subnet("192.0.3.0/24")) && !office.meets(&subnet("::/0")));
    }
}
