//! One copy on its way: read again, made, signed, cleared, and its outcome written down.
//!
//! What is known of the person is read again when the copy is made and once more, inside the consent room's gate, right
//! before the final dot. Nothing is written when an attempt begins.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::running::Running;
use super::{Mailings, cause};
use crate::address::Domain;
use crate::consent::{Confirmed, Departing, Subscription};
use crate::delivery::classify::Verdict;
use crate::delivery::parcel::{Attempted, Boxed, Clearance, Fate, Loaded, Parcel, ParcelKey};
use crate::delivery::schedule::{MailKind, Turn};
use crate::store::{CopyState, LedgerRecord, LedgerRow, MailingState, RecordOutcomes, StoreError};

/// A copy that was offered.
pub(super) struct CopyParcel {
    room: Mailings,
    running: Arc<Running>,
    row: LedgerRow,
    domain: Domain,
    /// Whom the letter was made for.
    to: Mutex<Option<Confirmed<Subscription>>>,
}

/// What is to be written down.
struct Outcome {
    state: CopyState,
    due_at: Option<Timestamp>,
    cause: Option<&'static str>,
    /// Whether it was tried.
    tried: bool,
}

impl Outcome {
    fn over(state: CopyState) -> Self {
        Self {
            state,
            due_at: None,
            cause: None,
            tried: false,
        }
    }

    fn failed(cause: &'static str) -> Self {
        Self {
            cause: Some(cause),
            ..Self::over(CopyState::Failed)
        }
    }

    fn due(at: Timestamp) -> Self {
        Self {
            due_at: Some(at),
            ..Self::over(CopyState::Due)
        }
    }
}

impl CopyParcel {
    pub(super) fn new(room: &Mailings, running: &Arc<Running>, row: LedgerRow) -> Self {
        let domain = row.record.domain.as_deref();
        // A row always has its domain while it has its person; without one there is nobody to send to.
        let domain = domain.and_then(|domain| Domain::parse(domain).ok());
        Self {
            room: room.clone(),
            running: running.clone(),
            row,
            domain: domain.unwrap_or_else(|| room.terms().settings.mail_domain.clone()),
            to: Mutex::new(None),
        }
    }

