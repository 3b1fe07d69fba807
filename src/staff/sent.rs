//! How many mails each member sent in the last 24 hours, so that a stolen password can't send without end. It counts
//! and knows nothing of a mail. What was sent is kept in hours, sealed, written with each mail in one transaction, so
//! that a restart forgets nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::id::StaffId;
use crate::store::{Setting, Step, Store, StoreError};

const SENT: &str = "staff.sent";
const HOUR: i64 = 3600;
/// For how many hours a mail counts, the one that it was sent in among them.
const HOURS: i64 = 24;

/// Mails of one member in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    staff: StaffId,
    /// Hours since 1970.
    hour: i64,
    mails: u32,
}

/// Everybody's count. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SentMail(Arc<Mutex<BTreeMap<(StaffId, i64), u32>>>);

impl SentMail {
    /// Reads what was sent before. Counts that don't open begin anew: they must not keep the service from starting.
    ///
    /// # Errors
    /// A [`StoreError`] if the store can't be read.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let value = match store.setting(SENT).await {
            // A count of a day is worth less than the post.
            Err(error @ StoreError::Seal(_)) => {
                tracing::error!(%error, setting = SENT, "the counts of sent mail begin anew");
                None
            }
            value => value?,
        };
        let kept = value.map(|value| serde_json::from_slice::<Vec<Sent>>(&value));
        let kept = kept.transpose().unwrap_or_else(|_| {
            tracing::error!(
                setting = SENT,
                "can't be read: the counts of sent mail begin anew"
            );
            None
        });
        let kept = kept.unwrap_or_default();
        let counts = kept.iter().map(|one| ((one.staff, one.hour), one.mails));
        Ok(Self(Arc::new(Mutex::new(counts.collect()))))
    }

    /// A place for one more mail of this member, if they sent fewer than `most` in the last 24 hours. Mails that are
    /// still coming in count as well.
    pub fn place(&self, staff: StaffId, now: Timestamp, most: u32) -> Option<SendPlace> {
        let hour = now.as_second().div_euclid(HOUR);
        let mut counts = self.counts();
        // A clock that was ahead once must not keep somebody out until then.
        counts.retain(|(_, at), _| (hour - HOURS < *at) && (*at <= hour));
        let mine = counts.range((staff, i64::MIN)..=(staff, i64::MAX));
        if mine.map(|(_, mails)| u64::from(*mails)).sum::<u64>() >= u64::from(most) {
            return None;
        }
        *counts.entry((staff, hour)).or_default() += 1;
        Some(SendPlace {
            sent: self.clone(),
            key: (staff, hour),
            used: false,
        })
    }

    /// Counts stay counts, whatever panicked elsewhere.
    fn counts(&self) -> MutexGuard<'_, BTreeMap<(StaffId, i64), u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One mail's place. Dropped without [`SendPlace::use_up`], it is free again: the mail was not taken.
#[derive(Debug)]
pub struct SendPlace {
    sent: SentMail,
    key: (StaffId, i64),
    used: bool,
}

impl SendPlace {
    /// Writes the counts, this mail's among them; to be committed with the mail.
    pub fn step(&self) -> Step {
        let counts = self.sent.counts();
        let all: Vec<Sent> = counts
            .iter()
            .map(|(&(staff, hour), &mails)| Sent { staff, hour, mails })
            .collect();
        let value = serde_json::to_vec(&all).expect("plain data is written as JSON");
        Step::PutSetting(Setting {
            name: SENT.into(),
            value: Zeroizing::new(value),
        })
    }

    /// The mail was taken.
    pub fn use_up(mut self) {
        self.used = true;
    }
}

impl Drop for SendPlace {
    fn drop(&mut self) {
        if self.used {
            return;
        }
        if let Some(mails) = self.sent.counts().get_mut(&self.key) {
            *mails = mails.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hours * HOUR).expect("a time")
    }

    fn send(sent: &SentMail, who: StaffId, hours: i64, most: u32) -> bool {
        let place = sent.place(who, at(hours), most);
        place.map(SendPlace::use_up).is_some()
    }

    #[test]
    fn a_day_has_an_end_and_everybody_their_own() {
        let (sent, ann, bob) = (SentMail::default(), StaffId::random(), StaffId::random());
        assert!(send(&sent, ann, 0, 2) && send(&sent, ann, 5, 2));
        assert!(!send(&sent, ann, 5, 2), "a third");
        assert!(send(&sent, bob, 5, 2));
        assert!(!send(&sent, ann, 23, 2), "still the same 24 hours");
        assert!(send(&sent, ann, 24, 2), "the first counts no more");
        assert!(!send(&sent, ann, 24, 2), "the second still does");
    }

    #[test]
    fn a_mail_that_was_not_taken_does_not_count() {
        let (sent, ann) = (SentMail::default(), StaffId::random());
        let coming = sent.place(ann, at(0), 1).expect("a place");
        assert!(sent.place(ann, at(0), 1).is_none(), "one is coming in");
        drop(coming);
        assert!(send(&sent, ann, 0, 1));
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nobody_out() {
        let (sent, ann) = (SentMail::default(), StaffId::random());
        assert!(send(&sent, ann, 1000, 1));
        assert!(send(&sent, ann, 0, 1));
        assert!(!send(&sent, ann, 0, 1));
    }

    #[tokio::test]
    async fn altered_counts_begin_anew() {
        use crate::store::{Change, Files, LockedStore};
        use crate::vault::{KeyRing, Vault};
        let directory = tempfile::tempdir().expect("a directory");
        let open = async |ring| {
            let files = Files::in_directory(directory.path());
            let locked = LockedStore::open(files).await.expect("opens");
            let vault = Vault::from_ring(ring);
            locked.unlock(vault, 1 << 20).await.expect("unlocks")
        };
        let ann = StaffId::random();
        let store = open(KeyRing::generate()).await;
        let sent = SentMail::open(&store).await.expect("reads");
        let place = sent.place(ann, at(0), 1).expect("a place");
        let _ = store
            .change(Change::new().then(place.step()))
            .await
            .expect("keeps");
        place.use_up();
        store.close().await;
        let store = open(KeyRing::generate()).await;
        let sent = SentMail::open(&store).await.expect("begins anew");
        assert!(sent.place(ann, at(0), 1).is_some());
    }
}
