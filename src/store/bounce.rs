//! What came back to signed return paths.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::message::MessageRecord;
use super::record::{self, Record};
use super::writer::Tx;
use super::{Page, Store, StoreError};
use crate::id::{CopyId, EntryId, MessageId, SubscriberId};
use crate::vault::{Clear, Purpose};

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
        super::message::let_go(message, tx).await?;
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

/// A message that came back, without a look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// When it came.
    pub received_at: Timestamp,
    /// Its length.
    pub bytes: u64,
}

impl Store {
    /// A page of what came back to signed return paths, in the order of its ids, after the id given.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read. A row that does not open is left out.
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
