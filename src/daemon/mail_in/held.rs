//! What of a mail is in memory while it comes. It counts in the byte budget, and a stranger's against a part of that which
//! is theirs as well: whoever floods the party keeps neither its people from writing nor all other strangers.

use crate::net::{Load, Loads, Network, Whose};
use crate::store::{CHUNK, NoRoom, Room};
use std::net::IpAddr;
use std::sync::Arc;

/// What a body takes while it goes into the store: the chunk that fills, and the one that is written.
const BODY: usize = 2 * CHUNK;

/// What one piece of a mail holds. Dropped, it's given back.
pub(super) struct Held {
    room: Room,
    /// Of a stranger's: what their network holds.
    load: Option<Load>,
    counted: usize,
}

impl Held {
    /// Nothing yet, of a mail that a stranger at this address sends; or somebody of the staff, for whom the budget counts alone.
    pub(super) fn of(room: Room, strangers: &Arc<Loads>, client: Option<IpAddr>) -> Self {
        Self {
            room,
            load: client.map(|client| strangers.begin(Whose::Stranger(Network::from(client)))),
            counted: 0,
        }
    }

    /// Takes room until it is enough for this many bytes.
    ///
    /// # Errors
    /// [`NoRoom`] if there isn't enough at present.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.room.hold(bytes)?;
        self.count(bytes.saturating_sub(self.counted))
    }

    /// Counts a body that begins. Its room it takes itself.
    ///
    /// # Errors
    /// [`NoRoom`] if strangers have as many as they may.
    pub(super) fn body(&mut self) -> Result<(), NoRoom> {
        self.count(BODY)
    }

    fn count(&mut self, more: usize) -> Result<(), NoRoom> {
        if let Some(load) = self.load.as_mut().filter(|_| more > 0) {
            load.add(more as u64).map_err(|_| NoRoom)?;
            self.counted += more;
        }
        Ok(())
    }

    /// For tests: so much in all, and no strangers.
    #[cfg(test)]
    pub(super) fn within(bytes: usize) -> Self {
        Self::of(Room::of(bytes), &Loads::new(0, 0), None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_room_to_the_staff_and_to_each_other() {
        let strangers = Loads::new(64 * CHUNK as u64, CHUNK as u64);
        let of = |client: Option<&str>| {
            let client = client.map(|client| client.parse().unwrap());
            Held::of(Room::of(1_000 * CHUNK), &strangers, client)
        };
        let mut flood: Vec<Held> = Vec::new();
        for network in ["192.0.2.1", "198.51.100.1", "203.0.113.1"] {
            let mut one = of(Some(network));
            one.hold(15 * CHUNK).unwrap();
            one.hold(16 * CHUNK).unwrap();
            assert_eq!(
                of(Some(network)).body(),
                Err(NoRoom),
                "its network has a quarter"
            );
            flood.push(one);
        }
        assert_eq!(
            of(Some("100.64.0.1")).body(),
            Err(NoRoom),
            "three quarters are strangers'"
        );
        assert_eq!(of(None).hold(100 * CHUNK), Ok(()));
        assert_eq!(of(None).body(), Ok(()));
        flood.pop();
        assert_eq!(of(Some("100.64.0.1")).body(), Ok(()));
    }
}
