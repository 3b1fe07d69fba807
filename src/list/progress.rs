//! What became of a mailing's copies, in counts: never an address. Exact ones, as they change, are for admins. What others
//! see follows from how many copies were tried and from the audience as it was counted in the morning. Whoever watches must
//! not see one person's copy come back or one person leave, so they are told in steps of what failed, and only on the
//! morning after the end; how many withdrew meanwhile they aren't told at all.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{ListError, Mailings, cause, running::Running};
use crate::consent::{MaskedCount, morning_of};
use crate::id::MailingId;
use crate::staff::Actor;
use crate::store::{CopyState, Mailing, MailingCounts, MailingRecord, MailingState, Role};

/// How many ledger rows are read at once.
const PAGE: u32 = 1000;
/// The rate is that of the last seconds.
const WINDOW: i64 = 30;

/// How far a mailing has come, as somebody may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Where it stands.
    pub state: MailingState,
    /// How many it goes to.
    pub audience: MaskedCount,
    /// Handed over or refused for good.
    pub tried: MaskedCount,
    /// Handed over.
    pub sent: Option<MaskedCount>,
    /// Still to be sent, or to be tried again.
    pub waiting: MaskedCount,
    /// Refused for good.
    pub failed: Option<MaskedCount>,
    /// Not sent because the person withdrew meanwhile; for admins alone.
    pub withdrawn: Option<MaskedCount>,
    /// Not sent because the mailing was cancelled.
    pub cancelled: MaskedCount,
    /// Copies of which something came back.
    pub bounced: Option<MaskedCount>,
    /// Those refused for good by cause, in words; to who isn't an admin none with few.
    pub causes: Vec<(&'static str, MaskedCount)>,
    /// Copies handed over in a second, of late; none while there are too few to tell, and for who isn't an admin.
    pub per_second: Option<f64>,
    /// When the rest will have been handed over, at that rate.
    pub done_at: Option<Timestamp>,
}

/// The counts of a running mailing, kept as outcomes are written.
#[derive(Default)]
pub(super) struct Tally {
    /// Ledger rows.
    pub(super) copies: u64,
    sent: u64,
    failed: u64,
    causes: BTreeMap<String, u64>,
    /// Copies handed over by second, of the last seconds.
    recent: VecDeque<(i64, u64)>,
}

impl Tally {
    pub(super) fn sent(&mut self, at: Timestamp) {
        self.sent += 1;
        let second = at.as_second();
        match self.recent.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => self.recent.push_back((second, 1)),
        }
        while self.recent.len() > usize::try_from(WINDOW).unwrap_or(usize::MAX) {
            self.recent.pop_front();
        }
    }

    pub(super) fn failed(&mut self, cause: &str) {
        self.failed += 1;
        *self.causes.entry(cause.to_owned()).or_default() += 1;
    }

    fn per_second(&self, now: Timestamp) -> Option<f64> {
        let now = now.as_second();
        let recent = || {
            self.recent
                .iter()
                .filter(|(second, _)| (now - WINDOW..=now).contains(second))
        };
        let (first, _) = recent().next()?;
        let copies = u32::try_from(recent().map(|(_, count)| count).sum::<u64>()).ok()?;
        let seconds = u32::try_from(now - first).ok()?.max(1);
        Some(f64::from(copies) / f64::from(seconds))
    }

    fn counts(&self, due: u64) -> MailingCounts {
        let settled = self.sent + self.failed;
        MailingCounts {
            sent: self.sent,
            failed: self.failed,
            // Withdrawals are written by the consent room: what is neither due nor settled here was withdrawn.
            withdrawn: self.copies.saturating_sub(settled + due),
            cancelled: 0,
            bounced: 0,
            causes: self.causes.clone(),
        }
    }
}

