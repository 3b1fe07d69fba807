//! The readers' side. What belongs together is read by one statement, so that it's the state between two changes.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::entry::{open_all, open_said};
use super::folder::name_indexes;
use super::share::counted_bytes;
use super::{Entry, ExpungedRecord, Folder, FolderName, ModSeq, Uids};
use crate::id::{FolderId, MailboxId, MessageId};
use crate::store::{Page, Store, StoreError};
use crate::vault::Vault;

/// A folder and all that stands in it, as of one change.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The folder.
    pub folder: Folder,
    /// Its entries, in the order of their UIDs.
    pub entries: Vec<Entry>,
    /// How many did not open.
    pub broken: u64,
}

/// What became of a folder since a change.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The folder as it is now.
    pub folder: Folder,
    /// What came or was changed, in the order of UIDs.
    pub entries: Vec<Entry>,
    /// What left; `None` if the change is so long ago that it isn't known any more.
    pub vanished: Option<Uids>,
}

/// A message that is kept for somebody.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The message.
    pub message: MessageId,
    /// The name of the folder.
    pub folder: FolderName,
    /// When it was put there.
    pub kept_at: Timestamp,
}

impl Store {
    /// The folders of a mailbox, in no order. One that does not open is left out and counted.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn folders(&self, mailbox: MailboxId) -> Result<Page<Folder, FolderId>, StoreError> {
        let rows =
            sqlx::query("SELECT id, mailbox, name_index, sealed FROM folder WHERE mailbox = $1")
                .bind(mailbox.as_bytes().as_slice())
                .fetch_all(&self.readers)
                .await?;
        Page::of(&rows, u32::MAX, "folder", FolderId::from_slice, |row| {
            Folder::open(&self.vault, row)
        })
    }

    /// How much of a mailbox that may hold `limit` bytes is used.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn mailbox_size(&self, mailbox: MailboxId, limit: u64) -> Result<u64, StoreError> {
        let folders = self.folders(mailbox).await?.rows;
        let records = folders.iter().map(|folder| &folder.record);
        let rooms = records.map(|record| counted_bytes(&record.name, record.room(), limit));
        Ok(rooms.fold(0, u64::saturating_add))
    }

    /// Every mailbox that has folders.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn mailboxes(&self) -> Result<Vec<MailboxId>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT mailbox FROM folder ORDER BY mailbox")
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| crate::store::id_of(row.try_get(0)?, MailboxId::from_slice, "folder"))
            .collect()
    }

    /// The folder of this name.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn folder_named(
        &self,
        mailbox: MailboxId,
        name: &FolderName,
    ) -> Result<Option<Folder>, StoreError> {
        for index in name_indexes(&self.vault, mailbox, name) {
            let row = sqlx::query(
                "SELECT id, mailbox, name_index, sealed FROM folder
                 WHERE mailbox = $1 AND name_index = $2",
            )
            .bind(mailbox.as_bytes().as_slice())
            .bind(index.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
            if let Some(row) = row {
                return Folder::open(&self.vault, &row).map(Some);
            }
        }
        Ok(None)
    }

    /// A folder and all that stands in it; `None` if it is gone.
    ///
    /// # Errors
    /// A [`StoreError`] if the rows can't be read, or the folder's does not open. An entry that doesn't is left out.
    pub async fn open_folder(&self, id: FolderId) -> Result<Option<Opening>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, mailbox, name_index, sealed, NULL, 0 FROM folder WHERE id = $1
             UNION ALL
             SELECT folder_id, uid, modseq, message_id, sealed, 1 FROM entry WHERE folder_id = $1",
        )
        .bind(id.as_bytes().as_slice())
        .fetch_all(&self.readers)
        .await?;
        let read = FolderRows::of(&rows, &self.vault)?;
        Ok(read.folder.map(|folder| Opening {
            folder,
            broken: read.broken,
            entries: read.entries,
        }))
    }

    /// What became of a folder since a change; `None` if it is gone.
    ///
    /// # Errors
    /// As [`Store::open_folder`]. What left by a change whose row does not open counts as not known.
    pub async fn changes_since(
        &self,
        id: FolderId,
        since: ModSeq,
    ) -> Result<Option<Changes>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, mailbox, name_index, sealed, NULL, 0 FROM folder WHERE id = $1
             UNION ALL
             SELECT folder_id, uid, modseq, message_id, sealed, 1 FROM entry
             WHERE folder_id = $1 AND modseq > $2
             UNION ALL
             SELECT folder_id, modseq, sealed, NULL, NULL, 2 FROM expunged
             WHERE folder_id = $1 AND modseq > $2",
        )
        .bind(id.as_bytes().as_slice())
        .bind(since.column())
        .fetch_all(&self.readers)
        .await?;
        let read = FolderRows::of(&rows, &self.vault)?;
        Ok(read.folder.map(|folder| Changes {
            vanished: read
                .vanished
                .filter(|_| since >= folder.record.forgot_until),
            folder,
            entries: read.entries,
        }))
    }

    /// The entries of these UIDs that there are, in their order. Who wants many asks for them in pages.
    ///
    /// # Errors
    /// A [`StoreError`] if the rows can't be read. One that does not open is left out.
    pub async fn entries_of(&self, id: FolderId, uids: &Uids) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for (first, last) in uids.ranges() {
            let rows = sqlx::query(
                "SELECT folder_id, uid, modseq, message_id, sealed FROM entry
                 WHERE folder_id = $1 AND uid BETWEEN $2 AND $3 ORDER BY uid",
            )
            .bind(id.as_bytes().as_slice())
            .bind(i64::from(*first))
            .bind(i64::from(*last))
            .fetch_all(&self.readers)
            .await?;
            entries.append(&mut open_all(&self.vault, &rows));
        }
        Ok(entries)
    }

    /// What is kept in a mailbox, folder by folder, at most `limit` messages.
    ///
    /// # Errors
    /// A [`StoreError`] if a table can't be read.
    pub async fn entries(&self, mailbox: MailboxId, limit: usize) -> Result<Vec<Kept>, StoreError> {
        let mut folders = self.folders(mailbox).await?.rows;
        folders.sort_unstable_by_key(|folder| folder.record.uid_validity);
        let mut kept = Vec::new();
        for folder in folders {
            let opening = self.open_folder(folder.id).await?;
            for entry in opening.into_iter().flat_map(|opening| opening.entries) {
                if kept.len() < limit {
                    kept.push(Kept {
                        message: entry.message,
                        folder: folder.record.name.clone(),
                        kept_at: entry.record.kept_at,
                    });
                }
            }
        }
        Ok(kept)
    }
}

