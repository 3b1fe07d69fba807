//! Chance that can be had again: the seed is printed, and `HUSTINGS_SEED` sets it. Also how often a story kills.

use std::time::{Duration, Instant, SystemTime};

/// Random numbers from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// From `HUSTINGS_SEED`, or from the time; says which.
    pub fn from_environment() -> Self {
        let now = || {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            u64::try_from(since.unwrap().as_micros()).unwrap()
        };
        let seed = setting("HUSTINGS_SEED").unwrap_or_else(now);
        println!("HUSTINGS_SEED={seed}");
        Self(seed)
    }

    /// Another one that goes its own way, for a task of its own.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `below`, which is not among them.
    pub fn below(&mut self, below: usize) -> usize {
        let below = u64::try_from(below.max(1)).unwrap();
        usize::try_from(self.next() % below).unwrap()
    }

    /// A time up to this long.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let micros = usize::try_from(most.as_micros()).unwrap();
        Duration::from_micros(u64::try_from(self.below(micros)).unwrap())
    }

    /// So many numbers below `below`, in order, one in each of so many equal parts.
    pub fn spread(&mut self, count: usize, below: usize) -> Vec<usize> {
        let part = (below / count.max(1)).max(1);
        (0..count).map(|n| n * part + self.below(part)).collect()
    }
}

/// How often a story kills: `HUSTINGS_KILLS`, or as often as a usual run can afford.
pub fn kills(usual: usize) -> usize {
    let kills = setting("HUSTINGS_KILLS").map_or(usual, |kills| usize::try_from(kills).unwrap());
    println!("HUSTINGS_KILLS={kills}");
    kills
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number")),
    )
}

/// Waits until something holds.
pub async fn until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < deadline, "it takes too long: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
