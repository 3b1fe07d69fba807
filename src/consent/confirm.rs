//! The button in the challenge's page: the one place where a subscription is made.

use jiff::SignedDuration;

use super::constituency::Code;
use super::event::{ConfirmedEvent, Origin};
use super::letter::Letter;
use super::pace;
use super::person::{Person, Suppressions};
use super::request::wants_full_form;
use super::{
    ATTEMPTS, Confirmed, Consent, ConsentError, ConsentEvent, FormProblem, FormVersion, Lang, Live,
    Subscription,
};
use crate::id::write_hex;
use crate::store::{
    AskedFor, AskedList, Challenge, ChallengeRecord, Change, ChangeOutcome, Channel, Guard,
    JournalEntry, Request, RequestRecord, Scope, Standing, Step, Subscriber, SubscriberRecord,
    SubscriptionRecord, SuppressionRecord,
};
use crate::vault::{ConfirmToken, Index, TokenHash};

/// What was posted with the button.
#[derive(Clone)]
pub struct Confirmation {
    /// The keys of the lists that stay ticked; none means all that were asked for. The full form gives its own.
    pub lists: Option<Vec<String>>,
    /// The constituency.
    pub constituency: SeatChoice,
    /// The language in which the page was shown.
    pub language: Lang,
    /// Full form only: whether the statement of minimum age was ticked.
    pub age_stated: bool,
    /// Full form only: what the form carried of the words that it was shown with.
    pub shown: Option<FormVersion>,
}

/// Which constituency was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatChoice {
    /// None was posted: it stays what was asked for.
    AsAsked,
    /// The one that stands in the form now, or none.
    Now(Option<Code>),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ConfirmOutcome {
    /// Subscribed, on the disk; perhaps since a moment ago, by the same link.
    Subscribed(Vec<Confirmed<Subscription>>),
    /// The link is unknown, was used, or has expired; nobody is told which.
    LinkUnknown,
    /// The form can't be taken as it is; the link stays good.
    Refused(Vec<FormProblem>),
}

impl Consent {
    /// Makes the subscriptions that a request asked for: subscriber, evidence, lifted suppressions and welcome mail in one
    /// transaction.
    ///
    /// # Errors
    /// [`ConsentError::Store`], [`ConsentError::Busy`] or [`ConsentError::Letter`]: nothing was done, the link stays good.
    pub async fn confirm(
        &self,
        token: &str,
        choice: Confirmation,
    ) -> Result<ConfirmOutcome, ConsentError> {
        let Some(hash) = ConfirmToken::parse(token).map(|token| token.hash()) else {
            return Ok(ConfirmOutcome::LinkUnknown);
        };
        for _ in 0..ATTEMPTS {
            if let Some(outcome) = self.try_confirm(&hash, &choice).await? {
                return Ok(outcome);
            }
        }
        Err(ConsentError::Busy)
    }

    async fn try_confirm(
        &self,
        hash: &TokenHash,
        choice: &Confirmation,
    ) -> Result<Option<ConfirmOutcome>, ConsentError> {
        let Some((request, suppressions)) = self.live_request(hash).await? else {
            let made = self.confirmed_lately(hash).await?;
            return Ok(Some(
                made.map_or(ConfirmOutcome::LinkUnknown, ConfirmOutcome::Subscribed),
            ));
        };
        let asked = match self.chosen(&request.record, choice) {
            Ok(asked) => asked,
            Err(problems) => return Ok(Some(ConfirmOutcome::Refused(problems))),
        };
        if asked.lists.is_empty() {
            return Ok(Some(ConfirmOutcome::LinkUnknown));
        }
        let person = Person::of(self.vault(), &asked.address);
        let before = self.find_person(&person).await?;
        let mut making = Making {
            counted: self.counted(&person).await?,
            after: self.merged(before.as_ref(), &asked),
            before,
            request,
            person,
            suppressions,
            asked,
        };
        let change = self.confirm_change(&mut making)?;
        self.remember_confirmed(hash, &making.after.suppression_index, &making.asked.lists);
        if self.store().change(change).await? == ChangeOutcome::Conflict {
            return Ok(None);
        }
        self.committed();
        let before = making.before.as_ref().map(|before| &before.record);
        self.tally()
            .change(before, Some(&making.after.record), self.clock().now());
        Ok(Some(ConfirmOutcome::Subscribed(self.made(&making))))
    }

