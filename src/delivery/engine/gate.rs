//! The gate before every final dot: shut while there is an outcome that could not be written down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::desk::Desk;
use crate::delivery::parcel::{Attempted, Parcel};

type Unsettled = (Arc<dyn Parcel>, Attempted);

pub(super) struct Gate {
    unsettled: Mutex<Vec<Unsettled>>,
    open: watch::Sender<bool>,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            unsettled: Mutex::default(),
            open: watch::Sender::new(true),
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Unsettled>> {
        self.unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    pub(super) fn unsettled(&self) -> usize {
        self.list().len()
    }

    /// Waits until the gate is open; not for longer than `patience`.
    pub(super) async fn wait_open(&self, patience: Duration) -> bool {
        if self.is_open() {
            return true;
        }
        let mut open = self.open.subscribe();
        let waited = tokio::time::timeout(patience, open.wait_for(|open| *open)).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// Writes an outcome down. If that fails the gate is shut, and the outcome kept until it could be written.
    pub(super) async fn settle(
        &self,
        desk: &Desk,
        parcel: Arc<dyn Parcel>,
        attempted: Attempted,
    ) -> bool {
        let Err(error) = parcel.settle(attempted.clone()).await else {
            desk.finished(parcel.key());
            return true;
        };
        if !error.is_temporary() {
            // It stays under way, so that it isn't sent twice by this process.
            tracing::error!(%error, "what became of a mail can't be written down: run `hustings store verify`");
            return false;
        }
        tracing::warn!(%error, "what became of a mail could not be written down: nothing is sent until it is");
        self.list().push((parcel, attempted));
        self.open.send_replace(false);
        desk.nudge();
        false
    }

    /// Tries to write down what could not be, one after the other, and opens the gate when nothing is left.
    pub(super) async fn retry(&self, desk: &Desk) {
        loop {
            let Some((parcel, attempted)) = self.list().first().cloned() else {
                break;
            };
            match parcel.settle(attempted).await {
                Ok(()) => desk.finished(parcel.key()),
                Err(error) if error.is_temporary() => return,
                Err(error) => {
                    tracing::error!(%error, "what became of a mail can't be written down: run `hustings store verify`");
                }
            }
            let key = parcel.key();
            self.list().retain(|(other, _)| other.key() != key);
        }
        // Looked at under the list's own lock: nobody can add in between.
        let list = self.list();
        if list.is_empty() && !self.is_open() {
            tracing::info!("all outcomes are written down: mail is sent again");
            self.open.send_replace(true);
        }
    }
}
