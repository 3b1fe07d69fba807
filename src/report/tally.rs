//! What came of our connections, by day and domain: counted in memory, since whoever counts must not wait, and written into
//! the store a moment later, so that a restart loses nothing of a day.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::address::Domain;
use crate::clock::Clock;
use crate::delivery::policy::results::{
    FoundPolicy, PolicyKind, ResultType, Tally, TlsAttempt, TlsResults,
};
use crate::id::TlsDayId;
use crate::store::{Change, Step, Store, StoreError, TlsDayRecord, TlsDayRow};

/// Domains counted in a day; of what goes beyond, only failures are counted, by their kind.
const MOST: usize = 5_000;
/// Policies of a domain that are told apart in a day.
const POLICIES: usize = 8;
/// Failures of a policy that are told apart by server.
const FAILURES: usize = 100;
/// Lines of a policy, and names of servers in it, that are kept.
const LINES: usize = 40;
/// The longest of them, in characters.
const LONGEST: usize = 500;
/// Rows written at once.
const WRITTEN: usize = 200;
/// How long counts may be in memory alone.
const SOON: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 2_000 });
/// When the first report of a day goes, after midnight; and the last: by chance in between (RFC 8460 §4.1).
const FIRST: i64 = 30 * 60;
const SPREAD: i64 = 4 * 3_600;

/// What came of a day's connections to a domain, and of the report on it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayResults {
    /// By policy.
    pub policies: Vec<PolicyDay>,
    /// What became of the report.
    #[serde(default)]
    pub report: Reported,
}

/// What became of a report so far.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Its id, once it was made.
    pub id: Option<String>,
    /// When it was first tried to send it.
    pub tried_at: Option<Timestamp>,
    /// How often.
    pub tries: u32,
    /// Where it is done with.
    pub done: Vec<String>,
}

/// What came of connections under one policy.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDay {
    /// Which kind.
    pub kind: PolicyKind,
    /// Its lines, or its records.
    pub lines: Vec<String>,
    /// The servers that it names.
    pub mx: Vec<String>,
    /// Connections that were as it asks.
    pub successes: u64,
    /// Others.
    pub failures: Vec<FailureDay>,
}

/// Connections that failed alike.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureDay {
    /// How.
    pub result: ResultType,
    /// At which server, if it came to one.
    pub host: Option<String>,
    /// At which address.
    pub address: Option<IpAddr>,
    /// How many.
    pub count: u64,
}

/// Names of servers tell to whom mail went, and so do the places that hear of it: none is shown.
impl std::fmt::Debug for DayResults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DayResults")
            .field("policies", &self.policies)
            .field("report", &self.report)
            .finish()
    }
}

