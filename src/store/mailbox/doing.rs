//! How acts are done: each in the one writer's transaction. What an act needs is looked at before anything is written; one
//! that can't be done is refused and changes nothing.

use jiff::Timestamp;

use super::act::{ActDone, ActOutcome, ActRefusal, FolderAct, MarkChange};
use super::deliver::Placed;
use super::entry::{self, Entry};
use super::unconfirmed::TakenOut;
use super::watch::Touched;
use super::working::Working;
use super::{EntryRecord, Flags, Folder, FolderName, SpecialUse, Uids, expunged};
use crate::id::{FolderId, MailboxId};
use crate::store::writer::{Tx, Write};
use crate::store::{StoreError, message};

impl Write for FolderAct {
    type Outcome = ActOutcome;

    /// One after the other: the second of two sees what the first did.
    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<ActOutcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for act in writes {
            let mut working = Working::default();
            let taken_out = TakenOut::before(act, &mut working, tx).await?;
            match act.run(&mut working, tx).await {
                Ok(done) => {
                    taken_out.after(&mut working, tx).await?;
                    working.save(tx).await?;
                    outcomes.push(Ok(done));
                }
                Err(Stop::Refused(refusal)) => outcomes.push(Err(refusal)),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(outcomes)
    }
}

/// Why an act ended early.
pub(super) enum Stop {
    /// Nothing was written.
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
    async fn run(&self, working: &mut Working, tx: &mut Tx<'_>) -> Step<ActDone> {
        match self {
            Self::Ensure { mailbox, at } => {
                let inbox = SpecialUse::Inbox.into();
                let folder = working.ensure(*mailbox, &inbox, *at, tx).await?;
                Ok(of(folder))
            }
            Self::Create { mailbox, name, at } => {
                if working.named(*mailbox, name, tx).await?.is_some() {
                    return Err(ActRefusal::NameTaken.into());
                }
                let folder = working.create(*mailbox, name.clone(), *at, tx).await?;
                Ok(of(folder))
            }
            Self::Rename { folder, name } => rename(*folder, name, working, tx).await,
            Self::Delete { folder } => delete(*folder, working, tx).await,
            Self::Subscribe { folder, subscribed } => {
                let found = must(working.change(*folder, tx).await?)?;
                found.record.subscribed = *subscribed;
                Ok(of(*folder))
            }
            Self::Mark { .. } => self.mark(working, tx).await,
            Self::Copy { from, uids, to, at } => copy(*from, uids, *to, *at, working, tx).await,
            Self::Move { from, uids, to, at } => {
                let mut done = copy(*from, uids, *to, *at, working, tx).await?;
                let gone = Uids::of(done.placed.iter().map(|(uid, _)| *uid));
                let left = expunge(*from, &gone, false, working, tx).await?;
                (done.expunged, done.modseq) = (left.expunged, left.modseq);
                done.folder = Some(*from);
                Ok(done)
            }
            Self::Expunge {
                folder,
                uids,
                only_deleted,
            } => expunge(*folder, uids, *only_deleted, working, tx).await,
        }
    }

    async fn mark(&self, working: &mut Working, tx: &mut Tx<'_>) -> Step<ActDone> {
        let Self::Mark {
            folder: id,
            uids,
            change,
            marks,
            unchanged_since,
        } = self
        else {
            return Ok(ActDone::default());
        };
        let entries = standing(*id, uids, tx).await?;
        let folder = must(working.change(*id, tx).await?)?;
        let keywords = match change {
            MarkChange::Remove => Some(folder.record.known_numbers(&marks.keywords)),
            MarkChange::Add | MarkChange::Replace => folder.record.numbers(&marks.keywords),
        };
        let keywords = keywords.ok_or(ActRefusal::TooManyKeywords)?;
        let mut done = of(*id);
        let mut changed = Vec::new();
        for mut entry in entries {
            if unchanged_since.is_some_and(|since| entry.modseq > since) {
                done.kept_back.push(entry.uid);
                continue;
            }
            let new = change.of(&entry.record, marks.flags, keywords);
            if new != entry.record {
                folder.record.count_out(&entry.record);
                folder.record.count_in(&new);
                entry.record = new;
                done.marked.push(entry.uid);
                changed.push(entry);
            }
        }
        if !changed.is_empty() {
            done.modseq = folder.next_change();
            changed
                .iter_mut()
                .for_each(|entry| entry.modseq = done.modseq);
            entry::put(&changed, tx).await?;
        }
        Ok(done)
    }
}

impl MarkChange {
    fn of(self, record: &EntryRecord, flags: Flags, keywords: u64) -> EntryRecord {
        let (flags, keywords) = match self {
            Self::Add => (record.flags.with(flags), record.keywords | keywords),
            Self::Remove => (record.flags.without(flags), record.keywords & !keywords),
            Self::Replace => (flags, keywords),
        };
        EntryRecord {
            flags,
            keywords,
            ..*record
        }
    }
}

fn of(folder: FolderId) -> ActDone {
    ActDone {
        folder: Some(folder),
        ..ActDone::default()
    }
}

fn must(folder: Option<&mut Folder>) -> Step<&mut Folder> {
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

async fn rename(
    id: FolderId,
    name: &FolderName,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    let folder = must(working.change(id, tx).await?)?;
    let (mailbox, old) = (folder.mailbox, folder.record.name.clone());
    if old.special_use().is_some() {
        return Err(ActRefusal::Special.into());
    }
    if name.below(&old).is_some() {
        return Err(ActRefusal::IntoItself.into());
    }
    let mut renamed = vec![(id, name.clone())];
    for (below, its_name) in named_in(mailbox, tx).await? {
        if let Some(rest) = its_name.below(&old) {
            let new = format!("{}{rest}", name.as_str());
            let new = FolderName::parse(&new).map_err(|_| ActRefusal::NameTooLong)?;
            renamed.push((below, new));
        }
    }
    for (folder, new) in &renamed {
        let taken = working.named(mailbox, new, tx).await?;
        if taken.is_some_and(|other| other != *folder) {
            return Err(ActRefusal::NameTaken.into());
        }
    }
    for (folder, new) in renamed {
        let vault = tx.vault;
        must(working.change(folder, tx).await?)?.rename(vault, new);
    }
    Ok(of(id))
}

async fn named_in(mailbox: MailboxId, tx: &mut Tx<'_>) -> Step<Vec<(FolderId, FolderName)>> {
    let rows = sqlx::query("SELECT id, mailbox, name_index, sealed FROM folder WHERE mailbox = $1")
        .bind(mailbox.as_bytes().as_slice())
        .fetch_all(&mut *tx.connection)
        .await?;
    let folders = rows
        .iter()
        .filter_map(|row| Folder::open(tx.vault, row).ok());
    Ok(folders
        .map(|folder| (folder.id, folder.record.name))
        .collect())
}

async fn delete(id: FolderId, working: &mut Working, tx: &mut Tx<'_>) -> Step<ActDone> {
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
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    let source = must(working.change(from, tx).await?)?.record.clone();
    let entries = standing(from, uids, tx).await?;
    let target = must(working.change(to, tx).await?)?;
    let mut done = of(to);
    if entries.is_empty() {
        return Ok(done);
    }
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
        let uid = target.take_uid()?;
        target.record.count_in(&record);
        let place = Placed {
            folder: to,
            uid_validity: target.record.uid_validity,
            uid,
            modseq,
        };
        done.placed.push((entry.uid, place));
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
