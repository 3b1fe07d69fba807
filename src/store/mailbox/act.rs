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

/// Marks to be changed.
#[derive(Debug, Clone)]
pub struct MarkAct {
    /// Where the messages stand.
    pub folder: FolderId,
    /// Which.
    pub uids: Uids,
    /// How.
    pub change: MarkChange,
    /// The marks.
    pub marks: Marks,
    /// Messages that were changed after this change are left alone (RFC 7162 §3.1.3).
    pub unchanged_since: Option<ModSeq>,
}

/// Within what a copy has to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomFor {
    /// How much the mailbox may hold.
    pub limit: u64,
    /// How much of that must be left, for what follows in acts of its own.
    pub keep_free: u64,
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
        /// When.
        at: Timestamp,
    },
    /// Gives the folders that stand in a name another one in its place. There is no folder of that name itself.
    RenameBelow {
        /// Whose.
        mailbox: MailboxId,
        /// The name.
        from: FolderName,
        /// The new one.
        name: FolderName,
        /// When.
        at: Timestamp,
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
    Mark(MarkAct),
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
        /// How much room the mailbox that they go to has; none if that isn't to be looked at.
        room: Option<RoomFor>,
        /// More that was asked for together follows in acts of its own.
        goes_on: bool,
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
        /// As of [`FolderAct::Copy`]. Within a mailbox a move takes no room.
        room: Option<RoomFor>,
        /// As of [`FolderAct::Copy`].
        goes_on: bool,
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
    /// Takes copies out of a folder again, since others that belong to them could not be made. One whose original has left
    /// stays.
    TakeBack {
        /// Where they were copied from.
        from: FolderId,
        /// Where the copies stand.
        to: FolderId,
        /// Each original with its copy.
        copied: Vec<(Uid, Uid)>,
    },
    /// Takes messages out of a folder of a mailbox that several people have. They go into its Trash, unless they stand there,
    /// or among junk or drafts: one person's slip loses the others nothing.
    Discard {
        /// Which.
        folder: FolderId,
        /// Which messages.
        uids: Uids,
        /// Of these, only those that are marked as deleted.
        only_deleted: bool,
        /// When.
        at: Timestamp,
    },
    /// Puts messages of a mailbox that several people have into another folder instead. What leaves the mailbox is copied,
    /// and discarded here.
    TakeAway {
        /// Where they stand.
        from: FolderId,
        /// Which.
        uids: Uids,
        /// Where they go.
        to: FolderId,
        /// When.
        at: Timestamp,
        /// As of [`FolderAct::Move`].
        room: Option<RoomFor>,
        /// As of [`FolderAct::Copy`].
        goes_on: bool,
    },
    /// Removes a folder of a mailbox that several people have, if nothing stands in it, and no folder either.
    DeleteEmpty {
        /// Which.
        folder: FolderId,
    },
    /// Takes messages out of a folder because their time is over: not if their mailbox is on hold. Of a folder that got
    /// another name since that was found, none.
    Expire {
        /// Which.
        folder: FolderId,
        /// Which messages.
        uids: Uids,
        /// When it was found.
        planned_at: Timestamp,
    },
}

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActRefusal {
    /// The folder is gone.
    #[error("there is no such folder any more; refresh the list of folders")]
    NoFolder,
    /// The folder has as many messages as it can.
    #[error("a folder takes at most 200,000 messages; use another one")]
    TooManyMessages,
    /// The name is taken.
    #[error("there is a folder of this name already; choose another")]
    NameTaken,
    /// One of the seven that every mailbox has.
    #[error("this folder is one of those that every mailbox has: it keeps its name and stays")]
    Special,
    /// Messages stand in it.
    #[error(
        "messages stand in this folder, and it isn't yours alone: move them elsewhere first, as into its mailbox's Trash"
    )]
    NotEmpty,
    /// Folders stand in it.
    #[error("folders stand in this one, and it isn't yours alone: remove those first")]
    HasChildren,
    /// The new name stands below the old one.
    #[error("a folder can't be put into itself; choose another name")]
    IntoItself,
    /// A folder below it would get a name that is too long.
    #[error("a folder in it would get a name that is too long; choose a shorter one")]
    NameTooLong,
    /// The mailbox is on hold.
    #[error("the mailbox is on hold: nothing of it goes by itself until that is lifted")]
    Held,
    /// The folder has as many keywords as it can.
    #[error("this folder knows 64 keywords already; use one of those")]
    TooManyKeywords,
    /// The mailbox has no room for all of it.
    #[error(
        "the mailbox is full; throw something away, or ask an admin for room (staff.mailbox_size)"
    )]
    Full,
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
