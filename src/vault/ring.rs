//! The key ring: all data keys, per purpose and generation, wrapped by the root key.
//!
//! Every key is random and independent of the root key, so that the root key can be changed by wrapping the ring
//! anew, with no sealed value touched. Sealing keys gain generations and may lose old ones once nothing is sealed
//! with them. Index and token keys gain generations and never lose one: hashes and tokens made with them are in
//! other people's hands.
//!
//! A wrapped ring, version 1:
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `HUSTRING` |
//! | 1 | version |
//! | 16 | check value of the root key (HKDF of it; tells a wrong key from a damaged ring) |
//! | 24 | nonce |
//! | n × 36 | encrypted: per key its kind, its code, its generation (2, big-endian) and its 32 bytes, in ascending order |
//! | 16 | tag |
//!
//! The cipher is XChaCha20-Poly1305 under a key derived from the root key by HKDF; associated data are the first 25
//! bytes.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cipher::{NONCE_LEN, TAG_LEN, decrypt, encrypt};
use super::purpose::{IndexColumn, Purpose, TokenKind};
use super::root::RootKey;
use super::secret::{KEY_LEN, Secret, derive, fill_random};
use super::secret_box::{BoxKey, SealTo};

const MAGIC: &[u8; 8] = b"HUSTRING";
const VERSION: u8 = 1;
const CHECK_LEN: usize = 16;
const CLEAR_LEN: usize = MAGIC.len() + 1 + CHECK_LEN;
const ENTRY_LEN: usize = 4 + KEY_LEN;
/// The generation of a key lies in one byte of each index and token, so there is an end.
const LAST_TAGGED_GENERATION: u16 = 255;

/// Why a wrapped ring could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// Not a key ring at all.
    #[error(
        "this is not a key ring: it was cut off or overwritten; stop the service and put back a copy of the database from before"
    )]
    NotARing,
    /// Made by a newer hustings.
    #[error("the key ring was written by a newer hustings; run that version or a later one")]
    NewerVersion,
    /// The root key is another one.
    #[error(
        "wrong key or passphrase: it does not open this database's key ring, and nothing was changed; type the passphrase again, or give the key that was made with this database"
    )]
    WrongKey,
    /// The root key is right, the ring is not as it was written.
    #[error(
        "the key is right, but the key ring is damaged; stop the service and put back a copy of the database from before"
    )]
    Damaged,
}

/// Why a ring could not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// No generation is left.
    #[error(
        "this key has had all the generations it can have; export the data to a fresh installation"
    )]
    NoGenerationLeft,
    /// The newest generation stays.
    #[error("the newest generation of a key can't be dropped; add a newer one first")]
    Newest,
    /// There is no such generation.
    #[error("the key ring holds no such generation of this key")]
    NoSuchGeneration,
}

/// Where a key stands in the ring.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Seal(Purpose),
    Index(IndexColumn),
    Token(TokenKind),
    Checkpoint,
    Box,
}

impl Slot {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let seals = Purpose::ALL.iter().copied().map(Self::Seal);
        seals
            .chain(Self::forever())
            .chain([Self::Checkpoint, Self::Box])
    }

    /// The keys whose every generation is kept for ever and stands on the recovery sheet.
    pub(super) fn forever() -> impl Iterator<Item = Self> {
        let indexes = IndexColumn::ALL.iter().copied().map(Self::Index);
        indexes.chain(TokenKind::ALL.iter().copied().map(Self::Token))
    }

    const fn code(self) -> [u8; 2] {
        match self {
            Self::Seal(purpose) => [1, purpose.code()],
            Self::Index(column) => [2, column.code()],
            Self::Token(kind) => [3, kind.code()],
            Self::Checkpoint => [4, 1],
            Self::Box => [5, 1],
        }
    }

    fn from_code(code: [u8; 2]) -> Option<Self> {
        match code {
            [1, purpose] => Purpose::from_code(purpose).map(Self::Seal),
            [2, column] => IndexColumn::from_code(column).map(Self::Index),
            [3, kind] => TokenKind::from_code(kind).map(Self::Token),
            [4, 1] => Some(Self::Checkpoint),
            [5, 1] => Some(Self::Box),
            _ => None,
        }
    }

    /// Whether a key here can have this generation.
    pub(super) const fn allows(self, generation: u16) -> bool {
        generation != 0 && generation <= self.last_generation()
    }

    const fn last_generation(self) -> u16 {
        match self {
            Self::Index(_) | Self::Token(_) => LAST_TAGGED_GENERATION,
            Self::Seal(_) | Self::Checkpoint | Self::Box => u16::MAX,
        }
    }
}

