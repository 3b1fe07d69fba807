//! The staff's mailboxes: which addresses there are ([`directory`]), what a mail that comes to them asks of us
//! ([`glance`]), what staff do to their folders ([`room`]), strangers' mail that nobody confirms ([`unconfirmed`]), how
//! long mail is kept ([`retention`]), what POP3 doesn't show ([`waiting_note`]), what one of several people does to a mailbox
//! that they share, what a session knows of a folder ([`view`]), how it reads parts of messages
//! ([`section`]) and looks for some ([`search`]), and an INBOX as a maildrop.

mod allowance;
pub mod directory;
pub mod glance;
mod halfway;
mod maildrop;
mod retention;
mod room;
pub mod search;
pub mod section;
mod several;
mod sight;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod unconfirmed;
mod view;
mod waiting_note;
pub mod wish;

pub use allowance::Allowance;
pub use halfway::Halfway;
pub use maildrop::{Dropped, Maildrop};
pub use retention::{Hold, Keeping, Leaving};
pub use room::{Appended, MailboxError, Mailboxes, Marking};
pub use view::{Known, News, View};
pub use waiting_note::{NoteTerms, Reader};
