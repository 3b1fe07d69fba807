//! Every way out: a link, a mail program's button, a mail, a reply, a staff member. In one transaction the subscription
//! goes (and the row with it when none is left), the suppression stands, the journal has it, the ledger forgets the
//! person. It is idempotent, and the same work for somebody who is known and for somebody who isn't.

use jiff::Timestamp;

use super::event::WithdrawalChannel;
use super::find::Found;
use super::person::{Person, Suppressions};
use super::{ATTEMPTS, Consent, ConsentError, ConsentEvent, Text};
use crate::address::EmailAddress;
use crate::audit::Act;
use crate::id::{CopyId, MailingId};
use crate::store::{
    Change, ChangeOutcome, IntakeRecord, JournalEntry, Scope, Step, Subscriber, Suppressed,
    SuppressionReason,
};
use crate::vault::{CopyTokenKind, Index, ListTag};

/// From how much somebody withdraws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// From the list that the token names, or from all if it names all.
    AsToken,
    /// From all lists.
    AllLists,
    /// "Never write to me again": from all, and not even a challenge.
    NeverAgain,
}

/// What came of a reply that names a Message-ID.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Replied<T> {
    /// The Message-ID isn't that of a copy of ours.
    NotOurs,
    /// It is, but nobody stands behind that copy now: its mailing was folded, or its holder left since (and may have
    /// come back). Whoever replied still asked for something, and is to be heard by another way.
    NobodyNow,
    /// It is, and this came of it.
    Heard(T),
}

impl<T> Replied<T> {
    /// The same, with something else that came of it.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Replied<U> {
        match self {
            Self::NotOurs => Replied::NotOurs,
            Self::NobodyNow => Replied::NobodyNow,
            Self::Heard(heard) => Replied::Heard(with(heard)),
        }
    }
}

/// What a withdrawal page says, from the token alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WithdrawalView {
    /// This list; none if it is no longer configured.
    List(Option<Text>),
    /// All lists.
    All,
}

impl Consent {
    /// What the page behind an unsubscribe link shows. Looks nothing up; none for a token that isn't ours (a link that was
    /// cut, say), about which nobody must be told that it worked.
    pub fn withdrawal_page(&self, token: &str) -> Option<WithdrawalView> {
        let (tag, _) = self.vault().open_withdrawal_token(token)?;
        Some(self.view_of(tag))
    }

    fn view_of(&self, tag: ListTag) -> WithdrawalView {
        if tag == ListTag::ALL {
            return WithdrawalView::All;
        }
        let live = self.live();
        let list = live.settings.list_of_tag(self.vault(), tag);
        WithdrawalView::List(list.map(|list| list.title.clone()))
    }

    /// Withdraws whom the token stands for. Once this answers, it is on the disk and no final dot leaves for that person.
    /// The same answer whether or not there was anything to withdraw; none only for a token that isn't ours.
    ///
    /// # Errors
    /// [`ConsentError::Store`] or [`ConsentError::Busy`]: it is not known to have worked; the page says so.
    pub async fn withdraw(
        &self,
        token: &str,
        extent: Extent,
        channel: WithdrawalChannel,
    ) -> Result<Option<WithdrawalView>, ConsentError> {
        self.withdraw_as_of(token, extent, channel, None).await
    }

    /// The same for a withdrawal that was kept while nothing could be opened: the evidence says when it was asked for.
    ///
    /// # Errors
    /// As [`Consent::withdraw`].
    pub async fn withdraw_as_of(
        &self,
        token: &str,
        extent: Extent,
        channel: WithdrawalChannel,
        at: Option<Timestamp>,
    ) -> Result<Option<WithdrawalView>, ConsentError> {
        let Some((tag, index)) = self.vault().open_withdrawal_token(token) else {
            return Ok(None);
        };
        let (scope, reason) = match (extent, tag) {
            (Extent::NeverAgain, _) => (Scope::All, SuppressionReason::NeverAgain),
            (Extent::AllLists, _) | (Extent::AsToken, ListTag::ALL) => {
                (Scope::All, SuppressionReason::Withdrawn)
            }
            (Extent::AsToken, tag) => (Scope::List(tag), SuppressionReason::Withdrawn),
        };
        let mut withdrawal = Withdrawal::new(scope, reason, channel);
        withdrawal.at = at;
        self.withdraw_indexes(&[index], &withdrawal).await?;
        Ok(Some(match scope {
            Scope::All => WithdrawalView::All,
            Scope::List(tag) => self.view_of(tag),
        }))
    }

    /// Withdraws whoever got the copy whose signed Message-ID a reply names, from that copy's list.
    ///
    /// # Errors
    /// As [`Consent::withdraw`].
    pub async fn withdraw_by_reply(
        &self,
        message_id_token: &str,
    ) -> Result<Replied<()>, ConsentError> {
        let Some(copy) = self.copy_of_reply(message_id_token) else {
            return Ok(Replied::NotOurs);
        };
        let Some((subscriber, list)) = self.holder_of(copy).await? else {
            return Ok(Replied::NobodyNow);
        };
        let scope = Scope::List(self.vault().list_tag(&list));
        let reason = SuppressionReason::Withdrawn;
        let withdrawal = Withdrawal::new(scope, reason, WithdrawalChannel::Reply);
        self.withdraw_indexes(&[subscriber.suppression_index], &withdrawal)
            .await?;
        Ok(Replied::Heard(()))
    }

