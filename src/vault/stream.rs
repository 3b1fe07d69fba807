//! Sealed streams: files of any length for somebody elsewhere, to another vault's public key or under a passphrase. An
//! export leaves the server this way.
//!
//! Format: `hustings-stream-v1 LF | kind (1) | length (2) | key material | chunks`. Kind 1: the key material is a sealed
//! box with the stream's key; kind 2: the settings of Argon2id under which the passphrase gives it. A chunk is
//! `length (4) | ciphertext and tag` by XChaCha20-Poly1305; its nonce counts the chunks and flags the last one, its
//! associated data is the whole header. So chunks can't be dropped, swapped, doubled or cut off unseen.

use std::fmt;

use zeroize::Zeroizing;

use super::cipher::{NONCE_LEN, TAG_LEN, decrypt, encrypt};
use super::root::{PassphraseParams, RootKey, RootKeyError};
use super::secret::{Secret, derive};
use super::{BoxError, SealTo, Vault};

const MAGIC: &[u8] = b"hustings-stream-v1\n";
const TO_VAULT: u8 = 1;
const PASSPHRASE: u8 = 2;
/// Plain bytes in a chunk.
const CHUNK: usize = 64 * 1024;

/// For whom a stream is sealed.
pub enum StreamTo<'a> {
    /// The vault with this public key.
    Vault(SealTo),
    /// Whoever knows this passphrase.
    Passphrase(&'a str),
}

/// How a stream is opened.
pub enum StreamKey<'a> {
    /// By the vault that it was sealed to.
    Vault(&'a Vault),
    /// By the passphrase.
    Passphrase(&'a str),
}

/// A stream that can't be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Not such a stream, or not of this kind.
    #[error(
        "not a sealed stream that this key opens: check the file, and whether it wants a passphrase or a vault"
    )]
    Malformed,
    /// The wrong key, or the file was altered.
    #[error("the sealed stream does not open: the key is another one, or the file was altered")]
    Altered,
    /// The end is missing.
    #[error("the sealed stream was cut off: copy the file again")]
    Cut,
    /// The box with the key does not open, or the public key is bad.
    #[error(transparent)]
    Box(#[from] BoxError),
    /// The passphrase could not be turned into a key.
    #[error(transparent)]
    Passphrase(#[from] RootKeyError),
}

/// Seals a stream piece by piece.
pub struct StreamSealer {
    key: Secret,
    header: Vec<u8>,
    chunks: u64,
    plain: Zeroizing<Vec<u8>>,
    started: bool,
}

/// Opens a stream piece by piece.
pub struct StreamOpener {
    key: Secret,
    header: Vec<u8>,
    chunks: u64,
    sealed: Vec<u8>,
    ended: bool,
}

impl fmt::Debug for StreamSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamSealer(..)")
    }
}

impl fmt::Debug for StreamOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamOpener(..)")
    }
}

impl StreamSealer {
    /// Begins a stream. With a passphrase this takes half a second and 64 MiB: call it off the async threads.
    ///
    /// # Errors
    /// [`StreamError::Box`] or [`StreamError::Passphrase`].
    pub fn new(to: &StreamTo<'_>) -> Result<Self, StreamError> {
        let (kind, material, key) = match to {
            StreamTo::Vault(public) => {
                let key = Secret::random();
                (TO_VAULT, public.seal(key.bytes())?, key)
            }
            StreamTo::Passphrase(passphrase) => {
                let params = PassphraseParams::generate();
                let key = from_passphrase(passphrase, &params)?;
                (PASSPHRASE, params.to_bytes(), key)
            }
        };
        let mut header = MAGIC.to_vec();
        header.push(kind);
        let length = u16::try_from(material.len()).map_err(|_| StreamError::Malformed)?;
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(&material);
        Ok(Self {
            key,
            header,
            chunks: 0,
            plain: Zeroizing::new(Vec::with_capacity(CHUNK)),
            started: false,
        })
    }

    /// Takes plain bytes and gives what of the sealed stream is ready, often nothing.
    pub fn push(&mut self, mut plain: &[u8]) -> Vec<u8> {
        let mut out = self.start();
        while !plain.is_empty() {
            if self.plain.len() == CHUNK {
                self.seal(false, &mut out);
            }
            let (now, later) = plain.split_at(plain.len().min(CHUNK - self.plain.len()));
            self.plain.extend_from_slice(now);
            plain = later;
        }
        out
    }

    /// Ends the stream and gives its last bytes.
    pub fn finish(mut self) -> Vec<u8> {
        let mut out = self.start();
        self.seal(true, &mut out);
        out
    }

    fn start(&mut self) -> Vec<u8> {
        match std::mem::replace(&mut self.started, true) {
            true => Vec::new(),
            false => self.header.clone(),
        }
    }

