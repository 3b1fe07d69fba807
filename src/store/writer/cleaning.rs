//! What the writer does between the writes of others: it drops bodies that nobody keeps, empties the write-ahead log of
//! what was erased, and measures the files.

use std::time::Duration;

use tokio::time::Instant;

use super::{FORGETTING, RECHECK, Writer};
use crate::store::{StoreError, body, open};

/// How long the traces of what was erased may stay in the write-ahead log while more is being erased.
const BETWEEN_SCRUBS: Duration = Duration::from_secs(10);
/// How soon it is tried again while somebody reads.
const READ_MEANWHILE: Duration = Duration::from_millis(500);
/// How often the files are measured while there is much to write.
const BETWEEN_MEASURES: Duration = Duration::from_secs(1);
/// From which length on the write-ahead log is cut. SQLite brings it into the database from 8 MiB on, and writes it from
/// its beginning again; it is longer after a large group, or while somebody read.
const LONG_LOG: u64 = 32 << 20;

impl Writer {
    /// Forgets a piece of what nobody will accept, between the writes of others.
    pub(super) async fn forget_piece(&mut self) {
        self.forget_at = None;
        let forgotten = match self.connection.take() {
            // A sick store is looked at by whoever wants something of it.
            None => Err(StoreError::Stopped),
            Some(mut connection) => {
                let forgotten = body::forget_piece(&mut self.forgotten, &mut connection).await;
                let sick = matches!(&forgotten, Err(error) if error.needs_check());
                if sick {
                    self.recheck_at = Some(Instant::now() + RECHECK);
                } else {
                    self.connection = Some(connection);
                }
                forgotten
            }
        };
        let next = match forgotten {
            Ok(()) => Instant::now(),
            Err(error) => {
                tracing::debug!(%error, "what nobody keeps could not be dropped; tried again");
                Instant::now() + RECHECK
            }
        };
        if !self.forgotten.is_empty() {
            self.forget_at = Some(next);
        } else if std::mem::take(&mut self.freed) {
            self.plan_scrub();
        }
        self.measure(self.forgotten.is_empty()).await;
    }

    /// Forgets what is left to be forgotten, before nobody is here to do it: what was erased is not to stand on the disk of
    /// a machine that is off. What takes longer, or fails, the next start does.
    pub(super) async fn forget_the_rest(&mut self) {
        let until = Instant::now() + FORGETTING;
        while !self.forgotten.is_empty() && Instant::now() < until {
            self.forget_piece().await;
            if self.forget_at.is_some_and(|again| again > Instant::now()) {
                return;
            }
        }
    }

    /// Measures the files, at once or now and then: how many pages are free, and whether the write-ahead log grew long. It
    /// is cut then: it would stay as long as it ever was.
    pub(super) async fn measure(&mut self, at_once: bool) {
        let now = Instant::now();
        let due = self
            .measured_at
            .is_none_or(|at| now > at + BETWEEN_MEASURES);
        let connection = self.connection.as_mut();
        let Some(connection) = connection.filter(|_| due || at_once) else {
            return;
        };
        self.measured_at = Some(now);
        match open::free_pages(connection).await {
            Ok(bytes) => self.shared.reserve.set_free_pages(bytes),
            Err(error) => tracing::debug!(%error, "the free pages could not be counted"),
        }
        if open::log_length(&self.files) > LONG_LOG {
            self.plan_scrub();
        }
    }

    /// Brings the write-ahead log into the database and empties it, so that what was erased stands in neither.
    pub(super) async fn scrub(&mut self) {
        let now = Instant::now();
        self.scrub_at = Some(now + BETWEEN_SCRUBS);
        let Some(connection) = &mut self.connection else {
            return;
        };
        match open::scrub(connection).await {
            Ok(true) => (self.scrub_at, self.scrubbed_at) = (None, Some(now)),
            Ok(false) => self.scrub_at = Some(now + READ_MEANWHILE),
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be emptied; tried again");
                if error.needs_check() {
                    self.connection = None;
                    self.recheck_at = Some(now + RECHECK);
                }
            }
        }
    }

    /// Something was erased: the write-ahead log is emptied at once, or a while after the last time.
    pub(super) fn plan_scrub(&mut self) {
        let now = Instant::now();
        let next = self.scrubbed_at.map_or(now, |last| last + BETWEEN_SCRUBS);
        self.scrub_at.get_or_insert(next.max(now));
    }
}
