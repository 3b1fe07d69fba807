//! When our reports on TLS go, by which way, and what becomes of one that can't go: it is posted to a web address or queued
//! as a mail in the hours after its day; a place that doesn't answer is tried for a day; then the report is dropped, and
//! counted.

mod road;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::road::{PostError, Road};

use super::rua::{Place, places};
use super::tally::{DayResults, TlsTally, begin_of, day_of};
use super::write::{self, Author};
use crate::address::{Domain, EmailAddress, MatchForm};
use crate::clock::Clock;
use crate::delivery::engine::Bell;
use crate::delivery::queue::queue_report_mail;
use crate::dns::LookupError;
use crate::store::{Change, Step, Store, StoreError, TlsDayRow};
use crate::vault::IndexColumn;

/// How long a report is tried (RFC 8460 §5.5).
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// Waits between tries; the last one repeats.
const WAITS: [SignedDuration; 4] = [
    SignedDuration::from_mins(15),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(3),
    SignedDuration::from_hours(6),
];
/// A day that nobody reported for so long, since the machine was off, interests nobody any more.
const STALE: SignedDuration = SignedDuration::from_hours(24 * 7);
/// The longest wait before it is looked what is due.
const LOOK: SignedDuration = SignedDuration::from_hours(1);
/// After trouble with the store.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// Days that are read at once, and worked on at once.
const READ: u32 = 64;
const AT_ONCE: usize = 8;
/// Mails to one address in a day: any domain may name it, or many do.
const MAILS: u32 = 5;

/// What the reporter needs to know of us.
#[derive(Debug, Clone)]
pub struct ReporterSettings {
    /// Whether anything is reported at all.
    pub on: bool,
    /// Who reports.
    pub author: Author,
    /// This host, for ids.
    pub host: Domain,
    /// Our own domains, to which nobody reports.
    pub own: Vec<Domain>,
}

/// What became of reports since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentCounts {
    /// Posted.
    pub posted: u64,
    /// Given to the queue.
    pub mailed: u64,
    /// Dropped: a day long nobody took them.
    pub given_up: u64,
}

/// Sends our reports. Clones are the same one.
#[derive(Clone)]
pub struct Reporter(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    tally: Arc<TlsTally>,
    bell: Bell,
    settings: ArcSwap<ReporterSettings>,
    road: ArcSwapOption<Road>,
    counts: Mutex<SentCounts>,
    mailed: Mutex<Mailed>,
}

/// How many mails each address got today.
#[derive(Default)]
struct Mailed {
    day: Option<Date>,
    to: HashMap<MatchForm, u32>,
}

impl Mailed {
    fn one_more(&mut self, today: Date, to: MatchForm) -> bool {
        if self.day != Some(today) {
            (self.day, self.to) = (Some(today), HashMap::new());
        }
        let count = self.to.entry(to).or_default();
        *count += 1;
        *count <= MAILS
    }
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reporter(..)")
    }
}

/// What came of one try at a day's places.
#[derive(Default)]
struct Tried {
    steps: Vec<Step>,
    /// Some place didn't take it.
    failed: bool,
}

