//! Parts of messages (RFC 9051 §6.4.5, RFC 3516), streamed: their length is known before their first byte, and of a long one
//! no more than a piece is in memory.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Ended, No, Sink, Stop};
use crate::id::MessageId;
use crate::imap::command::{BodyItem, PartWhat};
use crate::imap::write;
use crate::mailbox::Mailboxes;
use crate::mailbox::section::{Opened, Partial, Section, SectionError, Wanted};
use crate::message::outline::Outline;
use crate::store::{CHUNK, Entry, StoreError};

/// A part of a message.
pub(super) enum Part {
    /// There is none.
    Absent,
    /// It can't be read. It is shown as nothing, and told at the end of the command: others are to be read.
    Refused(No),
    /// It is open; these are its first pieces.
    Open(Box<Opened>, VecDeque<Bytes>),
}

impl Part {
    /// Opens a part. Without an outline there's none but the whole message.
    pub(super) async fn open(
        mailboxes: &Mailboxes,
        item: &BodyItem,
        entry: &Entry,
        outline: Option<&Outline>,
    ) -> Self {
        if item.is_whole_message() {
            let opened = mailboxes.whole(entry.message, entry.record.size, partial(item));
            return Self::Open(Box::new(opened), VecDeque::new());
        }
        let Some(outline) = outline else {
            return Self::Absent;
        };
        match open(mailboxes, item, entry.message, outline).await {
            Ok(Some(opened)) => Self::Open(Box::new(opened), VecDeque::new()),
            Ok(None) => Self::Absent,
            Err(no) => Self::Refused(no),
        }
    }

    /// Reads all of it, if that isn't much.
    pub(super) async fn read_ahead(self) -> Self {
        let Self::Open(mut opened, mut pieces) = self else {
            return self;
        };
        if opened.size() <= CHUNK as u64 {
            loop {
                match opened.next().await {
                    // A short piece would keep all of the chunk in memory from which it is.
                    Ok(Some(piece)) if piece.len() < CHUNK / 4 => {
                        pieces.push_back(Bytes::copy_from_slice(&piece));
                    }
                    Ok(Some(piece)) => pieces.push_back(piece),
                    Ok(None) => break,
                    Err(error) => return Self::Refused(error.into()),
                }
            }
        }
        Self::Open(opened, pieces)
    }

    /// How much of it is in memory.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Open(_, pieces) => pieces.iter().map(Bytes::len).sum(),
            Self::Absent | Self::Refused(_) => 0,
        }
    }

    /// Writes it with its name.
    pub(super) async fn write<S: Sink>(
        self,
        item: &BodyItem,
        out: &mut S,
    ) -> Result<Option<No>, Stop> {
        let buffer = out.buffer();
        buffer.extend_from_slice(item.label.as_bytes());
        buffer.push(b' ');
        let nothing: &[u8] = match item.what {
            PartWhat::BinarySize => b"0",
            _ => b"NIL",
        };
        let (opened, pieces) = match self {
            Self::Open(opened, pieces) => (opened, pieces),
            Self::Absent => {
                buffer.extend_from_slice(nothing);
                return Ok(None);
            }
            Self::Refused(no) => {
                buffer.extend_from_slice(nothing);
                return Ok(Some(no));
            }
        };
        match item.what {
            PartWhat::BinarySize => {
                write::number(buffer, opened.size());
                return Ok(None);
            }
            // It may hold any octet.
            PartWhat::Binary => buffer.extend_from_slice(b"~{"),
            _ => buffer.push(b'{'),
        }
        write::number(buffer, opened.size());
        buffer.extend_from_slice(b"}\r\n");
        stream(opened, pieces, out).await?;
        Ok(None)
    }
}

/// Once its length was said there is no way back.
async fn stream<S: Sink>(
    mut opened: Box<Opened>,
    mut pieces: VecDeque<Bytes>,
    out: &mut S,
) -> Result<(), Ended> {
    let mut left = opened.size();
    while left > 0 {
        let piece = match pieces.pop_front() {
            Some(piece) => Some(piece),
            None => opened.next().await.map_err(|error| {
                tracing::error!(%error, "a message could not be read to its end");
                Ended::HalfSaid
            })?,
        };
        let piece = piece.filter(|piece| piece.len() as u64 <= left);
        let piece = piece.ok_or(Ended::HalfSaid)?;
        left -= piece.len() as u64;
        out.buffer().extend_from_slice(&piece);
        out.relieve().await?;
    }
    Ok(())
}

async fn open(
    mailboxes: &Mailboxes,
    item: &BodyItem,
    message: MessageId,
    outline: &Outline,
) -> Result<Option<Opened>, No> {
    let wanted = match &item.what {
        PartWhat::Binary | PartWhat::BinarySize => {
            let binary = mailboxes.binary(message, outline, &item.part, partial(item));
            return binary.await.map_err(|error| match error {
                SectionError::UnknownEncoding => No::new("UNKNOWN-CTE", error.to_string()),
                SectionError::Store(error) => error.into(),
            });
        }
        PartWhat::Whole => Wanted::Whole,
        PartWhat::Header => Wanted::Header,
        PartWhat::Fields(names) => Wanted::Fields(names.clone()),
        PartWhat::FieldsNot(names) => Wanted::OtherFields(names.clone()),
        PartWhat::Text => Wanted::Text,
        PartWhat::Mime => Wanted::Mime,
    };
    let part = item.part.clone();
    let section = Section { part, wanted };
    let opened = mailboxes.section(message, outline, &section, partial(item));
    opened.await.map_err(|error: StoreError| error.into())
}

fn partial(item: &BodyItem) -> Option<Partial> {
    item.partial.map(|(first, most)| Partial {
        first: first.into(),
        most: most.into(),
    })
}
