//! What the door asks of the house: who may come in, and which folders are theirs. The folders themselves it gets from the
//! room that has them.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use crate::id::MailboxId;
use crate::mailbox::{Allowance, Mailboxes};
use crate::net::Loads;
use crate::staff::{Entrant, Knocked, LetIn, LoginOutcome, Proof};

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

/// Somebody who has logged in, and what is theirs.
#[derive(Clone)]
pub struct Account {
    /// Who, and by which password.
    pub entrant: Entrant,
    /// Their mailbox.
    pub mailbox: MailboxId,
    /// Into which roles' mailboxes they are let, asked anew each time.
    pub let_in: LetIn,
    /// The room of all mailboxes.
    pub mailboxes: Mailboxes,
    /// How much a mailbox may hold, asked anew each time.
    pub room: Allowance,
    /// How much mail is coming in, theirs and everybody's.
    pub under_way: Arc<Loads>,
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
        proof: Proof,
    ) -> impl Future<Output = Result<Knocked, Refusal>> + Send;

    /// How the log-in ended. A refusal keeps even a proven caller out.
    fn login(
        &self,
        client: IpAddr,
        outcome: LoginOutcome,
    ) -> impl Future<Output = Result<Option<Account>, Refusal>> + Send;

    /// Whether who has logged in still may be here.
    fn still_lets_in(&self, who: Entrant) -> bool;

    /// Waits until who has logged in may be here no more.
    fn shut_out(&self, who: Entrant) -> impl Future<Output = ()> + Send;
}
