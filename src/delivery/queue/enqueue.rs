//! Putting mail into the queue: the steps that a room adds to its own change.

use jiff::Timestamp;

use crate::address::EmailAddress;
use crate::delivery::schedule::{MailKind, Schedule};
use crate::id::{MessageId, StaffId};
use crate::store::{
    DsnWish, MailClass, MessageRecord, Needs, OwnMessage, QueueRecord, Queued, Step, TlsWish,
};
use crate::vault::Vault;

fn end(schedule: &Schedule, kind: MailKind, from: Timestamp) -> Timestamp {
    from.saturating_add(schedule.lifetime(kind))
        .unwrap_or(Timestamp::MAX)
}

/// Queues a whole message that we wrote ourselves (CRLF line ends), from the null reverse-path. It is signed when it is
/// sent first. `kind` names it in counts.
pub fn queue_service_mail(
    vault: &Vault,
    schedule: &Schedule,
    kind: &str,
    recipient: &EmailAddress,
    bytes: &[u8],
    now: Timestamp,
) -> Vec<Step> {
    let ends = end(schedule, MailKind::Service, now);
    service(vault, kind, recipient, bytes, TlsWish::Usual, [now, ends])
}

/// The kind of a report on TLS.
pub const TLS_REPORT: &str = "tls-report";

/// Queues a report on TLS, until `ends`. It has to get there although TLS fails, so that encryption is enough for it.
pub fn queue_report_mail(
    vault: &Vault,
    recipient: &EmailAddress,
    bytes: &[u8],
    now: Timestamp,
    ends: Timestamp,
) -> Vec<Step> {
    let wish = TlsWish::Report;
    service(vault, TLS_REPORT, recipient, bytes, wish, [now, ends])
}

fn service(
    vault: &Vault,
    kind: &str,
    recipient: &EmailAddress,
    bytes: &[u8],
    tls: TlsWish,
    [now, ends]: [Timestamp; 2],
) -> Vec<Step> {
    let record = MessageRecord {
        received_at: now,
        size: 0,
        reverse_path: None,
        recipients: vec![recipient.to_string()],
        submitted_by: None,
    };
    let message = OwnMessage::new(vault, record, bytes);
    let queued = Queued::new(
        message.id(),
        QueueRecord {
            class: MailClass::Service { kind: kind.into() },
            reverse_path: None,
            recipient: recipient.clone(),
            queued_at: now,
            expires_at: ends,
            attempts: 0,
            last_failure: None,
            delay_told: false,
            needs: needs_of(recipient, bytes),
            prefix: None,
            tls,
            dsn: DsnWish::default(),
        },
    );
    vec![Step::PutMessage(message), Step::PutQueued(queued)]
}

/// What a whole message of ours needs, to this recipient.
pub fn needs_of(recipient: &EmailAddress, bytes: &[u8]) -> Needs {
    let header = memchr::memmem::find(bytes, b"\r\n\r\n").unwrap_or(bytes.len());
    Needs {
        smtputf8: !recipient.as_str().is_ascii() || !bytes[..header].is_ascii(),
        eight_bit: !bytes.is_ascii(),
    }
}

/// What a staff member's mail needs, by what it is: what their program said of it may be too little, and would be refused
/// later; or too much, and then a server that could take it wouldn't get it. `header` is as it goes out.
pub fn needs_of_staff_mail(
    reverse_path: Option<&EmailAddress>,
    header: Option<&[u8]>,
    eight_bit: bool,
) -> Needs {
    let plain_path = reverse_path.is_none_or(|path| path.as_str().is_ascii());
    let plain_header = header.is_none_or(<[u8]>::is_ascii);
    Needs {
        smtputf8: !plain_path || !plain_header,
        eight_bit,
    }
}

/// A recipient outside, and what the sender wants to be told of them. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Outsider {
    /// The address.
    pub address: EmailAddress,
    /// What is to be told (RFC 3461).
    pub dsn: DsnWish,
}

impl From<EmailAddress> for Outsider {
    fn from(address: EmailAddress) -> Self {
        let dsn = DsnWish::default();
        Self { address, dsn }
    }
}

impl std::fmt::Debug for Outsider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outsider(..)")
    }
}

/// A staff member's mail to outside recipients.
#[derive(Debug, Clone, Copy)]
pub struct StaffMail<'a> {
    /// The body that is being accepted.
    pub message: MessageId,
    /// Who sends it.
    pub sender: StaffId,
    /// Where notices about it would go; none for the null reverse-path.
    pub reverse_path: Option<&'a EmailAddress>,
    /// The outside recipients.
    pub recipients: &'a [Outsider],
    /// Its signature fields, from [`crate::delivery::signing::MessageHasher`]; without them it is signed when it is sent
    /// first.
    pub prefix: Option<&'a str>,
    /// What the far end has to understand.
    pub needs: Needs,
    /// What the sender asks of the connections.
    pub tls: TlsWish,
}

/// The steps that queue a staff member's mail, for [`crate::store::AcceptMessage::and`]: a row for each recipient.
pub fn queue_staff_mail(
    schedule: &Schedule,
    mail: &StaffMail<'_>,
    now: Timestamp,
) -> impl Iterator<Item = Step> {
    mail.recipients.iter().map(move |recipient| {
        let mut needs = mail.needs;
        needs.smtputf8 |= !recipient.address.as_str().is_ascii();
        Step::PutQueued(Queued::new(
            mail.message,
            QueueRecord {
                class: MailClass::Staff {
                    sender: mail.sender,
                },
                reverse_path: mail.reverse_path.map(ToString::to_string),
                recipient: recipient.address.clone(),
                queued_at: now,
                expires_at: end(schedule, MailKind::Staff, now),
                attempts: 0,
                last_failure: None,
                delay_told: false,
                needs,
                prefix: mail.prefix.map(str::to_owned),
                tls: mail.tls,
                dsn: recipient.dsn.clone(),
            },
        ))
    })
}
