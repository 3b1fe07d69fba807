//! The mail of strangers that waits: whose it is, and whether its author's domain vouches for it.

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::is_met;
use crate::id::{ID_LEN, MessageId};
use crate::store::intake::Intake;
use crate::store::mailbox::{DeliverTo, Delivery, FolderName, SpecialUse};
use crate::store::record::{self, Record};
use crate::store::writer::Tx;
use crate::store::{StoreError, index_of, message};
use crate::vault::{Clear, Index, Purpose, Vault};

/// The mail of an address that waits, behind a message.
pub(super) const WAITING: &str = "SELECT message_id, address_index, sealed FROM waiting
    WHERE address_index = $1 AND message_id > $2 ORDER BY message_id";
/// Before all messages.
pub(super) const START: MessageId = MessageId::from_bytes([0; ID_LEN]);

/// So much of one author may wait, in all mailboxes together; more is put off until they are known or some of it is gone.
const MOST_MAILS: usize = 50;
const MOST_BYTES: u64 = 20 << 20;
/// At more rows of an address nobody looks to know that: what only claims to be theirs counts for nothing, and must not
/// keep the writer busy.
const LOOK_AT: usize = 1000;

/// What is known of a mail that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRecord {
    /// Its author's domain vouches for this very mail.
    pub proven: bool,
    /// Its length in bytes.
    #[serde(default)]
    pub size: u64,
}

impl Record for WaitingRecord {
    const TABLE: &'static str = "waiting";
    const PURPOSE: Purpose = Purpose::Mailbox;
}

/// A stranger's mail: it goes to INBOX if its author is a contact and it proves itself, otherwise it waits.
pub struct Stranger {
    /// The keyed hashes of its author, as of [`contact_indexes`]; empty if nobody can say who that is.
    pub author: Vec<Index>,
    /// Its author's domain vouches for this very mail.
    pub proven: bool,
    /// What is left for the worker if it waits.
    pub ask: Option<Intake>,
}

impl Stranger {
    /// Whether the mail waits.
    pub(in crate::store) async fn waits(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        Ok(!(self.proven && is_met(&self.author, tx).await?))
    }

    /// Whether as much of its author waits as may. Only mail that proves itself counts, and is counted: what others write in
    /// somebody's name keeps nobody out.
    pub(in crate::store) async fn has_much(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        if !self.proven {
            return Ok(false);
        }
        let (mut mails, mut bytes) = (0, 0_u64);
        for index in &self.author {
            let mut looked_at = 0;
            let mut rows = sqlx::query(WAITING)
                .bind(index.as_bytes().as_slice())
                .bind(START.as_bytes().as_slice())
                .fetch(&mut *tx.connection);
            while looked_at < LOOK_AT
                && let Some(row) = rows.try_next().await?
            {
                looked_at += 1;
                // A row that doesn't open is named where it matters.
                let Ok(record) = open_waiting(tx.vault, &row) else {
                    continue;
                };
                if record.proven {
                    mails += 1;
                    bytes = bytes.saturating_add(record.size);
                }
                if mails >= MOST_MAILS || bytes >= MOST_BYTES {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Writes down whose the mail is that waits, and what is to be asked.
    pub(in crate::store) async fn wait(
        &self,
        message: MessageId,
        size: u64,
        tx: &mut Tx<'_>,
    ) -> Result<(), StoreError> {
        if let Some(author) = self.author.first() {
            let clear = [Clear::Bytes(author.as_bytes())];
            let record = WaitingRecord {
                proven: self.proven,
                size,
            };
            let sealed = record::seal(tx.vault, message.as_bytes(), &clear, &record);
            sqlx::query(
                "INSERT INTO waiting (message_id, address_index, sealed) VALUES ($1, $2, $3)",
            )
            .bind(message.as_bytes().as_slice())
            .bind(author.as_bytes().as_slice())
            .bind(sealed)
            .execute(&mut *tx.connection)
            .await?;
        }
        if let Some(ask) = &self.ask {
            ask.put(tx).await?;
        }
        Ok(())
    }
}

/// The same delivery, for the folder where strangers' mail waits.
pub(in crate::store) fn to_wait(delivery: &Delivery) -> Delivery {
    let to = match &delivery.to {
        DeliverTo::Named(mailbox, name) if *name == FolderName::from(SpecialUse::Inbox) => {
            DeliverTo::Named(*mailbox, SpecialUse::Unconfirmed.into())
        }
        to => to.clone(),
    };
    Delivery {
        to,
        ..delivery.clone()
    }
}

/// Nobody is asked about this message any more.
pub(in crate::store) async fn no_longer_waits(
    message: MessageId,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM waiting WHERE message_id = $1")
        .bind(message.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// Whose these messages are, as far as they wait.
pub(in crate::store) async fn authors_of(
    messages: &[MessageId],
    tx: &mut Tx<'_>,
) -> Result<Vec<Index>, StoreError> {
    let mut authors = Vec::new();
    for message in messages {
        let row = sqlx::query("SELECT address_index FROM waiting WHERE message_id = $1")
            .bind(message.as_bytes().as_slice())
            .fetch_optional(&mut *tx.connection)
            .await?;
        if let Some(row) = row {
            let author = index_of(row.try_get(0)?, "waiting")?;
            if !authors.contains(&author) {
                authors.push(author);
            }
        }
    }
    Ok(authors)
}

/// Which of the mails that wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All of them.
    All,
    /// Those for which their author's domain vouches.
    Proven,
}

/// The messages of an address that wait, so many of them behind this one, in order.
pub(super) async fn waiting_of(
    address: &[Index],
    which: Which,
    behind: MessageId,
    most: usize,
    tx: &mut Tx<'_>,
) -> Result<Vec<MessageId>, StoreError> {
    let mut messages = Vec::new();
    for index in address {
        let mut found = 0;
        let mut rows = sqlx::query(WAITING)
            .bind(index.as_bytes().as_slice())
            .bind(behind.as_bytes().as_slice())
            .fetch(&mut *tx.connection);
        while found < most
            && let Some(row) = rows.try_next().await?
        {
            let fits = match which {
                Which::All => true,
                Which::Proven => is_proven(tx.vault, &row),
            };
            if fits {
                found += 1;
                messages.push(message::id_in(&row, 0)?);
            }
        }
    }
    messages.sort_unstable();
    messages.truncate(most);
    Ok(messages)
}

pub(super) fn is_proven(vault: &Vault, row: &SqliteRow) -> bool {
    match open_waiting(vault, row) {
        Ok(record) => record.proven,
        Err(error) => {
            tracing::error!(%error, table = "waiting", "left out a row");
            false
        }
    }
}

/// Opens a row of: message_id, address_index, sealed.
pub(in crate::store) fn open_waiting(
    vault: &Vault,
    row: &SqliteRow,
) -> Result<WaitingRecord, StoreError> {
    let clear = [Clear::Bytes(row.try_get(1)?)];
    record::open(vault, row.try_get(0)?, &clear, row.try_get(2)?)
}
