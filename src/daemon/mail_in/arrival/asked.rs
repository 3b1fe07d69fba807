//! What a mail asks of us, beside being kept: to be subscribed, to be left alone. Who proves what decides what follows:
//! a token, the signed Message-ID of a copy, the author's domain, or nothing.

use super::super::checks::Checked;
use super::super::verdict;
use super::mail::Mail;
use crate::address::EmailAddress;
use crate::consent::{ConsentError, Extent, Replied, WithdrawalChannel};
use crate::mailbox::glance::Glance;
use crate::smtp::server::Refusal;
use crate::store::IntakeRecord;

/// What came of a stop.
pub(super) enum Stop {
    /// None was said.
    None,
    /// It was said in answer to a copy of ours behind which nobody stands any more: it is heard like any other.
    ToNobody,
    /// It is done, and on the disk.
    Withdrawn,
    /// Sending pauses once this is taken, and one button is mailed.
    Asked(Box<IntakeRecord>),
}

impl Mail {
    /// Withdrawals whose proof is a token.
    pub(super) async fn withdraw(&self) -> Result<(), Refusal> {
        for (list, who) in &self.bound.withdrawals {
            let token = self.rooms.store.vault().withdrawal_token(*list, who);
            let consent = &self.rooms.consent;
            let withdrawn = consent.withdraw(&token, Extent::AsToken, WithdrawalChannel::Mail);
            withdrawn.await.map_err(refusal)?;
        }
        Ok(())
    }

    /// A stop in answer to a copy of ours is a withdrawal: the Message-ID that it names is signed. An answer that only
    /// speaks of it in a sentence pauses, and asks.
    pub(super) async fn stop_by_reply(&self, glance: &Glance) -> Result<Stop, Refusal> {
        let speaks = glance.says_stop || glance.speaks_of_stop;
        if !speaks || !self.may_stop(glance) {
            return Ok(Stop::None);
        }
        let consent = &self.rooms.consent;
        let mut found = Stop::None;
        for token in self.answered(glance) {
            let replied = if glance.says_stop {
                let withdrawn = consent.withdraw_by_reply(token).await.map_err(refusal)?;
                withdrawn.map(|()| Stop::Withdrawn)
            } else {
                let question = consent.question_by_reply(token).await.map_err(refusal)?;
                question.map(|question| Stop::Asked(Box::new(question)))
            };
            match replied {
                Replied::Heard(stop) => return Ok(stop),
                Replied::NobodyNow => found = Stop::ToNobody,
                Replied::NotOurs => {}
            }
        }
        Ok(found)
    }

    /// Whoever answers the question whether they wrote has been met, if their domain vouches for the answer.
    pub(super) async fn owns_up(&self, glance: &Glance, checked: &Checked) -> Result<(), Refusal> {
        let Some(author) = checked.proven_author.as_ref() else {
            return Ok(());
        };
        if glance.automatic || glance.bulk || glance.says_stop {
            return Ok(());
        }
        for token in self.answered(glance) {
            let owned = self.rooms.consent.own_up_by_reply(token, author).await;
            if owned.map_err(refusal)? {
                break;
            }
        }
        Ok(())
    }

