//! The mails that Hustings itself writes: challenges, welcomes, previews, notices. Text, and HTML where given, become a
//! message whose header nothing in the values can break.

use jiff::Timestamp;
use mail_builder::headers::date::Date;

use super::mime::encode::{self, QuotedPrintable};
use super::segment::{is_address, is_target};

/// Whether a program answers somebody's mail, or writes of itself (RFC 3834 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Automatic {
    /// `Auto-Submitted: auto-generated`: a challenge, a welcome, a notice.
    Generated,
    /// `Auto-Submitted: auto-replied`: an answer to one mail.
    Replied,
    /// No such field: a person had this very mail sent.
    No,
}

/// The ways out of a list, for a mail that belongs to one (RFC 2369, RFC 8058).
#[derive(Clone, Copy)]
pub struct WayOut<'a> {
    /// The page, which also takes the one-click POST.
    pub url: &'a str,
    /// The `mailto:` address.
    pub mailto: &'a str,
}

/// A mail to one recipient. `Debug` shows none of it.
#[derive(Clone, Copy)]
pub struct SystemMail<'a> {
    /// The display name of From.
    pub from_name: &'a str,
    /// The address of From.
    pub from: &'a str,
    /// The one recipient.
    pub to: &'a str,
    /// Where answers go, if not to From.
    pub reply_to: Option<&'a str>,
    /// The subject.
    pub subject: &'a str,
    /// The date.
    pub date: Timestamp,
    /// The Message-ID, without angle brackets.
    pub message_id: &'a str,
    /// The Message-ID of the mail that is answered, without angle brackets.
    pub in_reply_to: Option<&'a str>,
    /// Whether a program writes of itself.
    pub automatic: Automatic,
    /// The ways out, if the mail belongs to a list.
    pub way_out: Option<WayOut<'a>>,
    /// The text; line ends may be of any kind.
    pub text: &'a str,
    /// The same in HTML.
    pub html: Option<&'a str>,
}

impl std::fmt::Debug for WayOut<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WayOut(..)")
    }
}

impl std::fmt::Debug for SystemMail<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemMail(..)")
    }
}

/// A value that can't stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// Not an address.
    #[error("{0} isn't an address that can stand in a header: correct it")]
    Address(&'static str),
    /// Not a message identifier.
    #[error("{0} isn't a message identifier: it must be local@domain in visible ASCII")]
    MessageId(&'static str),
    /// Not a link.
    #[error(
        "a way out isn't an address in visible ASCII of at most 900 octets: correct the public address in the config"
    )]
    WayOut,
}

/// Writes the mail: CRLF line ends, 7-bit but for an address that isn't ASCII, no line over 998 octets.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(mail: &SystemMail<'_>) -> Result<Vec<u8>, ComposeError> {
    check(mail)?;
    let mut out = Vec::with_capacity(2048 + mail.text.len() + mail.html.map_or(0, str::len));
    write_header(&mut out, mail);
    let text = part("text/plain", mail.text);
    let Some(html) = mail.html else {
        out.extend_from_slice(&text);
        return Ok(out);
    };
    let html = part("text/html", html);
    // Quoted-printable never holds "=_", so neither part can hold the boundary.
    let boundary = encode::boundary(&text);
    let lead = format!(
        "Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
    );
    out.extend_from_slice(lead.as_bytes());
    out.extend_from_slice(&text);
    out.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
    out.extend_from_slice(&html);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok(out)
}

fn check(mail: &SystemMail<'_>) -> Result<(), ComposeError> {
    let addresses = [
        ("From", Some(mail.from)),
        ("To", Some(mail.to)),
        ("Reply-To", mail.reply_to),
    ];
    for (name, address) in addresses {
        if address.is_some_and(|address| !is_address(address)) {
            return Err(ComposeError::Address(name));
        }
    }
    let ids = [
        ("Message-ID", Some(mail.message_id)),
        ("In-Reply-To", mail.in_reply_to),
    ];
    for (name, id) in ids {
        if id.is_some_and(|id| !is_target(id, 900) || !id.contains('@')) {
            return Err(ComposeError::MessageId(name));
        }
    }
    match mail.way_out {
        Some(out) if !is_target(out.url, 900) || !is_target(out.mailto, 900) => {
            Err(ComposeError::WayOut)
        }
        _ => Ok(()),
    }
}

