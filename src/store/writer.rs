//! The one writer. Writes arrive as values, wait in a queue, and are committed in groups: one transaction and one
//! sync for all that arrived while the last group was being synced.
//!
//! What must hold:
//! - A caller hears `Ok` only after the commit that holds its write has been synced (`synchronous=FULL`).
//! - A group has no savepoints. If it fails it is rolled back whole, and its writes are run one by one, so that only
//!   the bad one fails.
//! - After an error that leaves the disk's state unknown the connection is closed, every write is refused, and the
//!   file is checked before the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Notify, mpsc, oneshot};

use super::StoreError;
use super::body::{DropStaged, StageChunk};
use super::change::Change;
use super::journal::Journal;
use super::ledger::RecordOutcomes;
use super::message::AcceptMessage;
use super::open::{self, Files};
use crate::vault::Vault;

/// How many writes one group takes at most.
const GROUP: usize = 256;
/// How many writes may wait for the writer before callers wait to hand theirs over.
const WAITING: usize = 512;
/// How long to wait before a sick store is looked at again.
const RECHECK: Duration = Duration::from_secs(5);

/// What a write needs while it runs inside the group's transaction.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pub(super) vault: &'a Vault,
}

/// A write as a value. Like writes of one group are applied together, as few statements as can be.
pub(super) trait Write: Send + 'static {
    /// What the caller learns once the commit is on the disk.
    type Outcome: Send + 'static;

    /// Applies all writes of one group, in order; the outcomes stand in the same order.
    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Outcome>, StoreError>
    where
        Self: Sized;
}

/// A write and who waits for it.
struct Ticket<W: Write> {
    write: W,
    done: oneshot::Sender<Result<W::Outcome, StoreError>>,
}

/// The like writes of one group.
struct Batch<W: Write> {
    writes: Vec<W>,
    waiting: Vec<oneshot::Sender<Result<W::Outcome, StoreError>>>,
    outcomes: Vec<W::Outcome>,
}

impl<W: Write> Default for Batch<W> {
    fn default() -> Self {
        Self {
            writes: Vec::new(),
            waiting: Vec::new(),
            outcomes: Vec::new(),
        }
    }
}

impl<W: Write> Batch<W> {
    fn push(&mut self, ticket: Ticket<W>) {
        self.writes.push(ticket.write);
        self.waiting.push(ticket.done);
    }

    async fn apply(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.outcomes.clear();
        if !self.writes.is_empty() {
            self.outcomes = W::apply(&self.writes, tx).await?;
            debug_assert_eq!(
                self.outcomes.len(),
                self.writes.len(),
                "one outcome for each write"
            );
        }
        Ok(())
    }

    /// Tells everybody that the commit is on the disk.
    fn settle(&mut self) {
        self.writes.clear();
        for (waiting, outcome) in self.waiting.drain(..).zip(self.outcomes.drain(..)) {
            let _ = waiting.send(Ok(outcome));
        }
    }

    /// Tells everybody why nothing was written.
    fn refuse(&mut self, error: &StoreError) {
        self.writes.clear();
        self.outcomes.clear();
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(Err(error.clone()));
        }
    }

    /// Takes the writes apart into groups of one.
    fn singles(&mut self) -> impl Iterator<Item = Self> + use<W> {
        let writes = std::mem::take(&mut self.writes);
        let waiting = std::mem::take(&mut self.waiting);
        self.outcomes.clear();
        writes.into_iter().zip(waiting).map(|(write, done)| Self {
            writes: vec![write],
            waiting: vec![done],
            outcomes: Vec::new(),
        })
    }
}

/// Declares every kind of write, in the order in which one group applies them.
macro_rules! kinds {
    ($($field:ident: $kind:ident,)*) => {
        enum Job { $($kind(Ticket<$kind>),)* }

        $(impl Submit for $kind {
            fn into_job(self, done: oneshot::Sender<Result<Self::Outcome, StoreError>>) -> AnyJob {
                AnyJob(Job::$kind(Ticket { write: self, done }))
            }
        })*

        /// All writes that share one transaction.
        #[derive(Default)]
        struct Group { $($field: Batch<$kind>,)* }

        impl Group {
            fn push(&mut self, job: Job) {
                match job { $(Job::$kind(ticket) => self.$field.push(ticket),)* }
            }
            fn len(&self) -> usize { 0 $(+ self.$field.waiting.len())* }
            async fn apply(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
                $(self.$field.apply(tx).await?;)*
                Ok(())
            }
            fn settle(&mut self) { $(self.$field.settle();)* }
            fn refuse(&mut self, error: &StoreError) { $(self.$field.refuse(error);)* }
            fn singles(&mut self) -> Vec<Group> {
                let mut singles = Vec::with_capacity(self.len());
                $(for batch in self.$field.singles() {
                    singles.push(Group { $field: batch, ..Group::default() });
                })*
                singles
            }
        }
    };
}

