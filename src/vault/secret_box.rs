//! Sealed boxes: anybody who has the vault's public key can seal, only the vault opens. A withdrawal that comes in
//! while the vault is locked is kept this way.
//!
//! Format: `version (1) | ephemeral X25519 public key (32) | ciphertext and tag`. The key comes from HKDF-SHA-256
//! over the shared secret, salted with both public keys; the cipher is XChaCha20-Poly1305. Each box has an ephemeral
//! key of its own and so a cipher key of its own, hence the nonce can be fixed. Plain bytes are padded as in sealed
//! values, so that boxes of short messages look alike.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use zeroize::Zeroizing;

use super::cipher::{NONCE_LEN, TAG_LEN, decrypt, encrypt};
use super::seal::{pad, unpad};
use super::secret::{KEY_LEN, Secret, derive};

const VERSION: u8 = 1;
/// Each box has a key of its own.
const NONCE: [u8; NONCE_LEN] = [0; NONCE_LEN];
const HEADER: usize = 1 + KEY_LEN;
/// Longer messages are no use here: what is kept while locked are a few tokens.
const PLAIN_MAX: usize = 16 * 1024;
const TEXT_PREFIX: &str = "hustings-box-v1:";

/// A box that doesn't open, or a public key that isn't one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BoxError {
    /// The bytes aren't a box of a version known here.
    #[error("not a sealed box of version {VERSION}: it was cut off, or a newer hustings wrote it")]
    Malformed,
    /// Altered, or sealed to another key.
    #[error("a sealed box does not open: it was altered, or sealed to another vault's public key")]
    Altered,
    /// No secret can be agreed with this public key.
    #[error(
        "the vault's public key is damaged: unlock the vault, so that it writes the public key file anew"
    )]
    BadPublicKey,
    /// More than a box takes.
    #[error("a sealed box takes at most {PLAIN_MAX} bytes; send less at a time")]
    TooLong,
}

/// The public half, to which boxes are sealed. Not secret, but whoever can change it can read the boxes sealed
/// afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealTo([u8; KEY_LEN]);

impl SealTo {
    /// The public key that these bytes are.
    pub const fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// The key as one line of text, to be kept in a file beside the database.
    pub fn to_text(&self) -> String {
        format!("{TEXT_PREFIX}{}", super::base32::encode(&self.0))
    }

    /// Reads what [`SealTo::to_text`] wrote; space around it is ignored.
    ///
    /// # Errors
    /// [`BoxError::BadPublicKey`] for anything else.
    pub fn parse(text: &str) -> Result<Self, BoxError> {
        text.trim()
            .strip_prefix(TEXT_PREFIX)
            .and_then(super::base32::decode::<KEY_LEN>)
            .map(Self)
            .ok_or(BoxError::BadPublicKey)
    }

    /// Seals a few bytes so that only the vault can open them.
    ///
    /// # Errors
    /// [`BoxError::BadPublicKey`] if this public key is of the few that give no secret, [`BoxError::TooLong`] for
    /// more than 16 KiB.
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, BoxError> {
        if plain.len() > PLAIN_MAX {
            return Err(BoxError::TooLong);
        }
        let mut seed = Secret::random();
        let ephemeral = private_key(seed.bytes_mut());
        let public = public_of(&ephemeral);
        let key = agree(&ephemeral, &self.0, &public, &self.0).ok_or(BoxError::BadPublicKey)?;
        let mut sealed = Vec::with_capacity(HEADER + plain.len() + 64 + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&public);
        sealed.extend_from_slice(plain);
        pad(&mut sealed, HEADER);
        let tag = encrypt(key.bytes(), &NONCE, &[VERSION], &mut sealed[HEADER..]);
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }
}

/// The private half.
pub(super) struct BoxKey {
    private: PrivateKey,
    public: [u8; KEY_LEN],
}

impl BoxKey {
    pub(super) fn new(secret: &Secret) -> Self {
        let private = private_key(secret.bytes());
        let public = public_of(&private);
        Self { private, public }
    }

    pub(super) fn public(&self) -> SealTo {
        SealTo(self.public)
    }

    pub(super) fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BoxError> {
        let (header, body) = sealed.split_at_checked(HEADER).ok_or(BoxError::Malformed)?;
        let (body, tag) = body
            .split_last_chunk::<TAG_LEN>()
            .ok_or(BoxError::Malformed)?;
        let (version, ephemeral) = header.split_first().ok_or(BoxError::Malformed)?;
        if *version != VERSION {
            return Err(BoxError::Malformed);
        }
        let key =
            agree(&self.private, ephemeral, ephemeral, &self.public).ok_or(BoxError::Altered)?;
        let mut plain = Zeroizing::new(body.to_vec());
        decrypt(key.bytes(), &NONCE, &[VERSION], &mut plain, tag).ok_or(BoxError::Altered)?;
        unpad(&mut plain).ok_or(BoxError::Altered)?;
        Ok(plain)
    }
}

fn private_key(bytes: &[u8; KEY_LEN]) -> PrivateKey {
    PrivateKey::from_private_key(&X25519, bytes).expect("any 32 bytes are an X25519 private key")
}

fn public_of(private: &PrivateKey) -> [u8; KEY_LEN] {
    let mut bytes = [0; KEY_LEN];
    let public = private
        .compute_public_key()
        .expect("an X25519 private key has a public key");
    bytes.copy_from_slice(public.as_ref());
    bytes
}

/// The cipher key of one box; `None` if the peer's key gives no secret (RFC 7748 section 6.1).
fn agree(private: &PrivateKey, peer: &[u8], ephemeral: &[u8], vault: &[u8]) -> Option<Secret> {
    let mut salt = [0; 2 * KEY_LEN];
    salt[..KEY_LEN].copy_from_slice(ephemeral);
    salt[KEY_LEN..].copy_from_slice(vault);
    agreement::agree(
        private,
        UnparsedPublicKey::new(&X25519, peer),
        (),
        |shared| {
            let mut key = Secret::zero();
            derive(&salt, shared, &[b"hustings sealed box v1"], key.bytes_mut());
            Ok(key)
        },
    )
    .ok()
}

#[cfg(test)]
mod tests;