/// What one statement reads of a folder, so that it's the state between two changes: the columns of each table as the
/// table's rows are opened by, and in the sixth which table it is.
struct FolderRows {
    /// None if the folder is gone.
    folder: Option<Folder>,
    /// In the order of their UIDs.
    entries: Vec<Entry>,
    /// How many entries did not open.
    broken: u64,
    /// None if a row of what left does not open.
    vanished: Option<Uids>,
}

impl FolderRows {
    /// Opens them. An entry that doesn't open is left out and said.
    fn of(rows: &[SqliteRow], vault: &Vault) -> Result<Self, StoreError> {
        let mut read = Self {
            folder: None,
            entries: Vec::with_capacity(rows.len()),
            broken: 0,
            vanished: Some(Uids::default()),
        };
        for row in rows {
            match row.try_get::<i64, _>(5)? {
                0 => read.folder = Some(Folder::open(vault, row)?),
                1 => match open_said(vault, row) {
                    Some(entry) => read.entries.push(entry),
                    None => read.broken += 1,
                },
                _ => read.take_vanished(ExpungedRecord::open(vault, row)),
            }
        }
        read.entries.sort_unstable_by_key(|entry| entry.uid);
        Ok(read)
    }

    fn take_vanished(&mut self, record: Result<ExpungedRecord, StoreError>) {
        self.vanished = match (self.vanished.take(), record) {
            (Some(known), Ok(more)) => Some(known.union(&more.uids)),
            (_, Err(error)) => {
                tracing::error!(%error, table = "expunged", "left out a row");
                None
            }
            (None, Ok(_)) => None,
        };
    }
}
