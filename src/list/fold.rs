//! What is left of a mailing thirty days after its end: its text, its counts, and nobody's row.

use jiff::SignedDuration;

use super::{ListError, Mailings};
use crate::store::{Change, ChangeOutcome, Guard, Mailing, Step};

/// How long rows stay after the end: answers and bounces come within that time.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How many rows one change removes, so that the writer is never held up for long.
const ROWS: u32 = 2000;

impl Mailings {
    /// Folds the rows of mailings that ended thirty days ago into counts. The daily job calls it. Answers how many
    /// mailings were folded.
    ///
    /// The counts are written first; a crash before the last row is gone leaves rows that the next day's job removes.
    ///
    /// # Errors
    /// [`ListError`]; the next day's job goes on.
    pub async fn fold(&self) -> Result<u64, ListError> {
        let now = self.clock().now();
        let mut folded = 0;
        for mailing in self.store().mailings().await? {
            let record = &mailing.record;
            let Some(ended_at) = record.ended_at else {
                continue;
            };
            // Without its final counts it's not wholly over: the room is still at it.
            if record.counts.is_none() || now < ended_at.saturating_add(KEPT).unwrap_or(ended_at) {
                continue;
            }
            if record.folded_at.is_none() {
                self.write_counts(mailing.clone()).await?;
                folded += 1;
            }
            self.remove_rows(&mailing).await?;
        }
        Ok(folded)
    }

    async fn write_counts(&self, mut mailing: Mailing) -> Result<(), ListError> {
        mailing.record.counts = Some(self.final_counts(&mailing).await?);
        mailing.record.folded_at = Some(self.clock().now());
        let change = Change::new()
            .require(Guard::MailingAt(mailing.id, mailing.version))
            .then(Step::PutMailing(mailing));
        match self.store().change(change).await? {
            ChangeOutcome::Done => Ok(()),
            ChangeOutcome::Conflict => Err(ListError::Busy),
        }
    }

    async fn remove_rows(&self, mailing: &Mailing) -> Result<(), ListError> {
        while self.store().has_copies(mailing.id).await? {
            let change = Change::new().then(Step::RemoveCopies(mailing.id, ROWS));
            // Without guards there is no conflict.
            let _ = self.store().change(change).await?;
        }
        Ok(())
    }
}
