//! The copies as the delivery engine takes them: what is due, fair between mailings, each offered once at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::Mailings;
use super::parcel::CopyParcel;
use super::running::Running;
use crate::delivery::parcel::{Boxed, Parcel, Source};
use crate::id::CopyId;
use crate::store::{LedgerRow, MailingState, StoreError};

impl Source for Mailings {
    fn due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Boxed<'_, Result<Vec<Arc<dyn Parcel>>, StoreError>> {
        Box::pin(self.offer(now, limit as usize))
    }

    fn next_due(&self) -> Boxed<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(self.next())
    }
}

impl Mailings {
    fn sending(&self) -> Vec<Arc<Running>> {
        let mut sending = self.all_running();
        sending.retain(|running| running.state() == MailingState::Sending);
        sending
    }

    /// Offers due copies, from each mailing its share. The mailing that comes first changes each time.
    async fn offer(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Arc<dyn Parcel>>, StoreError> {
        let mut sending = self.sending();
        sending.retain(|running| running.resting_until(now).is_none());
        if sending.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.0.turn.fetch_add(1, Ordering::Relaxed) % sending.len();
        sending.rotate_left(first);
        let mut offered: Vec<Arc<dyn Parcel>> = Vec::with_capacity(limit);
        let mut left = sending.len();
        for running in &sending {
            let share = (limit - offered.len()).div_ceil(left);
            left -= 1;
            for row in self.take_ready(running, now, share).await? {
                offered.push(Arc::new(CopyParcel::new(self, running, row)));
            }
        }
        Ok(offered)
    }

    /// Takes rows that are due and free. They count as offered from now on.
    async fn take_ready(
        &self,
        running: &Arc<Running>,
        now: Timestamp,
        count: usize,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let mut ready = running.ready.lock().await;
        if ready.len() < count {
            let held: HashSet<CopyId> = ready.iter().map(|row| row.copy).collect();
            let window = self.terms().settings.pace.window;
            let wanted = running.out() + window.max(count);
            running.begin_look(now);
            running.more.store(false, Ordering::Relaxed);
            let limit = u32::try_from(wanted).unwrap_or(u32::MAX);
            let rows = self.store().due_copies(running.id, now, limit).await;
            let rows = rows.inspect_err(|_| running.more.store(true, Ordering::Relaxed))?;
            if rows.len() >= wanted {
                running.more.store(true, Ordering::Relaxed);
            } else if !running.now().record.expanded {
                self.0.work.notify_one();
            }
            ready.extend(
                rows.into_iter()
                    .filter(|row| !held.contains(&row.copy) && running.is_free(&row.copy)),
            );
        }
        let count = count.min(ready.len());
        let taken: Vec<_> = ready.drain(..count).collect();
        taken.iter().for_each(|row| running.offer(row.copy));
        Ok(taken)
    }

    async fn next(&self) -> Result<Option<Timestamp>, StoreError> {
        let now = self.clock().now();
        let mut next: Option<Timestamp> = None;
        for running in self.sending() {
            let due = if let Some(until) = running.resting_until(now) {
                Some(until)
            } else if running.out() > 0
                || running.more.load(Ordering::Relaxed)
                || !running.ready.lock().await.is_empty()
            {
                // What is under way may be due again any moment.
                Some(now)
            } else {
                self.store()
                    .next_copy_after(running.id, running.seen_until(now))
                    .await?
            };
            next = [next, due].into_iter().flatten().min();
        }
        Ok(next)
    }
}
