//! Evidence: who said yes to what words, when, and when they stopped.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ask;
use super::audit::{LogVerdict, Verify as AuditVerify};
use crate::control::{Needs, Nothing};
use crate::staff::Role;

const ADMIN: Needs = Needs::Role(Role::Admin);

/// `consent show`. It stands in the audit log that somebody looked.
#[derive(Serialize, Deserialize)]
pub struct Show {
    /// The address.
    pub address: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}
ask!(Show, "consent show", ADMIN, rows EvidenceEvent, answer Nothing);

/// One event of the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceEvent {
    /// Its number in the consent log.
    pub seq: u64,
    /// When.
    pub at: Option<Timestamp>,
    /// What: `confirmed`, `withdrawn`, `erased`.
    pub what: String,
    /// The lists it is about.
    pub lists: Vec<String>,
    /// SHA-256 of the wording that was shown, in hexadecimal.
    pub wording: Option<String>,
    /// All fields of the event, as logged.
    pub event: serde_json::Value,
    /// The texts that it names by their SHA-256, as they were shown (law B6); each stands with the first event that
    /// names it.
    #[serde(default)]
    pub texts: Vec<EvidenceText>,
}

/// A text that somebody was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceText {
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// `consent` or `notice`.
    pub kind: String,
    /// The list, for a consent.
    pub list: Option<String>,
    /// `en` or `cy`.
    pub language: String,
    /// When it was first shown.
    pub first_shown: Timestamp,
    /// The text.
    pub text: String,
}

/// `consent verify`: the same as `audit verify`, of the consent log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verify(pub AuditVerify);
ask!(Verify, "consent verify", ADMIN, answer LogVerdict);

/// `consent bundle`: the evidence about an address as one file that proves itself. The body of the answer is the file.
#[derive(Serialize, Deserialize)]
pub struct Bundle {
    /// The address.
    pub address: String,
    /// Why; it stands in the audit log.
    pub reason: String,
}
ask!(Bundle, "consent bundle", ADMIN, answer Bundled);

/// The file was sent whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundled {
    /// Events in it.
    pub events: u64,
    /// Wordings in it.
    pub wordings: u64,
    /// The size of the log that its proofs lead to.
    pub log_size: u64,
}