/// All data keys. It has no `Debug`; its keys are wiped when it goes.
#[derive(Clone)]
pub struct KeyRing {
    keys: BTreeMap<(Slot, u16), Secret>,
    needs_saving: bool,
}

impl KeyRing {
    /// A ring of fresh random keys, one generation each.
    pub fn generate() -> Self {
        let mut ring = Self::empty();
        ring.fill();
        ring
    }

    pub(super) fn empty() -> Self {
        Self {
            keys: BTreeMap::new(),
            needs_saving: false,
        }
    }

    /// Puts a key into every empty slot.
    pub(super) fn fill(&mut self) {
        for slot in Slot::all() {
            if self.generations(slot).next().is_none() {
                self.insert(slot, 1, Secret::random());
                self.needs_saving = true;
            }
        }
    }

    pub(super) fn insert(&mut self, slot: Slot, generation: u16, key: Secret) {
        self.keys.insert((slot, generation), key);
    }

    /// The keys of one slot, the newest last.
    pub(super) fn generations(&self, slot: Slot) -> impl Iterator<Item = (u16, &Secret)> {
        self.keys
            .range((slot, 0)..=(slot, u16::MAX))
            .map(|((_, generation), key)| (*generation, key))
    }

    fn newest(&self, slot: Slot) -> (u16, &Secret) {
        self.generations(slot)
            .last()
            .expect("a ring has a key in every slot")
    }

    /// Whether the ring holds keys that were never saved: it is new or was changed, or it was wrapped by an older
    /// hustings that knew fewer purposes. Wrap and save it before anything is sealed with it.
    pub const fn needs_saving(&self) -> bool {
        self.needs_saving
    }

    /// Adds a generation of a sealing key and returns it; from then on values are sealed with it.
    ///
    /// # Errors
    /// [`RingError::NoGenerationLeft`] after 65,535 generations.
    pub fn add_sealing_generation(&mut self, purpose: Purpose) -> Result<u16, RingError> {
        self.add_generation(Slot::Seal(purpose))
    }

    /// Adds a generation of an index key. Rows found by the older ones stay found by
    /// [`Vault::index_all`](super::Vault::index_all).
    ///
    /// # Errors
    /// [`RingError::NoGenerationLeft`] after 255 generations.
    pub fn add_index_generation(&mut self, column: IndexColumn) -> Result<u16, RingError> {
        self.add_generation(Slot::Index(column))
    }

    /// Adds a generation of a token key. Tokens made with the older ones still open.
    ///
    /// # Errors
    /// [`RingError::NoGenerationLeft`] after 255 generations.
    pub fn add_token_generation(&mut self, kind: TokenKind) -> Result<u16, RingError> {
        self.add_generation(Slot::Token(kind))
    }

    fn add_generation(&mut self, slot: Slot) -> Result<u16, RingError> {
        let (newest, _) = self.newest(slot);
        if newest >= slot.last_generation() {
            return Err(RingError::NoGenerationLeft);
        }
        self.insert(slot, newest + 1, Secret::random());
        self.needs_saving = true;
        Ok(newest + 1)
    }

    /// The generations that a sealing key has, the newest last.
    pub fn sealing_generations(&self, purpose: Purpose) -> Vec<u16> {
        self.generations(Slot::Seal(purpose))
            .map(|(generation, _)| generation)
            .collect()
    }

    /// Drops an old generation of a sealing key, once nothing is sealed with it any more: what still is, is lost.
    ///
    /// # Errors
    /// [`RingError::Newest`] for the newest, [`RingError::NoSuchGeneration`] for one that isn't there.
    pub fn drop_sealing_generation(
        &mut self,
        purpose: Purpose,
        generation: u16,
    ) -> Result<(), RingError> {
        let slot = Slot::Seal(purpose);
        if self.newest(slot).0 == generation {
            return Err(RingError::Newest);
        }
        self.keys
            .remove(&(slot, generation))
            .ok_or(RingError::NoSuchGeneration)?;
        self.needs_saving = true;
        Ok(())
    }

    pub(super) fn checkpoint_key(&self) -> Ed25519KeyPair {
        let (_, seed) = self.newest(Slot::Checkpoint);
        Ed25519KeyPair::from_seed_unchecked(seed.bytes())
            .expect("any 32 bytes are the seed of an Ed25519 key")
    }

    /// The Ed25519 public key that checks checkpoints.
    pub fn checkpoint_public(&self) -> [u8; 32] {
        public_of(&self.checkpoint_key())
    }

