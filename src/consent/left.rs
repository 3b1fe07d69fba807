//! What a link finds that was used before: that its withdrawal stands, without a search; and, where an old token stood for
//! somebody who left a moment ago, under which keyed hashes a departure of theirs may still be on its way. Once they have
//! left, the token alone doesn't say it any more, and who presses it again must wait as well.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::person::Suppressions;
use super::{Consent, ConsentError};
use crate::store::Suppressed;
use crate::vault::Index;

/// For how long: a little more than a departure is waited for.
const REMEMBERED: Duration = Duration::from_secs(15);

/// Who left a moment ago, by each of their hashes.
#[derive(Default)]
pub(super) struct Left(HashMap<Index, (Instant, Vec<Index>)>);

impl Left {
    fn remember(&mut self, persons: &[Index], now: Instant) {
        // Of most people there is one, and every token has it.
        if persons.len() < 2 {
            return;
        }
        self.0
            .retain(|_, (at, _)| now.duration_since(*at) < REMEMBERED);
        for index in persons {
            self.0.insert(*index, (now, persons.to_vec()));
        }
    }

    /// These hashes, and the others of the same person.
    fn with_others(&self, indexes: &[Index], now: Instant) -> Vec<Index> {
        let mut all = indexes.to_vec();
        let found = indexes.iter().filter_map(|index| self.0.get(index));
        let lately = found.filter(|(at, _)| now.duration_since(*at) < REMEMBERED);
        for other in lately.flat_map(|(_, persons)| persons) {
            if !all.contains(other) {
                all.push(*other);
            }
        }
        all
    }
}

impl Consent {
    pub(super) fn remember_left(&self, persons: &[Index]) {
        let mut left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.remember(persons, Instant::now());
    }

    pub(super) fn left_lately(&self, indexes: &[Index]) -> Vec<Index> {
        let left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.with_others(indexes, Instant::now())
    }

    /// Whether this was said before, and nothing is left that it would end.
    pub(super) async fn stands(
        &self,
        persons: &[Index],
        entry: &Suppressed,
    ) -> Result<bool, ConsentError> {
        let suppressions = Suppressions::read_sound(self.store(), persons).await?;
        let mut stands = suppressions.hold(persons, entry);
        // Looked for in any case: the time of an answer tells nobody who has left already.
        for index in persons {
            match self.store().subscriber_by_suppression(index).await {
                Ok(Some(one)) if self.without(&one, entry.scope).record != one.record => {
                    stands = false;
                }
                Ok(_) => {}
                // Nothing is sent to a row that can't be read.
                Err(error) if !error.is_temporary() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(stands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{IndexColumn, Vault};

    #[test]
    fn an_old_token_stands_for_all_hashes_of_who_just_left() {
        let vault = Vault::for_tests();
        let of = |name: &[u8]| vault.index(IndexColumn::Suppression, name);
        let (old, new, other) = (of(b"old"), of(b"new"), of(b"other"));
        let (mut left, now) = (Left::default(), Instant::now());
        left.remember(&[old, new], now);
        left.remember(&[other], now);
        assert_eq!(left.with_others(&[old], now), [old, new]);
        assert_eq!(left.with_others(&[other], now), [other]);
        assert_eq!(left.with_others(&[old], now + REMEMBERED), [old]);
        left.remember(&[of(b"a"), of(b"b")], now + REMEMBERED);
        assert_eq!(left.0.len(), 2, "it forgets");
    }
}
