//! Folders while a group of writes goes over them: each is read once, changed in memory, and written once.

use std::collections::{BTreeSet, HashMap, hash_map};

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::folder::{Folder, name_indexes};
use super::share::counted_bytes;
use super::sound::known_keywords;
use super::watch::Touched;
use super::{FolderName, ModSeq, SpecialUse, Uid, entry};
use crate::id::{FolderId, MailboxId};
use crate::store::writer::Tx;
use crate::store::{StoreError, rows, setting};

/// The setting that holds the last UIDVALIDITY that was given.
const LAST_VALIDITY: &str = "uid-validity";
/// How many folders are read at once.
const TOGETHER: usize = 8;

/// A folder's row with the last numbers of what stands in it, or left it: what [`mend`] looks at.
macro_rules! select_with_last {
    ($which:literal) => {
        concat!(
            "SELECT id, mailbox, name_index, sealed,
                    COALESCE((SELECT MAX(uid) FROM entry WHERE folder_id = folder.id), 0),
                    COALESCE((SELECT MAX(modseq) FROM entry WHERE folder_id = folder.id), 0),
                    COALESCE((SELECT MAX(modseq) FROM expunged WHERE folder_id = folder.id), 0)
             FROM folder WHERE ",
            $which
        )
    };
}

/// Folders that were read, and what became of them.
#[derive(Default)]
pub(in crate::store) struct Working {
    folders: HashMap<FolderId, (Folder, bool)>,
    names: HashMap<(MailboxId, FolderName), FolderId>,
}

impl Working {
    /// A folder, to be changed: it is written with the others.
    pub(super) async fn change(
        &mut self,
        id: FolderId,
        tx: &mut Tx<'_>,
    ) -> Result<Option<&mut Folder>, StoreError> {
        Ok(self.read(id, tx).await?.map(|(folder, changed)| {
            *changed = true;
            folder
        }))
    }

    /// A folder, to be looked at: it is written only if something else changes it.
    pub(super) async fn look(
        &mut self,
        id: FolderId,
        tx: &mut Tx<'_>,
    ) -> Result<Option<&mut Folder>, StoreError> {
        Ok(self.read(id, tx).await?.map(|(folder, _)| folder))
    }

    /// Whether a folder is there and can number another message.
    pub(super) async fn has_uids(
        &mut self,
        id: FolderId,
        tx: &mut Tx<'_>,
    ) -> Result<bool, StoreError> {
        let read = self.read(id, tx).await?;
        Ok(read.is_some_and(|(folder, _)| folder.record.numbers_left() > 0))
    }

    /// Which of the seven a folder is, if it is one of them; `None` if it is gone.
    pub(super) async fn special_use(
        &mut self,
        id: FolderId,
        tx: &mut Tx<'_>,
    ) -> Result<Option<Option<SpecialUse>>, StoreError> {
        let read = self.read(id, tx).await?;
        Ok(read.map(|(folder, _)| folder.record.name.special_use()))
    }

    /// Which of the seven a folder is, or stands in; `None` if it is gone, or in none of them.
    pub(super) async fn realm(
        &mut self,
        id: FolderId,
        tx: &mut Tx<'_>,
    ) -> Result<Option<SpecialUse>, StoreError> {
        let read = self.read(id, tx).await?;
        Ok(read.and_then(|(folder, _)| folder.record.name.realm()))
    }

    /// Whose a folder is; `None` if it is gone.
    pub(super) async fn mailbox_of(
        &mut self,
        id: FolderId,
        tx: &mut Tx<'_>,
    ) -> Result<Option<MailboxId>, StoreError> {
        Ok(self.read(id, tx).await?.map(|(folder, _)| folder.mailbox))
    }

    /// Whether two folders are of one mailbox.
    pub(super) async fn in_one_mailbox(
        &mut self,
        one: FolderId,
        other: FolderId,
        tx: &mut Tx<'_>,
    ) -> Result<bool, StoreError> {
        Ok(self.mailbox_of(one, tx).await? == self.mailbox_of(other, tx).await?)
    }

    /// How much of a mailbox that may hold `limit` bytes is used. A folder that doesn't open counts nothing.
    pub(super) async fn room_taken(
        &self,
        mailbox: MailboxId,
        limit: u64,
        tx: &mut Tx<'_>,
    ) -> Result<u64, StoreError> {
        let rows =
            sqlx::query("SELECT id, mailbox, name_index, sealed FROM folder WHERE mailbox = $1")
                .bind(mailbox.as_bytes().as_slice())
                .fetch_all(&mut *tx.connection)
                .await?;
        let folders = rows
            .iter()
            .filter_map(|row| Folder::open(tx.vault, row).ok());
        let rooms = folders.map(|stored| {
            let record = match self.folders.get(&stored.id) {
                Some((folder, _)) => &folder.record,
                None => &stored.record,
            };
            counted_bytes(&record.name, record.room(), limit)
        });
        Ok(rooms.fold(0, u64::saturating_add))
    }

