//! Telling staff what became of their mail: a DSN (RFC 3464) in their own INBOX, in the transaction that changes the
//! queue. Service mail and mail from the null reverse-path tell nobody.

use bytes::Bytes;
use jiff::Timestamp;

use super::{Inner, MailQueue};
use crate::delivery::classify::{Cause, Fault};
use crate::delivery::policy::Doubt;
use crate::id::{MessageId, StaffId};
use crate::message::dsn::{self, Action, Outcome, Report, Status};
use crate::message::mime::{Limits, field};
use crate::message::outline::outline;
use crate::store::{
    Delivery, DsnWish, MailClass, MessageRecord, OutlineRow, OwnMessage, Queued, SpecialUse, Step,
    StoreError,
};
use crate::template::{Delayed, Delivered, Mail, NotDelivered, TemplateError, Tongues, Unreached};

/// A failed attempt.
pub(super) struct Failed<'a> {
    pub(super) cause: Cause,
    /// The far end's code and words, or ours.
    pub(super) said: &'a str,
    pub(super) at: Timestamp,
}

/// How a mail's time in the queue ended.
pub(super) enum End<'a> {
    /// The other side will never take it.
    Refused,
    /// It was tried for as long as mail is tried.
    Expired,
    /// A person gave it up, with these words.
    Dropped(Option<&'a str>),
}

/// The largest mail that is returned whole: a notice is made in memory.
const LARGEST_WHOLE: usize = 1024 * 1024;

/// The notice that a mail could not be delivered.
pub(super) async fn failed(
    queue: &Inner,
    row: &Queued,
    failed: &Failed<'_>,
    end: End<'_>,
) -> Result<Vec<Step>, StoreError> {
    let Some(about) = About::of(row).filter(|_| row.record.dsn.failure()) else {
        return Ok(Vec::new());
    };
    let (original, whole) = match row.record.dsn.whole {
        Some(true) => original_whole(queue, row).await,
        _ => (original(queue, row).await, false),
    };
    let said = said(failed);
    let recipients = &[Unreached {
        address: row.record.recipient.as_str(),
        cause: key(failed.cause),
        said: said.as_deref(),
        expired: matches!(end, End::Expired),
        dropped: matches!(end, End::Dropped(_)),
        note: match end {
            End::Dropped(note) => note.map(str::trim),
            End::Refused | End::Expired => None,
        },
    }];
    let subject = subject(&original);
    let view = NotDelivered {
        subject: subject.as_deref(),
        recipients,
    };
    let mail = queue.templates.load().mail(Tongues::English, &view);
    let mut told = Told::of(failed, Action::Failed, original, mail);
    told.whole = whole;
    Ok(write(queue, &about, told))
}

/// The notice that a mail is late.
pub(super) async fn delayed(
    queue: &Inner,
    row: &Queued,
    failed: &Failed<'_>,
) -> Result<Vec<Step>, StoreError> {
    let Some(about) = About::of(row).filter(|_| row.record.dsn.delay()) else {
        return Ok(Vec::new());
    };
    let original = original(queue, row).await;
    let said = said(failed);
    let recipients = &[Unreached {
        address: row.record.recipient.as_str(),
        cause: key(failed.cause),
        said: said.as_deref(),
        expired: false,
        dropped: false,
        note: None,
    }];
    let (subject, until) = (subject(&original), queue.end(&row.record));
    let view = Delayed {
        subject: subject.as_deref(),
        recipients,
        until: &until.strftime("%-d %B %Y, %H:%M UTC").to_string(),
    };
    let mail = queue.templates.load().mail(Tongues::English, &view);
    let mut told = Told::of(failed, Action::Delayed, original, mail);
    told.retry_until = Some(until);
    Ok(write(queue, &about, told))
}

/// The notice, for who asked for it, that a server took a mail which tells no more of it (RFC 3461 §5.2.2).
pub(super) async fn relayed(queue: &Inner, row: &Queued, at: Timestamp) -> Vec<Step> {
    let Some(about) = About::of(row).filter(|_| row.record.dsn.success()) else {
        return Vec::new();
    };
    let original = original(queue, row).await;
    succeeded(queue, &about, Action::Relayed, original, at)
}

/// A mail that was put into a mailbox here.
pub struct LocalDelivery<'a, R> {
    /// Who sent it.
    pub sender: StaffId,
    /// Their address in the envelope.
    pub reverse_path: &'a str,
    /// Whom it was delivered to, and what is to be told of each.
    pub recipients: R,
    /// The mail's header.
    pub header: &'a [u8],
    /// When.
    pub at: Timestamp,
}

