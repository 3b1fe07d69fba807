//! First contact: who is known to have written themselves, which mail of strangers waits, and who was asked "was it you?".
//! All of it stands under keyed hashes; no address is kept.
//!
//! Where a stranger's mail goes is decided in the transaction that takes it: no door looks anybody up, and no answer to a
//! question comes between the look and the commit.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::intake::Intake;
use super::mailbox::{self, DeliverTo, Delivery, FolderName, SpecialUse};
use super::message;
use super::record::{self, Record};
use super::writer::Tx;
use super::{Store, StoreError};
use crate::address::EmailAddress;
use crate::id::MessageId;
use crate::vault::{Clear, Index, IndexColumn, Purpose, TokenHash, Vault};

/// What a contact's row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRecord {
    /// Since when.
    pub met_at: Timestamp,
}

impl Record for ContactRecord {
    const TABLE: &'static str = "contact";
    const PURPOSE: Purpose = Purpose::Challenge;
}

/// What is known of a mail that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRecord {
    /// Its author's domain vouches for this very mail.
    pub proven: bool,
}

impl Record for WaitingRecord {
    const TABLE: &'static str = "waiting";
    const PURPOSE: Purpose = Purpose::Mailbox;
}

/// What came of a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionRecord {
    /// When its button was pressed.
    pub answered_at: Option<Timestamp>,
}

impl Record for QuestionRecord {
    const TABLE: &'static str = "question";
    const PURPOSE: Purpose = Purpose::Challenge;
}

/// A stranger was asked whether they wrote.
#[derive(Debug, Clone)]
pub struct Question {
    /// The hash of the token in the link.
    pub token: TokenHash,
    /// The keyed hash of the address.
    pub address: Index,
    /// The same of the address without its tag.
    pub pace: Index,
    /// When.
    pub asked_at: Timestamp,
    /// What came of it.
    pub record: QuestionRecord,
}

impl Question {
    fn clear(&self) -> [Clear<'_>; 3] {
        [
            Clear::Bytes(self.address.as_bytes()),
            Clear::Bytes(self.pace.as_bytes()),
            Clear::Int(self.asked_at.as_millisecond()),
        ]
    }

