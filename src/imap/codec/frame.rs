//! Where a command ends. A command is a line, or several with literals between them; it is collected whole, within a bound,
//! before anybody reads it. Only the messages of an APPEND aren't collected: they go by.

use std::fmt;

use zeroize::Zeroizing;

use super::append::{self, Begun};
use super::cursor::Syntax;
use crate::imap::command::AppendHead;

/// What has come.
#[derive(PartialEq)]
pub(in crate::imap) enum Event {
    /// Not yet a whole command.
    Starved,
    /// The client waits to be told to send a literal.
    Ready,
    /// A command with its line end.
    Whole(Zeroizing<Vec<u8>>),
    /// An APPEND, up to its first message.
    Append(Begun),
    /// An APPEND that can't be read, and its message, which may be on its way.
    Misread(Zeroizing<Vec<u8>>, Syntax, Announced),
    /// A literal that is too long, announced by a client that waits: it won't come. The command with this beginning is
    /// over.
    Refused(Zeroizing<Vec<u8>>),
    /// What follows must never be run.
    Broken(Fault),
}

/// Why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::imap) enum Fault {
    /// A CR without LF, an LF without CR, or a NUL, in a line.
    Octet,
    /// A line, or a command with its literals, is too long.
    TooLong,
    /// A literal that is too long is on its way already.
    Literal,
    /// A line behind a message can't be read.
    Syntax(Syntax),
}

/// Collects commands.
#[derive(Default)]
pub(in crate::imap) struct Frame {
    /// The command so far. It's overwritten as it goes: it may hold a password.
    held: Zeroizing<Vec<u8>>,
    /// Where its last line begins.
    line: usize,
    /// How much of a literal is still to come.
    literal: usize,
}

/// What was said is nobody's who reads a log.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starved => f.write_str("Starved"),
            Self::Ready => f.write_str("Ready"),
            Self::Whole(held) => write!(f, "Whole({} octets)", held.len()),
            Self::Append(begun) => begun.fmt(f),
            Self::Misread(_, syntax, _) => write!(f, "Misread({syntax})"),
            Self::Refused(_) => f.write_str("Refused"),
            Self::Broken(fault) => write!(f, "Broken({fault:?})"),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} octets)", self.held.len())
    }
}

/// A literal at a line's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::imap) struct Announced {
    pub(in crate::imap) size: u64,
    pub(in crate::imap) sync: bool,
    pub(in crate::imap) binary: bool,
    /// Where it is announced, from the line's beginning.
    pub(in crate::imap) at: usize,
}

impl Frame {
    /// Takes what it can from the start of `input`: how many octets, and what they made whole. A command may have `limit`
    /// octets; an APPEND may begin where `appends`.
    pub(in crate::imap) fn take(
        &mut self,
        input: &[u8],
        limit: usize,
        appends: bool,
    ) -> (usize, Event) {
        if self.literal > 0 {
            let now = self.literal.min(input.len());
            self.hold(&input[..now]);
            self.literal -= now;
            if self.literal == 0 {
                self.line = self.held.len();
            }
            return (now, Event::Starved);
        }
        let end = memchr::memchr(b'\n', input);
        let piece = &input[..end.map_or(input.len(), |end| end + 1)];
        let room = limit.saturating_sub(self.held.len());
        let (fits, beyond) = piece.split_at(room.min(piece.len()));
        // What came before was looked at, but for a CR at its end.
        let unseen = self.held.len().saturating_sub(1).max(self.line);
        self.hold(fits);
        // However the octets come, the first thing wrong decides.
        if !is_line(&self.held[unseen..], end.is_some() && beyond.is_empty()) {
            return (0, Event::Broken(Fault::Octet));
        }
        if !beyond.is_empty() {
            return (0, Event::Broken(Fault::TooLong));
        }
        if end.is_none() {
            return (piece.len(), Event::Starved);
        }
        (piece.len(), self.end_line(limit, appends))
    }

    fn end_line(&mut self, limit: usize, appends: bool) -> Event {
        let Some(literal) = announced(&self.held[self.line..]) else {
            self.line = 0;
            return Event::Whole(std::mem::take(&mut self.held));
        };
        if appends && append::is_append(&self.held) {
            match append::begin(&self.held) {
                Ok(None) => {}
                Ok(Some(begun)) => {
                    self.clear();
                    return Event::Append(begun);
                }
                Err(syntax) => return Event::Misread(self.clear(), syntax, literal),
            }
        }
        let size = usize::try_from(literal.size).unwrap_or(usize::MAX);
        if size > limit.saturating_sub(self.held.len()) {
            return match literal.sync {
                true => Event::Refused(self.clear()),
                false => Event::Broken(Fault::Literal),
            };
        }
        self.literal = size;
        if size == 0 {
            self.line = self.held.len();
        }
        match literal.sync {
            true => Event::Ready,
            false => Event::Starved,
        }
    }

    /// Grows by hand: a vector that grows by itself leaves what it held where that lay.
    fn hold(&mut self, octets: &[u8]) {
        let needed = self.held.len() + octets.len();
        if needed > self.held.capacity() {
            let room = needed.max(2 * self.held.capacity());
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.held);
            self.held = larger;
        }
        self.held.extend_from_slice(octets);
    }

    fn clear(&mut self) -> Zeroizing<Vec<u8>> {
        (self.line, self.literal) = (0, 0);
        std::mem::take(&mut self.held)
    }

    /// Nothing of a command has come yet.
    pub(in crate::imap) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What has come of it, for its tag.
    pub(in crate::imap) fn held(&self) -> &[u8] {
        &self.held
    }
}