kinds! {
    changes: Change,
    outcomes: RecordOutcomes,
    staged: StageChunk,
    accepted: AcceptMessage,
    dropped: DropStaged,
}

/// A write of any kind with its waiting caller.
pub(super) struct AnyJob(Job);

/// A write that can be handed to the writer.
pub(super) trait Submit: Write {
    /// Puts the write beside the one who waits for it.
    fn into_job(self, done: oneshot::Sender<Result<Self::Outcome, StoreError>>) -> AnyJob;
}

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
}

/// What the store's handles share with the writer.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) health: ArcSwap<Health>,
    pub(super) counters: Counters,
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

    /// Hands a write over without waiting, if there is room; for clean-up that the next start would do as well.
    pub(super) fn write_if_room<W: Submit>(&self, write: W) {
        let (done, _) = oneshot::channel();
        let _ = self.jobs.try_send(write.into_job(done));
    }
}

/// The writer's own side.
pub(super) struct Writer {
    files: Files,
    vault: Vault,
    journal: Journal,
    connection: Option<SqliteConnection>,
    /// When a sick store may be looked at again.
    recheck_at: Instant,
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts the writer on its own task. It ends, with its connection closed, when `closing` is notified and what was
    /// handed over before is committed, or once every handle is gone.
    pub(super) fn start(
        files: Files,
        vault: Vault,
        journal: Journal,
        connection: SqliteConnection,
        closing: Arc<Notify>,
    ) -> (Handle, tokio::task::JoinHandle<()>) {
        let (jobs, queue) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared {
            health: ArcSwap::from_pointee(Health::Well),
            counters: Counters::default(),
        });
        let writer = Self {
            files,
            vault,
            journal,
            connection: Some(connection),
            recheck_at: Instant::now(),
            shared: shared.clone(),
        };
        (
            Handle { jobs, shared },
            tokio::spawn(writer.run(queue, closing)),
        )
    }

    async fn run(mut self, mut queue: mpsc::Receiver<AnyJob>, closing: Arc<Notify>) {
        let mut jobs = Vec::with_capacity(GROUP);
        loop {
            let taken = tokio::select! {
                taken = queue.recv_many(&mut jobs, GROUP) => taken,
                // What was handed over before is still taken and committed.
                () = closing.notified(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
            };
            if taken == 0 {
                break;
            }
            let mut group = Group::default();
            jobs.drain(..).for_each(|AnyJob(job)| group.push(job));
            self.commit(group).await;
        }
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
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

    fn well(&self, writes: usize) {
        self.shared.counters.groups.fetch_add(1, Ordering::Relaxed);
        self.shared
            .counters
            .writes
            .fetch_add(writes as u64, Ordering::Relaxed);
        if !matches!(**self.shared.health.load(), Health::Well) {
            tracing::info!("the store takes writes again");
            self.shared.health.store(Arc::new(Health::Well));
        }
    }

    fn refuse(&self, group: &mut Group, error: &StoreError) {
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
        match &result {
            Err(error) if error.needs_check() => {
                // Whether the last sync reached the disk is unknown: nothing that this connection believes is trusted.
                drop(connection);
                self.recheck_at = Instant::now() + RECHECK;
            }
            _ => self.connection = Some(connection),
        }
        result
    }

    /// Opens the file again after a failed write, and checks it before anything is written.
    async fn reopen(&mut self) -> Result<SqliteConnection, StoreError> {
        if Instant::now() < self.recheck_at {
            return Err(StoreError::Sick(
                "it was not yet checked after a failed write".into(),
            ));
        }
        self.recheck_at = Instant::now() + RECHECK;
        let mut connection = open::open_writer(&self.files).await?;
        open::check(&mut connection).await?;
        tracing::info!("the store was reopened and checked after a failed write");
        Ok(connection)
    }
}

async fn transact(
    connection: &mut SqliteConnection,
    vault: &Vault,
    journal: &mut Journal,
    group: &mut Group,
) -> Result<(), StoreError> {
    // The journal goes first: a crash in between suppresses somebody whose withdrawal was not yet answered, which
    // harms nobody; the other order could lose a withdrawal that was.
    journal
        .append(
            group
                .changes
                .writes
                .iter()
                .flat_map(Change::journal_entries),
        )
        .await?;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    let applied = group
        .apply(&mut Tx {
            connection: &mut *connection,
            vault,
        })
        .await;
    let committed = match applied {
        Ok(()) => sqlx::query("COMMIT")
            .execute(&mut *connection)
            .await
            .map(drop)
            .map_err(StoreError::from),
        Err(error) => Err(error),
    };
    if committed.is_err() {
        // SQLite has rolled back by itself after some errors; then there is nothing to roll back.
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    }
    committed
}
