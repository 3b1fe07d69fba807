//! What the door asks the rooms. The door speaks SMTP and decides nothing; a [`Host`] decides and speaks none.
//!
//! The daemon implements [`Host`] over the rooms; the tests implement it in twenty lines.

use std::borrow::Cow;
use std::future::Future;

use super::envelope::{Caller, Envelope};
use crate::smtp::path::{ForwardPath, ReversePath};
use crate::smtp::reply::Reply;
use crate::staff::{Entrant, Knocked, LoginOutcome, Proof};

/// A reply that says no: its code is 4xx or 5xx, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Reply);

impl Refusal {
    /// A refusal with this reply. A reply that isn't one (not 4xx or 5xx) becomes `451 4.3.0`, so that no slip
    /// in a room can accept what it meant to refuse. With 421 the connection closes after it.
    pub fn new(reply: Reply) -> Self {
        if reply.is_temporary() || reply.is_permanent() {
            Self(reply)
        } else {
            Self::try_later()
        }
    }

    /// `451 4.3.0`: our own trouble (a sick store, a full disk); the sender will come again.
    pub fn try_later() -> Self {
        Self(Reply::new(
            451,
            (4, 3, 0),
            "Local trouble, please try again later",
        ))
    }

    /// `421 4.3.0`, after which the connection closes: the vault is locked, or the store is closed.
    pub fn not_in_service() -> Self {
        Self(Reply::new(
            421,
            (4, 3, 0),
            "Service not available, please try again later",
        ))
    }

    /// `421 4.7.0`, after which the connection closes: the account, or the password by which they logged in, was ended.
    pub fn shut_out() -> Self {
        Self(Reply::new(
            421,
            (4, 7, 0),
            "This account or password was ended",
        ))
    }

    /// `550 5.1.1`: there is no such mailbox.
    pub fn no_such_mailbox() -> Self {
        Self(Reply::new(550, (5, 1, 1), "No such mailbox here"))
    }

    /// `550 5.7.1`: we carry no mail to other domains for strangers.
    pub fn no_relay() -> Self {
        Self(Reply::new(550, (5, 7, 1), "Relaying denied"))
    }

    /// The reply to send.
    pub fn into_reply(self) -> Reply {
        self.0
    }
}

/// A message is committed to the disk. Only this turns into a `250`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What the client is told behind `250 2.0.0`: short, without personal data.
    pub note: Cow<'static, str>,
}

/// The rooms, as the SMTP doors see them. All calls of one connection come one after another.
pub trait Host: Send + Sync + 'static {
    /// Where a message's bytes go.
    type Body: Body;

    /// Whether mail can be taken at present. Where it can't, a connection is greeted with 421, so that the other side goes
    /// elsewhere or comes again at once.
    fn in_service(&self) -> bool {
        true
    }

    /// May this caller send as `path`? On submission it must be the staff member's own or one granted.
    fn sender(
        &self,
        caller: &Caller,
        path: &ReversePath,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Does this mail reach `path`? Only an `Ok` puts it into the envelope. On the MX whatever isn't ours must be
    /// refused; that is the whole of "no open relay".
    fn recipient(
        &self,
        envelope: &Envelope,
        path: &ForwardPath,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Opens the place where the message goes. The envelope has at least one recipient.
    fn begin(
        &self,
        envelope: &Envelope,
    ) -> impl Future<Output = Result<Self::Body, Refusal>> + Send;

    /// What is known of a user name as the client wrote it. It takes as long for an unknown name, and what a password or a
    /// proof is checked against looks alike, and the same each time.
    fn credentials(
        &self,
        caller: &Caller,
        user: &str,
        proof: Proof,
    ) -> impl Future<Output = Result<Knocked, Refusal>> + Send;

    /// How the log-in ended, and who is in if they have proven it. A refusal keeps even a proven caller out (revoked
    /// meanwhile).
    fn login(
        &self,
        caller: &Caller,
        outcome: LoginOutcome,
    ) -> impl Future<Output = Result<Option<Entrant>, Refusal>> + Send;

    /// Whether who has logged in still may be here.
    fn still_lets_in(&self, who: Entrant) -> bool;

    /// Waits until who has logged in may be here no more.
    fn shut_out(&self, who: Entrant) -> impl Future<Output = ()> + Send;
}

/// A message on its way into the store. Dropped before [`Body::finish`], it leaves nothing behind.
pub trait Body: Send {
    /// Takes the next bytes: first our `Received:` field, then the message with dots removed and CRLF line ends.
    /// After an error it is dropped, and the rest of the message is read and thrown away.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The message is whole. Returns `Ok` only after a durable commit: the `250` follows at once.
    fn finish(self) -> impl Future<Output = Result<Accepted, Refusal>> + Send;
}
