//! A mailing that is not over, as the room holds it in memory: its row as it was last committed, what is being sent of
//! it, and its counts.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;

use super::plan::Plan;
use super::progress::Tally;
use super::{ListError, Mailings};
use crate::id::{CopyId, MailingId};
use crate::store::{
    Change, ChangeOutcome, Guard, LedgerRow, Mailing, MailingRecord, MailingState, Step,
};

/// How often a change is tried anew when somebody else changed the row.
const ATTEMPTS: usize = 8;

/// How long a mailing rests after something of ours could not be read.
const REST: SignedDuration = SignedDuration::from_secs(10);

/// A mailing that is not over.
pub(super) struct Running {
    pub(super) id: MailingId,
    row: ArcSwap<Mailing>,
    /// One change of the row at a time.
    changing: tokio::sync::Mutex<()>,
    /// One expansion at a time.
    pub(super) expanding: tokio::sync::Mutex<()>,
    /// Rows that are due and were not offered yet.
    pub(super) ready: tokio::sync::Mutex<VecDeque<LedgerRow>>,
    offers: Mutex<Offers>,
    /// Whether the ledger may hold rows that are due, not ready and not offered.
    pub(super) more: AtomicBool,
    /// Nothing is offered before, in milliseconds: the store or the plan could not be read.
    rest_until: AtomicI64,
    /// The time, in milliseconds, up to which the last look into the ledger saw what was due.
    looked_at: AtomicI64,
    pub(super) plan: OnceCell<Arc<Plan>>,
    tally: Mutex<Tally>,
    /// Whoever changes ledger and tally shares it, whoever compares the two has it alone: between the one's commit and the
    /// other's change they tell of a state that never was.
    pub(super) books: tokio::sync::RwLock<()>,
}

/// What was offered.
#[derive(Default)]
struct Offers {
    /// Copies that have a parcel now.
    out: HashSet<CopyId>,
    /// Copies whose outcome was written since the last look into the ledger began: what was read may be older.
    settled: HashSet<CopyId>,
}

impl Running {
    pub(super) fn new(mailing: Mailing, tally: Tally) -> Self {
        Self {
            id: mailing.id,
            row: ArcSwap::from_pointee(mailing),
            changing: tokio::sync::Mutex::default(),
            expanding: tokio::sync::Mutex::default(),
            ready: tokio::sync::Mutex::default(),
            offers: Mutex::default(),
            more: AtomicBool::new(true),
            rest_until: AtomicI64::new(i64::MIN),
            looked_at: AtomicI64::new(i64::MAX),
            plan: OnceCell::new(),
            tally: Mutex::new(tally),
            books: tokio::sync::RwLock::default(),
        }
    }

    /// The row as it was last committed.
    pub(super) fn now(&self) -> Arc<Mailing> {
        self.row.load_full()
    }

    pub(super) fn state(&self) -> MailingState {
        self.row.load().record.state
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many copies have a parcel now.
    pub(super) fn out(&self) -> usize {
        self.offers().out.len()
    }

    /// A look into the ledger begins, for what is due by `now`: what is settled from here on may still be seen as due.
    pub(super) fn begin_look(&self, now: Timestamp) {
        self.offers().settled.clear();
        self.looked_at
            .store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// What is due after this was not seen yet. Never later than `now`, whose clock may have been set back.
    pub(super) fn seen_until(&self, now: Timestamp) -> Timestamp {
        let looked_at = self.looked_at.load(Ordering::Relaxed);
        Timestamp::from_millisecond(looked_at.min(now.as_millisecond())).unwrap_or(now)
    }

    /// Whether a row that was just read as due is neither offered nor settled.
    pub(super) fn is_free(&self, copy: &CopyId) -> bool {
        let offers = self.offers();
        !offers.out.contains(copy) && !offers.settled.contains(copy)
    }

    pub(super) fn offer(&self, copy: CopyId) {
        self.offers().out.insert(copy);
    }

    /// The outcome of an offered copy is on the disk.
    pub(super) fn settle(&self, copy: CopyId) {
        self.offers().settled.insert(copy);
    }

    /// The parcel of a copy is gone.
    pub(super) fn take_back(&self, copy: &CopyId) {
        let mut offers = self.offers();
        offers.out.remove(copy);
        if !offers.settled.contains(copy) {
            self.more.store(true, Ordering::Relaxed);
        }
    }

    /// Until when nothing is offered. A rest that would last longer than one does was begun before the clock was set
    /// back: it is over.
    pub(super) fn resting_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = Timestamp::from_millisecond(self.rest_until.load(Ordering::Relaxed)).ok()?;
        let rest = until.duration_since(now);
        (rest.is_positive() && rest <= REST).then_some(until)
    }

    /// Offers nothing for a while, so that nobody runs in circles.
    pub(super) fn rest(&self, now: Timestamp) {
        let until = now.saturating_add(REST).unwrap_or(Timestamp::MAX);
        self.rest_until
            .store(until.as_millisecond(), Ordering::Relaxed);
    }
}

impl Mailings {
    /// Changes a running mailing's row, with whatever else belongs into the same transaction. `decide` is asked again if
    /// somebody else changed the row meanwhile.
    pub(super) async fn alter(
        &self,
        running: &Running,
        mut decide: impl FnMut(&mut MailingRecord) -> Result<Vec<Step>, ListError> + Send,
    ) -> Result<Arc<Mailing>, ListError> {
        self.alter_row(running, |mailing| decide(&mut mailing.record))
            .await
    }

    /// The same where the message may be replaced as well: the one before goes.
    pub(super) async fn alter_row(
        &self,
        running: &Running,
        mut decide: impl FnMut(&mut Mailing) -> Result<Vec<Step>, ListError> + Send,
    ) -> Result<Arc<Mailing>, ListError> {
        let _one = running.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let mut next = Mailing::clone(&running.now());
            let text = next.message;
            let steps = decide(&mut next)?;
            let mut change = Change::new()
                .require(Guard::MailingAt(next.id, next.version))
                .then_all(steps)
                .then(Step::PutMailing(next.clone()));
            if next.message != text {
                change = change.then(Step::DropMessage(text));
            }
            if self.store().change(change).await? == ChangeOutcome::Done {
                next.version += 1;
                let next = Arc::new(next);
                running.row.store(next.clone());
                self.say_changed();
                return Ok(next);
            }
            let stored = self.store().mailing(running.id).await?;
            running
                .row
                .store(Arc::new(stored.ok_or(ListError::Unknown)?));
        }
        Err(ListError::Busy)
    }
}
