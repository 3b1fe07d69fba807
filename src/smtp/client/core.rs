//! The protocol without a socket: commands in, bytes out; bytes in, events out.
//!
//! It pairs each reply with the command it answers. Where the server offers PIPELINING, all commands go out at once;
//! elsewhere they are held here and leave one by one, so that the rest of the client needn't know the difference.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};

use crate::smtp::client::capabilities::Capabilities;
use crate::smtp::client::command::{Command, HelloName};
use crate::smtp::client::envelope::{Envelope, Unfit};
use crate::smtp::client::error::ClientError;
use crate::smtp::client::phase::Phase;
use crate::smtp::client::reply_parser::{ReplyError, ReplyParser};
use crate::smtp::client::stuffing::{BodyError, Stuffer};
use crate::smtp::reply::Reply;

/// The code that says "this connection is over" in any phase (RFC 5321 §3.8).
const CLOSING: u16 = 421;

/// A command whose reply is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Greeting,
    Hello,
    StartTls,
    Mail,
    Recipient,
    Data,
    /// The dot after a DATA that was taken although no recipient was.
    EmptyDot,
    FinalDot,
    Reset,
    Quit,
}

impl Due {
    fn phase(self) -> Phase {
        match self {
            Self::Greeting => Phase::Greeting,
            Self::Hello => Phase::Hello,
            Self::StartTls => Phase::StartTls,
            Self::Mail => Phase::Mail,
            Self::Recipient => Phase::Recipient,
            Self::Data => Phase::Data,
            Self::EmptyDot | Self::FinalDot => Phase::FinalDot,
            Self::Reset => Phase::Reset,
            Self::Quit => Phase::Quit,
        }
    }
}

/// The replies to one envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    mail: Option<Reply>,
    recipients: Vec<Reply>,
    data: Option<Reply>,
}

impl Answers {
    /// The reply that decides about the recipient at `index` (in the envelope's order): MAIL's if that was refused,
    /// else its own, else, if the message as a whole was refused, DATA's. Positive only if the recipient gets the
    /// message once the final dot is taken.
    pub fn recipient(&self, index: usize) -> Option<&Reply> {
        let refused = |reply: &&Reply| !reply.is_positive();
        self.mail
            .as_ref()
            .filter(refused)
            .or_else(|| self.recipients.get(index).filter(refused))
            .or_else(|| self.data.as_ref().filter(|reply| reply.code() != 354))
            .or_else(|| self.recipients.get(index))
    }

    fn any_recipient(&self) -> bool {
        self.recipients.iter().any(Reply::is_positive)
    }

    fn mail_taken(&self) -> bool {
        self.mail.as_ref().is_some_and(Reply::is_positive)
    }
}

/// Something the caller waits for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The reply to a greeting, EHLO, STARTTLS or QUIT.
    Answer(Reply),
    /// All replies to an envelope; if `ready`, the server waits for the message.
    Opened { answers: Answers, ready: bool },
    /// The reply to the final dot.
    Done(Reply),
}

/// What one step came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// No whole reply is here.
    NeedBytes,
    /// A reply was taken; there may be something to write.
    Taken,
    /// A reply was taken and completes something.
    Event(Event),
}

pub(super) struct Core {
    out: BytesMut,
    replies: ReplyParser,
    due: VecDeque<Due>,
    held: VecDeque<(Due, BytesMut)>,
    offered: Capabilities,
    answers: Answers,
    /// The server may have an open transaction that has to be cleared before the next MAIL.
    needs_reset: bool,
    /// The server waits for the message.
    in_message: bool,
    closing: bool,
    stuffer: Stuffer,
}

