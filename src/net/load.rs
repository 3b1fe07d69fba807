//! How much everybody has under way at once: in all, and each. Counts live in memory and end with what was counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Network;
use crate::id::StaffId;

/// What strangers may have of the whole together: the rest is for those who are known.
const STRANGERS: (u64, u64) = (3, 4);
/// What one stranger's network may have of it.
const EACH: (u64, u64) = (1, 4);
/// What one account may have of it: a mail program gone wrong, or in wrong hands, leaves the rest to everybody else.
const ACCOUNT: (u64, u64) = (1, 2);

/// There is too much under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much is under way at once; it may come again in a minute")]
pub struct Overload;

/// Whose a thing under way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Somebody's who is not known, by where they come from.
    Stranger(Network),
    /// An account's.
    Staff(StaffId),
}

/// How much may be under way, and how much is.
#[derive(Debug)]
pub struct Loads {
    most: AtomicU64,
    /// What each may have at least, whatever its part of the whole is.
    largest: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: u64,
    strangers: u64,
    each: HashMap<Whose, u64>,
}

impl Loads {
    /// So much in all; and each may have one thing of the largest size.
    pub fn new(most: u64, largest: u64) -> Arc<Self> {
        Arc::new(Self {
            most: AtomicU64::new(most),
            largest: AtomicU64::new(largest),
            held: Mutex::default(),
        })
    }

    /// Moves the limits: what is under way stays.
    pub fn set(&self, most: u64, largest: u64) {
        self.most.store(most, Ordering::Relaxed);
        self.largest.store(largest, Ordering::Relaxed);
    }

    /// Something that begins.
    pub fn begin(self: &Arc<Self>, whose: Whose) -> Load {
        Load {
            loads: Arc::clone(self),
            whose,
            held: 0,
        }
    }

    fn add(&self, whose: Whose, bytes: u64) -> Result<(), Overload> {
        let most = self.most.load(Ordering::Relaxed);
        let part =
            |(of, all): (u64, u64)| (most / all * of).max(self.largest.load(Ordering::Relaxed));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |now: u64, most: u64| now.saturating_add(bytes) <= most;
        let own = held.each.get(&whose).copied().unwrap_or(0);
        let room = match whose {
            Whose::Stranger(_) => fits(held.strangers, part(STRANGERS)) && fits(own, part(EACH)),
            Whose::Staff(_) => fits(own, part(ACCOUNT)),
        };
        if !room || !fits(held.all, most.max(part(STRANGERS))) {
            return Err(Overload);
        }
        held.all += bytes;
        if let Whose::Stranger(_) = whose {
            held.strangers += bytes;
        }
        *held.each.entry(whose).or_default() += bytes;
        Ok(())
    }

    fn remove(&self, whose: Whose, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all = held.all.saturating_sub(bytes);
        if let Whose::Stranger(_) = whose {
            held.strangers = held.strangers.saturating_sub(bytes);
        }
        let left = held.each.get(&whose).map(|own| own.saturating_sub(bytes));
        match left {
            Some(left) if left > 0 => *held.each.entry(whose).or_default() = left,
            _ => drop(held.each.remove(&whose)),
        }
    }
}

/// One thing under way, counted as long as it lives.
#[derive(Debug)]
pub struct Load {
    loads: Arc<Loads>,
    whose: Whose,
    held: u64,
}

impl Load {
    /// Counts more of it.
    ///
    /// # Errors
    /// [`Overload`] if that would be too much; nothing was counted.
    pub fn add(&mut self, bytes: u64) -> Result<(), Overload> {
        self.loads.add(self.whose, bytes)?;
        self.held += bytes;
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if self.held > 0 {
            self.loads.remove(self.whose, self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn stranger(n: u8) -> Whose {
        Whose::Stranger(Network::from(IpAddr::from(Ipv4Addr::new(198, 51, n, 1))))
    }

    #[test]
    fn each_has_a_quarter_and_strangers_leave_one_to_those_who_are_known() {
        let loads = Loads::new(400, 50);
        let mut strangers: Vec<_> = (0..4).map(|n| loads.begin(stranger(n))).collect();
        for stranger in &mut strangers[..3] {
            assert_eq!(stranger.add(101), Err(Overload));
            assert_eq!(stranger.add(100), Ok(()));
        }
        assert_eq!(
            loads.begin(stranger(0)).add(1),
            Err(Overload),
            "by its network"
        );
        assert_eq!(strangers[3].add(1), Err(Overload), "strangers have theirs");
        let mut known = loads.begin(Whose::Staff(StaffId::random()));
        assert_eq!(known.add(100), Ok(()));
        assert_eq!(known.add(1), Err(Overload));
        drop(strangers.remove(0));
        assert_eq!(known.add(100), Ok(()));
        drop(known);
        assert_eq!(strangers[2].add(100), Ok(()));
        drop(strangers);
        let held = loads.held.lock().expect("not poisoned");
        assert!(held.all == 0 && held.strangers == 0 && held.each.is_empty());
    }

    #[test]
    fn one_account_leaves_half_to_everybody_else() {
        let loads = Loads::new(400, 50);
        let (ada, ben) = (StaffId::random(), StaffId::random());
        let mut held: Vec<_> = (0..3).map(|_| loads.begin(Whose::Staff(ada))).collect();
        assert_eq!(held[0].add(100), Ok(()));
        assert_eq!(held[1].add(100), Ok(()));
        assert_eq!(held[2].add(1), Err(Overload), "over all its connections");
        assert_eq!(loads.begin(stranger(1)).add(100), Ok(()));
        assert_eq!(loads.begin(Whose::Staff(ben)).add(200), Ok(()));
        drop(held);
        let held = loads.held.lock().expect("not poisoned");
        assert!(held.all == 0 && held.each.is_empty());
    }

    #[test]
    fn one_of_the_largest_size_always_fits() {
        let loads = Loads::new(100, 60);
        assert_eq!(loads.begin(stranger(1)).add(60), Ok(()));
        assert_eq!(loads.begin(stranger(1)).add(61), Err(Overload));
        assert_eq!(loads.begin(Whose::Staff(StaffId::random())).add(60), Ok(()));
        loads.set(1_000, 60);
        assert_eq!(loads.begin(stranger(1)).add(250), Ok(()));
    }
}