/// Whether a line holds nothing that no line may hold; it may end in a CR that waits for its LF.
fn is_line(line: &[u8], whole: bool) -> bool {
    let inside = match (whole, line) {
        (true, [inside @ .., b'\r', b'\n']) => inside,
        (true, _) => return false,
        (false, [inside @ .., b'\r']) => inside,
        (false, inside) => inside,
    };
    memchr::memchr3(b'\r', b'\n', 0, inside).is_none()
}

/// The literal that a line announces at its end.
pub(in crate::imap) fn announced(line: &[u8]) -> Option<Announced> {
    let text = line.strip_suffix(b"}\r\n")?;
    let (text, sync) = match text.strip_suffix(b"+") {
        Some(text) => (text, false),
        None => (text, true),
    };
    let open = memchr::memrchr(b'{', text)?;
    let digits = std::str::from_utf8(&text[open + 1..]).ok()?;
    let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let binary = text[..open].ends_with(b"~");
    Some(Announced {
        // A longer number is longer than any limit.
        size: digits
            .filter(|digits| !digits.is_empty())?
            .parse()
            .unwrap_or(u64::MAX),
        sync,
        binary,
        at: open - usize::from(binary),
    })
}

/// The tag of a command, or of its beginning, for an answer to it.
pub(in crate::imap) fn tag_of(command: &[u8]) -> Option<String> {
    let end = memchr::memchr2(b' ', b'\r', command)?;
    let tag = std::str::from_utf8(&command[..end]).ok()?;
    is_tag(tag).then(|| tag.to_owned())
}

pub(in crate::imap) fn is_tag(tag: &str) -> bool {
    let fits = |octet: u8| (super::cursor::is_atom_char(octet) || octet == b']') && octet != b'+';
    !tag.is_empty() && tag.len() <= 255 && tag.bytes().all(fits)
}

/// What follows a message of an APPEND.
#[derive(Debug, PartialEq)]
pub(in crate::imap) enum Behind {
    /// The line isn't whole.
    Starved,
    /// The command ends.
    End,
    /// Another message.
    More(AppendHead),
    /// What follows must never be run.
    Broken(Fault),
}

/// Looks for the line behind a message of an APPEND.
pub(in crate::imap) fn behind(input: &[u8], limit: usize) -> (usize, Behind) {
    let end = memchr::memchr(b'\n', input);
    let line = &input[..end.map_or(input.len(), |end| end + 1)];
    let fits = &line[..limit.min(line.len())];
    if !is_line(fits, end.is_some() && fits.len() == line.len()) {
        return (0, Behind::Broken(Fault::Octet));
    }
    if fits.len() < line.len() {
        return (0, Behind::Broken(Fault::TooLong));
    }
    match (end, line) {
        (None, _) => (0, Behind::Starved),
        (Some(_), b"\r\n") => (2, Behind::End),
        (Some(_), line) => match append::more(line) {
            Ok(head) => (line.len(), Behind::More(head)),
            Err(syntax) => (0, Behind::Broken(Fault::Syntax(syntax))),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 100;

    fn all(input: &[u8]) -> Vec<Event> {
        let (mut frame, mut events, mut rest) = (Frame::default(), Vec::new(), input);
        loop {
            let (used, event) = frame.take(rest, LIMIT, true);
            rest = &rest[used..];
            match event {
                Event::Starved if used == 0 || rest.is_empty() => return events,
                Event::Starved => {}
                Event::Broken(_) => {
                    events.push(event);
                    return events;
                }
                event => events.push(event),
            }
        }
    }

    #[test]
    fn commands_are_collected_with_their_literals() {
        let whole = |text: &[u8]| Event::Whole(Zeroizing::new(text.to_vec()));
        assert_eq!(all(b"a noop\r\nb x"), [whole(b"a noop\r\n")]);
        assert_eq!(
            all(b"a login {3}\r\nada {2+}\r\npw\r\n"),
            [Event::Ready, whole(b"a login {3}\r\nada {2+}\r\npw\r\n")]
        );
        assert_eq!(
            all(b"a x {0}\r\n\r\n"),
            [Event::Ready, whole(b"a x {0}\r\n\r\n")]
        );
        assert_eq!(
            all(b"a x {99}\r\nb noop\r\n"),
            [
                Event::Refused(Zeroizing::new(b"a x {99}\r\n".to_vec())),
                whole(b"b noop\r\n")
            ]
        );
    }

    #[test]
    fn what_is_no_command_ends_it() {
        for (input, fault) in [
            (&b"a noop\nb noop\r\n"[..], Fault::Octet),
            (b"a no\rop\r\n", Fault::Octet),
            (b"a no\0p", Fault::Octet),
            (b"a x {99+}\r\n", Fault::Literal),
            (b"a x {99999999999999999999999999+}\r\n", Fault::Literal),
            (&[b'x'; 101], Fault::TooLong),
            (&[&[0][..], &[b'x'; 101]].concat(), Fault::Octet),
        ] {
            assert_eq!(all(input), [Event::Broken(fault)], "{input:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(text in "(a (noop|x \\{[0-4]\\+?\\}|append b \\{2\\}|\"\\{1\\}\")(\r\n|\n|\0)?){0,5}", cuts in proptest::collection::vec(0usize..60, 0..6)) {
            let text = text.as_bytes();
            let (mut frame, mut events, mut held) = (Frame::default(), Vec::new(), Vec::new());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            'cuts: for cut in cuts.windows(2) {
                held.extend_from_slice(&text[cut[0]..cut[1]]);
                loop {
                    let (used, event) = frame.take(&held, LIMIT, true);
                    held.drain(..used);
                    match event {
                        Event::Starved if used == 0 || held.is_empty() => break,
                        Event::Starved => {}
                        Event::Broken(_) => { events.push(event); break 'cuts; }
                        event => events.push(event),
                    }
                }
            }
            prop_assert_eq!(events, all(text));
        }
    }
}
