//! Addresses that mean something to the server itself: neither an account nor a role's mailbox may have one.

use super::EmailAddress;

/// Local parts that mean something to us and can name no list, mailbox or account.
pub(crate) const RESERVED_LOCALS: [&str; 3] = ["mailer-daemon", "subscribe", "dmarc"];

impl EmailAddress {
    /// Whether its local part means something to the server itself. Withdrawal addresses and return paths start with a
    /// single letter and a plus; details after a plus are for lists.
    pub fn is_reserved(&self) -> bool {
        let local = self.local();
        let mut names = RESERVED_LOCALS.iter();
        local.len() == 1
            || local.contains('+')
            || names.any(|name| local.eq_ignore_ascii_case(name))
    }
}
