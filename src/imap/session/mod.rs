//! The session's intake, without I/O: octets in, [`Step`]s out. It knows no socket, no clock, no store and no folder.
//!
//! A connection is a [`Stranger`]'s until a log-in was proven; only [`Stranger::admit`] makes a [`Member`] of it, from an
//! account that the house gave. A member's commands are run by the desk; a stranger has no way to give any.

mod log_in;
mod member;
mod step;

pub(in crate::imap) use log_in::{Admitted, Stranger};
pub(in crate::imap) use member::{Awaiting, Member};
pub(in crate::imap) use step::Step;

use super::codec::cursor::Syntax;
use super::codec::frame::{Fault, tag_of};
use super::command::Tag;

/// The extensions that everybody hears of. `SASL-IR`, `LITERAL+` and the like are of no use to who has logged in, but
/// nothing forbids to tell.
const CAPABILITIES: &str = "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+ ID ENABLE NAMESPACE";

/// What a stranger can do. `-PLUS` is offered where the channel can be bound to.
pub(super) fn capabilities_before(bound: bool) -> String {
    let plus = if bound {
        " AUTH=SCRAM-SHA-256-PLUS"
    } else {
        ""
    };
    format!("{CAPABILITIES} AUTH=PLAIN AUTH=SCRAM-SHA-256{plus}")
}

/// What a member can do.
pub(super) fn capabilities_after(message_size: u64) -> String {
    format!(
        "{CAPABILITIES} UNSELECT CHILDREN IDLE UIDPLUS MOVE LIST-EXTENDED LIST-STATUS SPECIAL-USE STATUS=SIZE CONDSTORE \
         QRESYNC ESEARCH SEARCHRES WITHIN BINARY MULTIAPPEND QUOTA \
         QUOTA=RES-STORAGE APPENDLIMIT={message_size}"
    )
}

/// `tag STATUS [CODE] text`
pub(super) fn tagged(tag: &Tag, status: &str, text: &str) -> Vec<u8> {
    format!("{} {status} {text}\r\n", tag.0).into_bytes()
}

fn bye(text: &str) -> Vec<u8> {
    format!("* BYE {text}\r\n").into_bytes()
}

/// The answer to a command that couldn't be read.
fn bad(tag: Option<&Tag>, syntax: Syntax) -> Vec<u8> {
    let tag = tag.map_or("*", |tag| tag.0.as_str());
    format!("{tag} BAD {syntax}\r\n").into_bytes()
}

/// The last words to who sent something behind which nothing can be read; its beginning is what was held of it, and what
/// came.
fn broken(held: &[u8], input: &[u8], fault: Fault) -> Vec<u8> {
    const TAG: usize = 300;
    let (code, text) = match fault {
        Fault::Octet => (
            "CLIENTBUG",
            "A line ends with CR LF and holds neither, nor NUL",
        ),
        Fault::TooLong => ("TOOBIG", "The command is too long"),
        Fault::Literal => ("TOOBIG", "The literal is too long"),
        Fault::Syntax(Syntax(text)) => ("CLIENTBUG", text),
    };
    let begun: Vec<u8> = held.iter().chain(input).take(TAG).copied().collect();
    let tag = tag_of(&begun).unwrap_or_else(|| "*".to_owned());
    format!("{tag} BAD [{code}] {text}\r\n* BYE {text}\r\n").into_bytes()
}

/// The answer to a literal that won't come.
fn refused(held: &[u8]) -> Vec<u8> {
    let tag = tag_of(held).unwrap_or_else(|| "*".to_owned());
    format!("{tag} BAD [TOOBIG] The literal is too long\r\n").into_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
