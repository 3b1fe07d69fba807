//! What one transaction says before its message, and whether a server can take it at all.

use crate::smtp::client::capabilities::Capabilities;
use crate::smtp::client::command::{MailParameters, WirePath};
use crate::smtp::xtext;
use crate::store::DsnWish;

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
    pub(super) dsn: DsnWish,
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
            dsn: DsnWish::default(),
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

    /// Says what its sender wants to be told of it (RFC 3461), to a server that tells.
    #[must_use]
    pub fn with_dsn(mut self, wish: DsnWish) -> Self {
        self.dsn = wish;
        self
    }

    /// Whether anything is asked for that a server which knows DSN takes over.
    pub fn asks_for_reports(&self) -> bool {
        !self.dsn.is_usual()
    }

    /// The recipients, in the order of their outcomes.
    pub fn recipients(&self) -> &[WirePath] {
        &self.recipients
    }

    /// The parameters of MAIL and of RCPT that carry the sender's wish; none where the server wouldn't understand them.
    pub(super) fn dsn_parameters(&self, offered: &Capabilities) -> (String, String) {
        if !offered.dsn {
            return Default::default();
        }
        let wish = &self.dsn;
        let (mut mail, mut rcpt) = (String::new(), String::new());
        match wish.whole {
            Some(true) => mail.push_str(" RET=FULL"),
            Some(false) => mail.push_str(" RET=HDRS"),
            None => {}
        }
        if let Some(id) = &wish.envelope_id {
            mail.push_str(&format!(" ENVID={}", xtext::encode(id)));
        }
        if let Some(notify) = wish.notify {
            let words = [
                (notify.success, "SUCCESS"),
                (notify.failure, "FAILURE"),
                (notify.delay, "DELAY"),
            ];
            let words: Vec<&str> = words
                .into_iter()
                .filter_map(|(wanted, word)| wanted.then_some(word))
                .collect();
            let words = match words.is_empty() {
                true => "NEVER".to_owned(),
                false => words.join(","),
            };
            rcpt.push_str(&format!(" NOTIFY={words}"));
        }
        if let Some((kind, address)) = wish
            .original_recipient
            .as_deref()
            .and_then(|original| original.split_once(';'))
        {
            rcpt.push_str(&format!(" ORCPT={kind};{}", xtext::encode(address)));
        }
        (mail, rcpt)
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
    fn wishes_are_said_to_who_understands_them() {
        let wish = DsnWish {
            notify: Some(crate::store::NotifyOn::default()),
            original_recipient: Some("rfc822;b+c@d.example".into()),
            whole: Some(false),
            envelope_id: Some("Q =1".into()),
        };
        let envelope = Envelope::new(None, path("a@example.org")).with_dsn(wish.clone());
        let nothing = Capabilities::default();
        assert_eq!(envelope.dsn_parameters(&nothing), Default::default());
        let dsn = Capabilities {
            dsn: true,
            ..nothing
        };
        let (mail, rcpt) = envelope.dsn_parameters(&dsn);
        assert_eq!(mail, " RET=HDRS ENVID=Q+20+3D1");
        assert_eq!(rcpt, " NOTIFY=NEVER ORCPT=rfc822;b+2Bc@d.example");
        let notify = Some(crate::store::NotifyOn {
            success: true,
            failure: false,
            delay: true,
        });
        let envelope = envelope.with_dsn(DsnWish { notify, ..wish });
        let (_, rcpt) = envelope.dsn_parameters(&dsn);
        assert!(rcpt.starts_with(" NOTIFY=SUCCESS,DELAY "), "{rcpt}");
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
