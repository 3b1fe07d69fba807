//! What the consent log says (law B6): who consented, when, how, to what words, and when they stopped. An event names the
//! person by a keyed hash; it holds no address, no constituency, no IP.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ConsentError;
use crate::audit::{LogKind, canonical};
use crate::store::{Channel, NewEvent, Step, SuppressionReason};
use crate::vault::Index;

/// How somebody withdrew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithdrawalChannel {
    /// The button on the page behind a mail's link.
    Page,
    /// The mail program's button (RFC 8058).
    OneClick,
    /// A mail to `u+TOKEN@`.
    Mail,
    /// A reply to one of our mails.
    Reply,
    /// A staff member, for somebody who wrote or rang.
    Staff,
    /// A suppression file that came with an import.
    Import,
}

/// An event of the consent log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum ConsentEvent {
    /// The owner of an address said yes and confirmed it.
    Confirmed(ConfirmedEvent),
    /// The owner of an address withdrew from a list.
    Withdrawn {
        /// The keyed hash of the address.
        subject: Index,
        /// The list's key.
        list: String,
        /// How.
        channel: WithdrawalChannel,
        /// Whether from this list, from all, or for ever.
        reason: SuppressionReason,
        /// When.
        at: Timestamp,
    },
    /// Everything about the person was erased but for this tombstone (law 3.2).
    Erased(Tombstone),
}

/// A consent (law B6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmedEvent {
    /// The keyed hash of the address.
    pub subject: Index,
    /// The list's key.
    pub list: String,
    /// Where the consent was given.
    pub channel: Channel,
    /// The SHA-256 of the statement that stood beside the box.
    pub wording: String,
    /// Its language.
    pub language: String,
    /// The SHA-256 of the privacy notice in force.
    pub notice: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When the button in the challenge's page was pressed.
    pub confirmed_at: Timestamp,
    /// The hash of the token whose link only the owner of the address got.
    pub token: String,
    /// The age that the person stated to have reached.
    pub stated_age: Option<u8>,
    /// The batch of an import or of paper cards.
    pub batch: Option<String>,
    /// Who entered it, for what was not typed by the person.
    pub entered_by: Option<String>,
}

/// What stays of a person's evidence after erasure: that there was consent, to what words, and when; no channel, age,
/// batch or token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The keyed hash of the address.
    pub subject: Index,
    /// The keyed hashes by older keys under which events were erased as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formerly: Vec<Index>,
    /// When the rest was erased.
    pub at: Timestamp,
    /// Consents that were given.
    pub consents: Vec<PastConsent>,
    /// Withdrawals.
    pub withdrawals: Vec<PastWithdrawal>,
}

/// A consent in a tombstone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastConsent {
    /// The list's key.
    pub list: String,
    /// The SHA-256 of the statement.
    pub wording: String,
    /// The SHA-256 of the privacy notice.
    pub notice: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it was confirmed.
    pub confirmed_at: Timestamp,
}

/// A withdrawal in a tombstone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastWithdrawal {
    /// The list's key.
    pub list: String,
    /// When.
    pub at: Timestamp,
}

impl Tombstone {
    /// What stays of these events.
    pub(super) fn of(subject: Index, at: Timestamp, events: &[ConsentEvent]) -> Self {
        let mut tombstone = Self {
            subject,
            formerly: Vec::new(),
            at,
            consents: Vec::new(),
            withdrawals: Vec::new(),
        };
        for event in events {
            match event {
                ConsentEvent::Confirmed(one) => tombstone.consents.push(PastConsent {
                    list: one.list.clone(),
                    wording: one.wording.clone(),
                    notice: one.notice.clone(),
                    asked_at: one.asked_at,
                    confirmed_at: one.confirmed_at,
                }),
                ConsentEvent::Withdrawn { list, at, .. } => {
                    tombstone.withdrawals.push(PastWithdrawal {
                        list: list.clone(),
                        at: *at,
                    });
                }
                ConsentEvent::Erased(older) => {
                    tombstone.consents.extend(older.consents.iter().cloned());
                    tombstone
                        .withdrawals
                        .extend(older.withdrawals.iter().cloned());
                }
            }
        }
        tombstone
    }
}

impl ConsentEvent {
    /// Whom it is about.
    pub fn subject(&self) -> Index {
        match self {
            Self::Confirmed(event) => event.subject,
            Self::Withdrawn { subject, .. } => *subject,
            Self::Erased(tombstone) => tombstone.subject,
        }
    }

    /// Reads an event from its canonical bytes.
    pub fn from_canonical(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The wordings that it names.
    pub fn wordings(&self) -> Vec<&str> {
        match self {
            Self::Confirmed(event) => vec![&event.wording, &event.notice],
            Self::Withdrawn { .. } => Vec::new(),
            Self::Erased(tombstone) => {
                let consents = tombstone.consents.iter();
                consents
                    .flat_map(|one| [one.wording.as_str(), one.notice.as_str()])
                    .collect()
            }
        }
    }

    /// The step that appends it.
    pub(super) fn append(&self) -> Result<Step, ConsentError> {
        Ok(Step::Append(NewEvent {
            log: LogKind::Consent,
            subject: Some(self.subject()),
            event: canonical(self)?,
        }))
    }
}

#[cfg(test)]
mod tests;