impl MailQueue {
    /// The one notice that a mail was put into mailboxes here, if its sender asked for it; to be committed with the mail.
    pub fn delivered<'a>(
        &self,
        delivery: LocalDelivery<'a, impl Iterator<Item = &'a (String, DsnWish)>>,
    ) -> Vec<Step> {
        let told = delivery.recipients.filter(|(_, dsn)| dsn.success());
        let recipients: Vec<_> = told.map(|(to, dsn)| (to.as_str(), dsn)).collect();
        if recipients.is_empty() {
            return Vec::new();
        }
        let about = About {
            staff: delivery.sender,
            address: delivery.reverse_path,
            recipients,
            arrived: delivery.at,
        };
        let original = Bytes::copy_from_slice(delivery.header);
        succeeded(&self.0, &about, Action::Delivered, original, delivery.at)
    }
}

fn succeeded(
    queue: &Inner,
    about: &About<'_>,
    action: Action,
    original: Bytes,
    at: Timestamp,
) -> Vec<Step> {
    let subject = subject(&original);
    let recipients: Vec<_> = about.recipients.iter().map(|(to, _)| *to).collect();
    let view = Delivered {
        subject: subject.as_deref(),
        recipients: &recipients,
        relayed: action == Action::Relayed,
    };
    let told = Told {
        action,
        status: Status {
            class: 2,
            subject: 0,
            detail: 0,
        },
        diagnostic: None,
        at,
        retry_until: None,
        original,
        whole: false,
        mail: queue.templates.load().mail(Tongues::English, &view),
    };
    write(queue, about, told)
}

/// Which mail to whom it's about, and who is told.
struct About<'a> {
    staff: StaffId,
    address: &'a str,
    /// To whom it went, and what is told of each.
    recipients: Vec<(&'a str, &'a DsnWish)>,
    /// When the mail came.
    arrived: Timestamp,
}

impl<'a> About<'a> {
    /// None for service mail, and for mail from the null reverse-path.
    fn of(row: &'a Queued) -> Option<Self> {
        match (&row.record.class, &row.record.reverse_path) {
            (MailClass::Staff { sender }, Some(address)) => Some(Self {
                staff: *sender,
                address,
                recipients: vec![(row.record.recipient.as_str(), &row.record.dsn)],
                arrived: row.record.queued_at,
            }),
            _ => None,
        }
    }
}

/// What the addressee is told.
struct Told {
    action: Action,
    status: Status,
    diagnostic: Option<String>,
    at: Timestamp,
    retry_until: Option<Timestamp>,
    original: Bytes,
    /// `original` is the whole mail, and goes back whole.
    whole: bool,
    mail: Result<Mail, TemplateError>,
}

impl Told {
    fn of(
        failed: &Failed<'_>,
        action: Action,
        original: Bytes,
        mail: Result<Mail, TemplateError>,
    ) -> Self {
        Self {
            action,
            status: status(failed.said, action),
            diagnostic: is_a_reply(failed.said).then(|| failed.said.to_owned()),
            at: failed.at,
            retry_until: None,
            original,
            whole: false,
            mail,
        }
    }
}

/// The whole mail, if it isn't too large, else its header; and which it is.
async fn original_whole(queue: &Inner, row: &Queued) -> (Bytes, bool) {
    match queue
        .store
        .body(row.message)
        .read_whole(LARGEST_WHOLE)
        .await
    {
        Ok(whole) => (whole.into(), true),
        Err(_) => (original(queue, row).await, false),
    }
}

/// The header of the mail that it's about: it is in the first chunk. A damaged body must not keep the sender from hearing
/// of it.
async fn original(queue: &Inner, row: &Queued) -> Bytes {
    let first = queue.store.body(row.message).next().await;
    first.ok().flatten().unwrap_or_default()
}

/// How much of it is said in a notice, in characters.
const LONGEST_SUBJECT: usize = 300;

/// Its subject, decoded.
fn subject(original: &[u8]) -> Option<String> {
    let (fields, _) = field::split(original, &Limits::default()).ok()?;
    let subject = fields.iter().find(|field| field.is("Subject"))?;
    let subject = subject.text();
    let short = subject.chars().take(LONGEST_SUBJECT).collect();
    Some(short).filter(|subject: &String| !subject.trim().is_empty())
}

/// What the other server said, if it was a server that spoke.
fn said(failed: &Failed<'_>) -> Option<String> {
    is_a_reply(failed.said).then(|| dsn::shown(failed.said))
}

