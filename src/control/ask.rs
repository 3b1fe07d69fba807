//! What a request is.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::staff::Role;

/// Who may make a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anybody who can open the socket: it needs no person.
    Nobody,
    /// Any staff account.
    Staff,
    /// An account with this role.
    Role(Role),
}

/// A request: its fields, and the types of what comes back. The JSON shapes of [`Ask::Row`] and [`Ask::Answer`] are what
/// `--json` prints, so they are stable: fields are added, never renamed or removed.
pub trait Ask: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The command that makes it: "staff add".
    const NAME: &'static str;
    /// Who may make it.
    const NEEDS: Needs;
    /// Whether the client sends a body behind it.
    const BODY: bool = false;
    /// What streams back before the answer.
    type Row: Serialize + DeserializeOwned + Send;
    /// What ends it.
    type Answer: Serialize + DeserializeOwned + Send;
}

/// The row of a request that streams none, or the answer of one whose rows say all. In JSON it is `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// Declares that a type is a request.
macro_rules! ask {
    ($type:ty, $name:literal, $needs:expr, rows $row:ty, answer $answer:ty) => {
        impl $crate::control::Ask for $type {
            const NAME: &'static str = $name;
            const NEEDS: $crate::control::Needs = $needs;
            type Row = $row;
            type Answer = $answer;
        }
    };
    ($type:ty, $name:literal, $needs:expr, answer $answer:ty) => {
        ask!($type, $name, $needs, rows $crate::control::Nothing, answer $answer);
    };
}
pub(super) use ask;
