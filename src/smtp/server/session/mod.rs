//! The SMTP session, without I/O: octets in, [`Step`]s out. It knows no socket, no clock and no store.
//!
//! Before TLS there is [`Open`], which can greet, answer and hand over to TLS. Everything else is [`Session`], and
//! that is made from [`Secured`], which wants a [`super::TlsInfo`]. So a mail before TLS does not compile:
//!
//! ```
//! use hustings::smtp::server::{ConnectionId, Limits, Role, Secured, Session, TlsInfo};
//! fn mail(tls: TlsInfo) -> Session {
//!     let caller = std::net::Ipv4Addr::LOCALHOST.into();
//!     let secured = Secured::new(ConnectionId::random(), Role::Mx, caller, tls);
//!     Session::new(secured, "mx.party.example".into(), Limits::default())
//! }
//! ```
//! ```compile_fail
//! use hustings::smtp::server::{ConnectionId, Limits, Open, Role, Secured, Session};
//! fn mail(open: Open) -> Session {
//!     let caller = std::net::Ipv4Addr::LOCALHOST.into();
//!     let secured = Secured::new(ConnectionId::random(), Role::Mx, caller, open);
//!     Session::new(secured, "mx.party.example".into(), Limits::default())
//! }
//! ```

mod open;
pub(super) mod phase;
pub(super) mod receive;
pub(super) mod step;

use std::sync::Arc;

pub use open::{Open, OpenStep};
pub use phase::Secured;
pub use step::{AskRecipient, AskSender, Begin, Finish, Login, Step};

use super::codec::Fault;
use super::codec::chunk::Chunk;
use super::codec::command::{self, Verb};
use super::codec::data::DataReader;
use super::codec::line::{Line, take_line};
use super::envelope::{Caller, Envelope};
use super::limits::{AUTH_LINE, COMMAND_LINE, Limits};
use super::verb::auth::Exchange;
use crate::smtp::LONGEST_LINE;
use crate::smtp::reply::Reply;
use phase::{Phase, Transaction};

/// What the next octets are read as.
#[derive(Debug)]
pub(super) enum Reading {
    Command,
    /// The client's part of an AUTH exchange.
    Auth(Exchange),
    Data(DataReader),
    Chunk(Chunk),
    /// A chunk that nobody wants, and the reply at its end.
    Skip(u64, Reply),
}

/// What counts against the limits of the connection.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) mails: usize,
    errors: u32,
    idle: u32,
    commands: u32,
    pub(super) failed_logins: u32,
}

impl Counts {
    pub(super) fn mail_taken(&mut self) {
        self.mails += 1;
        self.errors = self.errors.saturating_sub(1);
        self.idle = 0;
        self.commands = 0;
    }
}

/// What the driver waits for, which decides how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaiting {
    /// A command line, or a line of an AUTH exchange.
    Line,
    /// Octets of a message.
    Message,
}

/// One encrypted connection.
#[derive(Debug)]
pub struct Session {
    pub(super) host_name: Arc<str>,
    pub(super) limits: Limits,
    pub(super) phase: Phase,
    pub(super) transaction: Option<Transaction>,
    pub(super) reading: Reading,
    pub(super) counts: Counts,
}

impl Session {
    /// A session that has heard nothing yet. `host_name` is what we call ourselves.
    pub fn new(secured: Secured, host_name: Arc<str>, limits: Limits) -> Self {
        let phase = Phase::Secured(secured);
        let mut limits = limits;
        if phase.is_submission() {
            limits.text_line = limits.text_line.min(LONGEST_LINE);
        }
        Self {
            host_name,
            limits,
            phase,
            transaction: None,
            reading: Reading::Command,
            counts: Counts::default(),
        }
    }

    /// The first reply where TLS comes before SMTP (port 465). After STARTTLS there is none (RFC 3207 §4.2).
    pub fn greeting(&self) -> Reply {
        greeting(&self.host_name)
    }

