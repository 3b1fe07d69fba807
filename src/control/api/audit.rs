//! The audit log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::{Needs, Nothing};
use crate::staff::Role;

const ADMIN: Needs = Needs::Role(Role::Admin);

/// `audit show`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Show {
    /// From this number on; none shows the newest.
    pub from: Option<u64>,
    /// How many at most.
    pub limit: u64,
}
ask!(Show, "audit show", ADMIN, rows AuditEntry, answer Nothing);

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who: an account's name, its id if the account is gone, `system`, or `nobody (uid 0)`.
    pub actor: String,
    /// The second person, where the act needed one.
    pub second: Option<String>,
    /// What was done, in the words of the command.
    pub verb: String,
    /// To what: its kind and its name or id.
    pub object: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// `audit verify`: is the log whole, and does it go on from a checkpoint?
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Verify {
    /// The text of a signed checkpoint that was kept elsewhere.
    pub against: Option<String>,
    /// The public key of that time, from the recovery sheet, in hexadecimal; none takes the vault's.
    pub public_key: Option<String>,
}
ask!(Verify, "audit verify", ADMIN, answer LogVerdict);

/// What was found of a log. A log that doesn't hold is a failure of the command, which says the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogVerdict {
    /// Which: `audit` or `consent`.
    pub log: String,
    /// Whether it holds.
    pub holds: bool,
    /// How many entries.
    pub size: u64,
    /// How many of them were erased and stand as hashes alone.
    pub erased: u64,
    /// What is wrong with which entry.
    pub findings: Vec<String>,
    /// How it compares with the checkpoint that was given.
    pub against: Option<String>,
    /// The signed checkpoint of the log as it stands: keep it elsewhere. Empty of a log that doesn't hold.
    pub checkpoint: String,
}
