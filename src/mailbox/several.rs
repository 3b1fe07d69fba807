//! What one of several people does to a mailbox that they share: the role's own. Nothing of it is lost by one of them alone:
//! what is taken out of a folder goes into the role's Trash, where it's kept as long as all that is thrown away, and a folder
//! is removed only once it is empty. What stands in the Trash, in Junk or in Drafts, they may take out for good.

use super::halfway::Halfway;
use super::room::{MailboxError, Mailboxes, PIECE};
use crate::id::FolderId;
use crate::store::{ActDone, FolderAct, Uid};

impl Mailboxes {
    /// Takes messages out of a folder: into its mailbox's Trash, unless they stand there, or among junk or drafts.
    ///
    /// # Errors
    /// As [`Mailboxes::mark`].
    pub async fn discard(
        &self,
        folder: FolderId,
        uids: &[Uid],
        only_deleted: bool,
    ) -> Result<ActDone, MailboxError> {
        let at = self.now();
        let act = |uids| FolderAct::Discard {
            folder,
            uids,
            only_deleted,
            at,
        };
        self.in_pieces(uids, act).await
    }

    /// Puts messages into another folder instead, as [`Mailboxes::move_to`]; what leaves the mailbox is discarded here.
    ///
    /// # Errors
    /// As [`Mailboxes::move_to`].
    pub async fn take_away(
        &self,
        from: FolderId,
        uids: &[Uid],
        to: FolderId,
        limit: Option<u64>,
    ) -> Result<ActDone, Halfway> {
        let (at, mut rooms) = (self.now(), self.rooms(from, uids, limit).await?);
        let mut ahead = uids.chunks(PIECE).skip(1);
        let act = |uids| FolderAct::TakeAway {
            from,
            uids,
            to,
            at,
            room: rooms.next().flatten(),
            goes_on: ahead.next().is_some(),
        };
        self.as_far_as_can_be(uids, act).await
    }

    /// Removes a folder in which nothing stands.
    ///
    /// # Errors
    /// A [`MailboxError`]; refused if something does.
    pub async fn delete_empty(&self, folder: FolderId) -> Result<(), MailboxError> {
        self.act(FolderAct::DeleteEmpty { folder }).await?;
        self.forget(folder);
        Ok(())
    }
}