    /// The local parts of those Message-IDs of ours that this mail answers.
    fn answered<'g>(&self, glance: &'g Glance) -> impl Iterator<Item = &'g str> {
        let config = self.rooms.config();
        let is_ours = move |domain: &str| config.domains.iter().any(|own| own.as_str() == domain);
        let ids = glance.answers.iter().filter_map(|id| id.split_once('@'));
        ids.filter(move |(_, domain)| is_ours(domain))
            .map(|(token, _)| token)
    }

    /// Any other stop: with an author whose domain vouches for them it is a withdrawal, from everything, since nothing
    /// says from what. Without, it only pauses, and asks, so does a sentence in answer to one of our copies; and not even
    /// that where the sender's own domain says that it isn't theirs. Who says so for themselves can say it again, and
    /// pauses again: a "stop" that is heard too often does less harm than one that isn't heard.
    pub(super) async fn stop_by_author(
        &self,
        glance: &Glance,
        answers_us: bool,
        checked: &Checked,
    ) -> Result<Stop, Refusal> {
        let said = glance.says_stop || (answers_us && glance.speaks_of_stop);
        if !said || !self.may_stop(glance) {
            return Ok(Stop::None);
        }
        if let Some(author) = checked.proven_author.as_ref().filter(|_| glance.says_stop) {
            let withdrawn = self.rooms.consent.withdraw_author(author).await;
            return withdrawn.map(|()| Stop::Withdrawn).map_err(refusal);
        }
        if !checked.believable {
            return Ok(Stop::None);
        }
        let at = self.rooms.clock.now();
        let pause = |address| IntakeRecord::BareStop { address, at };
        let paused = self.sender.clone().map(pause);
        Ok(paused.map_or(Stop::None, |pause| Stop::Asked(Box::new(pause))))
    }

    /// Whether this mail may be a withdrawal, by its words or by where it goes.
    pub(super) fn may_withdraw(&self) -> bool {
        self.known.submitted_by.is_none() || !self.bound.withdrawals.is_empty()
    }

    /// Whether words in this mail may stop anything: a program's never do, nor a staff member's. Where a token says it,
    /// they add nothing.
    fn may_stop(&self, glance: &Glance) -> bool {
        !glance.automatic && self.known.submitted_by.is_none() && self.bound.withdrawals.is_empty()
    }

    /// A mail to a list's `+subscribe`: its sender gets a challenge. Who says "stop" there doesn't want one, and somebody
    /// whose domain says that it isn't theirs would get it for nothing.
    pub(super) async fn subscribe(
        &self,
        glance: &Glance,
        checked: &Checked,
    ) -> Result<(), Refusal> {
        if self.bound.subscribe.is_empty() || glance.automatic || glance.says_stop {
            return Ok(());
        }
        if !checked.believable {
            return match self.bound.is_kept() {
                true => Ok(()),
                false => Err(verdict::unbelievable_request()),
            };
        }
        self.rooms.checks().may_sign_up(self.client)?;
        match &self.sender {
            Some(sender) => self.sign_up(sender).await,
            None => Ok(()),
        }
    }

    /// The same from a staff member, whose log-in says who they are. A role's address is nobody's own, so nobody
    /// subscribes it for the others.
    pub(super) async fn subscribe_member(&self) -> Result<(), Refusal> {
        let (Some(staff), false) = (self.known.submitted_by, self.bound.subscribe.is_empty())
        else {
            return Ok(());
        };
        let roll = self.rooms.staff.roll();
        let member = roll.by_id(staff).ok_or_else(verdict::revoked)?;
        let is_own = |one: &&EmailAddress| {
            let mut own = member.addresses.iter();
            own.any(|own| own.match_form() == one.match_form())
        };
        let sender = self.sender.as_ref().filter(is_own);
        self.sign_up(sender.ok_or_else(verdict::subscribe_yourself)?)
            .await
    }

    /// A challenge for each list.
    async fn sign_up(&self, sender: &EmailAddress) -> Result<(), Refusal> {
        let consent = &self.rooms.consent;
        for list in &self.bound.subscribe {
            match consent.subscribe_by_mail(sender.clone(), list).await {
                Ok(()) => {}
                Err(ConsentError::UnknownList(_)) => return Err(Refusal::no_such_mailbox()),
                Err(error) => return Err(refusal(error)),
            }
        }
        Ok(())
    }
}

/// What consent could not do, as a reply.
pub(super) fn refusal(error: ConsentError) -> Refusal {
    match error {
        ConsentError::Store(error) => verdict::store(&error),
        error => {
            tracing::error!(%error, "a mail's request was not taken");
            Refusal::try_later()
        }
    }
}
