//! Writing a notification. It returns the header that the sender wrote, and nothing that was added on the way; the whole
//! mail only to who asked for it (`RET=FULL`).

use jiff::Timestamp;
use mail_builder::headers::date::Date;

use crate::message::compose;
use crate::message::mime::Limits;
use crate::message::mime::encode;
use crate::message::mime::field;
use crate::message::segment::{is_address, is_target};

use super::{Action, Status};

/// The most of a server's words that are passed on, in characters.
const LONGEST_DIAGNOSTIC: usize = 500;
/// The most of one of the original's fields that goes back, and of all, in octets: enough to know the mail again.
const LONGEST_FIELD: usize = 2 * 1024;
const LONGEST_HEADER: usize = 16 * 1024;
/// The original's fields that go back to their writer.
const RETURNED: [&str; 9] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
];

/// What became of one recipient. `Debug` shows the action alone.
#[derive(Clone, Copy)]
pub struct Outcome<'a> {
    /// The recipient as the mail was sent to.
    pub recipient: &'a str,
    /// The `ORCPT` that the sender gave, as `type;address` (RFC 3461 §4.2).
    pub original_recipient: Option<&'a str>,
    /// What was done.
    pub action: Action,
    /// The status code.
    pub status: Status,
    /// The far server's own words (`550 5.1.1 ...`).
    pub diagnostic: Option<&'a str>,
    /// The far server's name.
    pub remote_mta: Option<&'a str>,
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
    /// Until when it will be tried, if delayed.
    pub retry_until: Option<Timestamp>,
}

impl std::fmt::Debug for Outcome<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outcome({}, {})", self.action.word(), self.status)
    }
}

/// A notification. It must be sent from the null reverse-path. `Debug` shows its outcomes alone.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// Our own name.
    pub reporting_mta: &'a str,
    /// The address that it comes from (`postmaster@...`).
    pub from: &'a str,
    /// The sender of the mail it's about. Never the null reverse-path.
    pub to: &'a str,
    /// The subject, one line.
    pub subject: &'a str,
    /// What people read: lines end in LF.
    pub words: &'a str,
    /// The date.
    pub date: Timestamp,
    /// The Message-ID, without angle brackets.
    pub message_id: &'a str,
    /// The `ENVID` that the sender gave, decoded.
    pub envelope_id: Option<&'a str>,
    /// When the mail came.
    pub arrival: Option<Timestamp>,
    /// The mail, or its header.
    pub original: &'a [u8],
    /// Whether `original` is the whole mail, to be returned as it is.
    pub whole: bool,
    /// What became of its recipients; one at least.
    pub outcomes: &'a [Outcome<'a>],
}

impl std::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report")
            .field("outcomes", &self.outcomes)
            .finish_non_exhaustive()
    }
}

/// Why a notification could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Nobody to tell: a mail from the null reverse-path is never answered (RFC 5321 §4.5.5).
    #[error("the mail has no sender to notify: drop the notification")]
    NoSender,
    /// An address or name that can't stand in a header.
    #[error("{0} can't stand in a notification: correct it")]
    Value(&'static str),
    /// No recipient.
    #[error("a notification needs a recipient that it's about")]
    Nobody,
}

/// Writes the notification: CRLF line ends, 7-bit unless the mail that it returns isn't.
///
/// # Errors
/// [`ReportError`].
pub fn write(report: &Report<'_>) -> Result<Vec<u8>, ReportError> {
    check(report)?;
    let words = compose::part("text/plain", report.words);
    let status = delivery_status(report);
    let original = match report.whole {
        true => whole(report.original),
        false => compose::part("text/rfc822-headers", &returned(report.original)),
    };
    // The status part is ours but for the far server's words, which can't hold a hash of themselves.
    let boundary = encode::boundary(&status);

    let mut out = Vec::with_capacity(words.len() + status.len() + original.len() + 1024);
    encode::mailbox_field(&mut out, "From", "Mail Delivery", report.from);
    encode::text_field(&mut out, "Subject", report.subject);
    let header = format!(
        "To: <{}>\r\nDate: {}\r\nMessage-ID: <{}>\r\nAuto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n \
         boundary=\"{boundary}\"\r\n\r\n",
        report.to,
        date(report.date),
        report.message_id,
    );
    out.extend_from_slice(header.as_bytes());
    for (at, part) in [words, status, original].into_iter().enumerate() {
        let lead = if at == 0 { "" } else { "\r\n" };
        out.extend_from_slice(format!("{lead}--{boundary}\r\n").as_bytes());
        out.extend_from_slice(&part);
    }
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok(out)
}

