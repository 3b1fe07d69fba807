//! Domain names, as the wire has them.

use std::borrow::Borrow;
use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

use super::{AddressError, MAX_DOMAIN, MAX_INPUT, check_characters};

/// A domain name as the wire has it: A-labels, lower case, no dot at its end.
///
/// Its `Debug` is closed: a domain that serves few people names one of them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads a domain written in U-labels or A-labels, in any case (UTS 46, non-transitional, host name rules).
    ///
    /// A name of a single label (`localhost`) is a domain; [`EmailAddress::parse`] refuses it behind an `@`.
    ///
    /// # Errors
    /// The reason as an [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::EmptyDomain);
        }
        if text.len() > MAX_INPUT {
            return Err(AddressError::DomainTooLong);
        }
        check_characters(text)?;
        if is_ip_address(text) {
            return Err(AddressError::DomainLiteral);
        }
        let ascii = to_ascii(text, DnsLength::Ignore).map_err(|_| AddressError::BadDomain)?;
        if ascii.is_empty() || ascii.split('.').any(str::is_empty) {
            return Err(AddressError::BadDomain);
        }
        if ascii.len() > MAX_DOMAIN || !idna::uts46::verify_dns_length(&ascii, false) {
            return Err(AddressError::DomainTooLong);
        }
        // UTS 46 maps full-width digits, so that an IP address may only show up now. No top-level domain is a number.
        if ascii
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(AddressError::DomainLiteral);
        }
        Ok(Self(ascii.into()))
    }

    /// The domain as the wire has it: lower-case A-labels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain for people to read, in U-labels where that is safe.
    pub fn to_unicode(&self) -> String {
        let (text, result) = Uts46::new().to_unicode(
            self.0.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
        );
        if result.is_ok() {
            text.into_owned()
        } else {
            self.0.to_string()
        }
    }

    /// Whether the name has two labels or more.
    pub fn is_qualified(&self) -> bool {
        self.0.contains('.')
    }

    /// Whether this is `other` or a name below it.
    pub fn is_within(&self, other: &Domain) -> bool {
        self.0
            .strip_suffix(other.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

fn to_ascii(text: &str, length: DnsLength) -> Result<String, idna::Errors> {
    Uts46::new()
        .to_ascii(
            text.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            length,
        )
        .map(std::borrow::Cow::into_owned)
}

fn is_ip_address(text: &str) -> bool {
    text.starts_with('[') || text.parse::<std::net::IpAddr>().is_ok()
}

/// For look-ups by a part of another domain. A domain hashes and compares as its text does.
impl Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Domain(..)")
    }
}
