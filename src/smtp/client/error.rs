//! Why a conversation ended without doing what was asked.

use std::io::ErrorKind;

use crate::smtp::client::phase::Phase;
use crate::smtp::client::reply_parser::ReplyError;
use crate::smtp::client::stuffing::BodyError;
use crate::smtp::client::tls::TlsFailure;
use crate::smtp::reply::Reply;

/// A conversation that failed. Its connection is gone; what to do with the mail is the caller's to decide.
///
/// Messages name phases and codes, never addresses or the server's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No TCP connection.
    #[error("no connection to the other server: {0}")]
    Connect(ErrorKind),
    /// The server was too slow.
    #[error("the other server took too long: {0}")]
    TimedOut(Phase),
    /// The server closed the connection.
    #[error("the other server closed the connection: {0}")]
    Closed(Phase),
    /// The connection broke.
    #[error("the connection broke: {0} ({1})")]
    Io(Phase, ErrorKind),
    /// A refusal that ends the conversation (any 421; a refused greeting, EHLO or RSET).
    #[error("the other server refused: {0} ({code})", code = codes(.1))]
    Refused(Phase, Reply),
    /// No encrypted session. The mail waits: there is no way on in the clear.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// What the server wrote is not SMTP.
    #[error("{1} ({0})")]
    Protocol(Phase, ReplyError),
    /// The message must not be sent as it is.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl ClientError {
    /// The server's last words, if it had any.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Refused(_, reply) | Self::Tls(TlsFailure::Refused(reply)) => Some(reply),
            _ => None,
        }
    }

    /// Whether mail waits for want of TLS: staff are told early, and differently from other delays.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

/// The codes of a reply without its text, which may name people.
pub(super) fn codes(reply: &Reply) -> String {
    match reply.enhanced() {
        Some(enhanced) => format!("{} {enhanced}", reply.code()),
        None => reply.code().to_string(),
    }
}
