//! The receiving side of SMTP.

mod envelope;
mod host;

pub use envelope::{Caller, ConnectionId, Envelope, HelloName, Role, TlsInfo};
pub use host::{Accepted, Body, Credentials, Host, LoginOutcome, Refusal};
