//! What the bytes of a mail count against while it comes: what may be under way at once, and what one network may send in
//! an hour. Both are for what lies on the disk before anybody has accepted it.

use std::sync::Arc;

use super::super::rooms::Rooms;
use super::checks::Checks;
use super::verdict;
use crate::net::{Load, Network, Whose};
use crate::smtp::server::{Caller, Refusal};

/// A mail's count.
pub(super) struct Toll {
    load: Load,
    /// Of a stranger's mail: whose hour it counts in.
    hour: Option<(Arc<Checks>, Network)>,
    /// What the hour was not asked for yet.
    unasked: u64,
}

impl Toll {
    pub(super) fn of(rooms: &Rooms, caller: &Caller) -> Self {
        let network = Network::from(caller.client);
        let (whose, hour) = match caller.staff {
            Some(entrant) => (Whose::Staff(entrant.staff), None),
            None => (Whose::Stranger(network), Some((rooms.checks(), network))),
        };
        Self {
            load: rooms.under_way().begin(whose),
            hour,
            unasked: 0,
        }
    }

    /// Counts bytes that came.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let bytes = bytes as u64;
        self.load.add(bytes).map_err(|_| verdict::no_room())?;
        let Some((checks, network)) = &self.hour else {
            return Ok(());
        };
        self.unasked += bytes;
        while self.unasked >= Checks::UNIT {
            self.unasked -= Checks::UNIT;
            checks.may_send_more(network)?;
        }
        Ok(())
    }
}
