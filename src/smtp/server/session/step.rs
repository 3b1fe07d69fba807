//! What a session asks its driver to do. A question is a value that only its answer takes back, so that no answer
//! can be given to a question that wasn't asked, and none twice.

use zeroize::Zeroizing;

use super::super::codec::chunk::Chunk;
use super::super::envelope::Recipient;
use super::super::host::LoginOutcome;
use super::phase::MailFrom;
use crate::smtp::path::{ForwardPath, ReversePath};
use crate::smtp::reply::Reply;
use crate::staff::scram::ClientFirst;

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
    AskCredentials(AskCredentials),
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

/// What is known of this user?
pub struct AskCredentials {
    pub(in crate::smtp::server) user: String,
    pub(in crate::smtp::server) proof: Proof,
}

/// What the client wants to be believed by.
pub(in crate::smtp::server) enum Proof {
    Password(Zeroizing<String>),
    Scram(ClientFirst),
}

impl AskCredentials {
    /// The user name as the client wrote it.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl std::fmt::Debug for AskCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AskCredentials(..)")
    }
}

/// A log-in has ended.
#[derive(Debug)]
pub struct Login(pub(in crate::smtp::server) LoginOutcome);

impl Login {
    /// How it ended.
    pub fn outcome(&self) -> LoginOutcome {
        self.0
    }
}
