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

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::StoreError;
use super::body::{self, StageChunk};
use super::change::{Change, ChangeOutcome};
use super::journal::{Journal, JournalEntry, Mark};
use super::ledger::RecordOutcomes;
use super::mailbox::{FolderAct, Touched, Watches};
use super::message::{AcceptMessage, AcceptTogether};
use super::open::{self, Files};
use super::reserve::Reserve;
use super::setting;
use crate::id::{FolderId, MessageId};
use crate::vault::Vault;

/// How many writes one group takes at most.
const GROUP: usize = 256;
/// How many writes may wait for the writer before callers wait to hand theirs over.
const WAITING: usize = 512;
/// How much more room than at the last refusal there must be before a full disk counts as mended: small writes fit where
/// a mail doesn't.
const MORE_ROOM: u64 = 4 << 20;
/// Or for how long nothing may have been refused: what was deleted leaves room inside the database, too.
const NOTHING_REFUSED: Duration = Duration::from_secs(10 * 60);
/// How often a full disk is looked at while nothing is written.
const ROOM_CHECK: Duration = Duration::from_secs(10);
/// How long to wait before a sick store is looked at again.
const RECHECK: Duration = Duration::from_secs(5);
/// How long the traces of what was erased may stay in the write-ahead log while more is being erased.
const BETWEEN_SCRUBS: Duration = Duration::from_secs(10);
/// How soon it is tried again while somebody reads.
const READ_MEANWHILE: Duration = Duration::from_millis(500);

/// How often the files are measured while there is much to write.
const BETWEEN_MEASURES: Duration = Duration::from_secs(1);
/// From which length on the write-ahead log is cut. SQLite brings it into the database from 8 MiB on, and writes it from
/// its beginning again; it is longer after a large group, or while somebody read.
const LONG_LOG: u64 = 32 << 20;

/// What a write needs while it runs inside the group's transaction.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pub(super) vault: &'a Vault,
    pub(super) after: After,
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a mut SqliteConnection, vault: &'a Vault) -> Self {
        Self {
            connection,
            vault,
            after: After::default(),
        }
    }
}

/// What follows once the transaction is committed.
#[derive(Default)]
pub(super) struct After {
    /// Folders that were changed.
    pub(super) touched: Vec<(FolderId, Touched)>,
    /// Messages that stand nowhere any more.
    pub(super) freed: Vec<MessageId>,
    /// What goes into the journal now.
    journal: Vec<JournalEntry>,
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
                AnyJob(Work::Write(Box::new(Job::$kind(Ticket { write: self, done }))))
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
    together: AcceptTogether,
    acts: FolderAct,
}

/// A write of any kind with its waiting caller, or a staged body that is to be forgotten.
pub(super) struct AnyJob(Work);

