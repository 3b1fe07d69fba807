//! A change: what must still hold, and what is then done, all in one transaction. Rooms read, decide, and hand a change
//! over; if what they read was changed meanwhile nothing is done, and they read and decide again.

use jiff::Timestamp;
use sqlx::Row;

use super::bounce::{self, Bounce};
use super::contact::{self, Question};
use super::intake::{self, Intake};
use super::journal::JournalEntry;
use super::ledger::{self, LedgerRow};
use super::log::{self, NewEvent, StoredCheckpoint};
use super::mailbox::{self, Delivery, OutlineRow};
use super::mailing::Mailing;
use super::message::{self, OwnMessage};
use super::queue::{self, Queued};
use super::report::{self, ReportRow};
use super::request::{self, Challenge, Request};
use super::setting::{self, Setting};
use super::staff::Staff;
use super::sts_policy::{self, StsRow};
use super::subscriber::{self, Subscriber};
use super::suppression::Suppression;
use super::tls_day::{self, TlsDayRow};
use super::wording::Wording;
use super::writer::{Tx, Write};
use super::{Store, StoreError};
use crate::id::{
    IntakeId, MailingId, MessageId, QueueId, RequestId, StaffId, SubscriberId, TlsDayId,
};
use crate::vault::{Index, TokenHash};

/// What must hold when the change is made. All guards are looked at before anything is written.
#[derive(Debug, Clone)]
pub enum Guard {
    /// This subscriber has not been changed since it was read.
    SubscriberAt(SubscriberId, i64),
    /// No subscriber has this address.
    NoSubscriber(Index),
    /// No subscriber has this suppression index.
    NobodyUnder(Index),
    /// These suppressions have not been changed since they were read (0: there are none).
    SuppressionAt(Index, i64),
    /// This request still waits.
    RequestWaits(RequestId),
    /// These challenges have not been changed since they were read (0: there are none).
    ChallengeAt(Index, i64),
    /// This stranger's question is still there.
    QuestionStands(TokenHash),
    /// This work is still to be done.
    IntakeWaits(IntakeId),
    /// This mailing has not been changed since it was read.
    MailingAt(MailingId, i64),
    /// This account has not been changed since it was read.
    StaffAt(StaffId, i64),
    /// No account has this name.
    NoStaffNamed(Index),
    /// This mail is still queued.
    Queued(QueueId),
    /// This mail is still queued and due at this time: an attempt that begins moves it.
    QueuedAt(QueueId, Timestamp),
}

