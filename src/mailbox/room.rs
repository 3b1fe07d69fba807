//! What staff do to their folders. Large acts are cut into pieces, so that nobody's mail waits behind one.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::halfway::Halfway;
use super::sight::Sights;
use super::view::View;
use crate::clock::Clock;
use crate::id::{FolderId, MailboxId, MessageId};
use crate::message::outline::{Outline, Scanner};
use crate::store::{
    AcceptMessage, ActDone, ActRefusal, Body, BodyWriter, Change, DeliverTo, Delivery, Entry,
    Flags, Folder, FolderAct, FolderName, MarkAct, MarkChange, Marks, MessageRecord, ModSeq,
    OutlineRow, Placed, Room, RoomFor, SpecialUse, Step, Store, StoreError, Uid, Uids, room_of,
};

/// How many messages one piece of an act has.
pub(super) const PIECE: usize = 1000;
/// The most folders of a mailbox.
const MOST_FOLDERS: usize = 500;

/// Why something was not done to a folder.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MailboxError {
    /// It can't be done.
    #[error(transparent)]
    Refused(#[from] ActRefusal),
    /// The mailbox has as many folders as it can.
    #[error("a mailbox has at most 500 folders; remove one that isn't needed")]
    TooManyFolders,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The folders of all mailboxes.
#[derive(Clone)]
pub struct Mailboxes {
    pub(super) store: Store,
    pub(super) clock: Clock,
    sights: Arc<Sights>,
}

/// What one may do to marks, and to which messages.
#[derive(Debug, Clone)]
pub struct Marking {
    /// How.
    pub change: MarkChange,
    /// The marks.
    pub marks: Marks,
    /// Messages that were changed after this change are left alone.
    pub unchanged_since: Option<ModSeq>,
}

/// A message that is put into a folder by hand.
pub struct Appended {
    /// Its bytes.
    pub body: Body,
    /// Its outline, if it was made while the bytes went by.
    pub outline: Option<Outline>,
    /// What is said of it from the beginning.
    pub marks: Marks,
    /// The date that it is to have; none for now.
    pub received_at: Option<Timestamp>,
}

impl Appended {
    /// How much of it is in memory.
    pub fn held(&self) -> usize {
        let outline = self.outline.as_ref().map_or(0, Outline::held);
        self.body.held().saturating_add(outline)
    }
}

impl Mailboxes {
    /// Over a store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            sights: Arc::default(),
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The folders of a mailbox: first the seven that each has, then the others by name. Those seven are made if they
    /// aren't there.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn folders(&self, mailbox: MailboxId) -> Result<Vec<Folder>, MailboxError> {
        let mut folders = self.store.folders(mailbox).await?.rows;
        let special = |folder: &&Folder| folder.record.name.special_use().is_some();
        // None is there yet, or the row of one is damaged: then it's made anew.
        if folders.iter().filter(special).count() < SpecialUse::ALL.len() {
            let at = self.clock.now();
            self.act(FolderAct::Ensure { mailbox, at }).await?;
            folders = self.store.folders(mailbox).await?.rows;
        }
        folders.sort_by(|one, other| {
            let order = |folder: &Folder| {
                let special = folder.record.name.special_use();
                (special.is_none(), special)
            };
            let names = || one.record.name.cmp(&other.record.name);
            order(one).cmp(&order(other)).then_with(names)
        });
        Ok(folders)
    }

    /// Opens a folder.
    ///
    /// # Errors
    /// A [`MailboxError`]; refused if it is gone.
    pub async fn open(&self, folder: FolderId) -> Result<View, MailboxError> {
        let view = View::open(&self.store, &self.sights, folder).await?;
        view.ok_or(MailboxError::Refused(ActRefusal::NoFolder))
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn create(
        &self,
        mailbox: MailboxId,
        name: FolderName,
    ) -> Result<FolderId, MailboxError> {
        if self.folders(mailbox).await?.len() >= MOST_FOLDERS {
            return Err(MailboxError::TooManyFolders);
        }
        let at = self.clock.now();
        let create = FolderAct::Create { mailbox, name, at };
        let made = self.act(create).await?.folder;
        made.ok_or(MailboxError::Refused(ActRefusal::NoFolder))
    }

    /// Gives a folder, and those in it, another name. INBOX stays: what is in it goes to a new folder of that name (RFC 9051
    /// §6.3.6).
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn rename(&self, folder: &Folder, name: FolderName) -> Result<(), MailboxError> {
        if folder.record.name.special_use() != Some(SpecialUse::Inbox) {
            let (folder, at) = (folder.id, self.clock.now());
            self.act(FolderAct::Rename { folder, name, at }).await?;
            return Ok(());
        }
        let to = self.create(folder.mailbox, name).await?;
        let all: Vec<Uid> = self.open(folder.id).await?.select(&Uids::all());
        self.move_to(folder.id, &all, to, None).await?;
        Ok(())
    }

    /// Gives the folders that stand in a name, which is no folder's, another one in its place.
    ///
    /// # Errors
    /// A [`MailboxError`]; refused if none stands in it.
    pub async fn rename_below(
        &self,
        mailbox: MailboxId,
        from: FolderName,
        name: FolderName,
    ) -> Result<(), MailboxError> {
        let at = self.clock.now();
        let rename = FolderAct::RenameBelow {
            mailbox,
            from,
            name,
            at,
        };
        self.act(rename).await.map(drop)
    }

    /// Removes a folder with all that is in it.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn delete(&self, folder: FolderId) -> Result<(), MailboxError> {
        let opening = self.store.open_folder(folder).await?;
        let opening = opening.ok_or(MailboxError::Refused(ActRefusal::NoFolder))?;
        if opening.folder.record.name.special_use().is_some() {
            return Err(ActRefusal::Special.into());
        }
        // The act takes all that is left at once.
        if opening.entries.len() > PIECE {
            let all: Vec<Uid> = opening.entries.iter().map(|entry| entry.uid).collect();
            self.expunge(folder, &all, false).await?;
        }
        self.act(FolderAct::Delete { folder }).await?;
        self.forget(folder);
        Ok(())
    }

    /// Sessions know nothing of a folder that is gone.
    pub(super) fn forget(&self, folder: FolderId) {
        self.sights.forget(folder);
    }

    #[cfg(test)]
    pub(super) fn remembers(&self, folder: FolderId) -> bool {
        self.sights.last(folder).is_some()
    }

    /// Says whether mail programs are to show a folder.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn subscribe(&self, folder: FolderId, subscribed: bool) -> Result<(), MailboxError> {
        let act = FolderAct::Subscribe { folder, subscribed };
        self.act(act).await.map(drop)
    }

    /// Changes the marks of messages.
    ///
    /// # Errors
    /// A [`MailboxError`]; what was changed before it stays changed.
    pub async fn mark(
        &self,
        folder: FolderId,
        uids: &[Uid],
        marking: &Marking,
    ) -> Result<ActDone, MailboxError> {
        let act = |uids| {
            FolderAct::Mark(MarkAct {
                folder,
                uids,
                change: marking.change,
                marks: marking.marks.clone(),
                unchanged_since: marking.unchanged_since,
            })
        };
        self.in_pieces(uids, act).await
    }

    /// Puts messages into another folder as well, all of them or none; `limit` is what its mailbox may hold.
    ///
    /// # Errors
    /// A [`MailboxError`]: none is there.
    pub async fn copy(
        &self,
        from: FolderId,
        uids: &[Uid],
        to: FolderId,
        limit: Option<u64>,
    ) -> Result<ActDone, MailboxError> {
        let (at, mut rooms) = (self.clock.now(), self.rooms(from, uids, limit).await?);
        let mut ahead = uids.chunks(PIECE).skip(1);
        let act = |uids| FolderAct::Copy {
            from,
            uids,
            to,
            at,
            room: rooms.next().flatten(),
            goes_on: ahead.next().is_some(),
        };
        let (done, whole) = self.pieces(uids, act).await;
        if whole.is_err() {
            // RFC 9051 §6.4.7
            self.take_back(from, to, &done.placed).await;
        }
        whole.map(|()| done)
    }

    /// Takes copies out again. Why the others could not be made matters more than that this can't be done either.
    pub(super) async fn take_back(&self, from: FolderId, to: FolderId, placed: &[(Uid, Placed)]) {
        for piece in placed.chunks(PIECE) {
            let copied = piece.iter().map(|(uid, placed)| (*uid, placed.uid));
            let copied = copied.collect();
            if let Err(error) = self.act(FolderAct::TakeBack { from, to, copied }).await {
                tracing::warn!(%error, "the first messages of a copy that was not finished stay");
                return;
            }
        }
    }

    /// Puts messages into another folder instead, if its mailbox has room for all of them.
    ///
    /// # Errors
    /// A [`Halfway`]: what was moved before it stays so.
    pub async fn move_to(
        &self,
        from: FolderId,
        uids: &[Uid],
        to: FolderId,
        limit: Option<u64>,
    ) -> Result<ActDone, Halfway> {
        let (at, mut rooms) = (self.clock.now(), self.rooms(from, uids, limit).await?);
        let mut ahead = uids.chunks(PIECE).skip(1);
        let act = |uids| FolderAct::Move {
            from,
            uids,
            to,
            at,
            room: rooms.next().flatten(),
            goes_on: ahead.next().is_some(),
        };
        self.as_far_as_can_be(uids, act).await
    }

    /// The room of each piece, so that those behind it have some as well: the first is refused if they wouldn't.
    pub(super) async fn rooms(
        &self,
        from: FolderId,
        uids: &[Uid],
        limit: Option<u64>,
    ) -> Result<impl Iterator<Item = Option<RoomFor>>, MailboxError> {
        let room = |keep_free| limit.map(|limit| RoomFor { limit, keep_free });
        let (mut rooms, mut keep_free) = (vec![room(0)], 0_u64);
        let behind = uids.chunks(PIECE).skip(1).rev();
        for piece in behind.filter(|_| limit.is_some()) {
            let entries = self.entries(from, &Uids::of(piece.iter().copied())).await?;
            let sizes = entries.iter().map(|entry| room_of(entry.record.size));
            keep_free = sizes.fold(keep_free, u64::saturating_add);
            rooms.push(room(keep_free));
        }
        Ok(rooms.into_iter().rev())
    }

    /// Takes messages out of a folder, for good if they stand nowhere else.
    ///
    /// # Errors
    /// As [`Mailboxes::mark`].
    pub async fn expunge(
        &self,
        folder: FolderId,
        uids: &[Uid],
        only_deleted: bool,
    ) -> Result<ActDone, MailboxError> {
        let act = |uids| FolderAct::Expunge {
            folder,
            uids,
            only_deleted,
        };
        self.in_pieces(uids, act).await
    }

    /// Puts a message into a folder by hand, if the mailbox has room for it.
    ///
    /// # Errors
    /// A [`MailboxError`]: it was not kept.
    pub async fn append(
        &self,
        folder: &Folder,
        appended: Appended,
        limit: u64,
    ) -> Result<Placed, MailboxError> {
        let placed = self.append_all(folder, vec![appended], limit).await?;
        let first = placed.first().copied();
        first.ok_or(MailboxError::Refused(ActRefusal::NoFolder))
    }

    /// Puts messages into a folder by hand, all of them or none.
    ///
    /// # Errors
    /// A [`MailboxError`]: none was kept.
    pub async fn append_all(
        &self,
        folder: &Folder,
        appended: Vec<Appended>,
        limit: u64,
    ) -> Result<Vec<Placed>, MailboxError> {
        if !folder.record.takes(appended.len() as u64) {
            return Err(ActRefusal::TooManyMessages.into());
        }
        let messages = appended.into_iter();
        let messages = messages.map(|one| self.appended(folder.id, one).if_room(limit));
        let mut messages: Vec<_> = messages.collect();
        let placed = match (messages.pop(), messages.is_empty()) {
            (None, _) => return Ok(Vec::new()),
            (Some(one), true) => self.store.accept(one).await.map(|placed| vec![placed]),
            (Some(last), false) => {
                messages.push(last);
                self.store.accept_together(messages).await
            }
        };
        match placed {
            Ok(placed) => Ok(placed.into_iter().flatten().collect()),
            Err(StoreError::NoFolder) => Err(ActRefusal::NoFolder.into()),
            Err(StoreError::MailboxFull) => Err(ActRefusal::Full.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn appended(&self, folder: FolderId, one: Appended) -> AcceptMessage {
        let now = self.clock.now();
        let known = MessageRecord {
            received_at: now,
            size: 0,
            reverse_path: None,
            recipients: Vec::new(),
            submitted_by: None,
        };
        let (vault, message) = (self.store.vault(), one.body.id());
        let delivery = Delivery {
            to: DeliverTo::Folder(folder),
            message,
            marks: one.marks,
            received_at: one.received_at.unwrap_or(now),
            kept_at: now,
        };
        let accepted = AcceptMessage::new(vault, one.body, known).keep_in(delivery);
        match one.outline {
            Some(outline) => {
                accepted.outlined(OutlineRow::new(vault, message, &outline.to_bytes()))
            }
            None => accepted,
        }
    }

    /// Whether a mailbox has so much room left.
    ///
    /// # Errors
    /// Refused as [`ActRefusal::Full`] if it hasn't.
    pub async fn check_room(
        &self,
        mailbox: MailboxId,
        more: u64,
        limit: u64,
    ) -> Result<(), MailboxError> {
        let used = self.store.mailbox_size(mailbox, limit).await?;
        match used.saturating_add(more) > limit {
            true => Err(ActRefusal::Full.into()),
            false => Ok(()),
        }
    }

    /// How much of a mailbox that may hold `limit` bytes is used.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn room_used(&self, mailbox: MailboxId, limit: u64) -> Result<u64, MailboxError> {
        Ok(self.store.mailbox_size(mailbox, limit).await?)
    }

    /// How much room the messages of a folder take that are marked as deleted.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn deleted_room(&self, folder: &Folder) -> Result<u64, MailboxError> {
        if folder.record.deleted == 0 {
            return Ok(0);
        }
        let opening = self.store.open_folder(folder.id).await?;
        let entries = opening.iter().flat_map(|opening| &opening.entries);
        let deleted = entries.filter(|entry| entry.record.flags.has(Flags::DELETED));
        let rooms = deleted.map(|entry| room_of(entry.record.size));
        Ok(rooms.fold(0, u64::saturating_add))
    }

    /// Begins a message that is to be put into a folder by hand. Waits while the byte budget is used up.
    ///
    /// # Errors
    /// A [`StoreError`] if none can be taken.
    pub async fn begin(&self) -> Result<BodyWriter, StoreError> {
        self.store.begin_body().await
    }

    /// Room in the byte budget for what a session holds beside a message that it begins.
    pub fn held(&self) -> Room {
        self.store.room()
    }

    /// The folder of this name, if there is one.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn named(
        &self,
        mailbox: MailboxId,
        name: &FolderName,
    ) -> Result<Option<Folder>, MailboxError> {
        match self.store.folder_named(mailbox, name).await {
            found if name.special_use().is_none() => return Ok(found?),
            Ok(None) | Err(StoreError::Seal(_) | StoreError::Record { .. }) => {}
            found => return Ok(found?),
        }
        // Those that each mailbox has are made when they are asked for.
        let all = self.folders(mailbox).await?.into_iter();
        Ok(all.into_iter().find(|folder| folder.record.name == *name))
    }

    /// The entries of these messages that are still there, in the order of their UIDs.
    ///
    /// # Errors
    /// A [`StoreError`] if they can't be read.
    pub async fn entries(&self, folder: FolderId, uids: &Uids) -> Result<Vec<Entry>, StoreError> {
        self.store.entries_of(folder, uids).await
    }

    /// What left a folder since a change; `None` if that isn't known any more, or the folder is gone.
    ///
    /// # Errors
    /// A [`StoreError`] if it can't be read.
    pub async fn vanished_since(
        &self,
        folder: FolderId,
        since: ModSeq,
    ) -> Result<Option<Uids>, StoreError> {
        let changes = self.store.changes_since(folder, since).await?;
        Ok(changes.and_then(|changes| changes.vanished))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The entries of these messages that are still there, in the order of their UIDs, with what lists show of them as far as
    /// that is short; as of [`Mailboxes::outlines`].
    ///
    /// # Errors
    /// A [`StoreError`] if they can't be read.
    pub async fn listed(
        &self,
        folder: FolderId,
        uids: &Uids,
    ) -> Result<(Vec<Entry>, HashMap<MessageId, Outline>), StoreError> {
        let listed = self.store.listed(folder, uids).await?;
        let mut entries = Vec::with_capacity(listed.len());
        let mut outlines = HashMap::with_capacity(listed.len());
        for (entry, outline) in listed {
            let outline = outline.and_then(|bytes| Outline::from_bytes(&bytes));
            outlines.extend(outline.map(|outline| (entry.message, outline)));
            entries.push(entry);
        }
        Ok((entries, outlines))
    }

    /// What lists show of messages, as far as it is short. What isn't, or isn't made yet, is left out, as is a message that
    /// is gone: [`Mailboxes::outline`] has it, one by one, so that memory stays bounded whatever strangers wrote.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn outlines(
        &self,
        messages: &[MessageId],
    ) -> Result<HashMap<MessageId, Outline>, MailboxError> {
        let rows = self.store.outlines(messages).await?.into_iter();
        let read = |(id, bytes): (MessageId, Option<Zeroizing<Vec<u8>>>)| {
            Some((id, Outline::from_bytes(&bytes?)?))
        };
        Ok(rows.filter_map(read).collect())
    }

    /// What lists show of a message. One that has no outline yet gets it now: its body is read once.
    ///
    /// # Errors
    /// A [`MailboxError`]. Of a message that is gone, or whose body is damaged, there's none.
    pub async fn outline(&self, message: MessageId) -> Result<Option<Outline>, MailboxError> {
        let kept = self.store.outline(message).await?;
        match kept.and_then(|bytes| Outline::from_bytes(&bytes)) {
            Some(outline) => Ok(Some(outline)),
            None => Ok(self.outline_now(message).await?),
        }
    }

    async fn outline_now(&self, id: MessageId) -> Result<Option<Outline>, StoreError> {
        let mut body = self.store.body(id);
        let mut scanner = Scanner::default();
        loop {
            match body.next().await {
                Ok(Some(piece)) => scanner.take(&piece),
                Ok(None) => break,
                Err(error @ (StoreError::Cut { .. } | StoreError::Seal(_))) => {
                    tracing::error!(%error, "a message can't be listed");
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        let outline = scanner.finish();
        let row = OutlineRow::new(self.store.vault(), id, &outline.to_bytes());
        let put = Change::new().then(Step::PutOutline(row));
        // It needs nothing to hold: a message that went meanwhile gets none. And who can't write can still read.
        if let Err(error) = self.store.change(put).await {
            tracing::warn!(%error, "what a list shows of a message could not be kept");
        }
        Ok(Some(outline))
    }

    pub(super) async fn in_pieces(
        &self,
        uids: &[Uid],
        act: impl FnMut(Uids) -> FolderAct,
    ) -> Result<ActDone, MailboxError> {
        let (done, whole) = self.pieces(uids, act).await;
        whole.map(|()| done)
    }

    /// The same where what was done matters though it wasn't all.
    pub(super) async fn as_far_as_can_be(
        &self,
        uids: &[Uid],
        act: impl FnMut(Uids) -> FolderAct,
    ) -> Result<ActDone, Halfway> {
        match self.pieces(uids, act).await {
            (done, Ok(())) => Ok(done),
            (done, Err(error)) => {
                let done = Box::new(done);
                Err(Halfway { done, error })
            }
        }
    }

    /// What was done, and whether that was all of it.
    async fn pieces(
        &self,
        uids: &[Uid],
        mut act: impl FnMut(Uids) -> FolderAct,
    ) -> (ActDone, Result<(), MailboxError>) {
        let mut all = ActDone::default();
        for piece in uids.chunks(PIECE) {
            let done = match self.act(act(Uids::of(piece.iter().copied()))).await {
                Ok(done) => done,
                Err(error) => return (all, Err(error)),
            };
            all.folder = done.folder;
            all.modseq = all.modseq.max(done.modseq);
            all.marked.extend(done.marked);
            all.kept_back.extend(done.kept_back);
            all.placed.extend(done.placed);
            all.expunged = all.expunged.union(&done.expunged);
        }
        (all, Ok(()))
    }

    pub(super) async fn act(&self, act: FolderAct) -> Result<ActDone, MailboxError> {
        Ok(self.store.act(act).await??)
    }
}
