//! How much one network may ask of the forms. Counts live in memory only and say nothing about who asked for what;
//! a network that is over its limit is told so openly (429), which tells nothing about any address.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Networks remembered at once. With more, strangers are asked to wait until some are forgotten.
const MOST: usize = 50_000;
/// After how many questions the forgotten networks are swept out.
const SWEEP_EVERY: u32 = 256;

/// The limit for one kind of request.
pub struct Networks {
    limiter: DefaultKeyedRateLimiter<u64>,
    clock: DefaultClock,
    asked: AtomicU32,
    most: usize,
}

impl Networks {
    /// A limit of `burst` requests at once, refilled evenly over `period`.
    pub fn new(burst: NonZeroU32, period: Duration) -> Self {
        let quota = Quota::with_period(period / burst.get()).map_or_else(
            || Quota::per_minute(burst),
            |quota| quota.allow_burst(burst),
        );
        Self {
            limiter: RateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            asked: AtomicU32::new(0),
            most: MOST,
        }
    }

    /// Counts one request of a network.
    ///
    /// # Errors
    /// How long to wait, where it asked too often.
    pub fn ask(&self, peer: IpAddr) -> Result<(), Duration> {
        if self
            .asked
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(SWEEP_EVERY)
        {
            self.limiter.retain_recent();
        }
        if self.limiter.len() >= self.most {
            return Err(Duration::from_secs(60));
        }
        let asked = self.limiter.check_key(&network(peer));
        asked.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// The network of a peer: the address itself for IPv4, where many share one already, and its /56 for IPv6, which is
/// what one household is given.
fn network(peer: IpAddr) -> u64 {
    match peer.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        // The top bit keeps the two kinds apart: no IPv6 network that is routed begins below it by chance alone.
        IpAddr::V6(v6) => prefix(v6) | (1 << 63),
    }
}

fn prefix(v6: Ipv6Addr) -> u64 {
    u64::try_from(v6.to_bits() >> 72).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn networks(burst: u32) -> Networks {
        let burst = NonZeroU32::new(burst).expect("not zero");
        Networks::new(burst, Duration::from_secs(3600))
    }

    #[test]
    fn a_network_that_asks_too_often_is_told_how_long_to_wait() {
        let networks = networks(2);
        let home = ip("192.0.2.7");
        assert_eq!(networks.ask(home), Ok(()));
        assert_eq!(networks.ask(home), Ok(()));
        let wait = networks.ask(home).expect_err("over its limit");
        assert!(
            wait > Duration::from_secs(1700) && wait <= Duration::from_secs(1800),
            "{wait:?}"
        );
        assert_eq!(networks.ask(ip("192.0.2.8")), Ok(()));
    }

    #[test]
    fn an_ipv6_household_is_one_network() {
        assert_eq!(
            network(ip("2001:db8:1:2300::1")),
            network(ip("2001:db8:1:23ff::9"))
        );
        assert_ne!(
            network(ip("2001:db8:1:2300::1")),
            network(ip("2001:db8:1:2400::1"))
        );
        assert_eq!(network(ip("::ffff:192.0.2.7")), network(ip("192.0.2.7")));
        assert_ne!(network(ip("::1")), network(ip("0.0.0.0")));
    }

    #[test]
    fn memory_is_bounded() {
        let networks = Networks {
            most: 100,
            ..networks(2)
        };
        let refused = (0..200u32).filter(|n| networks.ask(IpAddr::from(n.to_be_bytes())).is_err());
        assert_eq!(refused.count(), 100);
        assert_eq!(networks.limiter.len(), 100);
    }
}
