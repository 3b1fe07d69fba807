//! The folders where strangers' mail waits: how it leaves them for the inbox, how it is thrown away, and what it means that
//! staff take it out themselves.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::Row;

use super::doing::{Stop, copy, expunge, standing};
use super::hold::is_held;
use super::working::Working;
use super::{FolderAct, FolderName, SpecialUse, Uid, Uids};
use crate::id::{FolderId, MailboxId, MessageId};
use crate::store::StoreError;
use crate::store::contact;
use crate::store::writer::Tx;
use crate::vault::Index;

/// Brings messages from all folders where strangers' mail waits into the inboxes beside them.
pub(in crate::store) async fn release(
    messages: &[MessageId],
    at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let mut working = Working::default();
    let inbox = FolderName::from(SpecialUse::Inbox);
    for (folder, uids) in left_alone(messages, &mut working, tx).await? {
        let Some(mailbox) = working.mailbox_of(folder, tx).await? else {
            continue;
        };
        let uids = Uids::of(uids);
        let to = working.ensure(mailbox, &inbox, at, tx).await?;
        match copy(folder, &uids, to, at, None, &mut working, tx).await {
            Ok(_) => {}
            // An inbox that takes no more is in no other's way.
            Err(Stop::Refused(_)) => continue,
            Err(Stop::Failed(error)) => return Err(error),
        }
        let left = expunge(folder, &uids, false, &mut working, tx).await;
        left.map_err(into_error)?;
    }
    forget_those_elsewhere(messages, &mut working, tx).await?;
    working.save(tx).await
}

/// Takes messages out of all folders where strangers' mail waits, for good. What stands in a mailbox on hold stays there.
pub(in crate::store) async fn discard_waiting(
    messages: &[MessageId],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let mut working = Working::default();
    for (folder, uids) in places(messages, &mut working, tx).await?.known {
        let mailbox = working.mailbox_of(folder, tx).await?;
        if let Some(mailbox) = mailbox
            && is_held(mailbox, tx).await?
        {
            continue;
        }
        let gone = Uids::of(uids);
        let left = expunge(folder, &gone, false, &mut working, tx).await;
        left.map_err(into_error)?;
    }
    forget_those_elsewhere(messages, &mut working, tx).await?;
    working.save(tx).await
}

/// What leaves such a folder by an act of its owner. What they keep was vouched for: its authors are known from then on.
#[derive(Default)]
pub(super) struct TakenOut {
    messages: Vec<MessageId>,
    authors: Vec<Index>,
    /// More is taken out right afterwards.
    goes_on: bool,
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
            FolderAct::Copy {
                from,
                uids,
                to,
                at,
                goes_on,
                ..
            }
            | FolderAct::Move {
                from,
                uids,
                to,
                at,
                goes_on,
                ..
            }
            | FolderAct::TakeAway {
                from,
                uids,
                to,
                at,
                goes_on,
                ..
            } => (*from, uids, Some((*to, *at, *goes_on))),
            FolderAct::Expunge { folder, uids, .. }
            | FolderAct::Discard { folder, uids, .. }
            | FolderAct::Expire { folder, uids, .. } => (*folder, uids, None),
            _ => return Ok(Self::default()),
        };
        if working.special_use(from, tx).await? != Some(Some(SpecialUse::Unconfirmed)) {
            return Ok(Self::default());
        }
        let entries = standing(from, uids, tx).await.map_err(into_error)?;
        let mut taken = Self {
            messages: entries.iter().map(|entry| entry.message).collect(),
            ..Self::default()
        };
        let Some((to, at, goes_on)) = to else {
            return Ok(taken);
        };
        (taken.at, taken.goes_on) = (at, goes_on);
        // A folder that was made in this one is as good as any: nothing waits there.
        let waits_on = working.special_use(to, tx).await? == Some(Some(SpecialUse::Unconfirmed));
        if !waits_on && !is_thrown(working.realm(to, tx).await?) {
            taken.authors = contact::authors_of(&taken.messages, tx).await?;
        }
        Ok(taken)
    }

    /// Draws the consequences, once what was done is written.
    pub(super) async fn after(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        // What is out has no turn among what follows.
        forget_those_elsewhere(&self.messages, &mut Working::default(), tx).await?;
        for author in &self.authors {
            let author = std::slice::from_ref(author);
            match self.goes_on {
                true => contact::meet_and_release_later(author, self.at, tx).await?,
                false => contact::meet_and_release(author, self.at, tx).await?,
            }
        }
        Ok(())
    }
}

/// Whether what stands there was thrown away.
fn is_thrown(realm: Option<SpecialUse>) -> bool {
    matches!(realm, Some(SpecialUse::Junk | SpecialUse::Trash))
}

/// Where messages wait, but those that the owner of a folder has put elsewhere as well: mail programs that know no MOVE copy,
/// and take away later.
async fn left_alone(
    messages: &[MessageId],
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Result<HashMap<FolderId, Vec<Uid>>, StoreError> {
    let mut alone: HashMap<FolderId, Vec<Uid>> = HashMap::new();
    for id in messages {
        let places = places(&[*id], working, tx).await?;
        for (folder, uids) in places.known {
            let mailbox = working.mailbox_of(folder, tx).await?;
            if !mailbox.is_some_and(|mailbox| places.kept_in.contains(&mailbox)) {
                alone.entry(folder).or_default().extend(uids);
            }
        }
    }
    Ok(alone)
}

/// Of what stands in no such folder any more, it needn't be known whose it is.
async fn forget_those_elsewhere(
    messages: &[MessageId],
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    for id in messages {
        let places = places(&[*id], working, tx).await?;
        if places.known.is_empty() && !places.some_unknown {
            contact::no_longer_waits(*id, tx).await?;
        }
    }
    Ok(())
}

/// Where messages stand.
#[derive(Default)]
struct Places {
    /// Of the folders where strangers' mail waits.
    known: HashMap<FolderId, Vec<Uid>>,
    /// Whose other folders have some of them, but for what was thrown away.
    kept_in: Vec<MailboxId>,
    /// Some stand in a folder whose row is damaged. It is in no other's way, and may be such a one.
    some_unknown: bool,
}

async fn places(
    messages: &[MessageId],
    working: &mut Working,
    tx: &mut Tx<'_>,
) -> Result<Places, StoreError> {
    let mut places = Places::default();
    for id in messages {
        let rows = sqlx::query("SELECT folder_id, uid FROM entry WHERE message_id = $1")
            .bind(id.as_bytes().as_slice())
            .fetch_all(&mut *tx.connection)
            .await?;
        for row in rows {
            let folder = crate::store::id_of(row.try_get(0)?, FolderId::from_slice, "entry")?;
            let uid: i64 = row.try_get(1)?;
            match working.special_use(folder, tx).await {
                Ok(Some(Some(SpecialUse::Unconfirmed))) => {
                    let uid = Uid(u32::try_from(uid).unwrap_or(0));
                    places.known.entry(folder).or_default().push(uid);
                }
                Ok(Some(_)) if !is_thrown(working.realm(folder, tx).await?) => {
                    places.kept_in.extend(working.mailbox_of(folder, tx).await?);
                }
                Ok(_) => {}
                Err(error @ (StoreError::Seal(_) | StoreError::Record { .. })) => {
                    tracing::error!(%error, "a folder is passed over");
                    places.some_unknown = true;
                }
                Err(error) => return Err(error),
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