    /// What is consented to in the end: the request, with what the page let its reader change.
    fn chosen(
        &self,
        request: &RequestRecord,
        choice: &Confirmation,
    ) -> Result<AskedFor, Vec<FormProblem>> {
        let live = self.live();
        let mut chosen = request.asked.clone();
        let seat = match choice.constituency {
            SeatChoice::AsAsked => None,
            SeatChoice::Now(seat) => {
                chosen.constituency = seat.map(|code| code.to_string());
                seat
            }
        };
        if wants_full_form(request).is_some() {
            self.choose_in_full(&live, &mut chosen, choice, seat)?;
            if chosen.entered_by.take().is_some() || request.again {
                chosen.batch = None;
                chosen.channel = Channel::Web;
                chosen.asked_at = self.clock().now();
            }
        } else {
            let known = |code| live.settings.constituencies.get(code).is_some();
            if seat.is_some_and(|code| !known(code)) {
                return Err(vec![FormProblem::ConstituencyUnknown]);
            }
            if let Some(kept) = &choice.lists {
                chosen.lists.retain(|one| kept.contains(&one.list));
                if chosen.lists.is_empty() {
                    return Err(vec![FormProblem::ListsMissing]);
                }
            }
            chosen
                .lists
                .retain(|one| live.settings.list(&one.list).is_some());
        }
        Ok(chosen)
    }

    /// The full form: nothing of ours was shown before, so its boxes and words are the consent. After a card, an import or
    /// several sign-ups it is given on the web and now; what card and import say stays beside it as its [`Origin`].
    fn choose_in_full(
        &self,
        live: &Live,
        chosen: &mut AskedFor,
        choice: &Confirmation,
        seat: Option<Code>,
    ) -> Result<(), Vec<FormProblem>> {
        let lists = choice.lists.clone().unwrap_or_default();
        let shown = choice
            .shown
            .clone()
            .unwrap_or_else(|| FormVersion(String::new()));
        let problems = live.form_problems(&lists, seat, choice.age_stated, &shown, choice.language);
        if !problems.is_empty() {
            return Err(problems);
        }
        chosen.lists = live.ticked(&lists, choice.language);
        chosen.language = choice.language.tag().into();
        chosen.notice = live.wordings.notice(choice.language).digest.to_string();
        chosen.stated_age = Some(live.settings.minimum_age);
        Ok(())
    }

    /// The subscriber as it is after the confirmation. Who was on a list stays on it since then; a pause ends.
    fn merged(&self, before: Option<&Subscriber>, asked: &AskedFor) -> Subscriber {
        let mut subscriptions =
            before.map_or_else(Vec::new, |one| one.record.subscriptions.clone());
        for one in &asked.lists {
            match subscriptions.iter_mut().find(|old| old.list == one.list) {
                Some(old) => old.paused_until = None,
                None => subscriptions.push(SubscriptionRecord {
                    list: one.list.clone(),
                    confirmed_at: self.clock().now(),
                    paused_until: None,
                }),
            }
        }
        let record = SubscriberRecord {
            address: asked.address.clone(),
            constituency: asked.constituency.clone(),
            subscriptions,
        };
        match before {
            None => Subscriber::new(self.vault(), record),
            Some(before) => Subscriber {
                record,
                ..before.clone()
            },
        }
    }

    fn confirm_change(&self, making: &mut Making) -> Result<Change, ConsentError> {
        let guard = match &making.before {
            Some(before) => Guard::SubscriberAt(before.id, before.version),
            None => Guard::NoSubscriber(making.after.address_index),
        };
        let mut change = Change::new()
            .require(Guard::RequestWaits(making.request.id))
            .require(guard);
        for guard in making.suppressions.guards() {
            change = change.require(guard);
        }
        if let Some(counted) = &making.counted {
            change = change.require(Guard::ChallengeAt(counted.address_index, counted.version));
        }
        let (confirmed, others) = self.scopes(&making.asked.lists);
        let (lifted, lifting) = making.suppressions.lift(&confirmed, &others);
        change = change
            .then(Step::PutSubscriber(making.after.clone()))
            .then(Step::RemoveRequest(making.request.id))
            .then_all(self.answered(making))
            .then_all(lifting)
            .then_all(self.journal_lifted(&making.suppressions, &lifted))
            .then_all(self.confirmed_events(making)?)
            .then_all(self.welcome(making)?);
        Ok(change)
    }

