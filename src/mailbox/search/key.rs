//! What can be asked of messages.

use std::sync::Arc;

use jiff::civil::Date;

use crate::store::{Flags, Keyword, ModSeq, Uids};

/// A question to a message. `Debug` doesn't show words: people look for people.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// Yes.
    All,
    /// Is it one of these? A question may name the same many often.
    Uids(Arc<Uids>),
    /// Are all of these flags set?
    Flags(Flags),
    /// Is this keyword set?
    Keyword(Keyword),
    /// Was it changed by this change or a later one (RFC 7162 §3.1.5)?
    ModSeq(ModSeq),
    /// Has it more bytes?
    Larger(u64),
    /// Has it fewer?
    Smaller(u64),
    /// When did it come, by the day in UTC, which is what mail programs are told?
    Received(Day),
    /// Did it come so many seconds ago, or before that (RFC 5032)?
    Older(u32),
    /// Did it come within so many seconds?
    Younger(u32),
    /// When was it written, by the day that its Date field names in its own zone?
    Sent(Day),
    /// Has it a field of this name that holds this text? Each field holds the empty text.
    Header {
        /// The field.
        name: String,
        /// The text.
        text: String,
    },
    /// Does its body hold this text?
    Body(String),
    /// Does its header or its body?
    Text(String),
    /// Is that not so?
    Not(Box<Key>),
    /// Is any of these so?
    Any(Vec<Key>),
    /// Are all of these so?
    Every(Vec<Key>),
}

/// A day, and on which side of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// Earlier.
    Before(Date),
    /// That day.
    On(Date),
    /// That day or later.
    Since(Date),
}

impl Day {
    pub(super) fn holds(self, date: Date) -> bool {
        match self {
            Self::Before(day) => date < day,
            Self::On(day) => date == day,
            Self::Since(day) => date >= day,
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Not(key) => write!(f, "Not({key:?})"),
            Self::Any(keys) => write!(f, "Any({keys:?})"),
            Self::Every(keys) => write!(f, "Every({keys:?})"),
            _ => f.write_str("Key(..)"),
        }
    }
}
