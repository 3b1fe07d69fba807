//! How long mail is kept (law §3.2): what goes when, and that it does. Correspondence is kept from the last message of its
//! thread on; what was thrown away, or is junk, from when it was put there. A mailbox that is on hold keeps all of it.

mod threads;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::room::{MailboxError, Mailboxes, PIECE};
use super::unconfirmed;
use crate::id::{FolderId, MailboxId, MessageId};
use crate::store::{
    ActRefusal, Change, Entry, Folder, FolderAct, FolderName, Opening, Setting, SpecialUse, Step,
    StoreError, Uid, Uids, hold_setting,
};
use threads::Threads;

/// What was brought in by hand, or moved, stays for so long at least, however old it is.
const GRACE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How many outlines are read at once.
const PAGE: usize = 500;

/// How long a mailbox's mail is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Correspondence, from the last message of its thread.
    pub mail: Span,
    /// Junk, from when it was put there.
    pub junk: Span,
    /// What was thrown away, from then.
    pub trash: Span,
}

/// A mailbox whose mail is kept, whatever its age.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hold(since {})", self.since)
    }
}

/// What of a folder goes when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// The folder.
    pub folder: FolderId,
    /// Its name.
    pub name: FolderName,
    /// Each message, with when it goes, in the order of UIDs.
    pub messages: Vec<(Uid, Timestamp)>,
}

