//! The staff's mailboxes: which addresses there are ([`directory`]), what a mail that comes to them asks of us
//! ([`glance`]), what staff do to their folders ([`room`]), strangers' mail that nobody confirms ([`unconfirmed`]), and what a session knows of one ([`view`]).

pub mod directory;
pub mod glance;
mod retention;
mod room;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod unconfirmed;
mod view;
pub mod wish;

pub use retention::{Hold, Keeping, Leaving};
pub use room::{Appended, MailboxError, Mailboxes, Marking};
pub use view::{Known, News, View};
