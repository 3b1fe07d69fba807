//! Strangers' mail that nobody confirmed: how long it waits, and that it is erased then.

use jiff::{SignedDuration, Timestamp};

use super::room::{MailboxError, Mailboxes};
use crate::id::FolderId;
use crate::store::{FolderName, SpecialUse, Uid};

/// How long it waits.
pub(super) const WAITS: SignedDuration = SignedDuration::from_hours(24 * 14);

impl Mailboxes {
    /// Erases what has waited for long enough, in all mailboxes but those on hold. Answers how many messages that were.
    ///
    /// # Errors
    /// A [`MailboxError`]; what was erased before it is gone.
    pub async fn expire_unconfirmed(&self) -> Result<u64, MailboxError> {
        let name = FolderName::from(SpecialUse::Unconfirmed);
        let now = self.clock().now();
        let before = now.saturating_sub(WAITS).unwrap_or(Timestamp::MIN);
        let mut erased = 0;
        for mailbox in self.store().mailboxes().await? {
            if self.hold_of(mailbox).await?.is_some() {
                continue;
            }
            let folder = match self.store().folder_named(mailbox, &name).await {
                Ok(Some(folder)) if folder.record.messages > 0 => folder.id,
                Ok(_) => continue,
                // One folder that doesn't open keeps nothing else.
                Err(error) if !error.is_temporary() => {
                    tracing::error!(%error, "a folder of unconfirmed mail can't be looked through");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            erased += self.expire(folder, before, now).await?;
        }
        Ok(erased)
    }

    /// Erases what was put into a folder at this time or before.
    async fn expire(
        &self,
        folder: FolderId,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, MailboxError> {
        let Some(opening) = self.store().open_folder(folder).await? else {
            return Ok(0);
        };
        let entries = opening.entries.iter();
        let old = entries.filter(|entry| entry.record.kept_at <= before);
        let old: Vec<Uid> = old.map(|entry| entry.uid).collect();
        self.let_go(folder, &old, now).await
    }
}