impl std::fmt::Debug for Reported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reported")
            .field("tried_at", &self.tried_at)
            .field("tries", &self.tries)
            .field("done", &self.done.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PolicyDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyDay")
            .field("kind", &self.kind)
            .field("successes", &self.successes)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for FailureDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FailureDay")
            .field("result", &self.result)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl PolicyDay {
    fn of(found: &FoundPolicy) -> Self {
        let cut = |lines: &[String]| {
            let lines = lines.iter().take(LINES);
            let short = |line: &String| line.chars().take(LONGEST).collect();
            lines.map(short).collect()
        };
        Self {
            kind: found.kind,
            lines: cut(&found.lines),
            mx: cut(&found.mx),
            successes: 0,
            failures: Vec::new(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        (self.kind, &self.lines, &self.mx) == (other.kind, &other.lines, &other.mx)
    }

    fn count(&mut self, attempt: &TlsAttempt<'_>) {
        let Some(result) = attempt.failure else {
            self.successes = self.successes.saturating_add(1);
            return;
        };
        let room = self.failures.len() < FAILURES;
        let mut host = attempt.host.map(str::to_owned);
        let mut address = attempt.address;
        let at = |one: &FailureDay, host: &Option<String>, address| {
            one.result == result && one.host == *host && one.address == address
        };
        let known = self.failures.iter().any(|one| at(one, &host, address));
        if !known && !room {
            (host, address) = (None, None);
        }
        match self.failures.iter_mut().find(|one| at(one, &host, address)) {
            Some(one) => one.count = one.count.saturating_add(1),
            None => self.failures.push(FailureDay {
                result,
                host,
                address,
                count: 1,
            }),
        }
    }
}

impl DayResults {
    fn count(&mut self, attempt: &TlsAttempt<'_>) {
        let fresh = PolicyDay::of(attempt.policy);
        let found = self.policies.iter().position(|one| one.is(&fresh));
        let at = found.or_else(|| {
            // A policy that changes all day is counted with the others of its kind.
            let full = self.policies.len() >= POLICIES;
            let same = |one: &PolicyDay| one.kind == fresh.kind;
            full.then(|| self.policies.iter().position(same)).flatten()
        });
        let at = at.unwrap_or_else(|| {
            self.policies.push(fresh);
            self.policies.len() - 1
        });
        self.policies[at].count(attempt);
    }
}

/// A day of a domain in memory.
struct Counted {
    id: TlsDayId,
    due_at: Timestamp,
    results: DayResults,
    /// It isn't on the disk as it is here.
    fresh: bool,
    /// Its report is on its way: what still comes begins anew.
    closed: bool,
}

#[derive(Default)]
struct Days {
    /// The day that is counted now, and how many domains it has.
    now: Option<(Date, usize)>,
    days: BTreeMap<(Date, Domain), Counted>,
    /// Failures of those that were too many.
    others: BTreeMap<(Date, ResultType), u64>,
}

impl Days {
    /// Turns to a day, forgetting those before yesterday; how many domains it has.
    fn turn(&mut self, today: Date) -> usize {
        if let Some((day, begun)) = self.now
            && day == today
        {
            return begun;
        }
        let recent = |day: Date| (today - day).get_days().abs() <= 1;
        // What could not be written yet is kept a while longer.
        let late = |day: Date| (today - day).get_days().abs() <= 3;
        self.days
            .retain(|(day, _), one| recent(*day) || (one.fresh && late(*day)));
        self.others.retain(|(day, _), _| recent(*day));
        let begun = self.days.keys().filter(|(day, _)| *day == today).count();
        self.now = Some((today, begun));
        begun
    }
}

/// Counts of today and yesterday.
pub struct TlsTally {
    clock: Clock,
    days: Mutex<Days>,
    came: Notify,
}

impl std::fmt::Debug for TlsTally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsTally(..)")
    }
}

impl TlsTally {
    /// Nothing counted yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            days: Mutex::default(),
            came: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Days> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with what was counted today before a restart.
    ///
    /// # Errors
    /// A [`StoreError`] if it can't be read: then the day is counted anew beside it.
    pub async fn load(&self, store: &Store) -> Result<(), StoreError> {
        let limit = u32::try_from(MOST).unwrap_or(u32::MAX);
        let now = self.clock.now();
        let rows = store.tls_days(now, Timestamp::MAX, limit).await?;
        let today = day_of(now);
        let mut days = self.lock();
        days.now = None;
        for row in rows.into_iter().filter(|row| row.record.day == today) {
            let Ok(results) = serde_json::from_value(row.record.results) else {
                continue;
            };
            let counted = Counted {
                id: row.id,
                due_at: row.due_at,
                results,
                fresh: false,
                closed: false,
            };
            let key = (row.record.day, row.record.domain);
            days.days.entry(key).or_insert(counted);
        }
        Ok(())
    }

    /// What came of connections to a domain on a day.
    pub fn of(&self, day: Date, domain: &Domain, kind: PolicyKind) -> Tally {
        let days = self.lock();
        let mut tally = Tally::default();
        let counted = days.days.get(&(day, domain.clone())).into_iter();
        let policies = counted.flat_map(|one| &one.results.policies);
        for policy in policies.filter(|policy| policy.kind == kind) {
            tally.successes += policy.successes;
            for one in &policy.failures {
                let host = one.host.as_deref().map(Into::into);
                *tally.failures.entry((one.result, host)).or_default() += one.count;
            }
        }
        tally
    }

    /// Failures of today and yesterday by kind, without domains: for `status`.
    pub fn failures(&self) -> BTreeMap<&'static str, u64> {
        let days = self.lock();
        let mut counts = BTreeMap::new();
        let policies = days.days.values().flat_map(|one| &one.results.policies);
        let told = policies
            .flat_map(|policy| &policy.failures)
            .map(|one| (one.result, one.count));
        let others = days.others.iter().map(|((_, kind), count)| (*kind, *count));
        for (kind, count) in told.chain(others) {
            *counts.entry(kind.name()).or_default() += count;
        }
        counts
    }

    /// Waits until there is something to be written, and a moment longer, so that much is written at once.
    pub async fn something(&self) {
        self.came.notified().await;
        tokio::time::sleep(SOON).await;
    }

    /// Writes what isn't on the disk yet.
    ///
    /// # Errors
    /// A [`StoreError`]: what wasn't written still is to be.
    pub async fn save(&self, store: &Store) -> Result<(), StoreError> {
        loop {
            let rows = self.take_fresh();
            if rows.is_empty() {
                return Ok(());
            }
            let steps = rows.iter().cloned().map(Step::PutTlsDay);
            let written = store.change(Change::new().then_all(steps)).await;
            if let Err(error) = written {
                self.put_back(&rows);
                return Err(error);
            }
        }
    }

    fn take_fresh(&self) -> Vec<TlsDayRow> {
        let mut days = self.lock();
        let fresh = days.days.iter_mut().filter(|(_, one)| one.fresh);
        fresh
            .take(WRITTEN)
            .map(|((day, domain), one)| {
                one.fresh = false;
                TlsDayRow {
                    id: one.id,
                    due_at: one.due_at,
                    record: TlsDayRecord {
                        domain: domain.clone(),
                        day: *day,
                        // It is plain data.
                        results: serde_json::to_value(&one.results).unwrap_or_default(),
                    },
                }
            })
            .collect()
    }

    fn put_back(&self, rows: &[TlsDayRow]) {
        let mut days = self.lock();
        for one in days.days.values_mut() {
            one.fresh |= rows.iter().any(|row| row.id == one.id);
        }
        self.came.notify_one();
    }

    /// Nothing of it is written: nobody reports.
    pub fn forgo(&self) {
        self.lock()
            .days
            .values_mut()
            .for_each(|one| one.fresh = false);
    }

    /// The day's report is about to go: nothing more is counted into it.
    pub fn close(&self, id: TlsDayId) {
        let mut days = self.lock();
        if let Some(one) = days.days.values_mut().find(|one| one.id == id) {
            (one.closed, one.fresh) = (true, false);
        }
    }
}

