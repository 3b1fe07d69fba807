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

    /// Once all are added: each thread names its root at once. An older one has done so before a younger.
    pub(super) fn settle(&mut self) {
        for thread in 0..self.joined.len() {
            self.joined[thread] = self.joined[self.joined[thread]];
        }
    }

    /// When the last of a message's thread came. To be asked once they are settled.
    pub(super) fn last_of(&self, message: MessageId) -> Option<Timestamp> {
        let thread = self.of_message.get(&message)?;
        Some(self.last[self.joined[*thread]])
    }

    fn open(&mut self, at: Timestamp) -> usize {
        self.joined.push(self.joined.len());
        self.last.push(at);
        self.joined.len() - 1
    }

    /// The thread that this one was joined with at last. Each way that is gone is half as long afterwards: whoever writes
    /// mail chooses what names what, and in which order.
    fn root(&mut self, mut thread: usize) -> usize {
        while self.joined[thread] != thread {
            self.joined[thread] = self.joined[self.joined[thread]];
            thread = self.joined[thread];
        }
        thread
    }

    /// The older takes the younger in.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Joined in the worst order, all name the first at once: nobody goes a long way for each of many.
    #[test]
    fn ways_are_short_whatever_the_order() {
        const MANY: usize = 2_000;
        let mut threads = Threads::default();
        let at = |n: usize| Timestamp::from_second(i64::try_from(n).unwrap()).unwrap();
        let messages: Vec<_> = (0..MANY).map(|_| MessageId::random()).collect();
        for (n, message) in messages.iter().enumerate() {
            threads.add(*message, at(n), None);
        }
        for n in (1..MANY).rev() {
            threads.join(n, n - 1);
        }
        // One look at a long way makes it half as long.
        threads.root(MANY - 1);
        let way = std::iter::successors(Some(MANY - 1), |thread| {
            let next = threads.joined[*thread];
            (next != *thread).then_some(next)
        });
        assert!(way.count() <= MANY / 2 + 1);
        threads.settle();
        assert!(threads.joined.iter().all(|root| *root == 0));
        for message in messages {
            assert_eq!(threads.last_of(message), Some(at(MANY - 1)));
        }
    }
}
