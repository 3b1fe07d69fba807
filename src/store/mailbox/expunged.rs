//! Which UIDs left a folder, and by which change: a mail program that was away hears it when it comes back (RFC 7162
//! §3.2.10). The oldest are forgotten in time; who was away for longer compares all UIDs.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{FolderRecord, ModSeq, Uids};
use crate::id::FolderId;
use crate::store::writer::Tx;
use crate::store::{StoreError, record};
use crate::vault::{Clear, Purpose, Vault};

const TABLE: &str = "expunged";
/// How many changes are remembered of a folder.
const MOST: u64 = 2000;
/// How many are forgotten then.
const AT_ONCE: u64 = 500;

/// What left a folder by one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct ExpungedRecord {
    /// What left it.
    pub(super) uids: Uids,
}

impl ExpungedRecord {
    /// Opens a row of: folder_id, modseq, sealed.
    pub(in crate::store) fn open(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let (folder, modseq): (&[u8], i64) = (row.try_get(0)?, row.try_get(1)?);
        let clear = [Clear::Int(modseq)];
        let place = record::place(TABLE, folder, &clear);
        let plain = vault.open(Purpose::Mailbox, &place, row.try_get(2)?)?;
        Ok(Self {
            uids: Uids::from_bytes(&plain).ok_or(StoreError::Record { table: TABLE })?,
        })
    }
}

/// Remembers what left a folder by its last change.
pub(super) async fn put(
    folder: FolderId,
    record: &mut FolderRecord,
    uids: &Uids,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let modseq = record.highest_modseq.column();
    let clear = [Clear::Int(modseq)];
    let place = record::place(TABLE, folder.as_bytes(), &clear);
    let sealed = tx.vault.seal(Purpose::Mailbox, &place, &uids.to_bytes());
    sqlx::query("INSERT INTO expunged (folder_id, modseq, sealed) VALUES ($1, $2, $3)")
        .bind(folder.as_bytes().as_slice())
        .bind(modseq)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
    record.expunged_rows += 1;
    if record.expunged_rows > MOST {
        forget(folder, record, tx).await?;
    }
    Ok(())
}

async fn forget(
    folder: FolderId,
    record: &mut FolderRecord,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT modseq FROM expunged WHERE folder_id = $1 ORDER BY modseq LIMIT 1 OFFSET $2",
    )
    .bind(folder.as_bytes().as_slice())
    .bind(AT_ONCE.cast_signed())
    .fetch_optional(&mut *tx.connection)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let first_kept: i64 = row.try_get(0)?;
    let gone = sqlx::query("DELETE FROM expunged WHERE folder_id = $1 AND modseq < $2")
        .bind(folder.as_bytes().as_slice())
        .bind(first_kept)
        .execute(&mut *tx.connection)
        .await?;
    record.expunged_rows = record.expunged_rows.saturating_sub(gone.rows_affected());
    record.forgot_until = ModSeq::read(first_kept - 1);
    Ok(())
}

/// Forgets all that is known of a folder.
pub(super) async fn remove_all(folder: FolderId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM expunged WHERE folder_id = $1")
        .bind(folder.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}
