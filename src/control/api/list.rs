//! Lists.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Count, ask};
use crate::control::{Needs, Nothing};

/// `list show`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Show {
    /// Only this list; none is all.
    pub list: Option<String>,
}
ask!(Show, "list show", Needs::Staff, rows ListReport, answer Nothing);

/// A list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReport {
    /// Its key in the configuration.
    pub list: String,
    /// What people see it called.
    pub title: String,
    /// What is sent.
    pub purpose: String,
    /// Where staff send.
    pub address: String,
    /// Whom its mail is from.
    pub from: String,
    /// Whether people can sign up.
    pub open: bool,
    /// Who approves: `self` or `second-person`.
    pub approval: String,
    /// Whether a mailing may go to one constituency.
    pub by_constituency: bool,
    /// How many are subscribed.
    pub subscribed: Count,
    /// When that was counted, for who isn't an admin and isn't shown what changes by the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_at: Option<Timestamp>,
}
