//! What configuration was in force when: each start and each reload goes into the audit log with the digest of the file as
//! it was read, by whoever asked for it. While the vault is locked nothing can be written; it waits in memory for the
//! unlock. It knows no content of the file.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::audit::{Act, ActObject};
use crate::config::FileDigest;
use crate::staff::{StaffError, StaffRoom};

/// How the audit log names the service itself: a signal doesn't tell who sent it, nor a file who wrote it.
pub const SERVICE: &str = "system";
/// How many acts wait at most: while locked, anybody at the socket may ask for reloads.
const MOST: usize = 200;

/// What was done with the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The service started with it.
    Start,
    /// It was read again and is in force.
    Reload,
    /// It was read again and not taken.
    Refused,
}

impl Deed {
    fn verb(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Reload => "config reload",
            Self::Refused => "config reload refused",
        }
    }
}

/// The record, with what waits to be written.
#[derive(Default)]
pub struct OnRecord(Mutex<Vec<Act>>);

impl OnRecord {
    /// Notes what was done by whom (as the audit log names them) with which file; [`OnRecord::write`] writes it.
    ///
    /// # Errors
    /// If too much waits: then it must not be done.
    pub fn note(
        &self,
        deed: Deed,
        by: &str,
        digest: Option<&FileDigest>,
        at: Timestamp,
    ) -> Result<(), TooMuch> {
        let act = Act::new(by, deed.verb(), at);
        let act = match digest {
            Some(digest) => act.to(ActObject::new("configuration", digest)),
            None => act,
        };
        let mut waiting = self.waiting();
        if waiting.len() >= MOST {
            return Err(TooMuch);
        }
        waiting.push(act);
        Ok(())
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// A [`StaffError`]; it goes on waiting.
    pub async fn write(&self, staff: &StaffRoom) -> Result<(), StaffError> {
        let acts = std::mem::take(&mut *self.waiting());
        if acts.is_empty() {
            return Ok(());
        }
        let written = staff.record_all(&acts).await;
        if written.is_err() {
            self.waiting().splice(0..0, acts);
        }
        written
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Act>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Too many acts wait for the unlock.
#[derive(Debug, thiserror::Error)]
#[error("{MOST} reloads wait for the unlock to be written into the audit log")]
pub struct TooMuch;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded() {
        let (record, at) = (OnRecord::default(), Timestamp::UNIX_EPOCH);
        for _ in 0..MOST {
            assert!(record.note(Deed::Reload, SERVICE, None, at).is_ok());
        }
        assert!(record.note(Deed::Reload, SERVICE, None, at).is_err());
    }
}
