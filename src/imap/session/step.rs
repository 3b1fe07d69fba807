//! What a session asks its driver to do.

use super::log_in::{AskCredentials, Login};
use crate::imap::command::{AppendHead, Command, RawName, Tag};

/// The next thing to do.
#[derive(Debug)]
pub(in crate::imap) enum Step<'i> {
    /// Read more; until then there is nothing to do.
    NeedInput,
    /// Go on with the rest of the input.
    Continue,
    /// Send this.
    Say(Vec<u8>),
    /// Send this and close. Input that is left must never be run.
    Close(Vec<u8>),
    /// Ask [`crate::imap::Host::credentials`], then [`super::Stranger::answer_credentials`].
    AskCredentials(AskCredentials),
    /// Tell [`crate::imap::Host::login`], then [`super::Stranger::answer_login`].
    Login(Login),
    /// Run this.
    Run(Tag, Command),
    /// An APPEND to this folder begins.
    AppendTo(RawName),
    /// A message of it begins: [`super::Member::refuse_append`] says that it is not wanted.
    AppendBegin(AppendHead),
    /// Octets of the message.
    AppendOctets(&'i [u8]),
    /// The message is whole.
    AppendEnd,
    /// The APPEND is whole, all of its messages are taken or none.
    AppendFinish(Tag),
    /// The client has heard enough ([`Command::Idle`]).
    IdleEnds(Tag),
}
