//! Tokens: the strings in links, return paths and Message-IDs. They are made of lower-case base 32, read in either
//! case, and show nothing about what they stand for.
//!
//! - A *confirm token* is 256 random bits; only its hash is stored.
//! - A *withdrawal token* is the deterministic authenticated encryption of (list, suppression index).
//! - A *copy token* is the same over a copy's id, under a key per use.
//!
//! Layout of the latter two, before base 32: `generation of the key (1) | ciphertext | tag (16)`. AES-256-GCM-SIV
//! (RFC 8452) with a fixed nonce is deterministic on purpose: the same withdrawal must give the same token in every
//! mail, with no row that remembers it. The SIV mode stays safe with a repeated nonce; all it shows is that two
//! tokens stand for the same thing, which is what we want.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::base32;
use super::index::{INDEX_LEN, Index, ListTag, tag};
use super::purpose::TokenKind;
use super::ring::{KeyRing, Slot};
use super::secret::fill_random;
use crate::id::{CopyId, ID_LEN};

const TAG_LEN: usize = 16;
const WITHDRAWAL_LEN: usize = 4 + INDEX_LEN;
/// Bytes of a withdrawal token: 61 digits of base 32, so that `u+TOKEN` has 63 octets of the 64 that RFC 5321
/// section 4.5.3.1.1 allows in a local part.
const WITHDRAWAL_TOKEN: usize = 1 + WITHDRAWAL_LEN + TAG_LEN;
const COPY_TOKEN: usize = 1 + ID_LEN + TAG_LEN;

/// The two uses of a copy token. A token of one use does not open as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CopyTokenKind {
    /// In the envelope's reverse-path.
    ReturnPath,
    /// In the Message-ID header.
    MessageId,
}

impl From<CopyTokenKind> for TokenKind {
    fn from(kind: CopyTokenKind) -> Self {
        match kind {
            CopyTokenKind::ReturnPath => Self::ReturnPath,
            CopyTokenKind::MessageId => Self::MessageId,
        }
    }
}

/// The keys of one kind of token, the newest last.
pub(super) struct TokenKeys {
    kind: TokenKind,
    keys: Vec<(u8, LessSafeKey)>,
}

impl TokenKeys {
    pub(super) fn new(ring: &KeyRing, kind: TokenKind) -> Self {
        let keys = ring.generations(Slot::Token(kind));
        Self {
            kind,
            keys: keys
                .map(|(generation, key)| (tag(generation), siv_key(key.bytes())))
                .collect(),
        }
    }

    /// Seals `plain`; the result is one byte for the generation, the ciphertext and the tag.
    fn make(&self, plain: &[u8]) -> String {
        let (generation, key) = self.keys.last().expect("a ring has a key in every slot");
        let mut sealed = Vec::with_capacity(plain.len() + TAG_LEN);
        sealed.extend_from_slice(plain);
        key.seal_in_place_append_tag(nonce(), self.associated(*generation), &mut sealed)
            .expect("a few bytes are within the cipher's limit");
        sealed.insert(0, *generation);
        base32::encode(&sealed)
    }

    /// Opens a token of `T` bytes over a value of `N` bytes.
    fn open<const T: usize, const N: usize>(&self, text: &str) -> Option<[u8; N]> {
        let mut token = base32::decode::<T>(text)?;
        let (generation, sealed) = token.split_first_mut()?;
        let (_, key) = self.keys.iter().find(|(known, _)| known == generation)?;
        let plain = key
            .open_in_place(nonce(), self.associated(*generation), sealed)
            .ok()?;
        (&*plain).try_into().ok()
    }

    fn associated(&self, generation: u8) -> Aad<Vec<u8>> {
        let mut bytes = b"hustings token v1 ".to_vec();
        bytes.extend_from_slice(self.kind.name().as_bytes());
        bytes.push(generation);
        Aad::from(bytes)
    }
}

fn siv_key(bytes: &[u8]) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM_SIV, bytes).expect("an AES-256 key has 32 bytes");
    LessSafeKey::new(key)
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

pub(super) fn withdrawal_token(keys: &TokenKeys, list: ListTag, suppression: &Index) -> String {
    let mut plain = [0; WITHDRAWAL_LEN];
    plain[..4].copy_from_slice(&list.0);
    plain[4..].copy_from_slice(suppression.as_bytes());
    keys.make(&plain)
}

pub(super) fn open_withdrawal_token(keys: &TokenKeys, text: &str) -> Option<(ListTag, Index)> {
    let plain = keys.open::<WITHDRAWAL_TOKEN, WITHDRAWAL_LEN>(text)?;
    let (list, index) = plain.split_first_chunk::<4>()?;
    Some((ListTag(*list), Index::from_slice(index)?))
}

pub(super) fn copy_token(keys: &TokenKeys, copy: CopyId) -> String {
    keys.make(copy.as_bytes())
}

pub(super) fn open_copy_token(keys: &TokenKeys, text: &str) -> Option<CopyId> {
    keys.open::<COPY_TOKEN, ID_LEN>(text)
        .map(CopyId::from_bytes)
}

/// The 256 random bits in a confirmation link. The store keeps only their [hash](ConfirmToken::hash).
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ConfirmToken([u8; 32]);

impl ConfirmToken {
    /// A new random token.
    pub fn generate() -> Self {
        let mut token = Self([0; 32]);
        fill_random(&mut token.0);
        token
    }

    /// The token as it stands in the link: 52 digits of base 32.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(base32::encode(&self.0))
    }

    /// Reads a token, in either case of letters; `None` if it can't be one.
    pub fn parse(text: &str) -> Option<Self> {
        base32::decode::<32>(text).map(Self)
    }

    /// What the store keeps of the token. A plain hash is enough: 256 random bits can't be guessed.
    pub fn hash(&self) -> TokenHash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"hustings confirm token v1");
        context.update(&self.0);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        TokenHash(hash)
    }
}

/// The hash of a confirm token, as stored. Compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The bytes, as stored.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash that this slice is; `None` unless it has 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The hash as a word of 52 digits of base 32. The token can't be told from it.
    pub fn to_text(&self) -> String {
        base32::encode(&self.0)
    }

    /// Reads such a word, in either case of letters; `None` if it can't be one.
    pub fn parse(text: &str) -> Option<Self> {
        base32::decode::<32>(text).map(Self)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

#[cfg(test)]
mod tests;
