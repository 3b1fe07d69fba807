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
    /// The role mailboxes that it was let into.
    #[serde(default)]
    pub mailboxes: Vec<String>,
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

/// `staff change`: roles, and the role mailboxes that an account is let into.
#[derive(Debug, Serialize, Deserialize)]
pub struct Change {
    /// The login name.
    pub name: String,
    /// Roles that it gets.
    pub add_roles: Vec<Role>,
    /// Roles that it loses.
    pub remove_roles: Vec<Role>,
    /// Role mailboxes that it is let into.
    pub let_into: Vec<String>,
    /// Role mailboxes that it is shut out of.
    pub shut_out_of: Vec<String>,
    /// Why.
    pub reason: Option<String>,
}
ask!(Change, "staff change", Needs::Role(Role::Admin), answer Account);

/// `staff password`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Password {
    /// Whose; none is one's own.
    pub name: Option<String>,
    /// Why.
    pub reason: Option<String>,
}
ask!(Password, "staff password", Needs::Staff, answer NewPassword);
