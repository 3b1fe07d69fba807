//! What the doors ask of the house.

use std::sync::{Arc, PoisonError};

use zeroize::Zeroizing;

use super::super::duties;
use super::super::locked_box::Effect;
use super::super::rooms::Rooms;
use super::super::service::{House, HouseReport};
use super::{Built, PartyHouse, certificates, gone_lists, gone_roles, same_names, work};
use crate::config::ByteSize;
use crate::control::Failure;
use crate::control::api::service::Reloaded;
use crate::staff::StaffRoom;
use crate::store::Store;
use crate::web::{self, LockedWithdrawal};

impl House for PartyHouse {
    type Rooms = Built;

    async fn build(&self, store: Store) -> Result<Built, Failure> {
        let what = "can't open the rooms";
        let next = "look at the log, mend it and try again: hustings unlock";
        self.look_at_logs(&store).await;
        let reserve = self.config().limits.disk_reserve;
        store.keep_free(reserve.map(ByteSize::bytes));
        let rooms = self.build_rooms(store).await;
        let rooms = rooms.map_err(|error| Failure::failed(what, error, next))?;
        let door = self.mail_door.get().copied();
        let network = self.settings.load().network(door, &rooms.trust);
        let network = network.map_err(|error| Failure::failed(what, error.to_string(), next))?;
        rooms.go_by(&network);
        if let Some(tally) = rooms.trust.tally()
            && let Err(error) = tally.load(&rooms.store).await
        {
            tracing::warn!(%error, "what came of TLS today can't be read; it is counted anew");
        }
        self.write_record(&rooms).await;
        say_what_is_gone(&rooms).await;
        if !same_names::warnings(&rooms).is_empty() {
            tracing::warn!(
                "a role's mailbox has the name or an address of an account; see: hustings status"
            );
        }
        Ok(Built { rooms, network })
    }

    fn staff_of<'r>(&self, built: &'r Built) -> &'r StaffRoom {
        &built.rooms.staff
    }

    async fn apply(&self, built: &Built, withdrawal: Zeroizing<Vec<u8>>) -> Result<Effect, String> {
        let Some(withdrawal) = LockedWithdrawal::from_bytes(&withdrawal) else {
            return Ok(Effect::Unreadable);
        };
        let applied = withdrawal.apply(&built.rooms.consent).await;
        let applied = applied.map_err(|error| error.to_string())?;
        Ok(applied.map_or(Effect::Void, |_| Effect::Withdrawn))
    }

    fn open(&self, Built { rooms, network }: Built) {
        self.cell.open(rooms.clone());
        self.web.open(web::Rooms {
            consent: rooms.consent.clone(),
            approvals: Arc::new(rooms.mailings.clone()),
            reports: rooms.reports.clone(),
        });
        self.open_desk(&rooms);
        self.start_work(&rooms, network);
    }

    async fn report(&self, admin: bool) -> HouseReport {
        let rooms = self.cell.get();
        let state = if rooms.is_some() { "open" } else { "locked" };
        let mut doors = self.doors.get().cloned().unwrap_or_default();
        for door in &mut doors {
            state.clone_into(&mut door.state);
            door.connections = self.limits.open(&door.name) as u64;
        }
        let work = match &rooms {
            None => None,
            Some(rooms) => Some(work::work(rooms).await),
        };
        let mut warnings = Vec::new();
        warnings.extend(certificates::warnings(
            &self.certificates,
            rooms.as_deref(),
            self.clock.now(),
        ));
        warnings.extend(duties::unserved_names(
            &self.config(),
            &self.certificates.pairs(),
        ));
        warnings.extend_from_slice(&self.found.lock().unwrap_or_else(PoisonError::into_inner));
        warnings.extend_from_slice(&self.settings.load().faults);
        warnings.extend(self.little_room(rooms.as_deref()));
        warnings.extend(duties::reminders(&self.config().party, self.clock.now()));
        if let Some(rooms) = &rooms {
            warnings.extend_from_slice(rooms.signing.broken());
            warnings.extend(rooms.store.warnings());
            warnings.extend(gone_lists::warnings(rooms, admin));
            warnings.extend(gone_roles::warnings(rooms).await);
            if admin {
                warnings.extend(same_names::warnings(rooms));
            }
            warnings.extend(rooms.names.warnings());
        }
        let rooms_own = rooms.as_ref().and_then(|rooms| rooms.certificates.clone());
        let broken = rooms.map_or(0, |rooms| rooms.staff.roll().broken());
        if broken > 0 {
            warnings.push(format!(
                "{} in the database can't be read and left out; see hustings store verify, and put back a copy of \
                 the database from before, or make a new account",
                match broken {
                    1 => "1 staff account".to_owned(),
                    many => format!("{many} staff accounts"),
                }
            ));
        }
        HouseReport {
            doors,
            certificates: certificates::report(
                &self.certificates,
                self.config().tls.source,
                rooms_own,
            ),
            refused: certificates::refused(&self.certificates),
            refused_since: self.certificates.refusals().since(),
            work,
            warnings,
        }
    }

    async fn reload(&self, by: &str) -> Result<Reloaded, Failure> {
        self.read_again(by).await
    }

    fn staff(&self) -> Option<StaffRoom> {
        self.cell.get().map(|rooms| rooms.staff.clone())
    }

    fn store(&self) -> Option<Store> {
        self.cell.get().map(|rooms| rooms.store.clone())
    }

    fn stop(&self) {
        self.stop.cancel();
    }
}

/// The log is read by whoever runs the machine, so that numbers stand there in steps.
pub(super) async fn say_what_is_gone(rooms: &Rooms) {
    let lists = gone_lists::warnings(rooms, false);
    let roles = gone_roles::warnings(rooms).await;
    for warning in lists.into_iter().chain(roles) {
        tracing::warn!("{warning}");
    }
}