impl TlsResults for TlsTally {
    fn note(&self, attempt: &TlsAttempt<'_>) {
        let now = self.clock.now();
        let today = day_of(now);
        let mut days = self.lock();
        let begun = days.turn(today);
        let key = (today, attempt.domain.clone());
        let known = days.days.get(&key).map(|one| one.closed);
        if known == Some(true) {
            days.days.remove(&key);
        }
        if begun >= MOST && known.is_none() {
            if let Some(kind) = attempt.failure {
                *days.others.entry((today, kind)).or_default() += 1;
            }
            return;
        }
        if known.is_none() {
            days.now = Some((today, begun + 1));
        }
        let counted = days.days.entry(key).or_insert_with(|| Counted {
            id: TlsDayId::random(),
            due_at: due_after(today, now),
            results: DayResults::default(),
            fresh: true,
            closed: false,
        });
        counted.results.count(attempt);
        counted.fresh = true;
        self.came.notify_one();
    }
}

/// The UTC day of a moment.
pub(super) fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// When a day begins.
pub(super) fn begin_of(day: Date) -> Timestamp {
    let begin = day.to_zoned(TimeZone::UTC);
    begin.map_or(Timestamp::MAX, |begin| begin.timestamp())
}

/// When a day's report goes: in the hours after its end, by chance, so that not all reports reach a domain at once.
fn due_after(day: Date, now: Timestamp) -> Timestamp {
    let end = begin_of(day)
        .saturating_add(SignedDuration::from_hours(24))
        .unwrap_or(now);
    let chance = i64::from(u16::from_be_bytes([
        crate::id::random()[0],
        crate::id::random()[0],
    ]));
    let wait = FIRST + chance * (SPREAD - FIRST) / i64::from(u16::MAX);
    let due = end.saturating_add(SignedDuration::from_secs(wait));
    due.unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::rua::places;

    #[test]
    fn no_name_of_a_server_is_printed() {
        let failure = FailureDay {
            result: ResultType::CertificateExpired,
            host: Some("mx.voter.example".to_owned()),
            address: Some([203, 0, 113, 9].into()),
            count: 3,
        };
        let policy = PolicyDay {
            kind: PolicyKind::Sts,
            lines: vec!["mx: mx.voter.example".to_owned()],
            mx: vec!["mx.voter.example".to_owned()],
            successes: 1,
            failures: vec![failure],
        };
        let results = DayResults {
            policies: vec![policy],
            report: Reported {
                id: Some("2026-11-21.x@mail.voter.example".to_owned()),
                done: vec!["mailto:tls@voter.example".to_owned()],
                ..Reported::default()
            },
        };
        let record = b"v=TLSRPTv1; rua=mailto:a@voter.example,https://voter.example/x".to_vec();
        let places = places(&[record]);
        assert_eq!(places.len(), 2);
        let printed = format!("{results:?} {places:?}");
        assert!(printed.contains("count: 3"), "{printed}");
        assert!(!printed.contains("voter") && !printed.contains("203.0"));
    }
}
