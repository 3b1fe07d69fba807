//! What a mail asks of us, beside being kept: to be subscribed, to be left alone. Who proves what decides what follows:
//! a token, the signed Message-ID of a copy, the author's domain, or nothing.

use super::super::checks::Checked;
use super::super::verdict;
use super::mail::Mail;
use crate::consent::{ConsentError, Extent, WithdrawalChannel};
use crate::mailbox::glance::Glance;
use crate::smtp::server::Refusal;
use crate::store::IntakeRecord;

/// What came of a stop.
pub(super) enum Stop {
    /// None was said.
    None,
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
        let config = self.rooms.config();
        let is_ours = |domain: &str| config.domains.iter().any(|own| own.as_str() == domain);
        let ids = glance.answers.iter().filter_map(|id| id.split_once('@'));
        for (token, _) in ids.filter(|(_, domain)| is_ours(domain)) {
            if !glance.says_stop {
                let question = consent.question_by_reply(token).await;
                if let Some(question) = question.map_err(refusal)? {
                    return Ok(Stop::Asked(Box::new(question)));
                }
            } else if consent.withdraw_by_reply(token).await.map_err(refusal)? {
                return Ok(Stop::Withdrawn);
            }
        }
        Ok(Stop::None)
    }

    /// Any other stop: with an author whose domain vouches for them it is a withdrawal, from everything, since nothing
    /// says from what. Without, it only pauses, and asks.
    pub(super) async fn stop_by_author(
        &self,
        glance: &Glance,
        checked: &Checked,
    ) -> Result<Stop, Refusal> {
        if !glance.says_stop || !self.may_stop(glance) {
            return Ok(Stop::None);
        }
        if let Some(author) = &checked.proven_author {
            let withdrawn = self.rooms.consent.withdraw_author(author).await;
            return withdrawn.map(|()| Stop::Withdrawn).map_err(refusal);
        }
        let at = self.rooms.clock.now();
        let list = None;
        let pause = |address| IntakeRecord::BareStop { address, list, at };
        let paused = self.sender.clone().map(pause);
        Ok(paused.map_or(Stop::None, |pause| Stop::Asked(Box::new(pause))))
    }

    /// Whether words in this mail may stop anything: a program's never do, nor a staff member's. Where a token says it,
    /// they add nothing.
    fn may_stop(&self, glance: &Glance) -> bool {
        !glance.automatic && self.known.submitted_by.is_none() && self.bound.withdrawals.is_empty()
    }

    /// A mail to a list's `+subscribe`: its sender gets a challenge. Who says "stop" there doesn't want one.
    pub(super) async fn subscribe(&self, glance: &Glance) -> Result<(), Refusal> {
        if glance.automatic || glance.says_stop {
            return Ok(());
        }
        let Some(sender) = &self.sender else {
            return Ok(());
        };
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