/// Says where it stands, and nothing of what goes over the wire.
impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("phase", &self.phase())
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// A core that waits for a greeting.
    pub(super) fn new() -> Self {
        let mut core = Self::inside_tls();
        core.due.push_back(Due::Greeting);
        core
    }

    /// A core for a session that has just become encrypted: there's no greeting, and nothing known from before.
    pub(super) fn inside_tls() -> Self {
        Self {
            out: BytesMut::new(),
            replies: ReplyParser::new(),
            due: VecDeque::new(),
            held: VecDeque::new(),
            offered: Capabilities::default(),
            answers: Answers::default(),
            needs_reset: false,
            in_message: false,
            closing: false,
            stuffer: Stuffer::new(),
        }
    }

    pub(super) fn offered(&self) -> &Capabilities {
        &self.offered
    }

    /// The server has said that it closes, or nothing can be known about its state.
    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Bytes came that no command asked for.
    pub(super) fn has_unasked(&self) -> bool {
        !self.replies.is_empty()
    }

    pub(super) fn phase(&self) -> Phase {
        match self.due.front() {
            Some(due) => due.phase(),
            None if self.in_message => Phase::Body,
            None => Phase::Idle,
        }
    }

    /// Bytes to write; [`Core::wrote`] takes them off.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.out
    }

    pub(super) fn wrote(&mut self, count: usize) {
        self.out.advance(count.min(self.out.len()));
    }

    pub(super) fn received(&mut self, bytes: &[u8]) {
        self.replies.push(bytes);
    }

    pub(super) fn hello(&mut self, name: &HelloName) {
        self.send(Due::Hello, &Command::Ehlo(name));
    }

    pub(super) fn start_tls(&mut self) {
        self.send(Due::StartTls, &Command::StartTls);
    }

    pub(super) fn quit(&mut self) {
        self.send(Due::Quit, &Command::Quit);
    }

    /// Opens a transaction: RSET if the last one stands open, MAIL, each RCPT, DATA.
    pub(super) fn open(&mut self, envelope: &Envelope) -> Result<(), Unfit> {
        let parameters = envelope.parameters(&self.offered)?;
        self.answers = Answers::default();
        self.answers.recipients.reserve(envelope.recipients.len());
        self.stuffer = Stuffer::new();
        if std::mem::take(&mut self.needs_reset) {
            self.send(Due::Reset, &Command::Rset);
        }
        let (more, of_recipients) = envelope.dsn_parameters(&self.offered);
        let mail = Command::Mail(envelope.reverse.as_ref(), parameters, &more);
        self.send(Due::Mail, &mail);
        for recipient in &envelope.recipients {
            let recipient = Command::Rcpt(recipient, &of_recipients);
            self.send(Due::Recipient, &recipient);
        }
        self.send(Due::Data, &Command::Data);
        Ok(())
    }

    pub(super) fn fits(&self, envelope: &Envelope) -> Result<(), Unfit> {
        envelope.parameters(&self.offered).map(drop)
    }

    /// A chunk of the message.
    pub(super) fn body(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        self.stuffer.push(chunk, &mut self.out)
    }

    /// Ends the message's last line, not the message.
    pub(super) fn end_body(&mut self) -> Result<(), BodyError> {
        self.stuffer.end(&mut self.out)
    }

    /// The final dot: from here on the message may be delivered.
    pub(super) fn dot(&mut self) {
        self.out.extend_from_slice(b".\r\n");
        self.due.push_back(Due::FinalDot);
        self.in_message = false;
    }

    fn send(&mut self, due: Due, command: &Command<'_>) {
        if self.due.is_empty() || self.offered.pipelining {
            command.write(&mut self.out);
            self.due.push_back(due);
        } else {
            let mut line = BytesMut::new();
            command.write(&mut line);
            self.held.push_back((due, line));
        }
    }

    fn release(&mut self) {
        if self.due.is_empty()
            && let Some((due, line)) = self.held.pop_front()
        {
            self.out.extend_from_slice(&line);
            self.due.push_back(due);
        }
    }

    /// Takes the next reply, if a whole one is here.
    pub(super) fn step(&mut self) -> Result<Step, ClientError> {
        let phase = self.phase();
        let reply = match self.replies.next() {
            None => return Ok(Step::NeedBytes),
            Some(Ok(reply)) => reply,
            Some(Err(error)) => return Err(ClientError::Protocol(phase, error)),
        };
        let due = self.due.pop_front();
        if reply.code() == CLOSING {
            self.closing = true;
            // The answer to a final dot is an outcome even so.
            if due != Some(Due::FinalDot) {
                return Err(ClientError::Refused(phase, reply));
            }
        }
        let due = due.ok_or(ClientError::Protocol(phase, ReplyError::Unasked))?;
        let event = self.answered(due, reply)?;
        self.release();
        Ok(event.map_or(Step::Taken, Step::Event))
    }

    fn answered(&mut self, due: Due, reply: Reply) -> Result<Option<Event>, ClientError> {
        let waits = reply.code() / 100 == 3;
        if waits && (due != Due::Data || reply.code() != 354) {
            return Err(ClientError::Protocol(due.phase(), ReplyError::OutOfPlace));
        }
        match due {
            Due::Greeting | Due::Hello if !reply.is_positive() => {
                Err(ClientError::Refused(due.phase(), reply))
            }
            Due::Hello => {
                self.offered = Capabilities::read(&reply);
                Ok(Some(Event::Answer(reply)))
            }
            Due::Greeting | Due::StartTls | Due::Quit => Ok(Some(Event::Answer(reply))),
            Due::Reset if reply.is_positive() => Ok(None),
            Due::Reset => Err(ClientError::Refused(Phase::Reset, reply)),
            Due::Mail => Ok(self.mail_answered(reply)),
            Due::Recipient => Ok(self.recipient_answered(reply)),
            Due::Data => self.data_answered(reply),
            Due::EmptyDot => Ok(Some(self.opened(false))),
            Due::FinalDot => Ok(Some(Event::Done(reply))),
        }
    }

    /// Without pipelining there is no sense in going on after a refused MAIL: the rest is not sent.
    fn mail_answered(&mut self, reply: Reply) -> Option<Event> {
        let taken = reply.is_positive();
        self.answers.mail = Some(reply);
        let early = !taken && !self.held.is_empty();
        early.then(|| self.opened(false))
    }

    fn recipient_answered(&mut self, reply: Reply) -> Option<Event> {
        self.answers.recipients.push(reply);
        let only_data_held = matches!(self.held.front(), Some((Due::Data, _)));
        let early = only_data_held && !self.answers.any_recipient();
        early.then(|| self.opened(false))
    }

    fn data_answered(&mut self, reply: Reply) -> Result<Option<Event>, ClientError> {
        let go_on = reply.code() == 354;
        if !go_on && reply.is_positive() {
            return Err(ClientError::Protocol(Phase::Data, ReplyError::OutOfPlace));
        }
        self.answers.data = Some(reply);
        if !go_on {
            return Ok(Some(self.opened(false)));
        }
        match (self.answers.mail_taken(), self.answers.any_recipient()) {
            (true, true) => Ok(Some(self.opened(true))),
            // RFC 2920 §3.1: DATA may be taken although no recipient was; a lone dot ends it and delivers nothing.
            (_, false) => {
                self.out.extend_from_slice(b".\r\n");
                self.due.push_back(Due::EmptyDot);
                Ok(None)
            }
            // A dot would deliver an empty message to somebody.
            (false, true) => Err(ClientError::Protocol(Phase::Data, ReplyError::OutOfPlace)),
        }
    }

    fn opened(&mut self, ready: bool) -> Event {
        self.held.clear();
        let answers = std::mem::take(&mut self.answers);
        self.in_message = ready;
        self.needs_reset = !ready && answers.mail_taken();
        Event::Opened { answers, ready }
    }
}

#[cfg(test)]
mod tests;
