//! Telling staff what became of their mail: a DSN (RFC 3464) in their own INBOX, in the transaction that changes the
//! queue. Service mail and mail from the null reverse-path tell nobody.

use jiff::Timestamp;

use super::Inner;
use crate::delivery::classify::{Cause, Fault};
use crate::id::{MailboxId, MessageId, StaffId};
use crate::message::dsn::{self, Action, Outcome, Report, Status};
use crate::store::{
    Entry, EntryRecord, MailClass, MessageRecord, OwnMessage, Queued, Step, StoreError,
};

/// A failed attempt.
pub(super) struct Failed<'a> {
    pub(super) cause: Cause,
    /// The far end's code and words, or ours.
    pub(super) said: &'a str,
    pub(super) at: Timestamp,
}

/// The notice that a mail could not be delivered.
pub(super) async fn failed(
    queue: &Inner,
    row: &Queued,
    failed: &Failed<'_>,
    expired: bool,
) -> Result<Vec<Step>, StoreError> {
    let reason = reason(failed.cause);
    let reason = if expired {
        format!("It was tried for as long as mail is tried, to the end without success. {reason}")
    } else {
        reason.to_owned()
    };
    write(queue, row, failed, Action::Failed, &reason, None).await
}

/// The notice that a mail is late.
pub(super) async fn delayed(
    queue: &Inner,
    row: &Queued,
    failed: &Failed<'_>,
) -> Result<Vec<Step>, StoreError> {
    let reason = format!(
        "It will be tried again by itself; you need not send it again. {}",
        reason(failed.cause)
    );
    let until = Some(queue.end(&row.record));
    write(queue, row, failed, Action::Delayed, &reason, until).await
}

/// The notice that a person gave a mail up.
pub(super) async fn given_up(
    queue: &Inner,
    row: &Queued,
    failed: &Failed<'_>,
    reason: &str,
) -> Result<Vec<Step>, StoreError> {
    write(queue, row, failed, Action::Failed, reason, None).await
}

async fn write(
    queue: &Inner,
    row: &Queued,
    failed: &Failed<'_>,
    action: Action,
    reason: &str,
    retry_until: Option<Timestamp>,
) -> Result<Vec<Step>, StoreError> {
    let (MailClass::Staff { sender }, Some(to)) = (&row.record.class, &row.record.reverse_path)
    else {
        return Ok(Vec::new());
    };
    // The header is in the first chunk; a damaged body must not keep the sender from hearing of it.
    let original = queue.store.body(row.message).next().await;
    let original = original.ok().flatten().unwrap_or_default();
    let id = format!("{}@{}", MessageId::random(), queue.settings.host);
    let outcome = Outcome {
        recipient: row.record.recipient.as_str(),
        original_recipient: None,
        action,
        status: status(failed.said, action),
        reason,
        diagnostic: is_a_reply(failed.said).then_some(failed.said),
        remote_mta: None,
        last_attempt: Some(failed.at),
        retry_until,
    };
    let report = Report {
        reporting_mta: &queue.settings.host,
        from: queue.settings.postmaster.as_str(),
        to,
        date: failed.at,
        message_id: &id,
        envelope_id: None,
        arrival: Some(row.record.queued_at),
        original: &original,
        outcomes: &[outcome],
    };
    match dsn::write(&report) {
        Ok(bytes) => Ok(keep(queue, *sender, to, failed.at, &bytes)),
        Err(error) => {
            tracing::error!(%error, mail = %row.id, "a sender could not be told about a mail");
            Ok(Vec::new())
        }
    }
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
    let place = EntryRecord {
        folder: "INBOX".into(),
        kept_at: at,
    };
    let entry = Entry::new(vault, MailboxId::from(reader), message.id(), place);
    vec![Step::PutMessage(message), Step::PutEntry(entry)]
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

/// What happened and what the sender can do, in plain words.
fn reason(cause: Cause) -> &'static str {
    match cause {
        Cause::AddressDead => {
            "The other server says that this address does not exist, or not any more. Check how it is written."
        }
        Cause::AddressBusy => {
            "The other server can't take mail for this address at present: the mailbox is full, or gets too much mail."
        }
        Cause::NoTls => {
            "The other server does not encrypt. Mail is only sent over encrypted connections, so it waits until the \
             other side does. If it is urgent, use another way."
        }
        Cause::OurFault(Fault::Blocked) => {
            "The other server takes no mail from this server. This is for your administrator to mend."
        }
        Cause::OurFault(Fault::Authentication) => {
            "The other server could not verify that this mail is ours. This is for your administrator to mend."
        }
        Cause::OurFault(Fault::Content) => {
            "The other server refused what the mail says or carries, or its size. Change it and send it again."
        }
        Cause::OurFault(Fault::Rate) => "The other server takes no more mail from us for now.",
        Cause::Automatic | Cause::Unknown => {
            "The other server could not be reached, or did not say clearly why it does not take the mail."
        }
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
