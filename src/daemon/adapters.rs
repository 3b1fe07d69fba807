//! Thin joints: where one part asks by a trait of its own, and another answers.

use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use super::locked_box::LockedBox;
use crate::address::EmailAddress;
use crate::consent;
use crate::mailbox::directory::Directory;
use crate::staff::StaffRoom;
use crate::web::{LockedWithdrawals, NotKept};

impl LockedWithdrawals for LockedBox {
    fn keep(
        &self,
        withdrawal: Zeroizing<Vec<u8>>,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + '_>> {
        Box::pin(async move {
            LockedBox::keep(self, withdrawal)
                .await
                .map_err(|error| NotKept(error.to_string()))
        })
    }
}

/// Which addresses are ours, as the consent room asks: of the configuration in force and the staff of the moment.
pub(super) struct OwnAddresses {
    pub(super) directory: Arc<ArcSwap<Directory>>,
    pub(super) staff: StaffRoom,
}

impl consent::OwnAddresses for OwnAddresses {
    fn is_no_persons(&self, address: &EmailAddress) -> bool {
        let directory = self.directory.load();
        let domain_is_ours = directory.is_ours(address.domain());
        domain_is_ours && !directory.is_staff(&self.staff.roll(), address)
    }
}
