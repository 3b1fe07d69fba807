//! What was done of something large before it could not go on.

use super::room::MailboxError;
use crate::store::ActDone;

/// Why something was not done to its end, and what was done until then.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct Halfway {
    /// What was done; it stays so.
    pub done: Box<ActDone>,
    /// Why no more was.
    pub error: MailboxError,
}

impl From<MailboxError> for Halfway {
    /// Nothing was done.
    fn from(error: MailboxError) -> Self {
        let done = Box::default();
        Self { done, error }
    }
}

impl From<Halfway> for MailboxError {
    fn from(halfway: Halfway) -> Self {
        halfway.error
    }
}
