//! Message bodies: streamed in and out in sealed chunks of 64 KiB, so that memory stays bounded whatever the size.
//!
//! A small message is one chunk, written in the same transaction that accepts it. A larger one is *staged*: its chunks
//! are committed as they come, under a row that belongs to nobody, and the transaction that accepts the message takes
//! them over. Staged rows whose connection went away are dropped at once, a piece at a time: freed pages are overwritten,
//! and that many at once would make the write-ahead log as long as all of them. Their pages are used again by the next
//! mail; the file doesn't shrink.
//!
//! A body takes no room that is kept in [`super::reserve`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Row};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::message::{MessageRecord, seal_message};
use super::record;
use super::rows;
use super::writer::{Handle, Tx, Write};
use super::{Store, StoreError};
use crate::id::MessageId;
use crate::vault::{Clear, Purpose, Vault};

/// How many bytes of a body one sealed chunk holds.
pub const CHUNK: usize = 64 * 1024;

/// How much message data may be in memory at once, over all connections.
#[derive(Clone)]
pub(super) struct Budget(Arc<Semaphore>);

/// How long a body waits for its share: less than whoever sends it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a body takes of the budget, in chunks: the one that fills, and the one that is sealed and waits to be written.
const SHARE: u32 = 2;

impl Budget {
    /// A budget of about this many bytes, at least one body.
    pub(super) fn of(bytes: usize) -> Self {
        let chunks = (bytes / CHUNK).max(SHARE as usize);
        Self(Arc::new(Semaphore::new(chunks)))
    }

    /// A body's share. Who waited long for it goes without: two that hold some and wait for more would wait for ever.
    async fn body(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let share = self.0.clone().acquire_many_owned(SHARE);
        let share = timeout(PATIENCE, share).await.map_err(|_| NoRoom)?;
        share.map_err(|_| StoreError::Stopped)
    }

    /// Room for what a connection holds beside a body.
    pub(super) fn room(&self) -> Room {
        Room {
            budget: self.clone(),
            taken: None,
        }
    }
}

/// The byte budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "too much mail is in memory at once; it may come again in a minute, or raise limits.buffers"
)]
pub struct NoRoom;

/// What one mail takes of the byte budget beside its body: a header that is held until it can be judged. Most headers are
/// short and cost nothing. It never waits: a mail that has its share and waited for more would keep all others waiting.
pub struct Room {
    budget: Budget,
    taken: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// What costs nothing.
    const FREE: usize = 8 * 1024;

    /// Room of its own, for tests.
    #[cfg(test)]
    pub(crate) fn of(bytes: usize) -> Self {
        Budget::of(bytes).room()
    }

    /// Takes room until it is enough for this many bytes. It's given back when this is dropped.
    ///
    /// # Errors
    /// [`NoRoom`] if there isn't enough at present.
    pub fn hold(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let taken = self.taken.as_ref().map_or(0, |taken| taken.num_permits());
        let needed = bytes.saturating_sub(Self::FREE).div_ceil(CHUNK);
        let Some(more) = needed.checked_sub(taken).filter(|more| *more > 0) else {
            return Ok(());
        };
        let more = u32::try_from(more).map_err(|_| NoRoom)?;
        let more = self.budget.0.clone().try_acquire_many_owned(more);
        let more = more.map_err(|_| NoRoom)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            taken => *taken = Some(more),
        }
        Ok(())
    }
}

/// Takes a body in, piece by piece.
pub struct BodyWriter {
    staging: Staging,
    vault: Vault,
    buffer: Vec<u8>,
    next: u32,
    size: u64,
    /// The first chunk is written last.
    head_is_last: bool,
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
            self.handle.forget(self.id);
        }
    }
}

/// A body that is complete and waits to be accepted. Dropping it forgets it.
pub struct Body {
    staging: Staging,
    head: Option<SealedChunk>,
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

