//! Giving a queued mail up by hand. An attempt that is under way finds the row gone before its final dot.

use jiff::Timestamp;

use super::MailQueue;
use super::notice::{self, End, Failed};
use crate::delivery::classify::Cause;
use crate::store::{Change, ChangeOutcome, Guard, Queued, Step, StoreError};

impl MailQueue {
    /// Takes a mail out of the queue, tells its sender why, and writes `act` into the audit log, all in one transaction.
    /// Says whether the mail was still there.
    ///
    /// # Errors
    /// A [`StoreError`]: nothing was changed.
    pub async fn give_up(
        &self,
        mail: &Queued,
        why: Option<&str>,
        act: Step,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let failed = Failed {
            cause: Cause::Unknown,
            said: mail.record.last_failure.as_deref().unwrap_or_default(),
            at: now,
        };
        let told = notice::failed(&self.0, mail, &failed, End::Dropped(why)).await?;
        let change = Change::new()
            .require(Guard::Queued(mail.id))
            .then_all(told)
            .then(Step::RemoveQueued(mail.id))
            .then(act);
        Ok(self.0.store.change(change).await? == ChangeOutcome::Done)
    }
}
