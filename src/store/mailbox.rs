//! Where messages are kept: entries of mailboxes, and what came back to a signed return path.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::message::MessageRecord;
use super::record::{self, Record};
use super::rows;
use super::writer::Tx;
use super::{Page, Store, StoreError};
use crate::id::{CopyId, EntryId, MailboxId, MessageId, SubscriberId};
use crate::vault::{Clear, Purpose, Vault};

/// Where in a mailbox a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// The folder, as IMAP will name it.
    pub folder: String,
    /// When the message was put there.
    pub kept_at: Timestamp,
}

impl Record for EntryRecord {
    const TABLE: &'static str = "entry";
    const PURPOSE: Purpose = Purpose::Mailbox;
}

/// A message's place in a mailbox.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The row.
    pub id: EntryId,
    /// Whose mailbox.
    pub mailbox: MailboxId,
    /// Which message.
    pub message: MessageId,
    /// Where in the mailbox.
    pub record: EntryRecord,
    sealed: Vec<u8>,
}

impl Entry {
    /// A new entry.
    pub fn new(vault: &Vault, mailbox: MailboxId, message: MessageId, record: EntryRecord) -> Self {
        let id = EntryId::random();
        let clear = [
            Clear::Bytes(mailbox.as_bytes()),
            Clear::Bytes(message.as_bytes()),
        ];
        let sealed = record::seal(vault, id.as_bytes(), &clear, &record);
        Self {
            id,
            mailbox,
            message,
            record,
            sealed,
        }
    }
}

pub(super) async fn insert_entries(tx: &mut Tx<'_>, entries: &[&Entry]) -> Result<(), StoreError> {
    rows::insert(
        tx.connection,
        "INSERT INTO entry (id, mailbox, message_id, sealed) ",
        "",
        entries,
        |row, entry| {
            row.push_bind(entry.id.as_bytes().as_slice())
                .push_bind(entry.mailbox.as_bytes().as_slice())
                .push_bind(entry.message.as_bytes().as_slice())
                .push_bind(entry.sealed.as_slice());
        },
    )
    .await
}

pub(super) async fn remove_entry(id: EntryId, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM entry WHERE id = $1")
        .bind(id.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// What is known of mail that came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BounceRecord {
    /// When it came back.
    pub received_at: Timestamp,
}

impl Record for BounceRecord {
    const TABLE: &'static str = "bounce";
    const PURPOSE: Purpose = Purpose::Mailbox;
}

/// Mail that came back to the signed return path of one copy.
#[derive(Debug, Clone)]
pub struct Bounce {
    /// The row.
    pub id: EntryId,
    /// Whose return path it was.
    pub copy: CopyId,
    /// The returned mail.
    pub message: MessageId,
    /// When.
    pub record: BounceRecord,
}

/// Removes what came back for a person's copies: it quotes their address, and often the mail.
pub(super) async fn remove_bounces_of(
    subscriber: SubscriberId,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let found = sqlx::query(
        "SELECT bounce.id, bounce.message_id FROM bounce
         JOIN ledger ON ledger.copy_id = bounce.copy_id WHERE ledger.subscriber_id = $1",
    )
    .bind(subscriber.as_bytes().as_slice())
    .fetch_all(&mut *tx.connection)
    .await?;
    remove_bounces(&found, tx).await
}

/// Removes what came back for copies that the ledger no longer has, at most so many.
pub(super) async fn remove_stray_bounces(limit: u32, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let found = sqlx::query(
        "SELECT bounce.id, bounce.message_id FROM bounce
         WHERE NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.copy_id = bounce.copy_id) LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(&mut *tx.connection)
    .await?;
    remove_bounces(&found, tx).await
}

async fn remove_bounces(found: &[SqliteRow], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for row in found {
        let id: &[u8] = row.try_get(0)?;
        sqlx::query("DELETE FROM bounce WHERE id = $1")
            .bind(id)
            .execute(&mut *tx.connection)
            .await?;
        let message = super::id_of(row.try_get(1)?, MessageId::from_slice, "bounce")?;
        super::message::delete_if_unreferenced(message, tx).await?;
    }
    Ok(())
}

impl Bounce {
    pub(super) async fn insert(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let clear = [
            Clear::Bytes(self.copy.as_bytes()),
            Clear::Bytes(self.message.as_bytes()),
        ];
        sqlx::query("INSERT INTO bounce (id, copy_id, message_id, sealed) VALUES ($1, $2, $3, $4)")
            .bind(self.id.as_bytes().as_slice())
            .bind(self.copy.as_bytes().as_slice())
            .bind(self.message.as_bytes().as_slice())
            .bind(record::seal(
                tx.vault,
                self.id.as_bytes(),
                &clear,
                &self.record,
            ))
            .execute(&mut *tx.connection)
            .await?;
        Ok(())
    }
}

/// A message in a mailbox, without a look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The folder.
    pub folder: String,
    /// When it was put there.
    pub kept_at: Timestamp,
    /// Its length.
    pub bytes: u64,
}

/// A message that came back, without a look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// When it came.
    pub received_at: Timestamp,
    /// Its length.
    pub bytes: u64,
}

