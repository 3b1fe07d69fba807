//! The doors' limits, which a reload changes under their feet: connections that are there stay, the next ones are held
//! to what is new.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::config;
use crate::imap;
use crate::net::admission::{Ceilings, ConnectionLimits};
use crate::smtp::server::Limits;

/// What all doors are held to.
pub struct DoorLimits {
    ceilings: Arc<Ceilings>,
    mail: Arc<ArcSwap<Limits>>,
    folders: Arc<ArcSwap<imap::Limits>>,
    /// Who counts the connections of each door.
    doors: Mutex<BTreeMap<&'static str, Arc<ConnectionLimits>>>,
}

impl DoorLimits {
    /// The limits of a configuration.
    pub fn new(limits: &config::Limits) -> Self {
        let (total, per_network) = connections(limits);
        Self {
            ceilings: Arc::new(Ceilings::new(total, per_network)),
            mail: Arc::new(ArcSwap::from_pointee(mail(limits))),
            folders: Arc::new(ArcSwap::from_pointee(folders(limits))),
            doors: Mutex::default(),
        }
    }

    /// Takes those of another.
    pub fn set(&self, limits: &config::Limits) {
        let (total, per_network) = connections(limits);
        self.ceilings.set(total, per_network);
        self.mail.store(Arc::new(mail(limits)));
        self.folders.store(Arc::new(folders(limits)));
    }

    /// Who lets connections in at this door; all its listeners share it.
    pub fn admission(&self, door: &'static str) -> Arc<ConnectionLimits> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(ConnectionLimits::under(self.ceilings.clone()));
        doors.entry(door).or_insert_with(new).clone()
    }

    /// How many connections this door has.
    pub fn open(&self, door: &str) -> usize {
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.get(door).map_or(0, |door| door.open())
    }

    /// What one connection with mail may use.
    pub fn mail(&self) -> Arc<ArcSwap<Limits>> {
        self.mail.clone()
    }

    /// What one connection of a mail program may use.
    pub fn folders(&self) -> Arc<ArcSwap<imap::Limits>> {
        self.folders.clone()
    }
}

fn connections(limits: &config::Limits) -> (usize, usize) {
    let many = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    (
        many(limits.connections),
        many(limits.connections_per_network),
    )
}

fn mail(limits: &config::Limits) -> Limits {
    Limits {
        message_size: limits.message_size.bytes(),
        recipients: usize::try_from(limits.recipients).unwrap_or(usize::MAX),
        ..Limits::default()
    }
}

fn folders(limits: &config::Limits) -> imap::Limits {
    imap::Limits {
        message_size: limits.message_size.bytes(),
        per_account: usize::try_from(limits.connections_per_account).unwrap_or(usize::MAX),
        ..imap::Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::net::admission::Admission as _;

    #[test]
    fn what_is_new_holds_for_the_next_connection() {
        let mut limits = Config::example().limits;
        (limits.connections, limits.connections_per_network) = (1, 1);
        let doors = DoorLimits::new(&limits);
        let (smtp, again) = (doors.admission("smtp"), doors.admission("smtp"));
        let here = "192.0.2.1".parse().expect("an address");
        let held = smtp.admit(here).expect("a place");
        assert!(again.admit(here).is_none(), "its listeners share the count");
        let other = doors.admission("https").admit(here);
        assert!(other.is_some(), "each door has its own count");
        assert_eq!((doors.open("smtp"), doors.open("none")), (1, 0));

        (limits.connections, limits.connections_per_network) = (2, 2);
        (limits.recipients, limits.connections_per_account) = (7, 5);
        let (mail, folders) = (doors.mail(), doors.folders());
        doors.set(&limits);
        let second = smtp.admit(here).expect("there is room now");
        assert_eq!((mail.load().recipients, folders.load().per_account), (7, 5));
        (limits.connections, limits.connections_per_network) = (1, 1);
        doors.set(&limits);
        drop(second);
        assert!(smtp.admit(here).is_none(), "one is still inside");
        drop(held);
        assert!(smtp.admit(here).is_some());
    }
}