    /// Reads these folders, those that are there, by as few statements as can be.
    pub(super) async fn read_all(
        &mut self,
        ids: impl IntoIterator<Item = FolderId>,
        tx: &mut Tx<'_>,
    ) -> Result<(), StoreError> {
        let unread: BTreeSet<FolderId> = ids
            .into_iter()
            .filter(|id| !self.folders.contains_key(id))
            .collect();
        let unread: Vec<FolderId> = unread.into_iter().collect();
        for ids in unread.chunks(TOGETHER) {
            let mut query =
                sqlx::query(select_with_last!("id IN ($1, $2, $3, $4, $5, $6, $7, $8)"));
            // One statement for any number of them: the last stands in each place that is left.
            for id in ids
                .iter()
                .chain(ids.last().into_iter().cycle())
                .take(TOGETHER)
            {
                query = query.bind(id.as_bytes().as_slice());
            }
            for row in &query.fetch_all(&mut *tx.connection).await? {
                // One that doesn't open is named to whoever needs it.
                if let Ok(mut folder) = Folder::open(tx.vault, row) {
                    let mended = mend(&mut folder, row, tx).await?;
                    self.folders.insert(folder.id, (folder, mended));
                }
            }
        }
        Ok(())
    }

    /// A folder, and whether it is to be written.
    pub(super) async fn read(
        &mut self,
        id: FolderId,
        tx: &mut Tx<'_>,
    ) -> Result<Option<(&mut Folder, &mut bool)>, StoreError> {
        let (folder, changed) = match self.folders.entry(id) {
            hash_map::Entry::Occupied(read) => read.into_mut(),
            hash_map::Entry::Vacant(unread) => {
                let row = sqlx::query(select_with_last!("id = $1"))
                    .bind(id.as_bytes().as_slice())
                    .fetch_optional(&mut *tx.connection)
                    .await?;
                let Some(row) = row else { return Ok(None) };
                let mut folder = Folder::open(tx.vault, &row)?;
                let mended = mend(&mut folder, &row, tx).await?;
                unread.insert((folder, mended))
            }
        };
        Ok(Some((folder, changed)))
    }

    /// The folder of this name, if there is one.
    pub(super) async fn named(
        &mut self,
        mailbox: MailboxId,
        name: &FolderName,
        tx: &mut Tx<'_>,
    ) -> Result<Option<FolderId>, StoreError> {
        let key = (mailbox, name.clone());
        if let Some(id) = self.names.get(&key) {
            return Ok(Some(*id));
        }
        for index in name_indexes(tx.vault, mailbox, name) {
            let row = sqlx::query(select_with_last!("mailbox = $1 AND name_index = $2"))
                .bind(mailbox.as_bytes().as_slice())
                .bind(index.as_bytes().as_slice())
                .fetch_optional(&mut *tx.connection)
                .await?;
            let Some(row) = row else { continue };
            let mut folder = match Folder::open(tx.vault, &row) {
                Ok(folder) => folder,
                Err(error @ (StoreError::Seal(_) | StoreError::Record { .. })) => {
                    tracing::error!(%error, "a folder is made anew from what stands in it");
                    let id = row.try_get(0)?;
                    let id = crate::store::id_of(id, FolderId::from_slice, "folder")?;
                    Folder::unknown(id, mailbox, index, name.clone())
                }
                Err(error) => return Err(error),
            };
            let mended = mend(&mut folder, &row, tx).await?;
            let id = folder.id;
            self.folders.entry(id).or_insert((folder, mended));
            self.names.insert(key, id);
            return Ok(Some(id));
        }
        Ok(None)
    }

    /// The folder of this name; it is made if there is none, and with the first of a mailbox all that each has.
    pub(super) async fn ensure(
        &mut self,
        mailbox: MailboxId,
        name: &FolderName,
        at: Timestamp,
        tx: &mut Tx<'_>,
    ) -> Result<FolderId, StoreError> {
        if let Some(id) = self.named(mailbox, name, tx).await? {
            return Ok(id);
        }
        if name.special_use().is_some() {
            for special in SpecialUse::ALL {
                let name = FolderName::from(special);
                if self.named(mailbox, &name, tx).await?.is_none() {
                    self.create(mailbox, name, at, tx).await?;
                }
            }
        }
        match self.named(mailbox, name, tx).await? {
            Some(id) => Ok(id),
            None => self.create(mailbox, name.clone(), at, tx).await,
        }
    }

    /// Makes a folder. There is none of this name.
    pub(super) async fn create(
        &mut self,
        mailbox: MailboxId,
        name: FolderName,
        at: Timestamp,
        tx: &mut Tx<'_>,
    ) -> Result<FolderId, StoreError> {
        let validity = next_validity(at, tx).await?;
        let folder = Folder::new(tx.vault, mailbox, name.clone(), validity);
        let id = folder.id;
        put(&[&folder], tx).await?;
        self.folders.insert(id, (folder, false));
        self.names.insert((mailbox, name), id);
        Ok(id)
    }

