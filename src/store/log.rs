//! The two Merkle logs on the disk. A row's leaf stands in the clear (it is a hash over a random salt and the event, so
//! nobody can guess and check it); salt and event are sealed beside it. Erasing an event deletes the sealed part and
//! leaves the leaf, so the tree still verifies.

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::record;
use super::writer::Tx;
use super::{Store, StoreError};
use crate::audit::{Frontier, LogKind, leaf_input};
use crate::vault::{Clear, Index, Place, Purpose, Vault};

/// How many random bytes hide an event behind its leaf.
const SALT: usize = 32;
/// No log has so many events.
const MOST: i64 = 1 << 48;
/// How many missing leaves in a row are counted as such; a number that was edited may be any.
const GAP: i64 = 1 << 20;

pub(super) const LOGS: [LogKind; 2] = [LogKind::Audit, LogKind::Consent];

/// How a log is numbered in the tables.
pub(super) fn number(log: LogKind) -> i64 {
    match log {
        LogKind::Audit => 1,
        LogKind::Consent => 2,
    }
}

fn purpose(log: LogKind) -> Purpose {
    match log {
        LogKind::Audit => Purpose::Audit,
        LogKind::Consent => Purpose::Evidence,
    }
}

/// An event to be appended.
#[derive(Clone)]
pub struct NewEvent {
    /// To which log.
    pub log: LogKind,
    /// The keyed hash of the person it is about, if it is about one.
    pub subject: Option<Index>,
    /// The canonical bytes of the event.
    pub event: Vec<u8>,
}

/// A logged event.
#[derive(Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its number, from 0.
    pub seq: u64,
    /// SHA-256(salt ‖ event): what the tree is made of.
    pub leaf: [u8; 32],
    /// The keyed hash of the person it is about.
    pub subject: Option<Index>,
    /// Salt and canonical event; none if it was erased.
    pub event: Option<(Vec<u8>, Vec<u8>)>,
}

/// The row id that a seal is bound to: the log's number and the event's.
fn row_id(log: LogKind, seq: i64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number(log).to_be_bytes());
    id[8..].copy_from_slice(&seq.to_be_bytes());
    id
}

fn subject_clear(subject: Option<&Index>) -> Clear<'_> {
    subject.map_or(Clear::Null, |index| Clear::Bytes(index.as_bytes()))
}

