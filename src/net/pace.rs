//! How often somebody may ask: counts by key, in memory only, forgotten as they age.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Keys remembered at once. With more, strangers are asked to wait until some are forgotten.
const MOST: usize = 50_000;
/// After how many questions the forgotten keys are swept out.
const SWEEP_EVERY: u32 = 256;

/// A limit per key.
pub struct Pace<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    asked: AtomicU32,
    most: usize,
}

impl<K: Hash + Eq + Clone> Pace<K> {
    /// A limit of `burst` at once, refilled evenly over `period`.
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

    /// Counts one.
    ///
    /// # Errors
    /// How long to wait, where there were too many.
    pub fn ask(&self, key: &K) -> Result<(), Duration> {
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
        let asked = self.limiter.check_key(key);
        asked.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let burst = NonZeroU32::new(2).expect("not zero");
        let pace = Pace {
            most: 100,
            ..Pace::new(burst, Duration::from_secs(3600))
        };
        let refused = (0..200u32).filter(|n| pace.ask(n).is_err());
        assert_eq!(refused.count(), 100);
        assert_eq!(pace.limiter.len(), 100);
    }
}
