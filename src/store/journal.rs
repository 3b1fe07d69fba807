//! The journal: an append-only file of sealed suppressions and erasures, made to be copied off the host. A backup is
//! always older than the last withdrawal; the journal is what a restore replays so that no withdrawal is lost.
//!
//! A frame is `length u32 big-endian | sealed entry`. The seal binds the frame's number, so that frames can't be
//! dropped from the middle, doubled or swapped. A torn last frame (a crash while it was written) is cut off when the
//! file is opened: nothing that it held was answered yet. Any other damage, and a file that is shorter than the
//! database remembers, is put aside whole, and a new journal begun; a missing one is noted.

mod aside;
mod frames;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::Record;
use super::suppression::{Scope, SuppressionReason};
use super::{Store, StoreError};
use crate::audit::{Checkpoint, LogKind, SignedCheckpoint};
use crate::vault::{Index, Purpose, Vault};

pub(super) use aside::warnings;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
pub enum JournalEntry {
    /// An address must no longer be written to.
    Suppressed {
        /// When.
        at: Timestamp,
        /// The keyed hash of the address.
        index: Index,
        /// On which list, or on all.
        scope: Scope,
        /// Why.
        reason: SuppressionReason,
    },
    /// The owner of the address said yes again, and confirmed it.
    Lifted {
        /// When.
        at: Timestamp,
        /// The keyed hash of the address.
        index: Index,
        /// On which list.
        scope: Scope,
    },
    /// A log's size and root were signed.
    Checkpoint {
        /// When.
        at: Timestamp,
        /// The signed text.
        text: String,
    },
    /// Everything about an address was erased.
    Erased {
        /// When.
        at: Timestamp,
        /// The keyed hash of the address.
        index: Index,
    },
    /// An entry could not be written before this one, and nothing was accepted until this one could.
    Resumed,
}

impl Record for JournalEntry {
    const TABLE: &'static str = "journal";
    const PURPOSE: Purpose = Purpose::Journal;
}

/// How far a journal goes. The database keeps it, so that a journal that was cut or taken away is noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Whole frames.
    pub(super) frames: u64,
    /// Their bytes.
    pub(super) length: u64,
}

impl Mark {
    /// The setting that it stands in.
    pub(super) const SETTING: &'static str = "journal-mark";

    pub(super) fn to_bytes(self) -> Vec<u8> {
        [self.frames.to_be_bytes(), self.length.to_be_bytes()].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (frames, length) = bytes.split_first_chunk()?;
        Some(Self {
            frames: u64::from_be_bytes(*frames),
            length: u64::from_be_bytes(length.try_into().ok()?),
        })
    }
}

/// What the store's handles know of the journal.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<SeenNow>);

#[derive(Debug, Default)]
struct SeenNow {
    length: u64,
    /// The largest signed size of each log.
    signed: Vec<Checkpoint>,
}

impl Seen {
    fn now(&self) -> std::sync::MutexGuard<'_, SeenNow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, vault: &Vault, entry: &JournalEntry) {
        if let Some(checkpoint) = checkpoint_of(vault, entry) {
            let mut now = self.now();
            now.signed
                .retain(|old| old.log != checkpoint.log || old.size > checkpoint.size);
            now.signed.push(checkpoint);
        }
    }

    /// The checkpoint of the largest size that the journal holds of a log.
    pub(super) fn signed(&self, log: LogKind) -> Option<Checkpoint> {
        let now = self.now();
        let of_log = now.signed.iter().filter(|one| one.log == log);
        of_log.max_by_key(|one| one.size).cloned()
    }
}

fn checkpoint_of(vault: &Vault, entry: &JournalEntry) -> Option<Checkpoint> {
    let JournalEntry::Checkpoint { text, .. } = entry else {
        return None;
    };
    let signed = SignedCheckpoint::parse(text).ok()?;
    signed.verify(&vault.checkpoint_public()).ok().cloned()
}

/// The open journal. Only the store's writer appends to it.
pub(super) struct Journal {
    vault: Vault,
    path: PathBuf,
    /// None once a write failed: the next append opens and measures the file anew.
    file: Option<File>,
    mark: Mark,
    /// What was committed and could not be written yet.
    late: Vec<JournalEntry>,
    seen: Arc<Seen>,
}

