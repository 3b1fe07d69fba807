//! Small sealed values of the installation: server secrets, signing keys, marks of what was done last.

use sqlx::Row;
use zeroize::Zeroizing;

use super::record;
use super::writer::Tx;
use super::{Store, StoreError};
use crate::vault::Purpose;

/// A named value.
#[derive(Clone)]
pub struct Setting {
    /// Its name; names are fixed in the code.
    pub name: &'static str,
    /// Its bytes.
    pub value: Zeroizing<Vec<u8>>,
}

impl Setting {
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let place = record::place("setting", self.name.as_bytes(), &[]);
        let sealed = tx.vault.seal(Purpose::Setting, &place, &self.value);
        sqlx::query(
            "INSERT INTO setting (name, sealed) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(self.name)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }
}

impl Store {
    /// The value of this name.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn setting(
        &self,
        name: &'static str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let row = sqlx::query("SELECT sealed FROM setting WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let place = record::place("setting", name.as_bytes(), &[]);
        Ok(Some(self.vault.open(
            Purpose::Setting,
            &place,
            row.try_get(0)?,
        )?))
    }
}
