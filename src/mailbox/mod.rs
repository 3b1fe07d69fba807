//! The staff's mailboxes.
