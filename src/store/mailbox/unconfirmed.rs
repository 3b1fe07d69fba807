//! The folders where strangers' mail waits: how it leaves them for the inbox, how it is thrown away, and what it means that
//! staff take it out themselves.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::Row;

use super::doing::{Stop, copy, expunge, standing};
use super::working::Working;
use super::{FolderAct, FolderName, SpecialUse, Uid, Uids};
use crate::id::{FolderId, MessageId};
use crate::store::StoreError;
use crate::store::contact::{self, Which};
use crate::store::writer::Tx;
use crate::vault::Index;

/// Brings messages from all folders where strangers' mail waits into the inboxes beside them.
pub(in crate::store) async fn release(
    messages: &[MessageId],
    at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let mut working = Working::default();
    release_in(messages, None, at, &mut working, tx).await?;
    working.save(tx).await
}

/// Takes messages out of all folders where strangers' mail waits, for good.
pub(in crate::store) async fn discard_waiting(
    messages: &[MessageId],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let mut working = Working::default();
    for (folder, uids) in places(messages, &mut working, tx).await? {
        let gone = Uids::of(uids);
        let left = expunge(folder, &gone, false, &mut working, tx).await;
        left.map_err(into_error)?;
    }
    working.save(tx).await
}

/// What leaves such a folder by an act of its owner. What they keep was vouched for: its authors are known from then on.
#[derive(Default)]
pub(super) struct TakenOut {
    messages: Vec<MessageId>,
    authors: Vec<Index>,
    /// What is copied stays where it is, until whoever copied it takes it away.
    stays: Option<(FolderId, Uids)>,
    at: Timestamp,
}

impl TakenOut {
    /// Looks before it is done.
    pub(super) async fn before(
        act: &FolderAct,
        working: &mut Working,
        tx: &mut Tx<'_>,
    ) -> Result<Self, StoreError> {
        let (from, uids, to) = match act {
            FolderAct::Copy { from, uids, to, at } | FolderAct::Move { from, uids, to, at } => {
                (*from, uids, Some((*to, *at)))
            }
            FolderAct::Expunge { folder, uids, .. } => (*folder, uids, None),
            _ => return Ok(Self::default()),
        };
        if working.special_use(from, tx).await? != Some(Some(SpecialUse::Unconfirmed)) {
            return Ok(Self::default());
        }
        let entries = standing(from, uids, tx).await.map_err(into_error)?;
        let mut taken = Self {
            messages: entries.iter().map(|entry| entry.message).collect(),
            stays: matches!(act, FolderAct::Copy { .. }).then(|| (from, uids.clone())),
            ..Self::default()
        };
        let Some((to, at)) = to else {
            return Ok(taken);
        };
        taken.at = at;
        let thrown = [SpecialUse::Unconfirmed, SpecialUse::Junk, SpecialUse::Trash];
        let special = working.special_use(to, tx).await?;
        if !special.flatten().is_some_and(|to| thrown.contains(&to)) {
            taken.authors = contact::authors_of(&taken.messages, tx).await?;
        }
        Ok(taken)
    }

    /// Draws the consequences.
    pub(super) async fn after(
        self,
        working: &mut Working,
        tx: &mut Tx<'_>,
    ) -> Result<(), StoreError> {
        for author in &self.authors {
            let author = std::slice::from_ref(author);
            contact::meet(author, self.at, tx).await?;
            let messages = contact::waiting_of(author, Which::Proven, tx).await?;
            release_in(&messages, self.stays.as_ref(), self.at, working, tx).await?;
        }
        forget_those_elsewhere(&self.messages, working, tx).await
    }
}

async fn release_in(
    messages: &[MessageId],
    stays: Option<&(FolderId, Uids)>,
    at: Timestamp,
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let inbox = FolderName::from(SpecialUse::Inbox);
    for (folder, mut uids) in places(messages, working, tx).await? {
        if let Some((_, those)) = stays.filter(|(id, _)| *id == folder) {
            uids.retain(|uid| !those.contains(*uid));
        }
        let uids = Uids::of(uids);
        let Some(mailbox) = working.mailbox_of(folder, tx).await? else {
            continue;
        };
        let to = working.ensure(mailbox, &inbox, at, tx).await?;
        let moved = copy(folder, &uids, to, at, working, tx).await;
        moved.map_err(into_error)?;
        let left = expunge(folder, &uids, false, working, tx).await;
        left.map_err(into_error)?;
    }
    forget_those_elsewhere(messages, working, tx).await
}

/// Of what stands in no such folder any more, it needn't be known whose it is.
async fn forget_those_elsewhere(
    messages: &[MessageId],
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    for id in messages {
        if places(&[*id], working, tx).await?.is_empty() {
            contact::no_longer_waits(*id, tx).await?;
        }
    }
    Ok(())
}

/// Where messages stand, of the folders where strangers' mail waits.
async fn places(
    messages: &[MessageId],
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Result<HashMap<FolderId, Vec<Uid>>, StoreError> {
    let mut places: HashMap<FolderId, Vec<Uid>> = HashMap::new();
    for id in messages {
        let rows = sqlx::query("SELECT folder_id, uid FROM entry WHERE message_id = $1")
            .bind(id.as_bytes().as_slice())
            .fetch_all(&mut *tx.connection)
            .await?;
        for row in rows {
            let folder = crate::store::id_of(row.try_get(0)?, FolderId::from_slice, "entry")?;
            let uid: i64 = row.try_get(1)?;
            let special = working.special_use(folder, tx).await?;
            if special == Some(Some(SpecialUse::Unconfirmed)) {
                let uid = Uid(u32::try_from(uid).unwrap_or(0));
                places.entry(folder).or_default().push(uid);
            }
        }
    }
    Ok(places)
}

/// A folder that is there can't be refused.
fn into_error(stop: Stop) -> StoreError {
    match stop {
        Stop::Failed(error) => error,
        Stop::Refused(_) => StoreError::NoFolder,
    }
}