fn check(report: &Report<'_>) -> Result<(), ReportError> {
    if report.to.trim().is_empty() {
        return Err(ReportError::NoSender);
    }
    for (name, address) in [
        ("the sender", report.to),
        ("the reporting address", report.from),
    ] {
        if !is_address(address) {
            return Err(ReportError::Value(name));
        }
    }
    if !is_target(report.message_id, 250) {
        return Err(ReportError::Value("the Message-ID"));
    }
    if report.outcomes.is_empty() {
        return Err(ReportError::Nobody);
    }
    match report
        .outcomes
        .iter()
        .all(|outcome| is_address(outcome.recipient))
    {
        true => Ok(()),
        false => Err(ReportError::Value("a recipient")),
    }
}

/// A field, unless there is nothing to say.
fn status_field(out: &mut String, name: &str, value: Option<String>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        out.push_str(&folded(&format!("{name}: {value}")));
    }
}

fn delivery_status(report: &Report<'_>) -> Vec<u8> {
    let mut out = String::from("Content-Type: message/delivery-status\r\n\r\n");
    let mut field = |name: &str, value: Option<String>| status_field(&mut out, name, value);
    field(
        "Reporting-MTA",
        Some(format!("dns; {}", ascii(report.reporting_mta))),
    );
    field("Original-Envelope-Id", report.envelope_id.map(ascii));
    field("Arrival-Date", report.arrival.map(date));
    for outcome in report.outcomes {
        out.push_str("\r\n");
        let mut field = |name: &str, value: Option<String>| status_field(&mut out, name, value);
        field("Original-Recipient", outcome.original_recipient.map(ascii));
        field("Final-Recipient", Some(typed_address(outcome.recipient)));
        field("Action", Some(outcome.action.word().to_owned()));
        field("Status", Some(outcome.status.to_string()));
        field(
            "Remote-MTA",
            outcome
                .remote_mta
                .map(|name| format!("dns; {}", ascii(name))),
        );
        field(
            "Diagnostic-Code",
            outcome
                .diagnostic
                .map(|words| format!("smtp; {}", shown(words))),
        );
        field("Last-Attempt-Date", outcome.last_attempt.map(date));
        field("Will-Retry-Until", outcome.retry_until.map(date));
    }
    out.into_bytes()
}

/// An address with its type; one that isn't ASCII is written as RFC 6533 §3 says.
fn typed_address(address: &str) -> String {
    if address.is_ascii() {
        return format!("rfc822; {}", ascii(address));
    }
    let mut out = String::from("utf-8; ");
    for c in address.chars() {
        match c {
            ' '..='~' if !matches!(c, '\\' | '+' | '=') => out.push(c),
            _ => out.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
        }
    }
    out
}

/// The mail as a part. A multipart ends it with a line break of its own.
fn whole(original: &[u8]) -> Vec<u8> {
    let encoding = match original.is_ascii() {
        true => "7bit",
        false => "8bit",
    };
    let head =
        format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    [head.as_bytes(), original].concat()
}

/// The fields that the sender wrote.
fn returned(original: &[u8]) -> String {
    let Ok((fields, _)) = field::split(original, &Limits::default()) else {
        return String::from("Comments: the header could not be read\n");
    };
    let kept = fields
        .iter()
        .filter(|field| RETURNED.iter().any(|name| field.is(name)));
    let mut out = String::new();
    for field in kept {
        let text = String::from_utf8_lossy(field.raw()).replace("\r\n", "\n");
        let short = &text[..text.floor_char_boundary(LONGEST_FIELD)];
        if out.len() + short.len() < LONGEST_HEADER {
            // A cut in a fold leaves no empty line, which would end the header.
            out.push_str(short.trim_end());
            out.push('\n');
        }
    }
    out
}

fn date(at: Timestamp) -> String {
    Date::new(at.as_second()).to_rfc822()
}

/// Visible ASCII alone.
fn ascii(text: &str) -> String {
    let one_line: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .collect();
    one_line.trim().chars().take(LONGEST_DIAGNOSTIC).collect()
}

/// A server's words as they may be shown: visible ASCII on one line of bounded length.
pub fn shown(words: &str) -> String {
    ascii(&words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A field folded at its spaces.
fn folded(field: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for (at, word) in field.split(' ').enumerate() {
        if at > 0 && column + 1 + word.len() > 76 && !word.is_empty() {
            out.push_str("\r\n ");
            column = 1;
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out.push_str("\r\n");
    out
}