impl Journal {
    /// Opens the journal, making it if there is none, and cuts off a torn last frame. `known` is how far it went when
    /// the database last took note of it.
    pub(super) async fn open(path: &Path, vault: &Vault, known: Mark) -> Result<Self, StoreError> {
        let seen = Arc::new(Seen::default());
        let (file, mark) = prepare(path, vault, known, None, &seen).await?;
        Ok(Self {
            vault: vault.clone(),
            path: path.to_owned(),
            file: Some(file),
            mark,
            late: Vec::new(),
            seen,
        })
    }

    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    pub(super) fn seen(&self) -> Arc<Seen> {
        self.seen.clone()
    }

    /// Appends entries and syncs them, off the runtime's threads. Answers how far the journal goes if it went on.
    ///
    /// After a failure nothing is appended, entries or not, until the file was measured again and a first frame could be
    /// written: as long as a withdrawal can't be kept, nothing else is accepted either.
    pub(super) async fn append(
        &mut self,
        entries: Vec<JournalEntry>,
    ) -> Result<Option<Mark>, StoreError> {
        let failed = self.file.is_none();
        if entries.is_empty() && !failed {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(entries.len() + self.late.len() + 1);
        if failed {
            let cut_to = Some(self.mark.length);
            let (file, mark) =
                prepare(&self.path, &self.vault, self.mark, cut_to, &self.seen).await?;
            (self.file, self.mark) = (Some(file), mark);
            all.push(JournalEntry::Resumed);
        }
        all.extend(self.late.iter().cloned());
        all.extend(entries);
        let mut bytes = Vec::new();
        let mut frames = self.mark.frames;
        for entry in &all {
            bytes.extend(frames::seal(&self.vault, frames, entry));
            frames += 1;
        }
        let length = self.mark.length + bytes.len() as u64;
        self.write(bytes).await?;
        self.mark = Mark { frames, length };
        self.late.clear();
        self.seen.now().length = length;
        all.iter()
            .for_each(|entry| self.seen.take(&self.vault, entry));
        Ok(Some(self.mark))
    }

    /// Appends what a commit has made true. If that fails it goes before the next entries, so that the order stays.
    pub(super) async fn append_late(&mut self, entries: Vec<JournalEntry>) {
        if entries.is_empty() {
            return;
        }
        self.late.extend(entries);
        let late = std::mem::take(&mut self.late);
        if let Err(error) = self.append(late.clone()).await {
            tracing::warn!(%error, "a lifted suppression is not in the journal yet");
            self.late = late;
        }
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        let Some(mut file) = self.file.take() else {
            return Err(sick("it could not be opened"));
        };
        let written = tokio::task::spawn_blocking(move || -> Result<File, StoreError> {
            file.write_all(&bytes).map_err(|cause| refused(&cause))?;
            // Whatever the cause, what is on the disk is unknown then.
            file.sync_data()
                .map_err(|cause| sick(format!("it could not be synced: {cause}")))?;
            Ok(file)
        });
        self.file = Some(written.await.map_err(|_| StoreError::Stopped)??);
        Ok(())
    }

    /// From now on the file can't be written, as on a sick disk.
    #[cfg(test)]
    pub(super) fn spoil(&mut self) {
        self.file = Some(File::open(&self.path).expect("is there"));
    }
}

fn sick(what: impl std::fmt::Display) -> StoreError {
    StoreError::Sick(format!("the journal of withdrawals: {what}"))
}

/// A full or read-only disk is told as such; anything else leaves the journal's state unknown.
fn refused(cause: &std::io::Error) -> StoreError {
    match StoreError::file("", cause) {
        StoreError::File { cause, .. } => sick(cause),
        known => known,
    }
}

/// Opens and measures a journal's file; see [`Journal::open`]. `cut_to` takes back what a failed write may have left.
async fn prepare(
    path: &Path,
    vault: &Vault,
    known: Mark,
    cut_to: Option<u64>,
    seen: &Arc<Seen>,
) -> Result<(File, Mark), StoreError> {
    let (path, vault, seen) = (path.to_owned(), vault.clone(), seen.clone());
    let again = cut_to.is_some();
    let prepared = tokio::task::spawn_blocking(move || {
        make_ready(&path, &vault, known, cut_to, &seen).map_err(|cause| match again {
            true => refused(&cause),
            false => StoreError::file(&path, &cause),
        })
    });
    prepared.await.map_err(|_| StoreError::Stopped)?
}

fn make_ready(
    path: &Path,
    vault: &Vault,
    known: Mark,
    cut_to: Option<u64>,
    seen: &Seen,
) -> std::io::Result<(File, Mark)> {
    let is_new = path.symlink_metadata().is_err();
    let file = frames::open_file(path, true)?;
    if is_new {
        aside::sync_directory(path)?;
    }
    if is_new && known.frames > 0 {
        let frames = known.frames;
        tracing::error!(
            frames,
            "the journal of withdrawals is gone; a new one was begun"
        );
        seen.now().length = 0;
        aside::note_lost(path, frames)?;
        return Ok((file, Mark::default()));
    }
    if let Some(length) = cut_to {
        if file.metadata()?.len() > length {
            file.set_len(length)?;
            file.sync_all()?;
        }
        if file.metadata()?.len() == length {
            // As it was measured before; only what a failed write left is gone.
            return Ok((file, known));
        }
    }
    let measured = frames::measure(&file, vault, known, |entry| seen.take(vault, &entry))?;
    if let Some(damage) = measured.damage {
        let kept = aside::keep(path)?;
        let kept = kept.display();
        tracing::error!(%damage, %kept, "the journal of withdrawals was put aside; a new one was begun");
        let file = frames::open_file(path, true)?;
        aside::sync_directory(path)?;
        seen.now().length = 0;
        return Ok((file, Mark::default()));
    }
    if measured.torn {
        tracing::warn!("cut half an entry off the journal's end, which a crash left");
        file.set_len(measured.mark.length)?;
        file.sync_all()?;
    }
    if measured.closed > 0 {
        let closed = measured.closed;
        tracing::error!(
            closed,
            "entries of the journal don't open; see: hustings store verify"
        );
    }
    seen.now().length = measured.mark.length;
    Ok((file, measured.mark))
}

impl Store {
    /// Goes over the journal as far as it is on the disk, off the runtime's threads and one entry at a time; `each` hears
    /// every entry by its number, those that don't open as their error.
    ///
    /// # Errors
    /// A [`StoreError`] if the file can't be read.
    pub async fn each_journal_entry(
        &self,
        each: impl FnMut(u64, Result<JournalEntry, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let (path, vault) = (self.files.journal(), self.vault.clone());
        let length = self.journal.now().length;
        let read = tokio::task::spawn_blocking(move || {
            frames::each(&path, &vault, length, each)
                .map_err(|cause| StoreError::file(&path, &cause))
        });
        read.await.map_err(|_| StoreError::Stopped)?
    }

    /// The checkpoints of a log that the journal holds and this vault signed, in their order.
    ///
    /// # Errors
    /// A [`StoreError`] if the journal can't be read or an entry doesn't open: it is never passed over.
    pub async fn checkpoints_in_journal(
        &self,
        log: LogKind,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        let found = Arc::new(Mutex::new(Ok(Vec::new())));
        let (into, vault) = (found.clone(), self.vault.clone());
        self.each_journal_entry(move |_, entry| {
            let mut found = into.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(all) = &mut *found else { return };
            match entry {
                Ok(entry) => {
                    all.extend(checkpoint_of(&vault, &entry).filter(|one| one.log == log));
                }
                Err(error) => *found = Err(error),
            }
        })
        .await?;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *found, Ok(Vec::new()))
    }
}

/// Reads a journal whole.
///
/// # Errors
/// The first entry's that doesn't open.
#[cfg(test)]
pub fn read(path: &Path, vault: &Vault) -> Result<Vec<JournalEntry>, StoreError> {
    let mut all = Vec::new();
    frames::each(path, vault, u64::MAX, |_, entry| all.push(entry))
        .map_err(|cause| StoreError::file(path, &cause))?;
    all.into_iter().collect()
}