enum Work {
    Write(Box<Job>),
    Forget(MessageId),
}

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
        });
        let writer = Self {
            files,
            vault,
            journal,
            connection: Some(connection),
            recheck_at: None,
            full: None,
            scrub_at: None,
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
                () = until(self.full.as_ref().map(|full| full.look_at)) => {
                    self.look_for_room();
                    continue;
                }
                () = until(self.forget_at) => {
                    self.forget_piece().await;
                    continue;
                }
            };
            if taken == 0 {
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

    /// Forgets a piece of what nobody will accept, between the writes of others.
    async fn forget_piece(&mut self) {
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

    /// Measures the files, at once or now and then: how many pages are free, and whether the write-ahead log grew long. It
    /// is cut then: it would stay as long as it ever was.
    async fn measure(&mut self, at_once: bool) {
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
    async fn scrub(&mut self) {
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
    fn plan_scrub(&mut self) {
        let now = Instant::now();
        let next = self.scrubbed_at.map_or(now, |last| last + BETWEEN_SCRUBS);
        self.scrub_at.get_or_insert(next.max(now));
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
        let quiet = |full: &Full| full.refused_at.elapsed() >= NOTHING_REFUSED;
        if self.full.as_ref().is_some_and(quiet) {
            self.full = None;
        }
        match self.full {
            Some(_) => self.look_for_room(),
            None => self.recovered(),
        }
    }

    /// A write that fits is no proof that the next mail does: a full store stays so until there is clearly more room.
    fn look_for_room(&mut self) {
        let free = free_room(&self.files);
        let Some(full) = &mut self.full else { return };
        full.look_at = Instant::now() + ROOM_CHECK;
        if free.is_some_and(|free| free >= full.free.saturating_add(MORE_ROOM)) {
            self.full = None;
            self.recovered();
        }
    }

    fn recovered(&self) {
        if !matches!(**self.shared.health.load(), Health::Well) {
            tracing::info!("the store takes writes again");
            self.shared.health.store(Arc::new(Health::Well));
        }
    }

    fn refuse(&mut self, group: &mut Group, error: &StoreError) {
        let now = Instant::now();
        if matches!(error, StoreError::Full) {
            self.full = Some(Full {
                free: free_room(&self.files).unwrap_or(0),
                refused_at: now,
                look_at: now + ROOM_CHECK,
            });
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
                if group.changes.writes.iter().any(Change::erases) {
                    self.plan_scrub();
                }
                self.journal.append_late(after.journal).await;
                self.shared.watches.tell(&after.touched);
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

/// A write that was refused for want of room.
struct Full {
    /// How much was free then.
    free: u64,
    refused_at: Instant,
    /// When it's looked at next, if nothing is written before.
    look_at: Instant,
}

/// How much is free on the disk that holds the database.
fn free_room(files: &Files) -> Option<u64> {
    let database = files.database();
    let disk = rustix::fs::statvfs(database.parent()?).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A group that was not committed.
struct Failed {
    error: StoreError,
    /// Whether the connection is known to be outside the transaction again.
    rolled_back: bool,
}

/// What a group's changes put into the journal.
#[derive(Default)]
struct Journaled {
    /// Before the commit: a crash in between suppresses or erases somebody who asked for it and was not yet answered; the
    /// other order could lose a withdrawal that was.
    before: Vec<JournalEntry>,
    /// After the commit: a crash in between leaves a restored backup too silent, never too loud.
    after: Vec<JournalEntry>,
}

impl Journaled {
    /// Of the changes that were made, and not of those that met a conflict.
    fn of(group: &Group) -> Self {
        let changes = group.changes.writes.iter().zip(&group.changes.outcomes);
        let made = changes
            .filter(|(_, outcome)| **outcome == ChangeOutcome::Done)
            .map(|(change, _)| change.journal_entries().collect::<Vec<_>>());
        let accepted = group.accepted.writes.iter();
        let accepted = accepted.map(|message| message.journal_entries().collect());
        let mut all = Self::default();
        made.chain(accepted).for_each(|entries| all.take(entries));
        all
    }

    fn take(&mut self, entries: Vec<JournalEntry>) {
        let lifts = |entry: &JournalEntry| matches!(entry, JournalEntry::Lifted { .. });
        if entries.iter().any(lifts) {
            self.after.extend(entries);
            return;
        }
        // What is suppressed again in the same group stays so.
        self.after.retain(|old| {
            !entries.iter().any(|new| match (old, new) {
                (
                    JournalEntry::Lifted { index, scope, .. },
                    JournalEntry::Suppressed {
                        index: of,
                        scope: on,
                        ..
                    },
                ) => index == of && scope == on,
                _ => false,
            })
        });
        self.before.extend(entries);
    }
}

/// Answers what follows now that the group is committed.
async fn transact(
    connection: &mut SqliteConnection,
    vault: &Vault,
    journal: &mut Journal,
    group: &mut Group,
) -> Result<After, Failed> {
    if let Err(error) = statement(connection, "BEGIN IMMEDIATE").await {
        return Err(Failed {
            error,
            rolled_back: false,
        });
    }
    let committed = match write_down(connection, vault, journal, group).await {
        Ok(after) => statement(connection, "COMMIT").await.map(|()| after),
        Err(error) => Err(error),
    };
    match committed {
        Ok(after) => Ok(after),
        // It fails where SQLite has rolled back by itself, and elsewhere; a new connection is right in both cases.
        Err(error) => Err(Failed {
            error,
            rolled_back: statement(connection, "ROLLBACK").await.is_ok(),
        }),
    }
}

/// Applies a group inside its transaction, and syncs what it puts into the journal.
async fn write_down(
    connection: &mut SqliteConnection,
    vault: &Vault,
    journal: &mut Journal,
    group: &mut Group,
) -> Result<After, StoreError> {
    let mut tx = Tx::new(connection, vault);
    group.apply(&mut tx).await?;
    let journaled = Journaled::of(group);
    if let Some(mark) = journal.append(journaled.before).await? {
        setting::put(Mark::SETTING, &mark.to_bytes(), &mut tx).await?;
    }
    tx.after.journal = journaled.after;
    Ok(tx.after)
}

async fn statement(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
