//! Whether folders hold what their counters say, and what waits stands where it must: a row that was cut out, put in or
//! put back shows.

use std::collections::{BTreeMap, HashSet};

use sqlx::Row;

use super::{EntryRecord, Flags, Folder, Opening, SpecialUse};
use crate::id::{FolderId, MessageId};
use crate::store::{Store, StoreError, id_of};

impl Store {
    /// What is wrong with folders. One whose row doesn't open, or of which a row doesn't, is named elsewhere.
    pub(in crate::store) async fn folder_faults(
        &self,
    ) -> Result<Vec<(FolderId, &'static str)>, StoreError> {
        let mut faults = Vec::new();
        for mailbox in self.mailboxes().await? {
            for folder in self.folders(mailbox).await?.rows {
                let opening = self.open_folder(folder.id).await?;
                let fault = opening.as_ref().and_then(fault);
                faults.extend(fault.map(|fault| (folder.id, fault)));
                if self.forgets_what_left(folder.id).await? {
                    faults.push((folder.id, "not all is known of what left it"));
                }
            }
        }
        Ok(faults)
    }

    /// Whether rows are missing that tell what left a folder, or there are more than it counted.
    async fn forgets_what_left(&self, id: FolderId) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT id, mailbox, name_index, sealed,
                    (SELECT COUNT(*) FROM expunged WHERE folder_id = folder.id)
             FROM folder WHERE id = $1",
        )
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let folder = Folder::open(&self.vault, &row)?;
        let rows = u64::try_from(row.try_get::<i64, _>(4)?).unwrap_or(0);
        Ok(folder.record.expunged_rows != rows)
    }

    /// Messages of which it is known whose they are though they wait nowhere. None are told where a folder's row doesn't
    /// open: they may wait there.
    pub(in crate::store) async fn waiting_nowhere(&self) -> Result<Vec<MessageId>, StoreError> {
        let rows = sqlx::query(
            "SELECT waiting.message_id, COALESCE(entry.folder_id, x'') FROM waiting
             LEFT JOIN entry ON entry.message_id = waiting.message_id",
        )
        .fetch_all(&self.readers)
        .await?;
        // Behind the messages: such a folder stays.
        let mut where_mail_waits = HashSet::new();
        for mailbox in self.mailboxes().await? {
            let folders = self.folders(mailbox).await?;
            if folders.broken > 0 {
                return Ok(Vec::new());
            }
            let waits = |special| special == Some(SpecialUse::Unconfirmed);
            let folders = folders.rows.into_iter();
            let folders = folders.filter(|folder| waits(folder.record.name.special_use()));
            where_mail_waits.extend(folders.map(|folder| folder.id));
        }
        let mut waiting = BTreeMap::new();
        for row in &rows {
            let id = id_of(row.try_get(0)?, MessageId::from_slice, "waiting")?;
            let folder = FolderId::from_slice(row.try_get(1)?);
            let waits = folder.is_ok_and(|folder| where_mail_waits.contains(&folder));
            *waiting.entry(id).or_insert(false) |= waits;
        }
        let nowhere = waiting.into_iter().filter(|(_, waits)| !waits);
        Ok(nowhere.map(|(id, _)| id).collect())
    }
}

fn fault(opening: &Opening) -> Option<&'static str> {
    let (record, entries) = (&opening.folder.record, &opening.entries);
    let sum = |of: fn(&EntryRecord) -> u64| -> u64 {
        entries.iter().map(|entry| of(&entry.record)).sum()
    };
    let beyond = |uid, modseq| uid >= record.uid_next || modseq > record.highest_modseq;
    let known = known_keywords(record.keywords.len());
    let counted = [
        (sum(|entry| entry.size), record.bytes),
        (
            sum(|entry| (!entry.flags.has(Flags::SEEN)).into()),
            record.unseen,
        ),
        (
            sum(|entry| entry.flags.has(Flags::DELETED).into()),
            record.deleted,
        ),
    ];
    if entries.iter().any(|entry| beyond(entry.uid, entry.modseq)) {
        Some("a message in it has a number that was not given out yet: an older row was put back")
    } else if entries.len() as u64 + opening.broken != record.messages {
        Some("it doesn't hold as many messages as it must: one was taken out, or put in")
    } else if entries
        .iter()
        .any(|entry| entry.record.keywords & !known != 0)
    {
        Some("a message in it has a keyword that it doesn't know")
    } else if opening.broken == 0 && counted.iter().any(|(is, said)| is != said) {
        Some("what stands in it is not what it counted")
    } else {
        None
    }
}

/// The numbers of so many keywords, as bits.
pub(super) fn known_keywords(count: usize) -> u64 {
    match u32::try_from(count) {
        Ok(count @ 0..64) => (1 << count) - 1,
        _ => u64::MAX,
    }
}
