//! Giving a section out, chunk by chunk. How long it is must be known before its first byte: what has to be picked or
//! decoded is gone over once to count it, and held if it's short, or gone over again.

use std::ops::Range;

use bytes::Bytes;

use super::fields::Fields;
use super::place::{self, Place};
use super::{Partial, Section};
use crate::id::MessageId;
use crate::mailbox::Mailboxes;
use crate::message::mime::decode::Decoder;
use crate::message::mime::field;
use crate::message::mime::tree::TransferEncoding;
use crate::message::outline::{Node, Outline, is_listed};
use crate::store::{CHUNK, RangeReader, StoreError};

/// The most of a header that is looked at for its part's encoding.
const HEADER: u64 = 64 * 1024;

/// Why a section can't be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SectionError {
    /// How the part is encoded, nobody knows.
    #[error("the part's transfer encoding is unknown: fetch it as it stands, without BINARY")]
    UnknownEncoding,
    /// The store could not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A section that is being read.
pub struct Opened {
    size: u64,
    source: Source,
}

enum Source {
    Held(Option<Bytes>),
    Stored(RangeReader),
    Made { made: Made, skip: u64, left: u64 },
}

/// What is made of stored bytes while they go by.
struct Made {
    reader: RangeReader,
    filter: Filter,
    ended: bool,
}

#[derive(Clone)]
enum Filter {
    Fields(Fields),
    Decoded(Decoder),
}

impl Opened {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// A [`StoreError`] if the message is damaged, or went meanwhile: the rest can't be had.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        match &mut self.source {
            Source::Held(bytes) => Ok(bytes.take()),
            Source::Stored(reader) => reader.next().await,
            Source::Made { made, skip, left } => loop {
                if *left == 0 {
                    return Ok(None);
                }
                let Some(mut piece) = made.next().await? else {
                    return Ok(None);
                };
                let before = (piece.len() as u64).min(*skip);
                *skip -= before;
                let _ = piece.split_to(as_length(before));
                piece.truncate(as_length(*left));
                *left -= piece.len() as u64;
                if !piece.is_empty() {
                    return Ok(Some(piece));
                }
            },
        }
    }

    fn held(bytes: Vec<u8>, partial: Option<Partial>) -> Self {
        let (skip, size) = cut(bytes.len() as u64, partial);
        let from = as_length(skip);
        let bytes = match partial {
            // No more is held than is given out.
            Some(_) => Bytes::copy_from_slice(&bytes[from..from + as_length(size)]),
            None => Bytes::from(bytes),
        };
        Self {
            size,
            source: Source::Held(Some(bytes).filter(|bytes| !bytes.is_empty())),
        }
    }
}

impl Made {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while !self.ended {
            let mut out = Vec::new();
            match self.reader.next().await? {
                Some(piece) => self.filter.take(&piece, &mut out),
                None => {
                    self.ended = true;
                    self.filter.finish(&mut out);
                }
            }
            if !out.is_empty() {
                return Ok(Some(Bytes::from(out)));
            }
        }
        Ok(None)
    }

    /// Opens what this makes.
    async fn open(mut self, partial: Option<Partial>) -> Result<Opened, StoreError> {
        let begun = self.filter.clone();
        let (mut all, mut held) = (0, Some(Vec::new()));
        while let Some(piece) = self.next().await? {
            all += piece.len() as u64;
            match &mut held {
                Some(bytes) if bytes.len() + piece.len() <= CHUNK => {
                    bytes.extend_from_slice(&piece)
                }
                held => *held = None,
            }
        }
        if let Some(bytes) = held {
            return Ok(Opened::held(bytes, partial));
        }
        self.reader.rewind();
        (self.filter, self.ended) = (begun, false);
        let (skip, size) = cut(all, partial);
        let (made, left) = (self, size);
        let source = Source::Made { made, skip, left };
        Ok(Opened { size, source })
    }
}

impl Filter {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Fields(fields) => fields.take(bytes, out),
            Self::Decoded(decoder) => decoder.take(bytes, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Fields(fields) => fields.finish(out),
            Self::Decoded(decoder) => decoder.finish(out),
        }
    }
}

impl Mailboxes {
    /// Opens the whole of a message that has so many bytes. For that its outline isn't needed.
    pub fn whole(&self, message: MessageId, size: u64, partial: Option<Partial>) -> Opened {
        self.stored(message, 0..size, partial)
    }

