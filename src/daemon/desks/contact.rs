//! `contact …`: how many are known to have written themselves; and forgetting one.

use std::sync::Arc;

use super::{address, by, failure};
use crate::control::api::contact::{Counts, Forget, Forgotten, List};
use crate::control::{Call, Failure, Handle};
use crate::daemon::rooms::Rooms;

/// Answers for the contacts.
pub(super) struct ContactDesk(pub(super) Arc<Rooms>);

impl Handle<List> for ContactDesk {
    async fn handle(&self, _: List, _: &mut Call<List>) -> Result<Counts, Failure> {
        let counts = self.0.consent.contacts().await;
        let counts =
            counts.map_err(|error| failure::consent("can't count the contacts", &error))?;
        Ok(Counts {
            contacts: counts.contacts,
            waiting: counts.waiting,
            asked: counts.asked,
        })
    }
}

impl Handle<Forget> for ContactDesk {
    async fn handle(&self, ask: Forget, call: &mut Call<Forget>) -> Result<Forgotten, Failure> {
        let what = "can't forget the contact";
        let address = address(what, &ask.address)?;
        let by = by(call.actor()?, Some(&ask.reason));
        let held = self.0.consent.forget_contact(&address, &by).await;
        let held = held.map_err(|error| failure::consent(what, &error))?;
        Ok(Forgotten { held })
    }
}
