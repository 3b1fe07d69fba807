//! The party's own addresses, as far as consent asks: a list, a role, an address that leads nowhere can't consent to
//! anything, so nobody is asked there. Whoever knows the addresses answers; this room knows none.

use super::Consent;
use crate::address::EmailAddress;

/// Knows which addresses are the party's.
pub trait OwnAddresses: Send + Sync {
    /// Whether an address is at a domain of ours and isn't that of a person. A staff member is one, and may well want the
    /// mailings.
    fn is_no_persons(&self, address: &EmailAddress) -> bool;
}

impl Consent {
    /// Tells the room, once, who knows. Until then all addresses are taken for people's.
    pub fn know_own(&self, own: std::sync::Arc<dyn OwnAddresses>) {
        let _ = self.0.own.set(own);
    }

    pub(super) fn is_no_persons(&self, address: &EmailAddress) -> bool {
        let own = self.0.own.get();
        own.is_some_and(|own| own.is_no_persons(address))
    }
}
