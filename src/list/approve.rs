//! Who may let a mailing go, and the links by which the other approvers do. An approval is bound to the digest of the
//! prepared bytes, which are read again before anything is released.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::SignedDuration;
use subtle::ConstantTimeEq as _;

use super::accept::{audience_for, hex};
use super::running::Running;
use super::settings::{ApprovalRule, Terms};
use super::{ListError, MailingInfo, Mailings, notice, sample};
use crate::audit::{Act, ActObject, LogKind, NotCanonical};
use crate::consent::MaskedCount;
use crate::id::MailingId;
use crate::message::reading::Reading;
use crate::staff::{Actor, CodeAsked, NotAllowed, StaffError, sign_checkpoint};
use crate::store::{Approval, MailingRecord, MailingState, NewEvent, Role, Step};
use crate::template::Text;
use crate::vault::ConfirmToken;
use std::sync::Arc;

/// A mailing that nobody approved for so long is not approved any more.
pub(super) const HELD_FOR: SignedDuration = SignedDuration::from_hours(24 * 14);

/// What an approver says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may go.
    Approve,
    /// It may not: it is cancelled.
    Refuse,
}

/// What a mailing goes out in spite of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Despite {
    /// Nothing: it is refused.
    Nothing,
    /// DNS records that are not in order; that stands in the audit log.
    Dns,
}

/// What an approval comes with.
#[derive(Clone, Copy)]
pub struct Approving<'a> {
    /// The digest of the bytes that it is for; without one it is for those that are held.
    pub digest: Option<&'a str>,
    /// What they go out in spite of.
    pub despite: Despite,
    /// A code of the approver's second factor.
    pub code: Option<&'a str>,
}

/// What the page behind an approver's link shows. `Debug` shows none of it.
#[derive(Clone)]
pub struct ApprovalView {
    /// The mailing.
    pub id: MailingId,
    /// The list's title.
    pub list: Text,
    /// Who wrote it.
    pub sender: String,
    /// Its subject.
    pub subject: String,
    /// The names of the constituencies that it is narrowed to; none is the whole list.
    pub constituencies: Option<String>,
    /// How many it would go to now.
    pub audience: MaskedCount,
    /// What it says and carries, as a reader gets it.
    pub reading: Reading,
    /// The digest of what is approved.
    pub digest: String,
    /// Whether its list is in the configuration: to one that isn't, nothing goes.
    pub configured: bool,
    /// What this approver has to bring beside the link.
    pub asked: CodeAsked,
}

impl std::fmt::Debug for ApprovalView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApprovalView({})", self.id)
    }
}

/// What stands in the record for a link: nobody who reads it can make the link, and no link fits other bytes.
pub(super) fn bound(token: &ConfirmToken, digest: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(b"hustings approval link v1\0");
    context.update(token.hash().as_bytes());
    context.update(digest.as_bytes());
    hex(context.finish().as_ref())
}

impl Mailings {
    /// Whether somebody else than the sender must approve now: the list says so and two approvers exist. An account that
    /// doesn't open may be the second one's: damage must not make the rule weaker.
    pub(super) fn needs_second_person(&self, terms: &Terms, list: &str) -> bool {
        let rule = terms.settings.list(list).map(|list| list.approval);
        // A list that is no longer configured has lost its rule, not its danger.
        let roll = self.staff().roll();
        rule != Some(ApprovalRule::Sender)
            && (roll.with_role(Role::Approver).count() >= 2 || roll.broken() > 0)
    }

    /// Approves a held mailing by name and lets it go. With a digest, the approval is of these bytes and no others.
    ///
    /// # Errors
    /// A [`ListError`]: who may not, what has changed, or where the mailing stands. Nothing was done.
    pub async fn approve(
        &self,
        id: MailingId,
        by: &Actor,
        digest: Option<&str>,
    ) -> Result<MailingInfo, ListError> {
        let approving = Approving {
            digest,
            despite: Despite::Nothing,
            code: None,
        };
        self.approve_with(id, by, approving).await
    }

    /// The same, with what an approval may have to come with.
    ///
    /// # Errors
    /// As [`Mailings::approve`].
    pub async fn approve_with(
        &self,
        id: MailingId,
        by: &Actor,
        approving: Approving<'_>,
    ) -> Result<MailingInfo, ListError> {
        let running = self.held(id).await?;
        let record = &running.now().record;
        if approving
            .digest
            .is_some_and(|digest| !digest.eq_ignore_ascii_case(&record.digest))
        {
            return Err(ListError::Digest);
        }
        self.release(&running, by, approving).await
    }

