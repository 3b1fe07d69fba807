//! Withdrawals that come while the vault is locked. Each is sealed to the vault's public key, appended to a capped file,
//! and synced before the page answers; they are applied at unlock, before any door opens.
//!
//! The pages go on answering while an unlock is under way, so nothing is read from the file that is appended to: it is
//! renamed first, and what comes then begins another. Once more, for the last of them, the box is handed over: who comes
//! then waits the moment until the rooms are open, and is told so.

mod file;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use zeroize::Zeroizing;

use self::file::{Counted, NOFOLLOW, append, read, sync_directory};

use crate::vault::{BoxError, SealTo, Vault};

/// What waits is never more: some hundred thousand withdrawals.
pub const FILE_MAX: u64 = 16 * 1024 * 1024;
/// What a withdrawal is told in has at most so many bytes.
pub const WITHDRAWAL_MAX: usize = 512;
/// How the files of what could not be read begin.
const ASIDE: &str = "locked-withdrawals.unreadable-";
/// How the files begin that an unlock took to apply them. One that is left was not applied to its end.
const TAKEN: &str = "locked-withdrawals.taken-";

/// Why a withdrawal could not be kept, or those that were kept not be applied.
#[derive(Debug, thiserror::Error)]
pub enum LockedBoxError {
    /// The file has its full length.
    #[error("too many withdrawals came while the vault was locked; unlock it: hustings unlock")]
    Full,
    /// Longer than any withdrawal.
    #[error("a withdrawal has at most {WITHDRAWAL_MAX} bytes; this is none")]
    TooLong,
    /// The vault is open now: the rooms take it.
    #[error("the vault is open by now; withdraw in the rooms")]
    Opened,
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
    /// One append, or one taking away, at a time.
    appending: Mutex<Tail>,
    /// Changed under `appending` alone.
    gate: watch::Sender<Gate>,
    /// What was counted of files: they only grow, and none is read twice to be counted.
    counted: Mutex<HashMap<u64, Counted>>,
}

/// What is known of the file that is appended to.
#[derive(Clone, Copy, Default)]
struct Tail {
    /// It ends with a whole frame. A crash, or a failed write, may have left half of one.
    whole: bool,
    /// Its name is on the disk.
    named: bool,
}

/// Whether withdrawals are kept here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Locked,
    HandingOver,
    Open,
}

/// While this lives nothing is kept: who comes waits. When it goes, the vault counts as locked still.
#[must_use]
pub struct HandOver(LockedBox);

impl HandOver {
    /// The rooms are open and take what comes.
    pub fn opened(self) {
        self.0.set_gate(Gate::Open);
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        if *self.0.0.gate.borrow() == Gate::HandingOver {
            self.0.set_gate(Gate::Locked);
        }
    }
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
            appending: Mutex::default(),
            gate: watch::Sender::new(Gate::Locked),
            counted: Mutex::default(),
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
    /// [`LockedBoxError::Opened`] if the rooms can be asked by now; or else it was not kept, and the page must say so.
    pub async fn keep(&self, withdrawal: Zeroizing<Vec<u8>>) -> Result<(), LockedBoxError> {
        let withdrawal = Arc::new(withdrawal);
        let mut gate = self.0.gate.subscribe();
        loop {
            // The sender lives as long as we do.
            let _ = gate.wait_for(|gate| *gate != Gate::HandingOver).await;
            let (this, path) = (self.clone(), self.withdrawals());
            let withdrawal = withdrawal.clone();
            let kept = tokio::task::spawn_blocking(move || this.keep_now(&withdrawal))
                .await
                .unwrap_or_else(|error| Err(io_error(&path)(io::Error::other(error))))?;
            if kept {
                return Ok(());
            }
        }
    }

    /// False while the box is handed over.
    fn keep_now(&self, withdrawal: &[u8]) -> Result<bool, LockedBoxError> {
        if withdrawal.len() > WITHDRAWAL_MAX {
            return Err(LockedBoxError::TooLong);
        }
        let key_path = self.public_key();
        let key = fs::read_to_string(&key_path).map_err(io_error(&key_path))?;
        let sealed = SealTo::parse(&key)?.seal(withdrawal)?;
        let frame = file::frame(&sealed);
        let mut tail = self.appending();
        match *self.0.gate.borrow() {
            Gate::Locked => {}
            Gate::HandingOver => return Ok(false),
            Gate::Open => return Err(LockedBoxError::Opened),
        }
        let path = self.withdrawals();
        let taken: u64 = self.begin_with(TAKEN).iter().map(|path| length(path)).sum();
        if taken + length(&path) + frame.len() as u64 > FILE_MAX {
            return Err(LockedBoxError::Full);
        }
        // Whatever fails: what is there is looked at again before the next is written.
        let before = std::mem::take(&mut *tail);
        self.append_now(before, &path, &frame)
            .map_err(io_error(&path))?;
        *tail = Tail {
            whole: true,
            named: true,
        };
        Ok(true)
    }

    fn append_now(&self, tail: Tail, path: &Path, frame: &[u8]) -> io::Result<()> {
        if !tail.whole {
            self.mend_end(path)?;
        }
        append(path, frame)?;
        if !tail.named {
            sync_directory(&self.0.directory)?;
        }
        Ok(())
    }

