//! The dispatcher: pulls what is due, starts couriers, sleeps until there is more to do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::task::JoinSet;

use super::Shared;
use super::chain::quit;
use super::courier;
use super::desk::{Offered, PutOff};
use crate::delivery::parcel::Source;
use crate::store::StoreError;

/// How many parcels more than are known are asked for at a time.
const BATCH: usize = 500;
/// The most that a source is asked for.
const MOST: usize = 10_000;
/// How long to wait before a store that could not be read, or written, is tried again.
const SICK: Duration = Duration::from_secs(1);
/// How soon to look again for what is due and could not be taken.
const BLOCKED: Duration = Duration::from_secs(1);
/// How often the counts of [`PaceBook`](crate::delivery::pace::PaceBook) are written down, at most.
const SAVE: Duration = Duration::from_secs(10);
/// How soon to look again when a source names a time that has passed, and has nothing.
const ODD: Duration = Duration::from_secs(60);

pub(super) struct Dispatcher {
    sources: Vec<Arc<dyn Source>>,
    shared: Arc<Shared>,
    couriers: JoinSet<()>,
    /// Which source is asked first.
    turn: usize,
    /// Parcels that were due at the last pull and had no room.
    blocked: usize,
    /// When something is due next, by the clock.
    next_due: Option<Timestamp>,
    /// When to pull whatever happens.
    pull_at: Option<Instant>,
    /// When the counts were written down last.
    saved_at: Instant,
    /// The day that the counts are of.
    day: Date,
}

/// What came of asking.
#[derive(Debug, Default)]
struct Asked {
    taken: usize,
    blocked: usize,
    /// There may be more.
    full: bool,
}

impl Dispatcher {
    pub(super) fn new(sources: Vec<Arc<dyn Source>>, shared: Arc<Shared>) -> Self {
        let today = day(shared.clock.now());
        Self {
            sources,
            shared,
            couriers: JoinSet::new(),
            turn: 0,
            blocked: 0,
            next_due: None,
            pull_at: Some(Instant::now()),
            saved_at: Instant::now(),
            day: today,
        }
    }

    pub(super) async fn run(mut self) {
        while !self.shared.stop.is_cancelled() {
            while self.couriers.try_join_next().is_some() {}
            for session in self.shared.desk.expired(false) {
                quit(session);
            }
            if !self.shared.gate.is_open() {
                self.shared.gate.retry(&self.shared.desk).await;
            }
            if self.shared.gate.is_open() {
                self.keep_pace().await;
                self.pull_if_wanted().await;
                self.launch();
                // Those that were next and may have no slot have just been told from those that may.
                self.send_back();
            }
            self.sleep().await;
        }
        self.end().await;
    }

    /// Starts couriers while there are slots and destinations that want one.
    fn launch(&mut self) {
        while let Some(to) = self.shared.desk.claim() {
            self.couriers.spawn(courier::work(self.shared.clone(), to));
        }
    }

    /// Begins a new day, and has the counts outlive us.
    async fn keep_pace(&mut self) {
        let today = day(self.shared.clock.now());
        if std::mem::replace(&mut self.day, today) != today {
            self.shared.desk.unspend();
        }
        if self.saved_at.elapsed() >= SAVE {
            self.saved_at = Instant::now();
            self.save().await;
        }
    }

    /// Sends back what has to wait for its provider.
    fn send_back(&mut self) {
        for put_off in self.shared.desk.take_held_up() {
            self.put_off(put_off);
        }
    }

    fn put_off(&mut self, put_off: PutOff) {
        let shared = self.shared.clone();
        self.couriers.spawn(courier::put_off(shared, put_off));
    }

    async fn save(&self) {
        if let Err(error) = self.shared.settings.pace.save().await {
            tracing::warn!(%error, "what providers got today could not be written down");
        }
    }