    pub(super) async fn put(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let clear = self.clear();
        let sealed = record::seal(tx.vault, self.token.as_bytes(), &clear, &self.record);
        sqlx::query(
            "INSERT INTO question (token_hash, address_index, pace_index, asked_at, sealed)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (token_hash) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(self.token.as_bytes().as_slice())
        .bind(self.address.as_bytes().as_slice())
        .bind(self.pace.as_bytes().as_slice())
        .bind(self.asked_at.as_millisecond())
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
        Ok(())
    }

    /// Opens a row of: token_hash, address_index, pace_index, asked_at, sealed.
    pub(super) fn open(vault: &Vault, row: &SqliteRow) -> Result<Self, StoreError> {
        let broken = StoreError::Record { table: "question" };
        let mut question = Self {
            token: TokenHash::from_slice(row.try_get(0)?).ok_or(broken)?,
            address: super::index_of(row.try_get(1)?, "question")?,
            pace: super::index_of(row.try_get(2)?, "question")?,
            asked_at: super::time_of(row.try_get(3)?, "question")?,
            record: QuestionRecord::default(),
        };
        let (token, clear) = (question.token, question.clear());
        let record = record::open(vault, token.as_bytes(), &clear, row.try_get(4)?)?;
        question.record = record;
        Ok(question)
    }
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
    /// Decides where a mail goes. If it waits, its place is written down and these deliveries are to be made instead.
    pub(super) async fn receive(
        &self,
        message: MessageId,
        deliveries: &[Delivery],
        tx: &mut Tx<'_>,
    ) -> Result<Option<Vec<Delivery>>, StoreError> {
        if self.proven && is_met(&self.author, tx).await? {
            return Ok(None);
        }
        if let Some(author) = self.author.first() {
            let clear = [Clear::Bytes(author.as_bytes())];
            let record = WaitingRecord {
                proven: self.proven,
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
        Ok(Some(deliveries.iter().map(to_wait).collect()))
    }
}

/// The same delivery, for the folder where strangers' mail waits.
fn to_wait(delivery: &Delivery) -> Delivery {
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

/// The keyed hashes under which an address may stand, the newest first.
pub fn contact_indexes(vault: &Vault, address: &EmailAddress) -> Vec<Index> {
    let form = address.match_form();
    vault.index_all(IndexColumn::ContactAddress, form.as_bytes())
}

/// The same for how often somebody is asked: whatever the tag of their address.
pub fn contact_pace_indexes(vault: &Vault, address: &EmailAddress) -> Vec<Index> {
    let form = address.match_form().without_tag();
    vault.index_all(IndexColumn::ContactAddress, form.as_bytes())
}

async fn is_met(address: &[Index], tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    for index in address {
        let row = sqlx::query("SELECT 1 FROM contact WHERE address_index = $1")
            .bind(index.as_bytes().as_slice())
            .fetch_optional(&mut *tx.connection)
            .await?;
        if row.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes an address a contact.
pub(super) async fn meet(
    address: &[Index],
    at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let Some(newest) = address.first() else {
        return Ok(());
    };
    if is_met(address, tx).await? {
        return Ok(());
    }
    let record = ContactRecord { met_at: at };
    let sealed = record::seal(tx.vault, newest.as_bytes(), &[], &record);
    sqlx::query("INSERT INTO contact (address_index, sealed) VALUES ($1, $2)")
        .bind(newest.as_bytes().as_slice())
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// Makes an address a contact, and brings what waits of it and proves itself into the inboxes.
pub(super) async fn meet_and_release(
    address: &[Index],
    at: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    meet(address, at, tx).await?;
    let messages = waiting_of(address, Which::Proven, tx).await?;
    mailbox::release(&messages, at, tx).await
}

/// Forgets that an address is a contact, and that it was asked.
pub(super) async fn forget(address: &[Index], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for index in address {
        for statement in [
            "DELETE FROM contact WHERE address_index = $1",
            "DELETE FROM question WHERE address_index = $1",
        ] {
            sqlx::query(statement)
                .bind(index.as_bytes().as_slice())
                .execute(&mut *tx.connection)
                .await?;
        }
    }
    Ok(())
}

/// Erases what waits of an address.
pub(super) async fn erase_waiting(address: &[Index], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let messages = waiting_of(address, Which::All, tx).await?;
    mailbox::discard_waiting(&messages, tx).await?;
    for message in messages {
        no_longer_waits(message, tx).await?;
    }
    Ok(())
}

/// Forgets questions of before.
pub(super) async fn forget_old(before: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM question WHERE asked_at <= $1")
        .bind(before.as_millisecond())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// Nobody is asked about this message any more.
pub(super) async fn no_longer_waits(message: MessageId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM waiting WHERE message_id = $1")
        .bind(message.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// Whose these messages are, as far as they wait.
pub(super) async fn authors_of(
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
            let author = super::index_of(row.try_get(0)?, "waiting")?;
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

/// The messages of an address that wait.
pub(super) async fn waiting_of(
    address: &[Index],
    which: Which,
    tx: &mut Tx<'_>,
) -> Result<Vec<MessageId>, StoreError> {
    let mut messages = Vec::new();
    for index in address {
        let rows = sqlx::query(
            "SELECT message_id, address_index, sealed FROM waiting WHERE address_index = $1",
        )
        .bind(index.as_bytes().as_slice())
        .fetch_all(&mut *tx.connection)
        .await?;
        for row in &rows {
            let fits = match which {
                Which::All => true,
                Which::Proven => match open_waiting(tx.vault, row) {
                    Ok(record) => record.proven,
                    Err(error) => {
                        tracing::error!(%error, table = "waiting", "left out a row");
                        false
                    }
                },
            };
            if fits {
                messages.push(message::id_in(row, 0)?);
            }
        }
    }
    Ok(messages)
}

/// Opens a row of: message_id, address_index, sealed.
pub(super) fn open_waiting(vault: &Vault, row: &SqliteRow) -> Result<WaitingRecord, StoreError> {
    let clear = [Clear::Bytes(row.try_get(1)?)];
    record::open(vault, row.try_get(0)?, &clear, row.try_get(2)?)
}

/// How many there are; whose, nobody can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContactCounts {
    /// Addresses whose owners are known to have written themselves.
    pub contacts: u64,
    /// Mails that wait.
    pub waiting: u64,
    /// Questions whose links are good.
    pub asked: u64,
}

impl Store {
    /// The question whose link has this token.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn question(&self, token: &TokenHash) -> Result<Option<Question>, StoreError> {
        let row = sqlx::query(
            "SELECT token_hash, address_index, pace_index, asked_at, sealed FROM question
             WHERE token_hash = $1",
        )
        .bind(token.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Question::open(&self.vault, &row)).transpose()
    }

    /// Whether one of these stands for a contact.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn is_contact(&self, address: &[Index]) -> Result<bool, StoreError> {
        self.any("SELECT 1 FROM contact WHERE address_index = $1", address)
            .await
    }

    /// Whether anything of first contact is kept of an address: that it's known, that it was asked, mail that waits.
    ///
    /// # Errors
    /// A [`StoreError`] if a table can't be read.
    pub async fn has_first_contact(&self, address: &[Index]) -> Result<bool, StoreError> {
        Ok(self.is_contact(address).await?
            || self
                .any("SELECT 1 FROM question WHERE address_index = $1", address)
                .await?
            || self
                .any("SELECT 1 FROM waiting WHERE address_index = $1", address)
                .await?)
    }

    async fn any(&self, sql: &'static str, address: &[Index]) -> Result<bool, StoreError> {
        for index in address {
            let row = sqlx::query(sql)
                .bind(index.as_bytes().as_slice())
                .fetch_optional(&self.readers)
                .await?;
            if row.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// When somebody was last asked, by the indexes of their address without its tag.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn last_asked(&self, pace: &[Index]) -> Result<Option<Timestamp>, StoreError> {
        let mut last = None;
        for index in pace {
            let row = sqlx::query("SELECT MAX(asked_at) FROM question WHERE pace_index = $1")
                .bind(index.as_bytes().as_slice())
                .fetch_one(&self.readers)
                .await?;
            last = last.max(row.try_get::<Option<i64>, _>(0)?);
        }
        last.map(|at| super::time_of(at, "question")).transpose()
    }

    /// How many questions went out since, and when the first of them did.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn asked_since(
        &self,
        since: Timestamp,
    ) -> Result<(u64, Option<Timestamp>), StoreError> {
        let row = sqlx::query("SELECT COUNT(*), MIN(asked_at) FROM question WHERE asked_at > $1")
            .bind(since.as_millisecond())
            .fetch_one(&self.readers)
            .await?;
        let (count, first): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let first = first.map(|at| super::time_of(at, "question")).transpose()?;
        Ok((u64::try_from(count).unwrap_or(0), first))
    }

    /// How many contacts there are, and how much waits.
    ///
    /// # Errors
    /// A [`StoreError`] if a table can't be read.
    pub async fn count_contacts(&self) -> Result<ContactCounts, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM contact), (SELECT COUNT(*) FROM waiting),
                    (SELECT COUNT(*) FROM question)",
        )
        .fetch_one(&self.readers)
        .await?;
        let count = |column| -> Result<u64, StoreError> {
            Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
        };
        Ok(ContactCounts {
            contacts: count(0)?,
            waiting: count(1)?,
            asked: count(2)?,
        })
    }
}
