//! A full disk: when it counts as mended.

use std::time::Duration;

use tokio::time::Instant;

use super::Writer;
use crate::store::open::Files;

/// How much more room than at the last refusal there must be before a full disk counts as mended: small writes fit where
/// a mail doesn't.
const MORE_ROOM: u64 = 4 << 20;
/// Or for how long nothing may have been refused: what was deleted leaves room inside the database, too.
const NOTHING_REFUSED: Duration = Duration::from_secs(10 * 60);
/// How often a full disk is looked at while nothing is written.
const ROOM_CHECK: Duration = Duration::from_secs(10);

/// A write that was refused for want of room.
pub(super) struct Full {
    /// How much was free then.
    free: u64,
    refused_at: Instant,
    /// When it's looked at next, if nothing is written before.
    look_at: Instant,
}

/// How much is free on the disk that holds the database.
fn free_room(files: &Files) -> Option<u64> {
    let database = files.database();
    let disk = rustix::fs::statvfs(database.parent()?).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

impl Full {
    /// A write was refused just now.
    pub(super) fn now(files: &Files) -> Self {
        let now = Instant::now();
        Self {
            free: free_room(files).unwrap_or(0),
            refused_at: now,
            look_at: now + ROOM_CHECK,
        }
    }

    /// Whether nothing was refused for so long that it no longer matters.
    pub(super) fn is_over(&self) -> bool {
        self.refused_at.elapsed() >= NOTHING_REFUSED
    }

    /// When the disk is looked at next.
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }
}

impl Writer {
    /// A write that fits is no proof that the next mail does: a full store stays so until there is clearly more room.
    pub(super) fn look_for_room(&mut self) {
        let free = free_room(&self.files);
        let Some(full) = &mut self.full else { return };
        full.look_at = Instant::now() + ROOM_CHECK;
        if free.is_some_and(|free| free >= full.free.saturating_add(MORE_ROOM)) {
            self.full = None;
            self.recovered();
        }
    }
}
