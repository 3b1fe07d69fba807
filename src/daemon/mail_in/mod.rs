//! Mail that comes in by SMTP: what the doors ask, answered by the rooms. It translates and wires; which address is
//! whose, who may send and what is consent, the rooms decide.

mod arrival;
mod checks;
mod envelope;
mod held;
pub(super) mod names;
mod toll;
mod verdict;

use std::sync::Arc;

pub use arrival::Arrival;
pub use checks::Checks;
pub(super) use verdict::Unknown;

use super::rooms::{Rooms, RoomsCell};
use crate::address::EmailAddress;
use crate::id::StaffId;
use crate::mailbox::directory::{Destination, NotHere};
use crate::smtp::path::{ForwardPath, ReversePath};
use crate::smtp::server::{Caller, Envelope, Host, Refusal};
use crate::staff::{Door, Entrant, Knocked, LoginOutcome, Proof, Role};
use crate::store::{Health, StoreError};
use envelope::Bound;

/// The host of all SMTP doors. While the vault is locked there are no rooms, and every answer is 421.
pub struct MailIn {
    rooms: RoomsCell,
}

impl MailIn {
    /// A host over these rooms.
    pub fn new(rooms: RoomsCell) -> Self {
        Self { rooms }
    }

    fn rooms(&self) -> Result<Arc<Rooms>, Refusal> {
        let rooms = self.rooms.get().ok_or_else(Refusal::not_in_service)?;
        match rooms.store.health() {
            Health::Well => Ok(rooms),
            // A full disk is noticed to have room again by the next write, so those are let through to try.
            Health::Refusing(StoreError::Full) => Ok(rooms),
            Health::Refusing(_) => Err(Refusal::not_in_service()),
        }
    }
}

impl Host for MailIn {
    type Body = Arrival;

    fn in_service(&self) -> bool {
        self.rooms().is_ok()
    }

    /// On the MX anybody may claim any sender; the verdict comes when the mail is whole. On submission it is an address
    /// of the staff member's, or a list's identity: most mail programs put here what stands in From.
    async fn sender(&self, caller: &Caller, path: &ReversePath) -> Result<(), Refusal> {
        let rooms = self.rooms()?;
        let Some(Entrant { staff, .. }) = caller.staff else {
            return rooms.checks().may_begin(caller.client, path).await;
        };
        let roll = rooms.staff.roll();
        let member = roll.by_id(staff).ok_or_else(verdict::revoked)?;
        let own = path
            .mailbox()
            .and_then(|mailbox| EmailAddress::parse(mailbox.as_str()).ok())
            .is_some_and(|address| {
                rooms.may_send_as(member, &address) || rooms.may_send_as_some_list(member, &address)
            });
        if own {
            Ok(())
        } else {
            Err(verdict::not_your_address())
        }
    }

    async fn recipient(&self, envelope: &Envelope, path: &ForwardPath) -> Result<(), Refusal> {
        let rooms = self.rooms()?;
        let staff = envelope.caller.staff.map(|who| who.staff);
        let found = match rooms.find(path) {
            // An address that leads nowhere is said to, whoever writes to it.
            Err(unknown) if unknown != verdict::Unknown::NotHere(NotHere::OtherDomain) => {
                return Err(unknown.refusal(staff.is_some()));
            }
            found => found,
        };
        if let Some(staff) = staff {
            check_sender_towards(&rooms, envelope, staff, found.as_ref().ok())?;
        }
        match (&found, staff) {
            (Err(verdict::Unknown::NotHere(NotHere::OtherDomain)), Some(_)) => {}
            (Err(unknown), _) => return Err(unknown.refusal(staff.is_some())),
            (Ok(Destination::List { .. }), None) => return Err(verdict::list_is_for_staff()),
            (Ok(Destination::List { .. }), Some(_)) if envelope.require_tls => {
                return Err(verdict::no_require_tls_for_lists());
            }
            (Ok(Destination::List { list, constituency }), Some(staff)) => {
                let roll = rooms.staff.roll();
                let member = roll.by_id(staff).ok_or_else(verdict::revoked)?;
                if !member.has(Role::Sender) {
                    return Err(verdict::no_sender_role());
                }
                if !member.may_write_to(list, constituency.as_deref()) {
                    return Err(verdict::beyond_grant());
                }
            }
            (Ok(_), _) => {}
        }
        let mut bound = Bound::default();
        bound.add(&rooms, path, &Default::default())?;
        let size = envelope.declared_size.unwrap_or(0);
        match bound.spare_the_full(&rooms, size).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(verdict::mailbox_full()),
            Err(error) => Err(verdict::store(&error)),
        }
    }

    /// What its recipients may not be together is said of the mail and not of the last of them: most mail programs
    /// would send it to the others.
    async fn begin(&self, envelope: &Envelope) -> Result<Arrival, Refusal> {
        let rooms = self.rooms()?;
        let mut bound = Bound::of(&rooms, &envelope.recipients)?;
        bound.check(rooms.config().staff.outside_recipients)?;
        let size = envelope.declared_size.unwrap_or(0);
        let spared = bound.spare_the_full(&rooms, size).await;
        spared.map_err(|error| verdict::store(&error))?;
        Arrival::begin(rooms, envelope, bound).await
    }

    async fn credentials(
        &self,
        caller: &Caller,
        user: &str,
        proof: Proof,
    ) -> Result<Knocked, Refusal> {
        let rooms = self.rooms()?;
        let knocked = rooms.staff.knock(caller.client, user, proof).await;
        knocked.map_err(verdict::held_up)
    }

    async fn login(
        &self,
        caller: &Caller,
        outcome: LoginOutcome,
    ) -> Result<Option<Entrant>, Refusal> {
        let staff = &self.rooms()?.staff;
        let ended = staff.ended(Door::Submission, caller.client, outcome);
        ended.await.map_err(|_| verdict::revoked())
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

/// A list's identity writes to that list alone, unless it's an address of the staff member's as well.
fn check_sender_towards(
    rooms: &Rooms,
    envelope: &Envelope,
    staff: StaffId,
    to: Option<&Destination>,
) -> Result<(), Refusal> {
    let roll = rooms.staff.roll();
    let member = roll.by_id(staff).ok_or_else(verdict::revoked)?;
    let sender = envelope.reverse_path.mailbox();
    let sender = sender.and_then(|mailbox| EmailAddress::parse(mailbox.as_str()).ok());
    let sender = sender.ok_or_else(verdict::not_your_address)?;
    let fits = match to {
        Some(Destination::List { list, .. }) => rooms.may_send_as_list(member, list, &sender),
        _ => false,
    };
    if fits || rooms.may_send_as(member, &sender) {
        Ok(())
    } else {
        Err(verdict::for_its_list_alone())
    }
}
