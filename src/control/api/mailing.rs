//! Mailings.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Count, ask};
use crate::control::{Needs, Nothing};
use crate::id::MailingId;
use crate::store::MailingState;

/// `mailing list`.
#[derive(Debug, Serialize, Deserialize)]
pub struct List {
    /// Only those that are held, running or paused.
    pub current: bool,
}
ask!(List, "mailing list", Needs::Staff, rows MailingReport, answer Nothing);

/// A mailing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailingReport {
    /// Which; commands take its first digits, if no other begins with them.
    pub id: MailingId,
    /// The list.
    pub list: String,
    /// The constituencies it goes to; none is the whole list.
    pub constituencies: Option<Vec<String>>,
    /// Its subject.
    pub subject: String,
    /// Who wrote it.
    pub sender: String,
    /// Where it stands.
    pub state: MailingState,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Whether somebody else than its sender has to approve it.
    pub second_person: bool,
    /// Who approved it.
    pub approved_by: Vec<String>,
    /// When it was let go.
    pub released_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// SHA-256 of the prepared bytes, in hexadecimal: what an approval is bound to.
    pub digest: String,
    /// Why the service itself stopped it, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// How far it has come.
    pub counts: Counts,
}

impl std::fmt::Debug for MailingReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MailingReport({}, {:?})", self.id, self.state)
    }
}

/// How far a mailing has come. To who isn't an admin all of it is rounded down and follows from the audience as it was
/// counted in the morning; what failed is told on the morning after the end, and who withdrew not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How many it goes to.
    pub audience: Count,
    /// Handed over or refused for good.
    pub tried: Count,
    /// Handed over; none where it isn't told (yet).
    pub sent: Option<Count>,
    /// Still to be sent.
    pub waiting: Count,
    /// Refused for good; none where it isn't told (yet).
    pub failed: Option<Count>,
    /// Withdrawn meanwhile; for admins alone.
    pub withdrawn: Option<Count>,
    /// Not sent since the mailing was cancelled.
    pub cancelled: Count,
    /// Came back; none where it isn't told (yet).
    pub bounced: Option<Count>,
}

/// `mailing preview`: the message as a subscriber would get it. The body of the answer is the message.
#[derive(Debug, Serialize, Deserialize)]
pub struct Preview {
    /// Which, by the first digits of its id.
    pub mailing: String,
}
ask!(Preview, "mailing preview", Needs::Staff, answer MailingReport);

/// A mailing as it stands, for whoever is about to do something with it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Show {
    /// Which, by the first digits of its id.
    pub mailing: String,
}
ask!(Show, "mailing show", Needs::Staff, answer MailingReport);

/// `mailing approve`. The list's rule says who may; the room decides. An approved mailing is on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Approve {
    /// Which, by the first digits of its id.
    pub mailing: String,
    /// The digest that the preview showed; the approval is of these bytes and no others.
    pub digest: Option<String>,
    /// In spite of DNS records that large receivers miss; it stands in the audit log.
    #[serde(default)]
    pub anyway: bool,
}
ask!(Approve, "mailing approve", Needs::Staff, answer MailingReport);

/// `mailing watch`: a row at each change, until it ends.
#[derive(Debug, Serialize, Deserialize)]
pub struct Watch {
    /// Which, by the first digits of its id.
    pub mailing: String,
}
ask!(Watch, "mailing watch", Needs::Staff, rows WatchRow, answer MailingReport);

/// How far it has come at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchRow {
    /// The moment.
    pub at: Timestamp,
    /// Where it stands.
    pub state: MailingState,
    /// How far it has come.
    pub counts: Counts,
    /// Failures by cause, in words, without addresses.
    pub causes: Vec<(String, Count)>,
    /// Copies handed over in a second, of late.
    pub per_second: Option<f64>,
    /// When the rest will have been handed over, at that rate.
    pub done_at: Option<Timestamp>,
}

/// `mailing pause`. Whoever writes, approves or administers may stop a mailing; the room decides.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pause {
    /// Which, by the first digits of its id.
    pub mailing: String,
}
ask!(Pause, "mailing pause", Needs::Staff, answer MailingReport);

/// `mailing resume`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Resume {
    /// Which, by the first digits of its id.
    pub mailing: String,
}
ask!(Resume, "mailing resume", Needs::Staff, answer MailingReport);

/// `mailing cancel`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cancel {
    /// Which, by the first digits of its id.
    pub mailing: String,
    /// Why.
    pub reason: Option<String>,
}
ask!(Cancel, "mailing cancel", Needs::Staff, answer MailingReport);
