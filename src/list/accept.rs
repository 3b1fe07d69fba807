//! What goes to a list: checked, prepared, and held until it's approved. What is refused is refused with every reason.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::running::Running;
use super::settings::Terms;
use super::{Mailings, SubmitError, notice, plan};
use crate::address::EmailAddress;
use crate::consent::MaskedCount;
use crate::consent::constituency::Code;
use crate::id::MailingId;
use crate::message::inspect::inspect;
use crate::message::mime::Limits;
use crate::message::prepare::prepare;
use crate::message::rules::{Policy, check};
use crate::message::segment::Prepared;
use crate::staff::Actor;
use crate::store::{
    AcceptMessage, Mailing, MailingRecord, MailingState, MessageRecord, Role, Step,
};

/// How many mailings may wait for their approval: each holds its whole text.
const MOST_HELD: usize = 50;

/// To whom of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Everybody on it.
    Whole,
    /// Whoever on it is of one of these constituencies.
    Constituencies(Vec<Code>),
}

impl From<Option<Code>> for Target {
    fn from(code: Option<Code>) -> Self {
        code.map_or(Self::Whole, |code| Self::Constituencies(vec![code]))
    }
}

/// A mail that came by submission for a list.
#[derive(Clone)]
pub struct Submission {
    /// The list's key.
    pub list: String,
    /// To whom of it.
    pub target: Target,
    /// The envelope's reverse-path.
    pub reverse_path: Option<EmailAddress>,
    /// The message.
    pub message: Bytes,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Submission({}, {} octets)",
            self.list,
            self.message.len()
        )
    }
}

/// What is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub id: MailingId,
    /// How many it goes to, as the sender may know.
    pub audience: MaskedCount,
    /// Whether somebody else must approve it.
    pub second_person: bool,
}

/// What was made of a mail.
struct Made {
    prepared: Prepared,
    subject: String,
}

impl Mailings {
    /// Takes a mail for a list: it is held, its sender gets a preview and the approvers their links. Once this answers
    /// `Ok` all of it is on the disk.
    ///
    /// # Errors
    /// A [`SubmitError`] with the reasons; nothing was kept.
    pub async fn submit(
        &self,
        sender: &Actor,
        submission: Submission,
    ) -> Result<Held, SubmitError> {
        let codes: Option<Vec<String>> = match &submission.target {
            Target::Whole => None,
            Target::Constituencies(codes) => Some(codes.iter().map(ToString::to_string).collect()),
        };
        let now = self.clock().now();
        sender.may_mail(&submission.list, codes.as_deref(), now)?;
        let held = self.all_running();
        let held = held.iter().filter(|one| one.state() == MailingState::Held);
        if held.count() >= MOST_HELD {
            return Err(SubmitError::TooManyHeld(MOST_HELD));
        }
        let terms = self.0.terms.load_full();
        let constituencies = target(&terms, &submission)?;
        let made = {
            let (terms, submission) = (terms.clone(), submission.clone());
            plan::blocking(move || make(&terms, &submission)).await??
        };
        let expected = self
            .consent()
            .count(&submission.list, constituencies.as_deref());
        let morning = self
            .consent()
            .morning_count(&submission.list, constituencies.as_deref());
        let record = MailingRecord {
            list: submission.list.clone(),
            sender: sender.id(),
            subject: made.subject,
            constituencies,
            digest: hex(&made.prepared.digest()),
            state: MailingState::Held,
            created_at: now,
            second_person: self.needs_second_person(&terms, &submission.list),
            approvals: Vec::new(),
            links: Vec::new(),
            expected,
            morning,
            released_at: None,
            expanded_to: None,
            expanded: false,
            ended_at: None,
            counts: None,
            stopped: None,
            folded_at: None,
        };
        self.hold(sender, &submission, &terms, made.prepared, record)
            .await
    }

