//! A row of the queue on its way through the engine.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::wanted::Wanted;
use super::{Inner, Signed};
use crate::address::Domain;
use crate::delivery::classify::{Cause, Fault, Verdict};
use crate::delivery::parcel::{
    Attempted, Boxed, Clearance, Fate, Letter, Loaded, Parcel, ParcelKey,
};
use crate::id::QueueId;
use crate::store::{MailClass, Queued, StoreError, TlsWish};

/// A row of the queue on its way.
pub(super) struct QueuedParcel {
    queue: Arc<Inner>,
    id: QueueId,
    domain: Domain,
    wish: TlsWish,
    /// The row as it was written last.
    row: Mutex<Queued>,
}

impl QueuedParcel {
    pub(super) fn new(queue: Arc<Inner>, row: Queued) -> Self {
        Self {
            queue,
            id: row.id,
            domain: row.record.recipient.domain().clone(),
            wish: row.record.tls,
            row: Mutex::new(row),
        }
    }

    fn row(&self) -> Queued {
        self.row
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_row(&self, row: Queued) {
        *self.row.lock().unwrap_or_else(PoisonError::into_inner) = row;
    }

    async fn begin(&self) -> Result<Begun, StoreError> {
        let queue = &self.queue;
        let Some(mut row) = queue.store.queued(self.id).await? else {
            return Ok(Begun::Gone);
        };
        let message = match queue.store.message(row.message).await {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(Begun::Damaged),
            Err(error) if error.is_temporary() => return Err(error),
            Err(_) => return Ok(Begun::Damaged),
        };
        match queue.sign(&mut row).await? {
            Signed::Done => {}
            Signed::KeyMissing => return Ok(Begun::KeyMissing),
            Signed::Damaged => return Ok(Begun::Damaged),
        }
        row.record.attempts = row.record.attempts.saturating_add(1);
        row.due_at = queue.after_crash(&row);
        if !queue.rewrite(&row, Vec::new()).await? {
            return Ok(Begun::Gone);
        }
        let letter = queue.letter(&row, message.size);
        self.set_row(row);
        Ok(Begun::Ready(letter))
    }

    /// What was stored can't be read any more, and no later try will: its sender hears of it, and nothing waits for ever.
    async fn damaged(&self) -> Loaded {
        tracing::error!(mail = %self.id, "a queued mail is damaged and was given up: run `hustings store verify`");
        let failed = Attempted {
            fate: Fate::Failed {
                verdict: Verdict {
                    cause: Cause::OurFault(Fault::Content),
                    permanent: true,
                    pause: None,
                },
                said: "5.6.0 the stored message is damaged".to_owned(),
            },
            at: self.queue.clock.now(),
        };
        match self.queue.settle(self.row(), failed).await {
            Ok(()) => Loaded::Gone,
            Err(error) => self.not_now(&error),
        }
    }

    fn not_now(&self, error: &dyn std::fmt::Display) -> Loaded {
        tracing::warn!(%error, mail = %self.id, "a queued mail could not be made ready");
        Loaded::NotNow
    }
}

/// What came of making a mail ready.
enum Begun {
    Ready(Letter),
    Gone,
    /// It can never be sent.
    Damaged,
    /// It waits for a key to sign with.
    KeyMissing,
}

impl QueuedParcel {
    /// Asks whether it is still wanted; what isn't leaves the queue without a word.
    async fn permission(&self) -> Option<Clearance> {
        let row = self.row();
        let MailClass::Service { kind } = &row.record.class else {
            return Some(Box::new(()));
        };
        let standing = &self.queue.standing;
        match standing.still_wanted(kind, &row.record.recipient).await {
            Wanted::Yes(permission) => return Some(permission),
            Wanted::NotNow => {}
            Wanted::No => match self.queue.remove(&row, Vec::new()).await {
                Ok(()) => self.queue.count(&row.record.class, "unwanted"),
                Err(error) => {
                    tracing::warn!(%error, mail = %self.id, "a mail that isn't wanted could not be dropped");
                }
            },
        }
        None
    }
}

impl Parcel for QueuedParcel {
    fn key(&self) -> ParcelKey {
        *self.id.as_bytes()
    }

    fn destination(&self) -> &Domain {
        &self.domain
    }

    fn wish(&self) -> TlsWish {
        self.wish
    }

    fn load(&self) -> Boxed<'_, Loaded> {
        Box::pin(async {
            match self.begin().await {
                Ok(Begun::Ready(letter)) => Loaded::Ready(letter),
                Ok(Begun::Gone) => Loaded::Gone,
                Ok(Begun::Damaged) => self.damaged().await,
                Ok(Begun::KeyMissing) => self.not_now(&"the key to sign it with can't be used"),
                Err(error) => self.not_now(&error),
            }
        })
    }

    /// A row that was dropped, or erased with the person it is for, isn't sent any more. It is read after the permission
    /// was taken: who ends it in between waits for us.
    fn clearance(&self) -> Boxed<'_, Option<Clearance>> {
        Box::pin(async {
            let permission = self.permission().await?;
            self.queue.store.queued(self.id).await.ok().flatten()?;
            Some(permission)
        })
    }

    fn settle(&self, attempted: Attempted) -> Boxed<'_, Result<(), StoreError>> {
        Box::pin(async move { self.queue.settle(self.row(), attempted).await })
    }

    fn settle_unloaded(&self, attempted: Attempted) -> Boxed<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut row = self.row();
            row.record.attempts = row.record.attempts.saturating_add(1);
            self.queue.settle(row, attempted).await
        })
    }

    fn untried(&self) -> Boxed<'_, ()> {
        Box::pin(async {
            let mut row = self.row();
            row.record.attempts = row.record.attempts.saturating_sub(1);
            row.due_at = self.queue.clock.now();
            // Else it is tried again later, as after a crash.
            if self.queue.rewrite(&row, Vec::new()).await.is_ok() {
                self.set_row(row);
            }
        })
    }

    fn put_off(&self, until: Timestamp, said: String) -> Boxed<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut row = self.row();
            row.due_at = until;
            row.record.last_failure = Some(said);
            self.queue.rewrite(&row, Vec::new()).await.map(drop)
        })
    }
}