    /// Takes what it can from the start of `input`: how many octets, and what to do about them.
    pub fn advance<'i>(&mut self, input: &'i [u8]) -> (usize, Step<'i>) {
        match self.reading {
            Reading::Command => self.take_command(input),
            Reading::Auth(_) => self.take_auth_line(input),
            Reading::Data(_) => self.take_data(input),
            Reading::Chunk(_) => self.take_chunk(input),
            Reading::Skip(..) => self.take_skipped(input),
        }
    }

    /// What the driver waits for after [`Step::NeedInput`].
    pub fn awaiting(&self) -> Awaiting {
        match self.reading {
            Reading::Command | Reading::Auth(_) => Awaiting::Line,
            Reading::Data(_) | Reading::Chunk(_) | Reading::Skip(..) => Awaiting::Message,
        }
    }

    /// Whether the host's body is still wanted. When this is false, the driver drops it.
    pub fn wants_body(&self) -> bool {
        self.transaction
            .as_ref()
            .and_then(|mail| mail.intake.as_ref())
            .is_some_and(receive::Intake::is_wanted)
    }

    /// The mail in progress.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.transaction.as_ref().map(Transaction::envelope)
    }

    /// Who is at the other end, once it has said its name.
    pub fn caller(&self) -> Option<&Caller> {
        self.phase.caller()
    }

    fn take_command<'i>(&mut self, input: &'i [u8]) -> (usize, Step<'i>) {
        // Only submission has AUTH, and so its long lines.
        let limit = command::line_limit(input);
        let limit = if limit == AUTH_LINE && !self.phase.is_submission() {
            COMMAND_LINE
        } else {
            limit
        };
        match take_line(input, limit) {
            Line::Partial => (0, Step::NeedInput),
            Line::Whole(line, used) => (used, self.run(line)),
            Line::Broken(fault) => (0, Step::Close(broken_line(fault))),
            Line::TooLong => (0, Step::Close(line_too_long())),
        }
    }

    fn take_auth_line<'i>(&mut self, input: &'i [u8]) -> (usize, Step<'i>) {
        match take_line(input, AUTH_LINE) {
            Line::Partial => (0, Step::NeedInput),
            Line::Whole(line, used) => (used, self.auth_response(line)),
            Line::Broken(fault) => (0, Step::Close(broken_line(fault))),
            Line::TooLong => (0, Step::Close(line_too_long())),
        }
    }

    fn run(&mut self, line: &[u8]) -> Step<'static> {
        let (verb, arguments) = match command::split(line) {
            Ok(parts) => parts,
            Err(unsplit) => {
                return match unsplit.reply() {
                    (reply, true) => Step::Close(reply),
                    (reply, false) => self.say(reply),
                };
            }
        };
        self.counts.commands += 1;
        self.counts.idle += u32::from(verb.is_idle());
        if self.counts.commands > self.limits.commands
            || self.counts.idle > self.limits.idle_commands
        {
            return Step::Close(Reply::new(
                421,
                (4, 7, 0),
                "Too many commands without a mail",
            ));
        }
        let outcome = match verb {
            Verb::Ehlo => self.ehlo(arguments),
            Verb::Helo => self.helo(arguments),
            Verb::Mail => self.mail(arguments),
            Verb::Rcpt => self.rcpt(arguments),
            Verb::Data => self.data(arguments),
            Verb::Bdat => self.bdat(arguments),
            Verb::Auth => self.auth(arguments),
            Verb::Rset => self.rset(arguments),
            Verb::StartTls => Err(Reply::new(503, (5, 5, 1), "TLS is active already")),
            Verb::Quit => quit(arguments, &self.host_name).map(Step::Close),
            Verb::Http => return Step::Close(not_http()),
            Verb::Noop => Ok(Step::Reply(noop())),
            Verb::Vrfy => Ok(Step::Reply(vrfy())),
            Verb::Expn => Err(expn()),
            Verb::Help => Ok(Step::Reply(help())),
            Verb::Unknown => Err(unknown()),
        };
        outcome.unwrap_or_else(|reply| self.say(reply))
    }

    /// Every refusal goes out through here: it is counted, and one too many closes the connection.
    pub(super) fn say(&mut self, reply: Reply) -> Step<'static> {
        if reply.code() == 421 {
            return Step::Close(reply);
        }
        if reply.is_permanent() {
            self.counts.errors += 1;
            if self.counts.errors > self.limits.errors {
                return Step::Close(Reply::new(421, (4, 7, 0), "Too many errors"));
            }
        }
        Step::Reply(reply)
    }

    /// A state that can't be. The client isn't to blame, so it's told to come again.
    fn lost(&mut self) -> Step<'static> {
        self.transaction = None;
        Step::Close(Reply::new(
            421,
            (4, 3, 0),
            "Internal error, please try again",
        ))
    }
}

use super::verb::small::{expn, help, noop, not_http, quit, unknown, vrfy};

pub(super) fn greeting(host_name: &str) -> Reply {
    Reply::plain(220, format!("{host_name} ESMTP"))
}

pub(super) fn broken_line(fault: Fault) -> Reply {
    match fault {
        Fault::BareLineEnd => {
            Reply::new(500, (5, 5, 2), "A line ends with CR LF and holds neither")
        }
        Fault::Nul => Reply::new(500, (5, 5, 2), "NUL in a command"),
    }
}

pub(super) fn line_too_long() -> Reply {
    Reply::new(500, (5, 5, 2), "Line too long")
}

#[cfg(test)]
pub(super) mod tests;
