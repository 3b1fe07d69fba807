//! The queue: staff mail and our own service mail, a row for each outside recipient, as a room of the engine.
//!
//! # What must hold
//! - An attempt is on record, and the next one put off, before anybody is dialled: a crash backs off.
//! - Service mail is asked about right before its final dot: none goes to somebody who left meanwhile.
//! - A mail leaves the queue in the same transaction that tells its sender why (staff), and without a word where
//!   nobody is to be told (service, null reverse-path).

mod enqueue;
mod give_up;
mod notice;
mod parcel;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

pub use self::enqueue::{
    Outsider, StaffMail, TLS_REPORT, needs_of, needs_of_staff_mail, queue_report_mail,
    queue_service_mail, queue_staff_mail,
};
pub use self::notice::LocalDelivery;
pub use self::wanted::{AlwaysWanted, StillWanted, Wanted};

use self::notice::End;
use self::parcel::QueuedParcel;
use super::classify::{Cause, Verdict};
use super::parcel::{Attempted, Boxed, Fate, Letter, MailBytes, Parcel, Source};
use super::schedule::{MailKind, Notice, Schedule, Turn};
use super::signing::{Signing, SigningError, Stream};
use crate::address::EmailAddress;
use crate::clock::Clock;
use crate::message::dkim::{SignError, SigningTime};
use crate::store::{
    Change, ChangeOutcome, Guard, MailClass, QueueRecord, Queued, Step, Store, StoreError,
};
use crate::template::Templates;

/// What the queue needs to know of us.
#[derive(Clone)]
pub struct QueueSettings {
    /// When to try again, to tell, and to give up.
    pub schedule: Schedule,
    /// Our host's name, as notices give it.
    pub host: String,
    /// The address that notices come from.
    pub postmaster: EmailAddress,
    /// The words of notices.
    pub templates: Arc<Templates>,
}

/// What became of service mail since the start, by kind and outcome.
pub type ServiceCounts = BTreeMap<(String, &'static str), u64>;

/// The queue as a room with mail to send. Clones are the same queue.
#[derive(Clone)]
pub struct MailQueue(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    signing: Option<Arc<Signing>>,
    standing: Arc<dyn StillWanted>,
    settings: QueueSettings,
    /// The words in force, which a reload changes.
    templates: ArcSwap<Templates>,
    counts: Mutex<ServiceCounts>,
}

impl MailQueue {
    /// The queue of this store. Without `signing`, what isn't signed when it's queued stays so. `standing` is asked
    /// before each service mail.
    pub fn new(
        store: Store,
        clock: Clock,
        signing: Option<Arc<Signing>>,
        standing: Arc<dyn StillWanted>,
        settings: QueueSettings,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            signing,
            standing,
            templates: ArcSwap::new(settings.templates.clone()),
            settings,
            counts: Mutex::default(),
        }))
    }

    /// Writes notices in these words from now on.
    pub fn reword(&self, templates: Arc<Templates>) {
        self.0.templates.store(templates);
    }

    /// What became of service mail since the start.
    pub fn counts(&self) -> ServiceCounts {
        self.0
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Source for MailQueue {
    fn due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Boxed<'_, Result<Vec<Arc<dyn Parcel>>, StoreError>> {
        Box::pin(async move {
            let rows = self.0.store.due_mail(now, limit).await?;
            Ok(rows
                .into_iter()
                .map(|row| Arc::new(QueuedParcel::new(self.0.clone(), row)) as Arc<dyn Parcel>)
                .collect())
        })
    }

    fn next_due(&self) -> Boxed<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(self.0.store.next_mail())
    }
}

impl Inner {
    /// When a mail is tried again if nothing is heard of this attempt.
    fn after_crash(&self, row: &Queued) -> Timestamp {
        let now = self.clock.now();
        match self.turn(row, now, SignedDuration::ZERO) {
            Turn::Retry(at) => at,
            Turn::GiveUp => now + SignedDuration::from_mins(5),
        }
    }

    fn turn(&self, row: &Queued, now: Timestamp, at_least: SignedDuration) -> Turn {
        if now >= row.record.expires_at {
            return Turn::GiveUp;
        }
        let seed = u64::from_be_bytes(row.id.as_bytes()[..8].try_into().unwrap_or_default());
        self.settings.schedule.after_failure(
            kind(&row.record.class),
            row.record.queued_at,
            now,
            row.record.attempts,
            seed,
            at_least,
        )
    }

    /// Until when it is tried.
    fn end(&self, record: &QueueRecord) -> Timestamp {
        let lifetime = self.settings.schedule.lifetime(kind(&record.class));
        let end = record.queued_at.saturating_add(lifetime);
        end.unwrap_or(Timestamp::MAX).min(record.expires_at)
    }