    fn appending(&self) -> MutexGuard<'_, Tail> {
        self.0
            .appending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn set_gate(&self, gate: Gate) {
        let _tail = self.appending();
        self.0.gate.send_replace(gate);
    }

    /// From here on nothing is kept, and who comes waits: the box is opened for the last time, and the rooms are opened.
    pub fn hand_over(&self) -> HandOver {
        self.set_gate(Gate::HandingOver);
        HandOver(self.clone())
    }

    /// Whether the file has half of its full length.
    pub fn is_filling(&self) -> bool {
        fs::metadata(self.withdrawals()).is_ok_and(|file| file.len() > FILE_MAX / 2)
    }

    /// How many wait. Only what came since the last time is read: anybody may ask.
    pub fn waiting(&self) -> u64 {
        let before = std::mem::take(&mut *self.counted());
        let files = self.begin_with(TAKEN).into_iter();
        let mut now = HashMap::new();
        for path in files.chain([self.withdrawals()]) {
            let Ok(about) = fs::symlink_metadata(&path) else {
                continue;
            };
            let known = before.get(&about.ino()).copied();
            let known = known.filter(|known| known.seen <= about.len());
            let mut counted = known.unwrap_or_default();
            if counted.seen < about.len() {
                let _ = counted.go_on(&path);
            }
            now.insert(about.ino(), counted);
        }
        let waiting = now.values().map(|counted| counted.frames).sum();
        *self.counted() = now;
        waiting
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<u64, Counted>> {
        self.0
            .counted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_with(&self, name: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0.directory).into_iter().flatten();
        let mut files: Vec<_> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(name))
            .map(|entry| entry.path())
            .collect();
        files.sort();
        files
    }

    /// The files of withdrawals that could not be read at an unlock. Each unlock tries them again.
    pub fn unreadable(&self) -> Vec<PathBuf> {
        self.begin_with(ASIDE)
    }

    /// Applies all that wait, in the order in which they came. Applying twice must do no harm: a crash in between applies
    /// them again. What comes meanwhile is kept for the next time.
    ///
    /// # Errors
    /// [`LockedBoxError`]: what was not applied to its end stays for the next time.
    pub async fn open<F>(
        &self,
        vault: &Vault,
        apply: impl Fn(Zeroizing<Vec<u8>>) -> F,
    ) -> Result<Applied, LockedBoxError>
    where
        F: Future<Output = Result<Effect, String>>,
    {
        let mut outcome = Applied::default();
        let before = self.unreadable();
        self.take().map_err(io_error(&self.withdrawals()))?;
        for path in before.into_iter().chain(self.begin_with(TAKEN)) {
            let found = read(&path).map_err(io_error(&path))?;
            let mut closed = Vec::new();
            for sealed in found.boxes {
                let Ok(withdrawal) = vault.open_box(&sealed) else {
                    closed.push(sealed);
                    continue;
                };
                match apply(withdrawal).await.map_err(LockedBoxError::Apply)? {
                    Effect::Withdrawn => outcome.applied += 1,
                    Effect::Void => outcome.void += 1,
                    Effect::Unreadable => closed.push(sealed),
                }
            }
            outcome.unreadable += closed.len() as u64 + u64::from(!found.rest.is_empty());
            self.put_aside(&path, &closed, &found.rest)?;
        }
        Ok(outcome)
    }

    /// Renames the file that is appended to, so that nothing comes into it any more.
    fn take(&self) -> io::Result<()> {
        let mut tail = self.appending();
        match fs::rename(self.withdrawals(), self.fresh(TAKEN)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed?,
        }
        *tail = Tail::default();
        sync_directory(&self.0.directory)
    }

    /// What is appended next must be readable: half a frame that a crash left is cut off, and a damaged file is put aside
    /// as it is, for the unlock to take what it can.
    fn mend_end(&self, path: &Path) -> io::Result<()> {
        let found = read(path)?;
        if !found.rest.is_empty() {
            return fs::rename(path, self.fresh(ASIDE));
        }
        if path.exists() {
            let file = File::options()
                .write(true)
                .custom_flags(NOFOLLOW)
                .open(path)?;
            if file.metadata()?.len() > found.whole {
                file.set_len(found.whole)?;
                file.sync_data()?;
            }
        }
        Ok(())
    }

    /// A name that is no file's yet. They sort by the time at which they were given.
    fn fresh(&self, begin: &str) -> PathBuf {
        let name = format!("{begin}{}", jiff::Timestamp::now().as_nanosecond());
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
            bytes.extend_from_slice(&file::frame(sealed));
        }
        bytes.extend_from_slice(rest);
        if !bytes.is_empty() {
            if self.unreadable().iter().any(|aside| aside == path)
                && length(path) == bytes.len() as u64
            {
                // Nothing in it opens yet.
                return Ok(());
            }
            let aside = self.fresh(ASIDE);
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
        // Another file may get its number.
        self.counted().clear();
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(fail(error)),
            Ok(()) => sync_directory(&self.0.directory).map_err(fail),
        }
    }
}

/// How long a file is; 0 if there is none.
fn length(path: &Path) -> u64 {
    fs::symlink_metadata(path).map_or(0, |about| about.len())
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> LockedBoxError {
    let path = path.to_owned();
    move |source| LockedBoxError::Io { path, source }
}

#[cfg(test)]
mod tests;