    fn seal(&mut self, last: bool, out: &mut Vec<u8>) {
        let nonce = nonce(self.chunks, last);
        let tag = encrypt(self.key.bytes(), &nonce, &self.header, &mut self.plain);
        let length = u32::try_from(self.plain.len() + TAG_LEN).expect("a chunk is short");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.plain);
        out.extend_from_slice(&tag);
        self.plain.clear();
        self.chunks += 1;
    }
}

fn nonce(chunk: u64, last: bool) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[0] = last.into();
    nonce[NONCE_LEN - 8..].copy_from_slice(&chunk.to_be_bytes());
    nonce
}

fn from_passphrase(passphrase: &str, params: &PassphraseParams) -> Result<Secret, StreamError> {
    let root = RootKey::from_passphrase(passphrase, params)?;
    let mut key = Secret::zero();
    derive(b"", root.bytes(), &[b"hustings stream v1"], key.bytes_mut());
    Ok(key)
}

/// The header of a stream.
struct Header<'a> {
    length: usize,
    kind: u8,
    material: &'a [u8],
}

/// Reads a header; none while it isn't whole.
fn parse_header(bytes: &[u8]) -> Result<Option<Header<'_>>, StreamError> {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return Err(StreamError::Malformed);
    }
    let Some(rest) = bytes.get(MAGIC.len()..) else {
        return Ok(None);
    };
    let Some(([kind, high, low], rest)) = rest.split_first_chunk::<3>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let material = rest.get(..length);
    Ok(material.map(|material| Header {
        length: MAGIC.len() + 3 + length,
        kind: *kind,
        material,
    }))
}

impl StreamOpener {
    /// How many bytes of a stream's start [`StreamOpener::new`] may need at most.
    pub const HEAD: usize = MAGIC.len() + 3 + u16::MAX as usize;

    /// Begins to open a stream whose first bytes are these. What follows its [header](StreamOpener::header_len) is then
    /// given to [`StreamOpener::push`].
    ///
    /// # Errors
    /// [`StreamError`].
    pub fn new(start: &[u8], key: &StreamKey<'_>) -> Result<Self, StreamError> {
        let Header {
            length,
            kind,
            material,
        } = parse_header(start)?.ok_or(StreamError::Cut)?;
        let key = match (kind, key) {
            (TO_VAULT, StreamKey::Vault(vault)) => {
                let plain = vault.open_box(material)?;
                Secret::from_slice(&plain).ok_or(StreamError::Malformed)?
            }
            (PASSPHRASE, StreamKey::Passphrase(passphrase)) => {
                from_passphrase(passphrase, &PassphraseParams::from_bytes(material)?)?
            }
            _ => return Err(StreamError::Malformed),
        };
        Ok(Self {
            key,
            header: start[..length].to_vec(),
            chunks: 0,
            sealed: Vec::new(),
            ended: false,
        })
    }

