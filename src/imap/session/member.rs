//! The intake of somebody who has logged in: commands for the desk, and the messages of an APPEND as they go by.

use super::step::Step;
use super::{bad, broken, bye, refused, tagged};
use crate::imap::codec::cursor::Syntax;
use crate::imap::codec::frame::{Announced, Behind, Event, Frame, behind, tag_of};
use crate::imap::codec::grammar;
use crate::imap::command::{AppendHead, Command, Tag};
use crate::imap::desk::No;
use crate::imap::limits::Limits;

/// What the next octets are read as.
#[derive(Debug)]
enum Reading {
    Command,
    /// An APPEND.
    Append(Append, Place),
    /// Until the client has heard enough.
    Idle(Tag),
}

/// An APPEND: the first refusal is said at its end, and what comes until then is thrown away.
#[derive(Debug)]
struct Append {
    tag: Tag,
    refused: Option<No>,
    messages: usize,
    /// How long they are together.
    size: u64,
    /// The number of its first message, and of the one that comes, among all of the session; and how long this one is.
    coming: (u64, u64, u64),
}

/// Where in an APPEND the client is.
#[derive(Debug)]
enum Place {
    /// A message was announced.
    Announced(AppendHead),
    /// The desk was told of it.
    Begun(AppendHead),
    /// So much of it is still to come.
    Octets(u64),
    /// It is whole.
    Ended,
    /// The line behind it.
    Behind,
}

/// What the driver waits for, which decides how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::imap) enum Awaiting {
    /// A command, of which nothing has come.
    Command,
    /// The rest of one.
    Rest,
    /// Octets of a message.
    Message {
        /// The number of the first message of its APPEND among all of the session, from 1.
        first: u64,
        /// Its own number.
        number: u64,
        /// How long it is.
        size: u64,
    },
    /// The end of an IDLE.
    Done,
}

/// Somebody who has logged in.
#[derive(Debug)]
pub(in crate::imap) struct Member {
    limits: Limits,
    frame: Frame,
    reading: Reading,
    errors: u32,
    /// How many messages were announced.
    messages: u64,
}

/// A message that isn't wanted is read to its end, if it isn't this many times as long as one may be.
const PATIENCE: u64 = 4;

