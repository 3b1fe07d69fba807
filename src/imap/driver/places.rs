//! What each account has of what all share: connections, and turns at searching. A mail program that runs wild keeps nobody
//! else out, and nobody else waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::id::StaffId;

/// Counts the connections of accounts.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<StaffId, Taken>>>);

/// What an account has.
struct Taken {
    connections: usize,
    searches: Arc<Semaphore>,
}

/// One connection's place, until it's dropped.
pub(super) struct Place {
    places: Places,
    staff: StaffId,
    searches: Arc<Semaphore>,
}

impl Places {
    /// A place, unless the account has as many already.
    pub(super) fn take(&self, staff: StaffId, most: usize) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = all.entry(staff).or_insert_with(|| Taken {
            connections: 0,
            searches: Arc::new(Semaphore::new(1)),
        });
        if taken.connections >= most {
            return None;
        }
        taken.connections += 1;
        Some(Place {
            places: self.clone(),
            staff,
            searches: taken.searches.clone(),
        })
    }
}

impl Place {
    /// The account's turns at searching, over all its connections.
    pub(super) fn searches(&self) -> Arc<Semaphore> {
        self.searches.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = all.get_mut(&self.staff) {
            taken.connections -= 1;
            if taken.connections == 0 {
                all.remove(&self.staff);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_account_and_come_back() {
        let places = Places::default();
        let (ada, ben) = (StaffId::random(), StaffId::random());
        let one = places.take(ada, 2).unwrap();
        let two = places.take(ada, 2).unwrap();
        assert!(places.take(ada, 2).is_none() && places.take(ben, 2).is_some());
        let others = places.take(ben, 2).unwrap().searches();
        assert!(Arc::ptr_eq(&one.searches(), &two.searches()));
        assert!(!Arc::ptr_eq(&one.searches(), &others));
        drop(one);
        assert!(places.take(ada, 2).is_some());
        assert_eq!(
            places.0.lock().unwrap().len(),
            1,
            "nobody else is remembered"
        );
    }
}
