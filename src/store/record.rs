//! Sealing a row's record: what stands in the one sealed column of a table, bound to the row it stands in.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::StoreError;
use crate::vault::{Clear, Place, Purpose, Vault};

/// What a table's sealed column holds.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// The table.
    const TABLE: &'static str;
    /// Which key seals it.
    const PURPOSE: Purpose;
}

/// The place of a row's sealed column; `clear` are the row's other clear columns, in the order of the schema.
pub(super) fn place<'a>(table: &'static str, row: &'a [u8], clear: &'a [Clear<'a>]) -> Place<'a> {
    Place {
        table,
        column: "sealed",
        row,
        clear,
    }
}

/// Seals a record for its row.
pub(super) fn seal<R: Record>(
    vault: &Vault,
    row: &[u8],
    clear: &[Clear<'_>],
    record: &R,
) -> Vec<u8> {
    let plain = plain(record);
    vault.seal(R::PURPOSE, &place(R::TABLE, row, clear), &plain)
}

/// A record as JSON. Its length is counted first: a buffer that grows leaves what it held behind, and some hold secrets.
fn plain<R: Record>(record: &R) -> Zeroizing<Vec<u8>> {
    // Writing JSON to memory fails only for maps with keys that are no strings, and no record has one.
    let mut length = Length(0);
    serde_json::to_writer(&mut length, record).expect("a record is plain data");
    let mut plain = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *plain, record).expect("a record is plain data");
    plain
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The version after this one, for rows that come back under the key that they had (0: the row is not there). It begins
/// anywhere, so that a row that was deleted and made again is not taken for the one that was read before.
pub(super) fn next_version(version: i64) -> Result<i64, StoreError> {
    if version > 0 {
        return Ok(version.wrapping_add(1).max(1));
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|cause| StoreError::Sql(cause.to_string()))?;
    // Far from the end, so that it can be counted on.
    let version = i64::try_from(u64::from_be_bytes(random) >> 2).unwrap_or(1);
    Ok(version.max(1))
}

/// Opens a row's record.
///
/// # Errors
/// [`StoreError::Seal`] if the value or a clear column was changed or moved; [`StoreError::Record`] if what is inside
/// is not such a record.
pub(super) fn open<R: Record>(
    vault: &Vault,
    row: &[u8],
    clear: &[Clear<'_>],
    sealed: &[u8],
) -> Result<R, StoreError> {
    let plain = vault.open(R::PURPOSE, &place(R::TABLE, row, clear), sealed)?;
    serde_json::from_slice(&plain).map_err(|_| StoreError::Record { table: R::TABLE })
}
