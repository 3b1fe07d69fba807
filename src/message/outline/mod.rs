//! A message's outline: the header fields that lists of messages show, and the tree of its parts with where each begins
//! and how long it is. It's made in one pass while the message goes by ([`Scanner`]), in memory that doesn't grow with it,
//! and kept beside the message: a list of ten thousand reads no body, and a part is read from where it stands.
//!
//! What is damaged is outlined as far as it goes: every message has an outline.

mod scan;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod written;

use crate::message::mime::field;

pub use scan::{Scanner, outline};

/// Of the message's own header, the fields that mail programs ask for when they show a list.
const LISTED: [&str; 30] = [
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-ID",
    "Content-Description",
    "Content-Language",
    "Content-Location",
    "Content-MD5",
    "Priority",
    "X-Priority",
    "Importance",
    "Auto-Submitted",
    "Precedence",
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "Newsgroups",
    "X-Label",
];

/// A message's outline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// The message itself.
    pub root: Node,
    /// Its listed fields are all that there are: none was too long to be kept.
    pub whole: bool,
}

/// A part of a message: the message itself, a multipart's part, or a message within it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Where its header begins, in bytes of the message.
    pub header_at: u64,
    /// Where its body begins.
    pub body_at: u64,
    /// How many bytes its body has, as it stands there.
    pub size: u64,
    /// How many lines.
    pub lines: u64,
    /// Of a message the listed fields, of any other part those about its content: as they stand, with folds and line ends.
    pub fields: Vec<u8>,
    /// A multipart's parts, or the message that a message holds.
    pub parts: Vec<Node>,
}

impl Outline {
    /// How much it has in memory.
    pub fn held(&self) -> usize {
        self.root.held()
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (at, size) = (self.body_at, self.size);
        write!(f, "Node({size} bytes at {at}, {:?})", self.parts)
    }
}

impl Node {
    /// The kept fields of this name, as they stand.
    pub fn fields_named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let is = move |raw: &&[u8]| is_named(raw, name);
        field::raw_fields(&self.fields).filter(is)
    }
}

impl Node {
    fn held(&self) -> usize {
        let parts: usize = self.parts.iter().map(Self::held).sum();
        size_of::<Self>() + self.fields.len() + parts
    }

    /// The message that this part holds. It begins where the part's body begins; a multipart's parts stand behind a
    /// boundary line.
    pub fn message(&self) -> Option<&Node> {
        let first = self.parts.first();
        first.filter(|within| within.header_at == self.body_at)
    }

    /// Whether it's a multipart that has parts.
    pub fn is_multipart(&self) -> bool {
        !self.parts.is_empty() && self.message().is_none()
    }
}

/// Whether a field is kept of every message that has it.
pub fn is_listed(name: &str) -> bool {
    LISTED
        .iter()
        .any(|listed| listed.eq_ignore_ascii_case(name))
}

fn is_named(raw: &[u8], name: &str) -> bool {
    let end = raw.iter().position(|byte| *byte == b':');
    end.is_some_and(|end| {
        raw[..end]
            .trim_ascii_end()
            .eq_ignore_ascii_case(name.as_bytes())
    })
}
