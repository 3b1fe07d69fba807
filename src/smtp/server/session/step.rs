//! What a session asks its driver to do. A question is a value that only its answer takes back, so that no answer
//! can be given to a question that wasn't asked, and none twice.

use super::super::codec::chunk::Chunk;
use super::super::envelope::Recipient;
use super::phase::MailFrom;
use crate::smtp::path::{ForwardPath, ReversePath};
use crate::smtp::reply::Reply;
use crate::staff::LoginOutcome;
use crate::staff::sasl::Asked;

/// The next thing to do.
#[derive(Debug)]
pub enum Step<'i> {
    /// Read more; until then there is nothing to do.
    NeedInput,
    /// Go on with the rest of the input.
    Continue,
    /// Send this.
    Reply(Reply),
    /// Send this and close. Input that is left must never be run.
    Close(Reply),
    /// Ask [`super::super::Host::sender`], then [`super::Session::answer_sender`].
    AskSender(AskSender),
    /// Ask [`super::super::Host::recipient`], then [`super::Session::answer_recipient`].
    AskRecipient(AskRecipient),
    /// Ask [`super::super::Host::begin`], then [`super::Session::answer_begin`].
    Begin(Begin),
    /// Write this to the body; if that fails, [`super::Session::body_failed`].
    Body(&'i [u8]),
    /// Finish the body, then [`super::Session::answer_finish`].
    Finish(Finish),
    /// Ask [`super::super::Host::credentials`], then [`super::Session::answer_credentials`].
    AskCredentials(Asked),
    /// Tell [`super::super::Host::login`], then [`super::Session::answer_login`].
    Login(Login),
}

/// May this caller send as this path?
#[derive(Debug)]
pub struct AskSender(pub(in crate::smtp::server) MailFrom);

impl AskSender {
    /// The path of MAIL.
    pub fn path(&self) -> &ReversePath {
        &self.0.path
    }
}

/// Does this mail reach this path?
#[derive(Debug)]
pub struct AskRecipient(pub(in crate::smtp::server) Recipient);

impl AskRecipient {
    /// The path of RCPT.
    pub fn path(&self) -> &ForwardPath {
        &self.0.path
    }
}

/// Where does the message go? With BDAT, the first chunk is already on its way.
#[derive(Debug)]
pub struct Begin(pub(in crate::smtp::server) Option<Chunk>);

/// Is the message committed?
#[derive(Debug)]
pub struct Finish(pub(in crate::smtp::server) ());

/// A log-in has ended.
#[derive(Debug)]
pub struct Login(pub(in crate::smtp::server) LoginOutcome);

impl Login {
    /// How it ended.
    pub fn outcome(&self) -> LoginOutcome {
        self.0
    }
}
