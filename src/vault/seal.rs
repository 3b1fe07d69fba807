//! Sealed values: XChaCha20-Poly1305 under the purpose's key, bound to the place where the value lies.
//!
//! Format: `shape (1) | generation of the key (2, big-endian) | nonce (24) | ciphertext | tag (16)`.
//!
//! - *Shape* 1 is a short value (up to 4 KiB): zero bytes and its length (2, big-endian) are added before it is
//!   encrypted, up to a multiple of 64 bytes, so that the length of an address or a name doesn't show.
//! - *Shape* 2 is a longer value, not padded: those are bodies cut into chunks of 64 KiB, whose total length shows
//!   to the other mail server anyway, and 64-byte steps would hide nothing in it.
//!
//! The associated data are: the format's name, shape, purpose, generation, and the place (table, column, row id and
//! the row's clear columns), each with its length before it, so that no two places give the same bytes.
//!
//! The nonce is random: with 192 bits a repetition is out of reach for any number of values.

use zeroize::{Zeroize, Zeroizing};

use super::cipher::{NONCE_LEN, TAG_LEN, decrypt, encrypt};
use super::purpose::Purpose;
use super::ring::{KeyRing, Slot};
use super::secret::{Secret, fill_random};

const SHAPE_SHORT: u8 = 1;
const SHAPE_LONG: u8 = 2;
/// Values up to this length are padded.
const SHORT_MAX: usize = 4096;
const STEP: usize = 64;
/// The length that stands at the end of a padded value.
const LENGTH_LEN: usize = 2;

/// How many bytes a sealed value has before its ciphertext.
pub const SEAL_HEADER: usize = 1 + 2 + NONCE_LEN;
/// How many bytes a sealed value is longer than a long plain value. (A short one is also padded.)
pub const SEAL_OVERHEAD: usize = SEAL_HEADER + TAG_LEN;

/// Where a sealed value lies. It opens only there.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The column, or a name for the one blob that holds the rest of the row.
    pub column: &'static str,
    /// The row's id (for a chunk of a body, with its number and last-flag).
    pub row: &'a [u8],
    /// The row's clear columns, in the order of the table: an edited one keeps the value from opening.
    pub clear: &'a [Clear<'a>],
}

/// The value of a clear column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Clear<'a> {
    /// No value.
    Null,
    /// An integer.
    Int(i64),
    /// Bytes, such as an index.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
}

/// A sealed value that doesn't open. It names the place, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, or of a shape not known here.
    #[error(
        "{table}.{column}: not a sealed value (cut off, or written by a newer hustings); run `hustings store verify`"
    )]
    Malformed {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// Altered, moved, or beside an edited clear column.
    #[error(
        "{table}.{column}: a sealed value does not open (it was altered or moved, or the row was edited); run `hustings store verify`"
    )]
    Altered {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// Sealed with a key that this ring doesn't hold.
    #[error(
        "{table}.{column}: sealed with key generation {generation}, which this key ring does not hold; restore the key ring that belongs to this database"
    )]
    UnknownGeneration {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The generation that the value names.
        generation: u16,
    },
}

impl OpenError {
    /// The table and column of the value.
    pub const fn place(&self) -> (&'static str, &'static str) {
        match *self {
            Self::Malformed { table, column }
            | Self::Altered { table, column }
            | Self::UnknownGeneration { table, column, .. } => (table, column),
        }
    }
}

