//! Giving a queued mail up by hand. An attempt that is under way finds the row gone before its final dot.

use jiff::Timestamp;

use super::MailQueue;
use super::notice::{self, Failed};
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
        let given = why.map_or_else(String::new, |why| {
            format!(" The reason given: {}.", why.trim().trim_end_matches('.'))
        });
        let reason = format!(
            "An administrator took it out of the queue. It was not delivered and is not tried again.{given}"
        );
        let failed = Failed {
            cause: Cause::Unknown,
            said: mail.record.last_failure.as_deref().unwrap_or_default(),
            at: now,
        };
        let told = notice::given_up(&self.0, mail, &failed, &reason).await?;
        let change = Change::new()
            .require(Guard::Queued(mail.id))
            .then_all(told)
            .then(Step::RemoveQueued(mail.id))
            .then(act);
        Ok(self.0.store.change(change).await? == ChangeOutcome::Done)
    }
}
