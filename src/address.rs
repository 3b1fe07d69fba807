//! Mail addresses: the one parser of an `addr-spec`, and the one frozen form that look-ups use.
//!
//! An [`EmailAddress`] keeps its spelling (people are written to as they wrote themselves); its [`MatchForm`] says
//! which addresses are the same person's. This file knows nothing of lists, staff or mail; it only reads names.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_public_assigned;

mod domain;
mod match_form;
mod reserved;

pub use domain::Domain;
pub use match_form::MatchForm;
pub(crate) use reserved::RESERVED_LOCALS;

/// Octets in a local part (RFC 5321 §4.5.3.1.1).
pub const MAX_LOCAL: usize = 64;
/// Octets in a domain (RFC 5321 §4.5.3.1.2).
pub const MAX_DOMAIN: usize = 255;
/// Octets in a whole address: a path of 256 less its angle brackets (RFC 5321 §4.5.3.1.3).
pub const MAX_ADDRESS: usize = 254;

/// No spelling of an address within the limits above is longer than this, however it is written: each octet of a
/// local part may come as a decomposed sequence, each label of a domain as Unicode. Longer input isn't read at all.
const MAX_INPUT: usize = 4 * (MAX_LOCAL + MAX_DOMAIN);

/// Why a text is no address or no domain. The messages never repeat the text: it may be somebody's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing was written.
    #[error("the address is empty: write it as name@example.org")]
    Empty,
    /// No `@` outside quotes.
    #[error("the address has no @: write it as name@example.org")]
    NoAt,
    /// Nothing before the `@`.
    #[error("nothing stands before the @: write the address as name@example.org")]
    EmptyLocal,
    /// Nothing after the `@`, or nothing at all where a domain is asked for.
    #[error("the domain (the part after the @) is missing: write it as example.org")]
    EmptyDomain,
    /// More than one `@` outside quotes.
    #[error("the address has more than one @: write one address, as name@example.org")]
    SecondAt,
    /// White space, also inside quotes.
    #[error("there is a space in it: remove the space, and write one address, or one domain, only")]
    Space,
    /// A control character.
    #[error("the address has a control character in it: type it again by hand")]
    Control,
    /// A character that can't be seen, turns the writing direction, or that Unicode doesn't define.
    #[error("the address has an invisible or undefined character in it: type it again by hand")]
    Invisible,
    /// A local part that starts or ends with a dot or has two together, outside quotes.
    #[error("a dot stands first, last or twice together before the @: check the spelling")]
    Dots,
    /// A character that needs quotes.
    #[error("a character before the @ isn't allowed there without quotes: check the spelling")]
    LocalCharacter,
    /// A quoted local part that isn't closed, or goes on after its closing quote.
    #[error("the quotes before the @ aren't closed properly: check the spelling")]
    Quotes,
    /// Over 64 octets.
    #[error("the part before the @ is longer than {MAX_LOCAL} bytes: no mail system takes it")]
    LocalTooLong,
    /// Over 255 octets, or over what DNS carries.
    #[error(
        "the domain or one of its labels is too long: labels have at most 63 bytes, domains 253"
    )]
    DomainTooLong,
    /// Over 254 octets.
    #[error("the address is longer than {MAX_ADDRESS} bytes: no mail system takes it")]
    TooLong,
    /// `[192.0.2.1]` or a bare IP address.
    #[error(
        "an IP address stands after the @: only domain names are taken, as in name@example.org"
    )]
    DomainLiteral,
    /// No dot in the domain.
    #[error("the domain is not complete: write it with its ending, as in name@example.org")]
    NotQualified,
    /// Refused by UTS 46 or by the host name rules.
    #[error(
        "the domain is not a valid name: check its spelling, it may have letters, digits, - and dots"
    )]
    BadDomain,
}

/// An address as its owner spells it: a dot-atom or quoted-string local part in NFC, kept as written, and a [`Domain`].
///
/// Two addresses are `==` if they are spelled alike; whether they are the same person's is for [`MatchForm`] to say.
/// `Display` writes the address; `Debug` doesn't.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EmailAddress {
    text: Box<str>,
    domain: Domain,
}

