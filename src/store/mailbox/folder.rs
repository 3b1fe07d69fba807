//! A folder's row. Its counters are kept with each change, so that a folder's state is one row and not a count over all
//! that stands in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::mark::{Flags, Keyword, MOST_KEYWORDS, Marks};
use super::{EntryRecord, FolderName, ModSeq, Uid};
use crate::id::{FolderId, MailboxId};
use crate::store::StoreError;
use crate::store::record::{self, Record};
use crate::vault::{Clear, Index, IndexColumn, Purpose, Vault};

/// The most messages that a folder takes by hand: who opens it reads a row of each, and holds some of it.
#[cfg(not(test))]
const MOST_MESSAGES: u64 = 200_000;
#[cfg(test)]
const MOST_MESSAGES: u64 = 4_000;
/// How much room a message takes of its mailbox's besides what it has.
const ENTRY_ROOM: u64 = 512;

/// How much room a message of so many bytes takes of its mailbox's.
pub fn room_of(bytes: u64) -> u64 {
    bytes.saturating_add(ENTRY_ROOM)
}

/// What a folder's row holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderRecord {
    /// Its name.
    pub name: FolderName,
    /// Whether mail programs are to show it.
    pub subscribed: bool,
    /// Of no other folder that this mailbox ever had.
    pub uid_validity: u32,
    /// The UID that comes next.
    pub uid_next: Uid,
    /// The number of its last change.
    pub highest_modseq: ModSeq,
    /// The keywords that are used in it, in the order of their numbers.
    pub keywords: Vec<Keyword>,
    /// How many messages stand in it.
    pub messages: u64,
    /// How many of them are unread.
    pub unseen: u64,
    /// How many of them are to be expunged.
    pub deleted: u64,
    /// How long they are together.
    pub bytes: u64,
    /// When the newest came.
    pub newest_at: Option<Timestamp>,
    /// How many rows tell what left it.
    pub expunged_rows: u64,
    /// Up to which change it's no longer known what left it.
    pub forgot_until: ModSeq,
    /// When it got its name, if that is not its first: with it, all of it may have been thrown away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_at: Option<Timestamp>,
}

impl std::fmt::Debug for FolderRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (messages, highest) = (self.messages, self.highest_modseq);
        write!(f, "FolderRecord({messages} messages, change {highest})")
    }
}

impl Record for FolderRecord {
    const TABLE: &'static str = "folder";
    const PURPOSE: Purpose = Purpose::Mailbox;
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The row.
    pub id: FolderId,
    /// Whose.
    pub mailbox: MailboxId,
    pub(super) name_index: Index,
    /// What the row holds.
    pub record: FolderRecord,
}

/// A folder name's keyed hash: of no use in another mailbox.
pub(super) fn name_indexes(vault: &Vault, mailbox: MailboxId, name: &FolderName) -> Vec<Index> {
    let named = [mailbox.as_bytes().as_slice(), name.as_str().as_bytes()].concat();
    vault.index_all(IndexColumn::FolderName, &named)
}

impl Folder {
    pub(super) fn new(
        vault: &Vault,
        mailbox: MailboxId,
        name: FolderName,
        uid_validity: u32,
    ) -> Self {
        let name_index = Self::index(vault, mailbox, &name);
        Self {
            id: FolderId::random(),
            mailbox,
            name_index,
            record: FolderRecord::new(name, uid_validity),
        }
    }

    /// A folder of whose row nothing is known but this. It has no UIDVALIDITY yet, and its keywords are lost: those of its
    /// messages are not shown.
    pub(super) fn unknown(
        id: FolderId,
        mailbox: MailboxId,
        name_index: Index,
        name: FolderName,
    ) -> Self {
        Self {
            id,
            mailbox,
            name_index,
            record: FolderRecord::new(name, 0),
        }
    }

    fn index(vault: &Vault, mailbox: MailboxId, name: &FolderName) -> Index {
        let named = [mailbox.as_bytes().as_slice(), name.as_str().as_bytes()].concat();
        vault.index(IndexColumn::FolderName, &named)
    }

    /// Gives it another name.
    pub(super) fn rename(&mut self, vault: &Vault, name: FolderName, at: Timestamp) {
        self.name_index = Self::index(vault, self.mailbox, &name);
        self.record.name = name;
        self.record.named_at = Some(at);
    }

