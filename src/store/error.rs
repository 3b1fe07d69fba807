//! What can go wrong with the store, told by cause, so that a door can answer "try again" and an admin knows what to do.

use std::path::PathBuf;

use super::NoRoom;
use crate::id::MessageId;
use crate::vault::OpenError;

/// With less than this, in bytes, the database may not find the pages for even a small write.
const LAST: u64 = 4 << 20;

/// What is to be said of withdrawals with so many bytes left.
pub fn withdrawals(left: u64) -> &'static str {
    match left < LAST {
        true => "and with so little, withdrawals may be refused as well: make room now",
        false => "withdrawals go on",
    }
}

/// Why the store could not do what was asked. Nothing here carries stored content.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk that holds the store has no room.
    #[error(
        "the disk that holds the store is full; free some space and mail is taken again by itself"
    )]
    Full,
    /// Mail would take room that is kept for withdrawals and for what became of mail.
    #[error(
        "less than the reserve is free on the disk that holds the store ({} of {} MiB): mail is put off, {}; \
         free some space, or lower limits.disk_reserve",
        left >> 20,
        reserve >> 20,
        withdrawals(*left)
    )]
    Reserved {
        /// What is left, in bytes.
        left: u64,
        /// What mail must leave, in bytes.
        reserve: u64,
    },
    /// The store's files can't be written.
    #[error(
        "the store can't be written: its file system or files are read-only; check the mount and the owner of the data directory"
    )]
    ReadOnly,
    /// A write, the database's or the journal's, failed in a way that leaves the disk's state unknown: nothing is written until the file was checked.
    #[error("the store is closed after a failed write ({0}); it is reopened and checked by itself")]
    Sick(String),
    /// The store was closed because the daemon stops.
    #[error("the store is closed: the daemon is stopping")]
    Stopped,
    /// Another process has the store.
    #[error("{0} is in use by another hustings process; stop it first")]
    InUse(PathBuf),
    /// The store was written by a newer version.
    #[error(
        "the store has schema {found}, this hustings knows schemas up to {known}; install the newer version again"
    )]
    Newer {
        /// The newest migration that the file has.
        found: i64,
        /// The newest migration that this program has.
        known: i64,
    },
    /// The file is another program's.
    #[error(
        "{0} is the database of another program, and was left alone; set data_dir to a directory of its own"
    )]
    Foreign(PathBuf),
    /// The file is no SQLite database, or a damaged one.
    #[error(
        "the store's file is damaged ({0}); stop, keep the file, and put back the newest copy that you have of it"
    )]
    Damaged(String),
    /// A sealed value did not open: it was changed, moved or put back.
    #[error(transparent)]
    Seal(#[from] OpenError),
    /// A sealed value opened but does not hold what its table holds.
    #[error(
        "a row of {table} holds a record that this version can't read; run `hustings store verify`"
    )]
    Record {
        /// The table that the row stands in.
        table: &'static str,
    },
    /// A message's body lacks a chunk.
    #[error(
        "message {message} was cut: a part of its body is missing; run `hustings store verify`"
    )]
    Cut {
        /// Which message.
        message: MessageId,
    },
    /// A body is longer than whoever asked can take.
    #[error("message {message} is longer than {limit} bytes")]
    TooLong {
        /// Which message.
        message: MessageId,
        /// The limit in bytes.
        limit: usize,
    },
    /// A folder is gone, or has given out all its UIDs.
    #[error(
        "there is no such folder any more, or it has no room for another message; choose another"
    )]
    NoFolder,
    /// A mailbox has no room for what is put into it by hand.
    #[error("the mailbox is full; throw something away, or raise staff.mailbox_size")]
    MailboxFull,
    /// A mailbox has no room for more mail of people who aren't known.
    #[error(
        "as much mail of strangers waits for a mailbox, or is junk there, as may be: more is put off until some of it is \
         confirmed, thrown away or erased"
    )]
    StrangersFull,
    /// The byte budget is used up.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// A row was cut out of a log, or put in.
    #[error(
        "the {log} log was changed: event {seq} is not where it must be; run `hustings audit verify`"
    )]
    LogCut {
        /// Which log.
        log: &'static str,
        /// Where the gap is.
        seq: i64,
    },
    /// A log is not the one that was signed.
    #[error(
        "the {log} log is not signed any more: {what}; see hustings {log} verify, and put back the newest copy of the database"
    )]
    Unsound {
        /// Which log.
        log: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A file beside the database could not be used.
    #[error("{path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        cause: String,
    },
    /// Anything else that SQLite refused. The text names tables and columns, never values.
    #[error("the store refused a statement: {0}")]
    Sql(String),
}

impl StoreError {
    /// Whether the same write may succeed later without anybody changing the data: doors answer 4xx and keep the
    /// far end trying.
    pub fn is_temporary(&self) -> bool {
        !matches!(
            self,
            Self::Newer { .. }
                | Self::Foreign(_)
                | Self::Seal(_)
                | Self::Record { .. }
                | Self::Cut { .. }
                | Self::TooLong { .. }
                | Self::Unsound { .. }
        )
    }

    /// Whether the connection that met this error must be closed and the file checked before the next write.
    pub(super) fn needs_check(&self) -> bool {
        matches!(self, Self::Sick(_) | Self::Damaged(_))
    }

    /// The same, naming the file that is damaged.
    pub(super) fn of(self, path: &std::path::Path) -> Self {
        match self {
            Self::Damaged(what) => Self::Damaged(format!("{}: {what}", path.display())),
            error => error,
        }
    }

    /// An error of a file in the data directory.
    pub(super) fn file(path: impl Into<PathBuf>, cause: &std::io::Error) -> Self {
        match cause.kind() {
            std::io::ErrorKind::StorageFull => Self::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::File {
                path: path.into(),
                cause: cause.to_string(),
            },
        }
    }
}

/// SQLite's primary result codes that tell a cause (sqlite.org/rescode.html); extended codes carry them in the
/// low byte.
mod code {
    pub(super) const PERM: u32 = 3;
    pub(super) const BUSY: u32 = 5;
    pub(super) const READONLY: u32 = 8;
    pub(super) const IOERR: u32 = 10;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const NOTADB: u32 = 26;
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) => {
                let extended = inner
                    .code()
                    .and_then(|code| code.parse::<u32>().ok())
                    .unwrap_or(0);
                let said = inner.message().to_owned();
                match extended & 0xff {
                    code::FULL => Self::Full,
                    code::READONLY | code::PERM | code::CANTOPEN => Self::ReadOnly,
                    code::IOERR => Self::Sick(format!("input/output error {extended}: {said}")),
                    code::CORRUPT | code::NOTADB => Self::Damaged(said),
                    code::BUSY => Self::Sick(format!("the database stayed locked: {said}")),
                    _ => Self::Sql(said),
                }
            }
            sqlx::Error::Io(cause) => Self::Sick(cause.to_string()),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Stopped,
            other => Self::Sql(other.to_string()),
        }
    }
}
