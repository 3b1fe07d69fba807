//! The receiving side of SMTP: ports 25, 465 and 587.
//!
//! - `codec`: octets to lines, commands and message text; strict.
//! - `session`: the state machine, a type per phase; `verb`: a file per verb.
//! - `host`: what the door asks the rooms, which decide.
//! - `driver`: sockets, TLS and time around a session. `crate::net` says who gets in.
//!
//! Nobody sends through here to strangers: a recipient is in the envelope only if the host accepted it, a mail starts
//! only after TLS, and on submission only after a log-in. The types hold all three.

mod codec;
mod driver;
mod envelope;
#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used)]
pub(crate) mod fuzz;
mod host;
mod limits;
mod received;
mod session;
mod verb;

pub use driver::Door;
pub use envelope::{Caller, ConnectionId, Envelope, HelloName, Recipient, Role, TlsInfo};
pub use host::{Accepted, Body, Host, Refusal};
pub use limits::{Limits, Timeouts};
pub use received::{name_peer, received_field};
pub use session::{
    AskRecipient, AskSender, Awaiting, Begin, Finish, Login, Open, OpenStep, Secured, Session, Step,
};
