//! How much one network may ask of the forms. Counts live in memory only and say nothing about who asked for what;
//! a network that is over its limit is told so openly (429), which tells nothing about any address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::net::{Network, Pace};

/// The limit for one kind of request.
pub struct Networks(Pace<Network>);

impl Networks {
    /// A limit of `burst` requests at once, refilled evenly over `period`.
    pub fn new(burst: NonZeroU32, period: Duration) -> Self {
        Self(Pace::new(burst, period))
    }

    /// Counts one request of a network.
    ///
    /// # Errors
    /// How long to wait, where it asked too often.
    pub fn ask(&self, peer: IpAddr) -> Result<(), Duration> {
        self.0.ask(&Network::from(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_that_asks_too_often_is_told_how_long_to_wait() {
        let burst = NonZeroU32::new(2).expect("not zero");
        let networks = Networks::new(burst, Duration::from_secs(3600));
        assert_eq!(networks.ask(ip("192.0.2.7")), Ok(()));
        assert_eq!(networks.ask(ip("192.0.2.8")), Ok(()));
        let wait = networks.ask(ip("192.0.2.9")).expect_err("over its limit");
        assert!(
            wait > Duration::from_secs(1700) && wait <= Duration::from_secs(1800),
            "{wait:?}"
        );
        assert_eq!(networks.ask(ip("192.0.3.8")), Ok(()));
    }
}
