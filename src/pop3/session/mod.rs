//! The session, without I/O: octets in, [`Step`]s out. It knows no socket, no clock and no store.
//!
//! A connection is a [`Stranger`]'s until a log-in was proven; only [`Stranger::answer_login`] makes a [`Member`] of it, and
//! wants their maildrop for that. A stranger has no way to ask for a message, and nothing leaves a maildrop but by
//! [`Step::Leave`], which ends the session (RFC 1939 §6).

mod member;
mod stranger;

use super::line::{self, Command, Line};
use crate::mailbox::Dropped;
use crate::staff::sasl::Asked;
use crate::store::Uid;

pub(super) use member::{Listing, Member};
pub(super) use stranger::{Admitted, Login, Stranger};

/// The next thing to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Read more; until then there is nothing to do.
    NeedInput,
    /// Send this.
    Say(Vec<u8>),
    /// Send this and close. Input that is left must never be run.
    Close(Vec<u8>),
    /// Ask [`super::Host::credentials`], then [`Stranger::answer_credentials`].
    AskCredentials(Asked),
    /// Tell [`super::Host::login`], then [`Stranger::answer_login`].
    Login(Login),
    /// Send what [`Member::list`] gives until it gives no more.
    List(Listing),
    /// Send a message: all of it, or its header and so many lines.
    Send(Dropped, Option<u64>),
    /// Take these out of the maildrop, then [`Member::farewell`].
    Leave(Vec<Uid>),
}

/// `+OK text`
pub(super) fn ok(text: &str) -> Vec<u8> {
    format!("+OK {text}\r\n").into_bytes()
}

/// `-ERR text`, where the text may begin with a response code.
pub(super) fn err(text: &str) -> Vec<u8> {
    format!("-ERR {text}\r\n").into_bytes()
}

/// What can be done here (RFC 2449 §5): before a log-in and after it. EXPIRE isn't among it: each mailbox keeps its mail as
/// long as the configuration says, and as a hold does. `-PLUS` is offered where the channel can be bound to.
fn capabilities(bound: bool) -> Vec<u8> {
    let mechanisms = crate::staff::sasl::Mechanism::offered(bound).join(" ");
    format!(
        "+OK What can be done here\r\nTOP\r\nUIDL\r\nUSER\r\nSASL {mechanisms}\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n\
         PIPELINING\r\nIMPLEMENTATION Hustings\r\n.\r\n"
    )
    .into_bytes()
}

/// What a line that is no command is answered.
fn broken(text: &str) -> Step {
    Step::Close(err(text))
}

fn not_http() -> Step {
    Step::Close(err("This is no web server"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
