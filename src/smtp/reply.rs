//! The SMTP reply: one type for what our server says and for what another server said to our client.
//!
//! It knows the form of a reply (RFC 5321 §4.2, RFC 2034, RFC 3463) and nothing of why one is given.

use std::borrow::Cow;
use std::fmt;

/// The longest text we put on one reply line, so that the line with code, enhanced code and CRLF stays within
/// 512 octets (RFC 5321 §4.5.3.1.5).
const MAX_TEXT: usize = 480;

/// An enhanced status code, `class.subject.detail` (RFC 3463).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Enhanced {
    class: u8,
    subject: u16,
    detail: u16,
}

impl Enhanced {
    /// The code `class.subject.detail`; `class` is 2, 4 or 5, and the others are below 1000.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self {
            class,
            subject,
            detail,
        }
    }

    /// Reads a code such as `5.1.1`; `None` if `text` is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let class = match parts.next()? {
            "2" => 2,
            "4" => 4,
            "5" => 5,
            _ => return None,
        };
        let subject = three_digits(parts.next()?)?;
        let detail = three_digits(parts.next()?)?;
        parts.next().is_none().then_some(Self {
            class,
            subject,
            detail,
        })
    }

    /// 2 for success, 4 for a failure that may pass, 5 for one that won't.
    pub const fn class(self) -> u8 {
        self.class
    }

    /// What the code is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub const fn subject(self) -> u16 {
        self.subject
    }

    /// The condition within the subject.
    pub const fn detail(self) -> u16 {
        self.detail
    }
}

/// One to three digits (RFC 3463 §2).
fn three_digits(text: &str) -> Option<u16> {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A reply: a code, perhaps an enhanced code, and one or more lines of text.
///
/// `Debug` shows the codes alone: other servers put addresses into their texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<Enhanced>,
    lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// A one-line reply with an enhanced code, given as `(class, subject, detail)`.
    pub fn new(
        code: u16,
        (class, subject, detail): (u8, u16, u16),
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            code,
            enhanced: Some(Enhanced::new(class, subject, detail)),
            lines: vec![text.into()],
        }
    }

    /// A one-line reply without an enhanced code: greetings, `354` and `334` have none (RFC 2034 §4).
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            enhanced: None,
            lines: vec![text.into()],
        }
    }

    /// A reply of any number of lines, as EHLO gives or as another server gave.
    pub fn from_parts(
        code: u16,
        enhanced: Option<Enhanced>,
        lines: Vec<Cow<'static, str>>,
    ) -> Self {
        Self {
            code,
            enhanced,
            lines,
        }
    }

    /// The three-digit code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code, if there is one.
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.enhanced
    }

    /// The text of each line, without codes.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(AsRef::as_ref)
    }

    /// `2xx`: done.
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// `3xx`: go on.
    pub fn is_intermediate(&self) -> bool {
        (300..400).contains(&self.code)
    }

    /// `4xx`: not now.
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// `5xx`: no.
    pub fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// Appends the reply as it goes on the wire. A text can't start a new line of its own: control characters
    /// become spaces, and what isn't ASCII becomes `?`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let last = self.lines.len().saturating_sub(1);
        if self.lines.is_empty() {
            self.write_line(out, b' ', "");
        }
        for (number, line) in self.lines.iter().enumerate() {
            self.write_line(out, if number == last { b' ' } else { b'-' }, line);
        }
    }

    fn write_line(&self, out: &mut Vec<u8>, separator: u8, text: &str) {
        out.extend_from_slice(self.code.to_string().as_bytes());
        out.push(separator);
        if let Some(enhanced) = self.enhanced {
            out.extend_from_slice(enhanced.to_string().as_bytes());
            out.push(b' ');
        }
        // An SASL challenge is the one text that may be long, and cutting it would break it.
        let limit = if self.code == 334 {
            usize::MAX
        } else {
            MAX_TEXT
        };
        out.extend(text.chars().take(limit).map(|character| match character {
            ' '..='~' => character as u8,
            _ if character.is_control() => b' ',
            _ => b'?',
        }));
        out.extend_from_slice(b"\r\n");
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enhanced {
            Some(enhanced) => write!(f, "Reply({} {enhanced})", self.code),
            None => write!(f, "Reply({})", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write_to(&mut out);
        String::from_utf8(out).expect("replies are ASCII")
    }

    #[test]
    fn one_line_has_code_and_enhanced_code() {
        let reply = Reply::new(550, (5, 1, 1), "No such mailbox");
        assert_eq!(wire(&reply), "550 5.1.1 No such mailbox\r\n");
        assert!(reply.is_permanent() && !reply.is_temporary() && !reply.is_positive());
    }

    #[test]
    fn only_the_last_of_many_lines_has_a_space() {
        let lines = vec!["mx.example".into(), "SIZE 10".into(), "PIPELINING".into()];
        let reply = Reply::from_parts(250, None, lines);
        assert_eq!(
            wire(&reply),
            "250-mx.example\r\n250-SIZE 10\r\n250 PIPELINING\r\n"
        );
    }

    #[test]
    fn a_text_cannot_start_a_line_or_leave_ascii() {
        let reply = Reply::plain(250, "one\r\n550 two\0é");
        assert_eq!(wire(&reply), "250 one  550 two ?\r\n");
        assert_eq!(wire(&Reply::from_parts(250, None, vec![])), "250 \r\n");
    }

    #[test]
    fn a_line_stays_within_512_octets_but_a_challenge_is_not_cut() {
        let long = "x".repeat(2000);
        assert!(wire(&Reply::new(550, (5, 100, 100), long.clone())).len() <= 512);
        assert_eq!(wire(&Reply::plain(334, long)).len(), 2006);
    }

    #[test]
    fn debug_shows_no_text() {
        let reply = Reply::new(550, (5, 1, 1), "<ann@party.example> unknown");
        assert_eq!(format!("{reply:?}"), "Reply(550 5.1.1)");
    }

    #[test]
    fn enhanced_codes_parse_strictly() {
        assert_eq!(Enhanced::parse("5.1.1"), Some(Enhanced::new(5, 1, 1)));
        assert_eq!(Enhanced::parse("4.7.100"), Some(Enhanced::new(4, 7, 100)));
        for bad in [
            "", "5", "5.1", "3.1.1", "5.1.1.1", "5.1.", "5..1", "5.+1.1", "5.1.1000",
        ] {
            assert_eq!(Enhanced::parse(bad), None, "{bad:?}");
        }
    }
}
