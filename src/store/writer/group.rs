//! What is committed together: writes as values, the like ones of a group side by side, each with the caller who waits for
//! it. It knows neither the disk nor the journal.

use tokio::sync::oneshot;

use super::transaction::Tx;
use crate::id::MessageId;
use crate::store::StoreError;
use crate::store::body::StageChunk;
use crate::store::change::{Change, ChangeOutcome};
use crate::store::ledger::RecordOutcomes;
use crate::store::mailbox::FolderAct;
use crate::store::message::{AcceptMessage, AcceptTogether};

/// A write as a value. Like writes of one group are applied together, as few statements as can be.
pub(in crate::store) trait Write: Send + 'static {
    /// What the caller learns once the commit is on the disk.
    type Outcome: Send + 'static;

    /// Applies all writes of one group, in order; the outcomes stand in the same order.
    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Outcome>, StoreError>
    where
        Self: Sized;
}

/// A write and who waits for it.
pub(in crate::store) struct Ticket<W: Write> {
    write: W,
    done: oneshot::Sender<Result<W::Outcome, StoreError>>,
}

/// The like writes of one group.
struct Batch<W: Write> {
    writes: Vec<W>,
    waiting: Vec<oneshot::Sender<Result<W::Outcome, StoreError>>>,
    outcomes: Vec<W::Outcome>,
}

impl<W: Write> Default for Batch<W> {
    fn default() -> Self {
        Self {
            writes: Vec::new(),
            waiting: Vec::new(),
            outcomes: Vec::new(),
        }
    }
}

impl<W: Write> Batch<W> {
    fn push(&mut self, ticket: Ticket<W>) {
        self.writes.push(ticket.write);
        self.waiting.push(ticket.done);
    }

    async fn apply(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.outcomes.clear();
        if !self.writes.is_empty() {
            self.outcomes = W::apply(&self.writes, tx).await?;
            debug_assert_eq!(
                self.outcomes.len(),
                self.writes.len(),
                "one outcome for each write"
            );
        }
        Ok(())
    }

    /// Tells everybody that the commit is on the disk.
    fn settle(&mut self) {
        self.writes.clear();
        for (waiting, outcome) in self.waiting.drain(..).zip(self.outcomes.drain(..)) {
            let _ = waiting.send(Ok(outcome));
        }
    }

    /// Tells everybody why nothing was written.
    fn refuse(&mut self, error: &StoreError) {
        self.writes.clear();
        self.outcomes.clear();
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(Err(error.clone()));
        }
    }

    /// Takes the writes apart into groups of one.
    fn singles(&mut self) -> impl Iterator<Item = Self> + use<W> {
        let writes = std::mem::take(&mut self.writes);
        let waiting = std::mem::take(&mut self.waiting);
        self.outcomes.clear();
        writes.into_iter().zip(waiting).map(|(write, done)| Self {
            writes: vec![write],
            waiting: vec![done],
            outcomes: Vec::new(),
        })
    }
}

/// Declares every kind of write, in the order in which one group applies them.
macro_rules! kinds {
    ($($field:ident: $kind:ident,)*) => {
        pub(in crate::store) enum Job { $($kind(Ticket<$kind>),)* }

        $(impl Submit for $kind {
            fn into_job(self, done: oneshot::Sender<Result<Self::Outcome, StoreError>>) -> AnyJob {
                AnyJob(Work::Write(Box::new(Job::$kind(Ticket { write: self, done }))))
            }
        })*

        /// All writes that share one transaction.
        #[derive(Default)]
        pub(super) struct Group { $($field: Batch<$kind>,)* }

        impl Group {
            pub(super) fn push(&mut self, job: Job) {
                match job { $(Job::$kind(ticket) => self.$field.push(ticket),)* }
            }
            pub(super) fn len(&self) -> usize { 0 $(+ self.$field.waiting.len())* }
            pub(super) async fn apply(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
                $(self.$field.apply(tx).await?;)*
                Ok(())
            }
            pub(super) fn settle(&mut self) { $(self.$field.settle();)* }
            pub(super) fn refuse(&mut self, error: &StoreError) { $(self.$field.refuse(error);)* }
            pub(super) fn singles(&mut self) -> Vec<Group> {
                let mut singles = Vec::with_capacity(self.len());
                $(for batch in self.$field.singles() {
                    singles.push(Group { $field: batch, ..Group::default() });
                })*
                singles
            }
        }
    };
}

kinds! {
    changes: Change,
    outcomes: RecordOutcomes,
    staged: StageChunk,
    accepted: AcceptMessage,
    together: AcceptTogether,
    acts: FolderAct,
}

/// A write of any kind with its waiting caller, or a staged body that is to be forgotten.
pub(in crate::store) struct AnyJob(pub(super) Work);

pub(in crate::store) enum Work {
    Write(Box<Job>),
    Forget(MessageId),
}

/// A write that can be handed to the writer.
pub(in crate::store) trait Submit: Write {
    /// Puts the write beside the one who waits for it.
    fn into_job(self, done: oneshot::Sender<Result<Self::Outcome, StoreError>>) -> AnyJob;
}

impl Group {
    /// The changes among the writes.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.writes.iter()
    }

    /// The changes that were made, and not those that met a conflict.
    pub(super) fn made(&self) -> impl Iterator<Item = &Change> {
        let changes = self.changes().zip(&self.changes.outcomes);
        changes
            .filter(|(_, outcome)| **outcome == ChangeOutcome::Done)
            .map(|(change, _)| change)
    }

    /// The messages that were accepted.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &AcceptMessage> {
        let messages = self.accepted.writes.iter().zip(&self.accepted.outcomes);
        messages
            .filter(|(_, outcome)| outcome.is_ok())
            .map(|(message, _)| message)
    }
}
