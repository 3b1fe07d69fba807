//! A file of withdrawals: frames behind each other, each `length u32 big-endian | sealed box`. A torn last frame (a crash
//! while it was written) was never answered, so it is left out. It knows nothing of what is in the boxes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::FILE_MAX;

/// A sealed withdrawal is never longer.
const FRAME_MAX: u32 = 1024;
/// A link that somebody put in a file's place is not followed.
pub(super) const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// What a file of withdrawals holds.
#[derive(Default)]
pub(super) struct Found {
    pub(super) boxes: Vec<Vec<u8>>,
    /// Bytes behind the last whole frame that are more than half a frame: the file was damaged there.
    pub(super) rest: Vec<u8>,
    /// How many bytes the whole frames take.
    pub(super) whole: u64,
    /// How many bytes were read.
    read: u64,
}

/// A sealed withdrawal as it stands in the file.
pub(super) fn frame(sealed: &[u8]) -> Vec<u8> {
    // A box is some hundred bytes longer than what is in it, which is capped.
    let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], sealed].concat()
}

/// How many withdrawals were counted in a file, and how far.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    /// Whole frames.
    pub(super) frames: u64,
    /// How many bytes they take.
    whole: u64,
    /// How long the file was.
    pub(super) seen: u64,
}

impl Counted {
    /// Counts what came since.
    pub(super) fn go_on(&mut self, path: &Path) -> io::Result<()> {
        let mut file = File::options()
            .read(true)
            .custom_flags(NOFOLLOW)
            .open(path)?;
        file.seek(io::SeekFrom::Start(self.whole))?;
        let found = Found::of(file)?;
        self.seen = self.whole + found.read;
        self.frames += found.boxes.len() as u64;
        self.whole += found.whole;
        Ok(())
    }
}

/// Reads a file of withdrawals. Half a frame at its end, which a crash left, was never answered and is left out.
pub(super) fn read(path: &Path) -> io::Result<Found> {
    let opened = File::options().read(true).custom_flags(NOFOLLOW).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(error),
    };
    Found::of(file)
}

impl Found {
    /// What stands in a file from here on.
    fn of(file: File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.take(FILE_MAX + u64::from(FRAME_MAX))
            .read_to_end(&mut bytes)?;
        let mut found = Self {
            read: bytes.len() as u64,
            ..Self::default()
        };
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
}

/// Appends a frame behind the last whole one, and syncs.
pub(super) fn append(path: &Path, frame: &[u8]) -> io::Result<()> {
    let mut file = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(NOFOLLOW)
        .open(path)?;
    let before = file.metadata()?.len();
    let written = file.write_all(frame).and_then(|()| file.sync_data());
    if written.is_err() {
        // What came half must not stand before what comes next. Where this fails too, the next to come looks.
        let _ = file.set_len(before);
    }
    written
}

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
