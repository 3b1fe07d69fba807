//! First contact: a stranger who wrote to the party is asked once whether it was them, and by the button they become a
//! contact. Only whom their domain vouches for is asked, so that nobody is asked about mail that others forged.
//!
//! Whether somebody subscribes isn't looked at: nobody could tell subscribers by their mail coming in at once.

use jiff::{SignedDuration, Timestamp};

use super::act::{By, act_step};
use super::letter::Letter;
use super::pace::add;
use super::person::{Person, Suppressions};
use super::worker::Decision;
use super::{Consent, ConsentError};
use crate::address::EmailAddress;
use crate::store::{
    Change, ChangeOutcome, ContactCounts, Guard, Question, QuestionRecord, Step, contact_indexes,
    contact_pace_indexes,
};
use crate::vault::{ConfirmToken, ListTag, TokenHash};

/// How long a stranger's mail waits, and how long the link in the question is good.
pub const WAITS_DAYS: i64 = 14;
/// Between two questions to one address.
const BETWEEN: SignedDuration = SignedDuration::from_hours(24 * 7);
/// The button may be pressed again so long after its first press, and says the same.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// After so long nobody is asked any more about a mail: too many strangers wrote.
const TOO_LATE: SignedDuration = SignedDuration::from_hours(24 * 7);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const WAITS: SignedDuration = SignedDuration::from_hours(24 * WAITS_DAYS);

/// What came of the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum OwnedUp {
    /// They are a contact, on the disk; perhaps since a moment ago, by the same link.
    Met,
    /// The link is unknown, was used, or has expired; nobody is told which.
    LinkUnknown,
}

impl Consent {
    /// Whether the link of a question is good. Changes nothing.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn question_stands(&self, token: &str) -> Result<bool, ConsentError> {
        let Some(hash) = hash_of(token) else {
            return Ok(false);
        };
        let question = self.live_question(&hash).await?;
        Ok(question.is_some_and(|question| question.record.answered_at.is_none()))
    }

    /// The button: whoever reads this address's mail wrote. What waits of it and proves itself goes to the inboxes.
    ///
    /// # Errors
    /// [`ConsentError::Store`]: nothing was done, the link stays good.
    pub async fn own_up(&self, token: &str) -> Result<OwnedUp, ConsentError> {
        let Some(hash) = hash_of(token) else {
            return Ok(OwnedUp::LinkUnknown);
        };
        let Some(question) = self.live_question(&hash).await? else {
            return Ok(OwnedUp::LinkUnknown);
        };
        let now = self.clock().now();
        if let Some(answered_at) = question.record.answered_at {
            return Ok(match now < add(answered_at, AGAIN) {
                true => OwnedUp::Met,
                false => OwnedUp::LinkUnknown,
            });
        }
        let answered = Question {
            record: QuestionRecord {
                answered_at: Some(now),
            },
            ..question.clone()
        };
        let change = Change::new()
            .require(Guard::QuestionStands(hash))
            .then(Step::Meet(vec![question.address], now))
            .then(Step::PutQuestion(answered));
        match self.store().change(change).await? {
            ChangeOutcome::Done => Ok(OwnedUp::Met),
            // It was erased meanwhile.
            ChangeOutcome::Conflict => Ok(OwnedUp::LinkUnknown),
        }
    }

    async fn live_question(&self, hash: &TokenHash) -> Result<Option<Question>, ConsentError> {
        let question = self.store().question(hash).await?;
        let now = self.clock().now();
        Ok(question.filter(|question| now < add(question.asked_at, WAITS)))
    }

    /// Whether a stranger is asked whether they wrote.
    pub(super) async fn decide_first_contact(
        &self,
        address: &EmailAddress,
        at: Timestamp,
    ) -> Result<Decision, ConsentError> {
        let now = self.clock().now();
        if self.is_no_persons(address) || now >= add(at, TOO_LATE) {
            return Ok(Decision::Nothing);
        }
        let person = Person::of(self.vault(), address);
        let suppressions = Suppressions::read(self.store(), &person.indexes).await?;
        let known = contact_indexes(self.vault(), address);
        if suppressions.any() || self.store().is_contact(&known).await? {
            return Ok(Decision::Nothing);
        }
        let pace = contact_pace_indexes(self.vault(), address);
        let last = self.store().last_asked(&pace).await?;
        if last.is_some_and(|last| now < add(last, BETWEEN)) {
            return Ok(Decision::Nothing);
        }
        let (asked, _) = self.store().asked_since(add(now, -HOUR)).await?;
        if asked >= self.live().settings.limits.first_contacts_per_hour.into() {
            return Ok(Decision::Later(add(now, later())));
        }
        if let Err(free) = self.take_place(address) {
            return Ok(Decision::Later(free));
        }
        let (Some(own), Some(pace)) = (known.first(), pace.first()) else {
            return Ok(Decision::Nothing);
        };
        let token = ConfirmToken::generate();
        let question = Question {
            token: token.hash(),
            address: *own,
            pace: *pace,
            asked_at: now,
            record: QuestionRecord::default(),
        };
        let letter = self.question_letter(&person, &token, now.duration_since(at));
        let change = suppressions
            .guards()
            .fold(Change::new(), Change::require)
            .then(Step::PutQuestion(question));
        match self.post(address, self.is_bilingual_party(), &letter) {
            Ok(mail) => Ok(Decision::Done(change.then_all(mail))),
            Err(error) => {
                self.give_place_back(address);
                Err(error)
            }
        }
    }

    fn question_letter(
        &self,
        person: &Person,
        token: &ConfirmToken,
        waited: SignedDuration,
    ) -> Letter {
        let live = self.live();
        let never = self.vault().withdrawal_token(ListTag::ALL, &person.index());
        let left = WAITS_DAYS - waited.as_hours() / 24;
        Letter::FirstContact {
            link: live.settings.first_contact_url(&token.to_text()),
            never_link: live.settings.never_url(&never),
            days: u8::try_from(left.max(1)).unwrap_or(1),
        }
    }

    /// Nobody knows which language a stranger reads: both, where the party has constituencies in Wales.
    fn is_bilingual_party(&self) -> bool {
        let live = self.live();
        let mut all = live.settings.constituencies.iter();
        all.any(super::constituency::Constituency::is_in_wales)
    }

    /// Forgets that an address is a contact: its next mail waits again, and it is asked. Answers whether anything was kept.
    ///
    /// # Errors
    /// [`ConsentError::NoReason`] or [`ConsentError::Store`].
    pub async fn forget_contact(
        &self,
        address: &EmailAddress,
        by: &By,
    ) -> Result<bool, ConsentError> {
        let person = Person::of(self.vault(), address);
        let act = self.act(by, "contact forget")?.to(self.object_of(&person));
        let known = contact_indexes(self.vault(), address);
        let held = self.store().has_first_contact(&known).await?;
        let change = Change::new()
            .then(Step::ForgetContact(known))
            .then(act_step(&act)?);
        self.commit(change).await?;
        self.sign_checkpoints_quietly().await;
        Ok(held)
    }

    /// How many contacts there are, and how much waits.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn contacts(&self) -> Result<ContactCounts, ConsentError> {
        Ok(self.store().count_contacts().await?)
    }
}

fn hash_of(token: &str) -> Option<TokenHash> {
    ConfirmToken::parse(token).map(|token| token.hash())
}

/// When to try again while too many were asked: between half an hour and one and a half, so that not all come at once.
fn later() -> SignedDuration {
    let [random, ..] = crate::id::random();
    SignedDuration::from_secs(1_800 + i64::from(random) * 14)
}
