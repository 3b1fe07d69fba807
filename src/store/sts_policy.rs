//! MTA-STS policies of other domains (RFC 8461), kept for as long as they hold. The domain is sealed: it may be one
//! person's.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::record::{self, Record};
use super::writer::Tx;
use super::{Store, StoreError};
use crate::address::Domain;
use crate::vault::{Clear, Index, IndexColumn, Purpose, Vault};

/// A policy that was fetched.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StsRecord {
    /// The domain.
    pub domain: Domain,
    /// The id that its DNS record had.
    pub id: String,
    /// The policy itself, as the room that fetched it writes it.
    pub policy: serde_json::Value,
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
    /// The day that it was last asked for.
    pub used_at: Timestamp,
}

/// A domain that mail goes to may be one person's: neither it nor its servers are shown.
impl std::fmt::Debug for StsRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StsRecord")
            .field("fetched_at", &self.fetched_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Record for StsRecord {
    const TABLE: &'static str = "sts_policy";
    const PURPOSE: Purpose = Purpose::Setting;
}

/// A policy's row.
#[derive(Debug, Clone)]
pub struct StsRow {
    index: Index,
    /// When the policy is to be looked after: fetched again, or forgotten.
    pub due_at: Timestamp,
    /// What the row holds.
    pub record: StsRecord,
}

impl StsRow {
    /// The row of the record's domain.
    pub fn new(vault: &Vault, due_at: Timestamp, record: StsRecord) -> Self {
        Self {
            index: vault.index(IndexColumn::DomainName, record.domain.as_str().as_bytes()),
            due_at,
            record,
        }
    }

    /// The keyed hash of its domain.
    pub fn index(&self) -> Index {
        self.index
    }

    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let due_at = self.due_at.as_millisecond();
        let clear = [Clear::Int(due_at)];
        let sealed = record::seal(tx.vault, self.index.as_bytes(), &clear, &self.record);
        sqlx::query(
            "INSERT INTO sts_policy (domain_index, due_at, sealed) VALUES ($1, $2, $3)
             ON CONFLICT (domain_index) DO UPDATE SET due_at = excluded.due_at, sealed = excluded.sealed",
        )
        .bind(self.index.as_bytes().as_slice())
        .bind(due_at)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }

    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let index = super::index_of(row.try_get(0)?, "sts_policy")?;
        let due_at: i64 = row.try_get(1)?;
        let clear = [Clear::Int(due_at)];
        let record = record::open(vault, index.as_bytes(), &clear, row.try_get(2)?)?;
        Ok(Self {
            index,
            due_at: super::time_of(due_at, "sts_policy")?,
            record,
        })
    }
}

pub(super) async fn remove(index: &Index, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sts_policy WHERE domain_index = $1")
        .bind(index.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

impl Store {
    /// The policy of this domain, whether it still holds or not.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn sts_policy(&self, domain: &Domain) -> Result<Option<StsRow>, StoreError> {
        let column = IndexColumn::DomainName;
        for index in self.vault.index_all(column, domain.as_str().as_bytes()) {
            let row = sqlx::query(
                "SELECT domain_index, due_at, sealed FROM sts_policy WHERE domain_index = $1",
            )
            .bind(index.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
            if let Some(row) = row {
                return StsRow::from_row(&self.vault, &row).map(Some);
            }
        }
        Ok(None)
    }

    /// The policies that are to be looked after, the longest due first. A row that does not open is left out.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn due_sts_policies(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<StsRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT domain_index, due_at, sealed FROM sts_policy WHERE due_at <= $1
             ORDER BY due_at LIMIT $2",
        )
        .bind(now.as_millisecond())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let opened = rows
            .iter()
            .filter_map(|row| StsRow::from_row(&self.vault, row).ok());
        Ok(opened.collect())
    }
}