impl Member {
    /// Only [`super::Stranger`] makes one.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            frame: Frame::default(),
            reading: Reading::Command,
            errors: 0,
            messages: 0,
        }
    }

    /// What the driver waits for after [`Step::NeedInput`].
    pub(in crate::imap) fn awaiting(&self) -> Awaiting {
        match &self.reading {
            Reading::Idle(_) => Awaiting::Done,
            Reading::Append(_, Place::Behind) => Awaiting::Rest,
            Reading::Append(append, _) => {
                let (first, number, size) = append.coming;
                Awaiting::Message {
                    first,
                    number,
                    size,
                }
            }
            Reading::Command if self.frame.is_empty() => Awaiting::Command,
            Reading::Command => Awaiting::Rest,
        }
    }

    /// How much of a command is held.
    #[cfg(any(test, fuzzing))]
    pub(in crate::imap) fn held(&self) -> usize {
        self.frame.held().len()
    }

    /// Whether the desk's APPEND is still wanted. When this is false, the driver drops it.
    pub(in crate::imap) fn wants_append(&self) -> bool {
        matches!(&self.reading, Reading::Append(append, _) if append.refused.is_none())
    }

    /// Takes what it can from the start of `input`: how many octets, and what to do about them.
    pub(in crate::imap) fn advance<'i>(&mut self, input: &'i [u8]) -> (usize, Step<'i>) {
        match std::mem::replace(&mut self.reading, Reading::Command) {
            Reading::Command => self.take_command(input),
            Reading::Append(append, place) => self.go_on(input, append, place),
            Reading::Idle(tag) => self.take_done(input, tag),
        }
    }

    fn take_command(&mut self, input: &[u8]) -> (usize, Step<'static>) {
        let (used, event) = self.frame.take(input, self.limits.command.1, true);
        let step = match event {
            Event::Starved if used == input.len() => Step::NeedInput,
            Event::Starved => Step::Continue,
            Event::Ready => Step::Say(b"+ Go on\r\n".to_vec()),
            Event::Whole(whole) => self.run(&whole),
            Event::Refused(held) => self.count(refused(&held)),
            Event::Broken(fault) => Step::Close(broken(self.frame.held(), input, fault)),
            Event::Append(begun) => {
                let append = Append::new(begun.tag, None);
                self.reading = Reading::Append(append, Place::Announced(begun.head));
                Step::AppendTo(begun.name)
            }
            Event::Misread(held, Syntax(text), literal) => {
                let tag = Tag(tag_of(&held).unwrap_or_else(|| "*".to_owned()));
                let append = Append::new(tag, Some(No::bad(text)));
                let place = Place::Announced(AppendHead::unread(&literal));
                self.reading = Reading::Append(append, place);
                Step::Continue
            }
        };
        (used, step)
    }

    fn run(&mut self, whole: &[u8]) -> Step<'static> {
        match grammar::read(whole) {
            Ok((tag, Command::Idle)) => {
                self.errors = 0;
                self.reading = Reading::Idle(tag.clone());
                Step::Run(tag, Command::Idle)
            }
            Ok((tag, Command::Login { .. } | Command::Authenticate { .. })) => {
                self.count(tagged(&tag, "BAD", "Logged in already"))
            }
            Ok((tag, command)) => {
                self.errors = 0;
                Step::Run(tag, command)
            }
            Err((tag, syntax)) => self.count(bad(tag.as_ref(), syntax)),
        }
    }

    /// One mistake too many closes the connection.
    fn count(&mut self, mut answer: Vec<u8>) -> Step<'static> {
        self.errors += 1;
        if self.errors <= self.limits.errors {
            return Step::Say(answer);
        }
        answer.extend(bye("Too many mistakes"));
        Step::Close(answer)
    }

    /// What was well asked and can't be done is no mistake: whoever fills a mailbox hears it for each message that is left.
    fn refuse(&mut self, tag: &Tag, no: &No) -> Step<'static> {
        let answer = no.tagged(tag);
        match no.is_mistake() {
            true => self.count(answer),
            false => Step::Say(answer),
        }
    }

    fn go_on<'i>(
        &mut self,
        input: &'i [u8],
        mut append: Append,
        place: Place,
    ) -> (usize, Step<'i>) {
        match place {
            Place::Announced(head) => {
                append.messages += 1;
                self.messages += 1;
                append.size = append.size.saturating_add(head.size);
                let first = match append.messages {
                    1 => self.messages,
                    _ => append.coming.0,
                };
                append.coming = (first, self.messages, head.size);
                if head.size == 0 {
                    // So a client takes an APPEND of several back (RFC 3502 §6.3.11).
                    append.refuse(No::new("", "A message of no octets cancels the APPEND"));
                } else if head.size > self.limits.message_size {
                    append.refuse(No::new("TOOBIG", "The message is too large"));
                } else if append.messages > self.limits.messages_at_once {
                    append.refuse(No::new("LIMIT", "Too many messages at once"));
                } else if append.size > self.limits.message_size {
                    let text = "The messages of one APPEND may be as long as one, together; append them in several";
                    append.refuse(No::new("LIMIT", text));
                }
                if append.refused.is_some() {
                    return (0, self.begin(append, &head));
                }
                let step = Step::AppendBegin(head.clone());
                self.reading = Reading::Append(append, Place::Begun(head));
                (0, step)
            }
            Place::Begun(head) => (0, self.begin(append, &head)),
            Place::Octets(left) => self.take_octets(input, append, left),
            Place::Ended => {
                let step = match append.refused {
                    None => Step::AppendEnd,
                    Some(_) => Step::Continue,
                };
                self.reading = Reading::Append(append, Place::Behind);
                (0, step)
            }
            Place::Behind => self.take_behind(input, append),
        }
    }

    /// A client that waits isn't told to go on with what isn't wanted; another one's message is on its way already.
    fn begin(&mut self, append: Append, head: &AppendHead) -> Step<'static> {
        match &append.refused {
            Some(no) if head.sync => return self.refuse(&append.tag, no),
            Some(no) if head.size > self.limits.message_size.saturating_mul(PATIENCE) => {
                let mut answer = no.tagged(&append.tag);
                answer.extend(bye("The message is too large"));
                return Step::Close(answer);
            }
            _ => {}
        }
        let place = match head.size {
            0 => Place::Ended,
            size => Place::Octets(size),
        };
        self.reading = Reading::Append(append, place);
        match head.sync {
            true => Step::Say(b"+ Go on\r\n".to_vec()),
            false => Step::Continue,
        }
    }

    fn take_octets<'i>(&mut self, input: &'i [u8], append: Append, left: u64) -> (usize, Step<'i>) {
        let now = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let left = left - now as u64;
        let wanted = append.refused.is_none();
        let place = match left {
            0 => Place::Ended,
            left => Place::Octets(left),
        };
        self.reading = Reading::Append(append, place);
        let step = match (now, wanted) {
            (0, _) => Step::NeedInput,
            (_, true) => Step::AppendOctets(&input[..now]),
            (_, false) => Step::Continue,
        };
        (now, step)
    }

    fn take_behind(&mut self, input: &[u8], append: Append) -> (usize, Step<'static>) {
        let (used, what) = behind(input, self.limits.command.0);
        let step = match what {
            Behind::Starved => {
                self.reading = Reading::Append(append, Place::Behind);
                Step::NeedInput
            }
            Behind::More(head) => {
                self.reading = Reading::Append(append, Place::Announced(head));
                Step::Continue
            }
            Behind::End => match append.refused {
                None => {
                    self.errors = 0;
                    Step::AppendFinish(append.tag)
                }
                Some(no) => self.refuse(&append.tag, &no),
            },
            Behind::Broken(fault) => {
                let tag = format!("{} ", append.tag.0);
                Step::Close(broken(tag.as_bytes(), &[], fault))
            }
        };
        (used, step)
    }

    /// What came of a step of an APPEND, if it can't go on.
    pub(in crate::imap) fn refuse_append(&mut self, no: No) {
        if let Reading::Append(append, _) = &mut self.reading {
            append.refuse(no);
        }
    }

    fn take_done(&mut self, input: &[u8], tag: Tag) -> (usize, Step<'static>) {
        const DONE: usize = 64;
        let line = &input[..input.len().min(DONE + 1)];
        let Some(end) = memchr::memchr(b'\n', line) else {
            if input.len() > DONE {
                return (0, Step::Close(bye("DONE was expected")));
            }
            self.reading = Reading::Idle(tag);
            return (0, Step::NeedInput);
        };
        let done = input[..end + 1].eq_ignore_ascii_case(b"DONE\r\n");
        let step = match done {
            true => Step::IdleEnds(tag),
            false => self.count(tagged(&tag, "BAD", "DONE was expected")),
        };
        (end + 1, step)
    }
}

impl AppendHead {
    /// Of a message of which nothing is known but how long it is.
    fn unread(literal: &Announced) -> Self {
        Self {
            flags: Vec::new(),
            date: None,
            size: literal.size,
            binary: literal.binary,
            sync: literal.sync,
        }
    }
}

impl Append {
    fn new(tag: Tag, refused: Option<No>) -> Self {
        Self {
            tag,
            refused,
            messages: 0,
            size: 0,
            coming: (0, 0, 0),
        }
    }

    fn refuse(&mut self, no: No) {
        if self.refused.is_none() {
            self.refused = Some(no);
        }
    }
}