    async fn make(&self) -> Loaded {
        match self.running.state() {
            // It is about to be paused.
            MailingState::Sending if !self.room.has_its_list(&self.running) => {
                return Loaded::NotNow;
            }
            MailingState::Sending => {}
            MailingState::Paused | MailingState::Held => return Loaded::NotNow,
            MailingState::Cancelled | MailingState::Done => return Loaded::Gone,
        }
        if self
            .running
            .resting_until(self.room.clock().now())
            .is_some()
        {
            return Loaded::NotNow;
        }
        let Some(subscriber) = self.row.subscriber else {
            return Loaded::Gone;
        };
        let list = self.running.now().record.list.clone();
        let to = match self.room.consent().subscription(subscriber, &list).await {
            Ok(Some(to)) => to,
            Ok(None) => return self.gone().await,
            Err(error) => return self.not_now(&error),
        };
        let now = self.room.clock().now();
        if let Some(until) = to.paused_until().filter(|until| now < *until) {
            return self.put_off(until).await;
        }
        let plan = match self.room.plan(&self.running).await {
            Ok(plan) => plan,
            Err(error) => return self.not_now(&error),
        };
        match self.room.letter(plan, &list, self.row.copy, &to).await {
            Ok(Ok(letter)) => {
                *self.to() = Some(to);
                Loaded::Ready(letter)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, mailing = %self.running.id, "a copy can't be made");
                match self.write(Outcome::failed(cause::UNSENDABLE), now).await {
                    Ok(()) => Loaded::Gone,
                    Err(error) => self.not_now(&error),
                }
            }
            Err(error) => self.not_now(&error),
        }
    }

    /// The person is no longer there. A withdrawal has taken the row's link and its due time already; this is for
    /// whatever else took the subscription away.
    async fn gone(&self) -> Loaded {
        let now = self.room.clock().now();
        match self.write(Outcome::over(CopyState::Withdrawn), now).await {
            Ok(()) => Loaded::Gone,
            Err(error) => self.not_now(&error),
        }
    }

    /// The person's "stop" is not decided yet. It may be so only after the copy's time.
    async fn put_off(&self, until: Timestamp) -> Loaded {
        let now = self.room.clock().now();
        let life = self.schedule().lifetime(MailKind::Copy);
        let released = self.running.now().record.released_at.unwrap_or(now);
        let end = released.saturating_add(life).unwrap_or(Timestamp::MAX);
        let (outcome, loaded) = match until <= end {
            true => (Outcome::due(until), Loaded::NotNow),
            false => (Outcome::failed(cause::PAUSED), Loaded::Gone),
        };
        match self.write(outcome, now).await {
            Ok(()) => loaded,
            Err(error) => self.not_now(&error),
        }
    }

    /// The mailing rests for a while, so that nobody runs in circles.
    fn not_now(&self, error: &dyn std::fmt::Display) -> Loaded {
        tracing::warn!(%error, mailing = %self.running.id, "a copy can't be made now");
        self.running.rest(self.room.clock().now());
        Loaded::NotNow
    }

    async fn clear(&self) -> Option<Clearance> {
        let to = self.to().clone()?;
        let departing = self.room.consent().depart(&to).await;
        // Read after the gate was entered, like the person's own standing.
        if self.running.state() != MailingState::Sending {
            return None;
        }
        match departing {
            Ok(Departing::Go(place)) => return Some(Box::new(place)),
            Ok(Departing::Paused(until)) => drop(self.put_off(until).await),
            Ok(Departing::Gone) => drop(self.gone().await),
            Err(error) => drop(self.not_now(&error)),
        }
        None
    }

    async fn finish(&self, attempted: Attempted) -> Result<(), StoreError> {
        let at = attempted.at;
        let outcome = match attempted.fate {
            Fate::Delivered | Fate::Entrusted => Outcome::over(CopyState::Sent),
            Fate::Failed { verdict, .. } if verdict.permanent => {
                Outcome::failed(verdict.cause.name())
            }
            Fate::Failed { verdict, .. } => self.again(at, &verdict),
            // It may have been taken. Sending it again may make a second one, not sending it may make none.
            Fate::Unknown => self.later(at, SignedDuration::ZERO, cause::BROKEN),
        };
        let outcome = Outcome {
            tried: true,
            ..outcome
        };
        self.write(outcome, at).await
    }

    fn again(&self, at: Timestamp, verdict: &Verdict) -> Outcome {
        let pause = verdict.pause.unwrap_or(SignedDuration::ZERO);
        self.later(at, pause, verdict.cause.name())
    }

    /// By the schedule: another try, or none after the last.
    fn later(&self, at: Timestamp, at_least: SignedDuration, cause: &'static str) -> Outcome {
        let since = self.row.record.since.unwrap_or(at);
        let failures = self.row.record.attempts.saturating_add(1);
        let (first, _) = self.row.copy.as_bytes().split_at(8);
        let seed = first
            .iter()
            .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let schedule = self.schedule();
        let turn = schedule.after_failure(MailKind::Copy, since, at, failures, seed, at_least);
        match turn {
            Turn::Retry(when) => Outcome {
                cause: Some(cause),
                ..Outcome::due(when)
            },
            Turn::GiveUp => Outcome::failed(cause::EXPIRED),
        }
    }

    fn schedule(&self) -> crate::delivery::schedule::Schedule {
        self.room.terms().settings.schedule.clone()
    }

    /// Writes an outcome, and counts it once it's on the disk.
    async fn write(&self, outcome: Outcome, at: Timestamp) -> Result<(), StoreError> {
        let old = &self.row.record;
        let record = LedgerRecord {
            state: outcome.state,
            attempts: old.attempts.saturating_add(outcome.tried.into()),
            since: old.since.or(outcome.tried.then_some(at)),
            domain: old.domain.clone().filter(|_| outcome.due_at.is_some()),
            cause: outcome.cause.map(str::to_owned),
            at,
        };
        let outcomes = RecordOutcomes {
            copy: self.row.copy,
            due_at: outcome.due_at,
            record,
        };
        let _books = self.running.books.read().await;
        self.room.store().record_outcome(outcomes).await?;
        self.running.settle(self.row.copy);
        match outcome.state {
            CopyState::Sent => self.running.tally().sent(at),
            CopyState::Failed => self
                .running
                .tally()
                .failed(outcome.cause.unwrap_or("unknown")),
            CopyState::Due | CopyState::Withdrawn | CopyState::Cancelled => {}
        }
        Ok(())
    }

    fn to(&self) -> std::sync::MutexGuard<'_, Option<Confirmed<Subscription>>> {
        self.to.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CopyParcel {
    fn drop(&mut self) {
        self.running.take_back(&self.row.copy);
    }
}

impl Parcel for CopyParcel {
    fn key(&self) -> ParcelKey {
        *self.row.copy.as_bytes()
    }

    fn destination(&self) -> &Domain {
        &self.domain
    }

    fn is_bulk(&self) -> bool {
        true
    }

    fn load(&self) -> Boxed<'_, Loaded> {
        Box::pin(self.make())
    }

    fn clearance(&self) -> Boxed<'_, Option<Clearance>> {
        Box::pin(self.clear())
    }

    fn settle(&self, attempted: Attempted) -> Boxed<'_, Result<(), StoreError>> {
        Box::pin(self.finish(attempted))
    }

    fn put_off(&self, until: Timestamp, _: String) -> Boxed<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let outcome = Outcome {
                cause: Some(cause::PACE),
                ..Outcome::due(until)
            };
            match self.running.state() {
                MailingState::Sending => self.write(outcome, self.room.clock().now()).await,
                _ => Ok(()),
            }
        })
    }

    /// One write: hundreds may share the fate of one that was tried, and none of their letters is needed.
    fn settle_unloaded(&self, attempted: Attempted) -> Boxed<'_, Result<(), StoreError>> {
        Box::pin(async move {
            match self.running.state() {
                MailingState::Sending => self.finish(attempted).await,
                // Not tried now, and nothing to record if it was cancelled.
                _ => Ok(()),
            }
        })
    }
}
