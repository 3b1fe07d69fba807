//! Whether folders hold what their counters say: a row that was cut out, put in or put back shows.

use super::{EntryRecord, Flags, Opening};
use crate::id::FolderId;
use crate::store::{Store, StoreError};

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
            }
        }
        Ok(faults)
    }
}

fn fault(opening: &Opening) -> Option<&'static str> {
    let (record, entries) = (&opening.folder.record, &opening.entries);
    let sum = |of: fn(&EntryRecord) -> u64| -> u64 {
        entries.iter().map(|entry| of(&entry.record)).sum()
    };
    let beyond = |uid, modseq| uid >= record.uid_next || modseq > record.highest_modseq;
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
    } else if opening.broken == 0 && counted.iter().any(|(is, said)| is != said) {
        Some("what stands in it is not what it counted")
    } else {
        None
    }
}
