//! Counts, kept in memory: one scan at start, then each change by what it changed.
//!
//! Who isn't an admin is shown no live count: whoever could look before and after a sign-up or a withdrawal would learn
//! whose it was. They see the counts as they stood at four in the morning (UTC), or at the start if that was later, in
//! steps ([`MaskedCount`]).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::{Consent, ConsentError};
use crate::store::{Store, SubscriberRecord};

/// How many subscribers the scan reads at once.
const PAGE: u32 = 1000;
/// Below this a count tells too much of somebody.
const FEWEST: u64 = 5;
/// The second of the day (UTC) at which the counts for who isn't an admin are taken.
const TAKEN_AT: i64 = 4 * 60 * 60;
const DAY: i64 = 24 * 60 * 60;

/// A count as somebody may see it: exact for an admin, for anybody else in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum MaskedCount {
    /// The count, exact or a step.
    Exact(u64),
    /// Fewer than five, or none.
    FewerThanFive,
}

impl MaskedCount {
    /// The count for who isn't an admin, rounded down: fewer than five, then to five under 100, to ten under 1,000, and
    /// from there to two leading digits.
    pub fn masked(count: u64) -> Self {
        let step = match count {
            0..FEWEST => return Self::FewerThanFive,
            FEWEST..100 => 5,
            100..1000 => 10,
            _ => 10_u64.pow(count.ilog10() - 1),
        };
        Self::Exact(count - count % step)
    }

    /// The count for an admin, or [masked](Self::masked) for anybody else.
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

    fn among(&self, list: &str, constituencies: Option<&[String]>) -> u64 {
        match constituencies {
            None => self.on_list(list),
            Some(codes) => self.on_list_in(list, codes),
        }
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
    /// The counts of this morning, and which morning that was.
    morning: (i64, Stats),
    /// Since when these counts stand: that hour, or the start.
    taken_at: Option<Timestamp>,
}

/// The last hour at which counts were taken for who isn't an admin.
pub fn morning_of(now: Timestamp) -> Timestamp {
    let at = day_of(now) * DAY + TAKEN_AT;
    Timestamp::from_second(at).unwrap_or(now)
}

fn day_of(now: Timestamp) -> i64 {
    (now.as_second() - TAKEN_AT).div_euclid(DAY)
}

impl Counts {
    /// Takes the counts of a new morning. Done before each change and each look, so that they are those of the hour
    /// itself, whoever looks when.
    fn keep_morning(&mut self, now: Timestamp) {
        if self.morning.0 != day_of(now) {
            self.morning = (day_of(now), self.stats());
            self.taken_at = Some(morning_of(now));
        }
    }

    fn stats(&self) -> Stats {
        let whole = |count: i64| u64::try_from(count).unwrap_or(0);
        let by_constituency = self.by_constituency.iter();
        Stats {
            subscribers: whole(self.subscribers),
            by_constituency: by_constituency
                .map(|(key, count)| (key.clone(), whole(*count)))
                .collect(),
            ..Stats::default()
        }
    }
}

impl Tally {
    /// Counts everybody, page by page.
    pub(super) async fn scan(store: &Store, now: Timestamp) -> Result<Self, ConsentError> {
        let tally = Self::default();
        let mut after = None;
        loop {
            let page = store.standings_after(after, PAGE).await?;
            for standing in &page.rows {
                tally.count(None, Some(&standing.subscriber.record));
            }
            after = page.next;
            if after.is_none() {
                let mut counts = tally.lock();
                counts.morning.0 = i64::MIN;
                counts.keep_morning(now);
                counts.taken_at = Some(now);
                drop(counts);
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
        now: Timestamp,
    ) {
        self.lock().keep_morning(now);
        self.count(before, after);
    }

    fn count(&self, before: Option<&SubscriberRecord>, after: Option<&SubscriberRecord>) {
        let mut counts = self.lock();
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
        self.lock().stats()
    }

    fn read_morning(&self, now: Timestamp) -> Stats {
        let mut counts = self.lock();
        counts.keep_morning(now);
        counts.morning.1.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The subscribers as they were counted this morning: all that who isn't an admin is shown, masked. Sign-ups that
    /// wait, expired ones and suppressions are for admins alone and not counted here.
    pub fn morning_stats(&self) -> Stats {
        self.tally().read_morning(self.clock().now())
    }

    /// How many are on each list that anybody is on, be it in the configuration or not: now, or as of this morning.
    pub fn by_list(&self, now: bool) -> BTreeMap<String, u64> {
        let stats = match now {
            true => self.tally().read(),
            false => self.morning_stats(),
        };
        let mut lists = BTreeMap::new();
        for ((list, _), count) in stats.by_constituency {
            *lists.entry(list).or_default() += count;
        }
        lists
    }

    /// When [`Consent::morning_stats`] were counted: at the hour of the morning, or at the start if that was later.
    pub fn counted_at(&self) -> Timestamp {
        let now = self.clock().now();
        let mut counts = self.tally().lock();
        counts.keep_morning(now);
        counts.taken_at.unwrap_or(now)
    }

    /// How many are on a list now, or on it in these constituencies: in memory, for previews.
    pub fn count(&self, list: &str, constituencies: Option<&[String]>) -> u64 {
        self.tally().read().among(list, constituencies)
    }

    /// The same as of this morning, for who isn't an admin.
    pub fn morning_count(&self, list: &str, constituencies: Option<&[String]>) -> u64 {
        self.morning_stats().among(list, constituencies)
    }
}
