//! Withdrawals that come while the vault is locked. Each is sealed to the vault's public key, appended to a capped file,
//! and synced before the page answers; they are applied at unlock, before any door opens.
//!
//! A frame is `length u32 big-endian | sealed box`. A torn last frame (a crash while it was written) was never answered,
//! so it is left out.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::vault::{BoxError, SealTo, Vault};

/// The file is never longer: some hundred thousand withdrawals.
pub const FILE_MAX: u64 = 16 * 1024 * 1024;
/// What a withdrawal is told in has at most so many bytes.
pub const WITHDRAWAL_MAX: usize = 512;
/// How the files of what could not be read begin.
const ASIDE: &str = "locked-withdrawals.unreadable-";
/// A sealed withdrawal is never longer.
const FRAME_MAX: u32 = 1024;

/// Why a withdrawal could not be kept, or those that were kept not be applied.
#[derive(Debug, thiserror::Error)]
pub enum LockedBoxError {
    /// The file has its full length.
    #[error("too many withdrawals came while the vault was locked; unlock it: hustings unlock")]
    Full,
    /// Longer than any withdrawal.
    #[error("a withdrawal has at most {WITHDRAWAL_MAX} bytes; this is none")]
    TooLong,
    /// It can't be sealed.
    #[error(transparent)]
    Seal(#[from] BoxError),
    /// A file can't be used.
    #[error("{path}: {source}; check the directory, its permissions and the room on the disk")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Applying one failed; those not yet applied are kept.
    #[error(
        "a withdrawal that came while the vault was locked could not be applied: {0}; it is kept, unlock again"
    )]
    Apply(String),
}

/// The two files: the vault's public key, and the withdrawals. Clones are handles to the same.
#[derive(Clone)]
pub struct LockedBox(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    /// One append at a time. Whether the file's end was looked at in this process: a crash may have left half a frame.
    appending: Mutex<bool>,
}

/// What came of one withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is in force.
    Withdrawn,
    /// It named nobody.
    Void,
    /// It is none that this version knows: it is kept aside.
    Unreadable,
}

/// What came of opening the box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many withdrawals took effect.
    pub applied: u64,
    /// How many named nobody: their token was not ours, or cut. Nothing came of them, and they are not kept.
    pub void: u64,
    /// How many could not be read. They're kept aside, in a file of their own.
    pub unreadable: u64,
}

