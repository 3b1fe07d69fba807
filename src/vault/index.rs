//! Indexes: keyed hashes by which rows are found. Without the key nobody can guess a value and check the guess.
//!
//! An index is one byte for the generation of the key and the first 16 bytes of HMAC-SHA-256. Each column has a key
//! of its own, so that the same address can't be matched across columns. Old generations are kept for ever.

use std::fmt;

use aws_lc_rs::hmac;

use super::purpose::IndexColumn;
use super::ring::{KeyRing, Slot};
use crate::id::{parse_hex, write_hex};

/// How many bytes an index has.
pub const INDEX_LEN: usize = 17;

/// A keyed hash, tagged with the generation of its key.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Index([u8; INDEX_LEN]);

impl Index {
    /// The index that these bytes are.
    pub const fn from_bytes(bytes: [u8; INDEX_LEN]) -> Self {
        Self(bytes)
    }

    /// The index that this slice is; `None` unless it has 17 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, as stored.
    pub const fn as_bytes(&self) -> &[u8; INDEX_LEN] {
        &self.0
    }

    /// The hash without the generation of its key.
    pub fn mac(&self) -> [u8; INDEX_LEN - 1] {
        let [_, mac @ ..] = self.0;
        mac
    }

    /// The generation of the key that made it.
    pub const fn generation(&self) -> u8 {
        self.0[0]
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Index(..)")
    }
}

impl TryFrom<String> for Index {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse_hex(&text)
            .map(Self)
            .ok_or("not an index: expected 34 hexadecimal digits")
    }
}

impl From<Index> for String {
    fn from(index: Index) -> Self {
        index.to_string()
    }
}

/// What stands for a list inside a withdrawal token: the first 4 bytes of the keyed hash of its key in the
/// configuration.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct ListTag(pub [u8; 4]);

impl ListTag {
    /// Stands for all lists, now and later: "never write to me again". No list has this tag.
    pub const ALL: Self = Self([0; 4]);

    pub(super) fn of(index: &Index) -> Self {
        let mac = index.as_bytes();
        let tag = Self([mac[1], mac[2], mac[3], mac[4]]);
        // One hash in four thousand million is the reserved tag; that list takes its neighbour.
        if tag == Self::ALL {
            Self([0, 0, 0, 1])
        } else {
            tag
        }
    }
}

/// The keyed short hash that stands in the log for a person or mailbox: eight hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogName([u8; 4]);

impl LogName {
    pub(super) fn of(index: &Index) -> Self {
        let mac = index.as_bytes();
        Self([mac[1], mac[2], mac[3], mac[4]])
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The keys of one column, the newest last.
pub(super) struct Indexer(Vec<(u8, hmac::Key)>);

impl Indexer {
    pub(super) fn new(ring: &KeyRing, column: IndexColumn) -> Self {
        let keys = ring.generations(Slot::Index(column));
        Self(
            keys.map(|(generation, key)| (tag(generation), hmac_key(key.bytes())))
                .collect(),
        )
    }

    pub(super) fn index(&self, value: &[u8]) -> Index {
        let (generation, key) = self.0.last().expect("a ring has a key in every slot");
        one(*generation, key, value)
    }

    pub(super) fn index_all(&self, value: &[u8]) -> Vec<Index> {
        self.0
            .iter()
            .rev()
            .map(|(generation, key)| one(*generation, key, value))
            .collect()
    }
}

fn hmac_key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

/// The ring gives index and token keys no more than 255 generations.
pub(super) fn tag(generation: u16) -> u8 {
    u8::try_from(generation).unwrap_or(u8::MAX)
}

fn one(generation: u8, key: &hmac::Key, value: &[u8]) -> Index {
    let mac = hmac::sign(key, value);
    let mut bytes = [0; INDEX_LEN];
    bytes[0] = generation;
    bytes[1..].copy_from_slice(&mac.as_ref()[..INDEX_LEN - 1]);
    Index(bytes)
}

#[cfg(test)]
mod tests;
