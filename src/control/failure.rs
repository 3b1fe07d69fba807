//! Why a request has no answer, in words for a person: what could not be done, why, and what to do next.

use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// What kind of no it is; the exit status follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A rule says no.
    Refused,
    /// It was tried and did not work.
    Failed,
    /// What was asked makes no sense.
    Misuse,
    /// The vault is locked.
    Locked,
    /// It takes a code of the asker's second factor, and none came; or, while one is set up, another than came.
    CodeNeeded,
    /// The client has gone; nobody reads this.
    Gone,
}

impl Class {
    /// The exit status of the command: 1 refused or failed, 2 misuse.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Misuse => 2,
            Self::Refused | Self::Failed | Self::Locked | Self::CodeNeeded | Self::Gone => 1,
        }
    }
}

/// A request's failure. Its texts go to the person who asked and never to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind.
    pub class: Class,
    /// What could not be done, naming the thing: "can't revoke bob".
    pub what: String,
    /// Why.
    pub why: String,
    /// The next step.
    pub next: String,
}

impl Failure {
    fn new(
        class: Class,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            class,
            what: what.into(),
            why: why.into(),
            next: next.into(),
        }
    }

    /// A rule says no.
    pub fn refused(
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(Class::Refused, what, why, next)
    }

    /// It was tried and did not work.
    pub fn failed(
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(Class::Failed, what, why, next)
    }

    /// What was asked makes no sense.
    pub fn misuse(
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(Class::Misuse, what, why, next)
    }

    /// The vault is locked.
    pub fn locked(what: impl Into<String>) -> Self {
        Self::new(
            Class::Locked,
            what,
            "the vault is locked",
            "hustings unlock",
        )
    }

    /// The client has gone.
    pub fn gone() -> Self {
        Self::new(Class::Gone, "", "the client has gone", "")
    }

    /// Takes the room's own error, whose one text says what failed, why and the next step, the last after a semicolon.
    pub fn from_error(
        class: Class,
        what: impl Into<String>,
        error: &dyn std::error::Error,
    ) -> Self {
        let text = error.to_string();
        let (why, next) = text.rsplit_once("; ").unwrap_or((&text, ""));
        Self::new(class, what, why, next)
    }

    /// What the store's error means for what was asked.
    pub fn store(what: impl Into<String>, error: &StoreError) -> Self {
        Self::from_error(Class::Failed, what, error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.why)?;
        if !self.next.is_empty() {
            write!(f, "; {}", self.next)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_is_cut_out_of_a_rooms_error() {
        let failure = Failure::store("can't list staff", &StoreError::Stopped);
        assert_eq!(failure.why, "the store is closed: the daemon is stopping");
        let failure = Failure::store("can't list staff", &StoreError::Full);
        assert!(failure.next.contains("free some"), "{failure}");
    }

    #[test]
    fn exit_codes_are_one_for_no_and_two_for_misuse() {
        assert_eq!(Class::Refused.exit_code(), 1);
        assert_eq!(Class::Locked.exit_code(), 1);
        assert_eq!(Class::Misuse.exit_code(), 2);
    }
}
