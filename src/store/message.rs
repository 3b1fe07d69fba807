//! Message bodies: streamed in and out in sealed chunks of 64 KiB, so that memory stays bounded whatever the size.
//!
//! A small message is one chunk, written in the same transaction that accepts it. A larger one is *staged*: its chunks
//! are committed as they come, under a row that belongs to nobody, and the transaction that accepts the message takes
//! them over. Staged rows whose connection went away are dropped, at the latest when the store is opened again.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::change::{self, Step};
use super::mailbox::{self, Entry};
use super::record::{self, Record};
use super::rows;
use super::writer::{Handle, Tx, Write};
use super::{Store, StoreError};
use crate::id::{MessageId, StaffId};
use crate::vault::{Clear, Purpose, Vault};

/// How many bytes of a body one sealed chunk holds.
pub const CHUNK: usize = 64 * 1024;

/// What is known of a message beside its bytes: the envelope it came in, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// When its last byte was taken.
    pub received_at: Timestamp,
    /// Its length in bytes.
    pub size: u64,
    /// The reverse-path of the envelope; none for the null path and for our own mail.
    pub reverse_path: Option<String>,
    /// The recipients of the envelope.
    pub recipients: Vec<String>,
    /// The staff member who submitted it.
    pub submitted_by: Option<StaffId>,
}

impl Record for MessageRecord {
    const TABLE: &'static str = "message";
    const PURPOSE: Purpose = Purpose::Message;
}

fn seal_message(vault: &Vault, id: MessageId, staged: bool, record: &MessageRecord) -> Vec<u8> {
    record::seal(vault, id.as_bytes(), &[Clear::Int(staged.into())], record)
}

/// How much message data may be in memory at once, over all connections.
#[derive(Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    /// A budget of about this many bytes, at least one chunk.
    pub(super) fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / CHUNK).max(1))))
    }

    async fn chunk(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        self.0
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Stopped)
    }
}

/// Takes a body in, piece by piece.
pub struct BodyWriter {
    staging: Staging,
    vault: Vault,
    buffer: Vec<u8>,
    next: u32,
    size: u64,
    /// This body's share of the byte budget.
    _share: OwnedSemaphorePermit,
}

/// Drops the staged rows of a message that nobody took over.
struct Staging {
    handle: Handle,
    id: MessageId,
    staged: bool,
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.staged {
            self.handle.write_if_room(DropStaged { id: self.id });
        }
    }
}

/// A body that is complete and waits to be accepted. Dropping it forgets it.
pub struct Body {
    staging: Staging,
    tail: SealedChunk,
    size: u64,
}

