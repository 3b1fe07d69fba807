//! Accounts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::{Needs, Nothing, SecretText};
use crate::staff::Role;

/// `staff add`. The first account may be made by nobody in particular; the room decides.
#[derive(Debug, Serialize, Deserialize)]
pub struct Add {
    /// The login name.
    pub name: String,
    /// Its addresses; the first is the main one.
    pub addresses: Vec<String>,
    /// What it may do.
    pub roles: Vec<Role>,
    /// The Unix user by which the command line knows this person.
    pub uid: Option<u32>,
    /// Why.
    pub reason: Option<String>,
}
ask!(Add, "staff add", Needs::Nobody, answer NewPassword);

/// A password that was just made. It is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPassword {
    /// The account.
    pub name: String,
    /// Its password.
    pub password: SecretText,
    /// Which server a mail program is to use.
    pub server: String,
}

/// `staff list`.
#[derive(Debug, Serialize, Deserialize)]
pub struct List {
    /// Revoked accounts too.
    pub revoked: bool,
}
ask!(List, "staff list", Needs::Staff, rows Account, answer Nothing);

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// Its addresses; the first is the main one.
    pub addresses: Vec<String>,
    /// What it may do.
    pub roles: Vec<Role>,
    /// Its Unix user.
    pub uid: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Until when its training counts.
    pub trained_until: Option<Timestamp>,
}

/// `staff revoke`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Revoke {
    /// The login name.
    pub name: String,
    /// Why.
    pub reason: Option<String>,
}
ask!(Revoke, "staff revoke", Needs::Role(Role::Admin), answer Nothing);

/// `staff password`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Password {
    /// Whose; none is one's own.
    pub name: Option<String>,
    /// Why.
    pub reason: Option<String>,
}
ask!(Password, "staff password", Needs::Staff, answer NewPassword);