    /// Forgets a folder that is gone.
    pub(super) fn forget(&mut self, id: FolderId) {
        self.folders.remove(&id);
        self.names.retain(|_, known| *known != id);
    }

    /// Writes what was changed.
    pub(super) async fn save(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let changed = self.folders.values().filter(|(_, changed)| *changed);
        let changed: Vec<&Folder> = changed.map(|(folder, _)| folder).collect();
        put(&changed, tx).await?;
        for folder in changed {
            let touched = Touched::Changed(folder.record.highest_modseq);
            tx.after.touched.push((folder.id, touched));
        }
        Ok(())
    }
}

impl Folder {
    /// The number of the change that is being made.
    pub(super) fn next_change(&mut self) -> ModSeq {
        self.record.highest_modseq.0 += 1;
        self.record.highest_modseq
    }
}

/// A folder's row that is older than what stands in it was put back, or was made anew: its numbers go on behind all that is
/// known of, under another UIDVALIDITY, since more may have been given out. Answers whether that was so: then it has to be
/// written, or each look at it would begin anew.
async fn mend(folder: &mut Folder, row: &SqliteRow, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let (uid, changed, expunged): (i64, i64, i64) =
        (row.try_get(4)?, row.try_get(5)?, row.try_get(6)?);
    let last = ModSeq::read(changed.max(expunged));
    let uid = u32::try_from(uid).unwrap_or(u32::MAX - 1);
    let record = &mut folder.record;
    if uid < record.uid_next.0 && last <= record.highest_modseq && record.uid_validity > 0 {
        return Ok(false);
    }
    tracing::error!(folder = %folder.id, "a folder's row is older than its messages: it is counted anew");
    record.uid_next = record.uid_next.max(Uid(uid.saturating_add(1)));
    record.highest_modseq = ModSeq(record.highest_modseq.0.max(last.0) + 1);
    record.forgot_until = record.highest_modseq;
    record.uid_validity = next_validity(Timestamp::now(), tx).await?;
    (record.messages, record.unseen, record.deleted, record.bytes) = (0, 0, 0, 0);
    let known = known_keywords(record.keywords.len());
    let mut nameless = Vec::new();
    for mut entry in entry::between(folder.id, (0, u32::MAX), tx).await? {
        folder.record.count_in(&entry.record);
        if entry.record.keywords & !known != 0 {
            // Else they would be taken for the next that get these numbers.
            entry.record.keywords &= known;
            entry.modseq = folder.record.highest_modseq;
            nameless.push(entry);
        }
    }
    entry::put(&nameless, tx).await?;
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM entry WHERE folder_id = $1),
                (SELECT COUNT(*) FROM expunged WHERE folder_id = $1)",
    )
    .bind(folder.id.as_bytes().as_slice())
    .fetch_one(&mut *tx.connection)
    .await?;
    let count = |column| -> Result<u64, StoreError> {
        Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
    };
    (folder.record.messages, folder.record.expunged_rows) = (count(0)?, count(1)?);
    Ok(true)
}

async fn put(folders: &[&Folder], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let vault = tx.vault;
    rows::insert(
        tx.connection,
        "INSERT INTO folder (id, mailbox, name_index, sealed) ",
        " ON CONFLICT (id) DO UPDATE SET name_index = excluded.name_index, sealed = excluded.sealed",
        folders,
        |row, folder| {
            row.push_bind(folder.id.as_bytes().as_slice())
                .push_bind(folder.mailbox.as_bytes().as_slice())
                .push_bind(folder.name_index.as_bytes().as_slice())
                .push_bind(folder.seal(vault));
        },
    )
    .await
}

/// A UIDVALIDITY that no folder had: the seconds of the clock, or one more than the last. So it rises as well where an
/// older file was put back, or the setting can't be read.
pub(super) async fn next_validity(at: Timestamp, tx: &mut Tx<'_>) -> Result<u32, StoreError> {
    let last = match setting::get(LAST_VALIDITY, tx).await {
        Ok(last) => last,
        Err(error @ (StoreError::Seal(_) | StoreError::Record { .. })) => {
            tracing::error!(%error, "the last UIDVALIDITY can't be read");
            None
        }
        Err(error) => return Err(error),
    };
    let last = last.and_then(|bytes| Some(u32::from_be_bytes(*bytes.first_chunk()?)));
    let clock = u32::try_from(at.as_second()).unwrap_or(1).max(1);
    let next = clock.max(last.unwrap_or(0).saturating_add(1));
    setting::put(LAST_VALIDITY, &next.to_be_bytes(), tx).await?;
    Ok(next)
}
