//! The whole desk of the open house: which handler answers which request of the command line.

use std::sync::Arc;

use super::desks;
use super::rooms::Rooms;
use crate::control::Desk;
use crate::control::api::key;
use crate::control::handlers::{KeyDesk, SheetSource};

/// Adds everything that needs the open vault.
pub(super) fn unlocked<S: SheetSource>(desk: Desk, rooms: &Arc<Rooms>, sheet: &Arc<S>) -> Desk {
    let keys = Arc::new(KeyDesk::new(rooms.staff.clone(), sheet.clone()));
    desks::register(desk, rooms).on::<key::Backup, _>(&keys)
}
