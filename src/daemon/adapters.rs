//! Thin joints: where one part asks by a trait of its own, and another answers.

use std::pin::Pin;

use zeroize::Zeroizing;

use super::locked_box::LockedBox;
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

    fn is_filling(&self) -> bool {
        LockedBox::is_filling(self)
    }
}