    fn stored(&self, message: MessageId, range: Range<u64>, partial: Option<Partial>) -> Opened {
        let (skip, size) = cut(range.end - range.start, partial);
        let from = range.start + skip;
        let source = Source::Stored(self.store.body_range(message, from..from + size));
        Opened { size, source }
    }

    /// Opens a section of a message that has this outline; `None` if there is no such part. Fields that lists show are
    /// answered by the outline alone.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub async fn section(
        &self,
        message: MessageId,
        outline: &Outline,
        section: &Section,
        partial: Option<Partial>,
    ) -> Result<Option<Opened>, StoreError> {
        let Some(place) = Place::of(section, outline) else {
            return Ok(None);
        };
        let (header, names, others, own) = match place {
            Place::Bytes(range) => return Ok(Some(self.stored(message, range, partial))),
            Place::Fields {
                header,
                names,
                others,
                own,
            } => (header, names, others, own),
        };
        let mut fields = Fields::new(names, others);
        if own && !others && outline.whole && names.iter().all(|name| is_listed(name)) {
            let mut picked = Vec::new();
            fields.take(&outline.root.fields, &mut picked);
            fields.finish(&mut picked);
            return Ok(Some(Opened::held(picked, partial)));
        }
        let made = Made {
            reader: self.store.body_range(message, header),
            filter: Filter::Fields(fields),
            ended: false,
        };
        made.open(partial).await.map(Some)
    }

    /// Opens a part, its transfer encoding undone (RFC 3516); without a part, the message as it stands. `None` if there is
    /// no such part. How long it is then, is its [`Opened::size`].
    ///
    /// # Errors
    /// A [`SectionError`].
    pub async fn binary(
        &self,
        message: MessageId,
        outline: &Outline,
        part: &[u32],
        partial: Option<Partial>,
    ) -> Result<Option<Opened>, SectionError> {
        let Some(node) = place::part(&outline.root, part) else {
            return Ok(None);
        };
        let encoding = match part {
            [] => TransferEncoding::Identity,
            _ => self.encoding(message, outline, node).await?,
        };
        if encoding == TransferEncoding::Identity {
            let wanted = super::Wanted::Whole;
            let part = part.to_vec();
            let section = Section { part, wanted };
            return Ok(self.section(message, outline, &section, partial).await?);
        }
        let decoder = Decoder::of(encoding).ok_or(SectionError::UnknownEncoding)?;
        let made = Made {
            reader: self.store.body_range(message, place::body(node)),
            filter: Filter::Decoded(decoder),
            ended: false,
        };
        Ok(made.open(partial).await.map(Some)?)
    }

    /// How a part is encoded. A header of which the outline has left something out is looked at.
    pub(in crate::mailbox) async fn encoding(
        &self,
        message: MessageId,
        outline: &Outline,
        node: &Node,
    ) -> Result<TransferEncoding, StoreError> {
        const NAME: &str = "Content-Transfer-Encoding";
        let parts = !node.parts.is_empty();
        if let Some(raw) = node.fields_named(NAME).next() {
            return Ok(said(raw, parts));
        }
        let header = place::header(node);
        let length = header.end - header.start;
        let all_kept = outline.whole && std::ptr::eq(node, &outline.root);
        if all_kept || length <= node.fields.len() as u64 + 2 {
            return Ok(TransferEncoding::Identity);
        }
        let end = header.start + length.min(HEADER);
        let mut reader = self.store.body_range(message, header.start..end);
        let mut fields = Fields::new(&[NAME.to_owned()], false);
        let mut found = Vec::new();
        while let Some(piece) = reader.next().await? {
            fields.take(&piece, &mut found);
        }
        fields.finish(&mut found);
        let raw = field::raw_fields(&found).next();
        Ok(raw.map_or(TransferEncoding::Identity, |raw| said(raw, parts)))
    }
}

/// What a field says. What holds parts isn't encoded, whatever it says (RFC 2045 §6.4).
fn said(raw: &[u8], holds_parts: bool) -> TransferEncoding {
    let colon = raw.iter().position(|byte| *byte == b':');
    match colon {
        Some(colon) if !holds_parts => TransferEncoding::named(&raw[colon + 1..]),
        _ => TransferEncoding::Identity,
    }
}

/// How much of so many bytes is left out before a piece, and how much the piece has.
fn cut(all: u64, partial: Option<Partial>) -> (u64, u64) {
    let Some(Partial { first, most }) = partial else {
        return (0, all);
    };
    let skip = first.min(all);
    (skip, most.min(all - skip))
}

fn as_length(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
