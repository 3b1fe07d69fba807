//! The whole desk of the open house: which handler answers which request of the command line.

use std::sync::Arc;

use super::rooms::Rooms;
use crate::control::Desk;
use crate::control::api::{audit, consent, key, staff, store, subscriber};
use crate::control::handlers::{AuditDesk, KeyDesk, SecondDesk, SheetSource, StaffDesk, StoreDesk};

/// Adds everything that needs the open vault.
pub(super) fn unlocked<S: SheetSource>(desk: Desk, rooms: &Arc<Rooms>, sheet: &Arc<S>) -> Desk {
    let server = rooms.config().hostname.to_string();
    let people = Arc::new(StaffDesk::new(rooms.staff.clone(), server));
    let logs = Arc::new(AuditDesk::new(
        rooms.store.clone(),
        rooms.clock.clone(),
        rooms.staff.clone(),
    ));
    let second = Arc::new(SecondDesk(rooms.staff.clone()));
    let files = Arc::new(StoreDesk(rooms.store.clone()));
    let keys = Arc::new(KeyDesk::new(rooms.staff.clone(), sheet.clone()));
    desk.on::<staff::Add, _>(&people)
        .on::<staff::List, _>(&people)
        .on::<staff::Revoke, _>(&people)
        .on::<staff::Password, _>(&people)
        .on::<audit::Show, _>(&logs)
        .on::<audit::Verify, _>(&logs)
        .on::<consent::Verify, _>(&logs)
        .on::<subscriber::Waiting, _>(&second)
        .on::<subscriber::Agree, _>(&second)
        .on::<store::Verify, _>(&files)
        .on::<key::Backup, _>(&keys)
}
