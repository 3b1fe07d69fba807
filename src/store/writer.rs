//! The one writer. Writes arrive as values, wait in a queue, and are committed in groups: one transaction and one
//! sync for all that arrived while the last group was being synced.
//!
//! What must hold:
//! - A caller hears `Ok` only after the commit that holds its write has been synced (`synchronous=FULL`).
//! - A group has no savepoints. If it fails it is rolled back whole, and its writes are run one by one, so that only
//!   the bad one fails.
//! - After an error that leaves the disk's state unknown the connection is closed, every write is refused, and the
//!   file is checked before the next one.
//! - While the journal can't be written nothing else is either: nobody may be written to who could not leave.
//! - What was erased leaves the write-ahead log too, soon afterwards.

mod cleaning;
mod group;
mod room;
mod transaction;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use self::group::{AnyJob, Group, Submit, Work};
use self::room::Full;
use self::transaction::transact;
pub(super) use self::{group::Write, transaction::Tx};
use super::StoreError;
use super::change::Change;
use super::journal::Journal;
use super::mailbox::Watches;
use super::open::{self, Files};
use super::reserve::Reserve;
use crate::id::MessageId;
use crate::vault::Vault;

/// How many writes one group takes at most.
const GROUP: usize = 256;
/// How many writes may wait for the writer before callers wait to hand theirs over.
const WAITING: usize = 512;
/// How long a stop waits for what was just erased to leave the disk.
const FORGETTING: Duration = Duration::from_secs(5);
/// How long to wait before a sick store is looked at again.
const RECHECK: Duration = Duration::from_secs(5);

/// Whether the store takes writes, as `status` shows it.
#[derive(Debug, Clone)]
pub enum Health {
    /// Writes are committed.
    Well,
    /// Writes are refused for this reason.
    Refusing(StoreError),
}

/// Counters of the writer since it started.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Groups committed: about as many syncs.
    pub groups: AtomicU64,
    /// Writes committed.
    pub writes: AtomicU64,
    /// How often the connection was opened anew.
    pub reopened: AtomicU64,
}

/// What the store's handles share with the writer.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) health: ArcSwap<Health>,
    pub(super) counters: Counters,
    pub(super) reserve: Reserve,
    pub(super) watches: Watches,
    /// Rings for the intake's worker.
    pub(super) work_left: Notify,
}

/// The handle with which writes are handed over.
#[derive(Clone)]
pub(super) struct Handle {
    jobs: mpsc::Sender<AnyJob>,
    pub(super) shared: Arc<Shared>,
}

impl Handle {
    /// Hands a write over and waits until its commit is on the disk.
    pub(super) async fn write<W: Submit>(&self, write: W) -> Result<W::Outcome, StoreError> {
        let (done, outcome) = oneshot::channel();
        self.jobs
            .send(write.into_job(done))
            .await
            .map_err(|_| StoreError::Stopped)?;
        outcome.await.map_err(|_| StoreError::Stopped)?
    }

    /// Forgets a staged body, after all that was handed over of it. Nobody waits for that.
    pub(super) fn forget(&self, id: MessageId) {
        let full = match self.jobs.try_send(AnyJob(Work::Forget(id))) {
            Err(mpsc::error::TrySendError::Full(job)) => job,
            // Once the writer is gone, the next start does it.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return,
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let jobs = self.jobs.clone();
            runtime.spawn(async move { jobs.send(full).await });
        }
    }
}

