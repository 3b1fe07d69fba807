//! A bare "stop": a mail that doesn't prove whose address it came from. Sending to that address pauses at once, and one
//! mail asks; its button is the ordinary way out. Whoever writes "please stop mailing me" means all mail, whichever they
//! answer, so all lists pause, and the letter says so. A forged "stop" costs its victim a week of silence and one mail.

use jiff::{SignedDuration, Timestamp};

use super::letter::Letter;
use super::pace::add;
use super::person::Person;
use super::{Consent, ConsentError};
use crate::address::EmailAddress;
use crate::store::{Change, Guard, Step, Subscriber};
use crate::vault::ListTag;

impl Consent {
    /// What a bare "stop" changes. For an address that isn't subscribed, or is already paused: nothing.
    pub(super) async fn decide_stop(
        &self,
        address: &EmailAddress,
        at: Timestamp,
    ) -> Result<Change, ConsentError> {
        let person = Person::of(self.vault(), address);
        let Some(before) = self.find_person(&person).await? else {
            return Ok(Change::new());
        };
        let days = self.live().settings.limits.pause_days;
        let now = self.clock().now();
        let until = add(at, SignedDuration::from_hours(24 * i64::from(days)));
        let Some(after) = paused(&before, now, until) else {
            return Ok(Change::new());
        };
        let letter = Letter::StopQuestion {
            link: self.stop_link(&before),
            days,
        };
        // To the address as its owner confirmed it, not as the mail wrote it.
        let bilingual = self.is_welsh(before.record.constituency.as_deref());
        let mail = self.post(&before.record.address, bilingual, &letter)?;
        Ok(Change::new()
            .require(Guard::SubscriberAt(before.id, before.version))
            .then(Step::PutSubscriber(after))
            .then_all(mail))
    }

    /// The button: the page of the withdrawal token of all lists.
    fn stop_link(&self, subscriber: &Subscriber) -> String {
        let vault = self.vault();
        let token = vault.withdrawal_token(ListTag::ALL, &subscriber.suppression_index);
        self.live().settings.withdrawal_url(&token)
    }
}

/// The subscriber with the pause; none if there is nothing to pause: a second "stop" brings no second mail.
fn paused(before: &Subscriber, now: Timestamp, until: Timestamp) -> Option<Subscriber> {
    let mut after = before.clone();
    let mut changed = false;
    for one in &mut after.record.subscriptions {
        let running = one.paused_until.is_some_and(|until| now < until);
        if !running && now < until {
            one.paused_until = Some(until);
            changed = true;
        }
    }
    changed.then_some(after)
}
