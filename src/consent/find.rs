//! Finding what belongs to a person: the subscriber, whatever the generation of the keys it was written under, and what
//! still waits. Rows that have no index for it are found by opening them, so that no column tells whose they are.

use super::person::{Person, is_person};
use super::{Consent, ConsentError, letter};
use crate::address::EmailAddress;
use crate::store::{Change, Guard, MailClass, Step, Subscriber};
use crate::vault::{Index, IndexColumn};

/// How many rows a search reads at once.
const PAGE: u32 = 500;

impl Consent {
    /// The steps that erase what still waits for a person: requests, service mail in the queue, intake. The rows are
    /// found by opening them, so that no column tells whose they are.
    pub(super) async fn forget_pending(
        &self,
        persons: &[Index],
    ) -> Result<Vec<Step>, ConsentError> {
        let mut steps = Vec::new();
        let theirs = |address: &EmailAddress| is_person(self.vault(), address, persons);
        let mut after = None;
        loop {
            let page = self.store().requests_after(after, PAGE).await?;
            let found = page
                .rows
                .iter()
                .filter(|row| theirs(&row.record.asked.address));
            steps.extend(found.map(|row| Step::RemoveRequest(row.id)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = self.store().queue_page(after, PAGE).await?;
            let found = page
                .rows
                .iter()
                .filter(|row| is_ours(&row.record.class) && theirs(&row.record.recipient));
            steps.extend(found.map(|row| Step::RemoveQueued(row.id)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = self.store().intake_after(after, PAGE).await?;
            let found = page
                .rows
                .iter()
                .filter(|row| row.record.address().is_some_and(&theirs));
            steps.extend(found.map(|row| Step::RemoveIntake(row.id)));
            after = page.next;
            if after.is_none() {
                return Ok(steps);
            }
        }
    }

    /// The subscriber of a person, whatever the generation of the keys it was written under.
    pub(super) async fn find_person(
        &self,
        person: &Person,
    ) -> Result<Option<Subscriber>, ConsentError> {
        if let Some(found) = self.store().subscriber(&person.form).await? {
            return Ok(Some(found));
        }
        for index in &person.indexes {
            if let Some(found) = self.store().subscriber_by_suppression(index).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The subscriber whom one of these indexes stands for. A token keeps the index of its time: once there are several
    /// generations of the key, a row that isn't found by it is looked for among all.
    pub(super) async fn find_by_suppression(
        &self,
        indexes: &[Index],
    ) -> Result<Found, ConsentError> {
        for index in indexes {
            match self.store().subscriber_by_suppression(index).await {
                Ok(Some(found)) => return Ok(Found::Subscriber(Box::new(found))),
                Ok(None) => {}
                // A damaged row can't be read to be sent to either; the suppression must stand all the same.
                Err(error) if !error.is_temporary() => return Ok(Found::Damaged),
                Err(error) => return Err(error.into()),
            }
        }
        let generations = self.vault().index_all(IndexColumn::Suppression, b"").len();
        if generations < 2 {
            return Ok(Found::Nobody);
        }
        let mut after = None;
        loop {
            let page = self.store().standings_after(after, PAGE).await?;
            let theirs = page
                .rows
                .into_iter()
                .find(|row| is_person(self.vault(), &row.subscriber.record.address, indexes));
            if let Some(row) = theirs {
                return Ok(Found::Subscriber(Box::new(row.subscriber)));
            }
            after = page.next;
            if after.is_none() {
                return Ok(Found::Nobody);
            }
        }
    }
}

/// What stands under a suppression index.
pub(super) enum Found {
    /// This subscriber.
    Subscriber(Box<Subscriber>),
    /// A row that does not open.
    Damaged,
    /// Nobody.
    Nobody,
}

impl Change {
    /// What was found must still be so.
    pub(super) fn require_found(self, found: &Found, persons: &[Index]) -> Self {
        match found {
            Found::Subscriber(one) => self.require(Guard::SubscriberAt(one.id, one.version)),
            Found::Damaged => self,
            Found::Nobody => persons.iter().fold(self, |change, index| {
                change.require(Guard::NobodyUnder(*index))
            }),
        }
    }
}

fn is_ours(class: &MailClass) -> bool {
    matches!(class, MailClass::Service { kind } if letter::KINDS.contains(&kind.as_str()))
}