    /// What an approver's link shows; none for a link that doesn't work. Changes nothing.
    ///
    /// # Errors
    /// [`ListError::Damaged`] if the prepared bytes aren't those that were held, or [`ListError::Store`].
    pub async fn approval_page(&self, token: &str) -> Result<Option<ApprovalView>, ListError> {
        let Some((running, approver)) = self.by_link(token) else {
            return Ok(None);
        };
        let mailing = running.now();
        let prepared = self.prepared(&mailing).await?;
        let terms = self.0.terms.load_full();
        let record = &mailing.record;
        let copy = sample::copy(&terms, &prepared, record.created_at)?;
        let list = terms.settings.list(&record.list);
        Ok(Some(ApprovalView {
            id: mailing.id,
            list: list.map_or_else(
                || Text::english(record.list.clone()),
                |list| list.title.clone(),
            ),
            sender: self.name_of(record.sender),
            subject: record.subject.clone(),
            constituencies: notice::part_of(&terms, record),
            audience: audience_for(&self.as_of_now(record), approver.has(Role::Admin)),
            reading: Reading::of(&copy).unwrap_or_default(),
            digest: record.digest.clone(),
            configured: list.is_some(),
            asked: self.staff().code_asked(&approver),
        }))
    }

    /// Uses an approver's link. It works once; the other approvers' links end with it. `code` is one of the approver's
    /// second factor: who only got hold of the link lets nothing go. Whoever refuses needs none.
    ///
    /// # Errors
    /// [`ListError::Link`], or as [`Mailings::approve`].
    pub async fn decide_by_link(
        &self,
        token: &str,
        decision: Decision,
        code: Option<&str>,
    ) -> Result<MailingInfo, ListError> {
        let (running, approver) = self.by_link(token).ok_or(ListError::Link)?;
        match decision {
            Decision::Approve => {
                let approving = Approving {
                    digest: None,
                    despite: Despite::Nothing,
                    code,
                };
                self.release(&running, &approver, approving).await
            }
            Decision::Refuse => self.end(&running, &approver, "mailing refuse", None).await,
        }
    }

    /// The held mailing that a link is for, and the approver whose link it is, if both may still use it.
    fn by_link(&self, token: &str) -> Option<(Arc<Running>, Actor)> {
        let token = ConfirmToken::parse(token)?;
        let now = self.clock().now();
        let held = self.all_running().into_iter();
        held.filter(|running| running.state() == MailingState::Held)
            .find_map(|running| {
                let mailing = running.now();
                let expected = bound(&token, &mailing.record.digest);
                let fits = |bound: &str| bool::from(bound.as_bytes().ct_eq(expected.as_bytes()));
                let mut links = mailing.record.links.iter();
                let link = links.find(|link| fits(&link.bound) && now < link.expires_at)?;
                let approver = self.staff().actor(link.staff)?;
                approver.has(Role::Approver).then_some((running, approver))
            })
    }

    async fn held(&self, id: MailingId) -> Result<Arc<Running>, ListError> {
        let held = |state| match state {
            MailingState::Held => Ok(()),
            state => Err(ListError::State {
                state,
                act: "approved",
            }),
        };
        match self.running(id) {
            Some(running) => held(running.state()).map(|()| running),
            None => {
                held(self.mailing(id).await?.record.state)?;
                Err(ListError::Unknown)
            }
        }
    }

    /// Lets a held mailing go.
    async fn release(
        &self,
        running: &Running,
        by: &Actor,
        approving: Approving<'_>,
    ) -> Result<MailingInfo, ListError> {
        let mailing = running.now();
        let terms = self.may_release(by, &mailing.record)?;
        let why = self
            .dns_allows(&terms, &mailing.record.list, approving.despite)
            .await?;
        // Read again from the disk: what goes out is what was held, whatever became of it meanwhile.
        self.prepared(&mailing).await?;
        // Last: a code that was good is used up.
        self.staff().prove(by, approving.code).await?;
        // DNS may have taken its time: what was allowed before it may not be any more.
        let gone = || StaffError::Revoked(by.name().to_owned());
        let by = &self.staff().actor(by.id()).ok_or_else(gone)?;
        self.may_release(by, &mailing.record)?;
        let now = self.clock().now();
        let act = self.act(by, "mailing approve", running.id, why.as_deref());
        let codes = mailing.record.constituencies.as_deref();
        let expected = self.consent().count(&mailing.record.list, codes);
        let morning = self.consent().morning_count(&mailing.record.list, codes);
        let released = self.alter(running, |record| {
            if record.state != MailingState::Held {
                return Err(ListError::State {
                    state: record.state,
                    act: "approved",
                });
            }
            if record.digest != mailing.record.digest {
                return Err(ListError::Digest);
            }
            record.state = MailingState::Sending;
            record.released_at = Some(now);
            record.expected = expected;
            record.morning = morning;
            record.links.clear();
            record.approvals.push(Approval {
                by: by.id(),
                at: now,
            });
            Ok(vec![step(&act)?])
        });
        let released = released.await?;
        self.sign_quietly().await;
        self.0.work.notify_one();
        Ok(self.info(&released))
    }

