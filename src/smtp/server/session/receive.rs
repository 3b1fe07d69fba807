//! The message itself: DATA and BDAT octets, on their way to the host's body.

use super::super::codec::Fault;
use super::super::codec::chunk::{Chunk, LineEnds};
use super::super::codec::data::{DataEvent, DataReader};
use super::super::host::{Accepted, Refusal};
use super::super::limits::Limits;
use super::{Begin, Finish, Reading, Session, Step};
use crate::smtp::reply::Reply;

/// What is known of the message so far.
#[derive(Debug, Default)]
pub(in crate::smtp::server) struct Intake {
    octets: u64,
    ends: LineEnds,
    /// Why it will be refused at its end. Until then it is read and thrown away.
    refused: Option<Refusal>,
}

impl Intake {
    pub(super) fn is_wanted(&self) -> bool {
        self.refused.is_none()
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refused.get_or_insert(refusal);
    }

    /// Holds octets against the limits. False when even throwing away has gone on for too long.
    fn look_at(&mut self, octets: &[u8], longest_line: usize, limits: &Limits) -> bool {
        // It would be a fold of the `Received:` that we put before it.
        if self.octets == 0 && matches!(octets.first(), Some(b' ' | b'\t')) {
            self.refuse(Refusal::new(Reply::new(
                554,
                (5, 6, 0),
                "The message must begin with a header field, not with a space",
            )));
        }
        self.octets = self.octets.saturating_add(octets.len() as u64);
        // Whatever else is wrong with it: so the answer hangs on no one's pieces, and nobody tries in vain again.
        if self.octets > limits.message_size {
            self.refused = Some(too_big());
        }
        if longest_line > limits.text_line {
            let text = format!(
                "A line of the message is longer than {} octets; have your mail program encode it (quoted-printable or base64)",
                limits.text_line
            );
            self.refuse(Refusal::new(Reply::new(554, (5, 6, 0), text)));
        }
        self.octets <= most_thrown_away(limits)
    }
}

/// A message that is too big is read to twice the limit, so that an honest client hears why.
fn most_thrown_away(limits: &Limits) -> u64 {
    limits.message_size.saturating_mul(2)
}

fn too_big() -> Refusal {
    Refusal::new(Reply::new(552, (5, 3, 4), "Message too big"))
}

/// The reply to a text that may hold a second message for somebody; the connection closes with it.
fn fault_reply(fault: Fault) -> Reply {
    match fault {
        Fault::BareLineEnd => Reply::new(550, (5, 5, 2), "Bare CR or LF in the message"),
        Fault::Nul => Reply::new(550, (5, 6, 0), "NUL in the message"),
    }
}

