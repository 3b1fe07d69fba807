//! Mailboxes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::{Needs, Nothing};
use crate::staff::Role;

/// `mailbox list`: one's own, or for admins all.
#[derive(Debug, Serialize, Deserialize)]
pub struct List {}
ask!(List, "mailbox list", Needs::Staff, rows MailboxReport, answer Nothing);

/// A mailbox and what it holds, without a look at the mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxReport {
    /// Whose: an account's name, a role mailbox's, or `bounced`.
    pub mailbox: String,
    /// The account is revoked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// The folder.
    pub folder: String,
    /// How many messages.
    pub messages: u64,
    /// How many bytes.
    pub bytes: u64,
    /// When the newest came.
    pub newest_at: Option<Timestamp>,
    /// Of an INBOX: how much room the whole mailbox has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
}

/// How much room a mailbox has. A full one takes no mail until something is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// How many bytes it holds in all its folders.
    pub used: u64,
    /// How many it may hold.
    pub limit: u64,
}

/// `mailbox retention`: what goes when, of one's own mailbox, or for admins of all.
#[derive(Debug, Serialize, Deserialize)]
pub struct Retention {}
ask!(Retention, "mailbox retention", Needs::Staff, rows RetentionReport, answer Nothing);

/// A folder, and what of it goes when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionReport {
    /// Whose, as [`MailboxReport`] says it.
    pub mailbox: String,
    /// The folder.
    pub folder: String,
    /// How many messages are in it.
    pub messages: u64,
    /// When the next of them goes.
    pub next_at: Option<Timestamp>,
    /// How many go within 30 days.
    pub within_month: u64,
    /// The mailbox is on hold: none of it goes.
    pub held: bool,
    /// Why it is; for admins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `mailbox hold`: nothing of a mailbox goes by itself until the hold is lifted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hold {
    /// Whose: the name of an account or of a role mailbox.
    pub mailbox: String,
    /// Why.
    pub reason: String,
}
ask!(Hold, "mailbox hold", Needs::Role(Role::Admin), answer Nothing);

/// `mailbox lift`: a hold ends.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lift {
    /// Whose, as in [`Hold`].
    pub mailbox: String,
    /// Why.
    pub reason: String,
}
ask!(Lift, "mailbox lift", Needs::Role(Role::Admin), answer Nothing);
