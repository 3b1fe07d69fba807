//! One session in each maildrop at a time (RFC 1939 §4): the numbers of its messages, and what is marked to go, are that
//! session's alone.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::MailboxId;

/// Which maildrops are taken.
#[derive(Debug, Default)]
pub(super) struct Locks(Arc<Mutex<HashSet<MailboxId>>>);

/// A maildrop is taken; it's free again when this is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    locks: Arc<Mutex<HashSet<MailboxId>>>,
    mailbox: MailboxId,
}

impl Locks {
    /// Takes a maildrop, unless it's taken.
    pub(super) fn take(&self, mailbox: MailboxId) -> Option<Lock> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(mailbox).then(|| Lock {
            locks: self.0.clone(),
            mailbox,
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut taken = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.mailbox);
    }
}
