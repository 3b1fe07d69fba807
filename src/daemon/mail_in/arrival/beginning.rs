//! The beginning of a mail: its header, and as much of its body as says what it asks of us. It is held until it is whole,
//! looked at once, and forgotten while the rest still comes.

use crate::mailbox::glance::{Glance, glance};
use crate::message::trace::count_received;

/// The longest header that is looked at.
const HEADER: usize = 256 * 1024;
/// How much of a body is looked at. People write above what they quote, and programs put the text before what is attached.
const BODY: usize = 128 * 1024;

/// The beginning of a mail that is coming in.
pub(super) enum Beginning {
    /// It is not whole yet.
    Held {
        bytes: Vec<u8>,
        /// Where the body begins, once that came.
        body_at: Option<usize>,
    },
    /// It was looked at.
    Seen(Seen),
}

/// What was seen.
pub(super) struct Seen {
    pub(super) glance: Glance,
    /// Through how many servers it has come.
    pub(super) hops: usize,
}

impl Default for Beginning {
    fn default() -> Self {
        Self::Held {
            bytes: Vec::new(),
            body_at: None,
        }
    }
}

impl Beginning {
    /// Takes the next bytes of the mail.
    pub(super) fn take(&mut self, new: &[u8]) {
        let Self::Held { bytes, body_at } = self else {
            return;
        };
        let before = bytes.len();
        bytes.extend_from_slice(&new[..new.len().min(HEADER + BODY - before)]);
        if body_at.is_none() {
            let from = before.saturating_sub(3);
            let found = memchr::memmem::find(&bytes[from..], b"\r\n\r\n");
            *body_at = found.map(|found| from + found + 4);
        }
        let enough = body_at.map_or(HEADER, |at| at + BODY);
        if bytes.len() >= enough {
            bytes.truncate(enough);
            *self = Self::Seen(Seen::of(bytes));
        }
    }

    /// What was seen: the mail has no more.
    pub(super) fn end(self) -> Seen {
        match self {
            Self::Held { bytes, .. } => Seen::of(&bytes),
            Self::Seen(seen) => seen,
        }
    }
}

impl Seen {
    fn of(beginning: &[u8]) -> Self {
        Self {
            glance: glance(beginning),
            hops: count_received(beginning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mail: &[u8], pieces: usize) -> Beginning {
        let mut beginning = Beginning::default();
        mail.chunks(pieces).for_each(|piece| beginning.take(piece));
        beginning
    }

    #[test]
    fn however_it_comes_the_same_is_seen() {
        let quote = "> quoted\r\n".repeat(40_000);
        let mail = format!("Received: x\r\nSubject: Re: May\r\n\r\nStop\r\n\r\n{quote}");
        for pieces in [1, 7, 4096, mail.len()] {
            let beginning = taken(mail.as_bytes(), pieces);
            assert!(matches!(beginning, Beginning::Seen(_)), "{pieces}");
            let seen = beginning.end();
            assert!(seen.glance.says_stop && seen.hops == 1, "{pieces}");
        }
    }

    #[test]
    fn a_long_header_hides_no_body() {
        let trace = "X-Trace: and so on\r\n".repeat(9_000);
        let mail = format!("Subject: Re: May\r\n{trace}\r\nStop\r\n");
        let seen = taken(mail.as_bytes(), 1000).end();
        assert!(
            !seen.glance.says_stop && seen.glance.automatic,
            "too many fields"
        );
        let long = format!("X-Trace: {}\r\n", "and so on ".repeat(20)).repeat(900);
        let mail = format!("Subject: Re: May\r\n{long}\r\nStop\r\n");
        assert!(mail.len() > BODY);
        assert!(taken(mail.as_bytes(), 1000).end().glance.says_stop);
    }

    #[test]
    fn a_header_without_an_end_is_not_held_without_one() {
        let Beginning::Seen(seen) = taken(&b"X: y\r\n".repeat(100_000), 65_536) else {
            panic!("all of it is held");
        };
        assert!(seen.glance.automatic);
    }
}
