//! Small sealed values of the installation: server secrets, signing keys, marks of what was done last.

use std::borrow::Cow;

use sqlx::Row;
use zeroize::Zeroizing;

use super::record;
use super::writer::Tx;
use super::{Store, StoreError};
use crate::vault::{Purpose, Vault};

/// A named value.
#[derive(Clone)]
pub struct Setting {
    /// Its name: fixed in the code, or a fixed beginning with a random number behind it.
    pub name: Cow<'static, str>,
    /// Its bytes.
    pub value: Zeroizing<Vec<u8>>,
}

/// A value of several whose names begin alike.
pub struct NamedSetting {
    /// Its name.
    pub name: String,
    /// Its bytes, or why they can't be had: one that doesn't open is in no other's way.
    pub value: Result<Zeroizing<Vec<u8>>, StoreError>,
}

impl Setting {
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        put(self.name.as_ref(), &self.value, tx).await
    }
}

/// Writes a value.
pub(super) async fn put(name: &str, value: &[u8], tx: &mut Tx<'_>) -> Result<(), StoreError> {
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
    name: &str,
    tx: &mut Tx<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM setting WHERE name = $1")
        .bind(name)
        .fetch_optional(&mut *tx.connection)
        .await?;
    row.map(|row| open(tx.vault, name, row.try_get(0)?))
        .transpose()
}

/// Whether there is a value of this name, be it readable or not.
pub(super) async fn exists(name: &str, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM setting WHERE name = $1")
        .bind(name)
        .fetch_optional(&mut *tx.connection)
        .await?;
    Ok(row.is_some())
}

fn open(vault: &Vault, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let place = record::place("setting", name.as_bytes(), &[]);
    Ok(vault.open(Purpose::Setting, &place, sealed)?)
}

/// Erases the value of this name.
pub(super) async fn remove(name: &str, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM setting WHERE name = $1")
        .bind(name)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

impl Store {
    /// The value of this name.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn setting(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let row = sqlx::query("SELECT sealed FROM setting WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        let sealed = row.map(|row| row.try_get::<Vec<u8>, _>(0)).transpose()?;
        sealed
            .map(|sealed| self.open_setting(name, &sealed))
            .transpose()
    }

    /// The values whose names begin so, in the order of their names.
    ///
    /// # Errors
    /// A [`StoreError`] if the rows can't be read.
    pub async fn settings_beginning(&self, with: &str) -> Result<Vec<NamedSetting>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, sealed FROM setting WHERE substr(name, 1, $1) = $2 ORDER BY name",
        )
        .bind(i64::try_from(with.chars().count()).unwrap_or(i64::MAX))
        .bind(with)
        .fetch_all(&self.readers)
        .await?;
        let read = |row: sqlx::sqlite::SqliteRow| {
            let (name, sealed): (String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let value = self.open_setting(&name, &sealed);
            Ok(NamedSetting { name, value })
        };
        rows.into_iter().map(read).collect()
    }

    fn open_setting(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        open(&self.vault, name, sealed)
    }
}
