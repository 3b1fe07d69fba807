//! An INBOX as something that is looked at, taken and emptied: what stood in it at one moment, without a word of what comes
//! afterwards.

use super::{MailboxError, Mailboxes};
use crate::id::{FolderId, MailboxId, MessageId};
use crate::store::{BodyReader, FolderName, SpecialUse, Uid, Uids};

/// What stood in an INBOX.
#[derive(Debug, Clone)]
pub struct Maildrop {
    folder: FolderId,
    /// Of no other folder that this mailbox ever had.
    pub uid_validity: u32,
    /// The messages, in the order of their UIDs.
    pub messages: Vec<Dropped>,
}

/// A message in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Its number in the folder.
    pub uid: Uid,
    /// Its length.
    pub size: u64,
    /// The message.
    pub message: MessageId,
}

impl Maildrop {
    /// One that stands nowhere.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn for_tests(folder: FolderId, uid_validity: u32, messages: Vec<Dropped>) -> Self {
        Self {
            folder,
            uid_validity,
            messages,
        }
    }
}

impl Mailboxes {
    /// What stands in a mailbox's INBOX now.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn maildrop(&self, mailbox: MailboxId) -> Result<Maildrop, MailboxError> {
        let name = FolderName::from(SpecialUse::Inbox);
        // By its name: what stands first may be another folder, and its mail would be fetched and removed.
        let folders = self.folders(mailbox).await?.into_iter();
        let inbox = folders.into_iter().find(|one| one.record.name == name);
        let gone = || MailboxError::Refused(crate::store::ActRefusal::NoFolder);
        let folder = inbox.ok_or_else(gone)?.id;
        let opening = self.store.open_folder(folder).await?.ok_or_else(gone)?;
        let dropped = opening.entries.iter().map(|entry| Dropped {
            uid: entry.uid,
            size: entry.record.size,
            message: entry.message,
        });
        Ok(Maildrop {
            folder,
            uid_validity: opening.folder.record.uid_validity,
            messages: dropped.collect(),
        })
    }

    /// Whether a message still stands there.
    ///
    /// # Errors
    /// A [`MailboxError`].
    pub async fn still_stands(
        &self,
        maildrop: &Maildrop,
        message: &Dropped,
    ) -> Result<bool, MailboxError> {
        let only = Uids::of([message.uid]);
        let entries = self.store.entries_of(maildrop.folder, &only).await?;
        Ok(!entries.is_empty())
    }

    /// A message's bytes, chunk by chunk.
    pub fn body(&self, message: MessageId) -> BodyReader {
        self.store.body(message)
    }

    /// Takes messages out of a maildrop for good. Who went before is no error.
    ///
    /// # Errors
    /// A [`MailboxError`]; some may be gone.
    pub async fn empty(&self, maildrop: &Maildrop, uids: &[Uid]) -> Result<(), MailboxError> {
        let done = self.expunge(maildrop.folder, uids, false).await;
        done.map(drop)
    }
}
