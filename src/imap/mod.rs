//! IMAP4rev2 and IMAP4rev1 (RFC 9051, RFC 3501) on 993: the staff's folders for their mail programs. TLS comes before the
//! first octet, and there is no other port.
//!
//! - `codec`: octets to commands; strict.
//! - `session`: the intake, without I/O, a type for who is a stranger and one for who has logged in.
//! - `desk`: runs a member's commands against the room that has the folders, a file per family.
//! - `write`: what is sent.
//! - `host`: what the door asks of the house.
//! - `driver`: sockets, TLS and time around it.
//!
//! Nothing is advertised that isn't whole.

mod codec;
mod command;
mod desk;
mod driver;
#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used)]
pub(crate) mod fuzz;
mod host;
mod limits;
mod session;
mod write;

pub use driver::Door;
pub use host::{Account, Host, Refusal};
pub use limits::{Limits, Timeouts};
