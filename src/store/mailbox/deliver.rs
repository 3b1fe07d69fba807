//! Messages into folders. A message that is kept for several people is there once.

use jiff::Timestamp;

use super::entry::{self, Entry};
use super::working::Working;
use super::{EntryRecord, FolderName, Marks, ModSeq, Uid};
use crate::id::{FolderId, MailboxId, MessageId};
use crate::store::StoreError;
use crate::store::writer::Tx;

/// Where a message is to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliverTo {
    /// In the folder of this name, which is made if there is none.
    Named(MailboxId, FolderName),
    /// In this folder, which must be there.
    Folder(FolderId),
}

/// A message's place to be.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where.
    pub to: DeliverTo,
    /// Which message.
    pub message: MessageId,
    /// What is said of it from the beginning.
    pub marks: Marks,
    /// When it came to us (RFC 9051 §2.3.3).
    pub received_at: Timestamp,
    /// When it's put there.
    pub kept_at: Timestamp,
}

/// The place that a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The folder.
    pub folder: FolderId,
    /// The folder's UIDVALIDITY.
    pub uid_validity: u32,
    /// Its number there.
    pub uid: Uid,
    /// The change by which it came.
    pub modseq: ModSeq,
}

impl Delivery {
    /// A message that came just now, unread, for this folder of a mailbox.
    pub fn new(
        mailbox: MailboxId,
        folder: impl Into<FolderName>,
        message: MessageId,
        at: Timestamp,
    ) -> Self {
        Self {
            to: DeliverTo::Named(mailbox, folder.into()),
            message,
            marks: Marks::default(),
            received_at: at,
            kept_at: at,
        }
    }
}

/// Reads the folders of several deliveries, as far as they are told by their ids.
pub(in crate::store) async fn read_ahead<'d>(
    deliveries: impl Iterator<Item = &'d Delivery>,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let folders = deliveries.filter_map(|delivery| match delivery.to {
        DeliverTo::Folder(id) => Some(id),
        DeliverTo::Named(..) => None,
    });
    working.read_all(folders, tx).await
}

/// Whether a message can be put there: the folder is there or can be made, and has a number left for it.
pub(in crate::store) async fn takes(
    delivery: &Delivery,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Result<bool, StoreError> {
    let folder = match &delivery.to {
        DeliverTo::Folder(id) => Some(*id),
        DeliverTo::Named(mailbox, name) => working.named(*mailbox, name, tx).await?,
    };
    match folder {
        Some(id) => working.has_uids(id, tx).await,
        None => Ok(true),
    }
}

/// Puts messages into folders; each delivery comes with its message's length.
pub(in crate::store) async fn deliver(
    deliveries: &[(&Delivery, u64)],
    mut working: Working,
    tx: &mut Tx<'_>,
) -> Result<Vec<Placed>, StoreError> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    read_ahead(deliveries.iter().map(|(one, _)| *one), &mut working, tx).await?;
    let (mut entries, mut placed) = (Vec::new(), Vec::new());
    for (delivery, size) in deliveries {
        let (entry, place) = one(delivery, *size, &mut working, tx).await?;
        entries.push(entry);
        placed.push(place);
    }
    entry::put(&entries, tx).await?;
    working.save(tx).await?;
    Ok(placed)
}

async fn one(
    delivery: &Delivery,
    size: u64,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Result<(Entry, Placed), StoreError> {
    let id = match &delivery.to {
        DeliverTo::Folder(id) => *id,
        DeliverTo::Named(mailbox, name) => {
            working.ensure(*mailbox, name, delivery.kept_at, tx).await?
        }
    };
    let folder = working.change(id, tx).await?;
    let folder = folder.ok_or(StoreError::NoFolder)?;
    let modseq = folder.next_change();
    // A folder that knows as many keywords as it can takes the message without them.
    let keywords = folder.record.numbers(&delivery.marks.keywords);
    let record = EntryRecord {
        flags: delivery.marks.flags,
        keywords: keywords.unwrap_or(0),
        received_at: delivery.received_at,
        kept_at: delivery.kept_at,
        size,
    };
    let uid = folder.take_uid()?;
    folder.record.count_in(&record);
    let entry = Entry {
        folder: id,
        uid,
        modseq,
        message: delivery.message,
        record,
    };
    let place = Placed {
        folder: id,
        uid_validity: folder.record.uid_validity,
        uid,
        modseq,
    };
    Ok((entry, place))
}

impl super::Folder {
    /// The next UID; it is used up.
    pub(super) fn take_uid(&mut self) -> Result<Uid, StoreError> {
        let uid = self.record.uid_next;
        let next = uid.0.checked_add(1).ok_or(StoreError::NoFolder)?;
        self.record.uid_next = Uid(next);
        Ok(uid)
    }
}
