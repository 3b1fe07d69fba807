//! To how many different people outside each member wrote in the last hour, so that one mail to many isn't cut up into
//! many mails (law G13). It counts, knows nothing of a mail, and keeps no address: hashes that nobody else can make, in
//! memory, for an hour. A restart forgets them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::address::EmailAddress;
use crate::id::StaffId;

/// For how long somebody counts who was written to.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Whom one member wrote to, by hash.
type Written = HashMap<u64, Person>;

/// Somebody outside, as one member writes to them.
struct Person {
    /// When the last mail was taken; while none was, when the first began.
    at: Timestamp,
    /// A mail to them was taken.
    taken: bool,
    /// How many are coming in.
    coming: u32,
}

/// Everybody's count. Clones share it.
#[derive(Clone, Default)]
pub struct Reach(Arc<Shared>);

#[derive(Default)]
struct Shared {
    hasher: RandomState,
    written: Mutex<HashMap<StaffId, Written>>,
}

impl Reach {
    /// A place for a mail to these people, if with them this member wrote to `most` different ones in the last hour, or
    /// fewer. Mails that are still coming in count as well.
    pub fn place<'a>(
        &self,
        staff: StaffId,
        people: impl IntoIterator<Item = &'a EmailAddress>,
        now: Timestamp,
        most: u32,
    ) -> Option<ReachPlace> {
        let mut people: Vec<u64> = people.into_iter().map(|one| self.hash(one)).collect();
        people.sort_unstable();
        people.dedup();
        let mut written = self.written();
        let mine = written.entry(staff).or_default();
        // A clock that was ahead once must not keep somebody out until then.
        mine.retain(|_, one| {
            one.coming > 0 || (one.at <= now && now.duration_since(one.at) < HOUR)
        });
        let new = people.iter().filter(|one| !mine.contains_key(one)).count();
        if mine.len() + new > usize::try_from(most).unwrap_or(usize::MAX) {
            return None;
        }
        for one in &people {
            let person = mine.entry(*one).or_insert(Person {
                at: now,
                taken: false,
                coming: 0,
            });
            person.coming += 1;
        }
        Some(ReachPlace {
            reach: self.clone(),
            staff,
            people,
            at: now,
            taken: false,
        })
    }

    fn hash(&self, address: &EmailAddress) -> u64 {
        self.0.hasher.hash_one(address.match_form())
    }

    /// Counts stay counts, whatever panicked elsewhere.
    fn written(&self) -> MutexGuard<'_, HashMap<StaffId, Written>> {
        let written = self.0.written.lock();
        written.unwrap_or_else(PoisonError::into_inner)
    }
}

/// One mail's place. Dropped without [`ReachPlace::use_up`], whom nobody else wrote to either are forgotten again.
pub struct ReachPlace {
    reach: Reach,
    staff: StaffId,
    people: Vec<u64>,
    at: Timestamp,
    taken: bool,
}

impl ReachPlace {
    /// The mail was taken.
    pub fn use_up(mut self) {
        self.taken = true;
    }
}

impl Drop for ReachPlace {
    fn drop(&mut self) {
        let mut written = self.reach.written();
        let Some(mine) = written.get_mut(&self.staff) else {
            return;
        };
        for one in &self.people {
            let Some(person) = mine.get_mut(one) else {
                continue;
            };
            person.coming -= 1;
            if self.taken {
                person.taken = true;
                person.at = self.at;
            }
            if person.coming == 0 && !person.taken {
                mine.remove(one);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(names: std::ops::Range<u32>) -> Vec<EmailAddress> {
        let address = |n| EmailAddress::parse(&format!("p{n}@elsewhere.example"));
        names.map(|n| address(n).expect("an address")).collect()
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).expect("a time")
    }

    fn write(reach: &Reach, who: StaffId, to: std::ops::Range<u32>, minutes: i64) -> bool {
        let place = reach.place(who, &people(to), at(minutes), 10);
        place.map(ReachPlace::use_up).is_some()
    }

    #[test]
    fn an_hour_has_so_many_people_however_many_mails() {
        let (reach, ann, bob) = (Reach::default(), StaffId::random(), StaffId::random());
        assert!(write(&reach, ann, 0..6, 0) && write(&reach, ann, 0..10, 20));
        assert!(write(&reach, ann, 3..9, 30), "she wrote to them already");
        assert!(!write(&reach, ann, 10..11, 30), "the eleventh");
        assert!(write(&reach, bob, 10..20, 30));
        assert!(!write(&reach, ann, 10..11, 79));
        assert!(
            write(&reach, ann, 10..11, 80),
            "0, 1, 2 and 9 count no more"
        );
    }

    #[test]
    fn a_mail_that_was_not_taken_does_not_count() {
        let (reach, ann) = (Reach::default(), StaffId::random());
        assert!(write(&reach, ann, 0..5, 0));
        let coming = reach.place(ann, &people(3..10), at(1), 10);
        assert!(coming.is_some() && !write(&reach, ann, 10..11, 1));
        drop(coming);
        assert!(write(&reach, ann, 10..15, 1));
        assert!(!write(&reach, ann, 20..21, 1));
    }

    /// Whoever holds a mail open beside one that is taken, and breaks it off, has written all the same.
    #[test]
    fn breaking_one_off_forgets_nobody_to_whom_another_went() {
        let (reach, ann) = (Reach::default(), StaffId::random());
        let broken_off = reach.place(ann, &people(0..10), at(0), 10);
        assert!(write(&reach, ann, 0..10, 1));
        drop(broken_off);
        assert!(!write(&reach, ann, 10..11, 2));
        // Nor does it make their hour longer.
        drop(reach.place(ann, &people(0..10), at(60), 10));
        assert!(write(&reach, ann, 10..20, 61));
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nobody_out() {
        let (reach, ann) = (Reach::default(), StaffId::random());
        assert!(write(&reach, ann, 0..10, 10_000));
        assert!(write(&reach, ann, 10..20, 0));
    }
}
