//! How much everybody has under way at once: in all, and each. Counts live in memory and end with what was counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What strangers may have of the whole, together and each: the rest is for those who have no key.
const STRANGERS: (u64, u64) = (3, 4);
const EACH: (u64, u64) = (1, 4);

/// There is too much under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much is under way at once; it may come again in a minute")]
pub struct Overload;

/// How much may be under way, and how much is.
#[derive(Debug)]
pub struct Loads<K> {
    most: AtomicU64,
    /// What each may have at least, whatever its part of the whole is.
    largest: AtomicU64,
    held: Mutex<Held<K>>,
}

#[derive(Debug)]
struct Held<K> {
    all: u64,
    strangers: u64,
    each: HashMap<K, u64>,
}

impl<K: Hash + Eq + Clone> Loads<K> {
    /// So much in all; and each may have one thing of the largest size.
    pub fn new(most: u64, largest: u64) -> Arc<Self> {
        Arc::new(Self {
            most: AtomicU64::new(most),
            largest: AtomicU64::new(largest),
            held: Mutex::new(Held {
                all: 0,
                strangers: 0,
                each: HashMap::new(),
            }),
        })
    }

    /// Moves the limits: what is under way stays.
    pub fn set(&self, most: u64, largest: u64) {
        self.most.store(most, Ordering::Relaxed);
        self.largest.store(largest, Ordering::Relaxed);
    }

    /// Something that begins: a stranger's by its key, or of somebody who is known.
    pub fn begin(self: &Arc<Self>, key: Option<K>) -> Load<K> {
        Load {
            loads: Arc::clone(self),
            key,
            held: 0,
        }
    }

    fn add(&self, key: Option<&K>, bytes: u64) -> Result<(), Overload> {
        let most = self.most.load(Ordering::Relaxed);
        let part =
            |(of, all): (u64, u64)| (most / all * of).max(self.largest.load(Ordering::Relaxed));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |now: u64, most: u64| now.saturating_add(bytes) <= most;
        let mut room = fits(held.all, most.max(part(STRANGERS)));
        if let Some(key) = key {
            let own = held.each.get(key).copied().unwrap_or(0);
            room = room && fits(held.strangers, part(STRANGERS)) && fits(own, part(EACH));
        }
        if !room {
            return Err(Overload);
        }
        held.all += bytes;
        if let Some(key) = key {
            held.strangers += bytes;
            *held.each.entry(key.clone()).or_default() += bytes;
        }
        Ok(())
    }

    fn remove(&self, key: Option<&K>, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all = held.all.saturating_sub(bytes);
        let Some(key) = key else { return };
        held.strangers = held.strangers.saturating_sub(bytes);
        let left = held.each.get(key).map(|own| own.saturating_sub(bytes));
        match left {
            Some(left) if left > 0 => *held.each.entry(key.clone()).or_default() = left,
            _ => drop(held.each.remove(key)),
        }
    }
}

/// One thing under way, counted as long as it lives.
#[derive(Debug)]
pub struct Load<K: Hash + Eq + Clone> {
    loads: Arc<Loads<K>>,
    key: Option<K>,
    held: u64,
}

impl<K: Hash + Eq + Clone> Load<K> {
    /// Counts more of it.
    ///
    /// # Errors
    /// [`Overload`] if that would be too much; nothing was counted.
    pub fn add(&mut self, bytes: u64) -> Result<(), Overload> {
        self.loads.add(self.key.as_ref(), bytes)?;
        self.held += bytes;
        Ok(())
    }
}

impl<K: Hash + Eq + Clone> Drop for Load<K> {
    fn drop(&mut self) {
        if self.held > 0 {
            self.loads.remove(self.key.as_ref(), self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_quarter_and_strangers_leave_one_to_those_who_are_known() {
        let loads = Loads::new(400, 50);
        let mut strangers: Vec<_> = (0..4).map(|n| loads.begin(Some(n))).collect();
        for stranger in &mut strangers[..3] {
            assert_eq!(stranger.add(101), Err(Overload));
            assert_eq!(stranger.add(100), Ok(()));
        }
        assert_eq!(loads.begin(Some(0)).add(1), Err(Overload), "by its key");
        assert_eq!(strangers[3].add(1), Err(Overload), "strangers have theirs");
        let mut known = loads.begin(None);
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
    fn one_of_the_largest_size_always_fits() {
        let loads = Loads::new(100, 60);
        assert_eq!(loads.begin(Some(1)).add(60), Ok(()));
        assert_eq!(loads.begin(Some(1)).add(61), Err(Overload));
        loads.set(1_000, 60);
        assert_eq!(loads.begin(Some(1)).add(250), Ok(()));
    }
}
