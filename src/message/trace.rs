//! Trace and client fields: counting hops, and the header of a staff mail before it goes out.

use jiff::Timestamp;
use mail_builder::headers::date::Date;

use super::mime::field::{self, Field};
use super::mime::{Limits, MimeError};
use super::segment::{is_address, is_target};
use super::verdict::results::SENDER;

/// How many `Received` fields a message may have before it's taken for a loop (RFC 5321 §6.3: at least 100).
pub const MOST_HOPS: usize = 100;

/// Fields that tell where and with what the sender writes, belong to a server, or hold hidden recipients.
const STRIPPED: [&str; 25] = [
    "Received",
    "Return-Path",
    "Delivered-To",
    "X-Original-To",
    "Bcc",
    "Resent-Bcc",
    "User-Agent",
    "X-Mailer",
    "X-MimeOLE",
    "X-MSMail-Priority",
    "X-Sender",
    "X-Sender-IP",
    "X-Client-IP",
    "X-Remote-IP",
    "X-Real-IP",
    "X-Forwarded-For",
    "X-Authenticated-Sender",
    "X-Authenticated-User",
    "X-PHP-Originating-Script",
    "X-Mozilla-Status",
    "X-Mozilla-Status2",
    "X-Mozilla-Keys",
    "Authentication-Results",
    SENDER,
    "DKIM-Signature",
];
/// Beginnings of such names.
const STRIPPED_PREFIXES: [&str; 3] = ["x-originating-", "x-account-", "x-identity-"];

/// How many `Received` fields the header has. Reads any octets; a message that isn't one has none.
pub fn count_received(message: &[u8]) -> usize {
    message
        .split(|&b| b == b'\n')
        .take_while(|line| !line.is_empty() && *line != b"\r")
        .filter(|line| {
            line.get(..9)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"received:"))
        })
        .count()
}

/// The door's own `Received`, which a staff mail begins with, and what its client wrote.
pub fn behind_own_stamp(header: &[u8]) -> (&[u8], &[u8]) {
    if count_received(header.get(..10).unwrap_or_default()) == 0 {
        return header.split_at(0);
    }
    let mut at = 0;
    loop {
        let line = memchr::memmem::find(&header[at..], b"\r\n");
        at = line.map_or(header.len(), |line| at + line + 2);
        if !matches!(header.get(at), Some(b' ' | b'\t')) {
            return header.split_at(at);
        }
    }
}

/// What a staff mail gets if its client left it out.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// The Message-ID, without angle brackets.
    pub message_id: &'a str,
    /// The date.
    pub date: Timestamp,
    /// Who sends it, for a mail of several authors (RFC 5322 §3.6.2).
    pub sender: Option<&'a str>,
}

