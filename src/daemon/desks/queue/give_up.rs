//! Giving a queued mail up by hand: the row goes, its sender gets a DSN into their mailbox, and the act is logged, all in
//! one change. An attempt that is under way finds the row gone before its final dot.

use super::QueueDesk;
use crate::audit::{Act, ActObject, LogKind};
use crate::control::Failure;
use crate::id::{MailboxId, MessageId, StaffId};
use crate::message::dsn::{Action, Outcome, Report, ReportError, Status, write};
use crate::staff::{Actor, sign_checkpoint};
use crate::store::{
    Change, ChangeOutcome, Entry, EntryRecord, Guard, MailClass, MessageRecord, NewEvent,
    OwnMessage, Queued, Step, StoreError,
};

const WHAT: &str = "can't give the mail up";
/// Where the notice is put.
const INBOX: &str = "INBOX";
/// It was a person's decision, no reply of a server (RFC 3463 section 3.1).
const STATUS: Status = Status {
    class: 5,
    subject: 0,
    detail: 0,
};

fn failed(error: &StoreError) -> Failure {
    Failure::store(WHAT, error)
}

impl QueueDesk {
    pub(super) async fn give_up(
        &self,
        mail: &Queued,
        by: &Actor,
        reason: Option<&str>,
    ) -> Result<(), Failure> {
        let mut change = Change::new()
            .require(Guard::Queued(mail.id))
            .then(self.act(mail, by, reason)?);
        if let MailClass::Staff { sender } = &mail.record.class {
            change = change.then_all(self.tell(mail, *sender, reason).await?);
        }
        let change = change.then(Step::RemoveQueued(mail.id));
        match self.0.store.change(change).await {
            Ok(ChangeOutcome::Done) => {}
            Ok(ChangeOutcome::Conflict) => {
                let why = "it is no longer queued: it has gone out or was given up";
                return Err(Failure::refused(WHAT, why, "hustings queue list"));
            }
            Err(error) => return Err(failed(&error)),
        }
        // The act is in the log whether or not the log can be signed just now.
        let signed = sign_checkpoint(&self.0.store, &self.0.clock, LogKind::Audit).await;
        if let Err(error) = signed {
            tracing::warn!(%error, "the audit log could not be signed after an act");
        }
        Ok(())
    }

    fn act(&self, mail: &Queued, by: &Actor, reason: Option<&str>) -> Result<Step, Failure> {
        let act =
            Act::new(by.id(), "queue drop", self.0.clock.now()).to(ActObject::new("mail", mail.id));
        let act = match reason {
            Some(reason) => act.because(reason),
            None => act,
        };
        let event = act
            .to_canonical()
            .map_err(|error| Failure::failed(WHAT, error.to_string(), "report this"))?;
        Ok(Step::Append(NewEvent {
            log: LogKind::Audit,
            subject: None,
            event,
        }))
    }

    /// The steps that put the notice into the sender's own mailbox.
    async fn tell(
        &self,
        mail: &Queued,
        sender: StaffId,
        reason: Option<&str>,
    ) -> Result<Vec<Step>, Failure> {
        let roll = self.0.staff.roll();
        let Some(sender) = roll.all().iter().find(|member| member.id == sender) else {
            return Ok(Vec::new());
        };
        let Some(to) = sender.addresses.first() else {
            return Ok(Vec::new());
        };
        let original = self.head(mail).await?;
        let why = format!(
            "An administrator took it out of the queue{}. It was not delivered and is not tried again.",
            reason.map_or_else(String::new, |reason| format!(
                ": {}",
                reason.trim_end_matches('.')
            ))
        );
        let bytes = self
            .notice(mail, to.as_str(), &original, &why)
            .map_err(|error| Failure::failed(WHAT, error.to_string(), "report this"))?;
        let (vault, now) = (self.0.store.vault(), self.0.clock.now());
        let record = MessageRecord {
            received_at: now,
            size: 0,
            reverse_path: None,
            recipients: vec![to.to_string()],
            submitted_by: None,
        };
        let message = OwnMessage::new(vault, record, &bytes);
        let entry = EntryRecord {
            folder: INBOX.to_owned(),
            kept_at: now,
        };
        let entry = Entry::new(vault, MailboxId::from(sender.id), message.id(), entry);
        Ok(vec![Step::PutMessage(message), Step::PutEntry(entry)])
    }

    fn notice(
        &self,
        mail: &Queued,
        to: &str,
        original: &[u8],
        why: &str,
    ) -> Result<Vec<u8>, ReportError> {
        let config = (self.0.config)();
        let domain = config.domain();
        let recipient = mail.record.recipient.to_string();
        let outcome = Outcome {
            recipient: &recipient,
            original_recipient: None,
            action: Action::Failed,
            status: STATUS,
            reason: why,
            diagnostic: mail.record.last_failure.as_deref(),
            remote_mta: None,
            last_attempt: None,
            retry_until: None,
        };
        write(&Report {
            reporting_mta: config.hostname.as_str(),
            from: &format!("postmaster@{domain}"),
            to,
            date: self.0.clock.now(),
            message_id: &format!("{}@{domain}", MessageId::random()),
            envelope_id: None,
            arrival: Some(mail.record.queued_at),
            original,
            outcomes: &[outcome],
        })
    }

    /// The beginning of the mail, with its header.
    async fn head(&self, mail: &Queued) -> Result<Vec<u8>, Failure> {
        let first = self.0.store.body(mail.message).next().await;
        let first = first.map_err(|error| failed(&error))?;
        Ok(first.map_or_else(Vec::new, |bytes| bytes.to_vec()))
    }
}
