//! Asking: what a form or a mail leaves for the worker. Nothing is looked up here, so that neither the answer nor its
//! timing tells who is known: one sealed row is committed, always (design §1.6).

use jiff::Timestamp;

use super::act::{By, act_step};
use super::constituency::Code;
use super::person::Person;
use super::{Consent, ConsentError, FormProblem, FormVersion, Lang};
use crate::address::EmailAddress;
use crate::store::{AskedFor, AskedList, Change, Channel, Intake, IntakeRecord, Step};

/// A sign-up form as it was posted, with its fields read.
#[derive(Clone)]
pub struct SignUpForm {
    /// The address as it was typed.
    pub address: EmailAddress,
    /// The keys of the boxes that were ticked.
    pub lists: Vec<String>,
    /// The chosen constituency.
    pub constituency: Option<Code>,
    /// The language in which the form was shown.
    pub language: Lang,
    /// Whether the statement of minimum age was ticked.
    pub age_stated: bool,
    /// What the form carried of the words that it was shown with.
    pub shown: FormVersion,
}

/// A card with the statements in force on it, as somebody filled it in.
#[derive(Clone)]
pub struct Card {
    /// The address.
    pub address: EmailAddress,
    /// The keys of the boxes that were ticked.
    pub lists: Vec<String>,
    /// The constituency.
    pub constituency: Option<Code>,
    /// The language of the card.
    pub language: Lang,
    /// Whether the statement of minimum age was ticked.
    pub age_stated: bool,
    /// At an event, rather than sent or handed in.
    pub at_event: bool,
    /// The batch of cards that it came with.
    pub batch: String,
    /// When it was filled in.
    pub filled_in: Timestamp,
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Card(..)")
    }
}

impl std::fmt::Debug for SignUpForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignUpForm(..)")
    }
}

impl Consent {
    /// Takes a sign-up. `Ok` means that it is on the disk, and nothing else: the same for everybody.
    ///
    /// # Errors
    /// [`ConsentError::Form`] with what is wrong with the form, [`ConsentError::Store`] if it could not be kept.
    pub async fn sign_up(&self, form: SignUpForm) -> Result<(), ConsentError> {
        let problems = self.form_problems(
            &form.lists,
            form.constituency,
            form.age_stated,
            &form.shown,
            form.language,
        );
        if !problems.is_empty() {
            return Err(ConsentError::Form(problems));
        }
        let asked = {
            let live = self.live();
            AskedFor {
                address: form.address,
                lists: self.ticked(&form.lists, form.language),
                constituency: form.constituency.map(|code| code.to_string()),
                channel: Channel::Web,
                asked_at: self.clock().now(),
                language: form.language.tag().into(),
                notice: live.wordings.notice(form.language).digest.to_string(),
                stated_age: Some(live.settings.minimum_age),
                batch: None,
                entered_by: None,
            }
        };
        self.take_in(IntakeRecord::SignUp { asked }).await
    }

    /// Takes a mail to a list's `+subscribe` address. Its challenge opens the full form; that form's post is the consent.
    ///
    /// # Errors
    /// [`ConsentError::UnknownList`] (list addresses are public), or [`ConsentError::Store`].
    pub async fn subscribe_by_mail(
        &self,
        address: EmailAddress,
        list: &str,
    ) -> Result<(), ConsentError> {
        let asked = {
            let live = self.live();
            let open = live.settings.list(list).filter(|list| list.open);
            if open.is_none() {
                return Err(ConsentError::UnknownList(list.to_owned()));
            }
            AskedFor {
                address,
                lists: vec![AskedList {
                    list: list.to_owned(),
                    wording: None,
                }],
                constituency: None,
                channel: Channel::Mail,
                asked_at: self.clock().now(),
                language: Lang::En.tag().into(),
                notice: live.wordings.notice(Lang::En).digest.to_string(),
                stated_age: None,
                batch: None,
                entered_by: None,
            }
        };
        self.take_in(IntakeRecord::SignUp { asked }).await
    }

    /// Takes a mail that says "stop" and doesn't prove whose address it came from; `list` is what it answered, if that
    /// can be told. The worker pauses sending and asks once.
    ///
    /// # Errors
    /// [`ConsentError::Store`]: it was not taken; the mail must be refused for now.
    pub async fn bare_stop(
        &self,
        address: EmailAddress,
        list: Option<&str>,
    ) -> Result<(), ConsentError> {
        let record = IntakeRecord::BareStop {
            address,
            list: list.map(str::to_owned),
            at: self.clock().now(),
        };
        self.take_in(record).await
    }

