//! The places of messages before there were folders: once the keys are at hand they are moved into the folders that they
//! name, in the order in which the messages came, and their table is dropped.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::deliver::{Delivery, deliver};
use super::{FolderName, SpecialUse, Working};
use crate::id::MailboxId;
#[cfg(test)]
use crate::id::MessageId;
use crate::store::record::{self, Record};
use crate::store::writer::Tx;
use crate::store::{StoreError, message};
use crate::vault::{Clear, Purpose, Vault};

/// How many are moved in one transaction.
const PAGE: usize = 500;

/// A row of the old table.
#[derive(Serialize, Deserialize)]
struct Before {
    folder: String,
    kept_at: Timestamp,
}

impl Record for Before {
    const TABLE: &'static str = "entry";
    const PURPOSE: Purpose = Purpose::Mailbox;
}

/// An old place, opened.
struct Place {
    id: Vec<u8>,
    delivery: Delivery,
}

/// Moves what there is. Answers how many messages that were. After a crash the next start goes on.
pub(in crate::store) async fn move_in(
    connection: &mut SqliteConnection,
    vault: &Vault,
) -> Result<u64, StoreError> {
    let there =
        sqlx::query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'entry_before'")
            .fetch_optional(&mut *connection)
            .await?;
    if there.is_none() {
        return Ok(0);
    }
    let rows = sqlx::query("SELECT id, mailbox, message_id, sealed FROM entry_before")
        .fetch_all(&mut *connection)
        .await?;
    let places: Result<Vec<_>, _> = rows.iter().map(|row| read(vault, row)).collect();
    let mut places = places?;
    places.sort_by_key(|place| place.delivery.kept_at);
    for page in places.chunks(PAGE) {
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *connection)
            .await?;
        // If it fails the transaction goes with the connection, and the store isn't opened.
        move_page(page, connection, vault).await?;
        sqlx::query("COMMIT").execute(&mut *connection).await?;
    }
    sqlx::query("DROP TABLE entry_before")
        .execute(&mut *connection)
        .await?;
    Ok(places.len() as u64)
}

async fn move_page(
    page: &[Place],
    connection: &mut SqliteConnection,
    vault: &Vault,
) -> Result<(), StoreError> {
    let mut tx = Tx::new(connection, vault);
    let mut sized = Vec::with_capacity(page.len());
    for place in page {
        let size = message::size_in(place.delivery.message, &mut tx).await?;
        sized.push((&place.delivery, size));
    }
    deliver(&sized, Working::default(), &mut tx).await?;
    for place in page {
        sqlx::query("DELETE FROM entry_before WHERE id = $1")
            .bind(place.id.as_slice())
            .execute(&mut *tx.connection)
            .await?;
    }
    Ok(())
}

/// A place whose seal doesn't open is as good as any: the message is kept for the same person.
fn read(vault: &Vault, row: &SqliteRow) -> Result<Place, StoreError> {
    let id: Vec<u8> = row.try_get(0)?;
    let mailbox = crate::store::id_of(row.try_get(1)?, MailboxId::from_slice, "entry")?;
    let message = message::id_in(row, 2)?;
    let clear = [
        Clear::Bytes(mailbox.as_bytes()),
        Clear::Bytes(message.as_bytes()),
    ];
    let opened = record::open::<Before>(vault, &id, &clear, row.try_get(3)?);
    let (folder, at) = match opened {
        Ok(before) => (FolderName::parse(&before.folder).ok(), before.kept_at),
        Err(error) => {
            tracing::error!(%error, "a message's place could not be read: it goes to INBOX");
            (None, Timestamp::UNIX_EPOCH)
        }
    };
    let folder = folder.unwrap_or_else(|| SpecialUse::Inbox.into());
    Ok(Place {
        id,
        delivery: Delivery::new(mailbox, folder, message, at),
    })
}

/// Puts a place down as it was done before.
#[cfg(test)]
pub(in crate::store) async fn put_before(
    (mailbox, message): (MailboxId, MessageId),
    folder: &str,
    kept_at: Timestamp,
    connection: &mut SqliteConnection,
    vault: &Vault,
) {
    let id = crate::id::EntryId::random();
    let clear = [
        Clear::Bytes(mailbox.as_bytes()),
        Clear::Bytes(message.as_bytes()),
    ];
    let folder = folder.to_owned();
    let sealed = record::seal(vault, id.as_bytes(), &clear, &Before { folder, kept_at });
    sqlx::query(
        "INSERT INTO entry_before (id, mailbox, message_id, sealed) VALUES ($1, $2, $3, $4)",
    )
    .bind(id.as_bytes().as_slice())
    .bind(mailbox.as_bytes().as_slice())
    .bind(message.as_bytes().as_slice())
    .bind(sealed)
    .execute(connection)
    .await
    .expect("writes");
}