    /// Whether a mailing may go now, by this person's word; by what is in force, which is given back.
    fn may_release(&self, by: &Actor, record: &MailingRecord) -> Result<Arc<Terms>, ListError> {
        let terms = self.0.terms.load_full();
        let second = record.second_person || self.needs_second_person(&terms, &record.list);
        self.may_approve(by, record, second)?;
        if terms.list(&record.list).is_none() {
            return Err(ListError::NotConfigured(record.list.clone()));
        }
        if self.clock().now().duration_since(record.created_at) >= HELD_FOR {
            return Err(ListError::TooOld);
        }
        if !terms.settings.signer(&record.list).can_sign() {
            return Err(ListError::NoKey);
        }
        Ok(terms)
    }

    /// Whether somebody may let a mailing go. Its sender is asked for what sending it asks: a grant may have been narrowed,
    /// or a training have ended, since it was written.
    fn may_approve(
        &self,
        by: &Actor,
        record: &MailingRecord,
        second: bool,
    ) -> Result<(), ListError> {
        let is_sender = by.id() == record.sender;
        if second {
            if is_sender {
                return Err(ListError::SecondPerson);
            }
            by.require(Role::Approver)?;
        } else if is_sender {
            self.may_send(by, record)?;
        } else if !by.has(Role::Approver) {
            return Err(ListError::NotYours);
        }
        Ok(())
    }

    /// Whether somebody may send such a mailing now.
    pub(super) fn may_send(&self, by: &Actor, record: &MailingRecord) -> Result<(), NotAllowed> {
        let codes = record.constituencies.as_deref();
        by.may_mail(&record.list, codes, self.clock().now())
    }

    /// Refuses a mailing that large receivers would refuse. Gives what stands in the log if it goes all the same.
    async fn dns_allows(
        &self,
        terms: &Terms,
        list: &str,
        despite: Despite,
    ) -> Result<Option<String>, ListError> {
        let settings = &terms.settings;
        let from = settings.list(list).map(|list| list.from.domain());
        let red = settings
            .standing
            .red(from.unwrap_or(&settings.mail_domain))
            .await;
        match (red.is_empty(), despite) {
            (true, _) => Ok(None),
            (false, Despite::Nothing) => Err(ListError::Dns(red)),
            (false, Despite::Dns) => {
                let mut topics: Vec<_> = red.iter().map(|one| one.topic).collect();
                topics.dedup();
                Ok(Some(format!(
                    "anyway: DNS is not in order ({})",
                    topics.join(", ")
                )))
            }
        }
    }

    /// An act on a mailing.
    pub(super) fn act(&self, by: &Actor, verb: &str, id: MailingId, why: Option<&str>) -> Act {
        let act = Act::new(by.id(), verb, self.clock().now()).to(ActObject::new("mailing", id));
        match why {
            Some(why) => act.because(why),
            None => act,
        }
    }

    /// The step that logs an act on a mailing.
    pub(super) fn act_step(
        &self,
        by: &Actor,
        verb: &str,
        id: MailingId,
        why: Option<&str>,
    ) -> Result<Step, ListError> {
        step(&self.act(by, verb, id, why))
    }

    /// Signs the audit log after an act. The act stands whether or not this works; the log is signed each day anyway.
    pub(super) async fn sign_quietly(&self) {
        if let Err(error) = sign_checkpoint(self.store(), self.clock(), LogKind::Audit).await {
            tracing::warn!(%error, "the audit log could not be signed after an act");
        }
    }
}

/// The step that logs an act.
pub(super) fn step(act: &Act) -> Result<Step, ListError> {
    let event = act.to_canonical().map_err(|error| match error {
        NotCanonical::AddressInReason => ListError::Reason(error),
        error => ListError::Audit(error.to_string()),
    })?;
    Ok(Step::Append(NewEvent {
        log: LogKind::Audit,
        subject: None,
        event,
    }))
}
