//! What the door for maildrops asks, answered by the rooms. A log-in goes the same way as on submission.

use std::net::IpAddr;
use std::sync::Arc;

use super::rooms::{Rooms, RoomsCell};
use crate::id::StaffId;
use crate::mailbox::Mailboxes;
use crate::pop3::{Account, Credentials, Host, Refusal};
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

    async fn credentials(&self, client: IpAddr, user: &str) -> Result<Credentials, Refusal> {
        let rooms = self.rooms()?;
        if !rooms.wrong_passwords.may_try(client) {
            let wait = rooms.config().staff.wait_after_wrong_passwords;
            let minutes = wait.as_secs().div_ceil(60);
            let text =
                format!("Too many wrong passwords from your network; wait {minutes} min").into();
            let code = "SYS/TEMP";
            return Err(Refusal { code, text });
        }
        let (verifier, staff) = rooms.staff.credentials(user);
        Ok(Credentials { verifier, staff })
    }

    async fn login(
        &self,
        client: IpAddr,
        proven: Option<StaffId>,
    ) -> Result<Option<Account>, Refusal> {
        let rooms = self.rooms()?;
        let Some(staff) = proven else {
            rooms.wrong_passwords.wrong(client);
            return Ok(None);
        };
        let roll = rooms.staff.roll();
        let member = roll.by_id(staff).ok_or(Refusal {
            code: "SYS/PERM",
            text: "This account was closed".into(),
        })?;
        rooms.wrong_passwords.right(client);
        tracing::info!(staff = %member.log_name, "logged in");
        Ok(Some(Account {
            staff,
            mailbox: staff.into(),
            mailboxes: Mailboxes::new(rooms.store.clone(), rooms.clock.clone()),
        }))
    }

    fn still_lets_in(&self, staff: StaffId) -> bool {
        let rooms = self.rooms.get();
        rooms.is_some_and(|rooms| rooms.staff.roll().by_id(staff).is_some())
    }
}