impl Body {
    /// The id under which the message will stand.
    pub fn id(&self) -> MessageId {
        self.staging.id
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

pub(super) struct SealedChunk {
    message: MessageId,
    idx: u32,
    last: bool,
    sealed: Vec<u8>,
}

impl SealedChunk {
    fn seal(vault: &Vault, message: MessageId, idx: u32, last: bool, plain: &[u8]) -> Self {
        let clear = [Clear::Int(idx.into()), Clear::Int(last.into())];
        let place = record::place("chunk", message.as_bytes(), &clear);
        Self {
            message,
            idx,
            last,
            sealed: vault.seal(Purpose::Body, &place, plain),
        }
    }
}

impl BodyWriter {
    /// Takes the next bytes of the body. Waits while earlier bytes are written, so a fast sender is slowed down
    /// rather than kept in memory.
    ///
    /// # Errors
    /// A [`StoreError`] if a chunk could not be written; the body is then lost and must be refused.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            // A full buffer is sealed only when more follows: the last chunk carries the last-flag.
            if self.buffer.len() == CHUNK {
                self.stage().await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            self.size += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    async fn stage(&mut self) -> Result<(), StoreError> {
        let chunk = SealedChunk::seal(&self.vault, self.staging.id, self.next, false, &self.buffer);
        self.next += 1;
        self.buffer.clear();
        self.staging.staged = true;
        self.staging.handle.write(StageChunk(chunk)).await
    }

    /// Ends the body.
    pub fn finish(self) -> Body {
        let tail = SealedChunk::seal(&self.vault, self.staging.id, self.next, true, &self.buffer);
        Body {
            staging: self.staging,
            tail,
            size: self.size,
        }
    }
}

/// Commits a chunk of a body that is still coming.
pub(super) struct StageChunk(SealedChunk);

impl Write for StageChunk {
    type Outcome = ();

    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>, StoreError> {
        let first: Vec<_> = writes.iter().filter(|write| write.0.idx == 0).collect();
        let vault = tx.vault;
        rows::insert(
            tx.connection,
            "INSERT INTO message (id, staged, sealed) ",
            "",
            &first,
            |row, write| {
                let id = write.0.message;
                row.push_bind(id.as_bytes().as_slice())
                    .push_bind(1_i64)
                    .push_bind(seal_message(vault, id, true, &MessageRecord::staged()));
            },
        )
        .await?;
        let chunks: Vec<_> = writes.iter().map(|write| &write.0).collect();
        insert_chunks(tx, &chunks).await?;
        Ok(vec![(); writes.len()])
    }
}

impl MessageRecord {
    fn staged() -> Self {
        Self {
            received_at: Timestamp::UNIX_EPOCH,
            size: 0,
            reverse_path: None,
            recipients: Vec::new(),
            submitted_by: None,
        }
    }
}

async fn insert_chunks(tx: &mut Tx<'_>, chunks: &[&SealedChunk]) -> Result<(), StoreError> {
    rows::insert(
        tx.connection,
        "INSERT INTO chunk (message_id, idx, last, sealed) ",
        "",
        chunks,
        |row, chunk| {
            row.push_bind(chunk.message.as_bytes().as_slice())
                .push_bind(i64::from(chunk.idx))
                .push_bind(i64::from(chunk.last))
                .push_bind(chunk.sealed.as_slice());
        },
    )
    .await
}

/// Forgets a staged body whose sender went away.
pub(super) struct DropStaged {
    id: MessageId,
}

impl Write for DropStaged {
    type Outcome = ();

    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>, StoreError> {
        for write in writes {
            sqlx::query("DELETE FROM message WHERE id = $1 AND staged = 1")
                .bind(write.id.as_bytes().as_slice())
                .execute(&mut *tx.connection)
                .await?;
        }
        Ok(vec![(); writes.len()])
    }
}

/// Accepts a message: its body, where it is kept, and all that follows from it, in one transaction.
pub struct AcceptMessage {
    body: Body,
    sealed: Vec<u8>,
    entries: Vec<Entry>,
    steps: Vec<Step>,
}

impl AcceptMessage {
    /// Accepts this body with what is known of it. `record.size` is set from the body.
    pub fn new(vault: &Vault, body: Body, mut record: MessageRecord) -> Self {
        record.size = body.size;
        let sealed = seal_message(vault, body.id(), false, &record);
        Self {
            body,
            sealed,
            entries: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Puts it into a staff mailbox as well.
    pub fn keep_in(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Does this as well, in the same transaction. Guards don't belong here: a message is accepted unconditionally.
    pub fn and(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Whether anything refers to the message; one that nothing refers to would be kept for ever by nobody.
    fn is_kept(&self) -> bool {
        !self.entries.is_empty() || !self.steps.is_empty()
    }
}

impl Write for AcceptMessage {
    type Outcome = ();

    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>, StoreError> {
        debug_assert!(
            writes.iter().all(Self::is_kept),
            "an accepted message belongs somewhere"
        );
        rows::insert(
            tx.connection,
            "INSERT INTO message (id, staged, sealed) ",
            " ON CONFLICT (id) DO UPDATE SET staged = excluded.staged, sealed = excluded.sealed",
            writes,
            |row, write| {
                row.push_bind(write.body.staging.id.as_bytes().as_slice())
                    .push_bind(0_i64)
                    .push_bind(write.sealed.as_slice());
            },
        )
        .await?;
        let tails: Vec<_> = writes.iter().map(|write| &write.body.tail).collect();
        insert_chunks(tx, &tails).await?;
        let entries: Vec<_> = writes.iter().flat_map(|write| &write.entries).collect();
        mailbox::insert_entries(tx, &entries).await?;
        for step in writes.iter().flat_map(|write| &write.steps) {
            change::apply_step(step, tx).await?;
        }
        Ok(vec![(); writes.len()])
    }
}

/// A whole message that we made ourselves, small enough to be held: service mail, notices.
pub struct OwnMessage {
    id: MessageId,
    sealed: Vec<u8>,
    chunks: Vec<SealedChunk>,
}

impl OwnMessage {
    /// Seals a message of ours. `record.size` is set from the bytes.
    pub fn new(vault: &Vault, mut record: MessageRecord, bytes: &[u8]) -> Self {
        let id = MessageId::random();
        record.size = bytes.len() as u64;
        let count = bytes.chunks(CHUNK).len().max(1);
        let chunk = |(idx, plain): (usize, &[u8])| {
            let number = u32::try_from(idx).unwrap_or(u32::MAX);
            SealedChunk::seal(vault, id, number, idx + 1 == count, plain)
        };
        let chunks = if bytes.is_empty() {
            vec![chunk((0, &[]))]
        } else {
            bytes.chunks(CHUNK).enumerate().map(chunk).collect()
        };
        Self {
            id,
            sealed: seal_message(vault, id, false, &record),
            chunks,
        }
    }

    /// The id under which the message will stand.
    pub fn id(&self) -> MessageId {
        self.id
    }

    pub(super) async fn insert(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO message (id, staged, sealed) VALUES ($1, 0, $2)")
            .bind(self.id.as_bytes().as_slice())
            .bind(self.sealed.as_slice())
            .execute(&mut *tx.connection)
            .await?;
        insert_chunks(tx, &self.chunks.iter().collect::<Vec<_>>()).await
    }
}

/// Deletes a message that nothing refers to any more; its chunks go with it.
pub(super) async fn delete_if_unreferenced(
    id: MessageId,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM message WHERE id = $1
         AND NOT EXISTS (SELECT 1 FROM entry WHERE message_id = $1)
         AND NOT EXISTS (SELECT 1 FROM queue WHERE message_id = $1)
         AND NOT EXISTS (SELECT 1 FROM mailing WHERE message_id = $1)
         AND NOT EXISTS (SELECT 1 FROM bounce WHERE message_id = $1)",
    )
    .bind(id.as_bytes().as_slice())
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Drops what was being received when the daemon last stopped. Answers how many bodies that were. What is somebody's is
/// kept, whatever its row says: it was edited, and must not keep the store from opening.
pub(super) async fn sweep_staged(
    connection: &mut sqlx::sqlite::SqliteConnection,
) -> Result<u64, StoreError> {
    let swept = sqlx::query(
        "DELETE FROM message WHERE staged = 1
            AND NOT EXISTS (SELECT 1 FROM entry WHERE message_id = message.id)
            AND NOT EXISTS (SELECT 1 FROM bounce WHERE message_id = message.id)
            AND NOT EXISTS (SELECT 1 FROM queue WHERE message_id = message.id)
            AND NOT EXISTS (SELECT 1 FROM mailing WHERE message_id = message.id)",
    )
    .execute(connection)
    .await?;
    Ok(swept.rows_affected())
}

/// Gives a body out, chunk by chunk. It holds no transaction between chunks.
pub struct BodyReader {
    readers: SqlitePool,
    vault: Vault,
    id: MessageId,
    next: i64,
    done: bool,
}

impl BodyReader {
    /// Begins again with the first chunk.
    pub fn rewind(&mut self) {
        self.next = 0;
        self.done = false;
    }

    /// The next chunk of at most [`CHUNK`] bytes; `None` after the last.
    ///
    /// # Errors
    /// [`StoreError::Seal`] if a chunk was changed; [`StoreError::Cut`] if one is missing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let row = sqlx::query("SELECT last, sealed FROM chunk WHERE message_id = $1 AND idx = $2")
            .bind(self.id.as_bytes().as_slice())
            .bind(self.next)
            .fetch_optional(&self.readers)
            .await?
            .ok_or(StoreError::Cut { message: self.id })?;
        let (last, sealed): (i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
        let clear = [Clear::Int(self.next), Clear::Int(last)];
        let place = record::place("chunk", self.id.as_bytes(), &clear);
        let mut plain = self.vault.open(Purpose::Body, &place, sealed)?;
        self.next += 1;
        self.done = last == 1;
        Ok(Some(Bytes::from(std::mem::take(&mut *plain))))
    }

    /// The whole body, if it is no longer than `limit` bytes.
    ///
    /// # Errors
    /// As [`BodyReader::next`]; [`StoreError::TooLong`] beyond the limit.
    pub async fn read_whole(mut self, limit: usize) -> Result<Vec<u8>, StoreError> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.next().await? {
            if whole.len() + chunk.len() > limit {
                return Err(StoreError::TooLong {
                    message: self.id,
                    limit,
                });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }
}

impl Store {
    /// Begins a body. Waits while the byte budget is used up.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] if the store is being closed, or why the store refuses writes at present.
    pub async fn begin_body(&self) -> Result<BodyWriter, StoreError> {
        self.check_health()?;
        Ok(BodyWriter {
            _share: self.budget.chunk().await?,
            staging: Staging {
                handle: self.writer.clone(),
                id: MessageId::random(),
                staged: false,
            },
            vault: self.vault.clone(),
            buffer: Vec::new(),
            next: 0,
            size: 0,
        })
    }

    /// Accepts a message. Once this answers `Ok` the message is on the disk.
    ///
    /// # Errors
    /// A [`StoreError`]: nothing was kept.
    pub async fn accept(&self, message: AcceptMessage) -> Result<(), StoreError> {
        self.writer.write(message).await
    }

    /// Opens a body to be read.
    pub fn body(&self, id: MessageId) -> BodyReader {
        BodyReader {
            readers: self.readers.clone(),
            vault: self.vault.clone(),
            id,
            next: 0,
            done: false,
        }
    }

    /// What is known of a message.
    ///
    /// # Errors
    /// A [`StoreError`] if the row can't be read or does not open.
    pub async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        let row = sqlx::query("SELECT sealed FROM message WHERE id = $1 AND staged = 0")
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| {
            record::open(
                &self.vault,
                id.as_bytes(),
                &[Clear::Int(0)],
                row.try_get(0)?,
            )
        })
        .transpose()
    }
}
