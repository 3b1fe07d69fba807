//! Mailboxes on hold: nothing goes from them by itself. What a hold says, its maker knows; here it is a setting that is
//! there or not, looked at in the transaction that erases.

use crate::id::MailboxId;
use crate::store::writer::Tx;
use crate::store::{StoreError, setting};

/// The name of the setting that keeps a mailbox's hold.
pub fn hold_setting(mailbox: MailboxId) -> String {
    format!("mailbox-hold.{mailbox}")
}

/// Whether a mailbox is on hold. One that can't be read holds as well.
pub(super) async fn is_held(mailbox: MailboxId, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    setting::exists(&hold_setting(mailbox), tx).await
}
