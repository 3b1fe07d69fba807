//! What one transaction says before its message, and whether a server can take it at all.

use crate::smtp::client::capabilities::Capabilities;
use crate::smtp::client::command::{MailParameters, WirePath};

/// The most recipients we put into one transaction. Every server must take 100 (RFC 5321 §4.5.3.1.8), and the
/// pipelined group stays small enough for both ends' buffers (RFC 2920 §3.1).
pub const MAX_RECIPIENTS: usize = 100;

/// The envelope of one message: reverse-path, recipients and what the message needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub(super) reverse: Option<WirePath>,
    pub(super) recipients: Vec<WirePath>,
    pub(super) size: Option<u64>,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    pub(super) require_tls: bool,
}

/// The server can't take this message. Nothing was sent for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Octets above 127 and no 8BITMIME.
    #[error("the message has 8-bit text and the other server doesn't take it (8BITMIME)")]
    EightBit,
    /// An internationalised address or header and no SMTPUTF8.
    #[error("the message or an address has letters that the other server doesn't take (SMTPUTF8)")]
    Utf8,
    /// REQUIRETLS is asked for, and it doesn't offer it, or it has not proven who it is (RFC 8689).
    #[error("the sender asks for REQUIRETLS, and the other server doesn't do it")]
    RequireTls,
    /// Larger than the limit it stated.
    #[error("the message is larger than the other server takes ({limit} bytes)")]
    Size {
        /// The stated limit, in octets.
        limit: u64,
    },
    /// More recipients than it takes at once: not a fault of the message, it has to be split.
    #[error("the other server takes {limit} recipients at a time")]
    Recipients {
        /// The most that go into one transaction.
        limit: usize,
    },
}

impl Unfit {
    /// The status code of the failure (RFC 3463), for a DSN.
    pub fn enhanced(&self) -> &'static str {
        match self {
            Self::EightBit => "5.6.3",
            Self::Utf8 => "5.6.7",
            Self::RequireTls => "5.7.30",
            Self::Size { .. } => "5.3.4",
            Self::Recipients { .. } => "4.5.3",
        }
    }

    /// Whether another try at the same server is without hope.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Recipients { .. })
    }
}

impl Envelope {
    /// An envelope for one recipient. `None` is the null reverse-path `<>` of notifications.
    pub fn new(reverse: Option<WirePath>, recipient: WirePath) -> Self {
        Self {
            utf8: recipient.needs_utf8() || reverse.as_ref().is_some_and(WirePath::needs_utf8),
            reverse,
            recipients: vec![recipient],
            size: None,
            eight_bit: false,
            require_tls: false,
        }
    }

    /// Adds a recipient of the same message.
    #[must_use]
    pub fn and(mut self, recipient: WirePath) -> Self {
        self.utf8 |= recipient.needs_utf8();
        self.recipients.push(recipient);
        self
    }

    /// Says how large the message is, in octets with CRLF line ends and before dot-stuffing (RFC 1870 §3).
    #[must_use]
    pub fn with_size(mut self, octets: u64) -> Self {
        self.size = Some(octets);
        self
    }

    /// Says that the message has octets above 127.
    #[must_use]
    pub fn with_eight_bit(mut self) -> Self {
        self.eight_bit = true;
        self
    }

    /// Says that the message has internationalised headers (RFC 6532).
    #[must_use]
    pub fn with_utf8_headers(mut self) -> Self {
        self.utf8 = true;
        self.eight_bit = true;
        self
    }

    /// Asks every server on the way to prove who it is, and to ask the same of the next (RFC 8689).
    #[must_use]
    pub fn with_require_tls(mut self) -> Self {
        self.require_tls = true;
        self
    }

    /// The recipients, in the order of their outcomes.
    pub fn recipients(&self) -> &[WirePath] {
        &self.recipients
    }

    pub(super) fn parameters(&self, offered: &Capabilities) -> Result<MailParameters, Unfit> {
        if self.require_tls && !offered.require_tls {
            return Err(Unfit::RequireTls);
        }
        if self.utf8 && !offered.utf8 {
            return Err(Unfit::Utf8);
        }
        if self.eight_bit && !offered.eight_bit {
            return Err(Unfit::EightBit);
        }
        if let (Some(size), Some(limit)) = (self.size, offered.size_limit())
            && size > limit
        {
            return Err(Unfit::Size { limit });
        }
        let limit = offered.rcpt_max.and_then(|max| usize::try_from(max).ok());
        let limit = limit.unwrap_or(MAX_RECIPIENTS).min(MAX_RECIPIENTS);
        if self.recipients.len() > limit {
            return Err(Unfit::Recipients { limit });
        }
        Ok(MailParameters {
            size: self.size.filter(|_| offered.size.is_some()),
            eight_bit: self.eight_bit,
            utf8: self.utf8,
            require_tls: self.require_tls,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn path(text: &str) -> WirePath {
        WirePath::check(text).unwrap()
    }

    #[test]
    fn what_a_server_lacks_makes_a_message_unfit() {
        let plain = Envelope::new(None, path("a@example.org"));
        let nothing = Capabilities::default();
        let all = Capabilities {
            eight_bit: true,
            utf8: true,
            size: Some(Some(100)),
            ..nothing
        };
        assert!(plain.parameters(&nothing).is_ok());
        let table = [
            (plain.clone().with_eight_bit(), nothing, Unfit::EightBit),
            (plain.clone().with_utf8_headers(), nothing, Unfit::Utf8),
            (plain.clone().with_require_tls(), all, Unfit::RequireTls),
            (
                plain.clone().and(path("ü@example.org")),
                nothing,
                Unfit::Utf8,
            ),
            (
                plain.clone().with_size(101),
                all,
                Unfit::Size { limit: 100 },
            ),
        ];
        for (envelope, offered, expected) in table {
            assert_eq!(envelope.parameters(&offered), Err(expected));
            assert!(expected.is_permanent());
        }
        assert!(
            plain
                .clone()
                .with_size(100)
                .with_utf8_headers()
                .parameters(&all)
                .is_ok()
        );
    }

    #[test]
    fn the_size_is_only_said_where_it_is_understood() {
        let envelope = Envelope::new(None, path("a@example.org")).with_size(5);
        let offered = Capabilities {
            size: Some(None),
            ..Capabilities::default()
        };
        assert_eq!(envelope.parameters(&offered).unwrap().size, Some(5));
        assert_eq!(
            envelope.parameters(&Capabilities::default()).unwrap().size,
            None
        );
    }

    #[test]
    fn too_many_recipients_are_to_be_split() {
        let offered = Capabilities {
            rcpt_max: Some(1),
            ..Capabilities::default()
        };
        let two = Envelope::new(None, path("a@example.org")).and(path("b@example.org"));
        let unfit = two.parameters(&offered).unwrap_err();
        assert_eq!(unfit, Unfit::Recipients { limit: 1 });
        assert!(!unfit.is_permanent());
    }
}
