//! What the rooms may know: that somebody is a contact, that mail of theirs waits, when they were asked, and how many there are.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::Row;

use super::question::Question;
use super::waiting::{START, WAITING, is_proven};
use super::{CONTACT, is_sound};
use crate::store::{Store, StoreError, time_of};
use crate::vault::{Index, TokenHash};

/// How many there are; whose, nobody can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContactCounts {
    /// Addresses whose owners are known to have written themselves.
    pub contacts: u64,
    /// Mails that wait.
    pub waiting: u64,
    /// Questions whose links are good.
    pub asked: u64,
}

impl Store {
    /// The question whose link has this token.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn question(&self, token: &TokenHash) -> Result<Option<Question>, StoreError> {
        let row = sqlx::query(
            "SELECT token_hash, address_index, pace_index, asked_at, sealed FROM question
             WHERE token_hash = $1",
        )
        .bind(token.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Question::open(&self.vault, &row)).transpose()
    }

    /// Whether one of these stands for a contact.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn is_contact(&self, address: &[Index]) -> Result<bool, StoreError> {
        for index in address {
            let row = sqlx::query(CONTACT)
                .bind(index.as_bytes().as_slice())
                .fetch_optional(&self.readers)
                .await?;
            if row.is_some_and(|row| is_sound(&self.vault, &row)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether anything of first contact is kept of an address: that it's known, that it was asked, mail that waits.
    ///
    /// # Errors
    /// A [`StoreError`] if a table can't be read.
    pub async fn has_first_contact(&self, address: &[Index]) -> Result<bool, StoreError> {
        Ok(self
            .any("SELECT 1 FROM contact WHERE address_index = $1", address)
            .await?
            || self
                .any("SELECT 1 FROM question WHERE address_index = $1", address)
                .await?
            || self.waits(address).await?)
    }

    /// Whether mail of an address waits, for itself or with others' word for it.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn waits(&self, address: &[Index]) -> Result<bool, StoreError> {
        self.any("SELECT 1 FROM waiting WHERE address_index = $1", address)
            .await
    }

    /// Whether mail of an address waits for which its domain vouches: what the address's owner can bring in.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read. A row that doesn't open is left out.
    pub async fn proven_waits(&self, address: &[Index]) -> Result<bool, StoreError> {
        for index in address {
            let mut rows = sqlx::query(WAITING)
                .bind(index.as_bytes().as_slice())
                .bind(START.as_bytes().as_slice())
                .fetch(&self.readers);
            while let Some(row) = rows.try_next().await? {
                if is_proven(&self.vault, &row) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn any(&self, sql: &'static str, address: &[Index]) -> Result<bool, StoreError> {
        for index in address {
            let row = sqlx::query(sql)
                .bind(index.as_bytes().as_slice())
                .fetch_optional(&self.readers)
                .await?;
            if row.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// When somebody was last asked until a time, by the indexes of their address without its tag.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn last_asked(
        &self,
        pace: &[Index],
        until: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut last = None;
        for index in pace {
            let row = sqlx::query(
                "SELECT MAX(asked_at) FROM question WHERE pace_index = $1 AND asked_at <= $2",
            )
            .bind(index.as_bytes().as_slice())
            .bind(until.as_millisecond())
            .fetch_one(&self.readers)
            .await?;
            last = last.max(row.try_get::<Option<i64>, _>(0)?);
        }
        last.map(|at| time_of(at, "question")).transpose()
    }

    /// How many questions went out between two times; the earlier is not counted in.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn asked_between(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        let row =
            sqlx::query("SELECT COUNT(*) FROM question WHERE asked_at > $1 AND asked_at <= $2")
                .bind(since.as_millisecond())
                .bind(until.as_millisecond())
                .fetch_one(&self.readers)
                .await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }

    /// How many contacts there are, and how much waits.
    ///
    /// # Errors
    /// A [`StoreError`] if a table can't be read.
    pub async fn count_contacts(&self) -> Result<ContactCounts, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM contact), (SELECT COUNT(*) FROM waiting),
                    (SELECT COUNT(*) FROM question)",
        )
        .fetch_one(&self.readers)
        .await?;
        let count = |column| -> Result<u64, StoreError> {
            Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
        };
        Ok(ContactCounts {
            contacts: count(0)?,
            waiting: count(1)?,
            asked: count(2)?,
        })
    }
}
