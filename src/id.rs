//! Random row ids. A row's id is 128 random bits made by us: it orders nothing, reveals nothing, and can be
//! made before the row is written. Each kind of row has its own id type, so that ids can't be mixed up.

use std::fmt;

/// How many bytes an id has.
pub const ID_LEN: usize = 16;

/// Fills a new id from the operating system's random source.
///
/// # Panics
/// If the operating system has no random source; nothing here can run safely without one.
pub(crate) fn random() -> [u8; ID_LEN] {
    let mut bytes = [0; ID_LEN];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// An id that is not 32 hexadecimal digits, or bytes that are not 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 32 hexadecimal digits, as the list commands print them")]
pub struct NotAnId;

/// Reads exactly `N` bytes written as hexadecimal digits.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

pub(crate) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Declares id types: random, comparable, printed and parsed as 32 hexadecimal digits.
macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name([u8; ID_LEN]);

        impl $name {
            /// A new random id.
            pub fn random() -> Self { Self(random()) }
            /// The id that these bytes are.
            pub const fn from_bytes(bytes: [u8; ID_LEN]) -> Self { Self(bytes) }
            /// The id that this slice is.
            ///
            /// # Errors
            /// [`NotAnId`] unless the slice has 16 bytes.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, NotAnId> {
                bytes.try_into().map(Self).map_err(|_| NotAnId)
            }
            /// The id's bytes, as stored.
            pub const fn as_bytes(&self) -> &[u8; ID_LEN] { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write_hex(&self.0, f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
        impl std::str::FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> { parse_hex(text).map(Self).ok_or(NotAnId) }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String { id.to_string() }
        }
        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> { text.parse() }
        }
    )*};
}

id_types! {
    /// A subscriber: one address, its constituency and its subscriptions.
    SubscriberId;
    /// A sealed message body.
    MessageId;
    /// A staff account.
    StaffId;
    /// One of the passwords of a staff account.
    PasswordId;
    /// A mailbox: a staff member's own, or a role's.
    MailboxId;
    /// A folder of a mailbox.
    FolderId;
    /// What came back to a return path.
    EntryId;
    /// One message sent to a list.
    MailingId;
    /// A mailing as one subscriber gets it.
    CopyId;
    /// A queued mail to one outside recipient.
    QueueId;
    /// A sign-up that waits for its confirmation.
    RequestId;
    /// Work that a public page or mail left for a worker.
    IntakeId;
    /// What came of a day's connections to one domain.
    TlsDayId;
}

impl From<StaffId> for MailboxId {
    /// A staff member's own mailbox has the id of the account.
    fn from(staff: StaffId) -> Self {
        Self(staff.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_own_text() {
        let id = MessageId::random();
        assert_eq!(id.to_string().parse::<MessageId>(), Ok(id));
        assert_eq!(MessageId::from_slice(id.as_bytes()), Ok(id));
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for bad in ["", "00", &"g".repeat(32), &"é".repeat(16), &"0".repeat(33)] {
            assert_eq!(bad.parse::<SubscriberId>(), Err(NotAnId), "{bad:?}");
        }
        assert_eq!(SubscriberId::from_slice(&[0; 15]), Err(NotAnId));
    }

    #[test]
    fn two_random_ids_differ() {
        assert_ne!(QueueId::random(), QueueId::random());
    }
}
