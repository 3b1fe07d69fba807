//! The root key: 32 bytes that open the key ring, and the three places they can come from.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use super::secret::{KEY_LEN, Secret, fill_random};

/// The longest key file we look at: 64 digits and a line end fit well.
const FILE_MAX: u64 = 128;

/// The key that wraps the key ring. Whoever has it and the database can read everything; without it the data are
/// lost. It has no `Debug`; it is wiped when it goes.
pub struct RootKey(Secret);

/// Where the root key comes from, and what that protects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file beside the database, on the same host.
    KeyFile(PathBuf),
    /// A credential that systemd decrypts at start.
    Credential(String),
    /// A passphrase that somebody types at `hustings unlock`.
    Passphrase,
}

impl KeySource {
    /// What `init` says before it asks which source to use.
    pub const ADVICE: &'static str = "Only a passphrase, or a credential bound to a TPM, protects a stolen disk or \
        VPS snapshot; the other two protect the database file and its backups.";

    /// What this source protects, as `status` says it.
    pub const fn protection(&self) -> &'static str {
        match self {
            Self::KeyFile(_) => {
                "key file: protects the database file and its backups, not a stolen disk or VPS snapshot (the key \
                 lies on the same disk)"
            }
            Self::Credential(_) => {
                "systemd credential: protects the database file and its backups; protects a stolen disk or VPS \
                 snapshot only if the credential is bound to a TPM"
            }
            Self::Passphrase => {
                "passphrase: protects the database file, its backups, and a stolen disk or VPS snapshot; somebody \
                 must type it after each start"
            }
        }
    }

    /// Whether the service starts locked and waits for somebody to type.
    pub const fn starts_locked(&self) -> bool {
        matches!(self, Self::Passphrase)
    }
}

/// Why a root key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The operating system refused.
    #[error("can't {action} the root key at {path}: {source}; check the path and its permissions")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A directory, a pipe, a device.
    #[error("the root key at {0} is not a regular file; give the path of a key file")]
    NotAFile(PathBuf),
    /// Others can read or change it.
    #[error(
        "the root key at {path} has mode {mode:04o}, so others may read or change it; run: chmod 0400 {path}"
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It lies where the database lies, and so in every copy of it.
    #[error(
        "the root key at {0} lies inside the data directory, and so in every copy of it; move it to another directory"
    )]
    InsideData(PathBuf),
    /// Its content isn't a key.
    #[error(
        "the root key at {0} is neither 64 hexadecimal digits nor 32 random bytes; make one with `hustings init`"
    )]
    NotAKey(PathBuf),
    /// The credential's name is a path.
    #[error(
        "{0:?} is not the name of a credential; give the name that the unit's LoadCredential= line has"
    )]
    BadName(String),
    /// systemd gave no credentials.
    #[error(
        "systemd gave no credentials: start the service by its unit, with a LoadCredentialEncrypted= line"
    )]
    NoCredentials,
    /// The passphrase is too easy to guess.
    #[error("this passphrase is too weak: {0}")]
    Weak(&'static str),
    /// The stored settings of the key derivation aren't sound.
    #[error(
        "the stored passphrase settings are damaged or of a newer hustings; restore the key ring file from a backup"
    )]
    BadParams,
    /// Not enough memory to derive the key.
    #[error(
        "deriving the key from the passphrase needs {0} KiB of memory, which this host doesn't give; free some and try again"
    )]
    Memory(u32),
}

impl RootKey {
    /// A new random root key.
    pub fn generate() -> Self {
        Self(Secret::random())
    }

