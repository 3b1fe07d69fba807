//! `subscriber …`: looking, entering a card, erasing. The larger requests have files of their own.

mod export;
mod import;
mod second;
mod stats;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{address, by, constituency_name, failure};
use crate::consent::constituency::Code;
use crate::consent::{Card, EvidenceView, Lang};
use crate::control::api::subscriber::{
    Add, CardChannel, Erase, Erased, Find, Found, SubscriberReport, Withdraw,
};
use crate::control::{Call, Class, Failure, Handle, Nothing};
use crate::daemon::rooms::Rooms;
use crate::store::Scope;

/// Answers for the subscribers.
pub(super) struct SubscriberDesk(pub(super) Arc<Rooms>);

impl Handle<Find> for SubscriberDesk {
    async fn handle(&self, ask: Find, call: &mut Call<Find>) -> Result<Found, Failure> {
        let what = "can't look the address up";
        let address = address(what, &ask.address)?;
        let by = by(call.actor()?, ask.reason.as_deref());
        let view = self
            .0
            .consent
            .find(&address, &by)
            .await
            .map_err(|error| failure::consent(what, &error))?;
        Ok(Found {
            suppressed: self.suppressed(&view),
            pending_until: view.pending_until,
            subscriber: self.report(view),
        })
    }
}

impl SubscriberDesk {
    fn report(&self, view: EvidenceView) -> Option<SubscriberReport> {
        let code = view.constituency.as_deref();
        let now = self.0.clock.now();
        let paused = view.subscriptions.iter().filter_map(|one| {
            let until = one.paused_until.filter(|until| now < *until)?;
            Some((one.list.clone(), until))
        });
        let paused = paused.collect();
        let lists = view.subscriptions.into_iter();
        let subscriptions: BTreeMap<_, _> = lists.map(|one| (one.list, one.confirmed_at)).collect();
        Some(SubscriberReport {
            id: view.subscriber?,
            address: view.address?.to_string(),
            constituency: code.map(|code| constituency_name(&self.0, code)),
            subscriptions,
            paused,
        })
    }

    /// What must not be sent, in the names of the lists.
    fn suppressed(&self, view: &EvidenceView) -> Vec<String> {
        let (settings, vault) = (self.0.consent.settings(), self.0.store.vault());
        let name = |scope| match scope {
            Scope::All => "everything".to_owned(),
            Scope::List(tag) => settings
                .list_of_tag(vault, tag)
                .map_or_else(|| "a former list".to_owned(), |list| list.key.clone()),
        };
        view.suppressed.iter().map(|one| name(one.scope)).collect()
    }

    /// A constituency by its code or its name.
    fn constituency(&self, what: &str, text: &str) -> Result<Code, Failure> {
        let settings = self.0.consent.settings();
        match settings.constituencies.find(text) {
            Ok(found) => Ok(found.constituency.code()),
            Err(error) => Err(Failure::from_error(Class::Refused, what, &error)),
        }
    }
}

impl Handle<Add> for SubscriberDesk {
    async fn handle(&self, ask: Add, call: &mut Call<Add>) -> Result<Nothing, Failure> {
        let what = "can't enter the card";
        let constituency = ask.constituency.as_deref();
        let card = Card {
            address: address(what, &ask.address)?,
            constituency: constituency
                .map(|text| self.constituency(what, text))
                .transpose()?,
            lists: ask.lists,
            language: Lang::from_tag(&ask.language),
            age_stated: ask.age_stated,
            at_event: ask.channel == CardChannel::Event,
            filled_in: day(what, &ask.asked_on)?,
            batch: ask.batch,
        };
        let reason = format!("a card of the batch {}", card.batch);
        let by = by(call.actor()?, Some(&reason));
        self.0
            .consent
            .enter_card(card, &by)
            .await
            .map_err(|error| failure::consent(what, &error))?;
        Ok(Nothing {})
    }
}

/// The beginning of a day.
fn day(what: &str, text: &str) -> Result<Timestamp, Failure> {
    let day: Option<Date> = text.parse().ok();
    let begins = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    begins.map(|at| at.timestamp()).ok_or_else(|| {
        Failure::misuse(
            what,
            "the day it was filled in is no date",
            "write it as year-month-day, as in 2026-11-21",
        )
    })
}

impl Handle<Withdraw> for SubscriberDesk {
    async fn handle(&self, ask: Withdraw, call: &mut Call<Withdraw>) -> Result<Nothing, Failure> {
        let what = "can't withdraw the address";
        let address = address(what, &ask.address)?;
        let by = by(call.actor()?, Some(&ask.reason));
        self.0
            .consent
            .withdraw_address(&address, ask.list.as_deref(), ask.never_again, &by)
            .await
            .map_err(|error| failure::consent(what, &error))?;
        Ok(Nothing {})
    }
}

impl Handle<Erase> for SubscriberDesk {
    async fn handle(&self, ask: Erase, call: &mut Call<Erase>) -> Result<Erased, Failure> {
        let what = "can't erase the address";
        let address = address(what, &ask.address)?;
        let by = by(call.actor()?, Some(&ask.reason));
        let consent = &self.0.consent;
        let erased = consent.erase(&address, &by).await;
        let held = erased.map_err(|error| failure::consent(what, &error))?;
        let waits = consent.still_waits(&address).await;
        Ok(Erased {
            held,
            suppressed: true,
            on_hold: waits.map_err(|error| failure::consent(what, &error))?,
        })
    }
}
