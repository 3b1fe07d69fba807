//! `Confirmed<Subscription>`: the only thing that a mailing may be sent to. It can be had from this room alone, by a
//! confirmation or by reading a confirmed subscription from the store.

use std::ops::Deref;

use jiff::Timestamp;

use super::constituency::Code;
use super::gate::Departure;
use super::person::{Person, Suppressions};
use super::{Consent, ConsentError, letter};
use crate::address::EmailAddress;
use crate::delivery::parcel::Boxed;
use crate::delivery::queue::{StillWanted, Wanted};
use crate::id::SubscriberId;
use crate::store::{Scope, Standing, Subscriber, SubscriptionRecord, contact_indexes};
use crate::vault::Index;

/// Proof that the owner of the address confirmed what is inside. Only this room makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed<T>(T);

impl<T> Deref for Confirmed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// One person's standing on one list, as read from the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    subscriber: SubscriberId,
    person: Index,
    list: String,
    address: EmailAddress,
    constituency: Option<Code>,
    confirmed_at: Timestamp,
    paused_until: Option<Timestamp>,
    way_out: String,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({} on {})", self.subscriber, self.list)
    }
}

impl Subscription {
    /// The subscriber's row.
    pub fn subscriber(&self) -> SubscriberId {
        self.subscriber
    }

    /// The list's key.
    pub fn list(&self) -> &str {
        &self.list
    }

    /// Where its mail goes.
    pub fn address(&self) -> &EmailAddress {
        &self.address
    }

    /// The constituency, if one was chosen.
    pub fn constituency(&self) -> Option<Code> {
        self.constituency
    }

    /// When the owner of the address confirmed it. A mailing's audience is those confirmed before its release.
    pub fn confirmed_at(&self) -> Timestamp {
        self.confirmed_at
    }

    /// Until when nothing is sent, after a bare "stop".
    pub fn paused_until(&self) -> Option<Timestamp> {
        self.paused_until
    }

    /// The withdrawal token: for the footer's link, the one-click header and `u+TOKEN@`.
    pub fn way_out(&self) -> &str {
        &self.way_out
    }
}

/// Whether a copy may be handed over at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It may.
    Live,
    /// Not before this time: a bare "stop" waits for its button.
    Paused(Timestamp),
    /// The person withdrew: never.
    Gone,
}

/// What came of asking to depart.
#[must_use]
pub enum Departing {
    /// The final dot may be written while this is held.
    Go(Departure),
    /// Not before this time.
    Paused(Timestamp),
    /// The person withdrew: close the connection without the dot.
    Gone,
}

/// A page of an audience.
#[derive(Debug, Clone)]
pub struct Audience {
    /// Those of the page who are on the list.
    pub subscriptions: Vec<Confirmed<Subscription>>,
    /// After whom the next page begins; none at the end.
    pub next: Option<SubscriberId>,
}

impl Consent {
    /// A page of the people on a list, in the order of their ids, after the id given; `limit` rows are looked at. Who is
    /// paused is among them: liveness is decided at departure.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn audience(
        &self,
        list: &str,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> Result<Audience, ConsentError> {
        let page = self.store().standings_after(after, limit).await?;
        let on_list = |standing: &Standing| self.confirmed_from(standing, list);
        Ok(Audience {
            subscriptions: page.rows.iter().filter_map(on_list).collect(),
            next: page.next,
        })
    }

