//! What the door tells the rooms about a connection and a mail: who calls, over what, from whom, to whom.

use std::fmt;
use std::net::IpAddr;

pub use crate::net::ConnectionId;
use crate::smtp::path::{ForwardPath, ReversePath};
use crate::staff::Entrant;
use crate::store::DsnWish;
pub use crate::tls::TlsInfo;

/// Which of the doors a connection came in by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Port 25: mail from strangers, after STARTTLS, never with AUTH.
    Mx,
    /// Port 465: mail from staff, TLS from the first byte (RFC 8314).
    Submissions,
    /// Port 587: mail from staff, after STARTTLS (RFC 6409).
    Submission,
}

impl Role {
    /// Whether TLS starts with the first byte.
    pub const fn is_implicit_tls(self) -> bool {
        matches!(self, Self::Submissions)
    }

    /// Whether mail is taken from authenticated staff alone.
    pub const fn is_submission(self) -> bool {
        !matches!(self, Self::Mx)
    }

    /// The role's name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Submissions => "submissions",
            Self::Submission => "submission",
        }
    }
}

/// The name a client gives in EHLO or HELO: a domain name or an address literal. It proves nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct HelloName(pub(super) String);

impl HelloName {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HelloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HelloName(..)")
    }
}

/// Who is at the other end of an encrypted connection that has said its name.
#[derive(Clone)]
pub struct Caller {
    /// The connection's name in logs.
    pub connection: ConnectionId,
    /// The door it came in by.
    pub role: Role,
    /// The peer's address, for SPF and limits. It is never stored, and on submission never written into a mail.
    pub client: IpAddr,
    /// What it calls itself.
    pub hello: HelloName,
    /// Whether it said EHLO rather than HELO.
    pub extended: bool,
    /// What encrypts the connection.
    pub tls: TlsInfo,
    /// Who it has proven to be; always `None` on the MX, always `Some` in a mail on submission.
    pub staff: Option<Entrant>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("connection", &self.connection)
            .field("role", &self.role)
            .field("extended", &self.extended)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// A recipient that the host has accepted.
#[derive(Clone)]
pub struct Recipient {
    /// Where to.
    pub path: ForwardPath,
    /// What the sender wants to be told of it (RFC 3461); nothing on the MX, where it isn't offered.
    pub dsn: DsnWish,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient(..)")
    }
}

/// One mail's envelope. It holds only recipients that the host has accepted.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Who hands the mail over.
    pub caller: Caller,
    /// The mail's number on this connection, from 1.
    pub number: usize,
    /// Where the mail says it comes from.
    pub reverse_path: ReversePath,
    /// The size the client announced, in octets.
    pub declared_size: Option<u64>,
    /// Whether `BODY=8BITMIME` was given.
    pub eight_bit: bool,
    /// Whether `SMTPUTF8` was given.
    pub utf8: bool,
    /// Whether `REQUIRETLS` was given.
    pub require_tls: bool,
    /// The accepted recipients, each once, in the order they were given.
    pub recipients: Vec<Recipient>,
    /// What was said at MAIL of delivery reports: `RET` and `ENVID`.
    pub dsn: DsnWish,
}