/// The writer's own side.
pub(super) struct Writer {
    files: Files,
    vault: Vault,
    journal: Journal,
    connection: Option<SqliteConnection>,
    /// When a sick store may be looked at again; none if the connection was closed for another reason.
    recheck_at: Option<Instant>,
    /// The last write that was refused for want of room.
    full: Option<Full>,
    /// When the write-ahead log is emptied next, if something was erased since.
    scrub_at: Option<Instant>,
    scrubbed_at: Option<Instant>,
    /// Staged bodies, and messages that nobody keeps any more, that are to be forgotten, and when that goes on.
    forgotten: VecDeque<MessageId>,
    forget_at: Option<Instant>,
    /// Among them is mail that was somebody's: no trace of it is to stay.
    freed: bool,
    /// When the files were last measured.
    measured_at: Option<Instant>,
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts the writer on its own task. It ends when `closing` is notified and what was handed over before is
    /// committed, or once every handle is gone. It answers its connection, to be closed once nobody reads any more.
    pub(super) fn start(
        files: Files,
        vault: Vault,
        journal: Journal,
        connection: SqliteConnection,
        closing: Arc<Notify>,
    ) -> (Handle, tokio::task::JoinHandle<Option<SqliteConnection>>) {
        let (jobs, queue) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared {
            health: ArcSwap::from_pointee(Health::Well),
            counters: Counters::default(),
            reserve: Reserve::of(&files.directory),
            watches: Watches::default(),
            work_left: Notify::new(),
        });
        let writer = Self {
            files,
            vault,
            journal,
            connection: Some(connection),
            recheck_at: None,
            full: None,
            // What the start swept leaves the log as well.
            scrub_at: Some(Instant::now()),
            scrubbed_at: None,
            forgotten: VecDeque::new(),
            forget_at: None,
            freed: false,
            measured_at: None,
            shared: shared.clone(),
        };
        (
            Handle { jobs, shared },
            tokio::spawn(writer.run(queue, closing)),
        )
    }

    async fn run(
        mut self,
        mut queue: mpsc::Receiver<AnyJob>,
        closing: Arc<Notify>,
    ) -> Option<SqliteConnection> {
        let mut jobs = Vec::with_capacity(GROUP);
        loop {
            let taken = tokio::select! {
                taken = queue.recv_many(&mut jobs, GROUP) => taken,
                // What was handed over before is still taken and committed.
                () = closing.notified(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
                () = until(self.scrub_at) => {
                    self.scrub().await;
                    continue;
                }
                () = until(self.full.as_ref().map(Full::look_at)) => {
                    self.look_for_room();
                    continue;
                }
                () = until(self.forget_at) => {
                    self.forget_piece().await;
                    continue;
                }
            };
            if taken == 0 {
                self.forget_the_rest().await;
                return self.connection;
            }
            let mut group = Group::default();
            for AnyJob(work) in jobs.drain(..) {
                match work {
                    Work::Write(job) => group.push(*job),
                    Work::Forget(id) => {
                        self.forgotten.push_back(id);
                        self.forget_at.get_or_insert_with(Instant::now);
                    }
                }
            }
            if group.len() > 0 {
                self.commit(group).await;
                self.measure(false).await;
            }
        }
    }

    /// Commits a group, or finds out which of its writes can't be.
    async fn commit(&mut self, mut group: Group) {
        let size = group.len();
        match self.attempt(&mut group).await {
            Ok(()) => {
                self.well(size);
                group.settle();
            }
            Err(error) if size == 1 || error.needs_check() => self.refuse(&mut group, &error),
            Err(_) => {
                for mut single in group.singles() {
                    match self.attempt(&mut single).await {
                        Ok(()) => {
                            self.well(1);
                            single.settle();
                        }
                        Err(error) => self.refuse(&mut single, &error),
                    }
                }
            }
        }
    }

    fn well(&mut self, writes: usize) {
        self.shared.counters.groups.fetch_add(1, Ordering::Relaxed);
        self.shared
            .counters
            .writes
            .fetch_add(writes as u64, Ordering::Relaxed);
        if self.full.as_ref().is_some_and(Full::is_over) {
            self.full = None;
        }
        match self.full {
            Some(_) => self.look_for_room(),
            None => self.recovered(),
        }
    }

    fn recovered(&self) {
        if !matches!(**self.shared.health.load(), Health::Well) {
            tracing::info!("the store takes writes again");
            self.shared.health.store(Arc::new(Health::Well));
        }
    }

    fn refuse(&mut self, group: &mut Group, error: &StoreError) {
        if matches!(error, StoreError::Full) {
            self.full = Some(Full::now(&self.files));
        }
        if matches!(error, StoreError::Full | StoreError::ReadOnly) || error.needs_check() {
            if matches!(**self.shared.health.load(), Health::Well) {
                tracing::error!(%error, "the store refuses writes");
            }
            self.shared
                .health
                .store(Arc::new(Health::Refusing(error.clone())));
        }
        group.refuse(error);
    }

    /// Runs one group in one transaction.
    async fn attempt(&mut self, group: &mut Group) -> Result<(), StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reopen().await?,
        };
        let result = transact(&mut connection, &self.vault, &mut self.journal, group).await;
        match result {
            Ok(after) => {
                self.connection = Some(connection);
                if group.changes().any(Change::erases) {
                    self.plan_scrub();
                }
                self.journal.append_late(after.journal).await;
                self.shared.watches.tell(&after.touched);
                if after.left_to_worker {
                    self.shared.work_left.notify_one();
                }
                if !after.freed.is_empty() {
                    self.freed = true;
                    self.forgotten.extend(after.freed);
                    self.forget_at.get_or_insert_with(Instant::now);
                }
                Ok(())
            }
            Err(failed) if failed.error.needs_check() => {
                // Whether the last sync reached the disk is unknown: nothing that this connection believes is trusted.
                drop(connection);
                self.recheck_at = Some(Instant::now() + RECHECK);
                Err(failed.error)
            }
            Err(failed) => {
                if failed.rolled_back {
                    self.connection = Some(connection);
                } else {
                    // It may still be inside the transaction, and would answer later writes that never are committed.
                    let _ = connection.close().await;
                    self.recheck_at = None;
                }
                Err(failed.error)
            }
        }
    }

    /// Opens the file again. After a failed write it is checked before anything is written.
    async fn reopen(&mut self) -> Result<SqliteConnection, StoreError> {
        if self.recheck_at.is_some_and(|at| Instant::now() < at) {
            return Err(StoreError::Sick(
                "it was not yet checked after a failed write".into(),
            ));
        }
        let was_sick = self.recheck_at.is_some();
        if was_sick {
            self.recheck_at = Some(Instant::now() + RECHECK);
        }
        let mut connection = open::open_writer(&self.files).await?;
        if was_sick {
            open::check(&mut connection).await?;
            tracing::info!("the store was reopened and checked after a failed write");
        }
        self.shared
            .counters
            .reopened
            .fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
