//! Counts, kept in memory: one scan at start, then each change by what it changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize, Serializer};

use super::{Consent, ConsentError};
use crate::store::{Store, SubscriberRecord};

/// How many subscribers the scan reads at once.
const PAGE: u32 = 1000;
/// Below this a count tells too much of somebody.
const FEWEST: u64 = 5;

/// A count as somebody who isn't an admin may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum MaskedCount {
    /// The count.
    Exact(u64),
    /// Fewer than five, or none.
    FewerThanFive,
}

impl MaskedCount {
    /// The count for somebody who may not see small ones.
    pub fn masked(count: u64) -> Self {
        if count < FEWEST {
            Self::FewerThanFive
        } else {
            Self::Exact(count)
        }
    }

    /// The count for an admin, or masked for anybody else.
    pub fn of(count: u64, admin: bool) -> Self {
        if admin {
            Self::Exact(count)
        } else {
            Self::masked(count)
        }
    }
}

impl fmt::Display for MaskedCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(count) => f.pad(&count.to_string()),
            Self::FewerThanFive => f.pad("<5"),
        }
    }
}

impl Serialize for MaskedCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact(count) => serializer.serialize_u64(*count),
            Self::FewerThanFive => serializer.serialize_str("<5"),
        }
    }
}

/// Counts in full: for admins, or to be masked by whoever shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Subscribers: addresses on at least one list.
    pub subscribers: u64,
    /// Subscriptions by list and constituency code.
    pub by_constituency: HashMap<(String, Option<String>), u64>,
    /// Sign-ups that wait for their confirmation.
    pub pending: u64,
    /// Sign-ups that were erased unconfirmed, ever.
    pub expired: u64,
    /// Suppressed addresses.
    pub suppressed: u64,
}

impl Stats {
    /// How many are on a list.
    pub fn on_list(&self, list: &str) -> u64 {
        let all = self.by_constituency.iter();
        all.filter(|((key, _), _)| key == list)
            .map(|(_, count)| count)
            .sum()
    }

    /// How many of a list are in one of these constituencies.
    pub fn on_list_in(&self, list: &str, codes: &[String]) -> u64 {
        let of = |code: &String| {
            let key = (list.to_owned(), Some(code.clone()));
            self.by_constituency.get(&key).copied().unwrap_or(0)
        };
        codes.iter().map(of).sum()
    }
}

/// The counts of subscribers.
#[derive(Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    subscribers: i64,
    by_constituency: HashMap<(String, Option<String>), i64>,
}

impl Tally {
    /// Counts everybody, page by page.
    pub(super) async fn scan(store: &Store) -> Result<Self, ConsentError> {
        let tally = Self::default();
        let mut after = None;
        loop {
            let page = store.standings_after(after, PAGE).await?;
            for standing in &page.rows {
                tally.change(None, Some(&standing.subscriber.record));
            }
            after = page.next;
            if after.is_none() {
                return Ok(tally);
            }
        }
    }

    /// Counts a change. Changes commute, so the order in which they are counted doesn't matter; each is guarded by the
    /// version that `before` was read at, so each is counted once.
    pub(super) fn change(
        &self,
        before: Option<&SubscriberRecord>,
        after: Option<&SubscriberRecord>,
    ) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (record, by) in [(before, -1), (after, 1)] {
            let Some(record) = record else { continue };
            counts.subscribers += by;
            for one in &record.subscriptions {
                let key = (one.list.clone(), record.constituency.clone());
                let count = counts.by_constituency.entry(key.clone()).or_default();
                *count += by;
                if *count == 0 {
                    counts.by_constituency.remove(&key);
                }
            }
        }
    }

    fn read(&self) -> Stats {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = |count: i64| u64::try_from(count).unwrap_or(0);
        let by_constituency = counts.by_constituency.iter();
        Stats {
            subscribers: whole(counts.subscribers),
            by_constituency: by_constituency
                .map(|(key, count)| (key.clone(), whole(*count)))
                .collect(),
            ..Stats::default()
        }
    }
}

impl Consent {
    /// The counts now.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn stats(&self) -> Result<Stats, ConsentError> {
        let now = self.clock().now();
        Ok(Stats {
            pending: self.store().count_requests(now).await?.0,
            suppressed: self.store().count_suppressed().await?,
            expired: self.expired_so_far().await?,
            ..self.tally().read()
        })
    }

    /// How many are on a list, or on it in these constituencies: in memory, for previews.
    pub fn count(&self, list: &str, constituencies: Option<&[String]>) -> u64 {
        let stats = self.tally().read();
        match constituencies {
            None => stats.on_list(list),
            Some(codes) => stats.on_list_in(list, codes),
        }
    }
}
