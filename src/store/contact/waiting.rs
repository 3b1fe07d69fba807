//! The mail of strangers that waits: whose it is, and whether its author's domain vouches for it.

use std::collections::HashMap;

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
/// At more rows of an address nobody looks in one transaction: what only claims to be theirs must not keep the writer busy.
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

    /// Whether as much of its author waits as may, with what was let wait before in its group. Only mail that proves itself
    /// counts, and is counted: what others write in somebody's name keeps nobody out.
    pub(in crate::store) async fn has_much(
        &self,
        so_far: &mut AuthorsMail,
        tx: &mut Tx<'_>,
    ) -> Result<bool, StoreError> {
        let Some(author) = self.author.first().filter(|_| self.proven) else {
            return Ok(false);
        };
        let mail = match so_far.0.get(author) {
            Some(known) => *known,
            // One look for all that they have in this group.
            None => self.mail_that_waits(tx).await?,
        };
        so_far.0.insert(*author, mail);
        Ok(mail.is_much())
    }

    async fn mail_that_waits(&self, tx: &mut Tx<'_>) -> Result<Proven, StoreError> {
        let mut mail = Proven::default();
        for index in &self.author {
            let mut looked_at = 0;
            let mut rows = sqlx::query(WAITING)
                .bind(index.as_bytes().as_slice())
                .bind(START.as_bytes().as_slice())
                .fetch(&mut *tx.connection);
            while looked_at < LOOK_AT
                && !mail.is_much()
                && let Some(row) = rows.try_next().await?
            {
                looked_at += 1;
                // A row that doesn't open is named where it matters.
                if let Ok(record) = open_waiting(tx.vault, &row)
                    && record.proven
                {
                    mail.count(record.size);
                }
            }
        }
        Ok(mail)
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

/// How much of an author waits that proves itself.
#[derive(Clone, Copy, Default)]
struct Proven {
    mails: usize,
    bytes: u64,
}

impl Proven {
    fn count(&mut self, size: u64) {
        self.mails += 1;
        self.bytes = self.bytes.saturating_add(size);
    }

    fn is_much(self) -> bool {
        self.mails >= MOST_MAILS || self.bytes >= MOST_BYTES
    }
}

/// How much waits of the authors of a group, with what was decided of the group itself: that is not written yet.
#[derive(Default)]
pub(in crate::store) struct AuthorsMail(HashMap<Index, Proven>);

impl AuthorsMail {
    /// Another mail is going to wait.
    pub(in crate::store) fn count(&mut self, stranger: &Stranger, size: u64) {
        // Only of those who prove themselves it was looked at.
        let known = stranger.author.first().and_then(|one| self.0.get_mut(one));
        if let Some(known) = known.filter(|_| stranger.proven) {
            known.count(size);
        }
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
        let row = sqlx::query(
            "SELECT message_id, address_index, sealed FROM waiting WHERE message_id = $1",
        )
        .bind(message.as_bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
        let Some(row) = row else { continue };
        // Who has the file and no key makes nobody else a contact by it.
        if let Err(error) = open_waiting(tx.vault, &row) {
            tracing::error!(%error, table = "waiting", "left out a row");
            continue;
        }
        let author = index_of(row.try_get(1)?, "waiting")?;
        if !authors.contains(&author) {
            authors.push(author);
        }
    }
    Ok(authors)
}

/// All messages of an address that wait.
pub(super) async fn all_waiting(
    address: &[Index],
    tx: &mut Tx<'_>,
) -> Result<Vec<MessageId>, StoreError> {
    let mut messages = Vec::new();
    for index in address {
        let rows = sqlx::query("SELECT message_id FROM waiting WHERE address_index = $1")
            .bind(index.as_bytes().as_slice())
            .fetch_all(&mut *tx.connection)
            .await?;
        for row in &rows {
            messages.push(message::id_in(row, 0)?);
        }
    }
    Ok(messages)
}

/// A piece of an address's mail that waits and proves itself.
pub(super) struct Piece {
    /// The messages, in order.
    pub(super) messages: Vec<MessageId>,
    /// Up to which message it was gone over, if there may be more.
    pub(super) until: Option<MessageId>,
}

/// The messages of an address that wait behind this one and prove themselves: so many at most, and what one look finds.
/// Others can leave any number in somebody's name that don't.
pub(super) async fn proven_of(
    address: &[Index],
    behind: MessageId,
    most: usize,
    tx: &mut Tx<'_>,
) -> Result<Piece, StoreError> {
    let (mut messages, mut until) = (Vec::new(), None::<MessageId>);
    for index in address {
        let (mut found, mut looked_at) = (0, 0);
        let mut rows = sqlx::query(WAITING)
            .bind(index.as_bytes().as_slice())
            .bind(behind.as_bytes().as_slice())
            .fetch(&mut *tx.connection);
        while let Some(row) = rows.try_next().await? {
            let message = message::id_in(&row, 0)?;
            looked_at += 1;
            if is_proven(tx.vault, &row) {
                found += 1;
                messages.push(message);
            }
            if found == most || looked_at == LOOK_AT {
                until = Some(until.map_or(message, |until| until.min(message)));
                break;
            }
        }
    }
    messages.sort_unstable();
    // Behind the first stop of several indexes not all is known.
    messages.retain(|message| until.is_none_or(|until| *message <= until));
    if messages.len() > most {
        messages.truncate(most);
        until = messages.last().copied();
    }
    Ok(Piece { messages, until })
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
