//! Contacts: outside addresses whose owners are known to have written themselves. Only keyed hashes of them are kept, so
//! that nobody can list them.

use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::Needs;
use crate::staff::Role;

const ADMIN: Needs = Needs::Role(Role::Admin);

/// `contact list`: how many there are.
#[derive(Debug, Serialize, Deserialize)]
pub struct List {}
ask!(List, "contact list", ADMIN, answer Counts);

/// How many contacts there are, and how much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Contacts.
    pub contacts: u64,
    /// Mails of strangers that wait in folders Unconfirmed.
    pub waiting: u64,
    /// Strangers who were asked within 14 days, whatever they answered.
    pub asked: u64,
}

/// `contact forget`: the next mail of that address waits again.
#[derive(Serialize, Deserialize)]
pub struct Forget {
    /// The address.
    pub address: String,
    /// Why.
    pub reason: String,
}
ask!(Forget, "contact forget", ADMIN, answer Forgotten);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Whether anything was kept of it.
    pub held: bool,
}