impl LockedBox {
    /// The box of this data directory.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            directory: directory.into(),
            appending: Mutex::new(false),
        }))
    }

    fn withdrawals(&self) -> PathBuf {
        self.0.directory.join("locked-withdrawals")
    }

    fn public_key(&self) -> PathBuf {
        self.0.directory.join("seal-to")
    }

    /// Writes the vault's public key, so that it is there when the vault is locked next.
    ///
    /// # Errors
    /// [`LockedBoxError::Io`].
    pub fn write_key(&self, key: SealTo) -> Result<(), LockedBoxError> {
        let path = self.public_key();
        let text = key.to_text() + "\n";
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let new = path.with_extension("new");
        let write = || {
            let _ = fs::remove_file(&new);
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            sync_directory(&self.0.directory)
        };
        write().map_err(io_error(&path))
    }

    /// Keeps a withdrawal. When this returns `Ok` it is on the disk.
    ///
    /// # Errors
    /// [`LockedBoxError`]: it was not kept, and the page must say so.
    pub async fn keep(&self, withdrawal: Zeroizing<Vec<u8>>) -> Result<(), LockedBoxError> {
        let this = self.clone();
        let path = self.withdrawals();
        tokio::task::spawn_blocking(move || this.keep_now(&withdrawal))
            .await
            .unwrap_or_else(|error| Err(io_error(&path)(io::Error::other(error))))
    }

    fn keep_now(&self, withdrawal: &[u8]) -> Result<(), LockedBoxError> {
        if withdrawal.len() > WITHDRAWAL_MAX {
            return Err(LockedBoxError::TooLong);
        }
        let key_path = self.public_key();
        let key = fs::read_to_string(&key_path).map_err(io_error(&key_path))?;
        let sealed = SealTo::parse(&key)?.seal(withdrawal)?;
        let length = u32::try_from(sealed.len()).map_err(|_| LockedBoxError::TooLong)?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(&sealed);
        let mut looked = self
            .0
            .appending
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !*looked {
            let path = self.withdrawals();
            self.mend_end(&path).map_err(io_error(&path))?;
            *looked = true;
        }
        append(&self.withdrawals(), &self.0.directory, &frame)
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        read(&self.withdrawals()).map_or(0, |found| found.boxes.len() as u64)
    }

    /// The files of withdrawals that could not be read at an unlock. Each unlock tries them again.
    pub fn unreadable(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0.directory).into_iter().flatten();
        let mut files: Vec<_> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(ASIDE))
            .map(|entry| entry.path())
            .collect();
        files.sort();
        files
    }

    /// Applies all that wait, in the order in which they came, and empties the file. Applying twice must do no harm: a
    /// crash in between applies them again.
    ///
    /// # Errors
    /// [`LockedBoxError`]: the file stays as it was.
    pub async fn open<F>(
        &self,
        vault: &Vault,
        apply: impl Fn(Zeroizing<Vec<u8>>) -> F,
    ) -> Result<Applied, LockedBoxError>
    where
        F: Future<Output = Result<Effect, String>>,
    {
        let mut outcome = Applied::default();
        for path in self.unreadable().into_iter().chain([self.withdrawals()]) {
            let found = read(&path).map_err(io_error(&path))?;
            let mut closed = Vec::new();
            for sealed in found.boxes {
                match vault.open_box(&sealed) {
                    Ok(withdrawal) => {
                        match apply(withdrawal).await.map_err(LockedBoxError::Apply)? {
                            Effect::Withdrawn => outcome.applied += 1,
                            Effect::Void => outcome.void += 1,
                            Effect::Unreadable => closed.push(sealed),
                        }
                    }
                    Err(_) => closed.push(sealed),
                }
            }
            outcome.unreadable += closed.len() as u64 + u64::from(!found.rest.is_empty());
            self.put_aside(&path, &closed, &found.rest)?;
        }
        Ok(outcome)
    }

    /// What is appended next must be readable: half a frame that a crash left is cut off, and a damaged file is put aside
    /// as it is, for the unlock to take what it can.
    fn mend_end(&self, path: &Path) -> io::Result<()> {
        let found = read(path)?;
        if !found.rest.is_empty() {
            return fs::rename(path, self.aside());
        }
        if path.exists() {
            let file = File::options().write(true).open(path)?;
            if file.metadata()?.len() > found.whole {
                file.set_len(found.whole)?;
                file.sync_data()?;
            }
        }
        Ok(())
    }

    fn aside(&self) -> PathBuf {
        let name = format!("{ASIDE}{}", jiff::Timestamp::now().as_nanosecond());
        self.0.directory.join(name)
    }

    /// Puts what could not be read into a file of its own, which the next unlock tries again, and removes the file that it
    /// stood in. What was applied doesn't stay: applied again much later, it would undo a later yes.
    fn put_aside(
        &self,
        path: &Path,
        closed: &[Vec<u8>],
        rest: &[u8],
    ) -> Result<(), LockedBoxError> {
        let fail = |source| io_error(path)(source);
        let mut bytes = Vec::new();
        for sealed in closed {
            bytes.extend_from_slice(
                &u32::try_from(sealed.len())
                    .unwrap_or(u32::MAX)
                    .to_be_bytes(),
            );
            bytes.extend_from_slice(sealed);
        }
        bytes.extend_from_slice(rest);
        if !bytes.is_empty() {
            if *path != self.withdrawals()
                && fs::metadata(path).is_ok_and(|at| at.len() == bytes.len() as u64)
            {
                // Nothing in it opens yet.
                return Ok(());
            }
            let aside = self.aside();
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&aside)
                .map_err(fail)?;
            file.write_all(&bytes)
                .and_then(|()| file.sync_all())
                .map_err(fail)?;
            sync_directory(&self.0.directory).map_err(fail)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(fail(error)),
            Ok(()) => sync_directory(&self.0.directory).map_err(fail),
        }
    }
}

/// What a file of withdrawals holds.
#[derive(Default)]
struct Found {
    boxes: Vec<Vec<u8>>,
    /// Bytes behind the last whole frame that are more than half a frame: the file was damaged there.
    rest: Vec<u8>,
    /// How many bytes the whole frames take.
    whole: u64,
}

/// Reads a file of withdrawals. Half a frame at its end, which a crash left, was never answered and is left out.
fn read(path: &Path) -> io::Result<Found> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX + u64::from(FRAME_MAX))
        .read_to_end(&mut bytes)?;
    let mut found = Found::default();
    let mut rest = bytes.as_slice();
    while let Some((head, behind)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*head);
        if length == 0 || length > FRAME_MAX {
            found.rest = rest.to_vec();
            break;
        }
        let Some((sealed, behind)) = behind.split_at_checked(length as usize) else {
            break;
        };
        found.boxes.push(sealed.to_vec());
        found.whole += 4 + u64::from(length);
        rest = behind;
    }
    Ok(found)
}

/// Appends a frame behind the last whole one, and syncs.
fn append(path: &Path, directory: &Path, frame: &[u8]) -> Result<(), LockedBoxError> {
    let fail = io_error(path);
    let write = || -> io::Result<bool> {
        let is_new = !path.exists();
        let mut file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        let before = file.metadata()?.len();
        if before + frame.len() as u64 > FILE_MAX {
            return Ok(false);
        }
        if let Err(error) = file.write_all(frame).and_then(|()| file.sync_data()) {
            // What came half must not stand before what comes next.
            let _ = file.set_len(before);
            return Err(error);
        }
        if is_new {
            sync_directory(directory)?;
        }
        Ok(true)
    };
    match write() {
        Ok(true) => Ok(()),
        Ok(false) => Err(LockedBoxError::Full),
        Err(error) => Err(fail(error)),
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> LockedBoxError {
    let path = path.to_owned();
    move |source| LockedBoxError::Io { path, source }
}

#[cfg(test)]
mod tests;
