//! Sections of messages (RFC 9051 §6.4.5, RFC 3516): what can be asked for of a message, and how it's read from the sealed
//! chunks without the rest.
//!
//! | file | its job |
//! |---|---|
//! | `place` | which bytes a section is, by the outline |
//! | `fields` | some fields of a header, while it goes by |
//! | `read` | giving it out |

mod fields;
mod place;
mod read;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use read::{Opened, SectionError};

/// What is asked for of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The numbers of the part, from outside in; none for the message itself.
    pub part: Vec<u32>,
    /// What of it.
    pub wanted: Wanted,
}

/// What is asked for of a message, or of one of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of the message, or the body of the part.
    Whole,
    /// The header of the message, or of the one that the part holds.
    Header,
    /// Of that header the fields of these names.
    Fields(Vec<String>),
    /// Of that header all other fields.
    OtherFields(Vec<String>),
    /// The body of the message, or of the one that the part holds.
    Text,
    /// The part's own header.
    Mime,
}

impl Section {
    /// The whole message.
    pub const ALL: Self = Self::of_message(Wanted::Whole);

    /// This of the message itself.
    pub const fn of_message(wanted: Wanted) -> Self {
        let part = Vec::new();
        Self { part, wanted }
    }
}

/// A piece of a section: so many bytes behind the first ones. What lies beyond its end is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// How many bytes are left out.
    pub first: u64,
    /// How many there may be.
    pub most: u64,
}
