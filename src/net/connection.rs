//! The name of a connection.

use std::fmt;

/// A connection's random name, in each of its log lines and in the `Received:` field of mail.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId([u8; 8]);

impl ConnectionId {
    /// A new random name.
    pub fn random() -> Self {
        let [a, b, c, d, e, f, g, h, ..] = crate::id::random();
        Self([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::id::write_hex(&self.0, f)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
