//! What the door asks of the house: who may come in, and which folders are theirs. The folders themselves it gets from the
//! room that has them.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;

use crate::id::{MailboxId, StaffId};
use crate::mailbox::Mailboxes;
use crate::staff::Tried;
use crate::staff::scram::Verifier;

/// A refusal of a whole session or a log-in, with its response code (RFC 5530).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The response code.
    pub code: &'static str,
    /// What is said: short, without personal data.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// The vault is locked, or the store is sick: later.
    pub fn not_in_service() -> Self {
        Self {
            code: "UNAVAILABLE",
            text: "Service not available, please try again later".into(),
        }
    }
}

/// What is known of a user name; see the same of SMTP.
#[derive(Debug)]
pub struct Credentials {
    /// What a password or a proof is checked against: of a name that is unknown one that nothing fits.
    pub verifier: Verifier,
    /// Whose it is, to be given back with how the log-in ended.
    pub tried: Tried,
}

pub use crate::staff::LoginOutcome;

/// Somebody who has logged in, and what is theirs.
#[derive(Clone)]
pub struct Account {
    /// Who.
    pub staff: StaffId,
    /// Their mailbox.
    pub mailbox: MailboxId,
    /// The room of all mailboxes.
    pub mailboxes: Mailboxes,
    /// How much the mailbox may hold.
    pub room: u64,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Account(..)")
    }
}

/// The rooms, as the IMAP door sees them.
pub trait Host: Send + Sync + 'static {
    /// Whether anybody can be let in at present.
    fn in_service(&self) -> bool {
        true
    }

    /// What is known of a user name as the client wrote it. It takes as long for an unknown name.
    fn credentials(
        &self,
        client: IpAddr,
        user: &str,
    ) -> impl Future<Output = Result<Credentials, Refusal>> + Send;

    /// How the log-in ended. A refusal keeps even a proven caller out.
    fn login(
        &self,
        client: IpAddr,
        outcome: LoginOutcome,
    ) -> impl Future<Output = Result<Option<Account>, Refusal>> + Send;

    /// Whether who has logged in still may be here.
    fn still_lets_in(&self, staff: StaffId) -> bool;
}
