//! When each password was used last: a day and a door, never from where. Sealed, and written once a day and door.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::knock::Door;
use crate::id::{PasswordId, StaffId};
use crate::store::{Setting, Step, Store, StoreError};

const USED: &str = "staff.used";

/// A password's last use at one door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Use {
    staff: StaffId,
    password: PasswordId,
    door: Door,
    day: Date,
}

/// The last uses of all passwords.
#[derive(Debug, Default)]
pub struct Used(Mutex<BTreeMap<(StaffId, PasswordId, Door), Date>>);

impl Used {
    /// Reads what was noted before. What doesn't open begins anew: it must not keep the service from starting.
    ///
    /// # Errors
    /// A [`StoreError`] if the store can't be read.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let value = match store.setting(USED).await {
            Err(error @ StoreError::Seal(_)) => {
                tracing::error!(%error, setting = USED, "the last uses of passwords begin anew");
                None
            }
            value => value?,
        };
        let kept = value.and_then(|value| serde_json::from_slice::<Vec<Use>>(&value).ok());
        let kept = kept.unwrap_or_default().into_iter();
        let kept = kept.map(|one| ((one.staff, one.password, one.door), one.day));
        Ok(Self(Mutex::new(kept.collect())))
    }

    /// Notes a use; to be committed if it is news.
    pub fn note(
        &self,
        staff: StaffId,
        password: PasswordId,
        door: Door,
        day: Date,
    ) -> Option<Step> {
        let mut all = self.all();
        if all.insert((staff, password, door), day) == Some(day) {
            return None;
        }
        Some(step(&all))
    }

    /// Forgets passwords that are gone; to be committed with their end.
    pub fn forget(&self, staff: StaffId, gone: impl Fn(PasswordId) -> bool) -> Step {
        let mut all = self.all();
        all.retain(|(of, password, _), _| *of != staff || !gone(*password));
        step(&all)
    }

    /// The last day on which a password was used, and at which doors then.
    pub fn last(&self, staff: StaffId, password: PasswordId) -> Option<(Date, Vec<Door>)> {
        let all = self.all();
        let mine = all
            .iter()
            .filter(|((of, one, _), _)| *of == staff && *one == password);
        let last = mine.clone().map(|(_, day)| *day).max()?;
        let then = mine.filter(|(_, day)| **day == last);
        Some((last, then.map(|((_, _, door), _)| *door).collect()))
    }

    /// Who came in at a door on this day or later.
    pub fn at(&self, door: Door, since: Date) -> BTreeSet<StaffId> {
        let all = self.all();
        let there = all.iter().filter(|((_, _, at), _)| *at == door);
        let there = there.filter(|(_, day)| **day >= since);
        there.map(|((staff, ..), _)| *staff).collect()
    }

    /// Days stay days, whatever panicked elsewhere.
    fn all(&self) -> MutexGuard<'_, BTreeMap<(StaffId, PasswordId, Door), Date>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn step(all: &BTreeMap<(StaffId, PasswordId, Door), Date>) -> Step {
    let all: Vec<Use> = all
        .iter()
        .map(|(&(staff, password, door), &day)| Use {
            staff,
            password,
            door,
            day,
        })
        .collect();
    let value = serde_json::to_vec(&all).expect("plain data is written as JSON");
    Step::PutSetting(Setting {
        name: USED.into(),
        value: Zeroizing::new(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_once() {
        let (used, ada, phone) = (Used::default(), StaffId::random(), PasswordId::random());
        let day = jiff::civil::date(2026, 11, 21);
        let is_news = |door, day| used.note(ada, phone, door, day).is_some();
        assert!(is_news(Door::Imap, day));
        assert!(!is_news(Door::Imap, day), "each look would be a write");
        assert!(is_news(Door::Pop3, day));
        let next = day.tomorrow().expect("a day");
        assert!(is_news(Door::Imap, next) && !is_news(Door::Imap, next));
        assert_eq!(used.last(ada, phone), Some((next, vec![Door::Imap])));
    }
}
