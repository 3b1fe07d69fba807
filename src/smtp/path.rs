//! Envelope paths: the mailbox between `<` and `>` of MAIL and RCPT (RFC 5321 §4.1.2, §4.1.3, RFC 6531 §3.3).
//!
//! A path is checked for its form and its lengths and kept as it was written; whether its domain is ours, or its
//! mailbox exists, is for the rooms to say. Source routes are read and dropped (RFC 5321 §4.1.1.3).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// RFC 5321 §4.5.3.1.1, in octets.
pub const MAX_LOCAL_PART: usize = 64;
/// RFC 5321 §4.5.3.1.2, in octets.
pub const MAX_DOMAIN: usize = 255;
/// RFC 5321 §4.5.3.1.3, in octets, with the angle brackets.
pub const MAX_PATH: usize = 256;
/// RFC 1035 §2.3.4, in octets.
const MAX_LABEL: usize = 63;

/// Why a path was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not `<…>`, or something stands behind the `>`.
    #[error("a path stands in angle brackets, as in <user@domain.example>")]
    Brackets,
    /// The local part is neither a dot-atom nor a quoted string.
    #[error("the part before the @ is not well formed")]
    LocalPart,
    /// The domain is neither a domain name nor an address literal.
    #[error("the part after the @ is not a domain or an address literal")]
    Domain,
    /// The route before the mailbox is not well formed.
    #[error("the source route is not well formed")]
    Route,
    /// A part is longer than RFC 5321 §4.5.3.1 allows.
    #[error("the path is too long")]
    TooLong,
}

/// An addr-spec as the envelope carries it; `Debug` doesn't show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox {
    text: String,
    /// Where the `@` stands.
    at: usize,
}

impl Mailbox {
    /// Reads `local-part "@" ( domain / address-literal )`. UTF-8 is taken where RFC 6531 takes it; whether the
    /// transaction allows it is asked with [`Mailbox::is_ascii`].
    ///
    /// # Errors
    /// [`PathError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let at = local_part_length(text).ok_or(PathError::LocalPart)?;
        let domain = text[at..].strip_prefix('@').ok_or(PathError::LocalPart)?;
        if at > MAX_LOCAL_PART || domain.len() > MAX_DOMAIN || text.len() + 2 > MAX_PATH {
            return Err(PathError::TooLong);
        }
        let well_formed = match domain.strip_prefix('[') {
            Some(literal) => literal.strip_suffix(']').is_some_and(is_address_literal),
            None => is_domain(domain),
        };
        if !well_formed {
            return Err(PathError::Domain);
        }
        Ok(Self {
            text: text.to_owned(),
            at,
        })
    }

    /// The whole addr-spec as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The local part as it was written, with its quotes if it has any.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// The domain or address literal as it was written.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// Whether the mailbox is at a bare IP address, as in `user@[192.0.2.1]`.
    pub fn is_at_address_literal(&self) -> bool {
        self.domain().starts_with('[')
    }

    /// Whether the mailbox can be named without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox(..)")
    }
}

/// Where a message says it comes from: the path of MAIL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReversePath {
    /// `<>`: a notification, never to be answered.
    Null,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Reads `<>` or `<mailbox>`.
    ///
    /// # Errors
    /// [`PathError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        match strip_brackets(text)? {
            "" => Ok(Self::Null),
            inner => Mailbox::parse(strip_route(inner)?).map(Self::Mailbox),
        }
    }

    /// The mailbox, unless the path is null.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

/// Where a message goes: the path of RCPT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain, in any case (RFC 5321 §4.1.1.3); it is not the null path.
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// Reads `<postmaster>` or `<mailbox>`; `<>` is no forward path.
    ///
    /// # Errors
    /// [`PathError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let inner = strip_brackets(text)?;
        if inner.eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Postmaster);
        }
        Mailbox::parse(strip_route(inner)?).map(Self::Mailbox)
    }

    /// The mailbox, unless the path is the bare postmaster.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Postmaster => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

fn strip_brackets(text: &str) -> Result<&str, PathError> {
    text.strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'))
        .ok_or(PathError::Brackets)
}

/// How long the path at the start of `text` is, with its brackets; what follows are parameters. A `>` inside a
/// quoted local part doesn't end the path.
pub(crate) fn path_length(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// Drops `@one,@two:` before the mailbox. A mailbox itself never starts with `@`.
fn strip_route(text: &str) -> Result<&str, PathError> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    if text.len() + 2 > MAX_PATH {
        return Err(PathError::TooLong);
    }
    let (route, mailbox) = text.split_once(':').ok_or(PathError::Route)?;
    let well_formed = route
        .split(',')
        .all(|hop| hop.strip_prefix('@').is_some_and(is_domain));
    well_formed.then_some(mailbox).ok_or(PathError::Route)
}

/// How long the local part at the start of `text` is: a dot-atom or a quoted string.
fn local_part_length(text: &str) -> Option<usize> {
    if text.starts_with('"') {
        return quoted_length(text);
    }
    let length = text.find('@')?;
    text[..length]
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char))
        .then_some(length)
}

/// `Quoted-string` of RFC 5321 §4.1.2: printable characters, with `\` before `"` and `\`.
fn quoted_length(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some(index + 1),
            '\\' => {
                let (_, escaped) = characters.next()?;
                if !(' '..='~').contains(&escaped) {
                    return None;
                }
            }
            ' '..='~' => {}
            _ if is_wide(character) => {}
            _ => return None,
        }
    }
    None
}

/// `atext` of RFC 5322 §3.2.3, with the UTF-8 of RFC 6531 §3.3.
fn is_atom_char(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(character)
        || is_wide(character)
}

/// A character outside ASCII that isn't a control, so that no address breaks a line or hides in one.
fn is_wide(character: char) -> bool {
    !character.is_ascii() && !character.is_control()
}

/// A domain name of letters, digits and inner hyphens (RFC 5321 §4.1.2), or U-labels (RFC 6531 §3.3).
fn is_domain(text: &str) -> bool {
    (1..=MAX_DOMAIN).contains(&text.len()) && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let edge = |character: Option<char>| character.is_some_and(is_letter_or_digit);
    label.len() <= MAX_LABEL
        && edge(label.chars().next())
        && edge(label.chars().next_back())
        && label
            .chars()
            .all(|character| character == '-' || is_letter_or_digit(character))
}

fn is_letter_or_digit(character: char) -> bool {
    character.is_ascii_alphanumeric() || is_wide(character)
}

/// What stands between `[` and `]`: an IPv4 address, or `IPv6:` and an IPv6 address (RFC 5321 §4.1.3). There is
/// no registered general literal.
pub(crate) fn is_address_literal(text: &str) -> bool {
    match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => text[5..].parse::<Ipv6Addr>().is_ok(),
        _ => text.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests;
