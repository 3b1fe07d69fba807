//! The worker: decides, for each piece of intake, which mail answers it, if any. What it decides is one transaction with
//! the removal of the intake, so that a crash in between loses nothing and sends nothing twice.

use jiff::{SignedDuration, Timestamp};

use super::letter::Letter;
use super::pace::{self, Pace, add};
use super::person::{Person, Suppressions};
use super::place::{Place, Places};
use super::request::{wants_full_form, widened};
use super::{ATTEMPTS, Consent, ConsentError};
use crate::address::EmailAddress;
use crate::store::{
    AskedFor, Challenge, Change, ChangeOutcome, Guard, Intake, IntakeRecord, Request,
    RequestRecord, Scope, Step, Subscriber,
};
use crate::vault::{ConfirmToken, Index, ListTag};

/// How many pieces one step takes.
const PIECES: u32 = 64;
/// When to try again what failed: a template that doesn't render, a store that is full.
const LATER: SignedDuration = SignedDuration::from_mins(5);

/// When to look again at what needs a damaged record.
const DAMAGED: SignedDuration = SignedDuration::from_hours(24);

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worked {
    /// How many pieces were decided or put off.
    pub pieces: usize,
    /// Whether more are due at once.
    pub more: bool,
}

/// Decides intake, one piece after the other. One worker is enough, and more do no harm.
#[derive(Debug, Clone)]
pub struct IntakeWorker(Consent);

/// What is to become of a piece.
pub(super) enum Decision {
    /// Nothing answers it.
    Nothing,
    /// It is answered, with these steps. The places are used up once they are committed, and free again if they aren't.
    Done(Change, Places),
    /// These steps go on with it, and say themselves when it is done.
    GoesOn(Change),
    /// Not now.
    Later(Timestamp),
}

impl IntakeWorker {
    /// The worker of a room.
    pub fn new(consent: Consent) -> Self {
        Self(consent)
    }

