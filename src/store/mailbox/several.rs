//! What is done in a mailbox that several people have: nothing of it is lost by one of them alone. What one throws away goes
//! into its Trash, and from there as all does that was thrown away. It's one transaction: at each moment the message stands
//! in one place or in the other.

use jiff::Timestamp;
use sqlx::Row;

use super::act::{ActDone, ActRefusal, FolderAct};
use super::doing::{self, Step, Stop, copy, expunge, must, place, standing};
use super::rename::named_in;
use super::working::Working;
use super::{Entry, Flags, FolderName, SpecialUse, Uids};
use crate::id::FolderId;
use crate::store::writer::Tx;

/// What is thrown away here is gone: it was thrown away before, was never wanted, or never finished.
const FOR_GOOD: [SpecialUse; 3] = [SpecialUse::Trash, SpecialUse::Junk, SpecialUse::Drafts];

/// Whether what is thrown away out of such a folder is gone then.
pub fn goes_for_good(name: &FolderName) -> bool {
    name.realm().is_some_and(|realm| FOR_GOOD.contains(&realm))
}

/// Does one of the acts for such a mailbox.
pub(super) async fn run(act: &FolderAct, working: &mut Working, tx: &mut Tx<'_>) -> Step<ActDone> {
    match act {
        FolderAct::Discard {
            folder,
            uids,
            only_deleted,
            at,
        } => discard(*folder, uids, *only_deleted, *at, working, tx).await,
        FolderAct::TakeAway {
            from,
            uids,
            to,
            at,
            room,
            ..
        } => {
            let stays = working.in_one_mailbox(*from, *to, tx).await?;
            let room = room.filter(|_| !stays);
            // What may be refused comes before anything that is written.
            let count = standing(*from, uids, tx).await?.len();
            let trash = match stays {
                true => None,
                false => trash_for(*from, count, *at, working, tx).await?,
            };
            let mut done = copy(*from, uids, *to, *at, room, working, tx).await?;
            let gone = standing(*from, &done.left_behind(), tx).await?;
            let left = throw(*from, gone, (trash, *at), working, tx).await?;
            done.has_left(*from, left);
            Ok(done)
        }
        FolderAct::DeleteEmpty { folder } => delete_empty(*folder, working, tx).await,
        _ => Ok(ActDone::default()),
    }
}

async fn discard(
    from: FolderId,
    uids: &Uids,
    only_deleted: bool,
    at: Timestamp,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    let mut entries = standing(from, uids, tx).await?;
    entries.retain(|entry| !only_deleted || entry.record.flags.has(Flags::DELETED));
    let trash = trash_for(from, entries.len(), at, working, tx).await?;
    throw(from, entries, (trash, at), working, tx).await
}

/// Where so many messages go that are thrown away here; none if they are gone then.
async fn trash_for(
    from: FolderId,
    count: usize,
    at: Timestamp,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<Option<FolderId>> {
    let folder = must(working.look(from, tx).await?)?;
    if count == 0 || goes_for_good(&folder.record.name) {
        return Ok(None);
    }
    let mailbox = folder.mailbox;
    let trash = FolderName::from(SpecialUse::Trash);
    let trash = working.ensure(mailbox, &trash, at, tx).await?;
    let takes = must(working.look(trash, tx).await?)?
        .record
        .takes(count as u64);
    takes
        .then_some(Some(trash))
        .ok_or(Stop::Refused(ActRefusal::TooManyMessages))
}

/// Takes entries out of a folder, into the Trash or for good.
async fn throw(
    from: FolderId,
    mut entries: Vec<Entry>,
    (trash, at): (Option<FolderId>, Timestamp),
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Step<ActDone> {
    let gone = Uids::of(entries.iter().map(|entry| entry.uid));
    if let Some(trash) = trash {
        let source = must(working.look(from, tx).await?)?.record.clone();
        for entry in &mut entries {
            entry.record.flags = entry.record.flags.without(Flags::DELETED);
        }
        place(&source, entries, (trash, at), working, tx).await?;
    }
    expunge(from, &gone, false, working, tx).await
}

async fn delete_empty(id: FolderId, working: &mut Working, tx: &mut Tx<'_>) -> Step<ActDone> {
    let folder = must(working.change(id, tx).await?)?;
    let (mailbox, name) = (folder.mailbox, folder.record.name.clone());
    if name.special_use().is_some() {
        return Err(ActRefusal::Special.into());
    }
    let all = named_in(mailbox, tx).await?;
    if all.iter().any(|(_, other)| other.below(&name).is_some()) {
        return Err(ActRefusal::HasChildren.into());
    }
    // Not what the row counts: here a number that is wrong would lose mail.
    let row = sqlx::query("SELECT EXISTS (SELECT 1 FROM entry WHERE folder_id = $1)")
        .bind(id.as_bytes().as_slice())
        .fetch_one(&mut *tx.connection)
        .await?;
    match row.try_get(0).map_err(Stop::from)? {
        true => Err(ActRefusal::NotEmpty.into()),
        false => doing::delete(id, working, tx).await,
    }
}