pub(super) async fn append(new: &NewEvent, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let (size, mut frontier) = head(tx, new.log).await?;
    let mut salted = vec![0; SALT];
    getrandom::fill(&mut salted).map_err(|cause| StoreError::Sql(cause.to_string()))?;
    let salt: [u8; SALT] = salted[..].try_into().expect("the salt was just made");
    salted.extend_from_slice(&new.event);
    let leaf = leaf_input(&salt, &new.event);
    frontier.push(&leaf);
    let clear = [Clear::Bytes(&leaf), subject_clear(new.subject.as_ref())];
    let row = row_id(new.log, size);
    let sealed = tx.vault.seal(
        purpose(new.log),
        &record::place("log_leaf", &row, &clear),
        &salted,
    );
    sqlx::query(
        "INSERT INTO log_leaf (log, seq, leaf, subject, sealed) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(number(new.log))
    .bind(size)
    .bind(leaf.as_slice())
    .bind(
        new.subject
            .as_ref()
            .map(|index| index.as_bytes().as_slice()),
    )
    .bind(sealed)
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query(
        "INSERT INTO log_head (log, size, frontier) VALUES ($1, $2, $3)
         ON CONFLICT (log) DO UPDATE SET size = excluded.size, frontier = excluded.frontier",
    )
    .bind(number(new.log))
    .bind(size + 1)
    .bind(frontier.to_bytes())
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// The head to append at. One that can't be read, or that says fewer leaves than there are, is made anew: the next leaf
/// has no place after it. One that says more is kept, so that the gap shows what was cut off.
async fn head(tx: &mut Tx<'_>, log: LogKind) -> Result<(i64, Frontier), StoreError> {
    let leaves: i64 = sqlx::query("SELECT COALESCE(MAX(seq) + 1, 0) FROM log_leaf WHERE log = $1")
        .bind(number(log))
        .fetch_one(&mut *tx.connection)
        .await?
        .try_get(0)?;
    let row = sqlx::query("SELECT size, frontier FROM log_head WHERE log = $1")
        .bind(number(log))
        .fetch_optional(&mut *tx.connection)
        .await?;
    let (size, frontier) = match row {
        None => (0, Ok(Frontier::default())),
        Some(row) => {
            let size = row.try_get(0)?;
            (size, open_head(size, row.try_get(1)?))
        }
    };
    match frontier {
        Ok(frontier) if (leaves..MOST).contains(&size) => Ok((size, frontier)),
        _ => {
            tracing::error!(
                log = log.name(),
                "a log's head was changed; it is made anew from the leaves"
            );
            rebuilt_head(tx, log).await
        }
    }
}

/// The head as the leaves give it. A head that was edited must keep nobody from leaving, and a withdrawal is logged. A
/// leaf that is missing counts as zeros, which no event has: verifying names it, and the head is never signed.
async fn rebuilt_head(tx: &mut Tx<'_>, log: LogKind) -> Result<(i64, Frontier), StoreError> {
    let mut frontier = Frontier::default();
    let mut next = 0;
    let mut rows = sqlx::query("SELECT seq, leaf FROM log_leaf WHERE log = $1 ORDER BY seq")
        .bind(number(log))
        .fetch(&mut *tx.connection);
    while let Some(row) = rows.try_next().await? {
        let leaf = row.try_get::<&[u8], _>(1)?.first_chunk();
        let seq: i64 = row.try_get(0)?;
        if seq - next > GAP {
            return Err(StoreError::LogCut {
                log: log.name(),
                seq: next,
            });
        }
        (next..seq).for_each(|_| frontier.push(&[0; 32]));
        frontier.push(leaf.unwrap_or(&[0; 32]));
        next = seq + 1;
    }
    Ok((next, frontier))
}

/// The head as a connection sees it.
pub(super) async fn committed_head(
    connection: &mut SqliteConnection,
    log: LogKind,
) -> Result<Frontier, StoreError> {
    let row = sqlx::query("SELECT size, frontier FROM log_head WHERE log = $1")
        .bind(number(log))
        .fetch_optional(connection)
        .await?;
    match row {
        None => Ok(Frontier::default()),
        Some(row) => open_head(row.try_get(0)?, row.try_get(1)?),
    }
}

fn open_head(size: i64, frontier: &[u8]) -> Result<Frontier, StoreError> {
    Frontier::from_bytes(frontier)
        .ok()
        .filter(|frontier| i64::try_from(frontier.size()) == Ok(size))
        .ok_or(StoreError::Record { table: "log_head" })
}

/// Deletes salt and event of everything about a person in the consent log; the leaves stay.
pub(super) async fn erase(subject: &Index, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("UPDATE log_leaf SET sealed = NULL WHERE subject = $1 AND log = $2")
        .bind(subject.as_bytes().as_slice())
        .bind(number(LogKind::Consent))
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// A signed size and root, as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Of which log.
    pub log: LogKind,
    /// The number of leaves that it covers.
    pub size: u64,
    /// The signed text.
    pub text: String,
}

impl StoredCheckpoint {
    fn place_id(log: LogKind, size: i64) -> [u8; 16] {
        row_id(log, size)
    }

    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        let id = Self::place_id(self.log, size);
        let sealed = tx
            .vault
            .seal(Purpose::Audit, &checkpoint_place(&id), self.text.as_bytes());
        sqlx::query(
            "INSERT INTO checkpoint (log, size, sealed) VALUES ($1, $2, $3)
             ON CONFLICT (log, size) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(number(self.log))
        .bind(size)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }
}

fn checkpoint_place(id: &[u8]) -> Place<'_> {
    record::place("checkpoint", id, &[])
}

/// Opens a row of (log, size, sealed).
pub(super) fn open_checkpoint(
    vault: &Vault,
    log: LogKind,
    row: &SqliteRow,
) -> Result<StoredCheckpoint, StoreError> {
    let size: i64 = row.try_get(1)?;
    let id = StoredCheckpoint::place_id(log, size);
    let plain = vault.open(Purpose::Audit, &checkpoint_place(&id), row.try_get(2)?)?;
    let text = String::from_utf8(plain.to_vec()).map_err(|_| StoreError::Record {
        table: "checkpoint",
    })?;
    Ok(StoredCheckpoint {
        log,
        size: u64::try_from(size).unwrap_or(0),
        text,
    })
}

/// Opens one row's salt and event; used by readers and by the store's verification.
pub(super) fn open_event(
    vault: &Vault,
    log: LogKind,
    row: &SqliteRow,
) -> Result<LoggedEvent, StoreError> {
    let seq: i64 = row.try_get(0)?;
    let leaf: [u8; 32] = row
        .try_get::<&[u8], _>(1)?
        .try_into()
        .map_err(|_| StoreError::Record { table: "log_leaf" })?;
    let subject = match row.try_get::<Option<&[u8]>, _>(2)? {
        Some(bytes) => Some(super::index_of(bytes, "log_leaf")?),
        None => None,
    };
    let event = match row.try_get::<Option<&[u8]>, _>(3)? {
        None => None,
        Some(sealed) => {
            let clear = [Clear::Bytes(&leaf), subject_clear(subject.as_ref())];
            let id = row_id(log, seq);
            let plain = vault.open(
                purpose(log),
                &record::place("log_leaf", &id, &clear),
                sealed,
            )?;
            let (salt, event) = plain
                .split_at_checked(SALT)
                .ok_or(StoreError::Record { table: "log_leaf" })?;
            Some((salt.to_vec(), event.to_vec()))
        }
    };
    Ok(LoggedEvent {
        seq: u64::try_from(seq).unwrap_or(0),
        leaf,
        subject,
        event,
    })
}

impl Store {
    /// Events of a log from `from` on, at most `limit`, in order. An empty answer is the end.
    ///
    /// # Errors
    /// A [`StoreError`] if a row can't be read or does not open.
    pub async fn events(
        &self,
        log: LogKind,
        from: u64,
        limit: u32,
    ) -> Result<Vec<LoggedEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, leaf, subject, sealed FROM log_leaf WHERE log = $1 AND seq >= $2
             ORDER BY seq LIMIT $3",
        )
        .bind(number(log))
        .bind(i64::try_from(from).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| open_event(&self.vault, log, row))
            .collect()
    }

    /// All that the consent log holds about a person, in order.
    ///
    /// # Errors
    /// A [`StoreError`] if a row can't be read or does not open.
    pub async fn evidence_of(&self, subject: &Index) -> Result<Vec<LoggedEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, leaf, subject, sealed FROM log_leaf WHERE subject = $1 AND log = $2
             ORDER BY seq",
        )
        .bind(subject.as_bytes().as_slice())
        .bind(number(LogKind::Consent))
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| open_event(&self.vault, LogKind::Consent, row))
            .collect()
    }

    /// The leaves of a log from `from` on, at most `limit`, in order, without opening the events.
    ///
    /// # Errors
    /// A [`StoreError`] if a row can't be read, or a number is missing: a row was cut out.
    pub async fn leaves(
        &self,
        log: LogKind,
        from: u64,
        limit: u32,
    ) -> Result<Vec<[u8; 32]>, StoreError> {
        let first = i64::try_from(from).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "SELECT seq, leaf FROM log_leaf WHERE log = $1 AND seq >= $2 ORDER BY seq LIMIT $3",
        )
        .bind(number(log))
        .bind(first)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let mut leaves = Vec::with_capacity(rows.len());
        for (row, expected) in rows.iter().zip(first..) {
            let (seq, leaf): (i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
            let leaf = leaf.try_into().ok().filter(|_| seq == expected);
            leaves.push(leaf.ok_or(StoreError::LogCut {
                log: log.name(),
                seq: expected,
            })?);
        }
        Ok(leaves)
    }

    /// The head of a log: its size and root as last committed.
    ///
    /// # Errors
    /// A [`StoreError`] if the head can't be read.
    pub async fn log_head(&self, log: LogKind) -> Result<Frontier, StoreError> {
        let mut connection = self.readers.acquire().await?;
        committed_head(&mut connection, log).await
    }

    /// The newest signed checkpoint of a log.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn newest_checkpoint(
        &self,
        log: LogKind,
    ) -> Result<Option<StoredCheckpoint>, StoreError> {
        let row = sqlx::query(
            "SELECT log, size, sealed FROM checkpoint WHERE log = $1 ORDER BY size DESC LIMIT 1",
        )
        .bind(number(log))
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        open_checkpoint(&self.vault, log, &row).map(Some)
    }
}