    /// Works until it is dropped.
    pub async fn run(&self) {
        let consent = &self.0;
        loop {
            let wait = match self.step().await {
                Ok(worked) if worked.more => continue,
                Ok(_) => self.next_due().await,
                Err(error) => Err(error),
            };
            let now = consent.clock().now();
            let until = wait.unwrap_or_else(|error| {
                tracing::warn!(%error, "sign-ups wait");
                Some(add(now, LATER))
            });
            tokio::select! {
                () = consent.0.work.notified() => {}
                () = consent.store().work_left() => {}
                () = consent.clock().sleep_until(until.unwrap_or(Timestamp::MAX)) => {}
            }
        }
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, ConsentError> {
        let next = self.0.store().next_intake().await?;
        // A row that does not open stays due for ever; it must not turn this into a busy loop.
        let soonest = add(self.0.clock().now(), SignedDuration::from_secs(1));
        Ok(next.map(|next| next.max(soonest)))
    }

    /// Decides what is due now.
    ///
    /// # Errors
    /// [`ConsentError::Store`] if the store can't be read or written; what was not decided stays.
    pub async fn step(&self) -> Result<Worked, ConsentError> {
        let due = self
            .0
            .store()
            .due_intake(self.0.clock().now(), PIECES)
            .await?;
        let mut more = due.len() >= PIECES as usize;
        for intake in &due {
            more |= self.decide(intake).await?;
        }
        Ok(Worked {
            pieces: due.len(),
            more,
        })
    }

    /// Whether it goes on at once.
    async fn decide(&self, intake: &Intake) -> Result<bool, ConsentError> {
        for _ in 0..ATTEMPTS {
            let decision = match self.0.decision(intake).await {
                Ok(decision) => decision,
                Err(error @ (ConsentError::Letter(_) | ConsentError::Event(_))) => {
                    tracing::error!(%error, "a sign-up waits until its mail can be written");
                    Decision::Later(add(self.0.clock().now(), LATER))
                }
                // A damaged row of one person must not hold up the others.
                Err(ConsentError::Store(error)) if !error.is_temporary() => {
                    tracing::error!(%error, "a sign-up waits: a record that it needs is damaged");
                    Decision::Later(add(self.0.clock().now(), DAMAGED))
                }
                Err(error @ ConsentError::BrokenImport(_)) => {
                    tracing::error!(%error, "an imported row waits");
                    Decision::Later(add(self.0.clock().now(), DAMAGED))
                }
                Err(error) => return Err(error),
            };
            let goes_on = matches!(decision, Decision::GoesOn(_));
            let mut taken = Places::default();
            let change = match decision {
                Decision::GoesOn(change) => change,
                Decision::Nothing => Change::new().then(Step::RemoveIntake(intake.id)),
                Decision::Done(change, places) => {
                    taken = places;
                    change.then(Step::RemoveIntake(intake.id))
                }
                Decision::Later(due_at) => Change::new().then(Step::PutIntake(Intake {
                    due_at,
                    ..intake.clone()
                })),
            };
            let change = change.require(Guard::IntakeWaits(intake.id));
            match self.0.store().change(change).await {
                Ok(ChangeOutcome::Done) => {
                    taken.use_up();
                    self.0.committed();
                    return Ok(goes_on);
                }
                Ok(ChangeOutcome::Conflict) => {}
                Err(error) if goes_on && !error.is_temporary() => {
                    tracing::error!(%error, "a contact's mail waits: a folder is damaged");
                    let due_at = add(self.0.clock().now(), DAMAGED);
                    let later = Step::PutIntake(Intake {
                        due_at,
                        ..intake.clone()
                    });
                    let later = Change::new()
                        .require(Guard::IntakeWaits(intake.id))
                        .then(later);
                    let _ = self.0.store().change(later).await?;
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}

/// Where a sign-up comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The person, or somebody who typed that address.
    Stranger,
    /// Staff, who entered a card.
    Card,
    /// Staff, who imported a file.
    Import,
}

impl Consent {
    async fn decision(&self, intake: &Intake) -> Result<Decision, ConsentError> {
        let asks = !matches!(
            intake.record,
            IntakeRecord::BareStop { .. } | IntakeRecord::Release { .. }
        );
        if let Err(error) = self.store().check_room_to_ask()
            && asks
        {
            tracing::debug!(%error, "a sign-up waits");
            return Ok(Decision::Later(add(self.clock().now(), LATER)));
        }
        match &intake.record {
            IntakeRecord::SignUp { asked } => {
                let origin = match asked.entered_by {
                    Some(_) => Origin::Card,
                    None => Origin::Stranger,
                };
                self.decide_sign_up(asked, origin).await
            }
            IntakeRecord::BareStop { address, at } => {
                let change = self.decide_stop(address, *at).await?;
                Ok(Decision::Done(change, Places::default()))
            }
            IntakeRecord::FirstContact { address, at, to } => {
                self.decide_first_contact(address, *at, to.as_ref()).await
            }
            IntakeRecord::Release { author, .. } => {
                let author = author.iter().filter_map(|index| Index::from_slice(index));
                let (author, now) = (author.collect(), self.clock().now());
                let release = Step::ReleaseOn(author, now, Box::new(intake.clone()));
                Ok(Decision::GoesOn(Change::new().then(release)))
            }
            IntakeRecord::Import { batch, asked } => self.decide_import(batch, asked).await,
        }
    }

    /// An imported row: only once approved, only so many a day.
    async fn decide_import(&self, batch: &str, asked: &AskedFor) -> Result<Decision, ConsentError> {
        if !self.import_is_released(batch).await? {
            return Ok(Decision::Later(super::import::HELD));
        }
        let (pace, free) = self.import_pace().await?;
        if let Some(free) = free {
            return Ok(Decision::Later(free));
        }
        match self.decide_sign_up(asked, Origin::Import).await? {
            Decision::Done(change, places) => Ok(Decision::Done(change.then(pace), places)),
            other @ (Decision::Nothing | Decision::GoesOn(_) | Decision::Later(_)) => Ok(other),
        }
    }

    async fn decide_sign_up(
        &self,
        asked: &AskedFor,
        origin: Origin,
    ) -> Result<Decision, ConsentError> {
        let nothing = Ok(Decision::Nothing);
        if self.is_no_persons(&asked.address) {
            return nothing;
        }
        let person = Person::of(self.vault(), &asked.address);
        let suppressions = Suppressions::read(self.store(), &person.indexes).await?;
        let (now, never) = (self.clock().now(), suppressions.never_again());
        if never && (origin != Origin::Stranger || suppressions.at_rest(now)) {
            return nothing;
        }
        let asked = self.askable(asked, origin, &suppressions);
        if asked.lists.is_empty() {
            return nothing;
        }
        let subscriber = self.find_person(&person).await?;
        let mut asked = asked;
        if asked.constituency.is_none() {
            let known = subscriber.as_ref().map(|one| &one.record.constituency);
            asked.constituency = known.cloned().flatten();
        }
        let on_all = subscriber.as_ref().filter(|one| on_all(one, &asked));
        if on_all.is_some() && origin != Origin::Stranger {
            return nothing;
        }
        // Who signs up again with another constituency corrects it: that is asked about, as anything else is.
        let already = on_all.filter(|one| one.record.constituency == asked.constituency);
        let counted = self.store().challenge(&person.form.without_tag()).await?;
        let (record, expires_at) = match pace::next(&counted.record, now) {
            Pace::Now(record, expires_at) if never => (pace::once(record, now), expires_at),
            Pace::Now(record, expires_at) => (record, expires_at),
            Pace::After(free) if origin != Origin::Stranger => return Ok(Decision::Later(free)),
            Pace::Silent if origin != Origin::Stranger => return nothing,
            Pace::After(_) | Pace::Silent if already.is_some() => return nothing,
            Pace::After(free) => return self.ask_with_the_last(&asked, &person, Some(free)).await,
            Pace::Silent => return self.ask_with_the_last(&asked, &person, None).await,
        };
        let place = match self.place(&asked.address) {
            Ok(place) => place,
            Err(free) => return Ok(Decision::Later(free)),
        };
        let mut change = Change::new()
            .require(Guard::ChallengeAt(counted.address_index, counted.version))
            .then(Step::PutChallenge(Challenge {
                expires_at,
                record,
                ..counted
            }));
        for guard in suppressions.guards() {
            change = change.require(guard);
        }
        let steps = match already {
            Some(subscriber) => self.already(subscriber, &asked),
            None => self.challenge(asked.clone(), &person, origin == Origin::Import),
        };
        Ok(Decision::Done(change.then_all(steps?), place.into()))
    }

    /// No further mail goes now: what the last one asks for is widened, so that its link leads to all of it. If it was
    /// answered meanwhile, this waits for its own mail.
    async fn ask_with_the_last(
        &self,
        asked: &AskedFor,
        person: &Person,
        free: Option<Timestamp>,
    ) -> Result<Decision, ConsentError> {
        let now = self.clock().now();
        let Some(waiting) = self.store().request_of(&person.form, now).await? else {
            return Ok(free.map_or(Decision::Nothing, Decision::Later));
        };
        let Some(record) = widened(&waiting.record, asked) else {
            return Ok(Decision::Nothing);
        };
        // The row is another, so that whoever is confirming the old one at this moment finds it gone and looks again.
        let (token, expires_at) = (waiting.token_hash, waiting.expires_at);
        let wide = Request::new(self.vault(), token, expires_at, record);
        let change = Change::new().require(Guard::RequestWaits(waiting.id));
        let change = change.then(Step::PutRequest(wide));
        Ok(Decision::Done(change, Places::default()))
    }

    /// What may be asked: lists that are there and open. Who left a list comes back only by their own asking, so what
    /// staff enter never reaches a suppressed list.
    fn askable(&self, asked: &AskedFor, origin: Origin, suppressions: &Suppressions) -> AskedFor {
        let live = self.live();
        let mut asked = asked.clone();
        asked.lists.retain(|one| {
            let open = live.settings.list(&one.list).is_some_and(|list| list.open);
            let mut tags = self.vault().list_tags(&one.list).into_iter();
            let left = tags.any(|tag| suppressions.forbids(Scope::List(tag)));
            open && (origin == Origin::Stranger || !left)
        });
        asked
    }

    pub(super) fn place(&self, address: &EmailAddress) -> Result<Place, Timestamp> {
        let limit = self.live().settings.limits.per_domain_hour;
        let domains = &self.0.domains;
        domains.take(address.domain(), limit, self.clock().now())
    }

    /// The steps that write the request and its challenge.
    fn challenge(
        &self,
        asked: AskedFor,
        person: &Person,
        imported: bool,
    ) -> Result<Vec<Step>, ConsentError> {
        let record = RequestRecord {
            asked,
            imported,
            again: false,
        };
        let asked = &record.asked;
        let token = ConfirmToken::generate();
        let live = self.live();
        let days = live.settings.limits.request_days;
        let never = self.vault().withdrawal_token(ListTag::ALL, &person.index());
        let link = live.settings.confirm_url(&token.to_text());
        let never_link = live.settings.never_url(&never);
        let letter = if let Some(heard) = wants_full_form(&record) {
            Letter::OpenChallenge {
                heard,
                link,
                never_link,
                days,
            }
        } else {
            let title = |key: &str| live.settings.list(key).map(|list| list.title.clone());
            Letter::Challenge {
                lists: asked
                    .lists
                    .iter()
                    .filter_map(|one| title(&one.list))
                    .collect(),
                link,
                never_link,
                days,
            }
        };
        let expires_at = add(
            self.clock().now(),
            SignedDuration::from_hours(24 * i64::from(days)),
        );
        let mail = self.post(&asked.address, self.is_bilingual(asked), &letter)?;
        let request = Request::new(self.vault(), token.hash(), expires_at, record);
        let mut steps = vec![Step::PutRequest(request)];
        steps.extend(mail);
        Ok(steps)
    }

    /// The steps that tell a subscriber that they are one, at the address that they confirmed.
    fn already(
        &self,
        subscriber: &Subscriber,
        asked: &AskedFor,
    ) -> Result<Vec<Step>, ConsentError> {
        let record = &subscriber.record;
        let lists = record.subscriptions.iter().map(|one| one.list.as_str());
        let letter = Letter::AlreadySubscribed {
            lists: self.ways_out(lists, &subscriber.suppression_index),
        };
        let bilingual = self.is_bilingual(asked) || self.is_welsh(record.constituency.as_deref());
        Ok(self.post(&record.address, bilingual, &letter)?.into())
    }
}

/// Whether a subscriber is on everything that is asked for, unpaused or not.
fn on_all(subscriber: &Subscriber, asked: &AskedFor) -> bool {
    let on = |list: &str| {
        let mut all = subscriber.record.subscriptions.iter();
        all.any(|one| one.list == list)
    };
    asked.lists.iter().all(|one| on(&one.list))
}