fn write_header(out: &mut Vec<u8>, mail: &SystemMail<'_>) {
    let plain = |out: &mut Vec<u8>, name: &str, value: &str| {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    };
    encode::mailbox_field(out, "From", mail.from_name, mail.from);
    plain(out, "To", &format!("<{}>", mail.to));
    if let Some(reply_to) = mail.reply_to {
        plain(out, "Reply-To", &format!("<{reply_to}>"));
    }
    encode::text_field(out, "Subject", mail.subject);
    plain(out, "Date", &Date::new(mail.date.as_second()).to_rfc822());
    plain(out, "Message-ID", &format!("<{}>", mail.message_id));
    if let Some(id) = mail.in_reply_to {
        plain(out, "In-Reply-To", &format!("<{id}>"));
        plain(out, "References", &format!("<{id}>"));
    }
    match mail.automatic {
        Automatic::Generated => plain(out, "Auto-Submitted", "auto-generated"),
        Automatic::Replied => plain(out, "Auto-Submitted", "auto-replied"),
        Automatic::No => {}
    }
    if let Some(way_out) = mail.way_out {
        plain(
            out,
            "List-Unsubscribe",
            &format!("<{}>,\r\n <{}>", way_out.url, way_out.mailto),
        );
        plain(out, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
    }
    plain(out, "MIME-Version", "1.0");
}

/// A text as a part with its own fields.
pub(super) fn part(media_type: &str, text: &str) -> Vec<u8> {
    let mut out = format!(
        "Content-Type: {media_type}; charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    .into_bytes();
    let text = text
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\0', "");
    let end = if text.ends_with('\n') { "" } else { "\n" };
    QuotedPrintable::default().text(&mut out, &format!("{text}{end}"));
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::inspect::inspect;
    use crate::message::mime::{Limits, text};

    fn mail() -> SystemMail<'static> {
        SystemMail {
            from_name: "The Example Party",
            from: "hello@party.example",
            to: "ann@voter.example",
            reply_to: None,
            subject: "Was it you?",
            date: Timestamp::UNIX_EPOCH,
            message_id: "c1@party.example",
            in_reply_to: None,
            automatic: Automatic::Generated,
            way_out: None,
            text: "Someone asked.\n\nhttps://party.example/c/abc\n",
            html: None,
        }
    }

    #[test]
    fn a_challenge_and_a_welcome_look_like_this() {
        let challenge = compose(&mail()).unwrap();
        insta::assert_snapshot!(
            "challenge",
            String::from_utf8(challenge).unwrap().replace("\r\n", "\n")
        );
        let way_out = WayOut {
            url: "https://party.example/u/x",
            mailto: "mailto:u+x@party.example",
        };
        let welcome = SystemMail {
            way_out: Some(way_out),
            html: Some("<p>Croeso, <b>Siân</b></p>"),
            subject: "Croeso – welcome",
            in_reply_to: Some("q@voter.example"),
            automatic: Automatic::Replied,
            reply_to: Some("office@party.example"),
            ..mail()
        };
        let welcome = compose(&welcome).unwrap();
        assert_eq!(
            inspect(&welcome, &Limits::default()).unwrap().shape(),
            "multipart/alternative[text/plain text/html]"
        );
        insta::assert_snapshot!(
            "welcome",
            String::from_utf8(welcome).unwrap().replace("\r\n", "\n")
        );
    }

    #[test]
    fn a_value_that_could_break_the_header_is_refused() {
        for bad in ["", "a", "a@b>\r\nBcc: <c@d", "a b@c", "a@b\nX: y"] {
            assert_eq!(
                compose(&SystemMail {
                    from: bad,
                    ..mail()
                }),
                Err(ComposeError::Address("From"))
            );
            assert_eq!(
                compose(&SystemMail { to: bad, ..mail() }),
                Err(ComposeError::Address("To"))
            );
            let reply_to = SystemMail {
                reply_to: Some(bad),
                ..mail()
            };
            assert_eq!(compose(&reply_to), Err(ComposeError::Address("Reply-To")));
            let id = SystemMail {
                message_id: bad,
                ..mail()
            };
            assert_eq!(compose(&id), Err(ComposeError::MessageId("Message-ID")));
            let bad = WayOut {
                url: "https://a\r\nX: y",
                mailto: "mailto:a@b",
            };
            assert_eq!(
                compose(&SystemMail {
                    way_out: Some(bad),
                    ..mail()
                }),
                Err(ComposeError::WayOut)
            );
        }
    }

    proptest! {
        #[test]
        fn no_words_can_add_a_field(
            subject in "(\\PC|\r|\n|\u{85}|\u{2028}|\0|Bcc: x@y|=\\?utf-8\\?q\\?=0D=0A\\?=){0,40}",
            name in "(\\PC|\r|\n|\"|<|>|,|\\\\|Bcc: x@y){0,40}",
            body in "(\\PC|\r|\n|\0|\\.|--|[a-z]{1,200}){0,40}",
        ) {
            let html = body.as_str();
            let mail = SystemMail { subject: &subject, from_name: &name, text: &body, html: Some(html), ..mail() };
            let bytes = compose(&mail).unwrap();
            prop_assert!(bytes.is_ascii());
            let read = inspect(&bytes, &Limits::default()).unwrap();
            let names: Vec<&str> = read.root.fields.iter().map(|f| f.name()).collect();
            prop_assert_eq!(names, ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]);
            prop_assert_eq!(read.from.len(), 1);
            prop_assert_eq!(&read.from[0].address, "hello@party.example");
            prop_assert_eq!(read.root.children.len(), 2);
            let written = String::from_utf8(bytes.clone()).unwrap();
            prop_assert!(written.split("\r\n").all(|line| line.len() <= 998));
            let expected = body.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "");
            let decoded = text::decode(&read.root.children[0]).unwrap();
            prop_assert_eq!(decoded.trim_end_matches('\n'), expected.trim_end_matches('\n').strip_prefix('\u{FEFF}').unwrap_or(expected.trim_end_matches('\n')));
        }
    }
}
