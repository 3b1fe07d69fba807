//! The door for mail programs that only fetch: POP3 (RFC 1939) on port 995, inside TLS. A maildrop is the INBOX.
//!
//! - `line`: octets to commands; strict.
//! - `session`: the state machine: who hasn't logged in, and who has, a type each.
//! - `host`: what the door asks the house.
//! - `stuffing`: a message as it goes over the wire.
//! - `driver`: sockets, TLS and time around a session, and the one place in each maildrop.

mod driver;
#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used)]
pub(crate) mod fuzz;
mod host;
mod limits;
mod line;
mod session;
mod stuffing;

pub use driver::Door;
pub use host::{Account, Host, Refusal};
pub use limits::{Limits, Timeouts};
