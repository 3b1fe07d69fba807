//! A piece of a body. Only the chunks in which it lies are opened, and of a body that begins with a short chunk (its head
//! was known last) that one too, since it says where the others begin.

use std::ops::Range;

use bytes::Bytes;
use sqlx::Row;

use super::body::{BodyReader, CHUNK};
use super::{Store, StoreError};
use crate::id::MessageId;
use crate::vault::SEAL_OVERHEAD;

/// Gives a piece of a body out, chunk by chunk. It holds no transaction between chunks.
pub struct RangeReader {
    body: BodyReader,
    range: Range<u64>,
    /// Where the next bytes stand; nothing before the first.
    at: Option<u64>,
}

impl RangeReader {
    /// Begins again.
    pub fn rewind(&mut self) {
        self.body.skip_to(0);
        self.at = None;
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// As [`BodyReader::next`]; [`StoreError::Cut`] too if the body ends before the piece does.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let at = self.at.unwrap_or(self.range.start);
        if at >= self.range.end {
            return Ok(None);
        }
        let (chunk, skip) = match self.at {
            None => self.first_piece().await?,
            Some(_) => (self.chunk().await?, 0),
        };
        let wanted = usize::try_from(self.range.end - at).unwrap_or(usize::MAX);
        let end = chunk.len().min(skip.saturating_add(wanted));
        if skip >= end {
            return Err(self.cut());
        }
        self.at = Some(at + (end - skip) as u64);
        Ok(Some(chunk.slice(skip..end)))
    }

    /// The chunk in which the piece begins, and how much of it lies before.
    async fn first_piece(&mut self) -> Result<(Bytes, usize), StoreError> {
        let start = self.range.start;
        let mut first = CHUNK as u64;
        // What lies beyond a first chunk of full length isn't in it: it stays closed.
        if start < first || !self.is_first_full().await? {
            let chunk = self.chunk().await?;
            first = chunk.len() as u64;
            if let Some(skip) = usize::try_from(start).ok().filter(|at| *at < chunk.len()) {
                return Ok((chunk, skip));
            }
        }
        let behind = start - first;
        self.body.skip_to(1 + behind / CHUNK as u64);
        let skip = usize::try_from(behind % CHUNK as u64).unwrap_or(usize::MAX);
        Ok((self.chunk().await?, skip))
    }

    /// Whether the first chunk is as long as one can be, by the length of what is sealed.
    async fn is_first_full(&self) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT length(sealed) FROM chunk WHERE message_id = $1 AND idx = 0")
            .bind(self.body.id().as_bytes().as_slice())
            .fetch_optional(self.body.readers())
            .await?
            .ok_or_else(|| self.cut())?;
        let length: i64 = row.try_get(0)?;
        Ok(usize::try_from(length) == Ok(CHUNK + SEAL_OVERHEAD))
    }

    async fn chunk(&mut self) -> Result<Bytes, StoreError> {
        let next = self.body.next().await?;
        next.ok_or_else(|| self.cut())
    }

    fn cut(&self) -> StoreError {
        let message = self.body.id();
        StoreError::Cut { message }
    }
}

impl Store {
    /// Opens a piece of a body to be read: the bytes from `range.start` up to `range.end`, which it must have.
    pub fn body_range(&self, id: MessageId, range: Range<u64>) -> RangeReader {
        RangeReader {
            body: self.body(id),
            range,
            at: None,
        }
    }
}
