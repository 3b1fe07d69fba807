//! Whose directory a sandbox works in: a throwaway one, or one that is kept. A kept one is new, empty, or marked as a
//! sandbox's, and in use by no other; whatever else is there is left as it is. It knows nothing of what goes into it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use tempfile::TempDir;

/// The file that says that a directory is a sandbox's; whoever uses the directory has it locked.
const MARK: &str = ".hustings-sandbox";
/// Where a sandbox's control socket is in its directory.
const SOCKET: &str = "run/control.sock";
/// Every unix socket of this machine, a line each.
const SOCKETS: &str = "/proc/net/unix";
/// The flag of one that listens.
const LISTENS: &str = "00010000";

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Somebody else's things are in it.
    #[error(
        "{0} is not a sandbox's and not empty, and was left as it is; give --directory a new or an empty directory"
    )]
    Foreign(PathBuf),
    /// Another sandbox works in it.
    #[error(
        "{0} is in use by another sandbox, and was left as it is; end that one first, or give another directory"
    )]
    InUse(PathBuf),
    /// The operating system says no.
    #[error("{path} can't be used: {source}; give another directory")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A directory that is this sandbox's alone while it lives.
pub(super) struct Directory {
    path: PathBuf,
    _mark: Option<File>,
    /// Taken away with everything in it when dropped.
    _throwaway: Option<TempDir>,
}

impl Directory {
    /// A new one that vanishes.
    pub(super) fn throwaway() -> io::Result<Self> {
        let place = tempfile::Builder::new().prefix("hustings-").tempdir()?;
        Ok(Self {
            path: place.path().to_owned(),
            _mark: None,
            _throwaway: Some(place),
        })
    }

    /// One that stays. Nothing in it is changed before it is known to be ours, and locked.
    pub(super) async fn kept(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |source| DirectoryError::Io {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(path)
            .map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let mark = lock(&path).await?;
        Ok(Self {
            path,
            _mark: Some(mark),
            _throwaway: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The control sockets of all sandboxes that run on this machine and that we can see, in no order that means anything.
///
/// # Errors
/// If the kernel doesn't tell its sockets.
pub fn running() -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<_> = listening(&fs::read_to_string(SOCKETS)?)
        .filter(|socket| is_sandbox(socket))
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The paths of those that listen.
fn listening(table: &str) -> impl Iterator<Item = PathBuf> + '_ {
    let lines = table.lines();
    lines.filter_map(|line| {
        let (fields, path) = line.split_once(" /")?;
        let listens = fields.split_whitespace().nth(3) == Some(LISTENS);
        listens.then(|| Path::new("/").join(path))
    })
}

fn is_sandbox(socket: &Path) -> bool {
    let directory = socket
        .ancestors()
        .nth(2)
        .filter(|_| socket.ends_with(SOCKET));
    directory.is_some_and(|directory| directory.join(MARK).is_file())
}

/// How often a held lock is tried again: a child that is being started holds a copy of it until it is another program.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(25);

async fn lock(directory: &Path) -> Result<File, DirectoryError> {
    let path = directory.join(MARK);
    let failed = |source: io::Error| DirectoryError::Io {
        path: path.clone(),
        source,
    };
    let mut options = File::options();
    options
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let mark = match options.open(&path) {
        Ok(mark) => mark,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut entries = fs::read_dir(directory).map_err(failed)?;
            if entries.next().is_some() {
                return Err(DirectoryError::Foreign(directory.to_owned()));
            }
            options.create_new(true).open(&path).map_err(failed)?
        }
        Err(error) => return Err(failed(error)),
    };
    for _ in 0..TRIES {
        match flock(&mark, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(mark),
            Err(Errno::WOULDBLOCK) => tokio::time::sleep(BETWEEN_TRIES).await,
            Err(errno) => return Err(failed(errno.into())),
        }
    }
    Err(DirectoryError::InUse(directory.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn sockets_that_listen_are_read_from_the_kernels_table() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            00000000f0dc173f: 00000003 00000000 00000000 0001 03 4264178\n\
            0000000000000001: 00000002 00000000 00010000 0001 01 12345 /tmp/a b/run/control.sock\n\
            0000000000000002: 00000003 00000000 00000000 0001 03 12346 /tmp/a b/run/control.sock\n\
            0000000000000003: 00000002 00000000 00010000 0001 01 12347 @/abstract\n";
        let paths: Vec<_> = listening(table).collect();
        assert_eq!(paths, [Path::new("/tmp/a b/run/control.sock")]);
    }

    #[test]
    fn a_sandbox_is_found_while_it_runs() {
        let (ours, other) = (tempfile::tempdir(), tempfile::tempdir());
        let (ours, other) = (ours.expect("a directory"), other.expect("a directory"));
        let [socket, beside] = [&ours, &other].map(|root| {
            fs::create_dir(root.path().join("run")).expect("makes");
            root.path().join(SOCKET)
        });
        fs::write(ours.path().join(MARK), "").expect("writes");
        let is_found = |path: &PathBuf| running().expect("reads").contains(path);
        assert!(!is_found(&socket));
        let (listener, another) = (UnixListener::bind(&socket), UnixListener::bind(&beside));
        assert!(is_found(&socket));
        assert!(!is_found(&beside), "a service is no sandbox");
        drop((listener.expect("listens"), another.expect("listens")));
        assert!(socket.exists() && !is_found(&socket), "its file is left");
    }
}
