//! All SQL: one writer with group commit, many readers. Rooms see typed functions and values, never rows or SQL.
//!
//! Every table is a file here. A row is an id, its keyed indexes, the few integers that SQL must order by, and one
//! sealed blob with all else; the seal binds the blob to its table, its row and the row's clear columns.
//!
//! # What must hold
//! - What answers `Ok` is on the disk: the commit has been synced.
//! - The SQL is portable (`$n` parameters, `ON CONFLICT`, `RETURNING`), so that another database can stand here.
//! - No read transaction spans a wait for the network: readers fetch pages.
//!
//! The store knows the vault and the logs' hashing. It knows no protocol and decides nothing.

mod blanks;
mod body;
mod body_range;
mod bounce;
mod change;
mod contact;
mod error;
mod intake;
mod journal;
mod ledger;
mod log;
mod mailbox;
mod mailing;
mod message;
mod open;
mod page;
mod queue;
mod record;
mod report;
mod request;
mod reserve;
mod rows;
#[cfg(test)]
mod schema;
mod setting;
mod sound;
mod staff;
mod sts_policy;
mod subscriber;
mod suppression;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tls_day;
mod verify;
mod wording;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Row};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use blanks::Blanks;
pub use body::{Body, BodyReader, BodyWriter, CHUNK, NoRoom, Room};
pub use body_range::RangeReader;
pub use bounce::{Bounce, BounceRecord, Returned};
pub use change::{Change, ChangeOutcome, Guard, Step};
pub use contact::{
    ContactCounts, ContactRecord, Question, QuestionRecord, Stranger, WaitingRecord,
    contact_indexes, contact_pace_indexes,
};
pub use error::{StoreError, withdrawals};
pub use intake::{Intake, IntakeRecord};
pub use journal::JournalEntry;
#[cfg(test)]
pub use journal::read as read_journal;
pub use ledger::{CopyState, LedgerRecord, LedgerRow, RecordOutcomes};
pub use log::{LoggedEvent, NewEvent, StoredCheckpoint};
pub use mailbox::{
    ActDone, ActOutcome, ActRefusal, Changes, DeliverTo, Delivery, Entry, EntryRecord, Flags,
    Folder, FolderAct, FolderName, FolderRecord, FolderWatch, Kept, Keyword, Listed, MarkAct,
    MarkChange, Marks, ModSeq, NotAKeyword, NotAName, Opening, OutlineRow, Placed, RoomFor,
    SpecialUse, StrangersRoom, Uid, Uids, counted_bytes, goes_for_good, hold_setting, room_of,
};
pub use mailing::{
    Approval, ApprovalLink, Mailing, MailingCounts, MailingRecord, MailingState, Stopped,
};
pub use message::{AcceptMessage, MessageRecord, OwnMessage};
pub use open::Files;
pub use page::Page;
pub use queue::{DsnWish, MailClass, Needs, NotifyOn, QueueRecord, Queued, TlsWish};
pub use report::{ReportRecord, ReportRow};
pub use request::{
    AskedFor, AskedList, Challenge, ChallengeRecord, Channel, Request, RequestRecord,
};
pub use reserve::Space;
pub use setting::{NamedSetting, Setting};
pub use staff::{
    FactorRecord, FactorSecret, GrantRecord, PasswordRecord, Role, Staff, StaffRecord,
};
pub use sts_policy::{StsRecord, StsRow};
pub use subscriber::{Standing, Subscriber, SubscriberRecord, SubscriptionRecord};
pub use suppression::{Scope, Suppressed, Suppression, SuppressionReason, SuppressionRecord};
pub use tls_day::{TlsDayRecord, TlsDayRow};
pub use verify::{Finding, Verification};
pub use wording::{Wording, WordingRecord};
pub use writer::Health;

use crate::vault::{Index, Vault};

/// A store whose file is open and whose keys are not at hand: it can give the wrapped key ring and nothing else.
pub struct LockedStore {
    files: Files,
    connection: SqliteConnection,
    lock: open::DirectoryLock,
}