    /// What a reply leaves for the worker that speaks of stopping and is no plain "stop": the pause and the question of
    /// [`Consent::bare_stop`], for whoever got the copy.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn question_by_reply(
        &self,
        message_id_token: &str,
    ) -> Result<Replied<IntakeRecord>, ConsentError> {
        let Some(copy) = self.copy_of_reply(message_id_token) else {
            return Ok(Replied::NotOurs);
        };
        let holder = self.holder_of(copy).await?;
        Ok(holder.map_or(Replied::NobodyNow, |(subscriber, _)| {
            Replied::Heard(IntakeRecord::BareStop {
                address: subscriber.record.address,
                at: self.clock().now(),
            })
        }))
    }

    /// Withdraws the author of a mail that says "stop", from all lists; their domain must vouch for the mail. The same
    /// work for somebody who is known and for somebody who isn't.
    ///
    /// # Errors
    /// As [`Consent::withdraw`].
    pub async fn withdraw_author(&self, author: &EmailAddress) -> Result<(), ConsentError> {
        let person = Person::of(self.vault(), author);
        let reason = SuppressionReason::Withdrawn;
        let withdrawal = Withdrawal::new(Scope::All, reason, WithdrawalChannel::Mail);
        self.withdraw_indexes(&person.indexes, &withdrawal).await
    }

    fn copy_of_reply(&self, message_id_token: &str) -> Option<CopyId> {
        let kind = CopyTokenKind::MessageId;
        self.vault().open_copy_token(kind, message_id_token)
    }

    /// Who got a copy, and from which list; none once its ledger row was folded, or has forgotten them.
    async fn holder_of(&self, copy: CopyId) -> Result<Option<(Subscriber, String)>, ConsentError> {
        let Some(row) = self.store().copy(copy).await? else {
            return Ok(None);
        };
        let Some(id) = row.subscriber else {
            return Ok(None);
        };
        let mailing = self.store().mailing(row.mailing).await?;
        let subscriber = self.store().subscriber_by_id(id).await?;
        Ok(subscriber.zip(mailing.map(|mailing| mailing.record.list.clone())))
    }

    /// Withdraws an address for somebody who wrote or rang: from one list, or from all. The act goes into the audit log.
    ///
    /// # Errors
    /// [`ConsentError::UnknownList`]; otherwise as [`Consent::withdraw`].
    pub async fn withdraw_address(
        &self,
        address: &EmailAddress,
        list: Option<&str>,
        never_again: bool,
        by: &super::By,
    ) -> Result<(), ConsentError> {
        let scope = match list {
            None => Scope::All,
            Some(key) => {
                if self.live().settings.list(key).is_none() {
                    return Err(ConsentError::UnknownList(key.to_owned()));
                }
                Scope::List(self.vault().list_tag(key))
            }
        };
        let (scope, reason) = match never_again {
            true => (Scope::All, SuppressionReason::NeverAgain),
            false => (scope, SuppressionReason::Withdrawn),
        };
        let person = Person::of(self.vault(), address);
        let act = self
            .act(by, "subscriber withdraw")?
            .to(self.object_of(&person));
        let mut withdrawal = Withdrawal::new(scope, reason, WithdrawalChannel::Staff);
        withdrawal.act = Some(act);
        self.withdraw_indexes(&person.indexes, &withdrawal).await?;
        self.sign_checkpoints_quietly().await;
        Ok(())
    }

    /// Withdraws the person of these suppression indexes, and waits until what was departing has left or was called off.
    pub(super) async fn withdraw_indexes(
        &self,
        indexes: &[Index],
        withdrawal: &Withdrawal,
    ) -> Result<(), ConsentError> {
        for _ in 0..ATTEMPTS {
            let Some(persons) = self.try_withdraw(indexes, withdrawal).await? else {
                continue;
            };
            for person in &persons {
                self.gate().settle(person).await;
            }
            return Ok(());
        }
        Err(ConsentError::Busy)
    }

    /// Answers the indexes of the person, or none if others changed the same rows meanwhile.
    async fn try_withdraw(
        &self,
        indexes: &[Index],
        withdrawal: &Withdrawal,
    ) -> Result<Option<Vec<Index>>, ConsentError> {
        let entry = Suppressed {
            scope: withdrawal.scope,
            at: withdrawal.asked_at(self.clock().now()),
            reason: withdrawal.reason,
        };
        let mut persons = self.left_lately(indexes);
        // Whoever has a link could press it for ever, and the journal never gets shorter. What is pressed again is written
        // again a few times, which is as much work for everybody; beyond that nothing is looked for or written, and it
        // says what it said before.
        if withdrawal.act.is_none()
            && self.stands(&persons, &entry).await?
            && self.repeats().ask(&indexes[0]).is_err()
        {
            return Ok(Some(persons));
        }
        let before = self.find_by_suppression(&persons).await?;
        if let Found::Subscriber(before) = &before
            && !persons.contains(&before.suppression_index)
        {
            persons.push(before.suppression_index);
        }
        let mut change = Change::new().require_found(&before, &persons);
        let mut suppressions = Suppressions::read_sound(self.store(), &persons).await?;
        for guard in suppressions.guards() {
            change = change.require(guard);
        }
        change = change
            .then_all(suppressions.add(&entry))
            .then_all(persons.iter().map(|index| journal(*index, &entry)));
        // Read for everybody, so that somebody who is not subscribed takes as long.
        let mailings = self.mailings_within(withdrawal.scope).await?;
        let mut after = None;
        if let Found::Subscriber(before) = &before {
            let left = self.without(before, withdrawal.scope);
            let steps = self.leave(before, &left, withdrawal, mailings)?;
            change = change.then_all(steps);
            after = Some(left);
        }
        if withdrawal.reason == SuppressionReason::NeverAgain {
            let pending = self.forget_pending(&persons).await?;
            change = change.then_all(pending);
        }
        if let Some(act) = &withdrawal.act {
            change = change.then(super::act_step(act)?);
        }
        // Before the commit: who presses again right after it must wait for the same departures.
        self.remember_left(&persons);
        if self.store().change(change).await? == ChangeOutcome::Conflict {
            return Ok(None);
        }
        if let (Found::Subscriber(before), Some(after)) = (&before, &after) {
            let stays = Some(&after.record).filter(|record| !record.subscriptions.is_empty());
            self.tally()
                .change(Some(&before.record), stays, self.clock().now());
        }
        Ok(Some(persons))
    }

    /// The subscriber without the subscriptions that are withdrawn.
    pub(super) fn without(&self, before: &Subscriber, scope: Scope) -> Subscriber {
        let mut left = before.clone();
        left.record
            .subscriptions
            .retain(|one| !self.is_within(&one.list, scope));
        left
    }

    fn is_within(&self, list: &str, scope: Scope) -> bool {
        match scope {
            Scope::All => true,
            Scope::List(tag) => self.vault().list_tags(list).contains(&tag),
        }
    }

    /// The steps by which a subscriber leaves: the row, the ledger, the evidence.
    fn leave(
        &self,
        before: &Subscriber,
        left: &Subscriber,
        withdrawal: &Withdrawal,
        mailings: Vec<MailingId>,
    ) -> Result<Vec<Step>, ConsentError> {
        let now = self.clock().now();
        let gone = before
            .record
            .subscriptions
            .iter()
            .filter(|one| !left.record.subscriptions.contains(one));
        let subject = Person::of(self.vault(), &before.record.address).subject(self.vault());
        let mut steps = Vec::new();
        for one in gone {
            let event = ConsentEvent::Withdrawn {
                subject,
                list: one.list.clone(),
                channel: withdrawal.channel,
                reason: withdrawal.reason,
                at: withdrawal.asked_at(now),
            };
            steps.push(event.append()?);
        }
        if left.record.subscriptions.is_empty() {
            steps.push(Step::RemoveSubscriber(before.id));
            steps.push(Step::UnlinkCopies(before.id, None, now));
        } else if !steps.is_empty() {
            steps.push(Step::PutSubscriber(left.clone()));
            steps.push(Step::UnlinkCopies(before.id, Some(mailings), now));
        }
        Ok(steps)
    }

    async fn mailings_within(&self, scope: Scope) -> Result<Vec<MailingId>, ConsentError> {
        let all = self.store().mailings().await?.into_iter();
        Ok(all
            .filter(|mailing| self.is_within(&mailing.record.list, scope))
            .map(|mailing| mailing.id)
            .collect())
    }
}

/// A withdrawal, by whichever way.
pub(super) struct Withdrawal {
    pub(super) scope: Scope,
    pub(super) reason: SuppressionReason,
    pub(super) channel: WithdrawalChannel,
    pub(super) act: Option<Act>,
    /// When it was asked for; none for now.
    pub(super) at: Option<Timestamp>,
}

impl Withdrawal {
    pub(super) fn new(scope: Scope, reason: SuppressionReason, channel: WithdrawalChannel) -> Self {
        Self {
            scope,
            reason,
            channel,
            act: None,
            at: None,
        }
    }

    /// When it was asked for. The clock may have been set back since: it's never in the future.
    fn asked_at(&self, now: Timestamp) -> Timestamp {
        self.at.map_or(now, |at| at.min(now))
    }
}

fn journal(index: Index, entry: &Suppressed) -> Step {
    Step::Journal(JournalEntry::Suppressed {
        at: entry.at,
        index,
        scope: entry.scope,
        reason: entry.reason,
    })
}
