//! What the door for maildrops asks, answered by the rooms. A log-in goes the same way as on submission.

use std::net::IpAddr;
use std::sync::Arc;

use super::rooms::{Rooms, RoomsCell};
use crate::mailbox::Mailboxes;
use crate::pop3::{Account, Host, Refusal};
use crate::staff::{Door, Entrant, HeldUp, Knocked, LoginOutcome, Proof};
use crate::store::{Health, StoreError};

/// The host of the door. While the vault is locked there are no rooms, and nobody comes in.
pub(super) struct Maildrops {
    rooms: RoomsCell,
}

impl Maildrops {
    /// A host over these rooms.
    pub(super) fn new(rooms: RoomsCell) -> Self {
        Self { rooms }
    }

    fn rooms(&self) -> Result<Arc<Rooms>, Refusal> {
        let rooms = self.rooms.get().ok_or_else(Refusal::not_in_service)?;
        match rooms.store.health() {
            // Mail can be fetched from a full disk, and has to be.
            Health::Well | Health::Refusing(StoreError::Full) => Ok(rooms),
            Health::Refusing(_) => Err(Refusal::not_in_service()),
        }
    }
}

impl Host for Maildrops {
    fn in_service(&self) -> bool {
        self.rooms().is_ok()
    }

    async fn credentials(
        &self,
        client: IpAddr,
        user: &str,
        proof: Proof,
    ) -> Result<Knocked, Refusal> {
        let rooms = self.rooms()?;
        let knocked = rooms.staff.knock(client, user, proof).await;
        knocked.map_err(held_up)
    }

    async fn login(
        &self,
        client: IpAddr,
        outcome: LoginOutcome,
    ) -> Result<Option<Account>, Refusal> {
        let rooms = self.rooms()?;
        let ended = rooms.staff.ended(Door::Pop3, client, outcome).await;
        let ended = ended.map_err(|_| Refusal {
            // RFC 3206: another password may help, and nothing else.
            code: "AUTH",
            text: "This account or password was ended".into(),
        });
        let Some(entrant) = ended? else {
            return Ok(None);
        };
        Ok(Some(Account {
            entrant,
            mailbox: entrant.staff.into(),
            mailboxes: Mailboxes::new(rooms.store.clone(), rooms.clock.clone()),
        }))
    }

    fn still_lets_in(&self, who: Entrant) -> bool {
        let rooms = self.rooms.get();
        rooms.is_some_and(|rooms| rooms.staff.lets_in(who))
    }

    async fn shut_out(&self, who: Entrant) {
        let staff = self.rooms.get().map(|rooms| rooms.staff.clone());
        if let Some(staff) = staff {
            staff.shut_out(who).await;
        }
    }
}

fn held_up(held: HeldUp) -> Refusal {
    Refusal {
        code: "SYS/TEMP",
        text: held.to_string().into(),
    }
}
