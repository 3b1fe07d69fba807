//! The kinds of mail that are told apart by their selectors, so that a provider which takes against one of them, or a key
//! that must go, says nothing of the others.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Copies of mailings.
    List,
    /// What staff write to people.
    Staff,
    /// What we write ourselves: challenges, welcomes, notices.
    Service,
}

/// Not one of the three words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is none of list, staff and service")]
pub struct NoStream;

impl Stream {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::List, Self::Staff, Self::Service];

    /// Its word, which stands in its selectors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Staff => "staff",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Stream {
    type Err = NoStream;

    fn from_str(text: &str) -> Result<Self, NoStream> {
        let mut all = Self::ALL.into_iter();
        all.find(|stream| stream.as_str() == text).ok_or(NoStream)
    }
}
