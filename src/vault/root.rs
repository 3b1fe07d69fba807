//! The root key: 32 bytes that open the key ring, and the three places they can come from.

mod passphrase;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub use self::passphrase::{PassphraseParams, check_passphrase};
use super::secret::{KEY_LEN, Secret};

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
        "the root key at {0} is neither 64 hexadecimal digits nor 32 random bytes; put the right file back: `hustings key restore` makes it from the \
         recovery sheet (`hustings init` makes one where there is no database yet)"
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
        "the stored passphrase settings are damaged or of a newer hustings; stop the service and put back a copy of the database from before"
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

    pub(super) const fn secret(&self) -> &Secret {
        &self.0
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

    /// The key as its file holds it, for a program that encrypts it.
    pub fn to_clear(&self) -> Zeroizing<String> {
        self.to_hex()
    }

    /// Reads what [`RootKey::to_clear`] gave, or 32 bytes as they are; none if that is no key.
    pub fn from_clear(clear: &[u8]) -> Option<Self> {
        parse_key(clear)
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

    /// Whether another is the same key; in constant time.
    pub fn is(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq as _;
        self.0.bytes().ct_eq(other.0.bytes()).into()
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

#[cfg(test)]
mod tests;