    /// How much of it is in memory.
    pub fn held(&self) -> usize {
        self.unwritten().map(|chunk| chunk.sealed.len()).sum()
    }

    /// The chunks that are not written yet.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = &SealedChunk> {
        self.head.iter().chain([&self.tail])
    }
}

/// A chunk as it is written.
pub(super) struct SealedChunk {
    message: MessageId,
    idx: u32,
    last: bool,
    sealed: Vec<u8>,
}

impl SealedChunk {
    pub(super) fn seal(
        vault: &Vault,
        message: MessageId,
        idx: u32,
        last: bool,
        plain: &[u8],
    ) -> Self {
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
        self.staging.handle.shared.reserve.take(CHUNK as u64)?;
        self.next += 1;
        self.buffer.clear();
        let opens = !std::mem::replace(&mut self.staging.staged, true);
        let write = StageChunk { chunk, opens };
        self.staging.handle.write(write).await
    }

    /// Keeps the first chunk free for a head that is known last: for [`BodyWriter::finish_behind`]. Before the first write.
    pub fn head_comes_last(&mut self) {
        debug_assert!(self.size == 0, "the head is the first chunk");
        self.head_is_last = true;
        self.next = 1;
    }

    /// Ends the body, and puts this before it, as one chunk: it must be short.
    pub fn finish_behind(self, head: &[u8]) -> Body {
        debug_assert!(self.head_is_last, "no room was kept for a head");
        let chunk = SealedChunk::seal(&self.vault, self.staging.id, 0, false, head);
        let mut body = self.finish();
        body.size += head.len() as u64;
        body.head = Some(chunk);
        body
    }

    /// Ends the body.
    pub fn finish(self) -> Body {
        let tail = SealedChunk::seal(&self.vault, self.staging.id, self.next, true, &self.buffer);
        Body {
            staging: self.staging,
            head: None,
            tail,
            size: self.size,
        }
    }
}

/// Commits a chunk of a body that is still coming.
pub(super) struct StageChunk {
    chunk: SealedChunk,
    /// It is the first of its message that is written.
    opens: bool,
}

impl Write for StageChunk {
    type Outcome = ();

