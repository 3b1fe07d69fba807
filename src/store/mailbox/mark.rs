//! Flags and keywords (RFC 9051 §2.3.2). A folder gives each keyword that is used in it a number, and an entry holds a set
//! of these: it has the same length whatever is said of a message.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The system flags of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// It was read.
    pub const SEEN: Self = Self(1);
    /// It was answered.
    pub const ANSWERED: Self = Self(2);
    /// It is marked as important.
    pub const FLAGGED: Self = Self(4);
    /// It is to be expunged.
    pub const DELETED: Self = Self(8);
    /// It isn't finished.
    pub const DRAFT: Self = Self(16);
    /// All of them.
    pub const ALL: Self = Self(31);

    /// Whether all of these are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These and those.
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// These without those.
    pub const fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

/// The most keywords that a folder knows.
pub(super) const MOST_KEYWORDS: usize = 64;
/// The longest keyword.
const LONGEST: usize = 64;

/// A flag that mail programs make up: an atom without a backslash. People name some themselves, so `Debug` doesn't show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Keyword(String);

impl fmt::Debug for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyword(..)")
    }
}

/// No keyword: not an atom, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a keyword is made of up to 64 plain characters, without spaces, brackets or a backslash")]
pub struct NotAKeyword;

impl Keyword {
    /// Reads one (RFC 9051 §9, `flag-keyword`).
    ///
    /// # Errors
    /// [`NotAKeyword`].
    pub fn parse(text: &str) -> Result<Self, NotAKeyword> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
        let fits = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(plain);
        fits.then(|| Self(text.to_owned())).ok_or(NotAKeyword)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Case makes no other keyword of it.
    pub fn is(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// All that mail programs say of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// The system flags.
    pub flags: Flags,
    /// The others.
    pub keywords: BTreeSet<Keyword>,
}

impl From<Flags> for Marks {
    fn from(flags: Flags) -> Self {
        Self {
            flags,
            keywords: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_what_a_person_called_it() {
        let keywords = [Keyword::parse("re-nye-bevan").unwrap()].into();
        let flags = Flags::SEEN;
        let shown = format!("{:?}", Marks { flags, keywords });
        assert!(!shown.contains("bevan"), "{shown}");
    }

    #[test]
    fn keywords_are_atoms() {
        for good in ["$Forwarded", "NonJunk", "a", &"x".repeat(64), "work/urgent"] {
            assert!(Keyword::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "\\Seen", "a b", "a]", "ä", "a\u{7f}", &"x".repeat(65)] {
            assert_eq!(Keyword::parse(bad), Err(NotAKeyword), "{bad}");
        }
        assert!(
            Keyword::parse("junk")
                .unwrap()
                .is(&Keyword::parse("Junk").unwrap())
        );
    }
}