impl LockedStore {
    /// Opens the store of a data directory, making it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it, [`StoreError::Newer`] if a newer version wrote it, and the
    /// other causes that keep a file from being opened.
    pub async fn open(files: Files) -> Result<Self, StoreError> {
        let lock = open::DirectoryLock::take(&files).await?;
        let named = |error: StoreError| error.of(&files.database());
        open::refuse_foreign(&files).await.map_err(named)?;
        let mut connection = open::open_writer(&files).await.map_err(named)?;
        open::migrate(&mut connection).await.map_err(named)?;
        Ok(Self {
            files,
            connection,
            lock,
        })
    }

    /// The data keys, wrapped by the root key; none in a new store.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn wrapped_ring(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("SELECT wrapped FROM keyring WHERE id = 1")
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Keeps the wrapped data keys.
    ///
    /// # Errors
    /// A [`StoreError`]: nothing was kept.
    pub async fn keep_ring(&mut self, wrapped: &[u8]) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO keyring (id, wrapped) VALUES (1, $1)
             ON CONFLICT (id) DO UPDATE SET wrapped = excluded.wrapped",
        )
        .bind(wrapped)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// Opens the store for use. Bodies that were being received when the daemon last stopped are swept.
    ///
    /// `budget` is how many bytes of message bodies may be in memory at once.
    ///
    /// # Errors
    /// A [`StoreError`] if the journal or the database can't be used.
    pub async fn unlock(mut self, vault: Vault, budget: usize) -> Result<Store, StoreError> {
        let swept = body::sweep_staged(&mut self.connection).await?;
        if swept > 0 {
            tracing::info!(
                swept,
                "dropped messages that were not wholly received before the stop"
            );
        }
        let moved = mailbox::before::move_in(&mut self.connection, &vault).await?;
        if moved > 0 {
            tracing::info!(moved, "put the messages of an older version into folders");
        }
        let journal = open_journal(&self.files, &mut self.connection, &vault).await?;
        let seen = journal.seen();
        let reads = Arc::default();
        let readers = open::open_readers(&self.files, &reads);
        let closing = Arc::new(Notify::new());
        let (writer, task) = writer::Writer::start(
            self.files.clone(),
            vault.clone(),
            journal,
            self.connection,
            closing.clone(),
        );
        Ok(Store {
            readers,
            reads,
            writer,
            vault,
            budget: body::Budget::of(budget),
            files: self.files,
            journal: seen,
            sound: Arc::default(),
            running: Arc::new(Running {
                closing,
                open: Mutex::new(Some((task, self.lock))),
            }),
        })
    }

    /// Closes the file again.
    ///
    /// # Errors
    /// A [`StoreError`] if SQLite could not close it.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }
}

/// An open store. Clones are handles to the same one.
#[derive(Clone)]
pub struct Store {
    readers: SqlitePool,
    reads: Arc<AtomicU64>,
    writer: writer::Handle,
    vault: Vault,
    budget: body::Budget,
    files: Files,
    journal: Arc<journal::Seen>,
    sound: Arc<sound::Sound>,
    running: Arc<Running>,
}

struct Running {
    closing: Arc<Notify>,
    /// The writer's task and the lock on the directory, until the store is closed.
    open: Mutex<Option<(JoinHandle<Option<SqliteConnection>>, open::DirectoryLock)>>,
}

impl Store {
    /// The vault that seals what this store holds.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The store's files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Whether writes are taken at present.
    pub fn health(&self) -> Health {
        Health::clone(&self.writer.shared.health.load())
    }

    /// How many writes were committed since the store was opened, and in how many groups.
    pub fn written(&self) -> (u64, u64) {
        let counters = &self.writer.shared.counters;
        (
            counters.writes.load(Ordering::Relaxed),
            counters.groups.load(Ordering::Relaxed),
        )
    }

    /// Keeps so many bytes of the disk free of mail; none for what fits the disk.
    pub fn keep_free(&self, bytes: Option<u64>) {
        self.writer.shared.reserve.set(bytes);
    }

