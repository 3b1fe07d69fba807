//! Who has logged in: the maildrop as it stood then (RFC 1939 §5), and what is marked to go.

use std::fmt::Write as _;

use super::{Command, Line, Step, broken, capabilities, err, line, not_http, ok};
use crate::mailbox::{Dropped, Maildrop};
use crate::pop3::limits::{COMMAND_LINE, Limits};
use crate::store::Uid;

/// How many lines of a list are made at once.
const PAGE: usize = 500;

/// Somebody and their maildrop.
pub(in crate::pop3) struct Member {
    maildrop: Maildrop,
    gone: Vec<bool>,
    /// How many messages there are, and their octets; and how many of them don't go.
    all: (usize, u64),
    left: (usize, u64),
    bound: bool,
    limits: Limits,
    errors: u32,
}

/// A list that goes out page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pop3) struct Listing {
    kind: Kind,
    from: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sizes,
    Ids,
}

impl Member {
    pub(super) fn new(maildrop: Maildrop, bound: bool, limits: Limits) -> Self {
        let octets = maildrop.messages.iter().map(|message| message.size);
        let all = (maildrop.messages.len(), octets.sum());
        Self {
            gone: vec![false; maildrop.messages.len()],
            all,
            left: all,
            maildrop,
            bound,
            limits,
            errors: 0,
        }
    }

    /// What is said to who comes in.
    pub(super) fn welcome(&self) -> Vec<u8> {
        let (count, octets) = self.left;
        ok(&format!("{count} messages ({octets} octets)"))
    }

    /// The maildrop.
    pub(in crate::pop3) fn maildrop(&self) -> &Maildrop {
        &self.maildrop
    }

    /// Takes a line from the start of `input`: how many octets, and what to do about it.
    pub(in crate::pop3) fn advance(&mut self, input: &[u8]) -> (usize, Step) {
        match line::take(input, COMMAND_LINE) {
            Line::Partial => (0, Step::NeedInput),
            Line::Broken(why) => (0, broken(why)),
            Line::Whole(line, used) => {
                let step = match line::read(line).and_then(|command| self.run(command)) {
                    Ok(step) => {
                        self.errors = self.errors.saturating_sub(1);
                        step
                    }
                    Err(why) => self.refuse(why),
                };
                (used, step)
            }
        }
    }

    fn refuse(&mut self, why: &str) -> Step {
        self.errors += 1;
        match self.errors > self.limits.errors {
            true => Step::Close(err("Too many errors")),
            false => Step::Say(err(why)),
        }
    }

    fn run(&mut self, command: Command<'_>) -> Result<Step, &'static str> {
        Ok(match command {
            Command::Capa => Step::Say(capabilities(self.bound)),
            Command::Noop => Step::Say(ok("Here")),
            Command::Http => not_http(),
            Command::Stat => {
                let (count, octets) = self.left;
                Step::Say(ok(&format!("{count} {octets}")))
            }
            Command::List(None) => listing(Kind::Sizes),
            Command::Uidl(None) => listing(Kind::Ids),
            Command::List(Some(number)) => self.one(Kind::Sizes, number)?,
            Command::Uidl(Some(number)) => self.one(Kind::Ids, number)?,
            Command::Retr(number) => Step::Send(self.message(number)?.1, None),
            Command::Top(number, lines) => Step::Send(self.message(number)?.1, Some(lines)),
            Command::Dele(number) => {
                let (place, message) = self.message(number)?;
                self.gone[place] = true;
                self.left = (self.left.0 - 1, self.left.1 - message.size);
                Step::Say(ok("It goes when you quit"))
            }
            Command::Rset => {
                if self.left != self.all {
                    self.gone.fill(false);
                    self.left = self.all;
                }
                Step::Say(ok("Everything stays"))
            }
            Command::Quit => Step::Leave(self.going()),
            Command::User(_) | Command::Pass(_) | Command::Auth(..) | Command::AuthList => {
                return Err("Logged in already");
            }
        })
    }

    fn one(&self, kind: Kind, number: u32) -> Result<Step, &'static str> {
        let (place, message) = self.message(number)?;
        let mut text = String::from("+OK ");
        self.line(kind, place, &message, &mut text);
        Ok(Step::Say(text.into_bytes()))
    }

    /// The message of this number that isn't marked to go, and its place.
    fn message(&self, number: u32) -> Result<(usize, Dropped), &'static str> {
        let place = usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_sub(1));
        let place = place.filter(|place| self.gone.get(*place) == Some(&false));
        let place = place.ok_or("No such message")?;
        Ok((place, self.maildrop.messages[place]))
    }

    fn going(&self) -> Vec<Uid> {
        let all = self.maildrop.messages.iter().zip(&self.gone);
        all.filter(|(_, gone)| **gone)
            .map(|(message, _)| message.uid)
            .collect()
    }

    fn line(&self, kind: Kind, place: usize, message: &Dropped, text: &mut String) {
        let number = place + 1;
        // Writing into a text can't fail.
        let _ = match kind {
            Kind::Sizes => write!(text, "{number} {}\r\n", message.size),
            // Of this folder, and of no other message that it ever had or will have.
            Kind::Ids => {
                let validity = self.maildrop.uid_validity;
                write!(text, "{number} {validity:08x}{:08x}\r\n", message.uid.0)
            }
        };
    }

    /// A page of a list, and the rest of it if there is one.
    pub(in crate::pop3) fn list(&self, listing: Listing) -> (Vec<u8>, Option<Listing>) {
        let Listing { kind, from } = listing;
        let mut text = String::new();
        if from == 0 {
            text.push_str("+OK\r\n");
        }
        let until = (from + PAGE).min(self.gone.len());
        for place in (from..until).filter(|place| !self.gone[*place]) {
            self.line(kind, place, &self.maildrop.messages[place], &mut text);
        }
        let rest = (until < self.gone.len()).then_some(Listing { kind, from: until });
        if rest.is_none() {
            text.push_str(".\r\n");
        }
        (text.into_bytes(), rest)
    }

    /// The last words, when what was to go went, or didn't.
    pub(in crate::pop3) fn farewell(&self, all_went: bool) -> Vec<u8> {
        match all_went {
            true => ok("Good bye"),
            false => err("[SYS/TEMP] Some messages could not be removed; delete them again"),
        }
    }
}

fn listing(kind: Kind) -> Step {
    Step::List(Listing { kind, from: 0 })
}
