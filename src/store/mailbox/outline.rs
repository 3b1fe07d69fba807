//! What a list of messages shows of one, sealed beside the message and read without it. What is in it, its maker knows;
//! here it's bytes.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::id::MessageId;
use crate::store::writer::Tx;
use crate::store::{Store, StoreError, record, rows};
use crate::vault::{Purpose, Vault};
use zeroize::Zeroizing;

const TABLE: &str = "outline";
/// How many are looked up in one statement.
const PAGE: usize = 64;
/// Up to so many bytes, sealed, an outline is short. Most have 1 to 2 KiB; who writes a header for it makes one of 80.
pub(super) const SHORT: i64 = 4096;

/// A message's outline, sealed.
pub struct OutlineRow {
    message: MessageId,
    sealed: Vec<u8>,
}

impl OutlineRow {
    /// Seals one.
    pub fn new(vault: &Vault, message: MessageId, outline: &[u8]) -> Self {
        let place = record::place(TABLE, message.as_bytes(), &[]);
        Self {
            message,
            sealed: vault.seal(Purpose::Message, &place, outline),
        }
    }
}

/// Opens a row whose first column is the message and whose last is sealed.
pub(in crate::store) fn open(
    vault: &Vault,
    row: &SqliteRow,
) -> Result<(MessageId, Zeroizing<Vec<u8>>), StoreError> {
    let message = crate::store::id_of(row.try_get(0)?, MessageId::from_slice, TABLE)?;
    Ok((message, unseal(vault, message, row.try_get(1)?)?))
}

fn unseal(
    vault: &Vault,
    message: MessageId,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let place = record::place(TABLE, message.as_bytes(), &[]);
    Ok(vault.open(Purpose::Message, &place, sealed)?)
}

/// Opens an outline; that it doesn't open is said.
pub(super) fn unseal_said(
    vault: &Vault,
    message: MessageId,
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let opened = unseal(vault, message, sealed);
    if let Err(error) = &opened {
        tracing::error!(%error, table = TABLE, "left out a row");
    }
    opened.ok()
}

/// Opens a row of a short outline; of a long one there's nothing in it.
fn open_short(vault: &Vault, row: &SqliteRow) -> Result<ShortOutline, StoreError> {
    let message = crate::store::id_of(row.try_get(0)?, MessageId::from_slice, TABLE)?;
    let sealed: Option<&[u8]> = row.try_get(1)?;
    let plain = sealed.map(|sealed| unseal(vault, message, sealed));
    Ok((message, plain.transpose()?))
}

/// A message and its outline, if that is short.
type ShortOutline = (MessageId, Option<Zeroizing<Vec<u8>>>);

/// Keeps outlines; one that is there already stays.
pub(in crate::store) async fn insert(
    outlines: &[&OutlineRow],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    rows::insert(
        tx.connection,
        "INSERT INTO outline (message_id, sealed) ",
        " ON CONFLICT (message_id) DO NOTHING",
        outlines,
        |row, outline| {
            row.push_bind(outline.message.as_bytes().as_slice())
                .push_bind(outline.sealed.as_slice());
        },
    )
    .await
}

/// Keeps the outline of a message that is still there.
pub(in crate::store) async fn put_late(
    outline: &OutlineRow,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outline (message_id, sealed)
         SELECT id, $2 FROM message WHERE id = $1 AND staged = 0
         ON CONFLICT (message_id) DO NOTHING",
    )
    .bind(outline.message.as_bytes().as_slice())
    .bind(outline.sealed.as_slice())
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Removes a message's outline.
pub(in crate::store) async fn remove(
    message: MessageId,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM outline WHERE message_id = $1")
        .bind(message.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

impl Store {
    /// The outlines of messages, in no order; of a message that has none yet, or whose outline doesn't open, there is none.
    /// Long ones are told of and not read: a stranger's mail may have such, and many are asked for at once.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn outlines(&self, messages: &[MessageId]) -> Result<Vec<ShortOutline>, StoreError> {
        let mut found = Vec::with_capacity(messages.len());
        for page in messages.chunks(PAGE) {
            // One statement for every page: the last one names its last message again.
            let ids = (0..PAGE).filter_map(|at| page.get(at).or(page.last()));
            let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new(
                "SELECT message_id, CASE WHEN length(sealed) <= ",
            );
            query.push_bind(SHORT);
            query.push(" THEN sealed END FROM outline WHERE message_id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.as_bytes().as_slice());
            }
            query.push(")");
            for row in query.build().fetch_all(&self.readers).await? {
                match open_short(&self.vault, &row) {
                    Ok(one) => found.push(one),
                    Err(error) => tracing::error!(%error, table = TABLE, "left out a row"),
                }
            }
        }
        Ok(found)
    }

    /// The outline of a message, however long; of one that has none, or whose outline doesn't open, there is none.
    ///
    /// # Errors
    /// A [`StoreError`] if the table can't be read.
    pub async fn outline(
        &self,
        message: MessageId,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let row = sqlx::query("SELECT message_id, sealed FROM outline WHERE message_id = $1")
            .bind(message.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
        match row.map(|row| open(&self.vault, &row)).transpose() {
            Ok(found) => Ok(found.map(|(_, outline)| outline)),
            Err(error @ (StoreError::Seal(_) | StoreError::Record { .. })) => {
                tracing::error!(%error, table = TABLE, "left out a row");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
