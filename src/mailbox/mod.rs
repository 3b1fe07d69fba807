//! The staff's mailboxes: which addresses there are ([`directory`]), what a mail that comes to them asks of us
//! ([`glance`]), and what is kept for whom.

pub mod directory;
pub mod glance;
pub mod wish;
