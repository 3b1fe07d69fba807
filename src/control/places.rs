//! Who has a place at the control socket. Everybody in the group may connect, so that nobody may have all places: each
//! Unix user has a few, and some are kept for accounts and for root.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Of how many places one user has one.
const EACH: usize = 4;
/// Of how many places one is kept for accounts and root.
const KEPT: usize = 4;

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// By those whom no account names, root aside.
    strangers: usize,
    all: usize,
    each: HashMap<u32, usize>,
}

impl Places {
    pub(super) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self {
            all,
            taken: Mutex::default(),
        })
    }

    /// A place for this user, as long as what it answers lives; none if there is none. Nobody is a `stranger` whom an
    /// account names; while the vault is locked that is not known of anybody.
    pub(super) fn take(self: &Arc<Self>, uid: u32, stranger: bool) -> Option<Place> {
        let stranger = stranger && uid != 0;
        let each = self.all.div_ceil(EACH);
        let strangers = (self.all - self.all / KEPT).max(1);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.each.get(&uid).copied().unwrap_or(0);
        if taken.all >= self.all || own >= each || (stranger && taken.strangers >= strangers) {
            return None;
        }
        taken.all += 1;
        taken.strangers += usize::from(stranger);
        *taken.each.entry(uid).or_default() += 1;
        Some(Place {
            places: Arc::clone(self),
            uid,
            stranger,
        })
    }
}

/// A place, given back when it's dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    uid: u32,
    stranger: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .places
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        taken.strangers = taken.strangers.saturating_sub(self.stranger.into());
        let left = taken.each.get(&self.uid).map_or(0, |own| own - 1);
        match left {
            0 => drop(taken.each.remove(&self.uid)),
            left => *taken.each.entry(self.uid).or_default() = left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody(places: &Arc<Places>, uid: u32) -> Option<Place> {
        places.take(uid, true)
    }

    #[test]
    fn nobody_has_all_places_and_some_are_kept_for_root() {
        let places = Places::new(32);
        let mut held: Vec<_> = (0..32).filter_map(|_| nobody(&places, 1000)).collect();
        assert_eq!(held.len(), 8, "one user's");
        for uid in 1001..1009 {
            held.extend((0..32).filter_map(|_| nobody(&places, uid)));
        }
        assert_eq!(held.len(), 24, "strangers' together");
        assert!(nobody(&places, 2000).is_none());
        held.extend((0..4).filter_map(|_| places.take(2000, false)));
        assert_eq!(held.len(), 28, "an account's");
        held.extend((0..32).filter_map(|_| nobody(&places, 0)));
        assert_eq!(held.len(), 32, "and root's");
        held.clear();
        let taken = places.taken.lock().expect("not poisoned");
        assert!(taken.all == 0 && taken.strangers == 0 && taken.each.is_empty());
    }

    #[test]
    fn a_single_place_is_anybodys() {
        let places = Places::new(1);
        let held = nobody(&places, 1000);
        assert!(held.is_some() && nobody(&places, 0).is_none());
        drop(held);
        assert!(nobody(&places, 0).is_some());
    }
}
