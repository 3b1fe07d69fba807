//! Mail that waits to go out: one row for each outside recipient of a staff mail or of our own service mail. Copies of
//! mailings don't stand here; they are made when they are sent (see the ledger).

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::record::{self, Record};
use super::writer::Tx;
use super::{Page, Store, StoreError, message};
use crate::address::EmailAddress;
use crate::id::{MessageId, QueueId, StaffId};
use crate::vault::{Clear, Purpose, Vault};

/// Whose mail it is: who hears about it if it can't be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "class")]
pub enum MailClass {
    /// A staff member's mail: they get a DSN.
    Staff {
        /// Whose.
        sender: StaffId,
    },
    /// Our own service mail (a challenge, a welcome): nobody is told, the outcome is counted.
    Service {
        /// What kind, for the counts.
        kind: String,
    },
}

/// What a mail's sender asks of the connections that it goes over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsWish {
    /// What the recipient's domain asks for.
    #[default]
    Usual,
    /// Servers that prove who they are, and pass this on (REQUIRETLS, RFC 8689).
    Required,
    /// Encrypted, and the recipient domain's own wishes don't matter (`TLS-Required: No`, RFC 8689 §5).
    Relaxed,
    /// As relaxed as that, and no report tells of it: a report on TLS itself, which has to get there although TLS fails
    /// (RFC 8460 §3).
    Report,
}

impl TlsWish {
    /// Encryption is enough, whatever the recipient's domain asks for.
    pub const fn is_relaxed(self) -> bool {
        matches!(self, Self::Relaxed | Self::Report)
    }
}

/// Of which outcomes a mail's sender wants to hear (RFC 3461 §4.1). None of them is `NEVER`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyOn {
    /// It was delivered, or went on to where nobody tells.
    pub success: bool,
    /// It could not be delivered.
    pub failure: bool,
    /// It is late.
    pub delay: bool,
}

/// What a mail's sender wants to be told of one recipient, and how (RFC 3461).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DsnWish {
    /// `NOTIFY`; where nothing was said, failures and delays are told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifyOn>,
    /// `ORCPT`, decoded: `type;address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_recipient: Option<String>,
    /// `RET`: the whole mail or its header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<bool>,
    /// `ENVID`, decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<String>,
}

impl DsnWish {
    /// Nothing was asked for.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether to tell that it was delivered: only who asks for it.
    pub fn success(&self) -> bool {
        self.notify.is_some_and(|notify| notify.success)
    }

    /// Whether to tell that it could not be delivered.
    pub fn failure(&self) -> bool {
        self.notify.is_none_or(|notify| notify.failure)
    }

    /// Whether to tell that it's late.
    pub fn delay(&self) -> bool {
        self.notify.is_none_or(|notify| notify.delay)
    }
}

/// Names nobody.
impl std::fmt::Debug for DsnWish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DsnWish({:?}, {:?})", self.notify, self.whole)
    }
}

/// What a queued mail's row holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRecord {
    /// Whose mail.
    pub class: MailClass,
    /// The reverse-path; none for the null path.
    pub reverse_path: Option<String>,
    /// The recipient.
    pub recipient: EmailAddress,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// How many attempts were begun. An attempt is counted before dialling, so that a crash backs off.
    pub attempts: u32,
    /// Why the last attempt failed: the far end's code and our reading of it, no addresses.
    pub last_failure: Option<String>,
    /// Whether the sender was told that it is late.
    pub delay_told: bool,
    /// Whether the body needs SMTPUTF8 or 8BITMIME at the far end.
    pub needs: Needs,
    /// Header fields that go before the stored message: its DKIM signatures, once they were made.
    #[serde(default)]
    pub prefix: Option<String>,
    /// What its sender asks of the connections.
    #[serde(default)]
    pub tls: TlsWish,
    /// What its sender wants to be told.
    #[serde(default, skip_serializing_if = "DsnWish::is_usual")]
    pub dsn: DsnWish,
}

/// Which SMTP extensions a message can't go without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Addresses or headers in UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// Bytes above 127 in the body (RFC 6152).
    pub eight_bit: bool,
}

impl std::fmt::Debug for QueueRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "QueueRecord({:?}, {} attempts)",
            self.class, self.attempts
        )
    }
}

