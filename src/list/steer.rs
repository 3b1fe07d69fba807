//! Mailings as staff see and steer them: list, preview, pause, resume, cancel.

use jiff::Timestamp;

use super::running::Running;
use super::{ListError, Mailings, approve, cause, sample};
use crate::id::{MailingId, StaffId};
use crate::staff::Actor;
use crate::store::{Mailing, MailingRecord, MailingState, Role, Stopped};

/// The fewest digits of its number that a mailing is found by.
const FEWEST: usize = 4;

/// A mailing as staff see it. `Debug` shows no subject.
#[derive(Clone, PartialEq, Eq)]
pub struct MailingInfo {
    /// Its number.
    pub id: MailingId,
    /// The list's key.
    pub list: String,
    /// The constituencies that it is narrowed to.
    pub constituencies: Option<Vec<String>>,
    /// Its subject.
    pub subject: String,
    /// The name of who wrote it.
    pub sender: String,
    /// Where it stands.
    pub state: MailingState,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// The names of who approved it.
    pub approved_by: Vec<String>,
    /// Whether somebody else than the sender has to approve it.
    pub second_person: bool,
    /// When it was released.
    pub released_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The digest of the prepared bytes.
    pub digest: String,
    /// Why the service itself stopped it, and what to do, in words.
    pub stopped: Option<String>,
}

impl std::fmt::Debug for MailingInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MailingInfo({}, {:?})", self.id, self.state)
    }
}

/// A mailing as a subscriber would get it. `Debug` shows its size.
#[derive(Clone)]
pub struct Preview {
    /// The mailing.
    pub info: MailingInfo,
    /// The message, for a reader who doesn't exist.
    pub message: Vec<u8>,
}

impl std::fmt::Debug for Preview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Preview({} octets)", self.message.len())
    }
}

impl Mailings {
    /// The mailings that somebody may see, the newest first; only those that are not over with `current`.
    ///
    /// # Errors
    /// [`ListError::Store`].
    pub async fn list(&self, current: bool, to: &Actor) -> Result<Vec<MailingInfo>, ListError> {
        let mut all: Vec<_> = self.store().mailings().await?;
        all.retain(|one| may_see(to, &one.record) && (!current || !is_over(one.record.state)));
        all.sort_by_key(|one| std::cmp::Reverse((one.record.created_at, one.id)));
        Ok(all.iter().map(|one| self.info(one)).collect())
    }

    /// The mailing whose number begins with these digits, among those that somebody may see.
    ///
    /// # Errors
    /// [`ListError::Unknown`], or [`ListError::Ambiguous`] for too few digits.
    pub async fn find(&self, digits: &str, to: &Actor) -> Result<MailingId, ListError> {
        let digits = digits.trim().to_ascii_lowercase();
        if digits.len() < FEWEST {
            return Err(ListError::Ambiguous);
        }
        let all = self.store().mailings().await?.into_iter();
        let mut fitting =
            all.filter(|one| may_see(to, &one.record) && one.id.to_string().starts_with(&digits));
        let found = fitting.next().ok_or(ListError::Unknown)?;
        match fitting.next() {
            None => Ok(found.id),
            Some(_) => Err(ListError::Ambiguous),
        }
    }

    /// One mailing.
    ///
    /// # Errors
    /// [`ListError::Unknown`] or [`ListError::Store`].
    pub async fn show(&self, id: MailingId) -> Result<MailingInfo, ListError> {
        Ok(self.info(&*self.mailing(id).await?))
    }

    /// How many wait for approval, and how many are on their way or paused.
    pub fn counts(&self) -> (u64, u64) {
        let (mut held, mut running) = (0, 0);
        for one in self.all_running() {
            match one.state() {
                MailingState::Held => held += 1,
                MailingState::Sending | MailingState::Paused => running += 1,
                MailingState::Cancelled | MailingState::Done => {}
            }
        }
        (held, running)
    }

    /// A mailing as a subscriber would get it.
    ///
    /// # Errors
    /// [`ListError::Damaged`] if the prepared bytes aren't those that were held; [`ListError::Unknown`].
    pub async fn preview(&self, id: MailingId, to: &Actor) -> Result<Preview, ListError> {
        let mailing = self.mailing(id).await?;
        if !may_see(to, &mailing.record) {
            return Err(ListError::Unknown);
        }
        if mailing.record.stopped == Some(Stopped::HeldTooLong) {
            return Err(ListError::Freed);
        }
        let terms = self.0.terms.load_full();
        if mailing.record.state == MailingState::Held && terms.list(&mailing.record.list).is_none()
        {
            return Err(ListError::NotConfigured(mailing.record.list.clone()));
        }
        let prepared = self.prepared(&mailing).await?;
        let at = mailing.record.released_at;
        let at = at.unwrap_or(mailing.record.created_at);
        Ok(Preview {
            info: self.info(&mailing),
            message: sample::copy(&terms, &prepared, at)?,
        })
    }

    /// Stops a mailing for a while. Once this answers, no final dot of it leaves but those that were cleared before.
    ///
    /// # Errors
    /// A [`ListError`]: nothing was done.
    pub async fn pause(&self, id: MailingId, by: &Actor) -> Result<MailingInfo, ListError> {
        let turn =
            |record: &mut MailingRecord| turn(record, MailingState::Sending, MailingState::Paused);
        self.steer(id, by, "mailing pause", "paused", turn).await
    }