fn write<'o>(queue: &Inner, about: &About<'o>, told: Told) -> Vec<Step> {
    let mail = match told.mail {
        Ok(mail) => mail,
        Err(error) => return untold(&error),
    };
    let id = format!("{}@{}", MessageId::random(), queue.settings.host);
    let outcome = |(recipient, dsn): &(&'o str, &'o DsnWish)| Outcome {
        recipient,
        original_recipient: dsn.original_recipient.as_deref(),
        action: told.action,
        status: told.status,
        diagnostic: told.diagnostic.as_deref(),
        remote_mta: None,
        last_attempt: Some(told.at),
        retry_until: told.retry_until,
    };
    let outcomes: Vec<_> = about.recipients.iter().map(outcome).collect();
    let first = about.recipients.first();
    let report = Report {
        reporting_mta: &queue.settings.host,
        from: queue.settings.postmaster.as_str(),
        to: about.address,
        subject: &mail.subject,
        words: &mail.text,
        date: told.at,
        message_id: &id,
        envelope_id: first.and_then(|(_, dsn)| dsn.envelope_id.as_deref()),
        arrival: Some(about.arrived),
        original: &told.original,
        whole: told.whole,
        outcomes: &outcomes,
    };
    match dsn::write(&report) {
        Ok(bytes) => keep(queue, about.staff, about.address, told.at, &bytes),
        Err(error) => untold(&error),
    }
}

fn untold(error: &dyn std::fmt::Display) -> Vec<Step> {
    tracing::error!(%error, "a sender could not be told about a mail");
    Vec::new()
}

/// Whether a server said it: its words begin with a code.
fn is_a_reply(said: &str) -> bool {
    let digits = said.bytes().take(2).filter(u8::is_ascii_digit);
    digits.count() == 2
}

/// Puts a notice into its reader's INBOX.
fn keep(queue: &Inner, reader: StaffId, to: &str, at: Timestamp, bytes: &[u8]) -> Vec<Step> {
    let vault = queue.store.vault();
    let record = MessageRecord {
        received_at: at,
        size: 0,
        reverse_path: None,
        recipients: vec![to.to_owned()],
        submitted_by: None,
    };
    let message = OwnMessage::new(vault, record, bytes);
    let outline = OutlineRow::new(vault, message.id(), &outline(bytes).to_bytes());
    let delivery = Delivery::new(reader.into(), SpecialUse::Inbox, message.id(), at);
    vec![
        Step::PutMessage(message),
        Step::PutOutline(outline),
        Step::Deliver(delivery),
    ]
}

/// The status code: the far end's own, if it gave one, else by the kind of its reply.
fn status(said: &str, action: Action) -> Status {
    let mut words = said.split_whitespace();
    let given = words.by_ref().take(2).find_map(Status::read);
    given.unwrap_or_else(|| Status {
        class: if said.starts_with('5') || (action == Action::Failed && !said.starts_with('4')) {
            5
        } else {
            4
        },
        subject: 0,
        detail: 0,
    })
}

/// The key of what happened and what the sender can do, in the texts `mail.cause`.
fn key(cause: Cause) -> &'static str {
    match cause {
        Cause::AddressDead => "address_dead",
        Cause::AddressBusy => "address_busy",
        Cause::NoTls => "no_tls",
        Cause::Unproven(Doubt::Certificate) => "certificate",
        Cause::Unproven(Doubt::NotInPolicy) => "not_in_policy",
        Cause::Unproven(Doubt::Tlsa) => "tlsa",
        Cause::Unproven(Doubt::Dnssec) => "dnssec",
        Cause::Unproven(Doubt::RequireTls) => "requiretls",
        Cause::OurFault(Fault::Blocked) => "blocked",
        Cause::OurFault(Fault::Authentication) => "authentication",
        Cause::OurFault(Fault::Content) => "content",
        Cause::OurFault(Fault::Rate) => "rate",
        Cause::Automatic | Cause::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_far_ends_own_if_it_gave_one() {
        let table = [
            ("550 5.1.1 no such user", "5.1.1"),
            ("4.7.10 no encryption", "4.7.10"),
            ("550 no such user", "5.0.0"),
            ("451 later", "4.0.0"),
            ("450 4.2.2", "4.2.2"),
        ];
        for (said, code) in table {
            assert_eq!(status(said, Action::Failed).to_string(), code);
        }
        assert_eq!(status("", Action::Failed).to_string(), "5.0.0");
        assert_eq!(status("", Action::Delayed).to_string(), "4.0.0");
    }
}
