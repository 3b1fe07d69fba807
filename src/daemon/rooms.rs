//! The rooms, built over an open store: all that the doors ask while the vault is unlocked.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::address::EmailAddress;
use crate::clock::Clock;
use crate::config::Config;
use crate::consent::Consent;
use crate::mailbox::directory::{Destination, Directory};
use crate::smtp::path::{ForwardPath, Mailbox};
use crate::staff::{Member, StaffRoom, WrongPasswords};
use crate::store::Store;

use super::mail_in::Unknown;

/// The rooms. All doors share one of these.
pub struct Rooms {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Staff accounts.
    pub staff: StaffRoom,
    /// Consent.
    pub consent: Consent,
    /// Wrong passwords, by network.
    pub wrong_passwords: WrongPasswords,
    directory: ArcSwap<Directory>,
    config: ArcSwap<Config>,
}

impl Rooms {
    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Our addresses.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    /// What becomes of mail at this path.
    ///
    /// # Errors
    /// [`Unknown`] if it isn't ours, or no address at all.
    pub(super) fn find(&self, path: &ForwardPath) -> Result<Destination, Unknown> {
        let directory = self.directory.load();
        match path {
            ForwardPath::Postmaster => Ok(Destination::Mailbox(directory.postmaster())),
            ForwardPath::Mailbox(mailbox) => {
                let address = read(mailbox)?;
                Ok(directory.find(&self.staff.roll(), &address)?)
            }
        }
    }

    /// Whether a staff member may send as this address: one of their own, with or without a detail.
    pub fn may_send_as(&self, member: &Member, address: &EmailAddress) -> bool {
        let (local, _) = address.local_and_detail();
        let plain = EmailAddress::from_parts(local, address.domain()).ok();
        [Some(address), plain.as_ref()]
            .into_iter()
            .flatten()
            .any(|address| {
                member
                    .addresses
                    .iter()
                    .any(|own| own.match_form() == address.match_form())
            })
    }
}

/// The address of a path. Address literals are no addresses of anybody here.
pub(super) fn read(mailbox: &Mailbox) -> Result<EmailAddress, Unknown> {
    EmailAddress::parse(mailbox.as_str()).map_err(|_| Unknown::NoAddress)
}

/// Where the doors find the rooms: nothing while the vault is locked.
#[derive(Clone, Default)]
pub struct RoomsCell(Arc<ArcSwapOption<Rooms>>);

impl RoomsCell {
    /// The rooms, if the vault is unlocked.
    pub fn get(&self) -> Option<Arc<Rooms>> {
        self.0.load_full()
    }

    /// Opens the rooms to the doors.
    pub fn open(&self, rooms: Arc<Rooms>) {
        self.0.store(Some(rooms));
    }

    /// Closes them.
    pub fn close(&self) {
        self.0.store(None);
    }
}