/// One thing to be done.
pub enum Step {
    /// Writes a setting.
    PutSetting(Setting),
    /// Erases a setting.
    RemoveSetting(std::borrow::Cow<'static, str>),
    /// Writes a staff account as its next version.
    PutStaff(Staff),
    /// Writes a subscriber as its next version.
    PutSubscriber(Subscriber),
    /// Erases a subscriber.
    RemoveSubscriber(SubscriberId),
    /// Writes suppressions as their next version.
    PutSuppression(Suppression),
    /// Writes a request in place of an older one of the same address.
    PutRequest(Request),
    /// Erases a request.
    RemoveRequest(RequestId),
    /// Writes a challenge count as its next version.
    PutChallenge(Challenge),
    /// Erases a challenge count.
    RemoveChallenge(Index),
    /// Erases requests and challenge counts whose time is over.
    ExpireRequests(Timestamp),
    /// Leaves work for a worker, or puts it off.
    PutIntake(Intake),
    /// The work is done.
    RemoveIntake(IntakeId),
    /// Makes an address a contact, and brings what waits of it and proves itself into the inboxes; of much the rest is left
    /// for the worker.
    Meet(Vec<Index>, Timestamp),
    /// Goes on with that, and removes the work with the last of it.
    ReleaseOn(Vec<Index>, Timestamp, Box<Intake>),
    /// Forgets that an address is a contact, and that it was asked.
    ForgetContact(Vec<Index>),
    /// Erases the mail of an address that waits, but in mailboxes on hold.
    EraseWaiting(Vec<Index>),
    /// Writes down that a stranger was asked, or what came of it.
    PutQuestion(Question),
    /// Forgets questions of before a time, and of behind another.
    ForgetQuestions(Timestamp, Timestamp),
    /// Keeps a text that is being shown.
    PutWording(Wording),
    /// Appends to a log.
    Append(NewEvent),
    /// Erases all events about a person from the consent log.
    EraseEvidence(Index),
    /// Keeps a signed checkpoint.
    PutCheckpoint(StoredCheckpoint),
    /// Keeps a message that we made.
    PutMessage(OwnMessage),
    /// Removes a message that nothing refers to any more.
    DropMessage(MessageId),
    /// Puts a kept message into a folder.
    Deliver(Delivery),
    /// Keeps beside a message what lists of messages show of it.
    PutOutline(OutlineRow),
    /// Gives every folder a UIDVALIDITY that none ever had: the store was brought back from a copy.
    RaiseUidValidity(Timestamp),
    /// Keeps what came back to a return path.
    PutBounce(Bounce),
    /// Queues mail, or writes its new state.
    PutQueued(Queued),
    /// The mail is done with.
    RemoveQueued(QueueId),
    /// Keeps another domain's MTA-STS policy in place of an older one.
    PutStsPolicy(StsRow),
    /// Forgets one.
    RemoveStsPolicy(Index),
    /// Writes what came of a day's connections to a domain.
    PutTlsDay(TlsDayRow),
    /// That day is reported, or given up.
    RemoveTlsDay(TlsDayId),
    /// Forgets days whose reports were due before.
    ForgetTlsDays(Timestamp),
    /// Keeps a report of others, unless it is there.
    PutReport(ReportRow),
    /// Forgets reports whose time is over.
    ForgetReports(Timestamp),
    /// Writes a mailing as its next version.
    PutMailing(Mailing),
    /// Writes ledger rows for copies that have none yet.
    PutCopies(Vec<LedgerRow>),
    /// Forgets ledger rows of a mailing whose outcomes were counted, at most this many.
    RemoveCopies(MailingId, u32),
    /// Takes a person out of the ledger, of these mailings or of all.
    UnlinkCopies(SubscriberId, Option<Vec<MailingId>>, Timestamp),
    /// Removes what came back for a person's copies, while the ledger still says whose they are.
    RemoveBouncesOf(SubscriberId),
    /// Removes what came back for copies that the ledger no longer has, at most so many.
    RemoveStrayBounces(u32),
    /// Writes the journal's file: what forbids is synced before the commit, what allows again after it.
    Journal(JournalEntry),
}

impl Step {
    /// Whether something is gone for good afterwards. A new step has to say it.
    fn erases(&self) -> bool {
        match self {
            Self::RemoveSubscriber(_)
            | Self::RemoveSetting(_)
            | Self::RemoveRequest(_)
            | Self::RemoveChallenge(_)
            | Self::ExpireRequests(_)
            | Self::RemoveIntake(_)
            | Self::ForgetContact(_)
            | Self::EraseWaiting(_)
            | Self::ForgetQuestions(..)
            | Self::EraseEvidence(_)
            | Self::DropMessage(_)
            | Self::RemoveQueued(_)
            | Self::RemoveStsPolicy(_)
            | Self::RemoveTlsDay(_)
            | Self::ForgetTlsDays(_)
            | Self::ForgetReports(_)
            | Self::RemoveCopies(..)
            | Self::UnlinkCopies(..)
            | Self::RemoveBouncesOf(_)
            | Self::RemoveStrayBounces(_) => true,
            Self::PutSetting(_)
            | Self::PutStaff(_)
            | Self::PutSubscriber(_)
            | Self::PutSuppression(_)
            | Self::PutRequest(_)
            | Self::PutChallenge(_)
            | Self::PutIntake(_)
            | Self::Meet(..)
            | Self::ReleaseOn(..)
            | Self::PutQuestion(_)
            | Self::PutWording(_)
            | Self::Append(_)
            | Self::PutCheckpoint(_)
            | Self::PutMessage(_)
            | Self::Deliver(_)
            | Self::PutOutline(_)
            | Self::RaiseUidValidity(_)
            | Self::PutBounce(_)
            | Self::PutQueued(_)
            | Self::PutStsPolicy(_)
            | Self::PutTlsDay(_)
            | Self::PutReport(_)
            | Self::PutMailing(_)
            | Self::PutCopies(_)
            | Self::Journal(_) => false,
        }
    }
}

/// Guards and steps. See the module's documentation.
#[derive(Default)]
pub struct Change {
    guards: Vec<Guard>,
    steps: Vec<Step>,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ChangeOutcome {
    /// It is on the disk.
    Done,
    /// A guard did not hold: nothing was done. Read and decide again.
    Conflict,
}

impl Change {
    /// A change that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does nothing at all unless this holds.
    pub fn require(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }

    /// Does this, after what was added before.
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Does these, in order.
    pub fn then_all(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.extend(steps);
        self
    }

    pub(super) fn journal_entries(&self) -> impl Iterator<Item = JournalEntry> + '_ {
        journal_entries(&self.steps)
    }

    /// Whether something is gone for good afterwards, so that its traces must go as well.
    pub(super) fn erases(&self) -> bool {
        self.steps.iter().any(Step::erases)
    }

    async fn holds(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        for guard in &self.guards {
            if !guard.holds(tx).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Write for Change {
    type Outcome = ChangeOutcome;

    /// Changes are applied one after the other: the second of two that touch the same row sees what the first did.
    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<ChangeOutcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for change in writes {
            if !change.holds(tx).await? {
                outcomes.push(ChangeOutcome::Conflict);
                continue;
            }
            for step in &change.steps {
                apply_step(step, tx).await?;
            }
            outcomes.push(ChangeOutcome::Done);
        }
        Ok(outcomes)
    }
}

/// How a guard's row is looked up, and which version it must have (`None`: it must not be there).
struct LookUp<'a> {
    sql: &'static str,
    key: &'a [u8],
    version: Option<i64>,
}

impl Guard {
    fn look_up(&self) -> LookUp<'_> {
        let (sql, key, version): (&'static str, &[u8], Option<i64>) = match self {
            Self::SubscriberAt(id, version) => (
                "SELECT version FROM subscriber WHERE id = $1",
                id.as_bytes(),
                Some(*version),
            ),
            Self::NoSubscriber(index) => (
                "SELECT 1 FROM subscriber WHERE address_index = $1",
                index.as_bytes(),
                None,
            ),
            Self::NobodyUnder(index) => (
                "SELECT 1 FROM subscriber WHERE suppression_index = $1",
                index.as_bytes(),
                None,
            ),
            Self::SuppressionAt(index, version) => (
                "SELECT version FROM suppression WHERE suppression_index = $1",
                index.as_bytes(),
                Some(*version).filter(|version| *version > 0),
            ),
            Self::RequestWaits(id) => (
                "SELECT 1 FROM request WHERE id = $1",
                id.as_bytes(),
                Some(1),
            ),
            Self::ChallengeAt(index, version) => (
                "SELECT version FROM challenge WHERE address_index = $1",
                index.as_bytes(),
                Some(*version).filter(|version| *version > 0),
            ),
            Self::QuestionStands(token) => (
                "SELECT 1 FROM question WHERE token_hash = $1",
                token.as_bytes(),
                Some(1),
            ),
            Self::IntakeWaits(id) => ("SELECT 1 FROM intake WHERE id = $1", id.as_bytes(), Some(1)),
            Self::MailingAt(id, version) => (
                "SELECT version FROM mailing WHERE id = $1",
                id.as_bytes(),
                Some(*version),
            ),
            Self::StaffAt(id, version) => (
                "SELECT version FROM staff WHERE id = $1",
                id.as_bytes(),
                Some(*version),
            ),
            Self::NoStaffNamed(index) => (
                "SELECT 1 FROM staff WHERE name_index = $1",
                index.as_bytes(),
                None,
            ),
            Self::QueuedAt(id, due_at) => (
                "SELECT due_at FROM queue WHERE id = $1",
                id.as_bytes(),
                Some(due_at.as_millisecond()),
            ),
            Self::Queued(id) => ("SELECT 1 FROM queue WHERE id = $1", id.as_bytes(), Some(1)),
        };
        LookUp { sql, key, version }
    }

    async fn holds(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let LookUp { sql, key, version } = self.look_up();
        let row = sqlx::query(sql)
            .bind(key)
            .fetch_optional(&mut *tx.connection)
            .await?;
        let found = row.map(|row| row.try_get::<i64, _>(0)).transpose()?;
        Ok(found == version)
    }
}

/// What steps put into the journal; the writer does it with the commit.
pub(super) fn journal_entries(steps: &[Step]) -> impl Iterator<Item = JournalEntry> + '_ {
    steps.iter().filter_map(|step| match step {
        Step::Journal(entry) => Some(entry.clone()),
        _ => None,
    })
}