    /// Takes a card that somebody filled in on paper or at an event. It is a sign-up like any other: nobody is subscribed
    /// before the owner of the address confirms. The act goes into the audit log.
    ///
    /// # Errors
    /// [`ConsentError::Form`], [`ConsentError::NoReason`] or [`ConsentError::Store`].
    pub async fn enter_card(&self, card: Card, by: &By) -> Result<(), ConsentError> {
        let version = self.form_version(card.language);
        let mut problems = self.form_problems(
            &card.lists,
            card.constituency,
            card.age_stated,
            &version,
            card.language,
        );
        if card.batch.trim().is_empty() {
            problems.push(FormProblem::BatchMissing);
        }
        if card.filled_in > self.clock().now() {
            problems.push(FormProblem::DateInFuture);
        }
        if !problems.is_empty() {
            return Err(ConsentError::Form(problems));
        }
        let person = Person::of(self.vault(), &card.address);
        let act = self.act(by, "subscriber add")?.to(self.object_of(&person));
        let asked = {
            let live = self.live();
            AskedFor {
                lists: self.ticked(&card.lists, card.language),
                address: card.address,
                constituency: card.constituency.map(|code| code.to_string()),
                channel: match card.at_event {
                    true => Channel::Event,
                    false => Channel::Paper,
                },
                asked_at: card.filled_in,
                language: card.language.tag().into(),
                notice: live.wordings.notice(card.language).digest.to_string(),
                stated_age: Some(live.settings.minimum_age),
                batch: Some(card.batch),
                entered_by: Some(by.staff.to_string()),
            }
        };
        let intake = self.intake_step(IntakeRecord::SignUp { asked });
        self.commit(Change::new().then(intake).then(act_step(&act)?))
            .await?;
        self.sign_checkpoints_quietly().await;
        self.work_came();
        Ok(())
    }

    /// The step that [`Consent::subscribe_by_mail`] or [`Consent::bare_stop`] would commit, for a door that accepts the
    /// mail in the same transaction. Call [`Consent::work_came`] after the commit.
    pub fn intake_step(&self, record: IntakeRecord) -> Step {
        Step::PutIntake(Intake::new(self.clock().now(), record))
    }

    /// Wakes the worker.
    pub fn work_came(&self) {
        self.0.work.notify_one();
    }

    /// Takes one piece for the worker; `Ok` means that it is on the disk.
    ///
    /// # Errors
    /// [`ConsentError::Store`].
    pub async fn take_in(&self, record: IntakeRecord) -> Result<(), ConsentError> {
        self.commit(Change::new().then(self.intake_step(record)))
            .await?;
        self.work_came();
        Ok(())
    }

    /// What is wrong with the boxes and fields of a form.
    pub(super) fn form_problems(
        &self,
        lists: &[String],
        constituency: Option<Code>,
        age_stated: bool,
        shown: &FormVersion,
        language: Lang,
    ) -> Vec<FormProblem> {
        let live = self.live();
        let open = |key: &String| live.settings.list(key).is_some_and(|list| list.open);
        let known = |code| live.settings.constituencies.get(code).is_some();
        let mut problems = Vec::new();
        if lists.is_empty() {
            problems.push(FormProblem::ListsMissing);
        } else if !lists.iter().all(open) {
            problems.push(FormProblem::ListsUnknown);
        }
        if !age_stated {
            problems.push(FormProblem::AgeMissing);
        }
        if constituency.is_some_and(|code| !known(code)) {
            problems.push(FormProblem::ConstituencyUnknown);
        }
        if live.wordings.version(language) != shown {
            problems.push(FormProblem::WordingChanged);
        }
        problems
    }

    /// The ticked lists, each once, with the wording that stood beside its box.
    pub(super) fn ticked(&self, lists: &[String], language: Lang) -> Vec<AskedList> {
        let live = self.live();
        let mut ticked: Vec<AskedList> = Vec::new();
        for key in lists {
            let wording = live.wordings.current(key, language);
            let Some(shown) = wording else { continue };
            if !ticked.iter().any(|one| one.list == *key) {
                ticked.push(AskedList {
                    list: key.clone(),
                    wording: Some(shown.digest.to_string()),
                });
            }
        }
        ticked
    }
}
