//! Erasing everything about an address (law C8). What stays: a suppression, which is a keyed hash, and a tombstone in the
//! consent log with the keyed hash, the wordings and the times (law 3.2). Both logs verify as before.

use super::act::{By, act_step};
use super::person::{Person, Suppressions};
use super::{ATTEMPTS, Consent, ConsentError, ConsentEvent, Tombstone};
use crate::address::EmailAddress;
use crate::audit::Act;
use crate::store::{
    Change, ChangeOutcome, Guard, JournalEntry, LoggedEvent, Scope, Step, Suppressed,
    SuppressionReason, contact_indexes,
};
use crate::vault::{Index, IndexColumn};

impl Consent {
    /// Erases everything about an address: subscriber, request, counts, queued service mail, intake, ledger links with
    /// what came back for those copies, and evidence, and what first contact holds of it, its waiting mail included (but in a mailbox on hold), and suppresses it for all lists. Answers whether anything was held. No final dot leaves for that person
    /// after this answers. Mail in other folders of staff mailboxes is not touched: a person looks at that. The counts of an address with a
    /// tag (`a+x@`) are those of the one without: they stay for the time of their own.
    ///
    /// # Errors
    /// [`ConsentError::NoReason`], [`ConsentError::Store`] or [`ConsentError::Busy`].
    pub async fn erase(&self, address: &EmailAddress, by: &By) -> Result<bool, ConsentError> {
        let person = Person::of(self.vault(), address);
        let act = self
            .act(by, "subscriber erase")?
            .to(self.object_of(&person));
        for _ in 0..ATTEMPTS {
            let Some((held, persons)) = self.try_erase(&person, &act).await? else {
                continue;
            };
            for index in &persons {
                self.gate().settle(index).await;
            }
            self.sign_checkpoints_quietly().await;
            return Ok(held);
        }
        Err(ConsentError::Busy)
    }

    /// Whether mail of an address waits, though it was erased: in a mailbox on hold, which keeps all of it.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn still_waits(&self, address: &EmailAddress) -> Result<bool, ConsentError> {
        let known = contact_indexes(self.vault(), address);
        Ok(self.store().waits(&known).await?)
    }

    async fn try_erase(
        &self,
        person: &Person,
        act: &Act,
    ) -> Result<Option<(bool, Vec<Index>)>, ConsentError> {
        let now = self.clock().now();
        let before = self.find_person(person).await?;
        let guard = match &before {
            Some(before) => Guard::SubscriberAt(before.id, before.version),
            None => Guard::NobodyUnder(person.index()),
        };
        let mut persons = person.indexes.clone();
        persons.extend(
            before
                .iter()
                .map(|one| one.suppression_index)
                .filter(|index| !person.indexes.contains(index)),
        );
        let mut change = Change::new().require(guard);
        let mut suppressions = Suppressions::read_sound(self.store(), &persons).await?;
        for guard in suppressions.guards() {
            change = change.require(guard);
        }
        let entry = Suppressed {
            scope: Scope::All,
            at: now,
            reason: SuppressionReason::Erased,
        };
        let pending = self.forget_pending(&persons).await?;
        let evidence = self.erased_evidence(person).await?;
        let vault = self.vault();
        let contact = vault.index_all(IndexColumn::ContactAddress, person.form.as_bytes());
        let wrote = self.store().has_first_contact(&contact).await?;
        let held = before.is_some() || wrote || !pending.is_empty() || !evidence.is_empty();
        // Of one with a tag this finds nothing, so that nobody is written to anew for it.
        let challenged = self
            .vault()
            .index_all(IndexColumn::ChallengeAddress, person.form.as_bytes());
        change = change
            .then_all(suppressions.add(&entry))
            .then_all(persons.iter().flat_map(|index| journal(*index, &entry)))
            .then_all(pending)
            .then_all(challenged.into_iter().map(Step::RemoveChallenge))
            .then(Step::ForgetContact(contact.clone()))
            .then(Step::EraseWaiting(contact))
            .then_all(evidence)
            .then(act_step(act)?);
        if let Some(before) = &before {
            change = change
                .then(Step::RemoveSubscriber(before.id))
                // Before the ledger forgets whose copies they answer.
                .then(Step::RemoveBouncesOf(before.id))
                .then(Step::UnlinkCopies(before.id, None, now));
        }
        if self.store().change(change).await? == ChangeOutcome::Conflict {
            return Ok(None);
        }
        self.tally()
            .change(before.as_ref().map(|one| &one.record), None, now);
        Ok(Some((held, persons)))
    }

    /// The steps that put a tombstone in the place of a person's evidence; none if there is none.
    async fn erased_evidence(&self, person: &Person) -> Result<Vec<Step>, ConsentError> {
        let own = person.subject(self.vault());
        let (mut steps, mut events, mut formerly) = (Vec::new(), Vec::new(), Vec::new());
        for subject in person.subjects(self.vault()) {
            let logged = self.store().evidence_of(&subject).await?;
            let read = logged
                .iter()
                .map(read_event)
                .collect::<Result<Vec<_>, _>>()?;
            // A tombstone alone is nothing that could be erased.
            let is_left = |event: &Option<ConsentEvent>| {
                !matches!(event, None | Some(ConsentEvent::Erased(_)))
            };
            if read.iter().any(is_left) {
                steps.push(Step::EraseEvidence(subject));
                formerly.extend(Some(subject).filter(|subject| *subject != own));
                events.extend(read);
            }
        }
        let events: Vec<_> = events.into_iter().flatten().collect();
        if !events.is_empty() {
            let mut tombstone = Tombstone::of(own, self.clock().now(), &events);
            tombstone.formerly = formerly;
            // After the erasure, or it would go with the rest.
            steps.push(ConsentEvent::Erased(tombstone).append()?);
        }
        Ok(steps)
    }
}

/// What a logged event says; none if it was erased.
pub(super) fn read_event(logged: &LoggedEvent) -> Result<Option<ConsentEvent>, ConsentError> {
    let Some((_, bytes)) = &logged.event else {
        return Ok(None);
    };
    let event = ConsentEvent::from_canonical(bytes);
    event
        .map(Some)
        .ok_or(ConsentError::OddEvent { seq: logged.seq })
}

fn journal(index: Index, entry: &Suppressed) -> [Step; 2] {
    [
        Step::Journal(JournalEntry::Suppressed {
            at: entry.at,
            index,
            scope: entry.scope,
            reason: entry.reason,
        }),
        Step::Journal(JournalEntry::Erased {
            at: entry.at,
            index,
        }),
    ]
}
