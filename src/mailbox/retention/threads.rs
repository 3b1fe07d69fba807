//! Which messages belong together: those that name each other, or the same third one. Of ids only hashes are held.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use jiff::Timestamp;

use crate::id::MessageId;
use crate::message::outline::Outline;

/// The fields by which messages name each other.
const NAMING: [&str; 3] = ["Message-ID", "In-Reply-To", "References"];
/// So many ids of one message are looked at.
const MOST: usize = 200;

/// Threads, with when the last message of each came.
#[derive(Default)]
pub(super) struct Threads {
    hasher: RandomState,
    /// By the hash of an id: in which thread it is.
    of_id: HashMap<u64, usize>,
    of_message: HashMap<MessageId, usize>,
    /// A thread that was joined with another names it.
    joined: Vec<usize>,
    last: Vec<Timestamp>,
}

impl Threads {
    /// Adds a message. Without an outline it stands alone.
    pub(super) fn add(&mut self, message: MessageId, at: Timestamp, outline: Option<&Outline>) {
        let mut thread = match self.of_message.get(&message) {
            Some(known) => self.root(*known),
            None => self.open(at),
        };
        self.last[thread] = self.last[thread].max(at);
        for id in outline.map(ids).unwrap_or_default() {
            let hash = self.hasher.hash_one(&id);
            match self.of_id.get(&hash) {
                Some(other) => thread = self.join(thread, *other),
                None => {
                    self.of_id.insert(hash, thread);
                }
            }
        }
        self.of_message.insert(message, thread);
    }

    /// When the last of a message's thread came.
    pub(super) fn last_of(&self, message: MessageId) -> Option<Timestamp> {
        let thread = self.of_message.get(&message)?;
        Some(self.last[self.root(*thread)])
    }

    fn open(&mut self, at: Timestamp) -> usize {
        self.joined.push(self.joined.len());
        self.last.push(at);
        self.joined.len() - 1
    }

    fn root(&self, mut thread: usize) -> usize {
        while self.joined[thread] != thread {
            thread = self.joined[thread];
        }
        thread
    }

    /// The older takes the younger in, so that ways to the root stay short in the order in which mail comes.
    fn join(&mut self, one: usize, other: usize) -> usize {
        let (one, other) = (self.root(one), self.root(other));
        let (into, from) = (one.min(other), one.max(other));
        self.joined[from] = into;
        self.last[into] = self.last[into].max(self.last[from]);
        into
    }
}

/// The ids that a message names, its own among them.
fn ids(outline: &Outline) -> Vec<Vec<u8>> {
    let fields = NAMING
        .iter()
        .flat_map(|name| outline.root.fields_named(name));
    let mut ids = Vec::new();
    for field in fields {
        let mut rest = field;
        while let Some(begins) = rest.iter().position(|byte| *byte == b'<') {
            let Some(length) = rest[begins..].iter().position(|byte| *byte == b'>') else {
                break;
            };
            let id = &rest[begins + 1..begins + length];
            if ids.len() < MOST && !id.is_empty() {
                ids.push(id.to_vec());
            }
            rest = &rest[begins + length..];
        }
    }
    ids
}
