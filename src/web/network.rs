//! How much one network may ask of the forms. Counts live in memory only and say nothing about who asked for what;
//! a network that is over its limit is told so openly (429), which tells nothing about any address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::net::Network;

/// Networks remembered at once. With more, strangers are asked to wait until some are forgotten.
const MOST: usize = 50_000;
/// After how many questions the forgotten networks are swept out.
const SWEEP_EVERY: u32 = 256;

/// The limit for one kind of request.
pub struct Networks {
    limiter: DefaultKeyedRateLimiter<Network>,
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
        let asked = self.limiter.check_key(&Network::from(peer));
        asked.map_err(|until| until.wait_time_from(self.clock.now()))
    }
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
        assert_eq!(networks.ask(ip("192.0.2.7")), Ok(()));
        assert_eq!(networks.ask(ip("192.0.2.8")), Ok(()));
        let wait = networks.ask(ip("192.0.2.9")).expect_err("over its limit");
        assert!(
            wait > Duration::from_secs(1700) && wait <= Duration::from_secs(1800),
            "{wait:?}"
        );
        assert_eq!(networks.ask(ip("192.0.3.8")), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let networks = Networks {
            most: 100,
            ..networks(2)
        };
        let refused =
            (0..200u32).filter(|n| networks.ask(IpAddr::from((n << 8).to_be_bytes())).is_err());
        assert_eq!(refused.count(), 100);
        assert_eq!(networks.limiter.len(), 100);
    }
}
