//! Before TLS: EHLO and STARTTLS, and nothing else. There is no host here, no envelope and no way to one.
//!
//! RFC 3207 §4 says that a public MX must not insist on TLS. Ours does, because nothing may travel in the clear; it
//! answers what would carry mail with `530 5.7.0`.

use std::sync::Arc;

use super::super::codec::command::{self, Verb};
use super::super::codec::line::{Line, take_line};
use super::super::limits::{COMMAND_LINE, Limits};
use super::super::verb::ehlo::any_name;
use super::super::verb::small::{noop, not_http, quit, unknown};
use super::{broken_line, greeting, line_too_long};
use crate::smtp::reply::Reply;

/// What to do next before TLS.
#[derive(Debug)]
pub enum OpenStep {
    /// Read more.
    NeedInput,
    /// Send this.
    Reply(Reply),
    /// Send this, then start TLS on the socket. This value ends here.
    StartTls(Reply),
    /// Send this and close.
    Close(Reply),
}

/// A connection in the clear (ports 25 and 587).
#[derive(Debug)]
pub struct Open {
    host_name: Arc<str>,
    limits: Limits,
    greeted: bool,
    octets: usize,
    errors: u32,
    commands: u32,
}

impl Open {
    /// A connection that has heard nothing yet.
    pub fn new(host_name: Arc<str>, limits: Limits) -> Self {
        Self {
            host_name,
            limits,
            greeted: false,
            octets: 0,
            errors: 0,
            commands: 0,
        }
    }

    /// The first reply.
    pub fn greeting(&self) -> Reply {
        greeting(&self.host_name)
    }

    /// Takes a line from the start of `input`: how many octets, and what to do about it.
    pub fn advance(&mut self, input: &[u8]) -> (usize, OpenStep) {
        if self.octets + input.len() > self.limits.octets_before_tls {
            return (0, OpenStep::Close(too_much()));
        }
        match take_line(input, COMMAND_LINE) {
            Line::Partial => (0, OpenStep::NeedInput),
            Line::Broken(fault) => (0, OpenStep::Close(broken_line(fault))),
            Line::TooLong => (0, OpenStep::Close(line_too_long())),
            Line::Whole(line, used) => {
                self.octets += used;
                (used, self.run(line, input.len() > used))
            }
        }
    }

    fn run(&mut self, line: &[u8], more: bool) -> OpenStep {
        let (verb, arguments) = match command::split(line) {
            Ok(parts) => parts,
            Err(unsplit) => {
                return match unsplit.reply() {
                    (_, true) => OpenStep::Close(tls_first()),
                    (reply, false) => self.say(reply),
                };
            }
        };
        self.commands += 1;
        if self.commands > self.limits.idle_commands {
            return OpenStep::Close(too_much());
        }
        match verb {
            Verb::Ehlo => self.hello(arguments, &["STARTTLS"]),
            Verb::Helo => self.hello(arguments, &[]),
            Verb::StartTls => self.starttls(arguments, more),
            Verb::Noop => self.say(noop()),
            Verb::Rset => self.say(Reply::new(250, (2, 0, 0), "Nothing to forget")),
            Verb::Quit => match quit(arguments, &self.host_name) {
                Ok(reply) => OpenStep::Close(reply),
                Err(reply) => self.say(reply),
            },
            Verb::Http => OpenStep::Close(not_http()),
            // Its chunk is behind it, and must not be read as commands.
            Verb::Bdat => OpenStep::Close(tls_first()),
            Verb::Unknown => self.say(unknown()),
            Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Auth => self.say(tls_first()),
            Verb::Vrfy | Verb::Expn | Verb::Help => self.say(tls_first()),
        }
    }

    fn hello(&mut self, arguments: &str, extensions: &[&'static str]) -> OpenStep {
        if let Err(reply) = any_name(arguments) {
            return self.say(reply);
        }
        self.greeted = true;
        let mut lines = vec![self.host_name.to_string().into()];
        lines.extend(extensions.iter().map(|&extension| extension.into()));
        OpenStep::Reply(Reply::from_parts(250, None, lines))
    }

    /// RFC 3207 §4. Whatever waits behind the line was sent before the client had our answer: by somebody in between
    /// who wants it run inside TLS. So it ends the connection.
    fn starttls(&mut self, arguments: &str, more: bool) -> OpenStep {
        if let Err(reply) = command::no_arguments(arguments) {
            return self.say(reply);
        }
        if !self.greeted {
            return self.say(Reply::new(503, (5, 5, 1), "EHLO first"));
        }
        if more {
            return OpenStep::Close(Reply::new(554, (5, 5, 0), "Nothing may follow STARTTLS"));
        }
        OpenStep::StartTls(Reply::new(220, (2, 0, 0), "Ready to start TLS"))
    }

    fn say(&mut self, reply: Reply) -> OpenStep {
        self.errors += u32::from(reply.is_permanent());
        if self.errors > self.limits.errors {
            return OpenStep::Close(Reply::new(421, (4, 7, 0), "Too many errors"));
        }
        OpenStep::Reply(reply)
    }
}

fn tls_first() -> Reply {
    Reply::new(530, (5, 7, 0), "Must issue a STARTTLS command first")
}

fn too_much() -> Reply {
    Reply::new(421, (4, 7, 0), "Too much said before STARTTLS")
}
