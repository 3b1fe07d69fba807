//! The frames of a journal's file: `length u32 big-endian | sealed entry`, one after the other. It walks them one at a
//! time, and tells a half frame at the end, which a crash leaves, from damage.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use super::{JournalEntry, Mark};
use crate::store::open::OWN;
use crate::store::{StoreError, record};
use crate::vault::Vault;

/// A frame that is longer is damage.
const LONGEST: u64 = 64 * 1024;
/// A seal alone is longer; zeros, which a file system may leave after a crash, are no frames.
const SHORTEST: u64 = 32;
const HEAD: u64 = 4;

/// Opens a file of ours for reading and, if asked, for appending; never one that a link stands for.
pub(super) fn open_file(path: &Path, append: bool) -> io::Result<File> {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    File::options()
        .create(append)
        .read(true)
        .append(append)
        .mode(OWN)
        .custom_flags(nofollow)
        .open(path)
}

/// Seals an entry as the frame with this number.
pub(super) fn seal(vault: &Vault, number: u64, entry: &JournalEntry) -> Vec<u8> {
    let sealed = record::seal(vault, &number.to_be_bytes(), &[], entry);
    let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(&sealed);
    frame
}

fn open(vault: &Vault, number: u64, sealed: &[u8]) -> Result<JournalEntry, StoreError> {
    record::open(vault, &number.to_be_bytes(), &[], sealed)
}

/// One step over a file.
enum Step {
    /// A whole frame.
    Frame(Vec<u8>),
    /// Here stands no whole frame.
    Broken,
    /// The end.
    End,
}

/// A walk over a file, in the memory of one frame.
struct Walk {
    reader: BufReader<File>,
    at: u64,
    end: u64,
}

impl Walk {
    fn new(file: File, end: u64) -> io::Result<Self> {
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(0))?;
        Ok(Self { reader, at: 0, end })
    }

    fn step(&mut self) -> io::Result<Step> {
        if self.at == self.end {
            return Ok(Step::End);
        }
        if self.at + HEAD > self.end {
            return Ok(Step::Broken);
        }
        let mut head = [0; HEAD as usize];
        self.reader.read_exact(&mut head)?;
        let length = u64::from(u32::from_be_bytes(head));
        let next = self.at + HEAD + length;
        if !(SHORTEST..=LONGEST).contains(&length) || next > self.end {
            return Ok(Step::Broken);
        }
        let mut sealed = vec![0; length as usize];
        self.reader.read_exact(&mut sealed)?;
        self.at = next;
        Ok(Step::Frame(sealed))
    }

    /// Whether what stands from here on can be a frame that a crash cut short: a frame's length at most, with no whole
    /// frame in it.
    fn ends_in_half_frame(mut self, vault: &Vault, number: u64) -> io::Result<bool> {
        if self.end - self.at > HEAD + LONGEST {
            return Ok(false);
        }
        self.reader.seek(SeekFrom::Start(self.at))?;
        let mut rest = Vec::new();
        self.reader
            .take(self.end - self.at)
            .read_to_end(&mut rest)?;
        let whole = |from: usize| {
            let (head, body) = rest.get(from..)?.split_first_chunk::<{ HEAD as usize }>()?;
            let length = u64::from(u32::from_be_bytes(*head));
            if !(SHORTEST..=LONGEST).contains(&length) {
                return None;
            }
            let sealed = body.get(..usize::try_from(length).ok()?)?;
            let later = number.saturating_add(1);
            (number..=later).find(|number| open(vault, *number, sealed).is_ok())
        };
        Ok(!(1..rest.len()).any(|from| whole(from).is_some()))
    }
}

/// What stands in a file.
pub(super) struct Measured {
    /// Whole frames and their bytes.
    pub(super) mark: Mark,
    /// Frames that don't open.
    pub(super) closed: u64,
    /// Whether half a frame follows, which a crash left.
    pub(super) torn: bool,
    /// Why the file can't be gone on with.
    pub(super) damage: Option<String>,
}

/// Goes over a file whose frames were on the disk up to `known`. `each` hears every entry that opens.
pub(super) fn measure(
    file: &File,
    vault: &Vault,
    known: Mark,
    mut each: impl FnMut(JournalEntry),
) -> io::Result<Measured> {
    let mut walk = Walk::new(file.try_clone()?, file.metadata()?.len())?;
    let mut measured = Measured {
        mark: Mark::default(),
        closed: 0,
        torn: false,
        damage: None,
    };
    loop {
        match walk.step()? {
            Step::Frame(sealed) => {
                match open(vault, measured.mark.frames, &sealed) {
                    Ok(entry) => each(entry),
                    Err(_) => measured.closed += 1,
                }
                measured.mark.frames += 1;
                measured.mark.length = walk.at;
            }
            Step::End => break,
            Step::Broken => {
                let Mark { frames, length } = measured.mark;
                measured.torn = length >= known.length && walk.ends_in_half_frame(vault, frames)?;
                if !measured.torn {
                    measured.damage = Some(format!("its entry {frames} is damaged"));
                }
                break;
            }
        }
    }
    let Mark { frames, length } = measured.mark;
    if measured.damage.is_none() && (frames < known.frames || length < known.length) {
        measured.damage = Some(format!("it has {frames} entries and had {}", known.frames));
    }
    Ok(measured)
}

/// Goes over the first `length` bytes of a file; `each` hears every frame by its number. The walk ends at a place
/// where no whole frame stands.
pub(super) fn each(
    path: &Path,
    vault: &Vault,
    length: u64,
    mut each: impl FnMut(u64, Result<JournalEntry, StoreError>),
) -> io::Result<()> {
    let file = open_file(path, false)?;
    let end = file.metadata()?.len().min(length);
    let mut walk = Walk::new(file, end)?;
    for number in 0.. {
        match walk.step()? {
            Step::Frame(sealed) => each(number, open(vault, number, &sealed)),
            Step::End => break,
            Step::Broken => {
                let what = format!("the journal: its entry {number} has no true length");
                each(number, Err(StoreError::Damaged(what)));
                break;
            }
        }
    }
    Ok(())
}