    async fn apply(writes: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>, StoreError> {
        let first: Vec<_> = writes.iter().filter(|write| write.opens).collect();
        let vault = tx.vault;
        rows::insert(
            tx.connection,
            "INSERT INTO message (id, staged, sealed) ",
            "",
            &first,
            |row, write| {
                let id = write.chunk.message;
                row.push_bind(id.as_bytes().as_slice())
                    .push_bind(1_i64)
                    .push_bind(seal_message(vault, id, true, &MessageRecord::staged()));
            },
        )
        .await?;
        let chunks: Vec<_> = writes.iter().map(|write| &write.chunk).collect();
        insert_chunks(tx, &chunks).await?;
        Ok(vec![(); writes.len()])
    }
}

/// Writes chunks of any messages.
pub(super) async fn insert_chunks(
    tx: &mut Tx<'_>,
    chunks: &[&SealedChunk],
) -> Result<(), StoreError> {
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

/// How many chunks are forgotten in one transaction.
const PIECE: u64 = 32;
/// And of how many messages.
const MOST_AT_ONCE: usize = 64;

/// Forgets a piece of what stands first: staged bodies whose sender went away, and messages that nobody keeps any more. What
/// is gone whole is taken off. What was taken over meanwhile stays.
pub(super) async fn forget_piece(
    ids: &mut VecDeque<MessageId>,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let mut piece = connection.begin().await?;
    let (mut left, mut whole) = (PIECE, 0);
    for id in ids.iter().take(MOST_AT_ONCE) {
        let gone = forget_chunks(id.as_bytes(), left, &mut piece).await?;
        left -= gone.min(left);
        if left == 0 {
            break;
        }
        forget_row(id.as_bytes(), &mut piece).await?;
        whole += 1;
    }
    piece.commit().await?;
    ids.drain(..whole);
    Ok(())
}

async fn forget_chunks(
    id: &[u8],
    most: u64,
    connection: &mut SqliteConnection,
) -> Result<u64, StoreError> {
    let forgotten = sqlx::query(
        "DELETE FROM chunk WHERE message_id = $1 AND idx IN
             (SELECT idx FROM chunk WHERE message_id = $1 ORDER BY idx DESC LIMIT $2)
         AND EXISTS (SELECT 1 FROM message WHERE id = $1 AND staged = 1)",
    )
    .bind(id)
    .bind(most.cast_signed())
    .execute(connection)
    .await?;
    Ok(forgotten.rows_affected())
}

async fn forget_row(id: &[u8], connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM message WHERE id = $1 AND staged = 1")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Drops what was being received when the daemon last stopped. Answers how many bodies that were. What is somebody's is
/// kept, whatever its row says: it was edited, and must not keep the store from opening.
pub(super) async fn sweep_staged(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let rows = sqlx::query(
        "SELECT id FROM message WHERE staged = 1
            AND NOT EXISTS (SELECT 1 FROM entry WHERE message_id = message.id)
            AND NOT EXISTS (SELECT 1 FROM bounce WHERE message_id = message.id)
            AND NOT EXISTS (SELECT 1 FROM queue WHERE message_id = message.id)
            AND NOT EXISTS (SELECT 1 FROM mailing WHERE message_id = message.id)",
    )
    .fetch_all(&mut *connection)
    .await?;
    let ids = rows.iter().map(|row| super::message::id_in(row, 0));
    let mut ids = ids.collect::<Result<VecDeque<_>, _>>()?;
    while !ids.is_empty() {
        forget_piece(&mut ids, connection).await?;
    }
    Ok(rows.len() as u64)
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
        self.skip_to(0);
    }

    /// Goes on with this chunk.
    pub(super) fn skip_to(&mut self, idx: u64) {
        self.next = idx.cast_signed();
        self.done = false;
    }

    pub(super) fn id(&self) -> MessageId {
        self.id
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
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
    /// [`StoreError::Stopped`] if the store is being closed, [`StoreError::Reserved`] if too little room is left on the
    /// disk, [`StoreError::NoRoom`] if there was none in memory for half a minute, or why the store refuses writes at present.
    pub async fn begin_body(&self) -> Result<BodyWriter, StoreError> {
        self.check_health()?;
        self.writer.shared.reserve.take(CHUNK as u64)?;
        Ok(BodyWriter {
            _share: self.budget.body().await?,
            staging: Staging {
                handle: self.writer.clone(),
                id: MessageId::random(),
                staged: false,
            },
            vault: self.vault.clone(),
            buffer: Vec::new(),
            next: 0,
            size: 0,
            head_is_last: false,
        })
    }

    /// Room in the byte budget for what a connection holds of a mail beside its body.
    pub fn room(&self) -> Room {
        self.budget.room()
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
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_held_beside_bodies_counts_and_comes_back() {
        let budget = Budget::of(8 * CHUNK);
        let body = budget.body().await.unwrap();
        let (mut one, mut other) = (budget.room(), budget.room());
        for (bytes, left) in [
            (0, 6),
            (Room::FREE, 6),
            (Room::FREE + 1, 5),
            (CHUNK, 5),
            (2 * CHUNK, 4),
        ] {
            one.hold(bytes).unwrap();
            assert_eq!(budget.0.available_permits(), left, "{bytes}");
        }
        assert_eq!(other.hold(5 * CHUNK), Err(NoRoom));
        other.hold(4 * CHUNK).unwrap();
        assert_eq!(one.hold(3 * CHUNK), Err(NoRoom));
        drop(other);
        one.hold(3 * CHUNK).unwrap();
        drop((one, body));
        assert_eq!(budget.0.available_permits(), 8);
    }
}
