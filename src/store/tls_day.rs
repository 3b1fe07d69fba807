//! What came of a day's connections to one domain, until it was reported there (RFC 8460). The domain is sealed: it may be
//! one person's.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::record::{self, Record};
use super::writer::Tx;
use super::{Store, StoreError};
use crate::address::Domain;
use crate::id::TlsDayId;
use crate::vault::{Clear, Purpose, Vault};

/// A day's results.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsDayRecord {
    /// The domain that mail went to.
    pub domain: Domain,
    /// The day, in UTC.
    pub day: Date,
    /// What came of it and of its report, as the room that reports writes it.
    pub results: serde_json::Value,
}

/// A domain that mail goes to may be one person's: neither it nor its servers are shown.
impl std::fmt::Debug for TlsDayRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsDayRecord")
            .field("day", &self.day)
            .finish_non_exhaustive()
    }
}

impl Record for TlsDayRecord {
    const TABLE: &'static str = "tls_day";
    const PURPOSE: Purpose = Purpose::Setting;
}

/// A day's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsDayRow {
    /// The row.
    pub id: TlsDayId,
    /// When it is to be reported.
    pub due_at: Timestamp,
    /// What the row holds.
    pub record: TlsDayRecord,
}

impl TlsDayRow {
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let due_at = self.due_at.as_millisecond();
        let clear = [Clear::Int(due_at)];
        let sealed = record::seal(tx.vault, self.id.as_bytes(), &clear, &self.record);
        sqlx::query(
            "INSERT INTO tls_day (id, due_at, sealed) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, sealed = excluded.sealed",
        )
        .bind(self.id.as_bytes().as_slice())
        .bind(due_at)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }

    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let id = super::id_of(row.try_get(0)?, TlsDayId::from_slice, "tls_day")?;
        let due_at: i64 = row.try_get(1)?;
        let clear = [Clear::Int(due_at)];
        let record = record::open(vault, id.as_bytes(), &clear, row.try_get(2)?)?;
        Ok(Self {
            id,
            due_at: super::time_of(due_at, "tls_day")?,
            record,
        })
    }
}

pub(super) async fn remove(id: TlsDayId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM tls_day WHERE id = $1")
        .bind(id.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// Removes those that were due before: rows that don't open have nobody else who would.
pub(super) async fn forget(before: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM tls_day WHERE due_at < $1")
        .bind(before.as_millisecond())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

impl Store {
    /// The days that are due from `from` on, at most `limit`, the first due first. A row that does not open is left out.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn tls_days(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<TlsDayRow>, StoreError> {
        // Those that don't open count for nothing: they would keep the others from their turn.
        let mut rows = sqlx::query(
            "SELECT id, due_at, sealed FROM tls_day WHERE due_at >= $1 AND due_at <= $2
             ORDER BY due_at",
        )
        .bind(from.as_millisecond())
        .bind(to.as_millisecond())
        .fetch(&self.readers);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut opened = Vec::new();
        while opened.len() < limit
            && let Some(row) = rows.try_next().await?
        {
            opened.extend(TlsDayRow::from_row(&self.vault, &row));
        }
        Ok(opened)
    }

    /// When the next day after this moment is due.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn next_tls_day(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT MIN(due_at) FROM tls_day WHERE due_at > $1")
            .bind(after.as_millisecond())
            .fetch_one(&self.readers)
            .await?;
        let due_at: Option<i64> = row.try_get(0)?;
        due_at
            .map(|due_at| super::time_of(due_at, "tls_day"))
            .transpose()
    }
}
