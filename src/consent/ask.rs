//! Asking: what a form or a mail leaves for the worker. Nothing is looked up here, so that neither the answer nor its
//! timing tells who is known: one sealed row is committed, always (design §1.6).

use jiff::{SignedDuration, Timestamp};

use super::act::{By, act_step};
use super::constituency::Code;
use super::import::register::{tells_of_purchase, tells_of_register};
use super::pace::add;
use super::person::Person;
use super::{Consent, ConsentError, FormProblem, FormVersion, Lang, Live, WordingDigest};
use crate::address::EmailAddress;
use crate::audit::check_reason;
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
    /// [`ConsentError::Form`] with what is wrong with the form, [`ConsentError::Store`] if it could not be kept, or if the
    /// room on the disk that is left is for who leaves.
    pub async fn sign_up(&self, form: SignUpForm) -> Result<(), ConsentError> {
        let asked = {
            // One look at the words: those that were compared are those that are logged.
            let live = self.live();
            let problems = live.form_problems(
                &form.lists,
                form.constituency,
                form.age_stated,
                &form.shown,
                form.language,
            );
            if !problems.is_empty() {
                return Err(ConsentError::Form(problems));
            }
            AskedFor {
                address: form.address,
                lists: live.ticked(&form.lists, form.language),
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
        self.store().check_room_to_ask()?;
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
        self.store().check_room_to_ask()?;
        self.take_in(IntakeRecord::SignUp { asked }).await
    }

    /// Takes a mail that says "stop" and doesn't prove whose address it came from. The worker pauses sending and asks
    /// once.
    ///
    /// # Errors
    /// [`ConsentError::Store`]: it was not taken; the mail must be refused for now.
    pub async fn bare_stop(&self, address: EmailAddress) -> Result<(), ConsentError> {
        let at = self.clock().now();
        self.take_in(IntakeRecord::BareStop { address, at }).await
    }

    /// Takes a card that somebody filled in on paper or at an event. It is a sign-up like any other, but that who left a
    /// list is not asked for it again: nobody is subscribed before the owner of the address confirms. If no age is
    /// stated on it, the owner gets the full form. The act goes into the audit log.
    ///
    /// # Errors
    /// [`ConsentError::Form`], [`ConsentError::NoReason`] or [`ConsentError::Store`].
    pub async fn enter_card(&self, card: Card, by: &By) -> Result<(), ConsentError> {
        let filled_in = card.filled_in;
        let (asked, mut problems) = self.read_card(card, by);
        if filled_in > self.clock().now() {
            problems.push(FormProblem::DateInFuture);
        }
        if problems.is_empty() && self.is_older_than_its_words(&asked).await? {
            problems.push(FormProblem::BeforeWording);
        }
        if !problems.is_empty() {
            return Err(ConsentError::Form(problems));
        }
        let person = Person::of(self.vault(), &asked.address);
        let act = self.act(by, "subscriber add")?.to(self.object_of(&person));
        let intake = self.intake_step(IntakeRecord::SignUp { asked });
        self.commit(Change::new().then(intake).then(act_step(&act)?))
            .await?;
        self.sign_checkpoints_quietly().await;
        self.work_came();
        Ok(())
    }

    /// What a card asks for by the words in force, and what is wrong with it.
    fn read_card(&self, card: Card, by: &By) -> (AskedFor, Vec<FormProblem>) {
        let live = self.live();
        let language = card.language;
        // An age that isn't stated is asked for on the page.
        let mut problems = live.form_problems(
            &card.lists,
            card.constituency,
            true,
            live.wordings.version(language),
            language,
        );
        if card.batch.trim().is_empty() {
            problems.push(FormProblem::BatchMissing);
        } else if check_reason(&card.batch).is_err() {
            problems.push(FormProblem::BatchAddress);
        } else if tells_of_register(&card.batch) || tells_of_purchase(&card.batch) {
            problems.push(FormProblem::BatchRegister);
        }
        let asked = AskedFor {
            lists: live.ticked(&card.lists, language),
            address: card.address,
            constituency: card.constituency.map(|code| code.to_string()),
            channel: match card.at_event {
                true => Channel::Event,
                false => Channel::Paper,
            },
            asked_at: card.filled_in,
            language: language.tag().into(),
            notice: live.wordings.notice(language).digest.to_string(),
            stated_age: card.age_stated.then_some(live.settings.minimum_age),
            batch: Some(card.batch),
            entered_by: Some(by.staff.to_string()),
        };
        (asked, problems)
    }

    /// Whether a card was filled in on a day before one of the texts in force was first shown: it can't have stood on it.
    async fn is_older_than_its_words(&self, asked: &AskedFor) -> Result<bool, ConsentError> {
        let day_s_end = add(asked.asked_at, SignedDuration::from_hours(24));
        let statements = asked.lists.iter().filter_map(|one| one.wording.as_deref());
        for text in statements.chain([asked.notice.as_str()]) {
            let Some(digest) = WordingDigest::parse(text) else {
                continue;
            };
            let wording = self.store().wording(&digest.0).await?;
            if wording.is_some_and(|wording| day_s_end <= wording.first_shown) {
                return Ok(true);
            }
        }
        Ok(false)
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
}

impl Live {
    /// What is wrong with the boxes and fields of a form.
    pub(super) fn form_problems(
        &self,
        lists: &[String],
        constituency: Option<Code>,
        age_stated: bool,
        shown: &FormVersion,
        language: Lang,
    ) -> Vec<FormProblem> {
        let open = |key: &String| self.settings.list(key).is_some_and(|list| list.open);
        let known = |code| self.settings.constituencies.get(code).is_some();
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
        if self.wordings.version(language) != shown {
            problems.push(FormProblem::WordingChanged);
        }
        problems
    }

    /// The ticked lists, each once, with the wording that stood beside its box.
    pub(super) fn ticked(&self, lists: &[String], language: Lang) -> Vec<AskedList> {
        let mut ticked: Vec<AskedList> = Vec::new();
        for key in lists {
            let wording = self.wordings.current(key, language);
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
