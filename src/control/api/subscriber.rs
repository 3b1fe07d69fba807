//! Subscribers: only admins see them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Count, ask};
use crate::control::{Ask, Needs, Nothing, SecretText};
use crate::id::SubscriberId;
use crate::staff::Role;

const ADMIN: Needs = Needs::Role(Role::Admin);

/// `subscriber find`. It stands in the audit log that somebody looked.
#[derive(Serialize, Deserialize)]
pub struct Find {
    /// The address.
    pub address: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
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
    /// The lists of which nothing is sent just now, because a "stop" came that isn't decided yet, and until when.
    #[serde(default)]
    pub paused: BTreeMap<String, Timestamp>,
}

impl std::fmt::Debug for SubscriberReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SubscriberReport({})", self.id)
    }
}

/// `subscriber add`: takes a card that somebody filled in, so that the address is asked. It subscribes nobody. Whether a
/// mail goes out is decided later and not told here; `subscriber find` shows what became of it.
#[derive(Serialize, Deserialize)]
pub struct Add {
    /// The address.
    pub address: String,
    /// For these lists.
    pub lists: Vec<String>,
    /// The constituency's code or name.
    pub constituency: Option<String>,
    /// Where the card was filled in.
    pub channel: CardChannel,
    /// When it was filled in, as year-month-day.
    pub asked_on: String,
    /// The batch of cards that it lies in, so that it can be found.
    pub batch: String,
    /// Whether the statement of minimum age is ticked on it.
    pub age_stated: bool,
    /// The language of the card: `en` or `cy`.
    pub language: String,
}
ask!(Add, "subscriber add", ADMIN, answer Nothing);

/// Where a card was filled in. Consent by telephone can't be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardChannel {
    /// On paper, handed in or sent.
    Paper,
    /// At an event.
    Event,
}

/// `subscriber withdraw`: somebody rang or wrote and wants no more mail, of one list or of all.
#[derive(Serialize, Deserialize)]
pub struct Withdraw {
    /// The address.
    pub address: String,
    /// From this list alone; from all if none is given.
    pub list: Option<String>,
    /// Never write there again, not even to ask.
    pub never_again: bool,
    /// Why.
    pub reason: String,
}
ask!(Withdraw, "subscriber withdraw", ADMIN, answer Nothing);

/// `subscriber import`: the body is the suppression file, if there is one, and behind it CSV with one row a person and
/// the evidence of their consent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Import {
    /// How many bytes of the body are the suppression file; none states that the old system had no list of those who
    /// left, and that goes on the record.
    pub suppression_bytes: Option<u64>,
    /// Whether only to say what would be done. Nothing is kept then, and the suppression file is left alone.
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
    /// The line of its file, from 1.
    pub line: u64,
    /// Why the row is not taken.
    pub why: String,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// People who wait for a second person's agreement.
    pub taken: u64,
    /// Rows that were refused, each with its reason.
    pub refused: u64,
    /// Rows of the suppression file that are in force, at once and at least for one list.
    pub suppressed: u64,
    /// Rows of it that changed nothing: whom they name said yes here after the day that they give.
    pub outdated: u64,
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
    /// Rows that don't open and are not in it: `store verify` names them.
    pub left_out: u64,
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
    /// When it was asked for; none if its record can't be read.
    pub at: Option<Timestamp>,
    /// What the second person should know of it: how many people, what was stated.
    pub detail: Option<String>,
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
    /// For an import, how its challenges go out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenges: Option<Challenges>,
}

/// How the challenges of an import go out: spaced evenly over the days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenges {
    /// How many.
    pub count: u64,
    /// At most so many a day.
    pub per_day: u32,
    /// When the last one goes, if no other import is under way.
    pub until: Timestamp,
}

/// `subscriber refuse`: an export or import that waits is not to be done. Whoever asked for it may take it back so.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refuse {
    /// The code.
    pub code: String,
    /// Why; it stands in the audit log.
    pub reason: String,
}
ask!(Refuse, "subscriber refuse", ADMIN, answer Refused);

/// It is not done. What an import brought of people is erased; its suppression file stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What.
    pub verb: String,
    /// Who had asked.
    pub by: String,
    /// Their reason.
    pub reason: String,
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
    /// Whether mail of theirs stays since it waits in a mailbox on hold.
    #[serde(default)]
    pub on_hold: bool,
}

/// `subscriber stats`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stats {
    /// By constituency too.
    pub constituencies: bool,
}
ask!(Stats, "subscriber stats", Needs::Staff, rows Share, answer StatsReport);

/// How many are subscribed to a list, or to a list in one constituency. Who isn't an admin sees the numbers of the
/// morning in steps, and constituencies with few are left out, and one more where the rest of the list would tell how few they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The list's key.
    pub list: String,
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
    /// Sign-ups that wait for their confirmation; for admins alone.
    pub pending: Option<u64>,
    /// Sign-ups that nobody confirmed and that were erased, ever; for admins alone.
    pub expired: Option<u64>,
    /// Suppressed addresses; for admins alone.
    pub suppressed: Option<u64>,
    /// When all of it was counted, for who isn't an admin and isn't shown what changes by the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_at: Option<Timestamp>,
}
