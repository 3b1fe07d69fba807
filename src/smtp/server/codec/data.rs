//! The text behind DATA: a state machine that finds its end and takes out the stuffed dots (RFC 5321 §4.5.2).

use super::{Fault, plain_run};

/// Where in the text the reader stands. Each state is the shortest past that decides what the next octet means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Behind a CRLF; the text starts here too, so that its first line may be the end or have a stuffed dot.
    LineStart,
    /// Within a line.
    Within,
    /// Behind a CR: only LF may follow.
    Cr,
    /// Behind a dot at the start of a line, which is not part of the text, whatever follows.
    Dot,
    /// Behind a line that is `.CR` so far: with LF it ends the text.
    DotCr,
}

/// What the next octets are.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::smtp::server) enum DataEvent<'i> {
    /// Octets of the message.
    Text(&'i [u8]),
    /// All octets are used up, and the text goes on.
    Starved,
    /// CRLF.CRLF. What follows are commands.
    End,
    /// Not a text. What follows must never be run.
    Fault(Fault),
}

/// Reads the text of one message, without copying it.
#[derive(Debug)]
pub(in crate::smtp::server) struct DataReader {
    state: State,
    line: usize,
    longest: usize,
}

impl DataReader {
    pub(in crate::smtp::server) fn new() -> Self {
        Self {
            state: State::LineStart,
            line: 0,
            longest: 0,
        }
    }

    /// The longest line so far, in octets without CRLF and stuffed dot.
    pub(in crate::smtp::server) fn longest_line(&self) -> usize {
        self.longest.max(self.line)
    }

    /// Takes octets from `input` up to the next event; says how many.
    pub(in crate::smtp::server) fn read<'i>(&mut self, input: &'i [u8]) -> (usize, DataEvent<'i>) {
        // The text taken is `input[start..at]`.
        let (mut start, mut at) = (0, 0);
        while let Some(&octet) = input.get(at) {
            match Move::from(self.state, octet) {
                Move::Text(State::Within) => {
                    let run = plain_run(&input[at..]);
                    self.state = State::Within;
                    self.line += run;
                    at += run;
                }
                Move::Text(state) => {
                    if state == State::LineStart {
                        self.longest = self.longest_line();
                        self.line = 0;
                    }
                    self.state = state;
                    at += 1;
                }
                // The text before it goes out first; this octet comes again with the next call.
                _ if at > start => break,
                Move::NoText(state) => {
                    self.state = state;
                    at += 1;
                    start = at;
                }
                Move::Fault(fault) => return (at, DataEvent::Fault(fault)),
                Move::End => return (at + 1, DataEvent::End),
            }
        }
        match &input[start..at] {
            [] => (at, DataEvent::Starved),
            text => (at, DataEvent::Text(text)),
        }
    }
}

/// What an octet does.
enum Move {
    /// It is text, and leads here.
    Text(State),
    /// It is a stuffed dot, or may be the end's: no text, and leads here.
    NoText(State),
    /// The text ends with it.
    End,
    /// It may not be here.
    Fault(Fault),
}

impl Move {
    fn from(state: State, octet: u8) -> Self {
        match (state, octet) {
            (State::Cr, b'\n') => Self::Text(State::LineStart),
            (State::DotCr, b'\n') => Self::End,
            (State::Cr | State::DotCr, _) | (_, b'\n') => Self::Fault(Fault::BareLineEnd),
            (_, 0) => Self::Fault(Fault::Nul),
            (State::LineStart, b'.') => Self::NoText(State::Dot),
            (State::Dot, b'\r') => Self::NoText(State::DotCr),
            (_, b'\r') => Self::Text(State::Cr),
            _ => Self::Text(State::Within),
        }
    }
}

#[cfg(test)]
mod tests;
