//! Subscribers: only admins see them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Count, ask};
use crate::control::{Ask, Needs, Nothing, SecretText};
use crate::id::SubscriberId;
use crate::staff::Role;

const ADMIN: Needs = Needs::Role(Role::Admin);

/// `subscriber find`.
#[derive(Serialize, Deserialize)]
pub struct Find {
    /// The address.
    pub address: String,
}
ask!(Find, "subscriber find", ADMIN, answer Found);

/// What is held of an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The subscriber; none if there is none.
    pub subscriber: Option<SubscriberReport>,
    /// Whether a sign-up waits for its confirmation, and until when.
    pub pending_until: Option<Timestamp>,
    /// What must not be sent to it: `everything`, or keys of lists.
    pub suppressed: Vec<String>,
}

/// A subscriber.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriberReport {
    /// The row.
    pub id: SubscriberId,
    /// The address as its owner spelt it.
    pub address: String,
    /// The constituency's name; none abroad or unsaid.
    pub constituency: Option<String>,
    /// The lists, with when each was confirmed.
    pub subscriptions: BTreeMap<String, Timestamp>,
}

impl std::fmt::Debug for SubscriberReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SubscriberReport({})", self.id)
    }
}

/// `subscriber add`: asks the address for its consent. It subscribes nobody.
#[derive(Serialize, Deserialize)]
pub struct Add {
    /// The address.
    pub address: String,
    /// For these lists.
    pub lists: Vec<String>,
    /// The constituency's code or name.
    pub constituency: Option<String>,
    /// How they asked for it: `paper`, `event`, `phone`, `mail`.
    pub channel: String,
    /// When they asked for it, as year-month-day.
    pub asked_on: String,
}
ask!(Add, "subscriber add", ADMIN, answer Added);

/// What comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Whether a challenge goes out.
    pub challenged: bool,
    /// If not, why: subscribed already, suppressed, asked too often.
    pub why: Option<String>,
}

/// `subscriber import`: the body is CSV, one row a person, with the evidence of their consent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Import {
    /// What the rows are called in evidence and audit log.
    pub batch: String,
    /// Whether the body holds addresses that must not be written to instead.
    pub suppressions: bool,
    /// Whether only to say what would be done.
    pub dry_run: bool,
    /// Why.
    pub reason: String,
}
impl Ask for Import {
    const NAME: &'static str = "subscriber import";
    const NEEDS: Needs = ADMIN;
    const BODY: bool = true;
    type Row = RowVerdict;
    type Answer = Imported;
}

/// What is wrong with a row. Rows that are taken aren't named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowVerdict {
    /// The line of the file, from 1.
    pub line: u64,
    /// Why the row is not taken.
    pub why: String,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The batch.
    pub batch: String,
    /// Rows that were taken.
    pub taken: u64,
    /// Rows that were refused, each with its reason.
    pub refused: u64,
    /// Rows that were left out since nothing is to be done: subscribed already, suppressed, twice in the file.
    pub left_out: u64,
    /// The code that a second person gives to `subscriber agree`; none if nothing waits.
    pub code: Option<String>,
    /// How many challenges go out a day at most, once a second person agreed.
    pub challenges_per_day: u32,
}

/// `subscriber export`: the answer's body is a sealed file; it starts once a second person agreed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Export {
    /// Why; it stands in the audit log.
    pub reason: String,
}
ask!(Export, "subscriber export", ADMIN, answer Exported);

/// The file was sent whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Subscribers in it.
    pub subscribers: u64,
    /// Suppressions in it.
    pub suppressions: u64,
    /// Evidence events in it.
    pub evidence: u64,
    /// SHA-256 of the file, in hexadecimal; it stands in the audit log.
    pub sha256: String,
    /// Who agreed.
    pub second: String,
}

/// `subscriber waiting`: what waits for a second person.
#[derive(Debug, Serialize, Deserialize)]
pub struct Waiting {}
ask!(Waiting, "subscriber waiting", ADMIN, rows WaitingReport, answer Nothing);

/// Something that waits for a second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingReport {
    /// The code that `subscriber agree` takes.
    pub code: String,
    /// What is asked for: `subscriber export`.
    pub verb: String,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was asked for.
    pub at: Timestamp,
}

/// `subscriber agree`: the second person agrees to an export or an import.
#[derive(Debug, Serialize, Deserialize)]
pub struct Agree {
    /// The code.
    pub code: String,
}
ask!(Agree, "subscriber agree", ADMIN, answer Agreed);

/// It goes ahead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// What.
    pub verb: String,
    /// Who had asked.
    pub by: String,
    /// Their reason.
    pub reason: String,
    /// For an export, what opens the file: the second person holds it, so that neither reads it alone.
    pub opens_with: Option<SecretText>,
}

/// `subscriber erase`.
#[derive(Serialize, Deserialize)]
pub struct Erase {
    /// The address.
    pub address: String,
    /// Why.
    pub reason: String,
}
ask!(Erase, "subscriber erase", ADMIN, answer Erased);

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Whether anything was held.
    pub held: bool,
    /// Whether a suppression stays, so that the address is not written to again.
    pub suppressed: bool,
}

/// `subscriber stats`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stats {
    /// By constituency too.
    pub constituencies: bool,
}
ask!(Stats, "subscriber stats", Needs::Staff, rows Share, answer StatsReport);

/// How many are subscribed to a list, or live in a constituency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The list's key, if the row is a list's.
    pub list: Option<String>,
    /// The constituency's name, if the row is a constituency's.
    pub constituency: Option<String>,
    /// How many.
    pub subscribed: Count,
}

/// Numbers of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsReport {
    /// Subscribers.
    pub subscribers: Count,
    /// Sign-ups that wait for their confirmation.
    pub pending: Count,
    /// Suppressed addresses.
    pub suppressed: Count,
}