impl Mailings {
    /// How far a mailing has come, as this staff member may see it.
    ///
    /// # Errors
    /// [`ListError::Unknown`] or [`ListError::Store`].
    pub async fn progress(&self, id: MailingId, to: &Actor) -> Result<Progress, ListError> {
        let admin = to.has(Role::Admin);
        match self.running(id) {
            Some(running) => self.progress_of(&running, admin).await,
            None => {
                self.progress_of_ended(&*self.mailing(id).await?, admin)
                    .await
            }
        }
    }

    async fn progress_of(&self, running: &Running, admin: bool) -> Result<Progress, ListError> {
        let bounced = self.store().count_bounced_copies(running.id).await?;
        let books = running.books.write().await;
        let due = self.store().count_due_copies(running.id).await?;
        let mailing = running.now();
        let record = &self.as_of_now(&mailing.record);
        let now = self.clock().now();
        let (mut counts, copies, rate) = {
            let tally = running.tally();
            (tally.counts(due), tally.copies, tally.per_second(now))
        };
        drop(books);
        counts.bounced = bounced;
        let mut waiting = due;
        match record.state {
            MailingState::Cancelled => {
                // Those to whom the expansion hadn't come get nothing either.
                let ahead = match record.expanded {
                    true => 0,
                    false => record.expected.saturating_sub(copies),
                };
                counts.cancelled = due + ahead;
                waiting = 0;
            }
            // Who left the list before the expansion came to them is waited for until it's over.
            _ if !record.expanded => waiting += record.expected.saturating_sub(copies),
            _ => {}
        }
        let audience = if record.expanded {
            copies
        } else {
            record.expected
        };
        // A rate times its seconds is a count.
        let rate = rate.filter(|_| admin && record.state == MailingState::Sending);
        Ok(Progress {
            done_at: rate.and_then(|rate| eta(now, waiting, rate)),
            per_second: rate,
            ..match admin {
                true => in_full(record, audience, waiting, &counts),
                false => in_steps(record, audience, &counts, now),
            }
        })
    }

    async fn progress_of_ended(
        &self,
        mailing: &Mailing,
        admin: bool,
    ) -> Result<Progress, ListError> {
        let mut counts = mailing.record.counts.clone().unwrap_or_default();
        if mailing.record.folded_at.is_none() {
            counts.bounced = self.store().count_bounced_copies(mailing.id).await?;
        }
        let audience = counts.sent + counts.failed + counts.withdrawn + counts.cancelled;
        Ok(match admin {
            true => in_full(&mailing.record, audience, 0, &counts),
            false => in_steps(&mailing.record, audience, &counts, self.clock().now()),
        })
    }

    /// The counts of a mailing's rows as they stand in the ledger.
    pub(super) async fn tally_of(&self, mailing: &Mailing) -> Result<Tally, ListError> {
        let mut tally = Tally::default();
        self.each_copy(mailing.id, |state, cause| {
            tally.copies += 1;
            match state {
                CopyState::Sent => tally.sent += 1,
                CopyState::Failed => tally.failed(cause),
                CopyState::Due | CopyState::Withdrawn | CopyState::Cancelled => {}
            }
        })
        .await?;
        Ok(tally)
    }

    /// The final counts of a mailing that ended.
    pub(super) async fn final_counts(&self, mailing: &Mailing) -> Result<MailingCounts, ListError> {
        let (id, record) = (mailing.id, &mailing.record);
        let mut counts = MailingCounts::default();
        self.each_copy(id, |state, cause| match state {
            CopyState::Sent => counts.sent += 1,
            CopyState::Failed => {
                counts.failed += 1;
                *counts.causes.entry(cause.to_owned()).or_default() += 1;
            }
            CopyState::Withdrawn => counts.withdrawn += 1,
            // Only a cancelled mailing ends with rows that are still due.
            CopyState::Due | CopyState::Cancelled => counts.cancelled += 1,
        })
        .await?;
        if record.state == MailingState::Cancelled && !record.expanded {
            let rows = counts.sent + counts.failed + counts.withdrawn + counts.cancelled;
            counts.cancelled += record.expected.saturating_sub(rows);
        }
        counts.bounced = self.store().count_bounced_copies(id).await?;
        Ok(counts)
    }

