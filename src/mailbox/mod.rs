//! The staff's mailboxes: which addresses there are ([`directory`]), what a mail that comes to them asks of us
//! ([`glance`]), what staff do to their folders ([`room`]), what a session knows of one ([`view`]), how it reads parts of
//! messages ([`section`]) and looks for some ([`search`]), and an
//! INBOX as a maildrop.

pub mod directory;
pub mod glance;
mod maildrop;
mod room;
pub mod search;
pub mod section;
mod sight;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod view;
pub mod wish;

pub use maildrop::{Dropped, Maildrop};
pub use room::{Appended, MailboxError, Mailboxes, Marking};
pub use view::{Known, News, View};
