//! The network that an address belongs to: what is counted wherever one caller must not take everything.

use std::fmt;
use std::net::IpAddr;

use super::subnet::Subnet;

/// Whoever attacks from one IPv4 address easily has its neighbours.
const IPV4_PREFIX: u32 = 24;
/// What one household or one rented machine is given, and often more than the /64 it uses.
const IPV6_PREFIX: u32 = 56;

/// One household's own IPv6 network: who shares a wider one has nothing to do with it.
const IPV6_HOUSEHOLD: u32 = 64;
/// What one site is given at most: 65,536 such networks, all in one hand.
const IPV6_SITE: u32 = 48;

/// The network of an address: its IPv4 /24 or its IPv6 /56, as the configuration's limits have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(Subnet);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self::with(address, IPV6_PREFIX)
    }
}

impl Network {
    /// Where somebody logs in from: the IPv4 /24 or the IPv6 /64 of an address.
    pub fn of_household(address: IpAddr) -> Self {
        Self::with(address, IPV6_HOUSEHOLD)
    }

    /// The IPv6 /48 of an address. What one hand holds of IPv4 is not wider than its [`Network::of_household`].
    pub fn of_site(address: IpAddr) -> Option<Self> {
        let is_v6 = address.to_canonical().is_ipv6();
        is_v6.then(|| Self::with(address, IPV6_SITE))
    }

    fn with(address: IpAddr, v6: u32) -> Self {
        // An IPv4 address that came in over an IPv6 socket is still one.
        let prefix = match address.to_canonical() {
            IpAddr::V4(_) => IPV4_PREFIX,
            IpAddr::V6(_) => v6,
        };
        Self(Subnet::new(address, prefix))
    }

    /// As the range of addresses that it is.
    pub fn subnet(&self) -> Subnet {
        self.0
    }
}

/// As in `192.0.2.0/24`: for what is about servers, and for who came from there; never for who came to a page.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
    fn a_household_by_its_64() {
        let household = |text: &str| Network::of_household(text.parse().expect("an address"));
        assert_eq!(household("2001:db8:1:2::1"), household("2001:db8:1:2:f::9"));
        assert_ne!(household("2001:db8:1:2::1"), household("2001:db8:1:3::1"));
        assert_eq!(household("192.0.2.1").to_string(), "192.0.2.0/24");
        assert_eq!(
            household("2001:db8:1:2::1").to_string(),
            "2001:db8:1:2::/64"
        );
    }

    #[test]
    fn a_site_by_its_48() {
        let site = |text: &str| Network::of_site(text.parse().expect("an address"));
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:ffff:f::9"));
        assert_ne!(site("2001:db8:1::1"), site("2001:db8:2::1"));
        let shown = site("2001:db8:1:2::1").map(|site| site.to_string());
        assert_eq!(shown.as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(site("192.0.2.1"), None);
        assert_eq!(site("::ffff:192.0.2.1"), None);
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
