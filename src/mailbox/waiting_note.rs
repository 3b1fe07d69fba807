//! A note for who fetches by POP3, which has the INBOX alone: that mail of strangers waits in Unconfirmed, and until when.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::room::{MailboxError, Mailboxes};
use super::unconfirmed::WAITS;
use crate::address::{Domain, EmailAddress};
use crate::id::{MailboxId, MessageId};
use crate::message::compose::{Automatic, SystemMail, compose};
use crate::message::outline::outline;
use crate::store::{
    Change, Delivery, FolderName, MessageRecord, Opening, OutlineRow, OwnMessage, Setting,
    SpecialUse, Step, StoreError,
};
use crate::template::{Templates, Tongues, Waiting};

/// The setting that says who was told of what.
const TOLD: &str = "mailbox.told";

/// Who reads a note, and where.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The address that it's written to.
    pub address: EmailAddress,
}

/// The words of a note, and what stands around them.
pub struct NoteTerms<'a> {
    /// The words.
    pub templates: &'a Templates,
    /// In which languages.
    pub tongues: Tongues,
    /// Whom it is from.
    pub from: &'a EmailAddress,
    /// The domain of its id.
    pub domain: &'a Domain,
}

/// What somebody was told.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Told {
    mailbox: MailboxId,
    /// On which day.
    day: Date,
    /// Of which folder, and up to which message.
    uid_validity: u32,
    uid_next: u32,
}

impl Mailboxes {
    /// Tells these of the mail that waits for them: at most once a day, and only if some of it is new since the last time.
    /// Answers how many were told.
    ///
    /// # Errors
    /// A [`MailboxError`]: nobody was told.
    pub async fn tell_of_waiting(
        &self,
        readers: &[Reader],
        terms: &NoteTerms<'_>,
    ) -> Result<usize, MailboxError> {
        let before = self.told().await?;
        let now = self.clock().now();
        let (mut told, mut change, mut count) = (Vec::new(), Change::new(), 0);
        for reader in readers {
            let last = before.iter().find(|one| one.mailbox == reader.mailbox);
            let steps = match self.note(reader, last, now, terms).await {
                Ok(steps) => steps,
                // One folder that doesn't open keeps nothing else.
                Err(MailboxError::Store(error)) if !error.is_temporary() => {
                    tracing::error!(%error, "nobody can be told of the mail that waits in a folder");
                    None
                }
                Err(error) => return Err(error),
            };
            match steps {
                Some((one, steps)) => {
                    told.push(one);
                    change = steps.into_iter().fold(change, Change::then);
                    count += 1;
                }
                None => told.extend(last.cloned()),
            }
        }
        if count > 0 {
            let value = serde_json::to_vec(&told).unwrap_or_default();
            change = change.then(Step::PutSetting(Setting {
                name: TOLD.into(),
                value: Zeroizing::new(value),
            }));
            let _ = self.store().change(change).await?;
        }
        Ok(count)
    }

    /// Who was told of what. What doesn't open begins anew.
    async fn told(&self) -> Result<Vec<Told>, MailboxError> {
        let value = match self.store().setting(TOLD).await {
            Err(error @ StoreError::Seal(_)) => {
                tracing::error!(%error, setting = TOLD, "who was told of waiting mail is not known");
                None
            }
            value => value?,
        };
        let told = value.and_then(|value| serde_json::from_slice(&value).ok());
        Ok(told.unwrap_or_default())
    }

    /// What is to be written down if somebody is told something; nothing if there is nothing to be told.
    async fn note(
        &self,
        reader: &Reader,
        last: Option<&Told>,
        now: Timestamp,
        terms: &NoteTerms<'_>,
    ) -> Result<Option<(Told, Vec<Step>)>, MailboxError> {
        let day = now.to_zoned(TimeZone::UTC).date();
        if last.is_some_and(|last| last.day == day) {
            return Ok(None);
        }
        let name = FolderName::from(SpecialUse::Unconfirmed);
        let folder = self.store().folder_named(reader.mailbox, &name).await?;
        let Some(folder) = folder.filter(|folder| folder.record.messages > 0) else {
            return Ok(None);
        };
        let Some(opening) = self.store().open_folder(folder.id).await? else {
            return Ok(None);
        };
        let record = &opening.folder.record;
        let known = last.filter(|last| last.uid_validity == record.uid_validity);
        let known = known.map_or(0, |last| last.uid_next);
        if !opening.entries.iter().any(|entry| entry.uid.0 >= known) {
            return Ok(None);
        }
        let told = Told {
            mailbox: reader.mailbox,
            day,
            uid_validity: record.uid_validity,
            uid_next: record.uid_next.0,
        };
        let held = self.hold_of(reader.mailbox).await?.is_some();
        let Some(bytes) = write(&opening, held, reader, now, terms) else {
            return Ok(None);
        };
        Ok(Some((told, self.keep_note(reader, now, &bytes))))
    }

    /// The steps that put a note into an INBOX: it never leaves the server.
    fn keep_note(&self, reader: &Reader, at: Timestamp, bytes: &[u8]) -> Vec<Step> {
        let vault = self.store().vault();
        let record = MessageRecord {
            received_at: at,
            size: 0,
            reverse_path: None,
            recipients: vec![reader.address.to_string()],
            submitted_by: None,
        };
        let message = OwnMessage::new(vault, record, bytes);
        let outline = OutlineRow::new(vault, message.id(), &outline(bytes).to_bytes());
        let delivery = Delivery::new(reader.mailbox, SpecialUse::Inbox, message.id(), at);
        vec![
            Step::PutMessage(message),
            Step::PutOutline(outline),
            Step::Deliver(delivery),
        ]
    }
}

/// The note; none if it can't be written, which keeps nothing else.
fn write(
    opening: &Opening,
    held: bool,
    reader: &Reader,
    now: Timestamp,
    terms: &NoteTerms<'_>,
) -> Option<Vec<u8>> {
    let oldest = opening.entries.iter().map(|entry| entry.record.kept_at);
    let goes = oldest.min()?.saturating_add(WAITS).ok()?;
    let view = Waiting {
        count: opening.entries.len(),
        goes: &goes.strftime("%Y-%m-%d").to_string(),
        held,
    };
    let mail = terms.templates.mail(terms.tongues, &view);
    let untold = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "nobody can be told of the mail that waits");
    };
    let mail = mail.inspect_err(|error| untold(error)).ok()?;
    let note = SystemMail {
        from_name: &terms.templates.party().name,
        from: terms.from.as_str(),
        to: reader.address.as_str(),
        reply_to: None,
        subject: &mail.subject,
        date: now,
        message_id: &format!("{}@{}", MessageId::random(), terms.domain),
        in_reply_to: None,
        automatic: Automatic::Generated,
        way_out: None,
        text: &mail.text,
        html: mail.html.as_deref(),
    };
    compose(&note).inspect_err(|error| untold(error)).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
