//! Mail programs that come by IMAP: who may come in, and whose folders they see. Failed log-ins count as at the other doors.

use std::net::IpAddr;
use std::sync::Arc;

use super::rooms::{Rooms, RoomsCell};
use crate::id::{MailboxId, StaffId};
use crate::imap::{Account, Credentials, Host, LoginOutcome, Refusal};
use crate::staff::{Door, HeldUp, Knocked};

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

    async fn credentials(&self, client: IpAddr, user: &str) -> Result<Credentials, Refusal> {
        let rooms = self.rooms()?;
        let knocked = rooms.staff.knock(client, user).await.map_err(held_up)?;
        let Knocked { verifier, tried } = knocked;
        Ok(Credentials { verifier, tried })
    }

    async fn login(
        &self,
        client: IpAddr,
        outcome: LoginOutcome,
    ) -> Result<Option<Account>, Refusal> {
        let rooms = self.rooms()?;
        let ended = rooms.staff.ended(Door::Imap, client, outcome).await;
        let Some(member) = ended.map_err(|_| revoked())? else {
            return Ok(None);
        };
        Ok(Some(Account {
            staff: member.id,
            mailbox: MailboxId::from(member.id),
            mailboxes: rooms.mailboxes.clone(),
            room: rooms.config().staff.mailbox_size.bytes(),
        }))
    }

    fn still_lets_in(&self, staff: StaffId) -> bool {
        let rooms = self.rooms.get();
        rooms.is_some_and(|rooms| rooms.staff.roll().by_id(staff).is_some())
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
