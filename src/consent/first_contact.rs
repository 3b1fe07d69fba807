//! First contact: a stranger who wrote to the party is asked once whether it was them, and by the button they become a
//! contact. Only whom their domain vouches for is asked, so that nobody is asked about mail that others forged.
//!
//! Who left lists, or was erased, is asked as well: what they write now may be a complaint, and is nobody's mail to lose.
//! Who asked never to be written to isn't.
//!
//! Whether somebody subscribes isn't looked at: nobody could tell subscribers by their mail coming in at once.

use jiff::{SignedDuration, Timestamp};

use super::act::{By, act_step};
use super::expiry::CLOCK;
use super::letter::Letter;
use super::pace::add;
use super::person::{Person, Suppressions};
use super::place::Place;
use super::worker::Decision;
use super::{Consent, ConsentError};
use crate::address::EmailAddress;
use crate::store::{
    Change, ChangeOutcome, ContactCounts, Guard, Question, QuestionRecord, Step, contact_indexes,
    contact_pace_indexes,
};
use crate::vault::{ConfirmToken, Index, ListTag, TokenHash};

/// How long a stranger's mail waits, and how long the link in the question is good.
pub const WAITS_DAYS: i64 = 14;
/// Between two questions to one address.
const BETWEEN: SignedDuration = SignedDuration::from_hours(24 * 7);
/// The button may be pressed again so long after its first press, and says the same.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// After so long nobody is asked any more about a mail: too many strangers wrote.
const TOO_LATE: SignedDuration = SignedDuration::from_hours(24 * 7);
/// Of those who are asked in an hour, one domain has this part at most.
const SHARE: u32 = 5;
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const WAITS: SignedDuration = SignedDuration::from_hours(24 * WAITS_DAYS);

/// What came of the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum OwnedUp {
    /// They are a contact, on the disk; perhaps since a moment ago, by the same link.
    Met,
    /// They are a contact, but nothing of theirs waited any more: it was erased, or staff threw it away.
    MetTooLate,
    /// The link is unknown, was used, or has expired; nobody is told which.
    LinkUnknown,
}

/// What the link of a question leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum QuestionLink {
    /// The question and its button.
    Stands,
    /// What came of it; or the link is good no more.
    Over(OwnedUp),
}

fn met(too_late: bool) -> OwnedUp {
    match too_late {
        true => OwnedUp::MetTooLate,
        false => OwnedUp::Met,
    }
}