    /// Signs a mail that isn't signed yet. One that can't be signed goes without: what its header lacks, no later try
    /// will find.
    async fn sign(&self, row: &mut Queued) -> Result<Signed, StoreError> {
        let Some(signing) = self
            .signing
            .as_ref()
            .filter(|_| row.record.prefix.is_none())
        else {
            return Ok(Signed::Done);
        };
        let time = SigningTime {
            at: row.record.queued_at,
            expires: None,
        };
        let stream = match row.record.class {
            MailClass::Staff { .. } => Stream::Staff,
            MailClass::Service { .. } => Stream::Service,
        };
        match signing
            .sign_stored(stream, self.store.body(row.message), time)
            .await
        {
            Ok(fields) => row.record.prefix = Some(fields),
            Err(SigningError::Store(error)) if error.is_temporary() => return Err(error),
            Err(SigningError::Store(_)) => return Ok(Signed::Damaged),
            Err(SigningError::Sign(SignError::NoKey)) => return Ok(Signed::KeyMissing),
            Err(error) => tracing::error!(%error, mail = %row.id, "a mail goes out unsigned"),
        }
        Ok(Signed::Done)
    }

    fn letter(&self, row: &Queued, size: u64) -> Letter {
        let record = &row.record;
        let prefix = Bytes::from(record.prefix.clone().unwrap_or_default());
        let path = record.reverse_path.as_deref();
        Letter {
            reverse_path: path.and_then(|path| EmailAddress::parse(path).ok()),
            recipient: record.recipient.clone(),
            size: Some(size + prefix.len() as u64),
            utf8: record.needs.smtputf8,
            eight_bit: record.needs.eight_bit,
            dsn: (!record.dsn.is_usual()).then(|| Box::new(record.dsn.clone())),
            bytes: MailBytes::Stored {
                prefix,
                body: self.store.body(row.message),
            },
        }
    }

    /// Writes a row's new state, and what goes with it, unless the row is gone. Says whether it was there.
    async fn rewrite(&self, row: &Queued, with: Vec<Step>) -> Result<bool, StoreError> {
        let change = Change::new()
            .require(Guard::Queued(row.id))
            .then_all(with)
            .then(Step::PutQueued(row.clone()));
        Ok(self.store.change(change).await? == ChangeOutcome::Done)
    }

    async fn remove(&self, row: &Queued, with: Vec<Step>) -> Result<(), StoreError> {
        let change = Change::new()
            .require(Guard::Queued(row.id))
            .then_all(with)
            .then(Step::RemoveQueued(row.id));
        // Dropped meanwhile: then there is nobody to tell.
        let _ = self.store.change(change).await?;
        Ok(())
    }

    async fn settle(&self, row: Queued, attempted: Attempted) -> Result<(), StoreError> {
        let (verdict, said) = match attempted.fate {
            fate @ (Fate::Delivered | Fate::Entrusted) => {
                let steps = match fate {
                    // Whoever took it tells no more.
                    Fate::Delivered => notice::relayed(self, &row, attempted.at).await,
                    _ => Vec::new(),
                };
                self.remove(&row, steps).await?;
                self.count(&row.record.class, "delivered");
                return Ok(());
            }
            Fate::Failed { verdict, said } => (verdict, said),
            // It may have been taken, or not. Twice is better than never.
            Fate::Unknown => (
                Verdict {
                    cause: Cause::Unknown,
                    permanent: false,
                    pause: None,
                },
                "4.4.2 the connection broke before the answer came".to_owned(),
            ),
        };
        let pause = verdict.pause.unwrap_or(SignedDuration::ZERO);
        match self.turn(&row, attempted.at, pause) {
            Turn::Retry(at) if !verdict.permanent => {
                self.put_off(row, verdict, said, attempted.at, at).await
            }
            turn => {
                let expired = turn == Turn::GiveUp && !verdict.permanent;
                let failed = notice::Failed {
                    cause: verdict.cause,
                    said: &said,
                    at: attempted.at,
                };
                let end = match expired {
                    true => End::Expired,
                    false => End::Refused,
                };
                let steps = notice::failed(self, &row, &failed, end).await?;
                self.remove(&row, steps).await?;
                self.count(
                    &row.record.class,
                    if expired { "expired" } else { "failed" },
                );
                Ok(())
            }
        }
    }

    /// Puts a mail off, and tells its sender if it is time to.
    async fn put_off(
        &self,
        mut row: Queued,
        verdict: Verdict,
        said: String,
        now: Timestamp,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let told = row.record.delay_told.then_some(Notice::Delayed);
        let due = self.settings.schedule.notice(
            kind(&row.record.class),
            row.record.queued_at,
            now,
            verdict.cause.is_about_safety(),
            told,
        );
        let failed = notice::Failed {
            cause: verdict.cause,
            said: &said,
            at: now,
        };
        let steps = match due {
            Some(_) => notice::delayed(self, &row, &failed).await?,
            None => Vec::new(),
        };
        row.record.delay_told |= due.is_some();
        row.record.last_failure = Some(format!("{}: {said}", verdict.cause.name()));
        row.due_at = at;
        self.rewrite(&row, steps).await?;
        Ok(())
    }

    fn count(&self, class: &MailClass, outcome: &'static str) {
        if let MailClass::Service { kind } = class {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            *counts.entry((kind.clone(), outcome)).or_default() += 1;
        }
    }
}

/// What came of signing.
enum Signed {
    Done,
    KeyMissing,
    Damaged,
}

fn kind(class: &MailClass) -> MailKind {
    match class {
        MailClass::Staff { .. } => MailKind::Staff,
        MailClass::Service { .. } => MailKind::Service,
    }
}
