//! Mailings: one row for each message that staff sent to a list. The prepared segments are the body of its message.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::record::{self, Record};
use super::writer::Tx;
use super::{Page, Store, StoreError};
use crate::id::{MailingId, MessageId, StaffId, SubscriberId};
use crate::vault::{Clear, Purpose, Vault};

/// Where a mailing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailingState {
    /// It waits for its approval.
    Held,
    /// It is being expanded and sent.
    Sending,
    /// Somebody stopped it for a while.
    Paused,
    /// Somebody ended it; what was not sent is not sent.
    Cancelled,
    /// Every copy has its outcome.
    Done,
}

/// Somebody said that it may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: StaffId,
    /// When.
    pub at: Timestamp,
}

/// A link by which one approver may decide, once. The token itself stands nowhere but in that approver's mail.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalLink {
    /// Whose link.
    pub staff: StaffId,
    /// SHA-256, in hexadecimal, over the token's hash and the mailing's digest.
    pub bound: String,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// How many copies had which outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailingCounts {
    /// Handed over.
    pub sent: u64,
    /// Refused for good.
    pub failed: u64,
    /// Not sent because the person withdrew meanwhile.
    pub withdrawn: u64,
    /// Not sent because the mailing was cancelled.
    pub cancelled: u64,
    /// Copies of which something came back to the return path.
    #[serde(default)]
    pub bounced: u64,
    /// Those refused for good, by cause.
    #[serde(default)]
    pub causes: BTreeMap<String, u64>,
}

/// Why the service itself stopped a mailing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// Its list was taken out of the configuration: it's paused.
    ListGone,
    /// Nobody approved it in time: it's cancelled, and its text is no longer kept.
    HeldTooLong,
}

/// What a mailing's row holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailingRecord {
    /// The list's key in the configuration.
    pub list: String,
    /// Who wrote it.
    pub sender: StaffId,
    /// Its subject, for the staff's own listings.
    pub subject: String,
    /// Only these constituencies; none means the whole list.
    pub constituencies: Option<Vec<String>>,
    /// SHA-256, in hexadecimal, of the prepared bytes: what an approval is bound to.
    pub digest: String,
    /// Where it stands.
    pub state: MailingState,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Whether somebody else than the sender had to approve it when it was submitted.
    pub second_person: bool,
    /// Who approved it.
    pub approvals: Vec<Approval>,
    /// The links that approvers were sent and that nobody used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<ApprovalLink>,
    /// How many the audience was when it was submitted, and then when it was released.
    pub expected: u64,
    /// The same by the count of that morning: what who isn't an admin is shown.
    #[serde(default)]
    pub morning: u64,
    /// When it was released. Its audience is the subscriptions confirmed before.
    pub released_at: Option<Timestamp>,
    /// How far the audience was expanded: the last subscriber looked at.
    pub expanded_to: Option<SubscriberId>,
    /// Whether every subscriber was looked at.
    pub expanded: bool,
    /// When the last copy had its outcome, or when it was cancelled.
    pub ended_at: Option<Timestamp>,
    /// The outcomes, once it ended.
    pub counts: Option<MailingCounts>,
    /// Why the service itself stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// When its ledger rows were folded into the counts.
    pub folded_at: Option<Timestamp>,
}

impl std::fmt::Debug for MailingRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MailingRecord({:?})", self.state)
    }
}

impl Record for MailingRecord {
    const TABLE: &'static str = "mailing";
    const PURPOSE: Purpose = Purpose::Mailing;
}

/// A mailing's row.
#[derive(Debug, Clone)]
pub struct Mailing {
    /// The row.
    pub id: MailingId,
    /// The prepared message.
    pub message: MessageId,
    /// Counts the changes of this row; 0 for a row that is not yet stored.
    pub version: i64,
    /// What the row holds.
    pub record: MailingRecord,
}

impl Mailing {
    /// Writes the row as its next version.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let version = self.version + 1;
        let clear = [Clear::Bytes(self.message.as_bytes()), Clear::Int(version)];
        let sealed = record::seal(tx.vault, self.id.as_bytes(), &clear, &self.record);
        sqlx::query(
            "INSERT INTO mailing (id, message_id, version, sealed) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET message_id = excluded.message_id, version = excluded.version,
                sealed = excluded.sealed",
        )
        .bind(self.id.as_bytes().as_slice())
        .bind(self.message.as_bytes().as_slice())
        .bind(version)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }

    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let id = super::id_of(row.try_get(0)?, MailingId::from_slice, "mailing")?;
        let message = super::id_of(row.try_get(1)?, MessageId::from_slice, "mailing")?;
        let version: i64 = row.try_get(2)?;
        let clear = [Clear::Bytes(message.as_bytes()), Clear::Int(version)];
        let record = record::open(vault, id.as_bytes(), &clear, row.try_get(3)?)?;
        Ok(Self {
            id,
            message,
            version,
            record,
        })
    }
}

impl Store {
    /// One mailing.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn mailing(&self, id: MailingId) -> Result<Option<Mailing>, StoreError> {
        let row = sqlx::query("SELECT id, message_id, version, sealed FROM mailing WHERE id = $1")
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Mailing::from_row(&self.vault, &row))
            .transpose()
    }

    /// All mailings, in no order. A party has a few hundred in all its life. A row that does not open is left out.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn mailings(&self) -> Result<Vec<Mailing>, StoreError> {
        let rows = sqlx::query("SELECT id, message_id, version, sealed FROM mailing")
            .fetch_all(&self.readers)
            .await?;
        let opened = Page::of(&rows, u32::MAX, "mailing", MailingId::from_slice, |row| {
            Mailing::from_row(&self.vault, row)
        })?;
        Ok(opened.rows)
    }
}
