//! Reports that others sent us: about TLS on the way to us (RFC 8460), about mail in our name (DMARC). They name servers
//! and domains of others, so they are sealed like every domain, and forgotten after a while.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::record::{self, Record};
use super::writer::Tx;
use super::{Page, Store, StoreError};
use crate::vault::{Clear, Index, IndexColumn, Purpose, Vault};

/// A report as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// When it came.
    pub received_at: Timestamp,
    /// What it says, as the room that read it writes it.
    pub report: serde_json::Value,
}

/// It names other people's servers.
impl std::fmt::Debug for ReportRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportRecord")
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}

impl Record for ReportRecord {
    const TABLE: &'static str = "report";
    const PURPOSE: Purpose = Purpose::Setting;
}

/// The key is that of domains, so that an old recovery sheet still holds all keys; no domain begins so.
fn column(name: &[u8]) -> Vec<u8> {
    [b"report\0", name].concat()
}

/// A report's row.
#[derive(Debug, Clone)]
pub struct ReportRow {
    index: Index,
    /// When it is forgotten.
    pub kept_until: Timestamp,
    /// What the row holds.
    pub record: ReportRecord,
}

impl ReportRow {
    /// The row of a report that is known by this name: who sent it, and their id of it.
    pub fn new(vault: &Vault, name: &[u8], kept_until: Timestamp, record: ReportRecord) -> Self {
        Self {
            index: vault.index(IndexColumn::DomainName, &column(name)),
            kept_until,
            record,
        }
    }

    /// Writes the row; one that is there stays as it is.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let kept_until = self.kept_until.as_millisecond();
        let clear = [Clear::Int(kept_until)];
        let sealed = record::seal(tx.vault, self.index.as_bytes(), &clear, &self.record);
        sqlx::query(
            "INSERT INTO report (report_index, kept_until, sealed) VALUES ($1, $2, $3)
             ON CONFLICT (report_index) DO NOTHING",
        )
        .bind(self.index.as_bytes().as_slice())
        .bind(kept_until)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }

    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let index = super::index_of(row.try_get(0)?, "report")?;
        let kept_until: i64 = row.try_get(1)?;
        let clear = [Clear::Int(kept_until)];
        let record = record::open(vault, index.as_bytes(), &clear, row.try_get(2)?)?;
        Ok(Self {
            index,
            kept_until: super::time_of(kept_until, "report")?,
            record,
        })
    }
}

pub(super) async fn forget(now: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM report WHERE kept_until <= $1")
        .bind(now.as_millisecond())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

impl Store {
    /// Whether a report of this name is there.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn has_report(&self, name: &[u8]) -> Result<bool, StoreError> {
        for index in self.vault.index_all(IndexColumn::DomainName, &column(name)) {
            let row = sqlx::query("SELECT 1 FROM report WHERE report_index = $1")
                .bind(index.as_bytes().as_slice())
                .fetch_optional(&self.readers)
                .await?;
            if row.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A page of reports, in the order of their keyed hashes, after the one given.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read. A row that does not open is left out.
    pub async fn reports_after(
        &self,
        after: Option<Index>,
        limit: u32,
    ) -> Result<Page<ReportRow, Index>, StoreError> {
        let rows = sqlx::query(
            "SELECT report_index, kept_until, sealed FROM report WHERE report_index > $1
             ORDER BY report_index LIMIT $2",
        )
        .bind(after.as_ref().map_or(&[][..], |index| index.as_bytes()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let cursor = |index: &[u8]| super::index_of(index, "report");
        Page::of(&rows, limit, "report", cursor, |row| {
            ReportRow::from_row(&self.vault, row)
        })
    }

    /// How many reports are kept until later than this.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn count_reports(&self, after: Timestamp) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM report WHERE kept_until > $1")
            .bind(after.as_millisecond())
            .fetch_one(&self.readers)
            .await?;
        let count: i64 = row.try_get(0)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
