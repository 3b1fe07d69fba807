//! The requests, a file per noun. What stands here is what `--json` prints: shapes are stable.

use super::ask::ask;
use crate::consent::MaskedCount;

pub mod audit;
pub mod consent;
pub mod contact;
pub mod dns;
pub mod key;
pub mod list;
pub mod mailbox;
pub mod mailing;
pub mod queue;
pub mod service;
pub mod staff;
pub mod store;
pub mod subscriber;

/// The names of all requests that the command line makes.
pub const ALL: &[&str] = &[
    "audit show",
    "audit verify",
    "consent bundle",
    "consent show",
    "consent verify",
    "contact forget",
    "contact list",
    "dns check",
    "dns dkim",
    "dns records",
    "dns reports",
    "dns rotate-dkim",
    "dns rotate-tls",
    "key backup",
    "list show",
    "lock",
    "mailbox hold",
    "mailbox lift",
    "mailbox list",
    "mailbox retention",
    "mailing approve",
    "mailing cancel",
    "mailing list",
    "mailing pause",
    "mailing preview",
    "mailing resume",
    "mailing show",
    "mailing watch",
    "queue drop",
    "queue list",
    "queue retry",
    "queue show",
    "reload",
    "sandbox clock",
    "staff add",
    "staff change",
    "staff end-grant",
    "staff grant",
    "staff grants",
    "staff list",
    "staff password add",
    "staff password list",
    "staff password revoke",
    "staff revoke",
    "staff second-factor add",
    "staff second-factor confirm",
    "staff second-factor remove",
    "staff training",
    "staff unlock",
    "status",
    "store verify",
    "subscriber add",
    "subscriber agree",
    "subscriber erase",
    "subscriber export",
    "subscriber find",
    "subscriber import",
    "subscriber refuse",
    "subscriber stats",
    "subscriber waiting",
    "subscriber withdraw",
    "unlock",
];

/// A number of people. Who isn't an admin sees steps, and nothing under five: a number may point at somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// The number, or the step it is on.
    Exactly(u64),
    /// Some or none, fewer than five.
    Few,
}

impl Count {
    /// The number as somebody may see it; the rule is that of [`MaskedCount`].
    pub fn for_eyes(number: u64, admin: bool) -> Self {
        MaskedCount::of(number, admin).into()
    }
}

impl From<MaskedCount> for Count {
    fn from(masked: MaskedCount) -> Self {
        match masked {
            MaskedCount::Exact(number) => Self::Exactly(number),
            MaskedCount::FewerThanFive => Self::Few,
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(number) => write!(f, "{number}"),
            Self::Few => f.write_str("<5"),
        }
    }
}

/// In JSON a number, or `"<5"`.
impl serde::Serialize for Count {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exactly(number) => serializer.serialize_u64(*number),
            Self::Few => serializer.serialize_str("<5"),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Shape {
            Number(u64),
            Text(String),
        }
        match Shape::deserialize(deserializer)? {
            Shape::Number(number) => Ok(Self::Exactly(number)),
            Shape::Text(text) if text == "<5" => Ok(Self::Few),
            Shape::Text(_) => Err(serde::de::Error::custom("expected a number or \"<5\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    /// Requests are declared in the files beside this one. One that isn't in the list is a "?" in the log.
    #[test]
    fn all_requests_are_in_the_list() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/src/control/api");
        let mut declared = Vec::new();
        for file in std::fs::read_dir(here).expect("its sources") {
            let path = file.expect("a file").path();
            if path.ends_with("mod.rs") {
                continue;
            }
            let text = std::fs::read_to_string(path).expect("a source");
            // Written by hand, or by the macro: the name is the first text behind either.
            for mark in ["ask!(", "const NAME: &'static str ="] {
                for behind in text.split(mark).skip(1) {
                    let name = behind.split('"').nth(1).expect("a name");
                    declared.push(name.to_owned());
                }
            }
        }
        declared.sort();
        assert_eq!(declared, ALL);
    }
}
