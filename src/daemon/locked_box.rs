//! Withdrawals that come while the vault is locked. Each is sealed to the vault's public key, appended to a capped file,
//! and synced before the page answers; they are applied at unlock, before any door opens.
//!
//! A frame is `length u32 big-endian | sealed box`. A torn last frame (a crash while it was written) was never answered,
//! so it is left out, and cut off before the next is written behind it. What is no frame at all is kept aside.

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
    /// One append at a time. Whether the file is known to end with a whole frame: a crash may have torn the last.
    appending: Mutex<bool>,
}

/// What came of opening the box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many withdrawals took effect.
    pub applied: u64,
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
        let mut ends_whole = self
            .0
            .appending
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !*ends_whole {
            self.cut_torn_end()?;
            *ends_whole = true;
        }
        append(&self.withdrawals(), &self.0.directory, &frame)
    }

    /// Cuts off what stands behind the last whole frame: what came after it would never be found.
    fn cut_torn_end(&self) -> Result<(), LockedBoxError> {
        let path = self.withdrawals();
        let frames = self.read()?;
        let cut = || -> io::Result<()> {
            if frames.senseless {
                fs::copy(&path, self.aside())?;
            }
            let file = File::options().write(true).open(&path)?;
            if file.metadata()?.len() > frames.end {
                file.set_len(frames.end)?;
                file.sync_all()?;
            }
            Ok(())
        };
        match cut() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(io_error(&path)),
        }
    }

    /// Where a file goes that can't be read to its end.
    fn aside(&self) -> PathBuf {
        let now = jiff::Timestamp::now().as_second();
        let name = format!("locked-withdrawals.unreadable-{now}");
        self.0.directory.join(name)
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        self.read().map_or(0, |frames| frames.boxes.len() as u64)
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
        F: Future<Output = Result<(), String>>,
    {
        let mut outcome = Applied::default();
        let frames = self.read()?;
        for sealed in &frames.boxes {
            match vault.open_box(sealed) {
                Ok(withdrawal) => {
                    apply(withdrawal).await.map_err(LockedBoxError::Apply)?;
                    outcome.applied += 1;
                }
                Err(_) => outcome.unreadable += 1,
            }
        }
        if frames.senseless {
            outcome.unreadable += 1;
        }
        self.empty(outcome.unreadable > 0)?;
        Ok(outcome)
    }

    fn read(&self) -> Result<Frames, LockedBoxError> {
        let path = self.withdrawals();
        let mut frames = Frames::default();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(frames),
            Err(error) => return Err(io_error(&path)(error)),
        };
        let mut from = io::BufReader::new(file.take(FILE_MAX + u64::from(FRAME_MAX)));
        loop {
            match next_frame(&mut from).map_err(io_error(&path))? {
                NextFrame::Whole(sealed) => {
                    frames.end += 4 + sealed.len() as u64;
                    frames.boxes.push(sealed);
                }
                NextFrame::Senseless => {
                    frames.senseless = true;
                    return Ok(frames);
                }
                NextFrame::End => return Ok(frames),
            }
        }
    }

    fn empty(&self, keep_aside: bool) -> Result<(), LockedBoxError> {
        let path = self.withdrawals();
        let done = if keep_aside {
            fs::rename(&path, self.aside())
        } else {
            fs::remove_file(&path)
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io_error(&path)(error)),
            Ok(()) => sync_directory(&self.0.directory).map_err(io_error(&path)),
        }
    }
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

/// What stands in the file.
#[derive(Default)]
struct Frames {
    /// The sealed withdrawals.
    boxes: Vec<Vec<u8>>,
    /// Where the last whole frame ends.
    end: u64,
    /// What stands there is not the beginning of a frame: there may have been withdrawals behind it.
    senseless: bool,
}

enum NextFrame {
    Whole(Vec<u8>),
    /// The end of the file, or of a frame that is torn.
    End,
    Senseless,
}

fn next_frame(from: &mut impl Read) -> io::Result<NextFrame> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(NextFrame::End),
        other => other?,
    }
    let length = u32::from_be_bytes(length);
    if length > FRAME_MAX {
        return Ok(NextFrame::Senseless);
    }
    let mut sealed = vec![0; length as usize];
    match from.read_exact(&mut sealed) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(NextFrame::End),
        other => other.map(|()| NextFrame::Whole(sealed)),
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
