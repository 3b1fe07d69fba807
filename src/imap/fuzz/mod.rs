//! Conversations that nobody thought of: see [`crate::fuzz`].
//!
//! - `session`: with the intake, with a desk that is only pretended.
//! - `desk`: with the intake and a true desk over a store, for several clients at once.
//! - `words`: single commands and names, without a conversation.
//! - `answer`: what must be true of an answer.
//! - `house`: a store, with mailboxes.

mod answer;
mod desk;
mod house;
mod session;
mod words;

pub(crate) use desk::desk;
pub(crate) use session::session;
pub(crate) use words::words;
