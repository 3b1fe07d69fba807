//! What sessions know of folders, once for all of them: those that saw the same change hold the same list, and a folder that
//! somebody looked at lately is opened by what came since. It's in memory alone, and bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::view::Known;
use crate::id::FolderId;
use crate::store::FolderRecord;

/// The most messages that are remembered, over all folders: 24 bytes each.
const MOST: usize = 400_000;

/// A folder as of one change.
#[derive(Clone)]
pub(super) struct Sight {
    /// Its row.
    pub(super) record: FolderRecord,
    /// Its messages, in the order of their UIDs.
    pub(super) known: Arc<Vec<Known>>,
}

/// Folders as they were seen last.
#[derive(Default)]
pub(super) struct Sights(Mutex<Held>);

#[derive(Default)]
struct Held {
    folders: HashMap<FolderId, (u64, Sight)>,
    messages: usize,
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
    pub(super) fn keep(
        &self,
        folder: FolderId,
        record: &FolderRecord,
        known: Arc<Vec<Known>>,
    ) -> Arc<Vec<Known>> {
        let mut held = self.held();
        let seen = |sight: &Sight| (sight.record.uid_validity, sight.record.highest_modseq);
        let new = (record.uid_validity, record.highest_modseq);
        let last = held
            .folders
            .get(&folder)
            .map(|(_, sight)| (seen(sight), sight.known.clone()));
        match last {
            Some((same, shared)) if same == new && *shared == *known => return shared,
            // Somebody saw more.
            Some(((validity, change), _)) if validity == new.0 && change > new.1 => return known,
            _ => {}
        }
        held.forget(folder);
        if known.len() > MOST {
            return known;
        }
        held.clock += 1;
        held.messages += known.len();
        let sight = Sight {
            record: record.clone(),
            known: known.clone(),
        };
        let now = held.clock;
        held.folders.insert(folder, (now, sight));
        while held.messages > MOST {
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
            self.messages -= sight.known.len();
        }
    }
}