    async fn each_copy(
        &self,
        id: MailingId,
        mut see: impl FnMut(CopyState, &str) + Send,
    ) -> Result<(), ListError> {
        let mut after = None;
        loop {
            let page = self.store().copies_after(id, after, PAGE).await?;
            for row in &page.rows {
                let cause = row.record.cause.as_deref().unwrap_or("unknown");
                see(row.record.state, cause);
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// As admins see it.
fn in_full(
    record: &MailingRecord,
    audience: u64,
    waiting: u64,
    counts: &MailingCounts,
) -> Progress {
    let causes = counts.causes.iter();
    Progress {
        state: record.state,
        audience: MaskedCount::Exact(audience),
        tried: MaskedCount::Exact(counts.sent + counts.failed),
        sent: Some(MaskedCount::Exact(counts.sent)),
        waiting: MaskedCount::Exact(waiting),
        failed: Some(MaskedCount::Exact(counts.failed)),
        withdrawn: Some(MaskedCount::Exact(counts.withdrawn)),
        cancelled: MaskedCount::Exact(counts.cancelled),
        bounced: Some(MaskedCount::Exact(counts.bounced)),
        causes: causes
            .map(|(name, count)| (cause::in_words(name), MaskedCount::Exact(*count)))
            .collect(),
        per_second: None,
        done_at: None,
    }
}

/// As everybody else sees it. A withdrawal moves none of it; a refusal does on the morning after the end.
fn in_steps(
    record: &MailingRecord,
    audience: u64,
    counts: &MailingCounts,
    now: Timestamp,
) -> Progress {
    let morning = record.morning;
    let settled = counts.sent + counts.failed;
    let tried = match record.state {
        // Who left meanwhile is not told from who got a copy.
        MailingState::Done => morning,
        _ => share_of(morning, settled, audience),
    };
    let rest = MaskedCount::masked(morning.saturating_sub(tried));
    let none = MaskedCount::Exact(0);
    let (waiting, cancelled) = match record.state {
        MailingState::Done => (none, none),
        MailingState::Cancelled => (none, rest),
        MailingState::Held | MailingState::Sending | MailingState::Paused => (rest, none),
    };
    let is_told = record.counts.is_some()
        && record
            .ended_at
            .is_some_and(|ended_at| ended_at < morning_of(now));
    let of_tried = |count| MaskedCount::masked(share_of(tried, count, settled));
    let failed = is_told.then(|| of_tried(counts.failed));
    let causes = counts.causes.iter().filter(|_| is_told);
    Progress {
        state: record.state,
        audience: MaskedCount::masked(morning),
        tried: MaskedCount::masked(tried),
        // No more than what failed says.
        sent: failed.map(|failed| match failed {
            MaskedCount::Exact(failed) => MaskedCount::masked(tried.saturating_sub(failed)),
            MaskedCount::FewerThanFive => MaskedCount::masked(tried),
        }),
        waiting,
        failed,
        withdrawn: None,
        cancelled,
        // Bounces go on coming for weeks.
        bounced: record.folded_at.map(|_| of_tried(counts.bounced)),
        causes: causes
            .map(|(name, count)| (cause::in_words(name), of_tried(*count)))
            .filter(|(_, count)| *count != MaskedCount::FewerThanFive)
            .collect(),
        per_second: None,
        done_at: None,
    }
}

/// As much of the morning's count as `count` is of all.
fn share_of(morning: u64, count: u64, all: u64) -> u64 {
    if all == 0 {
        return 0;
    }
    let share = u128::from(morning) * u128::from(count) / u128::from(all);
    u64::try_from(share).unwrap_or(morning)
}

fn eta(now: Timestamp, waiting: u64, rate: f64) -> Option<Timestamp> {
    let seconds = f64::from(u32::try_from(waiting).ok()?) / rate;
    let span = SignedDuration::try_from_secs_f64(seconds).ok()?;
    now.saturating_add(span).ok()
}

#[cfg(test)]
mod tests;
