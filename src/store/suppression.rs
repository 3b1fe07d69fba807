//! Who must not be written to. A row is a keyed hash of an address with the lists that it left, when and why: never the
//! address, never a constituency (law C6). It outlives erasure, import, restore and key rotation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::record::{self, Record};
use super::writer::Tx;
use super::{Page, Store, StoreError};
use crate::vault::{Clear, Index, ListTag, Purpose, Vault};

/// On what a suppression holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// On everything that we might send: the person said "never write to me again".
    All,
    /// On one list, known by its tag, so that it holds although the list is renamed or gone.
    List(ListTag),
}

impl Scope {
    /// Whether a suppression of this scope forbids mail of that scope.
    pub fn covers(self, other: Self) -> bool {
        self == Self::All || self == other
    }
}

/// Why an address is suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuppressionReason {
    /// Its owner withdrew.
    Withdrawn,
    /// Its owner never wants to be written to again.
    NeverAgain,
    /// An admin erased everything about the address.
    Erased,
    /// It stood in a suppression file that was imported.
    Imported,
}

/// One suppression of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// On what.
    pub scope: Scope,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: SuppressionReason,
}

/// All suppressions of one address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressionRecord {
    /// Each scope once.
    pub scopes: Vec<Suppressed>,
}

impl Record for SuppressionRecord {
    const TABLE: &'static str = "suppression";
    const PURPOSE: Purpose = Purpose::Suppression;
}

impl SuppressionRecord {
    /// Whether mail of this scope is forbidden.
    pub fn forbids(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|one| one.scope.covers(scope))
    }
}

/// A suppression row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The keyed hash of the address.
    pub index: Index,
    /// Another after each change, and never one that the row had before it was last deleted; 0 for a row that is not yet
    /// stored.
    pub version: i64,
    /// What the row holds.
    pub record: SuppressionRecord,
}

impl Suppression {
    /// No suppression yet for this address.
    pub fn none(index: Index) -> Self {
        Self {
            index,
            version: 0,
            record: SuppressionRecord::default(),
        }
    }

    /// Writes the row as its next version; a row without scopes is removed.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if self.record.scopes.is_empty() {
            sqlx::query("DELETE FROM suppression WHERE suppression_index = $1")
                .bind(self.index.as_bytes().as_slice())
                .execute(&mut *tx.connection)
                .await?;
            return Ok(());
        }
        let version = record::next_version(self.version)?;
        let sealed = record::seal(
            tx.vault,
            self.index.as_bytes(),
            &[Clear::Int(version)],
            &self.record,
        );
        sqlx::query(
            "INSERT INTO suppression (suppression_index, version, sealed) VALUES ($1, $2, $3)
             ON CONFLICT (suppression_index) DO UPDATE SET version = excluded.version,
                sealed = excluded.sealed",
        )
        .bind(self.index.as_bytes().as_slice())
        .bind(version)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }
}

/// Opens a row's record.
pub(super) fn open(
    vault: &Vault,
    index: &Index,
    version: i64,
    sealed: &[u8],
) -> Result<SuppressionRecord, StoreError> {
    record::open(vault, index.as_bytes(), &[Clear::Int(version)], sealed)
}

impl Store {
    /// The suppressions of the address with this index; an empty row if there are none.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn suppression(&self, index: Index) -> Result<Suppression, StoreError> {
        let row =
            sqlx::query("SELECT version, sealed FROM suppression WHERE suppression_index = $1")
                .bind(index.as_bytes().as_slice())
                .fetch_optional(&self.readers)
                .await?;
        let Some(row) = row else {
            return Ok(Suppression::none(index));
        };
        let version = row.try_get(0)?;
        let record = open(&self.vault, &index, version, row.try_get(1)?)?;
        Ok(Suppression {
            index,
            version,
            record,
        })
    }

    /// A page of suppressions in the order of their indexes, after the index given.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read. A row that does not open is left out.
    pub async fn suppressions_after(
        &self,
        after: Option<Index>,
        limit: u32,
    ) -> Result<Page<Suppression, Index>, StoreError> {
        let rows = sqlx::query(
            "SELECT suppression_index, version, sealed FROM suppression
             WHERE suppression_index > $1 ORDER BY suppression_index LIMIT $2",
        )
        .bind(after.as_ref().map_or(&[][..], |index| index.as_bytes()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let cursor = |bytes: &[u8]| Index::from_slice(bytes).ok_or(());
        Page::of(&rows, limit, "suppression", cursor, |row| {
            let index = super::index_of(row.try_get(0)?, "suppression")?;
            let version = row.try_get(1)?;
            let record = open(&self.vault, &index, version, row.try_get(2)?)?;
            Ok(Suppression {
                index,
                version,
                record,
            })
        })
    }

    /// How many addresses are suppressed.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn count_suppressed(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM suppression")
            .fetch_one(&self.readers)
            .await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }
}