    async fn pull_if_wanted(&mut self) {
        let now = Instant::now();
        let rested = self.shared.desk.wake_resting(now);
        let rung = self.shared.bell.take_pull();
        let time = self.pull_at.is_some_and(|at| at <= now);
        let due = self
            .next_due
            .is_some_and(|at| at <= self.shared.clock.now());
        if !(rested || rung || time || due) {
            return;
        }
        (self.pull_at, self.next_due) = (None, None);
        if let Err(error) = self.pull().await {
            tracing::warn!(%error, "what is due could not be read: it is tried again");
            self.pull_at = Some(now + SICK);
        }
    }

    /// Takes on what is due, as much as there is room for.
    async fn pull(&mut self) -> Result<(), StoreError> {
        let now = self.shared.clock.now();
        loop {
            // Those that are under way or have no room are offered again, before the others: ask for more than them.
            let known = self.shared.desk.under_way();
            let limit = (known + 2 * self.blocked + BATCH).min(MOST);
            let asked = self.ask(now, limit).await?;
            self.blocked = asked.blocked;
            if asked.full && asked.taken == 0 && limit < MOST && self.shared.desk.room() > 0 {
                continue;
            }
            let more = asked.full || asked.blocked > 0;
            self.shared.desk.set_hungry(more);
            if !more {
                return self.find_next(now).await;
            }
            self.pull_at = Some(Instant::now() + BLOCKED);
            return Ok(());
        }
    }

    /// Asks each source in turn for what is due.
    async fn ask(&mut self, now: Timestamp, limit: usize) -> Result<Asked, StoreError> {
        let count = self.sources.len();
        self.turn = (self.turn + 1) % count.max(1);
        let mut asked = Asked::default();
        for at in 0..count {
            if self.shared.desk.room() == 0 {
                asked.full = true;
                break;
            }
            let source = &self.sources[(self.turn + at) % count];
            let rows = u32::try_from(limit).unwrap_or(u32::MAX);
            let due = source.due(now, rows).await?;
            asked.full |= due.len() >= limit;
            for parcel in due {
                match self.shared.desk.offer(parcel) {
                    Offered::Taken => asked.taken += 1,
                    Offered::PutOff(put_off) => {
                        asked.taken += 1;
                        self.put_off(put_off);
                    }
                    Offered::NoRoom => asked.blocked += 1,
                    Offered::Known => {}
                    Offered::Full => {
                        asked.full = true;
                        break;
                    }
                }
            }
        }
        Ok(asked)
    }

    /// Finds out when there is something to pull next.
    async fn find_next(&mut self, now: Timestamp) -> Result<(), StoreError> {
        for source in &self.sources {
            let Some(due) = source.next_due().await? else {
                continue;
            };
            if due > now {
                self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
            } else {
                // What is under way hides what is due after it.
                let busy = self.shared.desk.under_way() > 0;
                self.pull_at = Some(Instant::now() + if busy { BLOCKED } else { ODD });
            }
        }
        Ok(())
    }

    async fn sleep(&self) {
        let shared = &self.shared;
        let dirty = shared.settings.pace.is_dirty();
        let save = dirty.then(|| self.saved_at + SAVE);
        let alarms = [self.pull_at, shared.desk.next_alarm(), save];
        let mut alarm = alarms.into_iter().flatten().min();
        if !shared.gate.is_open() {
            alarm = Some(Instant::now() + SICK);
        }
        let alarm = async {
            match alarm {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let due = async {
            match self.next_due {
                Some(at) => shared.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.bell.heard() => {}
            () = shared.stop.cancelled() => {}
            () = alarm => {}
            () = due => {}
        }
    }

    /// Couriers end by themselves once they may begin nothing new.
    async fn end(mut self) {
        while self.couriers.join_next().await.is_some() {}
        self.shared.gate.retry(&self.shared.desk).await;
        self.save().await;
        let mut parting = JoinSet::new();
        for session in self.shared.desk.expired(true) {
            parting.spawn(session.quit());
        }
        let courtesy = Duration::from_secs(1);
        let _ = tokio::time::timeout(courtesy, async {
            while parting.join_next().await.is_some() {}
        })
        .await;
    }
}

/// The day (UTC) of a time.
fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