impl Store {
    /// The entries of a mailbox, in no order, at most `limit`.
    ///
    /// # Errors
    /// A [`StoreError`] if a row can't be read or does not open.
    pub async fn entries(&self, mailbox: MailboxId, limit: u32) -> Result<Vec<Entry>, StoreError> {
        let rows =
            sqlx::query("SELECT id, message_id, sealed FROM entry WHERE mailbox = $1 LIMIT $2")
                .bind(mailbox.as_bytes().as_slice())
                .bind(i64::from(limit))
                .fetch_all(&self.readers)
                .await?;
        rows.iter()
            .map(|row| {
                let id = super::id_of(row.try_get(0)?, EntryId::from_slice, "entry")?;
                let message = super::id_of(row.try_get(1)?, MessageId::from_slice, "entry")?;
                let sealed: Vec<u8> = row.try_get(2)?;
                let clear = [
                    Clear::Bytes(mailbox.as_bytes()),
                    Clear::Bytes(message.as_bytes()),
                ];
                let record = record::open(&self.vault, id.as_bytes(), &clear, &sealed)?;
                Ok(Entry {
                    id,
                    mailbox,
                    message,
                    record,
                    sealed,
                })
            })
            .collect()
    }

    /// How many messages a mailbox holds.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn count_entries(&self, mailbox: MailboxId) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM entry WHERE mailbox = $1")
            .bind(mailbox.as_bytes().as_slice())
            .fetch_one(&self.readers)
            .await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }

    /// Every mailbox that holds something.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn mailboxes(&self) -> Result<Vec<MailboxId>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT mailbox FROM entry ORDER BY mailbox")
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| super::id_of(row.try_get(0)?, MailboxId::from_slice, "entry"))
            .collect()
    }

    /// A page of what a mailbox holds, in the order of its ids, after the id given: where, since when and how large.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read. A row that does not open is left out.
    pub async fn holdings_after(
        &self,
        mailbox: MailboxId,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Page<Holding, EntryId>, StoreError> {
        let rows = sqlx::query(
            "SELECT entry.id, entry.message_id, entry.sealed, message.sealed
             FROM entry JOIN message ON message.id = entry.message_id
             WHERE entry.mailbox = $1 AND entry.id > $2 ORDER BY entry.id LIMIT $3",
        )
        .bind(mailbox.as_bytes().as_slice())
        .bind(after.as_ref().map_or(&[][..], |id| id.as_bytes()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        Page::of(&rows, limit, "entry", EntryId::from_slice, |row| {
            let id = super::id_of(row.try_get(0)?, EntryId::from_slice, "entry")?;
            let message = super::id_of(row.try_get(1)?, MessageId::from_slice, "entry")?;
            let clear = [
                Clear::Bytes(mailbox.as_bytes()),
                Clear::Bytes(message.as_bytes()),
            ];
            let entry: EntryRecord =
                record::open(&self.vault, id.as_bytes(), &clear, row.try_get(2)?)?;
            Ok(Holding {
                folder: entry.folder,
                kept_at: entry.kept_at,
                bytes: self.size_of(message, row.try_get(3)?)?,
            })
        })
    }

    /// A page of what came back to signed return paths, in the order of its ids, after the id given.
    ///
    /// # Errors
    /// As [`Store::holdings_after`].
    pub async fn returned_after(
        &self,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Page<Returned, EntryId>, StoreError> {
        let rows = sqlx::query(
            "SELECT bounce.id, bounce.message_id, bounce.copy_id, bounce.sealed, message.sealed
             FROM bounce JOIN message ON message.id = bounce.message_id
             WHERE bounce.id > $1 ORDER BY bounce.id LIMIT $2",
        )
        .bind(after.as_ref().map_or(&[][..], |id| id.as_bytes()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        Page::of(&rows, limit, "bounce", EntryId::from_slice, |row| {
            let id = super::id_of(row.try_get(0)?, EntryId::from_slice, "bounce")?;
            let message = super::id_of(row.try_get(1)?, MessageId::from_slice, "bounce")?;
            let copy: &[u8] = row.try_get(2)?;
            let clear = [Clear::Bytes(copy), Clear::Bytes(message.as_bytes())];
            let bounce: BounceRecord =
                record::open(&self.vault, id.as_bytes(), &clear, row.try_get(3)?)?;
            Ok(Returned {
                received_at: bounce.received_at,
                bytes: self.size_of(message, row.try_get(4)?)?,
            })
        })
    }

    fn size_of(&self, message: MessageId, sealed: &[u8]) -> Result<u64, StoreError> {
        let clear = [Clear::Int(0)];
        let record: MessageRecord = record::open(&self.vault, message.as_bytes(), &clear, sealed)?;
        Ok(record.size)
    }

    /// Whether something came back for copies that the ledger no longer has.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn has_stray_bounces(&self) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM bounce
             WHERE NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.copy_id = bounce.copy_id))",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(row.try_get::<i64, _>(0)? != 0)
    }

    /// What came back for one copy.
    ///
    /// # Errors
    /// A [`StoreError`] if a row can't be read or does not open.
    pub async fn bounces_of(&self, copy: CopyId) -> Result<Vec<Bounce>, StoreError> {
        let rows = sqlx::query("SELECT id, message_id, sealed FROM bounce WHERE copy_id = $1")
            .bind(copy.as_bytes().as_slice())
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                let id = super::id_of(row.try_get(0)?, EntryId::from_slice, "bounce")?;
                let message = super::id_of(row.try_get(1)?, MessageId::from_slice, "bounce")?;
                let clear = [
                    Clear::Bytes(copy.as_bytes()),
                    Clear::Bytes(message.as_bytes()),
                ];
                let record = record::open(&self.vault, id.as_bytes(), &clear, row.try_get(2)?)?;
                Ok(Bounce {
                    id,
                    copy,
                    message,
                    record,
                })
            })
            .collect()
    }
}
