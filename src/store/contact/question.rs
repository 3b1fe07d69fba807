//! Who was asked "was it you?", and what came of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::store::StoreError;
use crate::store::record::{self, Record};
use crate::store::writer::Tx;
use crate::store::{index_of, time_of};
use crate::vault::{Clear, Index, Purpose, TokenHash, Vault};

/// What came of a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionRecord {
    /// When its button was pressed.
    pub answered_at: Option<Timestamp>,
    /// Until when the mail waits that it's about: its link is good for as long.
    #[serde(default)]
    pub waits_until: Option<Timestamp>,
    /// Nothing waited any more when the button was pressed.
    #[serde(default)]
    pub too_late: bool,
}

impl Record for QuestionRecord {
    const TABLE: &'static str = "question";
    const PURPOSE: Purpose = Purpose::Challenge;
}

/// A stranger was asked whether they wrote.
#[derive(Debug, Clone)]
pub struct Question {
    /// The hash of the token in the link.
    pub token: TokenHash,
    /// The keyed hash of the address.
    pub address: Index,
    /// The same of the address without its tag.
    pub pace: Index,
    /// When.
    pub asked_at: Timestamp,
    /// What came of it.
    pub record: QuestionRecord,
}

impl Question {
    fn clear(&self) -> [Clear<'_>; 3] {
        [
            Clear::Bytes(self.address.as_bytes()),
            Clear::Bytes(self.pace.as_bytes()),
            Clear::Int(self.asked_at.as_millisecond()),
        ]
    }

    pub(in crate::store) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let clear = self.clear();
        let sealed = record::seal(tx.vault, self.token.as_bytes(), &clear, &self.record);
        sqlx::query(
            "INSERT INTO question (token_hash, address_index, pace_index, asked_at, sealed)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (token_hash) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(self.token.as_bytes().as_slice())
        .bind(self.address.as_bytes().as_slice())
        .bind(self.pace.as_bytes().as_slice())
        .bind(self.asked_at.as_millisecond())
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }

    /// Opens a row of: token_hash, address_index, pace_index, asked_at, sealed.
    pub(in crate::store) fn open(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let broken = StoreError::Record { table: "question" };
        let mut question = Self {
            token: TokenHash::from_slice(row.try_get(0)?).ok_or(broken)?,
            address: index_of(row.try_get(1)?, "question")?,
            pace: index_of(row.try_get(2)?, "question")?,
            asked_at: time_of(row.try_get(3)?, "question")?,
            record: QuestionRecord::default(),
        };
        let (token, clear) = (question.token, question.clear());
        let record = record::open(vault, token.as_bytes(), &clear, row.try_get(4)?)?;
        question.record = record;
        Ok(question)
    }
}

/// Forgets questions of before, and those that a clock which was wrong put behind a time that can't be yet: nobody would
/// be asked until then.
pub(in crate::store) async fn forget_old(
    before: Timestamp,
    behind: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM question WHERE asked_at <= $1 OR asked_at > $2")
        .bind(before.as_millisecond())
        .bind(behind.as_millisecond())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}