/// The header of a staff mail as it goes out, with its blank line, and how many octets of the message it replaces. The
/// body isn't touched: it may be signed.
///
/// # Errors
/// [`MimeError`] if the header isn't one.
pub fn outgoing_header(
    message: &[u8],
    defaults: &Defaults<'_>,
) -> Result<(Vec<u8>, usize), MimeError> {
    let (fields, body_at) = field::split(message, &Limits::default())?;
    let mut out = Vec::with_capacity(body_at + 256);
    for field in fields.iter().filter(|field| !is_stripped(field)) {
        out.extend_from_slice(field.raw());
        out.extend_from_slice(b"\r\n");
    }
    let has = |name: &str| fields.iter().any(|field| field.is(name));
    if !has("To") && !has("Cc") {
        // RFC 5322 needs no destination, but many receivers do.
        out.extend_from_slice(b"To: undisclosed-recipients:;\r\n");
    }
    let authors = fields.iter().filter(|field| field.is("From"));
    let authors = authors.flat_map(|field| field.mailboxes()).count();
    if let Some(sender) = defaults.sender.filter(|sender| is_address(sender))
        && authors > 1
        && !has("Sender")
    {
        out.extend_from_slice(format!("Sender: <{sender}>\r\n").as_bytes());
    }
    if !has("Date") {
        let date = Date::new(defaults.date.as_second()).to_rfc822();
        out.extend_from_slice(format!("Date: {date}\r\n").as_bytes());
    }
    if !has("Message-ID") && is_target(defaults.message_id, 250) {
        out.extend_from_slice(format!("Message-ID: <{}>\r\n", defaults.message_id).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok((out, body_at))
}

/// Whether the header says that the recipient domain's wishes for TLS don't matter for this mail: `TLS-Required: No`, once
/// (RFC 8689 §5).
pub fn relaxes_tls(header: &[u8]) -> bool {
    let Ok((fields, _)) = field::split(header, &Limits::default()) else {
        return false;
    };
    let mut said = fields.iter().filter(|field| field.is("TLS-Required"));
    let no = |field: &Field<'_>| field.text().trim().eq_ignore_ascii_case("no");
    said.next().is_some_and(no) && said.next().is_none()
}

/// The fields of which RFC 5322 §3.6 allows one alone, and which people see or programs go by. From and Sender are judged
/// elsewhere.
const ONCE: [&str; 7] = [
    "Date",
    "Message-ID",
    "To",
    "Cc",
    "Subject",
    "Reply-To",
    "In-Reply-To",
];

/// A field that a header has twice and may have once: the large providers refuse such mail, and programs show one or the
/// other.
pub fn said_twice(header: &[u8]) -> Option<&'static str> {
    let (fields, _) = field::split(header, &Limits::default()).ok()?;
    let twice = |name: &&str| fields.iter().filter(|field| field.is(name)).count() > 1;
    ONCE.into_iter().find(twice)
}

fn is_stripped(field: &Field<'_>) -> bool {
    let name = field.name().to_ascii_lowercase();
    STRIPPED.iter().any(|known| field.is(known))
        || STRIPPED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted_in_the_header_alone() {
        assert_eq!(count_received(b""), 0);
        let message = b"Received: a\r\n b\r\nRECEIVED: c\r\nX-Received: d\r\n\r\nReceived: e\r\n";
        assert_eq!(count_received(message), 2);
        assert_eq!(count_received("Received:".repeat(3).as_bytes()), 1);
    }

    #[test]
    fn the_doors_own_stamp_is_the_first_alone() {
        let stamp = "Received: by mx.party.example with ESMTPSA\r\n\tid 1;\r\n\tdate\r\n";
        for rest in ["Received: from desk\r\n\r\n", "From: a\r\n\r\n", "\r\n", ""] {
            let whole = format!("{stamp}{rest}");
            let expected = (stamp.as_bytes(), rest.as_bytes());
            assert_eq!(behind_own_stamp(whole.as_bytes()), expected);
        }
        let none = b"From: a\r\nReceived: x\r\n";
        assert_eq!(behind_own_stamp(none), (&b""[..], &none[..]));
        assert_eq!(behind_own_stamp(b"Received: x").1, b"");
    }

    fn outgoing(message: &str) -> String {
        let defaults = Defaults {
            message_id: "m@party.example",
            date: Timestamp::UNIX_EPOCH,
            sender: Some("a@party.example"),
        };
        let (header, body_at) = outgoing_header(message.as_bytes(), &defaults).unwrap();
        format!(
            "{}{}",
            String::from_utf8(header).unwrap(),
            &message[body_at..]
        )
    }

    #[test]
    fn what_tells_of_the_client_goes_and_the_rest_stays_as_it_is() {
        let message = "Received: from [192.0.2.7]\r\n by x\r\nFrom: a@party.example\r\nbcc: secret@x.example\r\nResent-Bcc: more@x.example\r\nTO: b@x.example\r\n\
            Subject: Folded\r\n  subject\r\nX-Originating-IP: 192.0.2.7\r\nUser-Agent: C\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\
            Message-ID: <c@party.example>\r\nList-Id: <x>\r\n\r\nReceived: in the body\r\n";
        assert_eq!(
            outgoing(message),
            "From: a@party.example\r\nTO: b@x.example\r\nSubject: Folded\r\n  subject\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\
             Message-ID: <c@party.example>\r\nList-Id: <x>\r\n\r\nReceived: in the body\r\n"
        );
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(
            outgoing("From: a@party.example\r\nBcc: b@x.example\r\n\r\nHi\r\n"),
            "From: a@party.example\r\nTo: undisclosed-recipients:;\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\n\
             Message-ID: <m@party.example>\r\n\r\nHi\r\n"
        );
    }

    #[test]
    fn of_several_authors_one_is_the_sender() {
        let two = "From: a@party.example, b@party.example\r\nTo: c@x.example\r\n\r\nHi\r\n";
        assert!(outgoing(two).contains("\r\nSender: <a@party.example>\r\n"));
        let said = two.replace("To:", "Sender: b@party.example\r\nTo:");
        assert!(!outgoing(&said).contains("Sender: <a@"));
    }

    #[test]
    fn what_may_stand_once_is_found_twice() {
        let once = "To: a@x.example\r\nDate: x\r\nReceived: y\r\nReceived: y\r\n";
        assert_eq!(
            said_twice(format!("{once}\r\nTo: body\r\n").as_bytes()),
            None
        );
        for (field, name) in [("DATE: z", "Date"), ("to:", "To")] {
            let twice = format!("{once}{field}\r\n\r\n");
            assert_eq!(said_twice(twice.as_bytes()), Some(name));
        }
    }

    #[test]
    fn a_header_that_is_none_is_refused() {
        let defaults = Defaults {
            message_id: "m@party.example",
            date: Timestamp::UNIX_EPOCH,
            sender: Some("a@party.example"),
        };
        assert_eq!(
            outgoing_header(b"no field\r\n\r\n", &defaults),
            Err(MimeError::Field)
        );
    }
}