    /// How much room there is; none if the system doesn't tell.
    pub fn space(&self) -> Option<Space> {
        self.writer.shared.reserve.space()
    }

    /// Whether there's room for what strangers send beside mails: reports.
    ///
    /// # Errors
    /// [`StoreError::Reserved`] with less than the reserve.
    pub fn check_room(&self) -> Result<(), StoreError> {
        self.check(Space::is_short)
    }

    /// Whether there's room for the little that anybody may ask: to be subscribed.
    ///
    /// # Errors
    /// [`StoreError::Reserved`] with less than half of the reserve.
    pub fn check_room_to_ask(&self) -> Result<(), StoreError> {
        self.check(Space::is_nearly_gone)
    }

    fn check(&self, is_too_little: impl Fn(&Space) -> bool) -> Result<(), StoreError> {
        match self.space().filter(is_too_little) {
            Some(Space { left, reserve }) => Err(StoreError::Reserved { left, reserve }),
            None => Ok(()),
        }
    }

    /// How often something was looked up since the store was opened.
    pub fn read(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// What an admin should hear of the store's files and logs.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = journal::warnings(&self.files.directory);
        warnings.extend(self.sound.findings());
        warnings
    }

    /// Refuses at once what a sick store would refuse later. A full disk is tried again with each write: that is how
    /// the store notices that there is room.
    fn check_health(&self) -> Result<(), StoreError> {
        match &**self.writer.shared.health.load() {
            Health::Refusing(error @ (StoreError::Sick(_) | StoreError::Damaged(_))) => {
                Err(error.clone())
            }
            Health::Refusing(_) | Health::Well => Ok(()),
        }
    }

    /// Commits what was handed over, and closes the files. Later writes are refused.
    pub async fn close(&self) {
        let open = self
            .running
            .open
            .lock()
            .ok()
            .and_then(|mut open| open.take());
        let Some((task, lock)) = open else { return };
        self.running.closing.notify_one();
        let connection = task.await.ok().flatten();
        // The last connection to be closed takes the write-ahead log with it, and only one that writes can.
        self.readers.close().await;
        if let Some(mut connection) = connection {
            if let Err(error) = open::scrub(&mut connection).await {
                tracing::warn!(%error, "the write-ahead log could not be emptied");
            }
            let _ = connection.close().await;
        }
        drop(lock);
    }

    /// Whether a store with keys stands in this data directory.
    pub fn exists(files: &Files) -> bool {
        Path::new(&files.database()).exists()
    }
}

/// Opens the journal, and takes note of how far it goes.
async fn open_journal(
    files: &Files,
    connection: &mut SqliteConnection,
    vault: &Vault,
) -> Result<journal::Journal, StoreError> {
    use journal::Mark;
    let mut tx = writer::Tx::new(connection, vault);
    let known = match setting::get(Mark::SETTING, &mut tx).await {
        Ok(mark) => mark.and_then(|bytes| Mark::from_bytes(&bytes)),
        Err(error @ StoreError::Seal(_)) => {
            tracing::error!(%error, "whether the journal was cut can't be told");
            None
        }
        Err(error) => return Err(error),
    };
    let known = known.unwrap_or_default();
    let journal = journal::Journal::open(&files.journal(), vault, known).await?;
    if journal.mark().frames < known.frames {
        setting::put(Mark::SETTING, &journal.mark().to_bytes(), &mut tx).await?;
    }
    Ok(journal)
}

/// The id that a column holds.
fn id_of<T, E>(
    bytes: &[u8],
    make: impl FnOnce(&[u8]) -> Result<T, E>,
    table: &'static str,
) -> Result<T, StoreError> {
    make(bytes).map_err(|_| StoreError::Record { table })
}

/// The index that a column holds.
fn index_of(bytes: &[u8], table: &'static str) -> Result<Index, StoreError> {
    Index::from_slice(bytes).ok_or(StoreError::Record { table })
}

/// The time that a column holds, in milliseconds since the epoch.
fn time_of(millis: i64, table: &'static str) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|_| StoreError::Record { table })
}