impl Consent {
    /// What the link of a question leads to: the question, or for an hour after it what the button came to. Changes nothing.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn question(&self, token: &str) -> Result<QuestionLink, ConsentError> {
        let Some(hash) = hash_of(token) else {
            return Ok(QuestionLink::Over(OwnedUp::LinkUnknown));
        };
        let question = self.live_question(&hash).await?;
        Ok(match question {
            None => QuestionLink::Over(OwnedUp::LinkUnknown),
            Some(question) => match self.came_of(&question.record) {
                None => QuestionLink::Stands,
                Some(answer) => QuestionLink::Over(answer),
            },
        })
    }

    /// What the button came to, if it was pressed; after an hour nobody is told any more.
    fn came_of(&self, question: &QuestionRecord) -> Option<OwnedUp> {
        let answered_at = question.answered_at?;
        Some(match self.clock().now() < add(answered_at, AGAIN) {
            true => met(question.too_late),
            false => OwnedUp::LinkUnknown,
        })
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
        self.meet_by(question).await
    }

    /// An answer to the question itself, from whoever was asked, if their domain vouches for it: they read the address's
    /// mail, as whoever presses the button does. Answers whether it was one.
    ///
    /// # Errors
    /// [`ConsentError::Store`]: nothing was done.
    pub async fn own_up_by_reply(
        &self,
        message_id_token: &str,
        author: &EmailAddress,
    ) -> Result<bool, ConsentError> {
        let Some(hash) = asked_by(message_id_token) else {
            return Ok(false);
        };
        let asked = self.live_question(&hash).await?;
        let known = contact_indexes(self.vault(), author);
        match asked.filter(|question| known.contains(&question.address)) {
            None => Ok(false),
            Some(question) => Ok(self.meet_by(question).await? != OwnedUp::LinkUnknown),
        }
    }

    async fn meet_by(&self, question: Question) -> Result<OwnedUp, ConsentError> {
        let hash = question.token;
        let now = self.clock().now();
        if let Some(answer) = self.came_of(&question.record) {
            return Ok(answer);
        }
        let known = [question.address];
        // What staff vouched for came in then. Nobody but who reads the address's mail has the link, and is told this.
        let too_late =
            !self.store().proven_waits(&known).await? && !self.store().is_contact(&known).await?;
        let answered = Question {
            record: QuestionRecord {
                answered_at: Some(now),
                too_late,
                ..question.record
            },
            ..question.clone()
        };
        let change = Change::new()
            .require(Guard::QuestionStands(hash))
            .then(Step::Meet(vec![question.address], now))
            .then(Step::PutQuestion(answered));
        match self.store().change(change).await? {
            ChangeOutcome::Done => {
                // There may be more than was brought in with it.
                self.work_came();
                Ok(met(too_late))
            }
            // It was erased meanwhile.
            ChangeOutcome::Conflict => Ok(OwnedUp::LinkUnknown),
        }
    }

    async fn live_question(&self, hash: &TokenHash) -> Result<Option<Question>, ConsentError> {
        let question = self.store().question(hash).await?;
        let now = self.clock().now();
        Ok(question.filter(|question| now < good_until(question)))
    }

    /// Whether a stranger is asked whether they wrote.
    pub(super) async fn decide_first_contact(
        &self,
        address: &EmailAddress,
        at: Timestamp,
        to: Option<&EmailAddress>,
    ) -> Result<Decision, ConsentError> {
        let now = self.clock().now();
        if self.is_no_persons(address) || now >= add(at, TOO_LATE) {
            return Ok(Decision::Nothing);
        }
        let person = Person::of(self.vault(), address);
        let suppressions = Suppressions::read(self.store(), &person.indexes).await?;
        let known = contact_indexes(self.vault(), address);
        if suppressions.never_again() || self.store().is_contact(&known).await? {
            return Ok(Decision::Nothing);
        }
        // Staff threw it away, or it was erased: nobody is asked about that any more.
        if !self.store().waits(&known).await? {
            return Ok(Decision::Nothing);
        }
        let pace = contact_pace_indexes(self.vault(), address);
        let last = self.store().last_asked(&pace, add(now, CLOCK)).await?;
        if last.is_some_and(|last| now < add(last, BETWEEN)) {
            return Ok(Decision::Nothing);
        }
        // Before what all have in common: else whoever owns a domain could use up all of it, hour by hour, and no honest
        // stranger would ever be asked.
        let share = match self.strangers_place(address) {
            Ok(share) => share,
            Err(free) if free < add(at, TOO_LATE) => return Ok(Decision::Later(free)),
            Err(_) => return Ok(Decision::Nothing),
        };
        let stranger = (&person, &*known, &*pace);
        let decision = self
            .ask_stranger((address, at, to), stranger, &suppressions)
            .await?;
        Ok(match decision {
            Decision::Done(change, places) => Decision::Done(change, places.and(share)),
            other @ (Decision::Nothing | Decision::GoesOn(_) | Decision::Later(_)) => other,
        })
    }

    /// Asks, unless too many others were asked in this hour.
    async fn ask_stranger(
        &self,
        (address, at, to): (&EmailAddress, Timestamp, Option<&EmailAddress>),
        (person, known, pace): (&Person, &[Index], &[Index]),
        suppressions: &Suppressions,
    ) -> Result<Decision, ConsentError> {
        let now = self.clock().now();
        let asked = self.store().asked_between(add(now, -HOUR), now).await?;
        if asked >= self.live().settings.limits.first_contacts_per_hour.into() {
            return Ok(Decision::Later(add(now, later())));
        }
        let place = match self.place(address) {
            Ok(place) => place,
            Err(free) => return Ok(Decision::Later(free)),
        };
        let (Some(own), Some(pace)) = (known.first(), pace.first()) else {
            return Ok(Decision::Nothing);
        };
        let token = ConfirmToken::generate();
        let question = Question {
            token: token.hash(),
            address: *own,
            pace: *pace,
            asked_at: now,
            record: QuestionRecord {
                waits_until: Some(add(at, WAITS)),
                ..QuestionRecord::default()
            },
        };
        let letter = self.question_letter(person, &token, now.duration_since(at), to);
        let change = suppressions
            .guards()
            .fold(Change::new(), Change::require)
            .then(Step::PutQuestion(question));
        let mail = self.post(address, self.is_bilingual_party(), &letter)?;
        Ok(Decision::Done(change.then_all(mail), place.into()))
    }

    fn strangers_place(&self, address: &EmailAddress) -> Result<Place, Timestamp> {
        let all = self.live().settings.limits.first_contacts_per_hour;
        let share = (all / SHARE).max(1);
        let strangers = &self.0.strangers;
        strangers.take_of_owner(address.domain(), share, self.clock().now())
    }

    fn question_letter(
        &self,
        person: &Person,
        token: &ConfirmToken,
        waited: SignedDuration,
        to: Option<&EmailAddress>,
    ) -> Letter {
        let live = self.live();
        let never = self.vault().withdrawal_token(ListTag::ALL, &person.index());
        let left = WAITS_DAYS - waited.as_hours() / 24;
        Letter::FirstContact {
            link: live.settings.first_contact_url(&token.to_text()),
            never_link: live.settings.never_url(&never),
            days: u8::try_from(left.max(1)).unwrap_or(1),
            from: to.cloned(),
            message_id: asking(&token.hash()),
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

/// A link is as good as the mail: who pressed it later would be told that something came in that is gone.
fn good_until(question: &Question) -> Timestamp {
    let asked = add(question.asked_at, WAITS);
    question
        .record
        .waits_until
        .map_or(asked, |mail| mail.min(asked))
}

/// What begins the Message-ID of a question.
const ASKS: &str = "q-";

/// The local part of a question's Message-ID. It opens nothing: who names it must be who was asked.
fn asking(hash: &TokenHash) -> String {
    format!("{ASKS}{}", hash.to_text())
}

/// Which question this Message-ID's local part is of.
fn asked_by(message_id_token: &str) -> Option<TokenHash> {
    TokenHash::parse(message_id_token.strip_prefix(ASKS)?)
}

fn hash_of(token: &str) -> Option<TokenHash> {
    ConfirmToken::parse(token).map(|token| token.hash())
}

/// When to try again while too many were asked: between half an hour and one and a half, so that not all come at once.
fn later() -> SignedDuration {
    let [random, ..] = crate::id::random();
    SignedDuration::from_secs(1_800 + i64::from(random) * 14)
}
