//! The commands we send, as types. Nothing is pasted: what could end a line or a path can't be put into one.

use std::fmt;

use bytes::{BufMut, BytesMut};

use crate::address::EmailAddress;

/// Octets of a path with its angle brackets (RFC 5321 §4.5.3.1.3).
const MAX_PATH: usize = 256;

/// A text can't stand in an SMTP command. The message does not repeat it: it may be somebody's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// An address that would end its path or its line, or is longer than SMTP allows.
    #[error(
        "the address can't be written in an SMTP command: it is empty, too long, or has a space, a control \
         character, `<` or `>` in it"
    )]
    Path,
    /// A name for EHLO that is neither a host name nor an address literal.
    #[error(
        "the name for EHLO must be this host's full name (mail.example.org) or an address in brackets"
    )]
    HelloName,
}

/// An address as it may stand between `<` and `>`: no white space, no control character, no angle bracket, at most
/// 254 octets.
///
/// (RFC 5321 has quoted local parts with a space or `>` inside. No mailbox in use has one, and a server that reads
/// them wrongly reads the rest of the line wrongly too; they can't be written to.)
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WirePath(Box<str>);

impl WirePath {
    /// Checks an address that is already parsed for its place in a command line.
    ///
    /// # Errors
    /// [`CommandError::Path`].
    pub fn new(address: &EmailAddress) -> Result<Self, CommandError> {
        Self::check(address.as_str())
    }

    pub(super) fn check(text: &str) -> Result<Self, CommandError> {
        let stray = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>');
        let whole = text.len() <= MAX_PATH - 2 && text.contains('@');
        if !whole || text.contains(stray) {
            return Err(CommandError::Path);
        }
        Ok(Self(text.into()))
    }

    /// The address, without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can only travel with SMTPUTF8 (RFC 6531).
    pub fn needs_utf8(&self) -> bool {
        !self.0.is_ascii()
    }
}

impl fmt::Debug for WirePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WirePath(..)")
    }
}

/// The name we give ourselves in EHLO (RFC 5321 §4.1.1.1): a fully qualified host name or an address literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloName(Box<str>);

impl HelloName {
    /// # Errors
    /// [`CommandError::HelloName`].
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let literal = text.starts_with('[') && text.ends_with(']');
        let inner = if literal {
            &text[1..text.len() - 1]
        } else {
            text
        };
        let fits =
            |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b) || (literal && b == b':');
        if inner.is_empty() || inner.len() > 253 || !inner.bytes().all(fits) {
            return Err(CommandError::HelloName);
        }
        Ok(Self(text.into()))
    }
}

/// The parameters of MAIL FROM (RFC 1870, 6152, 6531), each written only where the server offers it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MailParameters {
    pub(super) size: Option<u64>,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    pub(super) require_tls: bool,
}

/// One command line.
#[derive(Debug)]
pub(super) enum Command<'a> {
    Ehlo(&'a HelloName),
    StartTls,
    /// With further parameters, as they are written.
    Mail(Option<&'a WirePath>, MailParameters, &'a str),
    /// With parameters, as they are written.
    Rcpt(&'a WirePath, &'a str),
    Data,
    Rset,
    Quit,
}

impl Command<'_> {
    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Ehlo(name) => {
                out.put_slice(b"EHLO ");
                out.put_slice(name.0.as_bytes());
            }
            Self::StartTls => out.put_slice(b"STARTTLS"),
            Self::Mail(path, parameters, more) => {
                out.put_slice(b"MAIL FROM:<");
                out.put_slice(path.map_or(b"", |path| path.0.as_bytes()));
                out.put_slice(b">");
                parameters.write(out);
                out.put_slice(more.as_bytes());
            }
            Self::Rcpt(path, parameters) => {
                out.put_slice(b"RCPT TO:<");
                out.put_slice(path.0.as_bytes());
                out.put_slice(b">");
                out.put_slice(parameters.as_bytes());
            }
            Self::Data => out.put_slice(b"DATA"),
            Self::Rset => out.put_slice(b"RSET"),
            Self::Quit => out.put_slice(b"QUIT"),
        }
        out.put_slice(b"\r\n");
    }
}

impl MailParameters {
    fn write(self, out: &mut BytesMut) {
        if let Some(size) = self.size {
            out.put_slice(format!(" SIZE={size}").as_bytes());
        }
        if self.eight_bit {
            out.put_slice(b" BODY=8BITMIME");
        }
        if self.utf8 {
            out.put_slice(b" SMTPUTF8");
        }
        if self.require_tls {
            out.put_slice(b" REQUIRETLS");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn line(command: &Command<'_>) -> String {
        let mut out = BytesMut::new();
        command.write(&mut out);
        String::from_utf8(out.to_vec()).expect("ASCII or UTF-8")
    }

    #[test]
    fn commands_are_written_as_the_rfc_has_them() {
        let path = WirePath::check("ada@example.org").unwrap();
        let hello = HelloName::parse("mail.example.org").unwrap();
        let parameters = MailParameters {
            size: Some(42),
            eight_bit: true,
            utf8: true,
            require_tls: true,
        };
        assert_eq!(line(&Command::Ehlo(&hello)), "EHLO mail.example.org\r\n");
        assert_eq!(
            line(&Command::Mail(None, MailParameters::default(), "")),
            "MAIL FROM:<>\r\n"
        );
        assert_eq!(
            line(&Command::Mail(Some(&path), parameters, "")),
            "MAIL FROM:<ada@example.org> SIZE=42 BODY=8BITMIME SMTPUTF8 REQUIRETLS\r\n"
        );
        assert_eq!(
            line(&Command::Rcpt(&path, "")),
            "RCPT TO:<ada@example.org>\r\n"
        );
    }

    #[test]
    fn what_ends_a_path_or_a_line_has_no_path() {
        for text in [
            "a@b>\r\nRCPT TO:<evil@x",
            "a@b\r",
            "a@b\n",
            "a b@c",
            "\"a b\"@c",
            "\"a>b\"@c",
            "<a@b",
            "a@b\0",
            "a@b\u{2028}",
            "a@b\u{85}",
            "",
            "nobody",
        ] {
            assert_eq!(WirePath::check(text), Err(CommandError::Path), "{text:?}");
        }
        let long = format!("{}@example.org", "a".repeat(250));
        assert_eq!(WirePath::check(&long), Err(CommandError::Path));
        assert!(WirePath::check("jürgen@example.org").unwrap().needs_utf8());
    }

    #[test]
    fn debug_keeps_the_address() {
        let path = WirePath::check("ada@example.org").unwrap();
        assert!(!format!("{path:?}").contains("ada"));
    }

    #[test]
    fn hello_names() {
        for text in ["mail.example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
            assert!(HelloName::parse(text).is_ok(), "{text}");
        }
        for text in ["", "[]", "[", "a b", "a\r\nQUIT", "münchen.example", "a:b"] {
            assert!(HelloName::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_path_that_is_taken_is_one_line_with_one_pair_of_brackets(text in ".{0,80}@.{0,40}") {
            if let Ok(path) = WirePath::check(&text) {
                let line = line(&Command::Rcpt(&path, ""));
                prop_assert_eq!(line.matches(['\r', '\n', '<', '>', '\0']).count(), 4);
                prop_assert!(line.ends_with(">\r\n"));
            }
        }
    }
}