/// The generation of the key that sealed a value, if it is one.
pub(super) fn generation_of(sealed: &[u8]) -> Option<u16> {
    let (_, rest) = sealed.split_first()?;
    rest.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// The keys of one purpose, the newest last.
pub(super) struct Sealer {
    purpose: Purpose,
    keys: Vec<(u16, Secret)>,
}

impl Sealer {
    pub(super) fn new(ring: &KeyRing, purpose: Purpose) -> Self {
        let keys = ring.generations(Slot::Seal(purpose));
        Self {
            purpose,
            keys: keys
                .map(|(generation, key)| (generation, key.clone()))
                .collect(),
        }
    }

    pub(super) fn newest(&self) -> u16 {
        self.newest_key().0
    }

    fn newest_key(&self) -> &(u16, Secret) {
        self.keys.last().expect("a ring has a key in every slot")
    }

    pub(super) fn seal_into(&self, place: &Place<'_>, plain: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        // All at once: a buffer that grows with a plain value in it would leave a copy behind.
        out.reserve(SEAL_OVERHEAD + padded_len(plain.len()));
        out.resize(start + SEAL_HEADER, 0);
        out.extend_from_slice(plain);
        self.finish(place, out, start);
    }

    pub(super) fn seal_in_place(&self, place: &Place<'_>, buffer: &mut Vec<u8>) {
        let plain_len = buffer
            .len()
            .checked_sub(SEAL_HEADER)
            .expect("the caller leaves SEAL_HEADER bytes free");
        let wanted = SEAL_OVERHEAD + padded_len(plain_len);
        if buffer.capacity() < wanted {
            let mut larger = Vec::with_capacity(wanted);
            larger.extend_from_slice(buffer);
            buffer.zeroize();
            *buffer = larger;
        }
        self.finish(place, buffer, 0);
    }

    /// Pads and encrypts what lies after the header that begins at `start`, and writes the header and the tag.
    fn finish(&self, place: &Place<'_>, buffer: &mut Vec<u8>, start: usize) {
        let (generation, key) = self.newest_key();
        let body = start + SEAL_HEADER;
        let shape = shape_of(buffer.len() - body);
        if shape == SHAPE_SHORT {
            pad(buffer, body);
        }
        let mut nonce = [0; NONCE_LEN];
        fill_random(&mut nonce);
        buffer[start] = shape;
        buffer[start + 1..start + 3].copy_from_slice(&generation.to_be_bytes());
        buffer[start + 3..body].copy_from_slice(&nonce);
        let associated = self.associated(shape, *generation, place);
        let tag = encrypt(key.bytes(), &nonce, &associated, &mut buffer[body..]);
        buffer.extend_from_slice(&tag);
    }

    pub(super) fn open_into(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(), OpenError> {
        // What the last value leaves behind the end is wiped with the buffer, or before it is given up for a larger
        // one; wiping it each time would cost as much as opening.
        out.clear();
        let header = Header::read(sealed).ok_or(place.malformed())?;
        if out.capacity() < sealed.len() {
            out.zeroize();
        }
        out.extend_from_slice(&sealed[SEAL_HEADER..sealed.len() - TAG_LEN]);
        let opened = self
            .decrypt(place, &header, out)
            .and_then(|()| header.unpad(out).ok_or(place.altered()));
        if opened.is_err() {
            out.clear();
        }
        opened
    }

    pub(super) fn open_in_place(
        &self,
        place: &Place<'_>,
        sealed: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let header = Header::read(&sealed).ok_or(place.malformed())?;
        let mut buffer = Zeroizing::new(sealed);
        let end = buffer.len() - TAG_LEN;
        self.decrypt(place, &header, &mut buffer[SEAL_HEADER..end])?;
        buffer.truncate(end);
        buffer.drain(..SEAL_HEADER);
        header.unpad(&mut buffer).ok_or(place.altered())?;
        Ok(buffer)
    }

    /// Checks the tag and decrypts.
    fn decrypt(
        &self,
        place: &Place<'_>,
        header: &Header,
        body: &mut [u8],
    ) -> Result<(), OpenError> {
        let generation = header.generation;
        let mut keys = self.keys.iter();
        let Some((_, key)) = keys.find(|(known, _)| *known == generation) else {
            return Err(OpenError::UnknownGeneration {
                table: place.table,
                column: place.column,
                generation,
            });
        };
        let associated = self.associated(header.shape, generation, place);
        decrypt(key.bytes(), &header.nonce, &associated, body, &header.tag).ok_or(place.altered())
    }

    /// The associated data. Every part has a fixed length or its length before it.
    fn associated(&self, shape: u8, generation: u16, place: &Place<'_>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        bytes.extend_from_slice(b"hustings seal v1");
        bytes.push(shape);
        bytes.push(self.purpose.code());
        bytes.extend_from_slice(&generation.to_be_bytes());
        put(&mut bytes, place.table.as_bytes());
        put(&mut bytes, place.column.as_bytes());
        put(&mut bytes, place.row);
        put_len(&mut bytes, place.clear.len());
        for clear in place.clear {
            match clear {
                Clear::Null => bytes.push(0),
                Clear::Int(number) => {
                    bytes.push(1);
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
                Clear::Bytes(value) => {
                    bytes.push(2);
                    put(&mut bytes, value);
                }
                Clear::Text(value) => {
                    bytes.push(3);
                    put(&mut bytes, value.as_bytes());
                }
            }
        }
        bytes
    }
}

fn put_len(bytes: &mut Vec<u8>, len: usize) {
    // A usize has at most 64 bits on every platform that Rust knows.
    bytes.extend_from_slice(&(len as u64).to_be_bytes());
}

fn put(bytes: &mut Vec<u8>, value: &[u8]) {
    put_len(bytes, value.len());
    bytes.extend_from_slice(value);
}

impl Place<'_> {
    const fn malformed(&self) -> OpenError {
        OpenError::Malformed {
            table: self.table,
            column: self.column,
        }
    }

    const fn altered(&self) -> OpenError {
        OpenError::Altered {
            table: self.table,
            column: self.column,
        }
    }
}

/// What stands around the ciphertext.
struct Header {
    shape: u8,
    generation: u16,
    nonce: [u8; NONCE_LEN],
    tag: [u8; TAG_LEN],
}

impl Header {
    fn read(sealed: &[u8]) -> Option<Self> {
        let (head, rest) = sealed.split_first_chunk::<SEAL_HEADER>()?;
        let (shape, head) = head.split_first()?;
        let (generation, nonce) = head.split_first_chunk()?;
        if !matches!(*shape, SHAPE_SHORT | SHAPE_LONG) {
            return None;
        }
        Some(Self {
            shape: *shape,
            generation: u16::from_be_bytes(*generation),
            nonce: nonce.try_into().ok()?,
            tag: *rest.last_chunk()?,
        })
    }

    fn unpad(&self, plain: &mut Vec<u8>) -> Option<()> {
        match self.shape {
            SHAPE_SHORT => unpad(plain),
            _ => Some(()),
        }
    }
}

const fn shape_of(len: usize) -> u8 {
    if len <= SHORT_MAX {
        SHAPE_SHORT
    } else {
        SHAPE_LONG
    }
}

/// How long a value is once it's padded, if it is.
const fn padded_len(len: usize) -> usize {
    if len <= SHORT_MAX {
        (len + LENGTH_LEN).next_multiple_of(STEP)
    } else {
        len
    }
}

/// Pads what lies after `start` (at most 65,535 bytes) with zero bytes and its length, up to a multiple of 64 bytes.
pub(super) fn pad(buffer: &mut Vec<u8>, start: usize) {
    let len = buffer.len() - start;
    let padded = (len + LENGTH_LEN).next_multiple_of(STEP);
    buffer.resize(start + padded - LENGTH_LEN, 0);
    let len = u16::try_from(len).expect("only values of a few KiB are padded");
    buffer.extend_from_slice(&len.to_be_bytes());
}

/// Undoes [`pad`]; `None` if the padding isn't what `pad` makes.
pub(super) fn unpad(plain: &mut Vec<u8>) -> Option<()> {
    let (padded, length) = plain.split_last_chunk::<LENGTH_LEN>()?;
    let len = usize::from(u16::from_be_bytes(*length));
    let padding = padded.get(len..)?;
    if padding.len() >= STEP || padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    plain.truncate(len);
    Some(())
}

#[cfg(test)]
mod tests;
