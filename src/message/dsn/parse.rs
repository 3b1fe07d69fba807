//! Reading a notification that came back, bounded; a stranger wrote it, so that nothing in it is believed here.

use std::borrow::Cow;

use crate::message::mime::field::{self, Field};
use crate::message::mime::tree::Part;
use crate::message::mime::{Limits, MimeError};

use super::{Action, Status};

/// The most recipients read of one notification.
const MOST_RECIPIENTS: usize = 100;
/// The most octets read of its status part.
const MOST_OCTETS: usize = 256 * 1024;
/// The longest value kept, in characters.
const LONGEST_VALUE: usize = 1000;

/// A notification as it claims to be. `Debug` shows no value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DeliveryReport {
    /// Who reports.
    pub reporting_mta: Option<String>,
    /// The envelope identifier.
    pub envelope_id: Option<String>,
    /// The Message-ID of the mail that came back, without angle brackets, if it's there.
    pub original_message_id: Option<String>,
    /// What became of the recipients.
    pub recipients: Vec<ReportedRecipient>,
}

/// What a notification says of one recipient. `Debug` shows action and status alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ReportedRecipient {
    /// The address that it was sent to, without its type.
    pub final_recipient: Option<String>,
    /// The address that the sender gave, without its type.
    pub original_recipient: Option<String>,
    /// What was done.
    pub action: Option<Action>,
    /// The status code.
    pub status: Option<Status>,
    /// The server's words, without their type.
    pub diagnostic: Option<String>,
}

impl std::fmt::Debug for DeliveryReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DeliveryReport")
            .field(&self.recipients)
            .finish()
    }
}

impl std::fmt::Debug for ReportedRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportedRecipient")
            .field("action", &self.action)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Reads a message as a notification; `None` if it isn't one.
///
/// # Errors
/// [`MimeError`] if it can't be read within the limits.
pub fn parse(message: &[u8], limits: &Limits) -> Result<Option<DeliveryReport>, MimeError> {
    let root = Part::parse(message, limits)?;
    let status_types = ["message/delivery-status", "message/global-delivery-status"];
    let status = root
        .children
        .iter()
        .find(|part| status_types.iter().any(|known| part.is(known)));
    let Some(status) = status.filter(|_| root.is_multipart()) else {
        return Ok(None);
    };
    let octets = lenient(status)?;
    let octets = octets.get(..MOST_OCTETS).unwrap_or(&octets);
    let mut blocks = blocks(octets, limits);
    if blocks.is_empty() {
        return Ok(None);
    }
    let mut report = DeliveryReport {
        original_message_id: original_message_id(&root, limits),
        ..DeliveryReport::default()
    };
    // A report that leaves out the block about the message begins with a recipient.
    if !blocks[0]
        .iter()
        .any(|f| f.is("Final-Recipient") || f.is("Action"))
    {
        let about = blocks.remove(0);
        report.reporting_mta = value(&about, "Reporting-MTA").map(|value| untyped(&value));
        report.envelope_id = value(&about, "Original-Envelope-Id");
    }
    report.recipients = blocks
        .iter()
        .take(MOST_RECIPIENTS)
        .map(|block| recipient(block))
        .collect();
    Ok(Some(report))
}

/// RFC 3464 allows no encoding here, but some servers encode nevertheless.
fn lenient<'m>(part: &Part<'m>) -> Result<Cow<'m, [u8]>, MimeError> {
    part.decoded().or(Ok(Cow::Borrowed(part.body)))
}

/// The blocks of fields between empty lines; a block that can't be read is left out.
fn blocks<'m>(mut octets: &'m [u8], limits: &Limits) -> Vec<Vec<Field<'m>>> {
    let mut found = Vec::new();
    while !octets.is_empty() && found.len() <= MOST_RECIPIENTS {
        match field::split(octets, limits) {
            Ok((fields, used)) => {
                if !fields.is_empty() {
                    found.push(fields);
                }
                octets = &octets[used.max(1)..];
            }
            Err(_) => {
                let end = octets.windows(4).position(|window| window == b"\r\n\r\n");
                octets = end.map_or(&[], |end| &octets[end + 4..]);
            }
        }
    }
    found
}

fn recipient(block: &[Field<'_>]) -> ReportedRecipient {
    let action = value(block, "Action").map(|word| word.to_ascii_lowercase());
    ReportedRecipient {
        final_recipient: value(block, "Final-Recipient").map(|value| untyped(&value)),
        original_recipient: value(block, "Original-Recipient").map(|value| untyped(&value)),
        action: action.and_then(|word| {
            Action::ALL
                .into_iter()
                .find(|known| word.starts_with(known.word()))
        }),
        status: value(block, "Status").and_then(|text| Status::read(&text)),
        diagnostic: value(block, "Diagnostic-Code").map(|value| untyped(&value)),
    }
}

fn value(block: &[Field<'_>], name: &str) -> Option<String> {
    let field = block.iter().find(|field| field.is(name))?;
    let raw = String::from_utf8_lossy(field.raw_value());
    let text: String = raw.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_VALUE)
        .collect();
    (!text.is_empty()).then_some(text)
}

/// The value after its type (`rfc822; a@b` is `a@b`).
fn untyped(value: &str) -> String {
    value
        .split_once(';')
        .map_or(value, |(_, rest)| rest)
        .trim()
        .to_owned()
}

fn original_message_id(root: &Part<'_>, limits: &Limits) -> Option<String> {
    let types = [
        "message/rfc822",
        "text/rfc822-headers",
        "message/global",
        "message/global-headers",
    ];
    let part = root
        .children
        .iter()
        .find(|part| types.iter().any(|known| part.is(known)))?;
    let octets = lenient(part).ok()?;
    let (fields, _) = field::split(&octets, limits).ok()?;
    let id = fields
        .iter()
        .find(|field| field.is("Message-ID"))?
        .message_ids();
    id.into_iter().next().filter(|id| id.len() <= LONGEST_VALUE)
}
