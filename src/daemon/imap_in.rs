//! Mail programs that come by IMAP: who may come in, and whose folders they see. Failed log-ins count as at the other doors.

use std::net::IpAddr;
use std::sync::Arc;

use super::rooms::{Rooms, RoomsCell};
use crate::id::MailboxId;
use crate::imap::{Account, Host, Refusal};
use crate::staff::{Door, Entrant, HeldUp, Knocked, LoginOutcome, Proof};

/// The host of the IMAP door. While the vault is locked there are no rooms, and nobody is let in.
pub(super) struct ImapIn {
    rooms: RoomsCell,
}

impl ImapIn {
    /// A host over these rooms.
    pub(super) fn new(rooms: RoomsCell) -> Self {
        Self { rooms }
    }

    /// Who can't write can still read: only a store that is closed lets nobody in.
    fn rooms(&self) -> Result<Arc<Rooms>, Refusal> {
        self.rooms.get().ok_or_else(Refusal::not_in_service)
    }
}

impl Host for ImapIn {
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
        let ended = rooms.staff.ended(Door::Imap, client, outcome).await;
        let Some(entrant) = ended.map_err(|_| revoked())? else {
            return Ok(None);
        };
        Ok(Some(Account {
            entrant,
            mailbox: MailboxId::from(entrant.staff),
            let_in: rooms.staff.let_in(entrant),
            mailboxes: rooms.mailboxes.clone(),
            room: rooms.allowance().clone(),
            under_way: rooms.under_way().clone(),
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
        code: "UNAVAILABLE",
        text: held.to_string().into(),
    }
}

fn revoked() -> Refusal {
    Refusal {
        code: "AUTHORIZATIONFAILED",
        text: "The account was revoked".into(),
    }
}
