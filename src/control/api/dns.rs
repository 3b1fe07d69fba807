//! What the party publishes in DNS: all of it is public, and told to any member of staff. And what other servers report
//! because of it: which says to whose servers mail went, and is for admins.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ask;
use crate::control::{Needs, Nothing};
use crate::staff::Role;

/// `dns records`: the whole set.
#[derive(Debug, Serialize, Deserialize)]
pub struct Records {
    /// Of this domain alone, and of the host.
    pub domain: Option<String>,
}
ask!(Records, "dns records", Needs::Staff, rows RecordReport, answer Nothing);

/// A record to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordReport {
    /// What it is for: `SPF`, `DKIM`.
    pub topic: String,
    /// For which domain; none is the host.
    pub domain: Option<String>,
    /// Its name, without a dot at the end.
    pub name: String,
    /// Its kind: `TXT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says, as a form takes it.
    pub value: String,
    /// Its line in a zone file.
    pub line: String,
    /// What goes wrong without it: `mailings` (large receivers refuse them), `mail`, or `advised`.
    pub need: String,
    /// What is to be done: `publish`, `ask the host`, `keep` or `remove`.
    pub act: String,
    /// What one should know.
    pub note: Option<String>,
}

/// `dns check`: everything is looked up now.
#[derive(Debug, Serialize, Deserialize)]
pub struct Check {
    /// Of this domain alone, and of the host.
    pub domain: Option<String>,
}
ask!(Check, "dns check", Needs::Staff, rows FindingReport, answer Checked);

/// How one thing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingReport {
    /// What it is about.
    pub topic: String,
    /// For which domain; none is the host.
    pub domain: Option<String>,
    /// The name that was looked up.
    pub name: String,
    /// The kind of record, if it is about one.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `right`, `missing`, `different`, `note` or `not checked`.
    pub state: String,
    /// What goes wrong without it: `mailings`, `mail`, or `advised`.
    pub need: String,
    /// In words.
    pub said: String,
    /// The line to publish, if something is to be mended.
    pub fix: Option<String>,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// When.
    pub at: Timestamp,
    /// The domains whose mailings are held back.
    pub held: Vec<String>,
    /// How many things are to be mended.
    pub wrong: u64,
}

/// `dns dkim`: the keys.
#[derive(Debug, Serialize, Deserialize)]
pub struct Dkim {}
ask!(Dkim, "dns dkim", Needs::Staff, rows KeyReport, answer Nothing);

/// A DKIM key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// Its domain.
    pub domain: String,
    /// What it signs: `list`, `staff`, `service`, or `all`.
    pub stream: String,
    /// Its selector.
    pub selector: String,
    /// `rsa-sha256` or `ed25519-sha256`.
    pub algorithm: String,
    /// `next`, `live`, `kept` or `removable`.
    pub phase: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// Since when it signs.
    pub live_at: Option<Timestamp>,
    /// Until when its record must stay, if it signs no more.
    pub keep_until: Option<Timestamp>,
}

/// `dns rotate-dkim`: new keys.
#[derive(Debug, Serialize, Deserialize)]
pub struct RotateDkim {
    /// Of this domain alone.
    pub domain: Option<String>,
    /// For this kind of mail alone: `list`, `staff`, `service`.
    pub stream: Option<String>,
    /// Makes none: looks whether the records of those that wait are published, and switches to them.
    pub now: bool,
    /// Why.
    pub reason: Option<String>,
}
ask!(RotateDkim, "dns rotate-dkim", Needs::Role(Role::Admin), rows RecordReport, answer Rotated);

/// How the rotation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// The selectors that sign from now on.
    pub switched: Vec<String>,
    /// Records that were not seen, and why.
    pub waiting: Vec<String>,
}

/// `dns reports`: what other servers tell us.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reports {
    /// Of this domain alone.
    pub domain: Option<String>,
    /// Of so many days alone.
    pub days: Option<u32>,
}
ask!(Reports, "dns reports", Needs::Role(Role::Admin), rows SourceReport, answer Reported);

/// Mail in our name, or connections to us, that fared alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// `mail` (DMARC) or `tls` (TLSRPT).
    pub about: String,
    /// The domain of ours.
    pub domain: String,
    /// Whether it is as it should be.
    pub passes: bool,
    /// How many mails or connections.
    pub count: u64,
    /// The first day (UTC).
    pub from: String,
    /// The last.
    pub to: String,
    /// Who tells, the first few.
    pub reporters: Vec<String>,
    /// Somebody tells it of whom nobody knows whether they are who they say.
    pub unproven: bool,
    /// Of mail: from which network; none if it is all that were too many.
    pub network: Option<String>,
    /// Of mail: whether it is this machine.
    pub own: bool,
    /// Of mail: the domain in From.
    pub author: Option<String>,
    /// Of mail: whether SPF passed, aligned.
    pub spf: Option<bool>,
    /// Of mail: whether DKIM passed, aligned.
    pub dkim: Option<bool>,
    /// Of mail: what became of it: `none`, `quarantine`, `reject`.
    pub became: Option<String>,
    /// Of mail: whose SPF or DKIM passed, aligned or not.
    pub vouched: Vec<String>,
    /// Of connections: under which policy: `sts`, `tlsa`, `no-policy-found`.
    pub policy: Option<String>,
    /// Of connections: how they failed.
    pub result: Option<String>,
    /// Of connections: at which server of ours.
    pub host: Option<String>,
}

/// How many reports that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// On mail in our name.
    pub dmarc: u64,
    /// On TLS.
    pub tls: u64,
}

/// `dns rotate-tls`: new keys for the certificates.
#[derive(Debug, Serialize, Deserialize)]
pub struct RotateTls {
    /// Makes none: looks whether the records of those that wait are published.
    pub now: bool,
    /// Why.
    pub reason: Option<String>,
}
ask!(RotateTls, "dns rotate-tls", Needs::Role(Role::Admin), rows RecordReport, answer TlsRotation);

/// How the rotation of TLS keys stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsRotation {
    /// When the next keys are served, if their records were seen.
    pub not_before: Option<Timestamp>,
    /// Why they wait, if their records were not seen.
    pub waiting: Option<String>,
}
