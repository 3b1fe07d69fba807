//! How often somebody may ask: counts by key, in memory only, forgotten as they age.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys remembered at once. With more, strangers are asked to wait until some are forgotten; who is known is not.
const MOST: usize = 50_000;
/// After how many questions the forgotten keys are swept out.
const SWEEP_EVERY: u32 = 256;
/// How long strangers wait when there is no room for them.
const NO_ROOM: Duration = Duration::from_secs(60);

/// A limit per key.
pub struct Pace<K: Hash + Eq + Clone> {
    /// How long one question lasts.
    each: Duration,
    /// How far ahead the questions of a key may last.
    ahead: Duration,
    most: usize,
    asked: Mutex<Asked<K>>,
}

struct Asked<K> {
    /// Until when the questions of each key last.
    until: HashMap<K, Instant>,
    since_sweep: u32,
}

impl<K: Hash + Eq + Clone> Pace<K> {
    /// A limit of `burst` at once, refilled evenly over `period`.
    pub fn new(burst: NonZeroU32, period: Duration) -> Self {
        let each = period / burst.get();
        Self {
            each,
            ahead: each * (burst.get() - 1),
            most: MOST,
            asked: Mutex::new(Asked {
                until: HashMap::new(),
                since_sweep: 0,
            }),
        }
    }

    /// Counts one.
    ///
    /// # Errors
    /// How long to wait, where there were too many.
    pub fn ask(&self, key: &K) -> Result<(), Duration> {
        self.ask_at(key, Instant::now())
    }

    fn ask_at(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.since_sweep += 1;
        if asked.since_sweep >= SWEEP_EVERY {
            asked.since_sweep = 0;
            asked.until.retain(|_, until| *until > now);
        }
        if let Some(until) = asked.until.get_mut(key) {
            let begins = (*until).max(now);
            let wait = begins.duration_since(now).saturating_sub(self.ahead);
            if !wait.is_zero() {
                return Err(wait);
            }
            *until = begins + self.each;
            return Ok(());
        }
        if asked.until.len() >= self.most {
            return Err(NO_ROOM);
        }
        asked.until.insert(key.clone(), now + self.each);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(most: usize) -> Pace<u32> {
        let burst = NonZeroU32::new(2).expect("not zero");
        Pace {
            most,
            ..Pace::new(burst, Duration::from_secs(3600))
        }
    }

    #[test]
    fn memory_is_bounded_and_who_is_known_is_not_refused_for_it() {
        let pace = pace(100);
        let now = Instant::now();
        let refused = (0..200u32).filter(|n| pace.ask_at(n, now).is_err());
        assert_eq!(refused.count(), 100);
        assert_eq!(pace.ask_at(&7, now), Ok(()));
        assert_eq!(pace.ask_at(&150, now), Err(NO_ROOM));
        let later = now + Duration::from_secs(2 * 3600);
        let let_in = (200..600u32).filter(|n| pace.ask_at(n, later).is_ok());
        assert_eq!(let_in.count(), 100, "once the others are forgotten");
    }

    #[test]
    fn so_many_at_once_and_one_for_each_part_of_the_period() {
        let pace = pace(100);
        let now = Instant::now();
        let part = Duration::from_secs(1800);
        assert_eq!(
            (pace.ask_at(&1, now), pace.ask_at(&1, now)),
            (Ok(()), Ok(()))
        );
        assert_eq!(pace.ask_at(&1, now), Err(part));
        assert_eq!(pace.ask_at(&2, now), Ok(()));
        let half = now + part / 2;
        assert_eq!(pace.ask_at(&1, half), Err(part / 2));
        assert_eq!(pace.ask_at(&1, now + part), Ok(()));
        assert_eq!(pace.ask_at(&1, now + part), Err(part));
        let much_later = now + part * 10;
        assert_eq!(
            (pace.ask_at(&1, much_later), pace.ask_at(&1, much_later)),
            (Ok(()), Ok(()))
        );
        assert!(pace.ask_at(&1, much_later).is_err());
    }
}
