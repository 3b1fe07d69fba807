//! Small sealed values of the installation: server secrets, signing keys, marks of what was done last.

use sqlx::Row;
use zeroize::Zeroizing;

use super::record;
use super::writer::Tx;
use super::{Store, StoreError};
use crate::vault::{Purpose, Vault};

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
        put(self.name, &self.value, tx).await
    }
}

/// Writes a value.
pub(super) async fn put(
    name: &'static str,
    value: &[u8],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let place = record::place("setting", name.as_bytes(), &[]);
    let sealed = tx.vault.seal(Purpose::Setting, &place, value);
    sqlx::query(
        "INSERT INTO setting (name, sealed) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
    )
    .bind(name)
    .bind(sealed)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Reads a value, of this connection.
pub(super) async fn get(
    name: &'static str,
    tx: &mut Tx<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM setting WHERE name = $1")
        .bind(name)
        .fetch_optional(&mut *tx.connection)
        .await?;
    row.map(|row| open(tx.vault, name, row.try_get(0)?))
        .transpose()
}

fn open(
    vault: &Vault,
    name: &'static str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let place = record::place("setting", name.as_bytes(), &[]);
    Ok(vault.open(Purpose::Setting, &place, sealed)?)
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
        row.map(|row| open(&self.vault, name, row.try_get(0)?))
            .transpose()
    }
}
