//! The sending side of SMTP: one conversation with one server, never in the clear.
//!
//! ```text
//! Dialer::dial ─► Plain ─STARTTLS─► Encrypted ─begin─► Opening ─opened─► Ready ─send_body─► AwaitingDot
//!                                       ▲                  ▲                                    │ finish
//!                                       └──────────────────┴── finish_and_begin: dot + next ────┘
//! ```
//!
//! The protocol is in `core` (bytes in, events out), the socket in `wire`, the phases in `session` and `transaction`.
//! This door knows no queue, no list, no DNS and no retry: it reports what each server said about each recipient, and
//! what it can't know ([`Outcome::InDoubt`]).

mod capabilities;
mod command;
mod core;
mod envelope;
mod error;
mod phase;
mod pool;
mod reply_parser;
mod session;
mod stuffing;
mod tls;
mod transaction;
mod wire;

#[cfg(test)]
mod tests;

pub use self::capabilities::Capabilities;
pub use self::command::{CommandError, HelloName, WirePath};
pub use self::core::Answers;
pub use self::envelope::{Envelope, MAX_RECIPIENTS, Unfit};
pub use self::error::ClientError;
pub use self::phase::{Phase, Timeouts};
pub use self::pool::Pool;
pub use self::reply_parser::ReplyError;
pub use self::session::{Dialer, Encrypted, Plain, SessionLimits};
pub use self::stuffing::BodyError;
pub use self::tls::{Authentication, TlsFailure, TlsRecord, TlsSetup, TlsSetupError};
pub use self::transaction::{AwaitingDot, DotGiven, Next, Opened, Opening, Outcome, Ready};
pub use self::wire::Stream;
