//! How much, how many and how long: the bounds of one connection.

use std::time::Duration;

use crate::net::wire::Waits;

/// What one connection may use. The defaults are what the service runs with; tests make them small.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A message in octets, as `SIZE` announces it (RFC 1870).
    pub message_size: u64,
    /// A line of a message in octets. RFC 5321 §4.5.3.1.6 says 1000; real mail has longer ones, and none so long. On
    /// submission it is never more than those: what is taken there goes out.
    pub text_line: usize,
    /// Recipients of one mail (RFC 5321 §4.5.3.1.8 wants 100 at least); the next gets `452 4.5.3`.
    pub recipients: usize,
    /// Mails on one connection (`MAILMAX` of RFC 9422).
    pub mails: usize,
    /// Refused commands on one connection; each mail taken forgives one.
    pub errors: u32,
    /// Commands that bring no mail nearer (NOOP, RSET, VRFY, EHLO …) between two mails.
    pub idle_commands: u32,
    /// Commands of any kind between two mails, refused recipients among them.
    pub commands: u32,
    /// Failed log-ins on one connection.
    pub failed_logins: u32,
    /// Octets in the clear before STARTTLS.
    pub octets_before_tls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 25 * 1024 * 1024,
            text_line: 64 * 1024,
            recipients: 100,
            mails: 1000,
            errors: 20,
            idle_commands: 100,
            commands: 20_000,
            failed_logins: 3,
            octets_before_tls: 8 * 1024,
        }
    }
}

/// How long a connection waits, in monotonic time.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a whole command line (RFC 5321 §4.5.3.2.7: five minutes at least).
    pub command: Duration,
    /// For a log-in on submission, from the connection's beginning: STARTTLS, the handshake and all.
    pub log_in: Duration,
    /// On port 25 for a MAIL, from the beginning or from the end of the mail before it.
    pub next_mail: Duration,
    /// For the next octets of a message (RFC 5321 §4.5.3.2.5: three minutes).
    pub data: Duration,
    /// For a whole message, so that one drop a minute doesn't hold a place for ever.
    pub message: Duration,
    /// How long a message may come slower than it must, see [`SLOWEST`]. RFC 5321 bounds the waits between blocks alone,
    /// and says nothing of their size.
    pub slow: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the peer to take what we write, and our last words.
    pub waits: Waits,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(300),
            log_in: Duration::from_secs(120),
            next_mail: Duration::from_secs(300),
            data: Duration::from_secs(180),
            message: Duration::from_secs(3600),
            slow: Duration::from_secs(300),
            handshake: Duration::from_secs(60),
            waits: Waits::default(),
        }
    }
}

/// Octets a second that a message brings at the least, over each stretch of [`Timeouts::slow`]: less than any modem's.
pub(super) const SLOWEST: u64 = 1024;

/// A command line with its CRLF (RFC 5321 §4.5.3.1.4).
pub(super) const COMMAND_LINE: usize = 512;
/// MAIL grows by SIZE 26 (RFC 1870), BODY 17 (RFC 6152), SMTPUTF8 10 (RFC 6531), AUTH 500 (RFC 4954), RET 9 and ENVID 107
/// (RFC 3461 §4.3, §4.4), and REQUIRETLS 11 (RFC 8689).
pub(super) const MAIL_LINE: usize = COMMAND_LINE + 26 + 17 + 10 + 500 + 9 + 107 + 11;
/// RCPT grows by NOTIFY 29 (RFC 3461 §4.1) and ORCPT 507 (§4.2: 500 and its name).
pub(super) const RCPT_LINE: usize = COMMAND_LINE + 29 + 507;
/// An AUTH command or response with its CRLF (RFC 4954 §4).
pub(super) const AUTH_LINE: usize = 12288;