impl Record for QueueRecord {
    const TABLE: &'static str = "queue";
    const PURPOSE: Purpose = Purpose::Queue;
}

/// A queued mail.
#[derive(Debug, Clone)]
pub struct Queued {
    /// The row.
    pub id: QueueId,
    /// Its message.
    pub message: MessageId,
    /// Not to be attempted before.
    pub due_at: Timestamp,
    /// What the row holds.
    pub record: QueueRecord,
}

impl Queued {
    /// A new row for this message, due at once.
    pub fn new(message: MessageId, record: QueueRecord) -> Self {
        Self {
            id: QueueId::random(),
            message,
            due_at: record.queued_at,
            record,
        }
    }

    /// Writes the row, or its new state.
    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let due_at = self.due_at.as_millisecond();
        let clear = [Clear::Bytes(self.message.as_bytes()), Clear::Int(due_at)];
        let sealed = record::seal(tx.vault, self.id.as_bytes(), &clear, &self.record);
        sqlx::query(
            "INSERT INTO queue (id, message_id, due_at, sealed) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, sealed = excluded.sealed",
        )
        .bind(self.id.as_bytes().as_slice())
        .bind(self.message.as_bytes().as_slice())
        .bind(due_at)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }

    fn from_row(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let id = super::id_of(row.try_get(0)?, QueueId::from_slice, "queue")?;
        let message = super::id_of(row.try_get(1)?, MessageId::from_slice, "queue")?;
        let due_at: i64 = row.try_get(2)?;
        let clear = [Clear::Bytes(message.as_bytes()), Clear::Int(due_at)];
        let record = record::open(vault, id.as_bytes(), &clear, row.try_get(3)?)?;
        Ok(Self {
            id,
            message,
            due_at: super::time_of(due_at, "queue")?,
            record,
        })
    }
}

/// Removes a row that is done with, and its message once nothing else refers to it.
pub(super) async fn remove(id: QueueId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let row = sqlx::query("DELETE FROM queue WHERE id = $1 RETURNING message_id")
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
    if let Some(row) = row {
        let message = super::id_of(row.try_get(0)?, MessageId::from_slice, "queue")?;
        message::let_go(message, tx).await?;
    }
    Ok(())
}

impl Store {
    /// The mail that is due, the longest due first, at most `limit` rows. Rows that don't open are passed over and don't
    /// count: they must not keep everybody else's mail from going out (`store verify` names them).
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn due_mail(&self, now: Timestamp, limit: u32) -> Result<Vec<Queued>, StoreError> {
        let mut rows = sqlx::query(
            "SELECT id, message_id, due_at, sealed FROM queue WHERE due_at <= $1 ORDER BY due_at",
        )
        .bind(now.as_millisecond())
        .fetch(&self.readers);
        let mut due = Vec::new();
        while due.len() < limit as usize {
            let Some(row) = rows.try_next().await? else {
                break;
            };
            match Queued::from_row(&self.vault, &row) {
                Ok(row) => due.push(row),
                Err(error) => tracing::error!(%error, table = "queue", "passed over a row"),
            }
        }
        Ok(due)
    }

    /// When the next mail is due.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn next_mail(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT MIN(due_at) FROM queue")
            .fetch_one(&self.readers)
            .await?;
        let due_at: Option<i64> = row.try_get(0)?;
        due_at
            .map(|due_at| super::time_of(due_at, "queue"))
            .transpose()
    }

    /// How many mails are queued.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn count_queue(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM queue")
            .fetch_one(&self.readers)
            .await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }

    /// One queued mail.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn queued(&self, id: QueueId) -> Result<Option<Queued>, StoreError> {
        let row = sqlx::query("SELECT id, message_id, due_at, sealed FROM queue WHERE id = $1")
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Queued::from_row(&self.vault, &row))
            .transpose()
    }

    /// A page of the queue in the order of its ids, after the id given.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read. A row that does not open is left out.
    pub async fn queue_page(
        &self,
        after: Option<QueueId>,
        limit: u32,
    ) -> Result<Page<Queued, QueueId>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, message_id, due_at, sealed FROM queue WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after.as_ref().map_or(&[][..], |id| id.as_bytes()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        Page::of(&rows, limit, "queue", QueueId::from_slice, |row| {
            Queued::from_row(&self.vault, row)
        })
    }
}
