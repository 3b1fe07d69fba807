//! The exact texts that somebody was shown, kept by their SHA-256 for as long as evidence names them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::record::{self, Record};
use super::writer::Tx;
use super::{Store, StoreError};
use crate::vault::Purpose;

/// A text that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordingRecord {
    /// What kind of text: the consent of a list, the privacy notice.
    pub kind: String,
    /// The list that it asks for, if any.
    pub list: Option<String>,
    /// Its language: `en` or `cy`.
    pub language: String,
    /// The text itself, as shown.
    pub text: String,
    /// When it was first shown.
    pub first_shown: Timestamp,
}

impl Record for WordingRecord {
    const TABLE: &'static str = "wording";
    const PURPOSE: Purpose = Purpose::Wording;
}

/// A text by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// SHA-256 of kind, list, language and text, made by the room that shows it.
    pub digest: [u8; 32],
    /// The text.
    pub record: WordingRecord,
}

impl Wording {
    /// Writes the row unless the text is known.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let sealed = record::seal(tx.vault, &self.digest, &[], &self.record);
        sqlx::query(
            "INSERT INTO wording (digest, sealed) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        )
        .bind(self.digest.as_slice())
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// The text with this digest.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn wording(&self, digest: &[u8; 32]) -> Result<Option<WordingRecord>, StoreError> {
        let row = sqlx::query("SELECT sealed FROM wording WHERE digest = $1")
            .bind(digest.as_slice())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| record::open(&self.vault, digest, &[], row.try_get(0)?))
            .transpose()
    }
}
