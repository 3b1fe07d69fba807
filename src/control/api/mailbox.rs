//! Mailboxes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::{Needs, Nothing};

/// `mailbox list`: one's own, or for admins all.
#[derive(Debug, Serialize, Deserialize)]
pub struct List {}
ask!(List, "mailbox list", Needs::Staff, rows MailboxReport, answer Nothing);

/// A mailbox and what it holds, without a look at the mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxReport {
    /// Whose: an account's name, a role mailbox's, or `bounced`.
    pub mailbox: String,
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
