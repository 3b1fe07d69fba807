//! A passphrase as the root key: Argon2id, its settings, and which passphrases are fit to be chosen.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use super::{RootKey, RootKeyError};
use crate::vault::secret::{KEY_LEN, Secret, fill_random, scrub_stack};

impl RootKey {
    /// Derives the key from a passphrase, with the settings stored beside the ring. Takes about half a second and
    /// [`PassphraseParams::memory_kib`] of memory, so call it off the async threads.
    ///
    /// A wrong passphrase gives a wrong key, which [`KeyRing::unwrap`](crate::vault::KeyRing::unwrap) finds out.
    ///
    /// # Errors
    /// [`RootKeyError::Memory`] if the host doesn't give the memory.
    pub fn from_passphrase(
        passphrase: &str,
        params: &PassphraseParams,
    ) -> Result<Self, RootKeyError> {
        let key = stretch(passphrase, params);
        scrub_stack::<16_384>();
        key.map(Self)
    }
}

#[inline(never)]
fn stretch(passphrase: &str, params: &PassphraseParams) -> Result<Secret, RootKeyError> {
    let settings = Params::new(
        params.memory_kib,
        params.passes,
        params.lanes,
        Some(KEY_LEN),
    )
    .map_err(|_| RootKeyError::BadParams)?;
    let mut blocks: Vec<Block> = Vec::new();
    blocks
        .try_reserve_exact(settings.block_count())
        .map_err(|_| RootKeyError::Memory(params.memory_kib))?;
    blocks.resize(settings.block_count(), Block::new());
    let mut blocks = Zeroizing::new(blocks);
    let mut key = Secret::zero();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, settings)
        .hash_password_into_with_memory(
            passphrase.as_bytes(),
            &params.salt,
            key.bytes_mut(),
            blocks.as_mut_slice(),
        )
        .map_err(|_| RootKeyError::BadParams)?;
    Ok(key)
}

/// How a passphrase becomes a key: the settings of Argon2id (RFC 9106). They aren't secret, are stored beside the
/// ring, and can be raised by wrapping the ring anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassphraseParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
}

impl PassphraseParams {
    const VERSION: u8 = 1;
    const LEN: usize = 1 + 3 * 4 + 16;
    /// A stored value above these is damage or an attempt to use up the host.
    const MEMORY_MAX: u32 = 1024 * 1024;
    const PASSES_MAX: u32 = 64;
    const LANES_MAX: u32 = 16;

    /// 64 MiB, three passes, one lane (the smallest host has one core and 512 MB), and a new random salt.
    pub fn generate() -> Self {
        let mut salt = [0; 16];
        fill_random(&mut salt);
        Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 1,
            salt,
        }
    }

    /// How much memory a derivation takes, in KiB.
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// The settings as stored: version, memory, passes, lanes (4 bytes each, big-endian), salt (16).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.push(Self::VERSION);
        for number in [self.memory_kib, self.passes, self.lanes] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.salt);
        bytes
    }

    /// Reads what [`PassphraseParams::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`RootKeyError::BadParams`] for anything else, and for settings out of reason.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RootKeyError> {
        let params = Self::read(bytes).ok_or(RootKeyError::BadParams)?;
        let sound = (1..=Self::LANES_MAX).contains(&params.lanes)
            && (1..=Self::PASSES_MAX).contains(&params.passes)
            && (8 * params.lanes..=Self::MEMORY_MAX).contains(&params.memory_kib);
        sound.then_some(params).ok_or(RootKeyError::BadParams)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (memory_kib, rest) = rest.split_first_chunk()?;
        let (passes, rest) = rest.split_first_chunk()?;
        let (lanes, salt) = rest.split_first_chunk()?;
        (*version == Self::VERSION).then_some(Self {
            memory_kib: u32::from_be_bytes(*memory_kib),
            passes: u32::from_be_bytes(*passes),
            lanes: u32::from_be_bytes(*lanes),
            salt: salt.try_into().ok()?,
        })
    }
}

/// Whether a passphrase is fit to be chosen. Not asked at unlock: an old passphrase must go on working.
///
/// The rule is short enough to be told: at least 16 characters, at least 8 different ones, no repeated piece, and
/// only what any keyboard types (a rescue console may have no other, and accented letters have more than one
/// encoding).
///
/// # Errors
/// [`RootKeyError::Weak`] with what to change.
pub fn check_passphrase(passphrase: &str) -> Result<(), RootKeyError> {
    let bytes = passphrase.as_bytes();
    let mut seen = [false; 256];
    for byte in bytes {
        seen[usize::from(*byte)] = true;
    }
    let different = seen.iter().filter(|one| **one).count();
    seen.zeroize();
    let why = if !bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        "use only letters without accents, digits, spaces and signs that any keyboard has"
    } else if bytes.len() < 16 {
        "it needs at least 16 characters; five random words with spaces between them are good"
    } else if different < 8 {
        "it needs at least 8 different characters; five random words with spaces between them are good"
    } else if repeats(bytes) {
        "it repeats one piece over and over; five random words with spaces between them are good"
    } else if runs(bytes) {
        "it is mostly a run like abcdef or 654321; five random words with spaces between them are good"
    } else {
        return Ok(());
    };
    Err(RootKeyError::Weak(why))
}

/// Whether it is one piece of at most half its length, said again and again.
fn repeats(bytes: &[u8]) -> bool {
    (1..=bytes.len() / 2).any(|piece| bytes[piece..] == bytes[..bytes.len() - piece])
}

/// Whether more than half of its steps go to the same or the next character, up or down.
fn runs(bytes: &[u8]) -> bool {
    let steps = bytes
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 1);
    2 * steps.count() > bytes.len()
}

#[cfg(test)]
mod tests;
