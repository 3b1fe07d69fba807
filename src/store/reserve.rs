//! The reserve of the disk: room that mail must leave free, so that withdrawals, erasures, the journal and what became of
//! mail can still be written down when strangers send more than there is room for.
//!
//! It is asked for each chunk of a mail, and asks the file system about once a second; in between it counts. Free pages
//! inside the database are room too: they are used before the file grows. It knows no mail and no SQL.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use super::StoreError;

/// How long what the file system said is believed.
const BELIEVED: Duration = Duration::from_secs(1);
/// How much may be taken before it is asked again.
const MUCH: u64 = 4 << 20;
/// What is taken stands in the write-ahead log first, and then in the database as well.
const TWICE: u64 = 2;

/// Unless it is configured: a twentieth of the disk, but within these.
const PART: u64 = 20;
const LEAST: u64 = 256 << 20;
const MOST: u64 = 1 << 30;
/// And of a tiny disk no more than this part, or it would hold no mail at all.
const TINY_PART: u64 = 4;

/// That the system doesn't tell is said once.
static UNTOLD: Once = Once::new();

/// Nothing is configured.
const BY_DISK: u64 = u64::MAX;

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What may still be written, in bytes.
    pub left: u64,
    /// How much of it mail must leave, in bytes.
    pub reserve: u64,
}

impl Space {
    /// The room on the disk that holds this directory; none if the system doesn't tell. `wanted` is the reserve in bytes,
    /// if one is configured.
    pub fn of(directory: &Path, wanted: Option<u64>) -> Option<Self> {
        Self::with_free_pages(directory, wanted, 0)
    }

    fn with_free_pages(directory: &Path, wanted: Option<u64>, pages: u64) -> Option<Self> {
        let disk = rustix::fs::statvfs(directory).ok()?;
        let size = disk.f_blocks.saturating_mul(disk.f_frsize);
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let usual = (size / PART).clamp(LEAST, MOST).min(size / TINY_PART);
        Some(Self {
            // Writing into free pages needs room in the write-ahead log as well.
            left: free.saturating_add(pages.min(free)),
            reserve: wanted.unwrap_or(usual),
        })
    }

    /// Whether mail is put off.
    pub fn is_short(&self) -> bool {
        self.left < self.reserve
    }

    /// Whether even small things are put off that a stranger can send without end: the last of the reserve is for who
    /// leaves, and for what became of mail.
    pub fn is_nearly_gone(&self) -> bool {
        self.left < self.reserve / 2
    }
}

/// What a store keeps free.
#[derive(Debug)]
pub(super) struct Reserve {
    directory: PathBuf,
    wanted: AtomicU64,
    /// Bytes of the database's free pages.
    pages: AtomicU64,
    seen: Mutex<Option<Seen>>,
}

/// What the file system said, and what was taken since.
#[derive(Debug)]
struct Seen {
    at: Instant,
    space: Space,
    taken: u64,
}

impl Seen {
    fn has_room_for(&self, bytes: u64) -> bool {
        let taken = self.taken.saturating_add(bytes).saturating_mul(TWICE);
        self.space.left.saturating_sub(taken) >= self.space.reserve
    }
}

impl Reserve {
    /// The reserve of the disk that holds this directory.
    pub(super) fn of(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            wanted: AtomicU64::new(BY_DISK),
            pages: AtomicU64::new(0),
            seen: Mutex::default(),
        }
    }

    /// Keeps so many bytes free; none for what fits the disk.
    pub(super) fn set(&self, wanted: Option<u64>) {
        let wanted = wanted.map_or(BY_DISK, |bytes| bytes.min(BY_DISK - 1));
        self.wanted.store(wanted, Ordering::Relaxed);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The database has so many bytes of free pages.
    pub(super) fn set_free_pages(&self, bytes: u64) {
        self.pages.store(bytes, Ordering::Relaxed);
    }

    /// How much room there is now; none if the system doesn't tell.
    pub(super) fn space(&self) -> Option<Space> {
        let wanted = self.wanted.load(Ordering::Relaxed);
        let wanted = (wanted != BY_DISK).then_some(wanted);
        let pages = self.pages.load(Ordering::Relaxed);
        Space::with_free_pages(&self.directory, wanted, pages)
    }

    /// Takes room for bytes of mail. Where the system doesn't tell how much there is, a full disk is met by writing.
    ///
    /// # Errors
    /// [`StoreError::Reserved`] if what would be left is less than the reserve.
    pub(super) fn take(&self, bytes: u64) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let believed = seen.as_ref().is_some_and(|seen| {
            seen.at.elapsed() < BELIEVED && seen.taken < MUCH && seen.has_room_for(bytes)
        });
        if !believed {
            let Some(space) = self.space() else {
                UNTOLD.call_once(|| {
                    tracing::warn!(
                        "the system doesn't tell how full the disk of the data directory is: mail is taken until it is \
                         full, without a reserve"
                    );
                });
                return Ok(());
            };
            *seen = Some(Seen {
                at: Instant::now(),
                space,
                taken: 0,
            });
        }
        match seen.as_mut() {
            Some(seen) if !seen.has_room_for(bytes) => Err(StoreError::Reserved {
                left: seen.space.left,
                reserve: seen.space.reserve,
            }),
            Some(seen) => {
                seen.taken = seen.taken.saturating_add(bytes);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_mail_ends_before_the_reserve() {
        let directory = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(directory.path());
        reserve.set(Some(0));
        reserve.take(1).unwrap();
        let left = reserve.space().unwrap().left;
        reserve.set(Some(left + (1 << 40)));
        assert!(reserve.space().unwrap().is_short());
        let error = reserve.take(1).unwrap_err();
        assert!(matches!(error, StoreError::Reserved { .. }), "{error}");
        assert!(error.is_temporary());
        reserve.set(Some(0));
        reserve.take(1).unwrap();
    }

    #[test]
    fn the_last_half_is_for_who_leaves() {
        let space = |left| Space { left, reserve: 40 };
        let of = |left| (space(left).is_short(), space(left).is_nearly_gone());
        assert_eq!(of(40), (false, false));
        assert_eq!(of(20), (true, false));
        assert_eq!(of(19), (true, true));
    }

    #[test]
    fn what_is_taken_between_two_looks_counts_twice() {
        let space = Space {
            left: 100,
            reserve: 40,
        };
        let mut seen = Seen {
            at: Instant::now(),
            space,
            taken: 0,
        };
        assert!(seen.has_room_for(30) && !seen.has_room_for(31));
        seen.taken = 20;
        assert!(seen.has_room_for(10) && !seen.has_room_for(11));
    }

    #[test]
    fn free_pages_are_room_as_far_as_the_log_has_room_for_them() {
        let directory = tempfile::tempdir().unwrap();
        let of = |pages| Space::with_free_pages(directory.path(), None, pages).unwrap();
        let (none, many) = (of(0), of(u64::MAX));
        assert!(many.left > none.left && many.left <= none.left.saturating_mul(3));
        assert!(none.reserve > 0);
    }
}