    /// One person's standing on one list, read from the store; none if they are not (or no longer) on it.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn subscription(
        &self,
        id: SubscriberId,
        list: &str,
    ) -> Result<Option<Confirmed<Subscription>>, ConsentError> {
        let standing = self.store().standing(id).await?;
        Ok(standing.and_then(|standing| self.confirmed_from(&standing, list)))
    }

    /// Whether a copy for this subscriber may be handed over now, read from the store.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn still_live(&self, id: SubscriberId, list: &str) -> Result<Liveness, ConsentError> {
        let now = self.clock().now();
        Ok(match self.subscription(id, list).await? {
            None => Liveness::Gone,
            Some(subscription) => match subscription.paused_until {
                Some(until) if now < until => Liveness::Paused(until),
                _ => Liveness::Live,
            },
        })
    }

    /// Enters the gate for this person and reads again whether a copy may be handed over. The sender writes the final
    /// dot while it holds what this answers, and drops it right after; it never holds it while it waits for a reply.
    ///
    /// # Errors
    /// [`ConsentError::Store`]: nothing may be handed over then.
    pub async fn depart(&self, to: &Confirmed<Subscription>) -> Result<Departing, ConsentError> {
        let place = self.gate().depart(to.person);
        Ok(match self.still_live(to.subscriber, &to.list).await? {
            Liveness::Live => Departing::Go(place),
            Liveness::Paused(until) => Departing::Paused(until),
            Liveness::Gone => Departing::Gone,
        })
    }

    /// The same for a mail of this room, as it stands in the queue with its kind: a challenge goes only while its request
    /// waits, the question to a stranger only while they are one, the others only to somebody who is subscribed. Mail of
    /// other kinds goes, but to nobody who said never again.
    ///
    /// # Errors
    /// [`ConsentError::Store`]: nothing may be handed over then.
    pub async fn depart_mail(
        &self,
        kind: &str,
        to: &EmailAddress,
    ) -> Result<Departing, ConsentError> {
        let person = Person::of(self.vault(), to);
        let place = self.gate().depart(person.index());
        let suppressions = Suppressions::read(self.store(), &person.indexes).await?;
        if !letter::KINDS.contains(&kind) {
            // Not a letter of this room's: but who never wants to hear of us again doesn't.
            return Ok(match suppressions.never_again() {
                true => Departing::Gone,
                false => Departing::Go(place),
            });
        }
        let wanted = match kind {
            letter::CHALLENGE => {
                let now = self.clock().now();
                let asked = self.store().request_of(&person.form, now).await?;
                asked.is_some() && !suppressions.at_rest(now)
            }
            letter::FIRST_CONTACT => {
                let known = contact_indexes(self.vault(), to);
                !suppressions.never_again()
                    && !self.store().is_contact(&known).await?
                    && self.store().waits(&known).await?
            }
            _ => !suppressions.never_again() && self.find_person(&person).await?.is_some(),
        };
        Ok(match wanted {
            true => Departing::Go(place),
            false => Departing::Gone,
        })
    }

    /// The one place that makes a `Confirmed`: from a row that was just read or just written.
    pub(super) fn confirmed_from(
        &self,
        standing: &Standing,
        list: &str,
    ) -> Option<Confirmed<Subscription>> {
        let tags = self.vault().list_tags(list);
        let forbidden = |tag| standing.suppression.forbids(Scope::List(tag));
        if tags.into_iter().any(forbidden) {
            return None;
        }
        let subscriber = &standing.subscriber;
        let records = &subscriber.record.subscriptions;
        let record = records.iter().find(|one| one.list == list)?;
        Some(Confirmed(self.subscription_of(subscriber, record)))
    }

    fn subscription_of(
        &self,
        subscriber: &Subscriber,
        record: &SubscriptionRecord,
    ) -> Subscription {
        let code = subscriber.record.constituency.as_deref();
        Subscription {
            subscriber: subscriber.id,
            person: subscriber.suppression_index,
            list: record.list.clone(),
            address: subscriber.record.address.clone(),
            constituency: code.and_then(|code| Code::parse(code).ok()),
            confirmed_at: record.confirmed_at,
            paused_until: record.paused_until,
            way_out: self.way_out(&record.list, &subscriber.suppression_index),
        }
    }

    /// The withdrawal token of a person for a list.
    pub(super) fn way_out(&self, list: &str, person: &Index) -> String {
        let vault = self.vault();
        vault.withdrawal_token(vault.list_tag(list), person)
    }
}

impl StillWanted for Consent {
    fn still_wanted<'a>(&'a self, kind: &'a str, to: &'a EmailAddress) -> Boxed<'a, Wanted> {
        Box::pin(async move {
            match self.depart_mail(kind, to).await {
                Ok(Departing::Go(place)) => Wanted::Yes(Box::new(place)),
                Ok(Departing::Gone) => Wanted::No,
                Ok(Departing::Paused(_)) => Wanted::NotNow,
                // It would be asked for ever: what forbids, or the row of whom it is for, doesn't open, and never will.
                Err(ConsentError::Store(error)) if !error.is_temporary() => {
                    tracing::error!(%error, kind, "a mail was dropped: a record of whom it is for is damaged");
                    Wanted::No
                }
                Err(error) => {
                    tracing::warn!(%error, kind, "it can't be read whether a mail is still wanted");
                    Wanted::NotNow
                }
            }
        })
    }
}
