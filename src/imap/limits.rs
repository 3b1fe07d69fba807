//! How much, how many and how long: the bounds of one connection.

use std::time::Duration;

use crate::net::wire::Waits;

/// What one connection may use. The defaults are what the service runs with; tests make them small.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A message that is appended, in octets; all of one APPEND have no more together.
    pub message_size: u64,
    /// A command with its literals, in octets, before a log-in and after it.
    pub command: (usize, usize),
    /// Refused commands, one after the other.
    pub errors: u32,
    /// Commands before a log-in.
    pub commands_before_log_in: u32,
    /// Failed log-ins on one connection.
    pub failed_logins: u32,
    /// Messages of one APPEND.
    pub messages_at_once: usize,
    /// Connections of one account.
    pub per_account: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 35 * 1024 * 1024,
            command: (8 * 1024, 128 * 1024),
            errors: 20,
            commands_before_log_in: 50,
            failed_logins: 3,
            messages_at_once: 100,
            per_account: 40,
        }
    }
}

/// How long a connection waits, in monotonic time.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a log-in, from the first octet of the greeting: all of it.
    pub log_in: Duration,
    /// For a command, in which nothing is said at all (RFC 9051 §5.4: thirty minutes at least).
    pub idle: Duration,
    /// For the rest of a command that has begun.
    pub command: Duration,
    /// For the next octets of a message.
    pub data: Duration,
    /// For all messages of an APPEND, so that a few octets a second don't hold room on the disk for ever.
    pub append: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the peer to take what we write, and our last words.
    pub waits: Waits,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            log_in: Duration::from_secs(60),
            idle: Duration::from_secs(31 * 60),
            command: Duration::from_secs(300),
            data: Duration::from_secs(180),
            append: Duration::from_secs(3600),
            handshake: Duration::from_secs(30),
            waits: Waits::default(),
        }
    }
}
