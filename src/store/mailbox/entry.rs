//! A message's place in a folder. What is sealed has one length and a fixed form: opening a folder of ten thousand opens
//! ten thousand of these.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Flags, ModSeq, Uid};
use crate::id::{FolderId, MessageId};
use crate::store::rows;
use crate::store::writer::Tx;
use crate::store::{StoreError, record};
use crate::vault::{Clear, Purpose, Vault};

const TABLE: &str = "entry";
/// The form of what is sealed.
const VERSION: u8 = 1;
const LEN: usize = 1 + 1 + 4 * 8;

/// What is known of a message in this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRecord {
    /// The system flags.
    pub flags: Flags,
    /// The folder's numbers of its keywords, as bits.
    pub keywords: u64,
    /// When the message came to us, or what a mail program said of it (RFC 9051 §2.3.3).
    pub received_at: Timestamp,
    /// When it was put here.
    pub kept_at: Timestamp,
    /// Its length.
    pub size: u64,
}

/// A message's place in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The folder.
    pub folder: FolderId,
    /// Its number there.
    pub uid: Uid,
    /// The number of its last change.
    pub modseq: ModSeq,
    /// The message.
    pub message: MessageId,
    /// What is known of it here.
    pub record: EntryRecord,
}

impl EntryRecord {
    fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[0] = VERSION;
        bytes[1] = self.flags.bits();
        let numbers = [
            self.keywords,
            self.received_at.as_millisecond().cast_unsigned(),
            self.kept_at.as_millisecond().cast_unsigned(),
            self.size,
        ];
        for (place, number) in bytes[2..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [VERSION, flags, rest @ ..] = bytes else {
            return None;
        };
        let (numbers, []) = rest.as_chunks::<8>() else {
            return None;
        };
        let [keywords, received_at, kept_at, size] = numbers else {
            return None;
        };
        let time = |bytes: &[u8; 8]| Timestamp::from_millisecond(i64::from_be_bytes(*bytes)).ok();
        Some(Self {
            flags: Flags::from_bits(*flags),
            keywords: u64::from_be_bytes(*keywords),
            received_at: time(received_at)?,
            kept_at: time(kept_at)?,
            size: u64::from_be_bytes(*size),
        })
    }
}

impl Entry {
    /// Opens a row of: folder_id, uid, modseq, message_id, sealed.
    pub(in crate::store) fn open(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let folder = crate::store::id_of(row.try_get(0)?, FolderId::from_slice, TABLE)?;
        let (uid, modseq): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        let message = crate::store::id_of(row.try_get(3)?, MessageId::from_slice, TABLE)?;
        let clear = clear(uid, modseq, &message);
        let place = record::place(TABLE, folder.as_bytes(), &clear);
        let plain = vault.open(Purpose::Mailbox, &place, row.try_get(4)?)?;
        let broken = StoreError::Record { table: TABLE };
        Ok(Self {
            folder,
            uid: Uid(u32::try_from(uid).map_err(|_| broken.clone())?),
            modseq: ModSeq::read(modseq),
            message,
            record: EntryRecord::from_bytes(&plain).ok_or(broken)?,
        })
    }

    fn seal(&self, vault: &Vault) -> Vec<u8> {
        let clear = clear(self.uid.0.into(), self.modseq.column(), &self.message);
        let place = record::place(TABLE, self.folder.as_bytes(), &clear);
        vault.seal(Purpose::Mailbox, &place, &self.record.to_bytes())
    }
}

fn clear(uid: i64, modseq: i64, message: &MessageId) -> [Clear<'_>; 3] {
    [
        Clear::Int(uid),
        Clear::Int(modseq),
        Clear::Bytes(message.as_bytes()),
    ]
}

/// Writes entries, new ones and those that were changed.
pub(super) async fn put(entries: &[Entry], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let vault = tx.vault;
    rows::insert(
        tx.connection,
        "INSERT INTO entry (folder_id, uid, modseq, message_id, sealed) ",
        " ON CONFLICT (folder_id, uid) DO UPDATE SET modseq = excluded.modseq, sealed = excluded.sealed",
        entries,
        |row, entry| {
            row.push_bind(entry.folder.as_bytes().as_slice())
                .push_bind(i64::from(entry.uid.0))
                .push_bind(entry.modseq.column())
                .push_bind(entry.message.as_bytes().as_slice())
                .push_bind(entry.seal(vault));
        },
    )
    .await
}

/// The entries of a folder with UIDs in this range. One that doesn't open is left out.
pub(super) async fn between(
    folder: FolderId,
    (first, last): (u32, u32),
    tx: &mut Tx<'_>,
) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query(
        "SELECT folder_id, uid, modseq, message_id, sealed FROM entry
         WHERE folder_id = $1 AND uid BETWEEN $2 AND $3 ORDER BY uid",
    )
    .bind(folder.as_bytes().as_slice())
    .bind(i64::from(first))
    .bind(i64::from(last))
    .fetch_all(&mut *tx.connection)
    .await?;
    Ok(open_all(tx.vault, &rows))
}

/// Opens rows; one that doesn't open is left out and said.
pub(super) fn open_all(vault: &Vault, rows: &[SqliteRow]) -> Vec<Entry> {
    let entries = rows.iter();
    entries.filter_map(|row| open_said(vault, row)).collect()
}

/// Opens a row; that it doesn't open is said.
pub(super) fn open_said(vault: &Vault, row: &SqliteRow) -> Option<Entry> {
    let opened = Entry::open(vault, row);
    if let Err(error) = &opened {
        tracing::error!(%error, table = TABLE, "left out a row");
    }
    opened.ok()
}

/// Takes entries out.
pub(super) async fn remove(entries: &[Entry], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for entry in entries {
        sqlx::query("DELETE FROM entry WHERE folder_id = $1 AND uid = $2")
            .bind(entry.folder.as_bytes().as_slice())
            .bind(i64::from(entry.uid.0))
            .execute(&mut *tx.connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The form is on people's disks: changing it must break a test.
    #[test]
    fn the_form_is_frozen() {
        let time = |millis| Timestamp::from_millisecond(millis).unwrap();
        let record = EntryRecord {
            flags: Flags::SEEN.with(Flags::DRAFT),
            keywords: 5,
            received_at: time(-2),
            kept_at: time(258),
            size: 65_537,
        };
        let mut bytes = vec![1, 17];
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 5]);
        bytes.extend([255, 255, 255, 255, 255, 255, 255, 254]);
        bytes.extend([0, 0, 0, 0, 0, 0, 1, 2]);
        bytes.extend([0, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!(record.to_bytes().as_slice(), bytes);
        assert_eq!(EntryRecord::from_bytes(&bytes), Some(record));
        for cut in [0, 1, 2, LEN - 1] {
            assert_eq!(EntryRecord::from_bytes(&bytes[..cut]), None);
        }
        bytes[0] = 2;
        assert_eq!(EntryRecord::from_bytes(&bytes), None);
    }
}