impl Session {
    /// The host's answer to [`Step::Begin`]: whether it gave a body.
    pub fn answer_begin(&mut self, begin: Begin, answer: Result<(), Refusal>) -> Step<'static> {
        let Begin(chunk) = begin;
        match answer {
            Ok(()) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.intake = Some(Intake::default());
                }
                match chunk {
                    Some(chunk) => self.go_on_with(Reading::Chunk(chunk)),
                    None => {
                        self.reading = Reading::Data(DataReader::new());
                        Step::Reply(Reply::plain(354, "End data with <CR><LF>.<CR><LF>"))
                    }
                }
            }
            Err(refusal) => {
                self.transaction = None;
                let reply = refusal.into_reply();
                match chunk {
                    Some(chunk) => self.go_on_with(Reading::Skip(chunk.left, reply)),
                    None => self.say(reply),
                }
            }
        }
    }

    pub(in crate::smtp::server) fn go_on_with(&mut self, reading: Reading) -> Step<'static> {
        self.reading = reading;
        Step::Continue
    }

    pub(super) fn take_data<'i>(&mut self, input: &'i [u8]) -> (usize, Step<'i>) {
        let (Reading::Data(reader), Some(transaction)) = (&mut self.reading, &mut self.transaction)
        else {
            return (0, self.lost());
        };
        let intake = transaction.intake.get_or_insert_default();
        let (used, event) = reader.read(input);
        let step = match event {
            DataEvent::Starved => Step::NeedInput,
            DataEvent::Fault(fault) => Step::Close(fault_reply(fault)),
            DataEvent::End => self.end_message(),
            DataEvent::Text(text) => {
                if !intake.look_at(text, reader.longest_line(), &self.limits) {
                    Step::Close(too_big().into_reply())
                } else if intake.is_wanted() {
                    Step::Body(text)
                } else {
                    Step::Continue
                }
            }
        };
        (used, step)
    }

    pub(super) fn take_chunk<'i>(&mut self, input: &'i [u8]) -> (usize, Step<'i>) {
        let (Reading::Chunk(chunk), Some(transaction)) = (&mut self.reading, &mut self.transaction)
        else {
            return (0, self.lost());
        };
        let intake = transaction.intake.get_or_insert_default();
        if chunk.left == 0 {
            let (size, last) = (chunk.size, chunk.last);
            return (0, self.end_chunk(size, last));
        }
        let octets = chunk.take(input);
        if octets.is_empty() {
            return (0, Step::NeedInput);
        }
        let step = if let Err(fault) = intake.ends.check(octets) {
            Step::Close(fault_reply(fault))
        } else if !intake.look_at(octets, intake.ends.longest_line(), &self.limits) {
            Step::Close(too_big().into_reply())
        } else if intake.is_wanted() {
            Step::Body(octets)
        } else {
            Step::Continue
        };
        (octets.len(), step)
    }

    /// RFC 3030 §2: each chunk has its reply, the last one's is the message's.
    fn end_chunk(&mut self, size: u64, last: bool) -> Step<'static> {
        let intake = self
            .transaction
            .as_ref()
            .and_then(|mail| mail.intake.as_ref());
        let refused = intake.is_none_or(|intake| !intake.is_wanted());
        let ends = intake.map_or(Ok(()), |intake| intake.ends.finish());
        match ends {
            Err(fault) if last => Step::Close(fault_reply(fault)),
            _ if last || refused => self.end_message(),
            _ => {
                self.reading = Reading::Command;
                Step::Reply(Reply::new(
                    250,
                    (2, 0, 0),
                    format!("{size} octets received"),
                ))
            }
        }
    }

    /// The message is whole: commit it, or say why not.
    fn end_message(&mut self) -> Step<'static> {
        self.reading = Reading::Command;
        let intake = self
            .transaction
            .as_mut()
            .and_then(|mail| mail.intake.as_mut());
        match intake.map(|intake| intake.refused.take()) {
            Some(None) => Step::Finish(Finish(())),
            Some(Some(refusal)) => {
                self.transaction = None;
                self.say(refusal.into_reply())
            }
            None => self.lost(),
        }
    }

    pub(super) fn take_skipped(&mut self, input: &[u8]) -> (usize, Step<'static>) {
        let Reading::Skip(left, reply) = &mut self.reading else {
            return (0, self.lost());
        };
        let length = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
        *left -= length as u64;
        if *left > 0 {
            return (length, Step::NeedInput);
        }
        let reply = reply.clone();
        self.reading = Reading::Command;
        (length, self.say(reply))
    }

    /// Starts a chunk of `size` octets in the mail that is open; a mail that would grow too big is given up, and the
    /// chunk read past.
    pub(in crate::smtp::server) fn begin_chunk(&mut self, size: u64, last: bool) -> Step<'static> {
        let chunk = Chunk {
            left: size,
            size,
            last,
        };
        let intake = self
            .transaction
            .as_ref()
            .and_then(|mail| mail.intake.as_ref());
        let before = intake.map_or(0, |intake| intake.octets);
        if before.saturating_add(size) > self.limits.message_size {
            return self.skip_chunk(size, too_big().into_reply());
        }
        match intake {
            Some(_) => self.go_on_with(Reading::Chunk(chunk)),
            None => Step::Begin(Begin(Some(chunk))),
        }
    }

    /// Gives the mail up and reads past a chunk that nobody wants: its octets are never commands.
    pub(in crate::smtp::server) fn skip_chunk(&mut self, size: u64, reply: Reply) -> Step<'static> {
        self.transaction = None;
        if size > most_thrown_away(&self.limits) {
            return Step::Close(reply);
        }
        self.go_on_with(Reading::Skip(size, reply))
    }

    /// The body could not take what [`Step::Body`] gave: the rest of the message is thrown away, and this refuses it.
    pub fn body_failed(&mut self, refusal: Refusal) {
        if let Some(intake) = self
            .transaction
            .as_mut()
            .and_then(|mail| mail.intake.as_mut())
        {
            intake.refuse(refusal);
        }
    }

    /// The host's answer to [`Step::Finish`]. This is the only place that says yes to a message.
    pub fn answer_finish(
        &mut self,
        finish: Finish,
        answer: Result<Accepted, Refusal>,
    ) -> Step<'static> {
        let Finish(()) = finish;
        self.transaction = None;
        match answer {
            Ok(accepted) => {
                self.counts.mail_taken();
                Step::Reply(Reply::new(250, (2, 0, 0), accepted.note))
            }
            Err(refusal) => self.say(refusal.into_reply()),
        }
    }
}
