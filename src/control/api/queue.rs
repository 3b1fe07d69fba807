//! Mail that waits to go out. Staff see their own, admins all. Whom somebody else's mail goes to is shown by `queue show`
//! alone, and that look stands in the audit log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::{Needs, Nothing};
use crate::id::QueueId;
use crate::staff::Role;

/// `queue list`.
#[derive(Debug, Serialize, Deserialize)]
pub struct List {}
ask!(List, "queue list", Needs::Staff, rows QueueReport, answer Providers);

/// The providers that there's mail for, or that are held up. For admins; others see none, since it says how many copies of
/// mailings there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Providers {
    /// Those with the most to do first.
    pub providers: Vec<ProviderReport>,
}

/// Whoever runs the mail servers of one domain or many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderReport {
    /// Its name, if the whole world knows it or it got ten copies today. Another may be one person's domain.
    pub provider: Option<String>,
    /// Connections to it.
    pub connections: usize,
    /// Mails at hand that wait for a connection to it.
    pub waiting: usize,
    /// Copies of mailings that it got today (UTC).
    pub copies_today: u32,
    /// Copies of mailings that it may get today; none if there is no limit.
    pub copies_allowed: Option<u32>,
    /// Until when it is left alone.
    pub paused_until: Option<Timestamp>,
    /// What it said when it asked for that.
    pub said: Option<String>,
}

impl ProviderReport {
    /// Whether today's share is sent.
    pub fn is_spent(&self) -> bool {
        self.copies_allowed
            .is_some_and(|allowed| self.copies_today >= allowed)
    }
}

/// A mail that waits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueReport {
    /// Which; commands take its first digits, if no other begins with them.
    pub id: QueueId,
    /// Whose: the account's name, or `service` for our own mail.
    pub from: String,
    /// To whom, if the mail is one's own, or an admin asked for this one.
    pub to: Option<String>,
    /// Since when.
    pub queued_at: Timestamp,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub last_failure: Option<String>,
}

impl std::fmt::Debug for QueueReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QueueReport({})", self.id)
    }
}

/// `queue show`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Show {
    /// Which, by the first digits of its id.
    pub mail: String,
}
ask!(Show, "queue show", Needs::Staff, answer QueueReport);

/// `queue retry`: tries it now.
#[derive(Debug, Serialize, Deserialize)]
pub struct Retry {
    /// Which, by the first digits of its id; none is all.
    pub mail: Option<String>,
}
ask!(Retry, "queue retry", Needs::Staff, answer Retried);

/// What is tried now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// How many.
    pub mails: u64,
}

/// `queue drop`: gives it up; its sender gets a DSN.
#[derive(Debug, Serialize, Deserialize)]
pub struct Drop {
    /// Which, by the first digits of its id.
    pub mail: String,
    /// Why.
    pub reason: Option<String>,
}
ask!(Drop, "queue drop", Needs::Role(Role::Admin), answer Nothing);
