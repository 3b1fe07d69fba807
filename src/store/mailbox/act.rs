//! What can be done to folders and to what stands in them, as values: what an act is, why it may be refused, and what is
//! known once it's done.

use jiff::Timestamp;

use super::deliver::Placed;
use super::{FolderName, Marks, ModSeq, Uid, Uids};
use crate::id::{FolderId, MailboxId};
use crate::store::{Store, StoreError};

/// How the marks of messages are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkChange {
    /// These are set.
    Add,
    /// These are taken away.
    Remove,
    /// These and no others are set.
    Replace,
}

/// One thing to be done.
#[derive(Debug, Clone)]
pub enum FolderAct {
    /// Makes the folders that each mailbox has, unless they are there.
    Ensure {
        /// Whose.
        mailbox: MailboxId,
        /// When.
        at: Timestamp,
    },
    /// Makes a folder.
    Create {
        /// Whose.
        mailbox: MailboxId,
        /// Its name.
        name: FolderName,
        /// When.
        at: Timestamp,
    },
    /// Gives a folder, and those that stand in it, another name.
    Rename {
        /// Which.
        folder: FolderId,
        /// The new name.
        name: FolderName,
    },
    /// Removes a folder with all that stands in it. Folders whose names stand below it stay.
    Delete {
        /// Which.
        folder: FolderId,
    },
    /// Whether mail programs are to show a folder.
    Subscribe {
        /// Which.
        folder: FolderId,
        /// Whether.
        subscribed: bool,
    },
    /// Changes the marks of messages.
    Mark {
        /// Where they stand.
        folder: FolderId,
        /// Which.
        uids: Uids,
        /// How.
        change: MarkChange,
        /// The marks.
        marks: Marks,
        /// Messages that were changed after this change are left alone (RFC 7162 §3.1.3).
        unchanged_since: Option<ModSeq>,
    },
    /// Puts messages into another folder as well.
    Copy {
        /// Where they stand.
        from: FolderId,
        /// Which.
        uids: Uids,
        /// Where they go.
        to: FolderId,
        /// When.
        at: Timestamp,
    },
    /// Puts messages into another folder instead.
    Move {
        /// Where they stand.
        from: FolderId,
        /// Which.
        uids: Uids,
        /// Where they go.
        to: FolderId,
        /// When.
        at: Timestamp,
    },
    /// Takes messages out of a folder.
    Expunge {
        /// Which.
        folder: FolderId,
        /// Which messages.
        uids: Uids,
        /// Of these, only those that are marked as deleted.
        only_deleted: bool,
    },
}

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActRefusal {
    /// The folder is gone.
    #[error("there is no such folder any more; refresh the list of folders")]
    NoFolder,
    /// The name is taken.
    #[error("there is a folder of this name already; choose another")]
    NameTaken,
    /// One of the seven that every mailbox has.
    #[error("this folder is one of those that every mailbox has: it keeps its name and stays")]
    Special,
    /// The new name stands below the old one.
    #[error("a folder can't be put into itself; choose another name")]
    IntoItself,
    /// A folder below it would get a name that is too long.
    #[error("a folder in it would get a name that is too long; choose a shorter one")]
    NameTooLong,
    /// The folder has as many keywords as it can.
    #[error("this folder knows 64 keywords already; use one of those")]
    TooManyKeywords,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActDone {
    /// The folder that was made, or that has this change.
    pub folder: Option<FolderId>,
    /// The number of the change; 0 if nothing changed.
    pub modseq: ModSeq,
    /// Messages whose marks were changed.
    pub marked: Vec<Uid>,
    /// Messages that were left alone since they were changed meanwhile.
    pub kept_back: Vec<Uid>,
    /// Messages that were copied or moved, and where they stand now.
    pub placed: Vec<(Uid, Placed)>,
    /// Messages that left the folder.
    pub expunged: Uids,
}

/// What came of an act.
pub type ActOutcome = Result<ActDone, ActRefusal>;

impl Store {
    /// Does something to folders, or to what stands in them. Once this answers it is on the disk.
    ///
    /// # Errors
    /// A [`StoreError`]: nothing was done.
    pub async fn act(&self, act: FolderAct) -> Result<ActOutcome, StoreError> {
        self.writer.write(act).await
    }
}
