//! The staff's mail: folders, what stands in them, and what left them.
//!
//! | file | its job |
//! |---|---|
//! | `name` | names of folders, and the seven that every mailbox has |
//! | `mark` | flags and keywords |
//! | `number` | UIDs, mod-sequences, and sets of UIDs |
//! | `folder` | the folder's row, with its counters |
//! | `entry` | a message's place in a folder |
//! | `expunged` | which UIDs left a folder, and by which change |
//! | `hold` | mailboxes from which nothing goes by itself |
//! | `outline` | what a list of messages shows, sealed beside the message |
//! | `unconfirmed` | where strangers' mail waits, and how it leaves |
//! | `working` | folders while a group of writes goes over them: each is read once and written once |
//! | `deliver` | messages into folders |
//! | `act` | what can be done to folders and to what stands in them |
//! | `doing` | how that is done |
//! | `marking` | and how marks are changed, many at a time |
//! | `rename` | how folders get other names |
//! | `several` | how it is done in a mailbox that several people have |
//! | `read` | the readers' side |
//! | `listed` | what a list of messages shows |
//! | `restored` | folders of a store that was brought back from a copy |
//! | `share` | how much of a mailbox is used, and how much of it strangers may use |
//! | `sound` | whether folders hold what their counters say |
//! | `watch` | who wants to hear that a folder changed |
//! | `before` | the places of messages before there were folders |
//!
//! # What must hold
//! - A UID is never given twice in a folder, and each change of it has a higher mod-sequence than the last.
//! - Two folders of one mailbox never had the same UIDVALIDITY: a name and its UIDVALIDITY are one folder for ever.
//! - A body is there once, however many places it has, and is overwritten after the last of them is gone.
//! - Only ids, UIDs and mod-sequences are in the clear: how many messages there are, and in which order they changed; not
//!   who read what, nor what a folder is called.

mod act;
pub(super) mod before;
mod deliver;
mod doing;
mod entry;
mod expunged;
mod folder;
mod hold;
mod listed;
mod mark;
mod marking;
mod name;
mod number;
mod outline;
mod read;
mod rename;
mod restored;
mod several;
mod share;
mod sound;
mod unconfirmed;
mod watch;
mod working;

pub use act::{ActDone, ActOutcome, ActRefusal, FolderAct, MarkAct, MarkChange, RoomFor};
pub use deliver::{DeliverTo, Delivery, Placed};
pub(super) use deliver::{deliver, read_ahead, takes};
pub use entry::{Entry, EntryRecord};
pub(super) use expunged::ExpungedRecord;
pub use folder::{Folder, FolderRecord, room_of};
pub use hold::hold_setting;
pub use listed::Listed;
pub use mark::{Flags, Keyword, Marks, NotAKeyword};
pub use name::{FolderName, NotAName, SpecialUse};
pub use number::{ModSeq, Uid, Uids};
pub use outline::OutlineRow;
pub(super) use outline::{
    insert as insert_outlines, open as open_outline, put_late as put_late_outline,
    remove as remove_outline,
};
pub use read::{Changes, Kept, Opening};
pub(super) use restored::raise_uid_validity;
pub use several::goes_for_good;
pub(super) use share::{Filled, RoomTaken};
pub use share::{StrangersRoom, counted_bytes};
pub(super) use unconfirmed::{discard_waiting, release};
pub use watch::FolderWatch;
pub(super) use watch::{Touched, Watches};
pub(super) use working::Working;
