//! Whole sessions without a socket: dialogues, limits, and what must hold for any input.

mod anything;
mod dialogues;
mod log_in;
mod messages;
mod open;
pub(in crate::smtp::server) mod world;
