//! Files that go to the daemon or come from it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::control::{BODY_MAX, BodySender, ClientError, Failure};

/// Sends all that `from` gives. Reading blocks: the command has nothing else to do.
pub(super) async fn send(sender: &mut BodySender, from: &mut dyn Read) -> Result<(), Failure> {
    let mut buffer = zeroize::Zeroizing::new(vec![0; BODY_MAX]);
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Failure::failed(
                    "can't read what is to be sent",
                    error.to_string(),
                    "check the file",
                ));
            }
        };
        sender
            .send(&buffer[..count])
            .await
            .map_err(ClientError::into_failure)?;
        // So that what the daemon says meanwhile is read.
        tokio::task::yield_now().await;
    }
    sender.end().await.map_err(ClientError::into_failure)
}

/// Reads a whole small file, such as a checkpoint; `-` is standard input.
pub(super) fn read_small(path: &Path) -> Result<String, Failure> {
    const MOST: u64 = 64 * 1024;
    let mut text = String::new();
    open(path)?
        .take(MOST)
        .read_to_string(&mut text)
        .map_err(|error| {
            Failure::failed(
                format!("can't read {}", path.display()),
                error.to_string(),
                "check that it is the right file",
            )
        })?;
    Ok(text)
}

/// Opens a file to be sent; `-` is standard input.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).map_err(|error| {
        Failure::failed(
            format!("can't read {}", path.display()),
            error.to_string(),
            "check the path and its permissions",
        )
    })?;
    Ok(Box::new(file))
}

/// A file that is being written: it has its name only once it is whole, and only its owner can read it.
pub(super) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    file: Option<File>,
}

impl NewFile {
    /// Begins a new file. One that is there already stays; what a command that was killed left of one is begun anew.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(Failure::refused(
                format!("can't write {}", path.display()),
                "something is there already",
                "give another name, or move it away",
            ));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        clear_left(path, &part)?;
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => being_written(path, &part),
                _ => cant_write(path, &error),
            })?;
        // For as long as we live: so that another command sees that it isn't a leftover.
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| being_written(path, &part))?;
        Ok(Self {
            path: path.to_owned(),
            part,
            file: Some(file),
        })
    }

    /// The name that it will have.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match &mut self.file {
            Some(file) => file
                .write_all(bytes)
                .map_err(|error| cant_write(&self.path, &error)),
            None => Ok(()),
        }
    }

    /// The file is whole: syncs it and gives it its name.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        file.sync_all()
            .and_then(|()| fs::rename(&self.part, &self.path))
            .map_err(|error| {
                let _ = fs::remove_file(&self.part);
                cant_write(&self.path, &error)
            })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Takes away what an earlier command left when it was killed: a file of our own that nobody holds.
fn clear_left(path: &Path, part: &Path) -> Result<(), Failure> {
    let left = match File::options()
        .write(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(part)
    {
        Ok(left) => left,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => return Err(in_the_way(path, part)),
    };
    let about = left.metadata().map_err(|error| cant_write(path, &error))?;
    let ours =
        about.is_file() && about.nlink() == 1 && about.uid() == rustix::process::geteuid().as_raw();
    if !ours {
        return Err(in_the_way(path, part));
    }
    flock(&left, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| being_written(path, part))?;
    match fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cant_write(path, &error)),
        _ => Ok(()),
    }
}

fn being_written(path: &Path, part: &Path) -> Failure {
    Failure::refused(
        format!("can't write {}", path.display()),
        format!("another command is writing {} just now", part.display()),
        "wait for it, or give another name",
    )
}

fn in_the_way(path: &Path, part: &Path) -> Failure {
    Failure::refused(
        format!("can't write {}", path.display()),
        format!("{} is in the way, and no leftover of yours", part.display()),
        "move that file away, or give another name",
    )
}

fn cant_write(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(
        format!("can't write {}", path.display()),
        error.to_string(),
        "check the directory, its permissions and the room on the disk",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_has_its_name_only_once_it_is_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("export");
        let mut file = NewFile::create(&path).expect("creates");
        file.write(b"half").expect("writes");
        drop(file);
        assert_eq!(fs::read_dir(directory.path()).expect("reads").count(), 0);
        let mut file = NewFile::create(&path).expect("creates");
        file.write(b"whole").expect("writes");
        file.finish().expect("finishes");
        assert_eq!(fs::read(&path).expect("reads"), b"whole");
        let mode = fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(NewFile::create(&path).is_err(), "nothing is overwritten");
    }

    #[test]
    fn what_a_killed_command_left_is_begun_anew_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("export");
        let part = directory.path().join("export.part");
        fs::write(&part, b"what was left of a longer one").expect("writes");
        let mut file = NewFile::create(&path).expect("takes its place");
        file.write(b"whole").expect("writes");
        let refused = NewFile::create(&path).err().expect("one at a time");
        assert!(refused.why.contains("export.part"), "{refused}");
        assert!(refused.why.contains("just now"), "{refused}");
        file.finish().expect("finishes");
        assert_eq!(fs::read(&path).expect("reads"), b"whole");
        let mode = fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let other = directory.path().join("other");
        fs::write(directory.path().join("kept"), b"mine").expect("writes");
        for make in [
            |from: &Path, to: &Path| std::os::unix::fs::symlink(from, to),
            |from: &Path, to: &Path| fs::hard_link(from, to),
        ] {
            let part = directory.path().join("other.part");
            make(&directory.path().join("kept"), &part).expect("links");
            let refused = NewFile::create(&other).err().expect("it's no leftover");
            assert!(refused.why.contains("in the way"), "{refused}");
            fs::remove_file(&part).expect("removes");
        }
        let kept = fs::read(directory.path().join("kept")).expect("reads");
        assert_eq!(kept, b"mine");
    }
}
