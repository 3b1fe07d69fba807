//! Who wants to hear that a folder changed. Each listener holds the number of the last change and nothing else: who is
//! slow reads once what came meanwhile, and costs no memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::ModSeq;
use crate::id::FolderId;
use crate::store::Store;

/// All listeners.
#[derive(Debug, Default)]
pub(in crate::store) struct Watches(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    folders: HashMap<FolderId, watch::Sender<ModSeq>>,
    /// How many there may be before those are looked for to which nobody listens any more.
    sweep_at: usize,
}

/// Waits for changes of one folder.
#[derive(Debug, Clone)]
pub struct FolderWatch(watch::Receiver<ModSeq>);

/// What a write did to a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Touched {
    /// It has this change now.
    Changed(ModSeq),
    /// It is gone.
    Gone,
}

impl Watches {
    /// Tells what was committed.
    pub(in crate::store) fn tell(&self, touched: &[(FolderId, Touched)]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (folder, what) in touched {
            let nobody = match (heard.folders.get(folder), what) {
                (None, _) => continue,
                (Some(_), Touched::Gone) => true,
                (Some(watch), Touched::Changed(modseq)) => {
                    watch.send_replace(*modseq);
                    watch.receiver_count() == 0
                }
            };
            if nobody {
                heard.folders.remove(folder);
            }
        }
    }

    fn watch(&self, folder: FolderId) -> FolderWatch {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.folders.len() >= heard.sweep_at {
            let folders = &mut heard.folders;
            folders.retain(|_, watch| watch.receiver_count() > 0);
            heard.sweep_at = heard.folders.len() * 2 + 64;
        }
        let watch = heard
            .folders
            .entry(folder)
            .or_insert_with(|| watch::channel(ModSeq(0)).0);
        FolderWatch(watch.subscribe())
    }
}

impl FolderWatch {
    /// Whether something changed since it was last asked, or waited for; a folder that is gone has.
    pub fn is_stale(&mut self) -> bool {
        let stale = !self.is_quiet();
        self.0.mark_unchanged();
        stale
    }

    /// Whether nothing changed since that was asked, or waited for, last; a folder that is gone has.
    pub fn is_quiet(&self) -> bool {
        matches!(self.0.has_changed(), Ok(false))
    }

    /// Waits for the next change; `false` if the folder is gone.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

impl Store {
    /// Listens to a folder, from now on.
    pub fn watch(&self, folder: FolderId) -> FolderWatch {
        self.writer.shared.watches.watch(folder)
    }
}
