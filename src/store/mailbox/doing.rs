//! How acts are done: each in the one writer's transaction. What an act needs is looked at before anything is written; one
//! that can't be done is refused and changes nothing.

use jiff::Timestamp;

use super::act::{ActDone, ActOutcome, ActRefusal, FolderAct, MarkAct, RoomFor};
use super::deliver::Placed;
use super::entry::{self, Entry};
use super::hold::is_held;
use super::marking;
use super::unconfirmed::TakenOut;
use super::watch::Touched;
use super::working::Working;
use super::{
    EntryRecord, Flags, Folder, FolderRecord, SpecialUse, Uid, Uids, expunged, rename, room_of,
    several,
};
use crate::id::FolderId;
use crate::store::writer::{Tx, Write};
use crate::store::{StoreError, message};

impl Write for FolderAct {
    type Outcome = ActOutcome;

    /// One after the other: the second of two sees what the first did. Marks, of which there are most, are written together.
    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<ActOutcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(writes.len());
        let is_mark = |act: &Self| matches!(act, Self::Mark(_));
        for acts in writes.chunk_by(|one, next| is_mark(one) && is_mark(next)) {
            let marks = acts.iter().filter_map(|act| match act {
                Self::Mark(act) => Some(act),
                _ => None,
            });
            let marks: Vec<&MarkAct> = marks.collect();
            match marks.is_empty() {
                true => outcomes.push(acts[0].alone(tx).await?),
                false => outcomes.extend(marking::together(&marks, tx).await?),
            }
        }
        Ok(outcomes)
    }
}

/// Why an act ended early.
pub(super) enum Stop {
    /// Nothing was done; at most a folder was made that each mailbox has.
    Refused(ActRefusal),
    /// The group is rolled back.
    Failed(StoreError),
}

