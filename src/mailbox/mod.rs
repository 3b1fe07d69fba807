//! The staff's mailboxes: which addresses there are ([`directory`]), what a mail that comes to them asks of us
//! ([`glance`]), what staff do to their folders ([`room`]), strangers' mail that nobody confirms ([`unconfirmed`]), how
//! long mail is kept ([`retention`]), what a session knows of a folder ([`view`]), how it reads parts of messages
//! ([`section`]) and looks for some ([`search`]), and an INBOX as a maildrop.

pub mod directory;
pub mod glance;
mod maildrop;
mod retention;
mod room;
pub mod search;
pub mod section;
mod sight;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod unconfirmed;
mod view;
pub mod wish;

pub use maildrop::{Dropped, Maildrop};
pub use retention::{Hold, Keeping, Leaving};
pub use room::{Appended, MailboxError, Mailboxes, Marking};
pub use view::{Known, News, View};