    /// How often this person was asked, and whoever is counted with them; none if nobody was, or it can't be read.
    async fn counted(&self, person: &Person) -> Result<Option<Challenge>, ConsentError> {
        match self.store().challenge(&person.form.without_tag()).await {
            Ok(counted) => Ok(Some(counted).filter(|counted| counted.version > 0)),
            Err(error) if !error.is_temporary() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The challenge was answered, and counts no more.
    fn answered(&self, making: &Making) -> Option<Step> {
        let counted = making.counted.clone()?;
        let days = i64::from(self.live().settings.limits.request_days);
        let waits = SignedDuration::from_hours(24 * days);
        let challenged_at = pace::add(making.request.expires_at, -waits);
        let record = pace::answered(counted.record, challenged_at);
        Some(match record == ChallengeRecord::default() {
            true => Step::RemoveChallenge(counted.address_index),
            false => Step::PutChallenge(Challenge { record, ..counted }),
        })
    }

    /// The scopes of the lists that were confirmed, and of those that were not.
    fn scopes(&self, confirmed: &[AskedList]) -> (Vec<Scope>, Vec<Scope>) {
        let live = self.live();
        let tags = |key: &str| self.vault().list_tags(key).into_iter().map(Scope::List);
        let yes: Vec<_> = confirmed.iter().flat_map(|one| tags(&one.list)).collect();
        let all = live.settings.lists.iter();
        let others = all
            .filter(|list| !confirmed.iter().any(|one| one.list == list.key))
            .map(|list| Scope::List(self.vault().list_tag(&list.key)))
            .collect();
        (yes, others)
    }

    fn confirmed_events(&self, making: &Making) -> Result<Vec<Step>, ConsentError> {
        let asked = &making.asked;
        let events = asked.lists.iter().map(|one| {
            ConsentEvent::Confirmed(ConfirmedEvent {
                subject: making.person.subject(self.vault()),
                list: one.list.clone(),
                channel: asked.channel,
                wording: one.wording.clone().unwrap_or_default(),
                language: asked.language.clone(),
                notice: asked.notice.clone(),
                asked_at: asked.asked_at,
                confirmed_at: self.clock().now(),
                token: Hex(making.request.token_hash.as_bytes()).to_string(),
                stated_age: asked.stated_age,
                batch: asked.batch.clone(),
                entered_by: asked.entered_by.clone(),
                origin: origin(&making.request.record, &one.list).map(Box::new),
            })
            .append()
        });
        events.collect()
    }

    fn welcome(&self, making: &Making) -> Result<[Step; 2], ConsentError> {
        let lists = making.asked.lists.iter().map(|one| one.list.as_str());
        let letter = Letter::Welcome {
            lists: self.ways_out(lists, &making.after.suppression_index),
        };
        let bilingual = self.is_bilingual(&making.asked);
        self.post(&making.asked.address, bilingual, &letter)
    }

    /// Mail is in both languages for a Welsh constituency, and for somebody who read the form in Welsh (law G15).
    pub(super) fn is_bilingual(&self, asked: &AskedFor) -> bool {
        let code = asked.constituency.as_deref();
        Lang::from_tag(&asked.language) == Lang::Cy || self.is_welsh(code)
    }

    pub(super) fn is_welsh(&self, code: Option<&str>) -> bool {
        let live = self.live();
        let code = code.and_then(|code| Code::parse(code).ok());
        code.and_then(|code| live.settings.constituencies.get(code))
            .is_some_and(super::constituency::Constituency::is_in_wales)
    }

    /// What the journal is to say of it: the writer puts it there in the order of the commits, so that a withdrawal that
    /// comes next stands after it.
    fn journal_lifted(&self, suppressions: &Suppressions, lifted: &[Scope]) -> Vec<Step> {
        if lifted.is_empty() {
            return Vec::new();
        }
        let at = self.clock().now();
        let mut steps = Vec::new();
        for row in &suppressions.0 {
            let index = row.index;
            steps.extend(lifted.iter().map(|scope| {
                Step::Journal(JournalEntry::Lifted {
                    at,
                    index,
                    scope: *scope,
                })
            }));
            // What a suppression on everything shrank to is suppressed anew.
            steps.extend(row.record.scopes.iter().map(|one| {
                Step::Journal(JournalEntry::Suppressed {
                    at: one.at,
                    index,
                    scope: one.scope,
                    reason: one.reason,
                })
            }));
        }
        steps
    }

    fn made(&self, making: &Making) -> Vec<Confirmed<Subscription>> {
        let own: Option<&Index> = Some(&making.after.suppression_index);
        let rows = making.suppressions.0.iter();
        let suppression = rows
            .filter(|row| own == Some(&row.index))
            .map(|row| row.record.clone())
            .next();
        let standing = Standing {
            subscriber: making.after.clone(),
            suppression: suppression.unwrap_or_else(SuppressionRecord::default),
        };
        let lists = making.asked.lists.iter();
        lists
            .filter_map(|one| self.confirmed_from(&standing, &one.list))
            .collect()
    }
}

/// What a card or an import said of a list, for a consent that was given on the full form.
fn origin(request: &RequestRecord, list: &str) -> Option<Origin> {
    wants_full_form(request)?;
    let said = &request.asked;
    let one = said.lists.iter().find(|one| one.list == list)?;
    Some(Origin {
        channel: said.channel,
        asked_at: said.asked_at,
        wording: one.wording.clone(),
        stated_age: said.stated_age,
        batch: said.batch.clone(),
        entered_by: said.entered_by.clone()?,
    })
}

/// A confirmation in the making.
struct Making {
    counted: Option<Challenge>,
    request: Request,
    asked: AskedFor,
    person: Person,
    before: Option<Subscriber>,
    after: Subscriber,
    suppressions: Suppressions,
}

/// Bytes as hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_hex(self.0, f)
    }
}
