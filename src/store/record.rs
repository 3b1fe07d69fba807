//! Sealing a row's record: what stands in the one sealed column of a table, bound to the row it stands in.

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
    // Writing JSON to memory fails only for maps with keys that are no strings, and no record has one.
    let plain = Zeroizing::new(serde_json::to_vec(record).expect("a record is plain data"));
    vault.seal(R::PURPOSE, &place(R::TABLE, row, clear), &plain)
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