impl From<ActRefusal> for Stop {
    fn from(refusal: ActRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

pub(super) type Step<T> = Result<T, Stop>;

impl FolderAct {
    async fn alone(&self, tx: &mut Tx<'_>) -> Result<ActOutcome, StoreError> {
        let mut working = Working::default();
        let taken_out = TakenOut::before(self, &mut working, tx).await?;
        match self.run(&mut working, tx).await {
            Ok(done) => {
                working.save(tx).await?;
                taken_out.after(tx).await?;
                Ok(Ok(done))
            }
            Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    async fn run(&self, working: &mut Working, tx: &mut Tx<'_>) -> Step<ActDone> {
        if let Self::Copy { from, uids, to, .. }
        | Self::Move { from, uids, to, .. }
        | Self::TakeAway { from, uids, to, .. } = self
        {
            let target = must(working.look(*to, tx).await?)?;
            // There are no more than UIDs; if that is too many, how many there are.
            if !target.record.takes(uids.count()) {
                let standing = standing(*from, uids, tx).await?;
                if !target.record.takes(standing.len() as u64) {
                    return Err(ActRefusal::TooManyMessages.into());
                }
            }
        }
        match self {
            Self::Ensure { mailbox, at } => {
                let mut done = ActDone::default();
                for special in SpecialUse::ALL {
                    let folder = working.ensure(*mailbox, &special.into(), *at, tx).await?;
                    done.folder = done.folder.or(Some(folder));
                }
                Ok(done)
            }
            Self::Create { mailbox, name, at } => {
                if working.named(*mailbox, name, tx).await?.is_some() {
                    return Err(ActRefusal::NameTaken.into());
                }
                let folder = working.create(*mailbox, name.clone(), *at, tx).await?;
                Ok(of(folder))
            }
            Self::Rename { folder, name, at } => {
                rename::folder(*folder, name, *at, working, tx).await
            }
            Self::RenameBelow {
                mailbox,
                from,
                name,
                at,
            } => rename::below(*mailbox, from, name, *at, working, tx).await,
            Self::Delete { folder } => delete(*folder, working, tx).await,
            Self::Subscribe { folder, subscribed } => {
                let found = must(working.change(*folder, tx).await?)?;
                found.record.subscribed = *subscribed;
                Ok(of(*folder))
            }
            Self::Mark(act) => act.alone(working, tx).await,
            Self::Copy {
                from,
                uids,
                to,
                at,
                room,
                ..
            } => copy(*from, uids, *to, *at, *room, working, tx).await,
            Self::Move {
                from,
                uids,
                to,
                at,
                room,
                ..
            } => {
                let room = match working.in_one_mailbox(*from, *to, tx).await? {
                    true => None,
                    false => *room,
                };
                let mut done = copy(*from, uids, *to, *at, room, working, tx).await?;
                let gone = done.left_behind();
                let left = expunge(*from, &gone, false, working, tx).await?;
                done.has_left(*from, left);
                Ok(done)
            }
            Self::TakeAway { .. } | Self::Discard { .. } | Self::DeleteEmpty { .. } => {
                several::run(self, working, tx).await
            }
            Self::Expunge {
                folder,
                uids,
                only_deleted,
            } => expunge(*folder, uids, *only_deleted, working, tx).await,
            Self::TakeBack { from, to, copied } => take_back(*from, *to, copied, working, tx).await,
            Self::Expire {
                folder,
                uids,
                planned_at,
            } => {
                let found = must(working.look(*folder, tx).await?)?;
                let (mailbox, named_at) = (found.mailbox, found.record.named_at);
                // Here, where what was answered before is seen: whoever plans may take minutes.
                if is_held(mailbox, tx).await? {
                    return Err(ActRefusal::Held.into());
                }
                if named_at.is_some_and(|named| named >= *planned_at) {
                    return Ok(of(*folder));
                }
                expunge(*folder, uids, false, working, tx).await
            }
        }
    }
}

pub(super) fn of(folder: FolderId) -> ActDone {
    ActDone {
        folder: Some(folder),
        ..ActDone::default()
    }
}

impl ActDone {
    /// What was copied, and is to leave where it stood.
    pub(super) fn left_behind(&self) -> Uids {
        Uids::of(self.placed.iter().map(|(uid, _)| *uid))
    }

    /// And it has.
    pub(super) fn has_left(&mut self, from: FolderId, left: Self) {
        (self.expunged, self.modseq) = (left.expunged, left.modseq);
        self.folder = Some(from);
    }
}

pub(super) fn must(folder: Option<&mut Folder>) -> Step<&mut Folder> {
    folder.ok_or(Stop::Refused(ActRefusal::NoFolder))
}

/// The entries of these UIDs that there are.
pub(super) async fn standing(folder: FolderId, uids: &Uids, tx: &mut Tx<'_>) -> Step<Vec<Entry>> {
    let mut entries = Vec::new();
    for range in uids.ranges() {
        entries.append(&mut entry::between(folder, *range, tx).await?);
    }
    Ok(entries)
}

pub(super) async fn delete(id: FolderId, working: &mut Working, tx: &mut Tx<'_>) -> Step<ActDone> {
    let folder = must(working.change(id, tx).await?)?;
    if folder.record.name.special_use().is_some() {
        return Err(ActRefusal::Special.into());
    }
    let rows = sqlx::query("DELETE FROM entry WHERE folder_id = $1 RETURNING message_id")
        .bind(id.as_bytes().as_slice())
        .fetch_all(&mut *tx.connection)
        .await?;
    expunged::remove_all(id, tx).await?;
    sqlx::query("DELETE FROM folder WHERE id = $1")
        .bind(id.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    for row in &rows {
        message::free(message::id_in(row, 0)?, tx).await?;
    }
    working.forget(id);
    tx.after.touched.push((id, Touched::Gone));
    Ok(of(id))
}

pub(super) async fn copy(
    from: FolderId,
    uids: &Uids,
    to: FolderId,
    at: Timestamp,
    room: Option<RoomFor>,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    let source = must(working.look(from, tx).await?)?.record.clone();
    let entries = standing(from, uids, tx).await?;
    if let Some(room) = room.filter(|_| !entries.is_empty()) {
        let mailbox = must(working.look(to, tx).await?)?.mailbox;
        let more = entries.iter().map(|entry| room_of(entry.record.size));
        let used = working.room_taken(mailbox, room.limit, tx).await?;
        let taken = more.fold(used, u64::saturating_add);
        if taken.saturating_add(room.keep_free) > room.limit {
            return Err(ActRefusal::Full.into());
        }
    }
    place(&source, entries, (to, at), working, tx).await
}

/// Takes copies out again whose originals stand where they were copied from. Of one that is gone the copy is all there is.
async fn take_back(
    from: FolderId,
    to: FolderId,
    copied: &[(Uid, Uid)],
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    let originals = Uids::of(copied.iter().map(|(original, _)| *original));
    let standing = standing(from, &originals, tx).await?;
    let standing = Uids::of(standing.iter().map(|entry| entry.uid));
    let copies = copied.iter().filter(|(uid, _)| standing.contains(*uid));
    let copies = Uids::of(copies.map(|(_, copy)| *copy));
    expunge(to, &copies, false, working, tx).await
}

/// Puts entries, of which a folder's row says what their keywords are, into another folder.
pub(super) async fn place(
    source: &FolderRecord,
    entries: Vec<Entry>,
    (to, at): (FolderId, Timestamp),
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    let mut done = of(to);
    if entries.is_empty() {
        return Ok(done);
    }
    let target = must(working.look(to, tx).await?)?;
    // Before anything is counted: whoever passes over a refusal writes what was.
    if entries.len() as u64 > target.record.numbers_left() {
        return Err(ActRefusal::TooManyMessages.into());
    }
    let target = must(working.change(to, tx).await?)?;
    let modseq = target.next_change();
    let mut new = Vec::with_capacity(entries.len());
    for entry in entries {
        // Keywords for which the other folder has no number are lost on the way.
        let marks = source.marks(&entry.record);
        let record = EntryRecord {
            keywords: target.record.numbers(&marks.keywords).unwrap_or(0),
            kept_at: at,
            ..entry.record
        };
        let uid = target.take_uid().map_err(|_| ActRefusal::NoFolder)?;
        target.record.count_in(&record);
        let placed = Placed {
            folder: to,
            uid_validity: target.record.uid_validity,
            uid,
            modseq,
        };
        done.placed.push((entry.uid, placed));
        new.push(Entry {
            folder: to,
            uid,
            modseq,
            message: entry.message,
            record,
        });
    }
    done.modseq = modseq;
    entry::put(&new, tx).await?;
    Ok(done)
}

pub(super) async fn expunge(
    id: FolderId,
    uids: &Uids,
    only_deleted: bool,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    let mut entries = standing(id, uids, tx).await?;
    entries.retain(|entry| !only_deleted || entry.record.flags.has(Flags::DELETED));
    let folder = must(working.change(id, tx).await?)?;
    let mut done = of(id);
    if entries.is_empty() {
        return Ok(done);
    }
    done.modseq = folder.next_change();
    for entry in &entries {
        folder.record.count_out(&entry.record);
    }
    done.expunged = Uids::of(entries.iter().map(|entry| entry.uid));
    expunged::put(id, &mut folder.record, &done.expunged, tx).await?;
    entry::remove(&entries, tx).await?;
    for entry in &entries {
        message::free(entry.message, tx).await?;
    }
    Ok(done)
}