impl Mailboxes {
    /// What goes when, by folder.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn leaving(
        &self,
        mailbox: MailboxId,
        keeping: &Keeping,
    ) -> Result<Vec<Leaving>, MailboxError> {
        self.plan(mailbox, keeping, None).await
    }

    /// Erases what was kept for long enough, unless the mailbox is on hold. Answers how many messages that were.
    ///
    /// # Errors
    /// A [`MailboxError`]; what was erased before it is gone.
    pub async fn purge(&self, mailbox: MailboxId, keeping: &Keeping) -> Result<u64, MailboxError> {
        if self.hold_of(mailbox).await?.is_some() {
            return Ok(0);
        }
        let now = self.clock().now();
        let mut erased = 0;
        for leaving in self.plan(mailbox, keeping, Some(now)).await? {
            let due = leaving.messages.iter().filter(|(_, at)| *at <= now);
            let due: Vec<Uid> = due.map(|(uid, _)| *uid).collect();
            erased += self.let_go(leaving.folder, &due, now).await?;
        }
        Ok(erased)
    }

    /// Erases messages whose time was found to be over then, as long as their mailbox is not on hold and their folder has
    /// the name that it had. Answers how many those were.
    ///
    /// # Errors
    /// A [`MailboxError`]; what was erased before it is gone.
    pub(super) async fn let_go(
        &self,
        folder: FolderId,
        uids: &[Uid],
        planned_at: Timestamp,
    ) -> Result<u64, MailboxError> {
        let mut erased = 0;
        for piece in uids.chunks(PIECE) {
            let uids = Uids::of(piece.iter().copied());
            let expire = FolderAct::Expire {
                folder,
                uids,
                planned_at,
            };
            match self.act(expire).await {
                Ok(done) => erased += done.expunged.count(),
                Err(MailboxError::Refused(ActRefusal::Held | ActRefusal::NoFolder)) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(erased)
    }

    /// Whether a mailbox is on hold.
    ///
    /// # Errors
    /// [`MailboxError::Store`]. A hold that can't be read holds all the same.
    pub async fn hold_of(&self, mailbox: MailboxId) -> Result<Option<Hold>, MailboxError> {
        let unreadable = || Hold {
            since: Timestamp::UNIX_EPOCH,
            reason: "the hold can't be read; lift it and set it anew".to_owned(),
        };
        match self.store().setting(&hold_setting(mailbox)).await {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => {
                let read = serde_json::from_slice(&bytes);
                Ok(Some(read.unwrap_or_else(|_| unreadable())))
            }
            Err(error @ StoreError::Seal(_)) => {
                tracing::error!(%error, "a mailbox's hold can't be read: its mail is kept");
                Ok(Some(unreadable()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps all of a mailbox until the hold is lifted.
    ///
    /// # Errors
    /// [`MailboxError::Store`].
    pub async fn hold(&self, mailbox: MailboxId, reason: &str) -> Result<(), MailboxError> {
        let hold = Hold {
            since: self.clock().now(),
            reason: reason.to_owned(),
        };
        let value = serde_json::to_vec(&hold).unwrap_or_default();
        self.change(Step::PutSetting(Setting {
            name: hold_setting(mailbox).into(),
            value: Zeroizing::new(value),
        }))
        .await
    }

    /// Lifts a hold.
    ///
    /// # Errors
    /// [`MailboxError::Store`].
    pub async fn lift(&self, mailbox: MailboxId) -> Result<(), MailboxError> {
        self.change(Step::RemoveSetting(hold_setting(mailbox).into()))
            .await
    }

    async fn change(&self, step: Step) -> Result<(), MailboxError> {
        // Without guards there is no conflict.
        let _ = self.store().change(Change::new().then(step)).await?;
        Ok(())
    }

    /// When what goes. Asked for what is due at a time, it looks at threads only if something could be.
    async fn plan(
        &self,
        mailbox: MailboxId,
        keeping: &Keeping,
        due: Option<Timestamp>,
    ) -> Result<Vec<Leaving>, MailboxError> {
        let mut folders = Vec::new();
        for folder in self.store().folders(mailbox).await?.rows {
            if folder.record.messages == 0 {
                continue;
            }
            if let Some(opening) = self.store().open_folder(folder.id).await? {
                folders.push((How::of(&folder.record.name), opening));
            }
        }
        let letters = || {
            let of_threads = folders.iter().filter(|(how, _)| *how == How::Thread);
            of_threads.flat_map(|(_, opening)| &opening.entries)
        };
        let old = |entry: &Entry| {
            due.is_none_or(|due| after(entry.record.received_at, keeping.mail) <= due)
        };
        let threads = match letters().any(old) {
            true => self.threads(letters()).await?,
            false => Threads::default(),
        };
        // What went into Trash with its folder, or came back from it, did so then.
        let put = |entry: &Entry, folder: &Folder| {
            let named = folder.record.named_at.unwrap_or(Timestamp::MIN);
            entry.record.kept_at.max(named)
        };
        let leaves = |how: How, folder: &Folder, entry: &Entry| match how {
            How::Thread => {
                let own = entry.record.received_at;
                let last = threads.last_of(entry.message).unwrap_or(own).max(own);
                let stays = put(entry, folder).saturating_add(GRACE);
                after(last, keeping.mail).max(stays.unwrap_or(Timestamp::MAX))
            }
            How::Junk => after(put(entry, folder), keeping.junk),
            How::Trash => after(put(entry, folder), keeping.trash),
            How::Unconfirmed => {
                let until = entry.record.kept_at.saturating_add(unconfirmed::WAITS);
                until.unwrap_or(Timestamp::MAX)
            }
        };
        let plans = folders.iter().map(
            |(
                how,
                Opening {
                    folder, entries, ..
                },
            )| Leaving {
                folder: folder.id,
                name: folder.record.name.clone(),
                messages: entries
                    .iter()
                    .map(|entry| (entry.uid, leaves(*how, folder, entry)))
                    .collect(),
            },
        );
        Ok(plans.collect())
    }

    async fn threads<'e>(
        &self,
        entries: impl Iterator<Item = &'e Entry>,
    ) -> Result<Threads, MailboxError> {
        let all: Vec<(MessageId, Timestamp)> = entries
            .map(|entry| (entry.message, entry.record.received_at))
            .collect();
        let mut threads = Threads::default();
        for page in all.chunks(PAGE) {
            let ids: Vec<MessageId> = page.iter().map(|(id, _)| *id).collect();
            let outlines = self.outlines(&ids).await?;
            for (id, received_at) in page {
                let long = match outlines.contains_key(id) {
                    true => None,
                    false => self.outline(*id).await?,
                };
                let outline = outlines.get(id).or(long.as_ref());
                threads.add(*id, *received_at, outline);
            }
        }
        threads.settle();
        Ok(threads)
    }
}

/// From when on a message's time in a folder is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// From the last of its thread.
    Thread,
    Junk,
    Trash,
    /// Nobody can choose another time for it.
    Unconfirmed,
}

impl How {
    fn of(name: &FolderName) -> Self {
        match (name.realm(), name.special_use()) {
            (Some(SpecialUse::Junk), _) => Self::Junk,
            (Some(SpecialUse::Trash), _) => Self::Trash,
            (_, Some(SpecialUse::Unconfirmed)) => Self::Unconfirmed,
            _ => Self::Thread,
        }
    }
}

/// So much later by the calendar: a month that is too short ends with its last day.
fn after(at: Timestamp, span: Span) -> Timestamp {
    let later = at.to_zoned(TimeZone::UTC).checked_add(span);
    later.map_or(Timestamp::MAX, |later| later.timestamp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
