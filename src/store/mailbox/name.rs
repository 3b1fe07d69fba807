//! Names of folders: up to ten levels, joined by `/`. Seven are in every mailbox, keep their names and stay.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// What stands between the levels of a name.
const DELIMITER: char = '/';
/// The most levels.
const LEVELS: usize = 10;
/// The longest name in bytes.
const LONGEST: usize = 255;

/// A folder that every mailbox has (RFC 6154).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpecialUse {
    /// New mail.
    Inbox,
    /// What is being written.
    Drafts,
    /// What was sent.
    Sent,
    /// What its author's domain warns of.
    Junk,
    /// What was thrown away.
    Trash,
    /// What is done with.
    Archive,
    /// Mail of strangers who were asked "was it you?".
    Unconfirmed,
}

impl SpecialUse {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Inbox,
        Self::Drafts,
        Self::Sent,
        Self::Junk,
        Self::Trash,
        Self::Archive,
        Self::Unconfirmed,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbox => "INBOX",
            Self::Drafts => "Drafts",
            Self::Sent => "Sent",
            Self::Junk => "Junk",
            Self::Trash => "Trash",
            Self::Archive => "Archive",
            Self::Unconfirmed => "Unconfirmed",
        }
    }
}

/// A folder's name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FolderName(String);

/// Not a name that a folder can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// Too long, or nothing.
    #[error("a folder's name has 1 to 255 bytes")]
    Length,
    /// Too many levels.
    #[error("folders stand in each other ten deep at most")]
    Depth,
    /// `a//b`, or `/a`.
    #[error("a level of the name is empty")]
    EmptyLevel,
    /// A control character, or one that IMAP takes for a wildcard.
    #[error("a folder's name has no control characters, no * and no %")]
    Character,
}

impl fmt::Debug for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FolderName(..)")
    }
}

impl From<SpecialUse> for FolderName {
    fn from(special: SpecialUse) -> Self {
        Self(special.name().to_owned())
    }
}

impl From<FolderName> for String {
    fn from(name: FolderName) -> Self {
        name.0
    }
}

impl TryFrom<String> for FolderName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        Self::parse(&text)
    }
}

impl FolderName {
    /// Reads a name, and writes it in one way: normal form C, and INBOX in capitals at the top (RFC 9051 §5.1).
    ///
    /// # Errors
    /// [`NotAName`].
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let text: String = text.nfc().collect();
        if text.is_empty() || text.len() > LONGEST {
            return Err(NotAName::Length);
        }
        if text.chars().any(|c| c.is_control() || "*%".contains(c)) {
            return Err(NotAName::Character);
        }
        let mut levels: Vec<&str> = text.split(DELIMITER).collect();
        if levels.len() > LEVELS {
            return Err(NotAName::Depth);
        }
        if levels.iter().any(|level| level.is_empty()) {
            return Err(NotAName::EmptyLevel);
        }
        let inbox = SpecialUse::Inbox.name();
        if levels[0].eq_ignore_ascii_case(inbox) {
            levels[0] = inbox;
        }
        Ok(Self(levels.join("/")))
    }

    /// As it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of the seven it is, if it is one.
    pub fn special_use(&self) -> Option<SpecialUse> {
        let all = SpecialUse::ALL.into_iter();
        all.into_iter().find(|special| special.name() == self.0)
    }

    /// Which of the seven it is, or stands in.
    pub fn realm(&self) -> Option<SpecialUse> {
        let top = self.0.split(DELIMITER).next();
        let mut all = SpecialUse::ALL.into_iter();
        all.find(|special| Some(special.name()) == top)
    }

    /// The name in which it stands, if it's not at the top.
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once(DELIMITER)?;
        Some(Self(parent.to_owned()))
    }

    /// Whether a level of it is taken for another: `.` and `..` are other places wherever folders are files, and a space at
    /// an end is not seen. No folder is made so any more; those that are there keep their names.
    pub fn has_misleading_level(&self) -> bool {
        let misleads = |level: &str| matches!(level, "." | "..") || level.trim() != level;
        self.0.split(DELIMITER).any(misleads)
    }

    /// What is behind another name in which this one stands, with the delimiter.
    pub fn below<'n>(&'n self, other: &Self) -> Option<&'n str> {
        let rest = self.0.strip_prefix(&other.0)?;
        rest.starts_with(DELIMITER).then_some(rest)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (text, name) in [
            ("inbox", "INBOX"),
            ("Inbox/Work", "INBOX/Work"),
            ("Work/inbox", "Work/inbox"),
            ("Cafe\u{301}", "Caf\u{e9}"),
        ] {
            assert_eq!(FolderName::parse(text).unwrap().as_str(), name);
        }
        for (text, why) in [
            ("", NotAName::Length),
            ("a//b", NotAName::EmptyLevel),
            ("a/", NotAName::EmptyLevel),
            ("a*", NotAName::Character),
            ("a\nb", NotAName::Character),
            ("1/2/3/4/5/6/7/8/9/10/11", NotAName::Depth),
        ] {
            assert_eq!(FolderName::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(FolderName::parse(&"é".repeat(128)), Err(NotAName::Length));
    }

    #[test]
    fn levels_that_are_taken_for_others_are_known() {
        let misleads = |text| FolderName::parse(text).unwrap().has_misleading_level();
        for text in ["..", "a/.", "../a", "a/ b", "a /b", "a\u{a0}"] {
            assert!(misleads(text), "{text:?}");
        }
        for text in ["a.b", "...", ".a", "a b/c", "Work/2026"] {
            assert!(!misleads(text), "{text:?}");
        }
    }

    #[test]
    fn names_stand_in_names() {
        let name = |text| FolderName::parse(text).unwrap();
        assert_eq!(name("a/b/c").parent(), Some(name("a/b")));
        assert_eq!(name("a/b/c").below(&name("a")), Some("/b/c"));
        assert_eq!(name("ab").below(&name("a")), None);
        assert_eq!(name("Junk").special_use(), Some(SpecialUse::Junk));
        assert_eq!(name("Junk/a").special_use(), None);
        assert_eq!(name("Junk/a/b").realm(), Some(SpecialUse::Junk));
        assert_eq!(name("Trash").realm(), Some(SpecialUse::Trash));
        assert_eq!(name("Junkyard").realm(), None);
        assert_eq!(name("a/Junk").realm(), None);
    }
}
