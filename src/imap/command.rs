//! What a client asks, as values: the grammar's own types stay behind `codec`.

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::mailbox::search::Key;
use crate::store::{MarkChange, ModSeq};

/// `*`, the last there is: no number of a set is 0.
pub(super) const STAR: u32 = 0;

/// A command's tag.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tag(pub(super) String);

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(..)")
    }
}

/// Ranges of message numbers or UIDs as they were written; either end may come first, and either may be [`STAR`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NumberSet(pub(super) Vec<(u32, u32)>);

/// Which messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Numbers {
    /// These.
    Set(NumberSet),
    /// What the last search found (RFC 5182).
    Saved,
}

/// A folder's name as the client wrote it: what it means depends on what the client has enabled.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RawName(pub(super) Vec<u8>);

impl fmt::Debug for RawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawName(..)")
    }
}

/// What a client may enable (RFC 5161).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// Mod-sequences.
    CondStore,
    /// Quick resynchronisation, and mod-sequences with it.
    QResync,
    /// The new revision.
    Rev2,
}

/// QRESYNC's arguments (RFC 7162 §3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resync {
    /// The UIDVALIDITY that the client knows.
    pub uid_validity: u32,
    /// The last change that it knows.
    pub since: ModSeq,
    /// The UIDs that it knows; all if it doesn't say.
    pub known: Option<NumberSet>,
}

/// SELECT or EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Select {
    /// Which folder.
    pub name: RawName,
    /// Nothing is to be changed.
    pub read_only: bool,
    /// Mod-sequences are wanted.
    pub condstore: bool,
    /// What the client knew when it was here last.
    pub resync: Option<Resync>,
}

/// What STATUS tells of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusItem {
    /// How many messages.
    Messages,
    /// How many new ones: always none.
    Recent,
    /// The UID that comes next.
    UidNext,
    /// UIDVALIDITY.
    UidValidity,
    /// How many unread.
    Unseen,
    /// How many marked as deleted.
    Deleted,
    /// How long all are.
    Size,
    /// The last change.
    HighestModSeq,
    /// How long a message may be that is appended (RFC 7889).
    AppendLimit,
    /// How much room an EXPUNGE would free (RFC 9208).
    DeletedStorage,
}

/// LIST in all its forms (RFC 5258, RFC 5819, RFC 6154).
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct List {
    /// Only what was subscribed to.
    pub only_subscribed: bool,
    /// Only the special folders.
    pub only_special: bool,
    /// Folders in which something stands that was asked for.
    pub recursive: bool,
    /// Before each pattern.
    pub reference: Vec<u8>,
    /// Which names.
    pub patterns: Vec<Vec<u8>>,
    /// Says of each whether it was subscribed to.
    pub tell_subscribed: bool,
    /// The STATUS of each.
    pub status: Vec<StatusItem>,
    /// It is LSUB.
    pub lsub: bool,
    /// It's of the extended form: selection or return options, or several patterns.
    pub extended: bool,
}

/// A part of a message that FETCH gives out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BodyItem {
    /// As it stands in the answer: `BODY[1.HEADER]<0>`.
    pub label: String,
    /// Which part.
    pub part: Vec<u32>,
    /// What of it.
    pub what: PartWhat,
    /// From where, and at most so much.
    pub partial: Option<(u32, u32)>,
}

impl BodyItem {
    /// All of the message as it stands: nothing has to be known of what is in it.
    pub(super) fn is_whole_message(&self) -> bool {
        self.part.is_empty() && self.what == PartWhat::Whole
    }
}

/// What of a part is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PartWhat {
    /// All of it: of the message itself, header and body; of a part, its body.
    Whole,
    /// The header of a message.
    Header,
    /// These fields of it.
    Fields(Vec<String>),
    /// All but these.
    FieldsNot(Vec<String>),
    /// A message's body.
    Text,
    /// A part's own header.
    Mime,
    /// Its body, decoded (RFC 3516).
    Binary,
    /// How long that is.
    BinarySize,
}

/// What FETCH is to tell of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FetchItem {
    /// The header fields of a list of messages.
    Envelope,
    /// Its marks.
    Flags,
    /// When it came.
    InternalDate,
    /// Its parts; with all that is known of them or without.
    Structure {
        /// BODYSTRUCTURE rather than BODY.
        full: bool,
    },
    /// How long it is.
    Size,
    /// Its UID.
    Uid,
    /// Its last change.
    ModSeq,
    /// A part of it.
    Body(BodyItem),
}

/// FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetch {
    /// Which messages.
    pub numbers: Numbers,
    /// These are UIDs.
    pub uid: bool,
    /// What of them.
    pub items: Vec<FetchItem>,
    /// What is read is marked so.
    pub marks_seen: bool,
    /// Only those that were changed after this.
    pub changed_since: Option<ModSeq>,
    /// And what left since.
    pub vanished: bool,
}

/// STORE.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct StoreMarks {
    /// Which messages.
    pub numbers: Numbers,
    /// These are UIDs.
    pub uid: bool,
    /// How.
    pub change: MarkChange,
    /// The marks, as they were written.
    pub flags: Vec<String>,
    /// The client doesn't want to hear what they are now.
    pub silent: bool,
    /// Only those that weren't changed since.
    pub unchanged_since: Option<ModSeq>,
}