impl EmailAddress {
    /// Reads one bare `addr-spec` (RFC 5321 `Mailbox`, with RFC 6531's UTF-8), without display name, comments, folding
    /// or brackets.
    ///
    /// # Errors
    /// The reason as an [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > MAX_INPUT {
            return Err(AddressError::TooLong);
        }
        check_characters(text)?;
        let at = find_at(text)?;
        let (local, domain) = (&text[..at], &text[at + 1..]);
        let local = normalised(local)?;
        Self::join(&local, parse_mail_domain(domain)?)
    }

    /// Reads an address as a person types it into a form: like [`EmailAddress::parse`], without the white space around.
    ///
    /// # Errors
    /// The reason as an [`AddressError`].
    pub fn parse_typed(text: &str) -> Result<Self, AddressError> {
        Self::parse(text.trim())
    }

    /// The address of a local part at a domain; for addresses we make ourselves.
    ///
    /// # Errors
    /// The reason as an [`AddressError`].
    pub fn from_parts(local: &str, domain: &Domain) -> Result<Self, AddressError> {
        if local.len() > MAX_INPUT {
            return Err(AddressError::LocalTooLong);
        }
        check_characters(local)?;
        Self::join(&normalised(local)?, domain.clone())
    }

    fn join(local: &str, domain: Domain) -> Result<Self, AddressError> {
        if local.len() > MAX_LOCAL {
            return Err(AddressError::LocalTooLong);
        }
        if local.len() + 1 + domain.as_str().len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        let text = format!("{local}@{domain}").into_boxed_str();
        Ok(Self { text, domain })
    }

    fn local_range(&self) -> Range<usize> {
        0..self.text.len() - self.domain.as_str().len() - 1
    }

    /// The local part as written, with its quotes if it has any.
    pub fn local(&self) -> &str {
        &self.text[self.local_range()]
    }

    /// The local part split at its first `+`: `news+leeds-east` is `news` with the detail `leeds-east` (RFC 5233).
    pub fn local_and_detail(&self) -> (&str, Option<&str>) {
        match self.local().split_once('+') {
            Some((name, detail)) if !name.is_empty() => (name, Some(detail)),
            _ => (self.local(), None),
        }
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it can be sent to without SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// The form that look-ups use.
    pub fn match_form(&self) -> MatchForm {
        MatchForm::v1(self)
    }
}

/// Refuses what no part of an address may hold, before anything else is looked at.
fn check_characters(text: &str) -> Result<(), AddressError> {
    for c in text.chars() {
        if c.is_whitespace() {
            return Err(AddressError::Space);
        }
        if c.is_control() {
            return Err(AddressError::Control);
        }
        if !is_public_assigned(c) || is_invisible(c) {
            return Err(AddressError::Invisible);
        }
    }
    Ok(())
}

/// A local part in NFC. It's looked at as it will stand there: the Greek question mark becomes a semicolon, which is
/// allowed in quotes alone.
fn normalised(local: &str) -> Result<String, AddressError> {
    let local: String = local.nfc().collect();
    check_local(&local)?;
    Ok(local)
}

/// Characters that show nothing or turn the direction of writing: two addresses that differ only in them look alike.
/// (The joiners U+200C and U+200D are among them, so a local part can't have them; UTS 46 would drop or check them in
/// domains, where we'd rather be asked again.)
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// Where the `@` between local part and domain stands; one inside quotes isn't it.
fn find_at(text: &str) -> Result<usize, AddressError> {
    if !text.starts_with('"') {
        return text.find('@').ok_or(AddressError::NoAt);
    }
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                return match text.as_bytes().get(at + 1) {
                    Some(b'@') => Ok(at + 1),
                    Some(_) => Err(AddressError::Quotes),
                    None => Err(AddressError::NoAt),
                };
            }
            _ => {}
        }
    }
    Err(AddressError::Quotes)
}

fn check_local(local: &str) -> Result<(), AddressError> {
    if local.is_empty() {
        return Err(AddressError::EmptyLocal);
    }
    if local.starts_with('"') {
        return match unquote(local) {
            Some(text) if text.is_empty() => Err(AddressError::EmptyLocal),
            Some(_) => Ok(()),
            None => Err(AddressError::Quotes),
        };
    }
    if local.split('.').any(str::is_empty) {
        return Err(AddressError::Dots);
    }
    if is_dot_atom(local) {
        Ok(())
    } else {
        Err(AddressError::LocalCharacter)
    }
}

/// RFC 5322 `dot-atom-text`, with RFC 6532's UTF-8 as `atext`.
fn is_dot_atom(text: &str) -> bool {
    let is_atext =
        |b: u8| b.is_ascii_alphanumeric() || !b.is_ascii() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// What a whole quoted string says: its text without quotes and backslashes (RFC 5321 §4.1.2: `"a\b"` is `"ab"`).
/// `None` unless the quotes open first, close last and nowhere else.
fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            // RFC 5321 quoted-pairSMTP: ASCII only.
            '\\' => text.push(chars.next().filter(char::is_ascii)?),
            _ => text.push(c),
        }
    }
    Some(text)
}

fn parse_mail_domain(text: &str) -> Result<Domain, AddressError> {
    if text.contains('@') {
        return Err(AddressError::SecondAt);
    }
    let domain = Domain::parse(text)?;
    if domain.is_qualified() {
        Ok(domain)
    } else {
        Err(AddressError::NotQualified)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

/// The conversions that serde and `str::parse` go through.
macro_rules! text_form {
    ($type:ty) => {
        impl std::str::FromStr for $type {
            type Err = AddressError;
            fn from_str(text: &str) -> Result<Self, AddressError> {
                Self::parse(text)
            }
        }
        impl TryFrom<String> for $type {
            type Error = AddressError;
            fn try_from(text: String) -> Result<Self, AddressError> {
                Self::parse(&text)
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.as_str().to_owned()
            }
        }
    };
}

text_form!(Domain);
text_form!(EmailAddress);

#[cfg(test)]
mod tests;