/// Does one step inside the running transaction.
pub(super) async fn apply_step(step: &Step, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    match step {
        Step::PutSetting(setting) => setting.put(tx).await,
        Step::RemoveSetting(name) => setting::remove(name, tx).await,
        Step::PutStaff(staff) => staff.put(tx).await,
        Step::PutSubscriber(subscriber) => subscriber.put(tx).await,
        Step::RemoveSubscriber(id) => subscriber::remove(*id, tx).await,
        Step::PutSuppression(suppression) => suppression.put(tx).await,
        Step::PutRequest(request) => request.put(tx).await,
        Step::RemoveRequest(id) => request::remove(*id, tx).await,
        Step::PutChallenge(challenge) => challenge.put(tx).await,
        Step::RemoveChallenge(index) => request::remove_challenge(index, tx).await,
        Step::ExpireRequests(now) => request::expire(*now, tx).await,
        Step::PutIntake(intake) => intake.put(tx).await,
        Step::RemoveIntake(id) => intake::remove(*id, tx).await,
        Step::Meet(address, at) => contact::meet_and_release(address, *at, tx).await,
        Step::ReleaseOn(address, at, work) => contact::release_on(address, *at, work, tx).await,
        Step::ForgetContact(address) => contact::forget(address, tx).await,
        Step::EraseWaiting(address) => contact::erase_waiting(address, tx).await,
        Step::PutQuestion(question) => question.put(tx).await,
        Step::ForgetQuestions(before, behind) => contact::forget_old(*before, *behind, tx).await,
        Step::PutWording(wording) => wording.put(tx).await,
        Step::Append(event) => log::append(event, tx).await,
        Step::EraseEvidence(subject) => log::erase(subject, tx).await,
        Step::PutCheckpoint(checkpoint) => checkpoint.put(tx).await,
        Step::PutMessage(message) => message.insert(tx).await,
        Step::DropMessage(id) => message::delete_if_unreferenced(*id, tx).await,
        Step::Deliver(delivery) => {
            let size = message::size_in(delivery.message, tx).await?;
            let folders = mailbox::Working::default();
            let placed = mailbox::deliver(&[(delivery, size)], folders, tx).await;
            placed.map(drop)
        }
        Step::PutOutline(outline) => mailbox::put_late_outline(outline, tx).await,
        Step::RaiseUidValidity(at) => mailbox::raise_uid_validity(*at, tx).await,
        Step::PutBounce(bounce) => bounce.insert(tx).await,
        Step::PutQueued(queued) => queued.put(tx).await,
        Step::RemoveQueued(id) => queue::remove(*id, tx).await,
        Step::PutStsPolicy(row) => row.put(tx).await,
        Step::RemoveStsPolicy(index) => sts_policy::remove(index, tx).await,
        Step::PutTlsDay(row) => row.put(tx).await,
        Step::RemoveTlsDay(id) => tls_day::remove(*id, tx).await,
        Step::ForgetTlsDays(before) => tls_day::forget(*before, tx).await,
        Step::PutReport(row) => row.put(tx).await,
        Step::ForgetReports(now) => report::forget(*now, tx).await,
        Step::PutMailing(mailing) => mailing.put(tx).await,
        Step::PutCopies(rows) => ledger::insert(rows, tx).await,
        Step::RemoveCopies(mailing, limit) => ledger::remove(*mailing, *limit, tx).await,
        Step::UnlinkCopies(id, only, now) => ledger::unlink(*id, only.as_deref(), *now, tx).await,
        Step::RemoveBouncesOf(id) => bounce::remove_bounces_of(*id, tx).await,
        Step::RemoveStrayBounces(limit) => bounce::remove_stray_bounces(*limit, tx).await,
        // The writer puts it into its file with the commit.
        Step::Journal(_) => Ok(()),
    }
}

impl Store {
    /// Makes a change. Once this answers [`ChangeOutcome::Done`] it is on the disk, and on the journal's.
    ///
    /// # Errors
    /// A [`StoreError`]: nothing was done.
    pub async fn change(&self, change: Change) -> Result<ChangeOutcome, StoreError> {
        self.writer.write(change).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_leaves_no_trace_either() {
        let now = Timestamp::UNIX_EPOCH;
        for step in [
            Step::ForgetReports(now),
            Step::ForgetTlsDays(now),
            Step::DropMessage(MessageId::random()),
            Step::RemoveBouncesOf(SubscriberId::random()),
            Step::RemoveStrayBounces(1),
        ] {
            assert!(Change::new().then(step).erases());
        }
        assert!(!Change::new().then(Step::PutCopies(Vec::new())).erases());
    }
}