    /// Lets a paused mailing go on.
    ///
    /// # Errors
    /// A [`ListError`]: nothing was done.
    pub async fn resume(&self, id: MailingId, by: &Actor) -> Result<MailingInfo, ListError> {
        self.may_steer(by, id).await?;
        let mailing = self.mailing(id).await?;
        // What somebody wrote themselves goes on only as long as they may send it, whatever else they are.
        let is_sender = by.id() == mailing.record.sender;
        if is_sender || !(by.has(Role::Approver) || by.has(Role::Admin)) {
            self.may_send(by, &mailing.record)?;
        }
        let list = &mailing.record.list;
        if self.terms().list(list).is_none() {
            return Err(ListError::NotConfigured(list.clone()));
        }
        let turn = |record: &mut MailingRecord| {
            let fits = turn(record, MailingState::Paused, MailingState::Sending);
            if fits {
                record.stopped = None;
            }
            fits
        };
        let info = self
            .steer(id, by, "mailing resume", "resumed", turn)
            .await?;
        self.0.work.notify_one();
        Ok(info)
    }

    /// Ends a mailing for good. Copies that were not sent are never sent.
    ///
    /// # Errors
    /// A [`ListError`]: nothing was done.
    pub async fn cancel(
        &self,
        id: MailingId,
        by: &Actor,
        why: Option<&str>,
    ) -> Result<MailingInfo, ListError> {
        self.may_steer(by, id).await?;
        let running = self.current(id, "cancelled").await?;
        self.end(&running, by, "mailing cancel", why).await
    }

    /// Cancels a running mailing.
    pub(super) async fn end(
        &self,
        running: &Running,
        by: &Actor,
        verb: &str,
        why: Option<&str>,
    ) -> Result<MailingInfo, ListError> {
        let act = self.act(by, verb, running.id, why);
        let now = self.clock().now();
        let ended = self.alter(running, |record| {
            if is_over(record.state) {
                return Err(ListError::State {
                    state: record.state,
                    act: "cancelled",
                });
            }
            record.state = MailingState::Cancelled;
            record.ended_at = Some(now);
            record.links.clear();
            Ok(vec![approve::step(&act)?])
        });
        let ended = ended.await?;
        self.sign_quietly().await;
        self.0.work.notify_one();
        Ok(self.info(&ended))
    }

    /// A sender steers their own mailings; approvers and admins any, so that a wrong one can always be stopped.
    async fn may_steer(&self, by: &Actor, id: MailingId) -> Result<(), ListError> {
        if by.has(Role::Approver) || by.has(Role::Admin) {
            return Ok(());
        }
        by.require(Role::Sender)?;
        match self.mailing(id).await?.record.sender == by.id() {
            true => Ok(()),
            false => Err(ListError::NotYoursToSteer),
        }
    }

    async fn steer(
        &self,
        id: MailingId,
        by: &Actor,
        verb: &str,
        act: &'static str,
        turn: impl Fn(&mut MailingRecord) -> bool + Send + Sync,
    ) -> Result<MailingInfo, ListError> {
        self.may_steer(by, id).await?;
        let running = self.current(id, act).await?;
        let logged = self.act(by, verb, id, None);
        let turned = self.alter(&running, |record| match turn(record) {
            true => Ok(vec![approve::step(&logged)?]),
            false => Err(ListError::State {
                state: record.state,
                act,
            }),
        });
        let turned = turned.await?;
        self.sign_quietly().await;
        Ok(self.info(&turned))
    }

    /// A mailing that is not over.
    async fn current(
        &self,
        id: MailingId,
        act: &'static str,
    ) -> Result<std::sync::Arc<Running>, ListError> {
        match self.running(id) {
            Some(running) => Ok(running),
            None => Err(ListError::State {
                state: self.mailing(id).await?.record.state,
                act,
            }),
        }
    }

    pub(super) fn info(&self, mailing: &Mailing) -> MailingInfo {
        let record = &mailing.record;
        let approvals = record.approvals.iter();
        MailingInfo {
            id: mailing.id,
            list: record.list.clone(),
            constituencies: record.constituencies.clone(),
            subject: record.subject.clone(),
            sender: self.name_of(record.sender),
            state: record.state,
            created_at: record.created_at,
            approved_by: approvals.map(|one| self.name_of(one.by)).collect(),
            second_person: record.second_person,
            released_at: record.released_at,
            ended_at: record.ended_at,
            digest: record.digest.clone(),
            stopped: record
                .stopped
                .map(|stopped| cause::stopped_in_words(stopped, &record.list)),
        }
    }

    /// The name of an account, revoked or not.
    pub(super) fn name_of(&self, id: StaffId) -> String {
        let roll = self.staff().roll();
        let member = roll.all().iter().find(|member| member.id == id);
        member.map_or_else(|| id.to_string(), |member| member.name.clone())
    }
}

fn turn(record: &mut MailingRecord, from: MailingState, to: MailingState) -> bool {
    let fits = record.state == from;
    if fits {
        record.state = to;
    }
    fits
}

fn is_over(state: MailingState) -> bool {
    matches!(state, MailingState::Cancelled | MailingState::Done)
}

/// Approvers and admins see every mailing, its sender sees it too. Everybody else sees it once it went out: then it's in
/// every subscriber's inbox.
fn may_see(who: &Actor, record: &MailingRecord) -> bool {
    who.has(Role::Approver)
        || who.has(Role::Admin)
        || who.id() == record.sender
        || record.released_at.is_some()
}