    pub(super) fn box_key(&self) -> BoxKey {
        BoxKey::new(self.newest(Slot::Box).1)
    }

    /// The public half to which anybody can seal a box.
    pub fn seal_to(&self) -> SealTo {
        self.box_key().public()
    }

    /// The ring's bytes, encrypted under the root key, to be saved. Each call gives other bytes.
    pub fn wrap(&self, root: &RootKey) -> Vec<u8> {
        let plain_len = self.keys.len() * ENTRY_LEN;
        let mut wrapped = Vec::with_capacity(CLEAR_LEN + NONCE_LEN + plain_len + TAG_LEN);
        wrapped.extend_from_slice(MAGIC);
        wrapped.push(VERSION);
        wrapped.extend_from_slice(&check_value(root));
        let mut nonce = [0; NONCE_LEN];
        fill_random(&mut nonce);
        wrapped.extend_from_slice(&nonce);
        for ((slot, generation), key) in &self.keys {
            wrapped.extend_from_slice(&slot.code());
            wrapped.extend_from_slice(&generation.to_be_bytes());
            wrapped.extend_from_slice(key.bytes());
        }
        let (clear, body) = wrapped.split_at_mut(CLEAR_LEN);
        let tag = encrypt(
            wrapping_key(root).bytes(),
            &nonce,
            clear,
            &mut body[NONCE_LEN..],
        );
        wrapped.extend_from_slice(&tag);
        wrapped
    }

    /// Opens what [`KeyRing::wrap`] made. A ring of an older hustings gains the keys it lacks and then
    /// [needs saving](KeyRing::needs_saving).
    ///
    /// # Errors
    /// [`UnlockError`], which tells a wrong key from a damaged ring.
    pub fn unwrap(root: &RootKey, wrapped: &[u8]) -> Result<Self, UnlockError> {
        let (clear, sealed) = wrapped
            .split_first_chunk::<CLEAR_LEN>()
            .ok_or(UnlockError::NotARing)?;
        let after_magic = clear.strip_prefix(MAGIC).ok_or(UnlockError::NotARing)?;
        let (version, check) = after_magic.split_first().ok_or(UnlockError::NotARing)?;
        if *version != VERSION {
            return Err(UnlockError::NewerVersion);
        }
        if !bool::from(check_value(root).ct_eq(check)) {
            return Err(UnlockError::WrongKey);
        }
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(UnlockError::Damaged)?;
        let (body, tag) = sealed
            .split_last_chunk::<TAG_LEN>()
            .ok_or(UnlockError::Damaged)?;
        let mut plain = Zeroizing::new(body.to_vec());
        decrypt(wrapping_key(root).bytes(), nonce, clear, &mut plain, tag)
            .ok_or(UnlockError::Damaged)?;
        let mut ring = Self::read_entries(&plain)?;
        ring.fill();
        Ok(ring)
    }

    fn read_entries(plain: &[u8]) -> Result<Self, UnlockError> {
        let (entries, rest) = plain.as_chunks::<ENTRY_LEN>();
        if !rest.is_empty() {
            return Err(UnlockError::Damaged);
        }
        let mut ring = Self::empty();
        for entry in entries {
            let [kind, code, high, low, key @ ..] = entry;
            let slot = Slot::from_code([*kind, *code]).ok_or(UnlockError::NewerVersion)?;
            let at = (slot, u16::from_be_bytes([*high, *low]));
            let ascending = ring
                .keys
                .last_key_value()
                .is_none_or(|(last, _)| *last < at);
            if !ascending || !slot.allows(at.1) {
                return Err(UnlockError::Damaged);
            }
            let key = Secret::from_slice(key).ok_or(UnlockError::Damaged)?;
            ring.insert(at.0, at.1, key);
        }
        Ok(ring)
    }
}

/// The public half of a signing key.
pub(super) fn public_of(key: &Ed25519KeyPair) -> [u8; 32] {
    let mut public = [0; 32];
    public.copy_from_slice(key.public_key().as_ref());
    public
}

fn check_value(root: &RootKey) -> [u8; CHECK_LEN] {
    let mut value = [0; CHECK_LEN];
    derive(
        b"hustings root key v1",
        root.bytes(),
        &[b"check value"],
        &mut value,
    );
    value
}

fn wrapping_key(root: &RootKey) -> Secret {
    let mut key = Secret::zero();
    derive(
        b"hustings root key v1",
        root.bytes(),
        &[b"key ring"],
        key.bytes_mut(),
    );
    key
}

#[cfg(test)]
mod tests;
