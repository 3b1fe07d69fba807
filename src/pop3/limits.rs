//! How much, how many and how long: the bounds of one connection.

use std::time::Duration;

use crate::net::wire::{Buffers, Waits};

/// What one connection may use. The defaults are what the service runs with; tests make them small.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Commands before a log-in.
    pub commands_before_log_in: u32,
    /// Refused commands; each one that isn't forgives one.
    pub errors: u32,
    /// Failed log-ins on one connection.
    pub failed_logins: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            commands_before_log_in: 50,
            errors: 20,
            failed_logins: 3,
        }
    }
}

/// How long a connection waits, in monotonic time.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a log-in, from the greeting: all of it.
    pub log_in: Duration,
    /// For a command (RFC 1939 §3: ten minutes at least).
    pub idle: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the peer to take what we write, and our last words.
    pub waits: Waits,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            log_in: Duration::from_secs(60),
            idle: Duration::from_secs(600),
            handshake: Duration::from_secs(30),
            waits: Waits::default(),
        }
    }
}

/// A command with its CRLF (RFC 2449 §4 wants 255; a password may be longer).
pub(super) const COMMAND_LINE: usize = 2048;
/// A line of a dialogue.
pub(super) const DIALOGUE_LINE: usize = 8192;
/// Most connections do nothing for most of the time; the longest line must fit.
pub(super) const BUFFERS: Buffers = Buffers {
    idle: 1024,
    most: 16 * 1024,
    output: 32 * 1024,
};
const _: () = assert!(DIALOGUE_LINE < BUFFERS.most && COMMAND_LINE < BUFFERS.most);
