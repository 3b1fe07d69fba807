//! The beginning of a mail: its header, and as much of its body as says what it asks of us. It is held until it is whole,
//! looked at once, and forgotten while the rest still comes. What is held of it counts in the byte budget.

use super::super::held::Held;
use crate::mailbox::glance::{Glance, glance};
use crate::message::trace::count_received;
use crate::store::NoRoom;

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
        /// Its room in the byte budget.
        held: Held,
    },
    /// It was looked at.
    Seen(Seen),
}

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) glance: Glance,
    /// Through how many servers it has come.
    pub(super) hops: usize,
}

impl Beginning {
    /// Nothing of it came yet.
    pub(super) fn within(held: Held) -> Self {
        Self::Held {
            bytes: Vec::new(),
            body_at: None,
            held,
        }
    }

    /// Takes the next bytes of the mail.
    ///
    /// # Errors
    /// [`NoRoom`] if the byte budget is used up: looked at in part, a mail might be misheard.
    pub(super) fn take(&mut self, new: &[u8]) -> Result<(), NoRoom> {
        let Self::Held {
            bytes,
            body_at,
            held,
        } = self
        else {
            return Ok(());
        };
        let before = bytes.len();
        bytes.extend_from_slice(&new[..new.len().min(HEADER + BODY - before)]);
        held.hold(bytes.capacity())?;
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
        Ok(())
    }

    /// What was seen: the mail has no more. Asked again, it has seen nothing.
    pub(super) fn end(&mut self) -> Seen {
        match std::mem::replace(self, Self::Seen(Seen::default())) {
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
        let mut beginning = Beginning::within(Held::within(1 << 20));
        for piece in mail.chunks(pieces) {
            beginning.take(piece).expect("there is room");
        }
        beginning
    }

    #[test]
    fn however_it_comes_the_same_is_seen() {
        let quote = "> quoted\r\n".repeat(40_000);
        let mail = format!("Received: x\r\nSubject: Re: May\r\n\r\nStop\r\n\r\n{quote}");
        for pieces in [1, 7, 4096, mail.len()] {
            let mut beginning = taken(mail.as_bytes(), pieces);
            assert!(matches!(beginning, Beginning::Seen(_)), "{pieces}");
            let seen = beginning.end();
            assert!(seen.glance.says_stop && seen.hops == 1, "{pieces}");
        }
    }

    #[test]
    fn a_long_beginning_needs_room_and_gives_it_back() {
        let line = format!("X: {}\r\n", "y".repeat(1_000)).into_bytes();
        let mut beginning = Beginning::within(Held::within(2 * 64 * 1024));
        let mut held = (0..200).map(|_| beginning.take(&line));
        assert_eq!(held.find(Result::is_err), Some(Err(NoRoom)));
        let mut short = Beginning::within(Held::within(2 * 64 * 1024));
        short.take(&line).expect("most headers cost nothing");
        let seen = taken(&b"X: y\r\n".repeat(100_000), 65_536);
        assert!(matches!(seen, Beginning::Seen(_)), "it holds no room");
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
