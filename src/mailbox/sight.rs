//! What sessions know of folders, once for all of them: those that saw the same change hold the same list, and a folder that
//! somebody looked at lately is opened by what came since. It's in memory alone, and bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::view::Known;
use crate::id::FolderId;
use crate::store::{FolderRecord, FolderWatch};

/// The most messages that are remembered, over all folders: 24 bytes each.
const MOST: usize = 400_000;
/// A folder weighs as many messages besides its own: its row has a name and keywords.
const FOLDER: usize = 64;

/// A folder as of one change.
#[derive(Clone)]
pub(super) struct Sight {
    /// Its row.
    pub(super) record: FolderRecord,
    /// Its messages, in the order of their UIDs.
    pub(super) known: Arc<Vec<Known>>,
    /// Listens since before it was read: while this is quiet, it's still so.
    pub(super) watch: FolderWatch,
}

/// Folders as they were seen last.
#[derive(Default)]
pub(super) struct Sights(Mutex<Held>);

#[derive(Default)]
struct Held {
    folders: HashMap<FolderId, (u64, Sight)>,
    /// What they weigh together.
    weight: usize,
    /// Counts what is seen, so that the oldest is known.
    clock: u64,
}

impl Sights {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder as it was seen last.
    pub(super) fn last(&self, folder: FolderId) -> Option<Sight> {
        let mut held = self.held();
        held.clock += 1;
        let now = held.clock;
        let (used, sight) = held.folders.get_mut(&folder)?;
        *used = now;
        Some(sight.clone())
    }

    /// Remembers a folder, and answers the list that all shall hold who saw the same.
    pub(super) fn keep(&self, folder: FolderId, sight: Sight) -> Arc<Vec<Known>> {
        let mut held = self.held();
        let Sight { record, known, .. } = &sight;
        let seen = |sight: &Sight| (sight.record.uid_validity, sight.record.highest_modseq);
        let new = (record.uid_validity, record.highest_modseq);
        match held.folders.get_mut(&folder) {
            Some((_, last)) if seen(last) == new && last.known == *known => {
                // Another name, perhaps, and heard of later.
                (last.record, last.watch) = (sight.record, sight.watch);
                return last.known.clone();
            }
            // Somebody saw more.
            Some((_, last)) if seen(last).0 == new.0 && seen(last).1 > new.1 => return sight.known,
            _ => {}
        }
        held.forget(folder);
        let known = known.clone();
        if known.len() + FOLDER > MOST {
            return known;
        }
        held.clock += 1;
        held.weight += known.len() + FOLDER;
        let now = held.clock;
        held.folders.insert(folder, (now, sight));
        while held.weight > MOST {
            let oldest = held.folders.iter().min_by_key(|(_, (used, _))| *used);
            match oldest.map(|(folder, _)| *folder) {
                Some(oldest) => held.forget(oldest),
                None => break,
            }
        }
        known
    }

    /// Forgets a folder.
    pub(super) fn forget(&self, folder: FolderId) {
        self.held().forget(folder);
    }
}

impl Held {
    fn forget(&mut self, folder: FolderId) {
        if let Some((_, sight)) = self.folders.remove(&folder) {
            self.weight -= sight.known.len() + FOLDER;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::id::{MailboxId, StaffId};
    use crate::mailbox::Mailboxes;
    use crate::store::{Files, FolderName, LockedStore};
    use crate::vault::Vault;

    #[tokio::test]
    async fn empty_folders_are_forgotten_too() {
        let directory = tempfile::tempdir().unwrap();
        let locked = LockedStore::open(Files::in_directory(directory.path())).await;
        let store = locked.unwrap().unlock(Vault::for_tests(), 4 << 20).await;
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
        let boxes = Mailboxes::new(store.unwrap(), clock);
        let mailbox = MailboxId::from(StaffId::random());
        let inbox = boxes.folders(mailbox).await.unwrap().remove(0);
        let sights = Sights::default();
        for _ in 0..10_000 {
            let folder = FolderId::random();
            let sight = Sight {
                record: inbox.record.clone(),
                known: Arc::default(),
                watch: boxes.store().watch(folder),
            };
            sights.keep(folder, sight);
        }
        let remembered = sights.held().folders.len();
        assert!(remembered < 10_000, "{remembered}");
        // One that is removed is forgotten at once, its name too.
        let name = FolderName::parse("x").unwrap();
        let made = boxes.create(mailbox, name).await.unwrap();
        drop(boxes.open(made).await.unwrap());
        assert!(boxes.remembers(made));
        boxes.delete(made).await.unwrap();
        assert!(!boxes.remembers(made));
    }
}
