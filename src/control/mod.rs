//! The control door: typed requests between the command line and the daemon over a unix socket.
//!
//! A request is a value of a type that implements [`Ask`]; it says who may ask, what rows stream back and what the answer
//! is. A room answers it by implementing [`Handle`] for that type, in a file of its own, and the daemon registers it with
//! the [`Desk`]. The door itself decides nothing but who may ask at all.
//!
//! # On the wire
//! A frame is its kind (one byte), its length (four bytes, big-endian) and its payload: JSON, or raw bytes for a body.
//!
//! | client | daemon |
//! |---|---|
//! | `Hello` (protocol, version) | `Hello` |
//! | for some: `Code` (of the asker's second factor) | |
//! | `Ask` (the request's name) and `With` (its fields) | any number of `Progress`, `Note`, `Row`, `Body` |
//! | for some: `Body`…, `End` | `Answer` or `Failure`, then the connection closes |
//!
//! One request a connection. Every frame has a length limit, every wait a time limit, and the number of connections is
//! bounded. When the client goes, the handler hears of it at its next frame, or through [`Call::gone`].
//!
//! Peers are known by the credentials that the kernel gives: a uid maps to one staff account; root and all other users are
//! nobody, and may do only what needs no person. What takes more than that, a code of the account's second factor, travels
//! in a frame of its own: no request has it among its fields, and it is in no log. Where one is needed and none came, the
//! failure is a [`Class::CodeNeeded`], nothing was done, and the command asks for it and comes again.

pub mod api;
mod ask;
mod call;
mod client;
mod desk;
mod failure;
mod frame;
pub mod handlers;
mod hello;
mod places;
mod secret_text;
mod server;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use ask::{Ask, Needs, Nothing};
pub use call::{Call, Progress, ProgressHandle};
pub use client::{BodySender, Client, ClientError, Conversation, Event};
pub use desk::{Desk, Handle};
pub use failure::{Class, Failure};
pub use frame::{BODY_MAX, Frame, FrameError, JSON_MAX, Kind};
pub use hello::PROTOCOL;
pub use secret_text::SecretText;
pub use server::{Limits, Server, WhoIs, bind};