/// What SEARCH is to tell (RFC 4731, RFC 5182).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SearchReturn {
    /// The first message found.
    pub min: bool,
    /// The last one.
    pub max: bool,
    /// All.
    pub all: bool,
    /// How many.
    pub count: bool,
    /// Nothing, but to remember them.
    pub save: bool,
}

impl SearchReturn {
    /// All messages found.
    pub(super) const ALL: Self = Self {
        min: false,
        max: false,
        all: true,
        count: false,
        save: false,
    };
}

/// What is searched for: a key of the room's, or numbers, which mean something to this session alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Criterion {
    /// A key.
    Key(Key),
    /// These messages; whether by their UIDs.
    Numbers(Numbers, bool),
    /// Not so.
    Not(Box<Criterion>),
    /// Any of these.
    Any(Vec<Criterion>),
    /// All of these.
    Every(Vec<Criterion>),
}

/// SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Search {
    /// The answer is UIDs.
    pub uid: bool,
    /// The charset is one that we know.
    pub charset: bool,
    /// What is to be told; in the old form if it isn't said.
    pub wanted: Option<SearchReturn>,
    /// What for.
    pub criterion: Criterion,
    /// Changes are asked about.
    pub by_modseq: bool,
}

impl Search {
    /// Whether what is found is to be remembered.
    pub(super) fn saves(&self) -> bool {
        self.wanted.is_some_and(|wanted| wanted.save)
    }
}

/// COPY or MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transfer {
    /// Which messages.
    pub numbers: Numbers,
    /// These are UIDs.
    pub uid: bool,
    /// Where to.
    pub to: RawName,
    /// They leave the folder.
    pub moves: bool,
}

/// One message of an APPEND, before its bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct AppendHead {
    /// Its marks, as they were written.
    pub flags: Vec<String>,
    /// When it came; now if it isn't said.
    pub date: Option<Timestamp>,
    /// How long it is.
    pub size: u64,
    /// It may hold any octet (RFC 3516).
    pub binary: bool,
    /// The client waits to be told to go on.
    pub sync: bool,
}

/// A command.
#[derive(Clone, PartialEq)]
pub(super) enum Command {
    /// What do you know?
    Capability,
    /// Is there anything new?
    Noop,
    /// Good bye.
    Logout,
    /// Who are you? (RFC 2971)
    Id,
    /// Log in by a dialogue.
    Authenticate {
        /// How.
        mechanism: String,
        /// The first thing the client says (RFC 4959), in base64.
        initial: Option<Zeroizing<Vec<u8>>>,
    },
    /// Log in by a password.
    Login {
        /// Who.
        user: Vec<u8>,
        /// The password.
        password: Zeroizing<Vec<u8>>,
    },
    /// Let me use these.
    Enable(Vec<Extension>),
    /// Opens a folder.
    Select(Select),
    /// Leaves it.
    Unselect,
    /// Leaves it, and takes out what is marked as deleted.
    Close,
    /// Takes out what is marked as deleted: all, or of these UIDs.
    Expunge(Option<Numbers>),
    /// Makes a folder.
    Create {
        /// Its name.
        name: RawName,
        /// It is to have a special use.
        special: bool,
    },
    /// Removes one.
    Delete(RawName),
    /// Gives one another name.
    Rename {
        /// Which.
        from: RawName,
        /// The new name.
        to: RawName,
    },
    /// Says whether to show one.
    Subscribe {
        /// Which.
        name: RawName,
        /// Whether.
        wanted: bool,
    },
    /// Which folders are there?
    List(List),
    /// How do names begin? (RFC 2342)
    Namespace,
    /// How is a folder?
    Status {
        /// Which.
        name: RawName,
        /// What of it.
        items: Vec<StatusItem>,
    },
    /// How much room has this root? (RFC 9208)
    Quota(RawName),
    /// Which root does a folder have, and how much room?
    QuotaRoot(RawName),
    /// Tell me as things happen (RFC 2177).
    Idle,
    /// Finds messages.
    Search(Search),
    /// Reads messages.
    Fetch(Fetch),
    /// Marks messages.
    Store(StoreMarks),
    /// Copies or moves messages.
    Transfer(Transfer),
}

/// What people call themselves, their folders and their marks stands in no log.
macro_rules! no_words {
    ($($type:ident),*) => {
        $(impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(..)"))
            }
        })*
    };
}

no_words!(List, StoreMarks, AppendHead);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capability => "Capability",
            Self::Noop => "Noop",
            Self::Logout => "Logout",
            Self::Id => "Id",
            Self::Authenticate { .. } => "Authenticate",
            Self::Login { .. } => "Login",
            Self::Enable(_) => "Enable",
            Self::Select(_) => "Select",
            Self::Unselect => "Unselect",
            Self::Close => "Close",
            Self::Expunge(_) => "Expunge",
            Self::Create { .. } => "Create",
            Self::Delete(_) => "Delete",
            Self::Rename { .. } => "Rename",
            Self::Subscribe { .. } => "Subscribe",
            Self::List(_) => "List",
            Self::Namespace => "Namespace",
            Self::Status { .. } => "Status",
            Self::Quota(_) => "Quota",
            Self::QuotaRoot(_) => "QuotaRoot",
            Self::Idle => "Idle",
            Self::Search(_) => "Search",
            Self::Fetch(_) => "Fetch",
            Self::Store(_) => "Store",
            Self::Transfer(_) => "Transfer",
        })
    }
}
