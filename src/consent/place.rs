//! Places in a domain's hour: one for each mail, taken before it is written, and free again if it was never committed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::pace::{DomainPace, owner};
use crate::address::Domain;

/// The hours of all domains. Clones share them.
#[derive(Clone, Default)]
pub(super) struct DomainPlaces(Arc<Mutex<DomainPace>>);

impl DomainPlaces {
    /// Takes a place for a mail to this domain.
    ///
    /// # Errors
    /// When it may go instead.
    pub(super) fn take(
        &self,
        domain: &Domain,
        limit: u32,
        now: Timestamp,
    ) -> Result<Place, Timestamp> {
        self.pace().take(domain, limit, now)?;
        Ok(Place {
            of: self.clone(),
            domain: domain.clone(),
            used: false,
        })
    }

    /// The same for whoever has a name below which they can make others: the names below it count as one.
    ///
    /// # Errors
    /// As [`DomainPlaces::take`].
    pub(super) fn take_of_owner(
        &self,
        domain: &Domain,
        limit: u32,
        now: Timestamp,
    ) -> Result<Place, Timestamp> {
        self.take(&owner(domain), limit, now)
    }

    /// Counts stay counts, whatever panicked elsewhere.
    fn pace(&self) -> MutexGuard<'_, DomainPace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One mail's place. Dropped without being used up, it is free again.
pub(super) struct Place {
    of: DomainPlaces,
    domain: Domain,
    used: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.used {
            self.of.pace().give_back(&self.domain);
        }
    }
}

/// All places that one mail takes.
#[derive(Default)]
pub(super) struct Places(Vec<Place>);

impl Places {
    /// One more.
    pub(super) fn and(mut self, place: Place) -> Self {
        self.0.push(place);
        self
    }

    /// The mail was committed.
    pub(super) fn use_up(mut self) {
        for place in &mut self.0 {
            place.used = true;
        }
    }
}

impl From<Place> for Places {
    fn from(place: Place) -> Self {
        Self(vec![place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_not_used_is_free_again() {
        let now = "2026-11-21T12:00:00Z".parse().expect("a time");
        let places = DomainPlaces::default();
        let domain = |text| Domain::parse(text).expect("a domain");
        let take = |name| places.take_of_owner(&domain(name), 1, now);
        let taken = take("x1.evil.example").expect("the first");
        assert!(take("x2.evil.example").is_err(), "the names below are one");
        drop(taken);
        let taken = take("x2.evil.example").expect("it is free again");
        Places::from(taken).use_up();
        assert!(take("x3.evil.example").is_err(), "a mail went");
    }
}