    /// Takes bytes of the stream behind its header and gives what of them is open.
    ///
    /// # Errors
    /// [`StreamError`]: nothing of this piece may be used.
    pub fn push(&mut self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StreamError> {
        self.sealed.extend_from_slice(sealed);
        let mut plain = Zeroizing::new(Vec::new());
        while let Some((head, rest)) = self.sealed.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*head) as usize;
            if !(TAG_LEN..=CHUNK + TAG_LEN).contains(&length) || self.ended {
                return Err(StreamError::Altered);
            }
            if rest.len() < length {
                break;
            }
            let chunk = Zeroizing::new(rest[..length].to_vec());
            self.sealed.drain(..4 + length);
            plain.extend_from_slice(&self.open(chunk)?);
        }
        Ok(plain)
    }

    /// The last chunk differs by its nonce alone, so a short one is tried as the last first, and a full one as any other.
    fn open(&mut self, chunk: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, StreamError> {
        let full = chunk.len() == CHUNK + TAG_LEN;
        for last in [!full, full] {
            let mut plain = chunk.clone();
            let (body, tag) = plain
                .split_last_chunk_mut::<TAG_LEN>()
                .ok_or(StreamError::Altered)?;
            let nonce = nonce(self.chunks, last);
            let opened = decrypt(self.key.bytes(), &nonce, &self.header, body, tag);
            if opened.is_some() {
                plain.truncate(chunk.len() - TAG_LEN);
                self.chunks += 1;
                self.ended = last;
                return Ok(plain);
            }
        }
        Err(StreamError::Altered)
    }

    /// The length of the header, which isn't given to [`StreamOpener::push`].
    pub fn header_len(&self) -> usize {
        self.header.len()
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`StreamError::Cut`] if its end did not come.
    pub fn finish(self) -> Result<(), StreamError> {
        match self.ended && self.sealed.is_empty() {
            true => Ok(()),
            false => Err(StreamError::Cut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(to: &StreamTo<'_>, plain: &[u8], piece: usize) -> Vec<u8> {
        let mut sealer = StreamSealer::new(to).expect("seals");
        let mut out = Vec::new();
        for part in plain.chunks(piece.max(1)) {
            out.extend(sealer.push(part));
        }
        out.extend(sealer.finish());
        out
    }

    fn opened(key: &StreamKey<'_>, sealed: &[u8], piece: usize) -> Result<Vec<u8>, StreamError> {
        let mut opener = StreamOpener::new(sealed, key)?;
        let mut plain = Vec::new();
        for part in sealed[opener.header_len()..].chunks(piece.max(1)) {
            plain.extend_from_slice(&opener.push(part)?);
        }
        opener.finish()?;
        Ok(plain)
    }

    #[test]
    fn a_passphrase_opens_and_another_does_not() {
        let stream = sealed(&StreamTo::Passphrase("correct horse"), b"rows", 10);
        let key = StreamKey::Passphrase("correct horse");
        assert_eq!(opened(&key, &stream, 7).expect("opens"), b"rows");
        let wrong = StreamKey::Passphrase("battery staple");
        assert!(matches!(
            opened(&wrong, &stream, 7),
            Err(StreamError::Altered)
        ));
        let vault = Vault::for_tests();
        let other = StreamKey::Vault(&vault);
        assert!(matches!(
            opened(&other, &stream, 7),
            Err(StreamError::Malformed)
        ));
    }

    #[test]
    fn what_was_cut_dropped_or_swapped_does_not_open() {
        let vault = Vault::for_tests();
        let key = StreamKey::Vault(&vault);
        let plain: Vec<u8> = (0..CHUNK * 2 + 100).map(|n| (n % 251) as u8).collect();
        let stream = sealed(&StreamTo::Vault(vault.seal_to()), &plain, 9000);
        assert_eq!(opened(&key, &stream, 5000).expect("opens"), plain);
        let header = StreamOpener::new(&stream, &key)
            .expect("opens")
            .header_len();
        let chunk = 4 + CHUNK + TAG_LEN;
        // The last chunk missing.
        let cut = &stream[..header + 2 * chunk];
        assert!(matches!(opened(&key, cut, 5000), Err(StreamError::Cut)));
        // The first one missing.
        let mut dropped = stream[..header].to_vec();
        dropped.extend_from_slice(&stream[header + chunk..]);
        assert!(matches!(
            opened(&key, &dropped, 5000),
            Err(StreamError::Altered)
        ));
        // Two swapped.
        let mut swapped = stream[..header].to_vec();
        swapped.extend_from_slice(&stream[header + chunk..header + 2 * chunk]);
        swapped.extend_from_slice(&stream[header..header + chunk]);
        swapped.extend_from_slice(&stream[header + 2 * chunk..]);
        assert!(matches!(
            opened(&key, &swapped, 5000),
            Err(StreamError::Altered)
        ));
        // Something behind the end.
        let mut longer = stream.clone();
        longer.extend_from_slice(&stream[header..]);
        assert!(matches!(
            opened(&key, &longer, 5000),
            Err(StreamError::Altered)
        ));
    }

    #[test]
    fn another_vault_does_not_open_it() {
        let (own, other) = (Vault::for_tests(), Vault::for_tests());
        let stream = sealed(&StreamTo::Vault(own.seal_to()), b"rows", 10);
        assert!(opened(&StreamKey::Vault(&other), &stream, 10).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_length_in_any_pieces_comes_back(
            length in prop_oneof![0_usize..300, CHUNK - 2..CHUNK + 3, 2 * CHUNK - 1..2 * CHUNK + 2],
            piece in 1_usize..70_000,
            flip in any::<prop::sample::Index>(),
        ) {
            let vault = Vault::for_tests();
            let key = StreamKey::Vault(&vault);
            let plain: Vec<u8> = (0..length).map(|n| (n % 253) as u8).collect();
            let mut stream = sealed(&StreamTo::Vault(vault.seal_to()), &plain, piece);
            prop_assert_eq!(opened(&key, &stream, piece).expect("opens"), plain);
            let at = flip.index(stream.len());
            stream[at] ^= 1;
            prop_assert!(opened(&key, &stream, piece).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), magic: bool) {
            let vault = Vault::for_tests();
            let mut start = if magic { MAGIC.to_vec() } else { Vec::new() };
            start.extend(bytes);
            let _ = opened(&StreamKey::Vault(&vault), &start, 50);
        }
    }
}
