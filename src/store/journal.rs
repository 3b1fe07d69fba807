//! The journal: an append-only file of sealed suppressions and erasures, made to be copied off the host. A backup is
//! always older than the last withdrawal; the journal is what a restore replays so that no withdrawal is lost.
//!
//! A frame is `length u32 big-endian | sealed entry`. The seal binds the frame's number, so that frames can't be
//! dropped from the middle, doubled or swapped. A torn last frame (a crash while it was written) is cut off when the
//! file is opened: nothing that it held was answered yet.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::record::{self, Record};
use super::suppression::{Scope, SuppressionReason};
use crate::vault::{Index, Purpose, Vault};

/// A frame longer than this is damage.
const LONGEST_FRAME: u32 = 64 * 1024;

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
}

impl Record for JournalEntry {
    const TABLE: &'static str = "journal";
    const PURPOSE: Purpose = Purpose::Journal;
}

/// The open journal. Only the store's writer appends to it.
pub(super) struct Journal {
    vault: Vault,
    path: PathBuf,
    file: Option<File>,
    frames: u64,
    length: u64,
}

impl Journal {
    /// Opens the journal, making it if there is none, and cuts off a torn last frame.
    pub(super) fn open(path: &Path, vault: &Vault) -> Result<Self, StoreError> {
        let fail = |cause: std::io::Error| StoreError::file(path, &cause);
        let mut file = File::options()
            .create(true)
            .read(true)
            .append(true)
            .mode(super::open::OWN)
            .open(path)
            .map_err(fail)?;
        let (frames, length) = measure(&mut file).map_err(fail)?;
        if file.metadata().map_err(fail)?.len() > length {
            file.set_len(length).map_err(fail)?;
            file.sync_all().map_err(fail)?;
        }
        Ok(Self {
            vault: vault.clone(),
            path: path.to_owned(),
            file: Some(file),
            frames,
            length,
        })
    }

    /// Appends entries and syncs them, off the runtime's threads. Without entries it does nothing.
    pub(super) async fn append(
        &mut self,
        entries: impl Iterator<Item = JournalEntry>,
    ) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        let mut frames = self.frames;
        for entry in entries {
            let sealed = record::seal(&self.vault, &frames.to_be_bytes(), &[], &entry);
            let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&sealed);
            frames += 1;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let length = self.length + bytes.len() as u64;
        self.write(bytes).await?;
        (self.frames, self.length) = (frames, length);
        Ok(())
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        let Some(mut file) = self.file.take() else {
            return Err(StoreError::Sick(
                "the journal could not be written before".into(),
            ));
        };
        let whole = self.length;
        let (file, result) = tokio::task::spawn_blocking(move || {
            let result = file.write_all(&bytes).and_then(|()| file.sync_data());
            if result.is_err() {
                // Take back what may stand there half, so that the next frame does not follow a torn one.
                let _ = file.set_len(whole);
            }
            (file, result)
        })
        .await
        .map_err(|_| StoreError::Stopped)?;
        self.file = Some(file);
        result.map_err(|cause| StoreError::file(&self.path, &cause))
    }
}

/// Counts the whole frames and the bytes that they take.
fn measure(file: &mut File) -> std::io::Result<(u64, u64)> {
    let end = file.seek(SeekFrom::End(0))?;
    let (mut frames, mut at) = (0, 0);
    file.seek(SeekFrom::Start(0))?;
    let mut reader = std::io::BufReader::new(file);
    let mut head = [0; 4];
    while at + 4 <= end {
        reader.read_exact(&mut head)?;
        let length = u32::from_be_bytes(head);
        let next = at + 4 + u64::from(length);
        if length > LONGEST_FRAME || next > end {
            break;
        }
        reader.seek_relative(i64::from(length))?;
        (frames, at) = (frames + 1, next);
    }
    Ok((frames, at))
}

/// Reads a journal whole.
///
/// # Errors
/// [`StoreError::Seal`] names the journal if a frame was changed, dropped, doubled or moved.
pub fn read(path: &Path, vault: &Vault) -> Result<Vec<JournalEntry>, StoreError> {
    let fail = |cause: std::io::Error| StoreError::file(path, &cause);
    let mut file = File::open(path).map_err(fail)?;
    let (frames, _) = measure(&mut file).map_err(fail)?;
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    let mut reader = std::io::BufReader::new(file);
    let mut entries = Vec::new();
    for number in 0..frames {
        let mut head = [0; 4];
        reader.read_exact(&mut head).map_err(fail)?;
        let mut sealed = vec![0; u32::from_be_bytes(head) as usize];
        reader.read_exact(&mut sealed).map_err(fail)?;
        entries.push(record::open(vault, &number.to_be_bytes(), &[], &sealed)?);
    }
    Ok(entries)
}