    /// Keeps the prepared mail, its row, the notices and the act in one transaction.
    async fn hold(
        &self,
        sender: &Actor,
        submission: &Submission,
        terms: &Arc<Terms>,
        prepared: Prepared,
        record: MailingRecord,
    ) -> Result<Held, SubmitError> {
        let mut writer = self.store().begin_body().await?;
        writer.write(&prepared.to_bytes()).await?;
        let body = writer.finish();
        let mut mailing = Mailing {
            id: MailingId::random(),
            message: body.id(),
            version: 0,
            record,
        };
        let notices = notice::write(self, terms, sender, &prepared, &mut mailing)?;
        let (id, second_person) = (mailing.id, mailing.record.second_person);
        let audience = audience_for(&mailing.record, sender.has(Role::Admin));
        let act = self.act_step(sender, "mailing submit", id, None)?;
        let kept = self.message_record(sender, submission, mailing.record.created_at);
        let mut accept = AcceptMessage::new(self.vault(), body, kept)
            .and(Step::PutMailing(mailing.clone()))
            .and(act);
        for step in notices {
            accept = accept.and(step);
        }
        self.store().accept(accept).await?;
        mailing.version += 1;
        self.admit(Running::new(mailing, Default::default()));
        self.say_changed();
        self.sign_quietly().await;
        Ok(Held {
            id,
            audience,
            second_person,
        })
    }

    fn message_record(
        &self,
        sender: &Actor,
        submission: &Submission,
        at: Timestamp,
    ) -> MessageRecord {
        MessageRecord {
            received_at: at,
            size: 0,
            reverse_path: submission.reverse_path.as_ref().map(ToString::to_string),
            recipients: Vec::new(),
            submitted_by: Some(sender.id()),
        }
    }
}

impl Mailings {
    /// A record with the counts of who would get it now, as long as it's held: people come and go meanwhile.
    pub(super) fn as_of_now(&self, record: &MailingRecord) -> MailingRecord {
        let mut record = record.clone();
        if record.state == MailingState::Held {
            let codes = record.constituencies.as_deref();
            let expected = self.consent().count(&record.list, codes);
            record.morning = self.consent().morning_count(&record.list, codes);
            record.expected = expected;
        }
        record
    }
}

/// How many a mailing goes to, as somebody may see it.
pub(super) fn audience_for(record: &MailingRecord, admin: bool) -> MaskedCount {
    let count = if admin {
        record.expected
    } else {
        record.morning
    };
    MaskedCount::of(count, admin)
}

/// The codes that a mailing is narrowed to, each once.
fn target(terms: &Terms, submission: &Submission) -> Result<Option<Vec<String>>, SubmitError> {
    let (list, _) = terms.list(&submission.list).ok_or(SubmitError::NoList)?;
    let Target::Constituencies(codes) = &submission.target else {
        return Ok(None);
    };
    if !list.by_constituency || codes.is_empty() {
        return Err(SubmitError::WholeListOnly);
    }
    let known = &terms.settings.constituencies;
    if let Some(unknown) = codes.iter().find(|code| known.get(**code).is_none()) {
        return Err(SubmitError::NoConstituency(*unknown));
    }
    let mut texts: Vec<_> = codes.iter().map(|code| code.as_str().to_owned()).collect();
    texts.sort();
    texts.dedup();
    Ok(Some(texts))
}

/// Reads, checks and prepares a mail.
fn make(terms: &Terms, submission: &Submission) -> Result<Made, SubmitError> {
    let (list, footer) = terms.list(&submission.list).ok_or(SubmitError::NoList)?;
    let mail = inspect(&submission.message, &Limits::default())?;
    let addresses = spelled(terms, list, &submission.target);
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let policy = Policy {
        identity: list.from.as_str(),
        lists: &addresses,
        max_size: list.max_size,
    };
    let refusals = check(&mail, &policy);
    if !refusals.is_empty() {
        return Err(SubmitError::Mail(refusals));
    }
    Ok(Made {
        prepared: prepare(&mail, &list.letterhead(footer))?,
        subject: mail
            .subject
            .as_deref()
            .unwrap_or_default()
            .trim()
            .to_owned(),
    })
}

/// The addresses that To may hold: the list's own, with each constituency's name or code for a narrowed mailing.
fn spelled(terms: &Terms, list: &super::MailingList, target: &Target) -> Vec<String> {
    let mut spelled = Vec::new();
    for address in &list.addresses {
        spelled.push(address.to_string());
        let Target::Constituencies(codes) = target else {
            continue;
        };
        for code in codes {
            let slug = terms
                .settings
                .constituencies
                .get(*code)
                .map(|one| one.slug());
            for name in slug.into_iter().chain([code.as_str()]) {
                spelled.push(format!("{}+{name}@{}", address.local(), address.domain()));
            }
        }
    }
    spelled
}

/// Bytes in hexadecimal, as digests are stored and shown.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
