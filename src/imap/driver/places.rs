//! How many connections each account has: a mail program that runs wild keeps nobody else out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::StaffId;

/// Counts the connections of accounts.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<StaffId, usize>>>);

/// One connection's place, until it's dropped.
pub(super) struct Place {
    places: Places,
    staff: StaffId,
}

impl Places {
    /// A place, unless the account has as many already.
    pub(super) fn take(&self, staff: StaffId, most: usize) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(staff).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place {
            places: self.clone(),
            staff,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.staff) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.staff);
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
        let _two = places.take(ada, 2).unwrap();
        assert!(places.take(ada, 2).is_none() && places.take(ben, 2).is_some());
        drop(one);
        assert!(places.take(ada, 2).is_some());
        assert_eq!(
            places.0.lock().unwrap().len(),
            1,
            "nobody else is remembered"
        );
    }
}