    /// Opens a row of: id, mailbox, name_index, sealed.
    pub(in crate::store) fn open(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let id = crate::store::id_of(row.try_get(0)?, FolderId::from_slice, "folder")?;
        let mailbox = crate::store::id_of(row.try_get(1)?, MailboxId::from_slice, "folder")?;
        let name_index = crate::store::index_of(row.try_get(2)?, "folder")?;
        let clear = clear(&mailbox, &name_index);
        let record = record::open(vault, id.as_bytes(), &clear, row.try_get(3)?)?;
        Ok(Self {
            id,
            mailbox,
            name_index,
            record,
        })
    }

    pub(super) fn seal(&self, vault: &Vault) -> Vec<u8> {
        let clear = clear(&self.mailbox, &self.name_index);
        record::seal(vault, self.id.as_bytes(), &clear, &self.record)
    }
}

fn clear<'a>(mailbox: &'a MailboxId, name_index: &'a Index) -> [Clear<'a>; 2] {
    [
        Clear::Bytes(mailbox.as_bytes()),
        Clear::Bytes(name_index.as_bytes()),
    ]
}

impl FolderRecord {
    fn new(name: FolderName, uid_validity: u32) -> Self {
        Self {
            name,
            subscribed: true,
            uid_validity,
            uid_next: Uid(1),
            highest_modseq: ModSeq(1),
            keywords: Vec::new(),
            messages: 0,
            unseen: 0,
            deleted: 0,
            bytes: 0,
            newest_at: None,
            expunged_rows: 0,
            forgot_until: ModSeq(0),
            named_at: None,
        }
    }

    /// How much room it takes of its mailbox's: what its messages have, and for each what is written of it besides. So a
    /// mailbox of a given size can't hold messages without number.
    pub fn room(&self) -> u64 {
        let besides = self.messages.saturating_mul(ENTRY_ROOM);
        self.bytes.saturating_add(besides)
    }

    /// Whether a keyword that it doesn't know may be used in it.
    pub fn takes_keywords(&self) -> bool {
        self.keywords.len() < MOST_KEYWORDS
    }

    /// Whether so many messages more may stand in it, and have numbers there.
    pub fn takes(&self, more: u64) -> bool {
        self.messages.saturating_add(more) <= MOST_MESSAGES && more <= self.numbers_left()
    }

    /// How many messages it can number yet.
    pub(super) fn numbers_left(&self) -> u64 {
        u64::from(u32::MAX - self.uid_next.0)
    }

    /// What an entry's numbers stand for.
    pub fn marks(&self, entry: &EntryRecord) -> Marks {
        self.marks_of(entry.flags, entry.keywords)
    }

    /// What flags, and numbers of keywords, stand for.
    pub fn marks_of(&self, flags: Flags, numbers: u64) -> Marks {
        let known = self.keywords.iter().enumerate();
        let set = known.filter(|(at, _)| numbers >> at & 1 == 1);
        Marks {
            flags,
            keywords: set.map(|(_, keyword)| keyword.clone()).collect(),
        }
    }

    /// The numbers of keywords; new ones get one. `None` if there are none left: then none of them got one.
    pub(super) fn numbers<'k>(
        &mut self,
        keywords: impl IntoIterator<Item = &'k Keyword>,
    ) -> Option<u64> {
        let (mut numbers, before) = (0, self.keywords.len());
        for keyword in keywords {
            let known = self.keywords.iter().position(|known| known.is(keyword));
            let at = match known {
                Some(at) => at,
                None if self.takes_keywords() => {
                    self.keywords.push(keyword.clone());
                    self.keywords.len() - 1
                }
                None => {
                    self.keywords.truncate(before);
                    return None;
                }
            };
            numbers |= 1 << at;
        }
        Some(numbers)
    }

    /// The numbers of those keywords that the folder knows.
    pub(super) fn known_numbers<'k>(&self, keywords: impl IntoIterator<Item = &'k Keyword>) -> u64 {
        let place = |keyword: &Keyword| self.keywords.iter().position(|known| known.is(keyword));
        let known = keywords.into_iter().filter_map(place);
        known.fold(0, |numbers, at| numbers | 1 << at)
    }

    /// Counts a message that comes.
    pub(super) fn count_in(&mut self, entry: &EntryRecord) {
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        self.unseen += u64::from(!entry.flags.has(Flags::SEEN));
        self.deleted += u64::from(entry.flags.has(Flags::DELETED));
        self.newest_at = self.newest_at.max(Some(entry.kept_at));
    }

    /// Counts a message that goes.
    pub(super) fn count_out(&mut self, entry: &EntryRecord) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(entry.size);
        let unseen = u64::from(!entry.flags.has(Flags::SEEN));
        self.unseen = self.unseen.saturating_sub(unseen);
        let deleted = u64::from(entry.flags.has(Flags::DELETED));
        self.deleted = self.deleted.saturating_sub(deleted);
    }
}