impl Reporter {
    /// The reporter of what this tally counts.
    pub fn new(
        store: Store,
        clock: Clock,
        tally: Arc<TlsTally>,
        bell: Bell,
        settings: ReporterSettings,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            tally,
            bell,
            settings: ArcSwap::from_pointee(settings),
            road: ArcSwapOption::empty(),
            counts: Mutex::default(),
            mailed: Mutex::default(),
        }))
    }

    /// Takes the settings of a new configuration.
    pub fn reload(&self, settings: ReporterSettings) {
        self.0.settings.store(Arc::new(settings));
    }

    /// Takes the way to others of a new configuration.
    pub fn go_by(&self, road: Road) {
        self.0.road.store(Some(Arc::new(road)));
    }

    /// What became of reports since the start.
    pub fn counts(&self) -> SentCounts {
        *self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was counted and isn't on the disk yet.
    ///
    /// # Errors
    /// A [`StoreError`]: it is tried again.
    pub async fn save(&self) -> Result<(), StoreError> {
        match self.0.settings.load().on {
            true => self.0.tally.save(&self.0.store).await,
            false => {
                self.0.tally.forgo();
                Ok(())
            }
        }
    }

    /// What works by itself: counts are written soon, reports go when they are due.
    pub async fn run(self) {
        let saving = async {
            let mut trouble = Trouble::default();
            loop {
                self.0.tally.something().await;
                let saved = self.save().await;
                if trouble.is_there(saved.err(), "what came of TLS could not be written down") {
                    self.0.clock.sleep(AGAIN).await;
                }
            }
        };
        let sending = async {
            let mut trouble = Trouble::default();
            loop {
                let done = self.round().await;
                let wait_until = done.as_ref().ok().copied();
                let what = "reports on TLS could not be looked after";
                trouble.is_there(done.err(), what);
                let soon = after(self.0.clock.now(), AGAIN);
                let wait_until = wait_until.unwrap_or(soon);
                self.0.clock.sleep_until(wait_until).await;
            }
        };
        tokio::join!(saving, sending);
    }

    /// Sends what is due; says when to look again.
    async fn round(&self) -> Result<Timestamp, StoreError> {
        let inner = &*self.0;
        self.save().await?;
        let now = inner.clock.now();
        let stale = now.saturating_sub(STALE + PATIENCE).unwrap_or(now);
        let off = !inner.settings.load().on;
        let gone = if off { Timestamp::MAX } else { stale };
        self.change(vec![Step::ForgetTlsDays(gone)]).await?;
        let Some(road) = inner.road.load_full().filter(|_| !off) else {
            return Ok(after(now, LOOK));
        };
        loop {
            let due = inner.store.tls_days(Timestamp::MIN, now, READ).await?;
            if due.is_empty() {
                break;
            }
            // Whoever is slow holds up one of the places, and not those who come after.
            let reporting = due.into_iter().map(|day| self.report(&road, day));
            let mut reporting = stream::iter(reporting).buffer_unordered(AT_ONCE);
            let mut all = Ok(());
            while let Some(reported) = reporting.next().await {
                all = all.and(reported);
            }
            all?;
        }
        let next = inner.store.next_tls_day(now).await?;
        Ok(next.unwrap_or(Timestamp::MAX).min(after(now, LOOK)))
    }

    /// Reports one day to one domain, or puts it off, or gives it up: it isn't due any more.
    async fn report(&self, road: &Road, mut row: TlsDayRow) -> Result<(), StoreError> {
        let inner = &*self.0;
        inner.tally.close(row.id);
        let now = inner.clock.now();
        let own = inner.settings.load().own.contains(&row.record.domain);
        let age = now.duration_since(begin_of(row.record.day));
        let results = serde_json::from_value::<DayResults>(row.record.results.take()).ok();
        let Some(mut results) = results.filter(|_| !own && age < STALE) else {
            return self.change(vec![Step::RemoveTlsDay(row.id)]).await;
        };
        results.report.tries = results.report.tries.saturating_add(1);
        let tried_at = *results.report.tried_at.get_or_insert(now);
        let mut tried = match self.places_of(road, &row.record.domain).await {
            Ok(places) => self.tell(road, &row, &mut results, &places).await,
            Err(error) => {
                tracing::debug!(%error, "it can't be looked up who wants reports on TLS");
                Tried {
                    failed: true,
                    ..Tried::default()
                }
            }
        };
        let last = after(tried_at, PATIENCE);
        if tried.failed && now < last {
            let wait = usize::try_from(results.report.tries).unwrap_or(usize::MAX) - 1;
            row.due_at = after(now, WAITS[wait.min(WAITS.len() - 1)]).min(last);
            // It is plain data.
            row.record.results = serde_json::to_value(&results).unwrap_or_default();
            tried.steps.push(Step::PutTlsDay(row));
        } else {
            if tried.failed {
                self.count(|counts| counts.given_up += 1);
                tracing::info!("a report on TLS was dropped: for a day nobody took it");
            }
            tried.steps.push(Step::RemoveTlsDay(row.id));
        }
        let mails = tried.steps.len() > 1;
        self.change(tried.steps).await?;
        if mails {
            inner.bell.wake();
        }
        Ok(())
    }

    async fn places_of(&self, road: &Road, domain: &Domain) -> Result<Vec<Place>, LookupError> {
        match road.resolver.texts(&format!("_smtp._tls.{domain}")).await {
            Ok(texts) => Ok(places(&texts)),
            Err(LookupError::NoSuchDomain) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Tells each place that wasn't told yet.
    async fn tell(
        &self,
        road: &Road,
        row: &TlsDayRow,
        results: &mut DayResults,
        places: &[Place],
    ) -> Tried {
        let mut tried = Tried::default();
        let settings = self.0.settings.load_full();
        let fresh = || format!("{}.{}@{}", row.record.day, row.id, settings.host);
        let id = results.report.id.get_or_insert_with(fresh).clone();
        let report = write::report(&settings.author, &row.record, results, &id);
        let Ok(packed) = write::packed(&report) else {
            return tried;
        };
        let done = &mut results.report.done;
        let new = |place: &&Place| !done.contains(&place.name());
        let new: Vec<&Place> = places.iter().filter(new).collect();
        // All at once: together they take no longer than one.
        let posting = new.iter().filter_map(|place| match place {
            Place::Https(to) => Some(async { (place.name(), road.post(to, &packed).await) }),
            Place::Mail(_) => None,
        });
        for (name, posted) in join_all(posting).await {
            match posted {
                Ok(()) => {
                    self.count(|counts| counts.posted += 1);
                    done.push(name);
                }
                Err(error) => {
                    tracing::debug!(%error, "a report on TLS was not taken");
                    tried.failed = true;
                }
            }
        }
        for place in &new {
            let Place::Mail(to) = place else { continue };
            match self.may_mail(to).await {
                Ok(true) => {
                    let mail = self.mail(&settings.author, row, to, &id, &packed);
                    tried.steps.extend(mail);
                    self.count(|counts| counts.mailed += 1);
                    done.push(place.name());
                }
                Ok(false) => {
                    tracing::debug!("a report on TLS is for nobody who may be mailed to");
                    done.push(place.name());
                }
                Err(_) => tried.failed = true,
            }
        }
        tried
    }

    /// Whether an address may have one more mail. Whoever writes a domain's DNS can name anybody's, so that nobody gets many,
    /// and who does not want to be written to gets none.
    async fn may_mail(&self, to: &EmailAddress) -> Result<bool, StoreError> {
        let (store, form) = (&self.0.store, to.match_form());
        let indexes = store
            .vault()
            .index_all(IndexColumn::Suppression, form.as_bytes());
        for index in indexes {
            match store.suppression(index).await {
                Ok(row) if row.record.scopes.is_empty() => {}
                Err(error) if error.is_temporary() => return Err(error),
                // Of a row that doesn't open nobody can say that it allows it.
                Ok(_) | Err(_) => return Ok(false),
            }
        }
        let today = day_of(self.0.clock.now());
        let mut mailed = self.0.mailed.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(mailed.one_more(today, form))
    }

    fn mail(
        &self,
        author: &Author,
        row: &TlsDayRow,
        to: &EmailAddress,
        id: &str,
        packed: &[u8],
    ) -> Vec<Step> {
        let (vault, now) = (self.0.store.vault(), self.0.clock.now());
        let bytes = write::mail(author, &row.record, to, id, packed, now);
        queue_report_mail(vault, to, &bytes, now, after(now, PATIENCE))
    }

    async fn change(&self, steps: Vec<Step>) -> Result<(), StoreError> {
        let change = Change::new().then_all(steps);
        self.0.store.change(change).await.map(drop)
    }

    fn count(&self, one: impl FnOnce(&mut SentCounts)) {
        one(&mut self.0.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Trouble with the store: it is told when it begins.
#[derive(Default)]
struct Trouble(bool);

impl Trouble {
    fn is_there(&mut self, error: Option<StoreError>, what: &str) -> bool {
        let began = !std::mem::replace(&mut self.0, error.is_some());
        if let Some(error) = &error {
            match began {
                true => tracing::warn!(%error, "{what}; tried again every minute"),
                false => tracing::debug!(%error, "{what} still"),
            }
        }
        self.0
    }
}

fn after(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