    pub(super) const fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_LEN] {
        self.0.bytes()
    }

    /// Reads a key file: a regular file of mode 0400 or 0600 outside the data directory, with 64 hexadecimal digits
    /// or 32 raw bytes in it.
    ///
    /// # Errors
    /// [`RootKeyError`], each with what to change.
    pub fn from_key_file(path: &Path, data_dir: &Path) -> Result<Self, RootKeyError> {
        // The place that counts is the one at the end of all symbolic links.
        let real = fs::canonicalize(path).map_err(io("read", path))?;
        if let Ok(data_dir) = fs::canonicalize(data_dir)
            && real.starts_with(data_dir)
        {
            return Err(RootKeyError::InsideData(path.to_owned()));
        }
        let file = open_regular(&real, path)?;
        let mode = file.metadata().map_err(io("read", path))?.mode() & 0o7777;
        if !matches!(mode, 0o400 | 0o600) {
            return Err(RootKeyError::Mode {
                path: path.to_owned(),
                mode,
            });
        }
        read_key(file, path)
    }

    /// Writes the key as a new file of mode 0400, synced to the disk.
    ///
    /// # Errors
    /// [`RootKeyError`] if the place is inside the data directory, or something is there already.
    pub fn create_key_file(&self, path: &Path, data_dir: &Path) -> Result<(), RootKeyError> {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let real = fs::canonicalize(parent).map_err(io("write", path))?;
        if let Ok(data_dir) = fs::canonicalize(data_dir)
            && real.starts_with(data_dir)
        {
            return Err(RootKeyError::InsideData(path.to_owned()));
        }
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(path)
            .map_err(io("write", path))?;
        let written = file
            .write_all(self.to_hex().as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(&real)?.sync_all());
        if written.is_err() {
            // Half a key must not stand in the way of the next try; the first error is the one to tell.
            let _ = fs::remove_file(path);
        }
        written.map_err(io("write", path))
    }

    fn to_hex(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_LEN));
        for byte in self.bytes() {
            for half in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
            }
        }
        text
    }

    /// The directory in which systemd put the service's credentials, from `$CREDENTIALS_DIRECTORY`.
    pub fn credentials_directory() -> Option<PathBuf> {
        std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
    }

    /// Reads a credential that systemd decrypted. systemd guards the directory, so the file's mode is not looked at
    /// (with an access list its group bits mean something else).
    ///
    /// # Errors
    /// [`RootKeyError`], each with what to change.
    pub fn from_credential(directory: Option<&Path>, name: &str) -> Result<Self, RootKeyError> {
        let directory = directory.ok_or(RootKeyError::NoCredentials)?;
        let plain_name = Path::new(name).file_name() == Some(OsStr::new(name));
        if !plain_name {
            return Err(RootKeyError::BadName(name.to_owned()));
        }
        let path = directory.join(name);
        read_key(open_regular(&path, &path)?, &path)
    }

    /// Derives the key from a passphrase, with the settings stored beside the ring. Takes about half a second and
    /// [`PassphraseParams::memory_kib`] of memory, so call it off the async threads.
    ///
    /// A wrong passphrase gives a wrong key, which [`KeyRing::unwrap`](super::KeyRing::unwrap) finds out.
    ///
    /// # Errors
    /// [`RootKeyError::Memory`] if the host doesn't give the memory.
    pub fn from_passphrase(
        passphrase: &str,
        params: &PassphraseParams,
    ) -> Result<Self, RootKeyError> {
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
        Ok(Self(key))
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RootKeyError {
    let path = path.to_owned();
    move |source| RootKeyError::Io {
        action,
        path,
        source,
    }
}

/// Opens a regular file and nothing else; a pipe must not make us wait for its other end.
fn open_regular(real: &Path, shown: &Path) -> Result<File, RootKeyError> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(real)
        .map_err(io("read", shown))?;
    if !file.metadata().map_err(io("read", shown))?.is_file() {
        return Err(RootKeyError::NotAFile(shown.to_owned()));
    }
    Ok(file)
}

fn read_key(file: File, path: &Path) -> Result<RootKey, RootKeyError> {
    let mut content = Zeroizing::new(Vec::with_capacity(FILE_MAX as usize + 1));
    file.take(FILE_MAX + 1)
        .read_to_end(&mut content)
        .map_err(io("read", path))?;
    parse_key(&content).ok_or_else(|| RootKeyError::NotAKey(path.to_owned()))
}

/// 32 raw bytes as they are, or 64 digits with space around them. A key of one repeated byte is a mistake, no key.
fn parse_key(content: &[u8]) -> Option<RootKey> {
    let secret = match Secret::from_slice(content) {
        Some(raw) => raw,
        None => from_hex(content.trim_ascii())?,
    };
    let first = secret.bytes()[0];
    let alike = secret.bytes().iter().all(|byte| *byte == first);
    (!alike).then_some(RootKey(secret))
}

fn from_hex(digits: &[u8]) -> Option<Secret> {
    if digits.len() != 2 * KEY_LEN {
        return None;
    }
    let mut secret = Secret::zero();
    for (byte, pair) in secret.bytes_mut().iter_mut().zip(digits.as_chunks::<2>().0) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(secret)
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
        let sound = (8 * params.lanes..=Self::MEMORY_MAX).contains(&params.memory_kib)
            && (1..=Self::PASSES_MAX).contains(&params.passes)
            && (1..=Self::LANES_MAX).contains(&params.lanes);
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
