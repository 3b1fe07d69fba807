//! What is kept when a journal can't be gone on with: the file itself under another name, or, if it is gone, a note
//! that it is. `status` tells of both until somebody takes them away.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::store::open::OWN;

const DAMAGED: &str = "journal.damaged-";
const LOST: &str = "journal.lost-";

/// Puts a journal aside under a name that is free, for good. Answers where it lies.
pub(super) fn keep(journal: &Path) -> io::Result<PathBuf> {
    let aside = free(journal, DAMAGED);
    fs::rename(journal, &aside)?;
    sync_directory(journal)?;
    Ok(aside)
}

/// Leaves a note that a journal is gone.
pub(super) fn note_lost(journal: &Path, frames: u64) -> io::Result<()> {
    let path = free(journal, LOST);
    let mut note = File::options()
        .create_new(true)
        .write(true)
        .mode(OWN)
        .open(path)?;
    writeln!(
        note,
        "a journal of {frames} entries was not there at a start"
    )?;
    note.sync_all()?;
    sync_directory(journal)
}

/// Makes the names in a file's directory last.
pub(super) fn sync_directory(of: &Path) -> io::Result<()> {
    let directory = of.parent().unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn free(journal: &Path, name: &str) -> PathBuf {
    let numbered = |number: u32| journal.with_file_name(format!("{name}{number}"));
    let taken = |path: &PathBuf| path.symlink_metadata().is_ok();
    (1..)
        .map(numbered)
        .find(|path| !taken(path))
        .unwrap_or_else(|| numbered(0))
}

/// What an admin should hear of a data directory's journals.
pub(in crate::store) fn warnings(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut warnings: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let path = entry.path();
            let path = path.display();
            if name.starts_with(DAMAGED) {
                Some(format!(
                    "the journal of withdrawals was damaged or cut, and a new one was begun; the old one is kept as {path}: \
                     look at the disk, copy both off this host, and take the old one away once you have a newer copy of \
                     the database"
                ))
            } else if name.starts_with(LOST) {
                Some(format!(
                    "the journal of withdrawals was gone at a start, and a new one was begun ({path}); put the old one's \
                     copy beside your copies of the database, and delete the note once you have a newer copy"
                ))
            } else {
                None
            }
        })
        .collect();
    warnings.sort();
    warnings
}
