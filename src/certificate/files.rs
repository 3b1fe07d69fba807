//! Keys and certificates in files (0400), outside the database and its backups: what the doors show while the vault is
//! locked. The book is what counts; the files follow it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::book::Served;
use crate::tls::{KeyKind, OwnKey, Pair, SelfMadeError};

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}; check tls.directory, and that it is the service's own", path = .path.display())]
pub(super) struct FileError {
    path: PathBuf,
    source: io::Error,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { path, source }
}

/// What the doors show at the start, before the vault is open: the certificates in the directory, or, where there are none
/// yet, one that is made for now.
///
/// # Errors
/// [`SelfMadeError`] if none can be made.
pub fn at_start(
    directory: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<Vec<Pair>, SelfMadeError> {
    let kept: Vec<_> = KeyKind::ALL
        .iter()
        .filter_map(|kind| load(directory, *kind))
        .collect();
    if !kept.is_empty() {
        return Ok(kept);
    }
    let key = OwnKey::generate(KeyKind::Ecdsa)?;
    let chain = key.self_signed(names, now)?;
    Ok(vec![key.with_chain(&chain)?])
}

fn load(directory: &Path, kind: KeyKind) -> Option<Pair> {
    let key = Zeroizing::new(fs::read_to_string(path(directory, kind, "key")).ok()?);
    let chain = fs::read_to_string(path(directory, kind, "pem")).ok()?;
    let pair = OwnKey::from_pem(key).with_chain(&chain);
    pair.inspect_err(|error| tracing::warn!(%error, kind = kind.as_str(), "a certificate in tls.directory can't be used"))
        .ok()
}

fn path(directory: &Path, kind: KeyKind, suffix: &str) -> PathBuf {
    directory.join(format!("{}.{suffix}", kind.as_str()))
}

/// Writes what is served, where it isn't there yet.
///
/// # Errors
/// [`FileError`].
pub(super) fn write(directory: &Path, served: &[Served]) -> Result<(), FileError> {
    if !directory.is_dir() {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(directory);
        made.map_err(failed(directory))?;
    }
    for one in served {
        // A crash in between leaves a pair that doesn't fit, which the next unlock mends.
        replace(&path(directory, one.kind, "key"), one.key.as_bytes())?;
        replace(&path(directory, one.kind, "pem"), one.chain.as_bytes())?;
    }
    Ok(())
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if fs::read(path).is_ok_and(|there| Zeroizing::new(there).as_slice() == bytes) {
        return Ok(());
    }
    // A new file each time: a key must never be written into one that others have open. Each has a name of its own: what
    // is half a key must not become a chain.
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let write = || {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(failed(path))
}
