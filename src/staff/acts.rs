//! Entries of the audit log and its signed checkpoints.

use crate::audit::{Act, ActObject, Checkpoint, LogKind, NotCanonical, SignedCheckpoint};
use crate::clock::Clock;
use crate::store::{Change, JournalEntry, NewEvent, Step, Store, StoreError, StoredCheckpoint};

use super::actor::Caller;
use super::error::StaffError;

/// Makes acts of a caller, to be committed in the same change as what was done.
#[derive(Clone)]
pub struct Acts {
    clock: Clock,
}

impl Acts {
    /// Acts that happen by this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// An act of this caller, now.
    pub fn act(
        &self,
        caller: &Caller,
        verb: &str,
        object: Option<ActObject>,
        reason: Option<&str>,
    ) -> Act {
        let act = Act::new(caller.audit_name(), verb, self.clock.now());
        let act = match object {
            Some(object) => act.to(object),
            None => act,
        };
        match reason {
            Some(reason) => act.because(reason),
            None => act,
        }
    }

    /// The step that appends an act to the audit log.
    ///
    /// # Errors
    /// [`StaffError::Audit`] never in practice.
    pub fn step(act: &Act) -> Result<Step, StaffError> {
        let event = act.to_canonical().map_err(|error| match error {
            NotCanonical::AddressInReason => StaffError::Reason(error.to_string()),
            error => StaffError::Audit(error.to_string()),
        })?;
        Ok(Step::Append(NewEvent {
            log: LogKind::Audit,
            subject: None,
            event,
        }))
    }
}

/// Signs the size and root of a log as it stands and keeps the checkpoint. To be done each day and after each
/// privileged act.
///
/// # Errors
/// [`StoreError::Unsound`] if the log is not the one that was signed last; otherwise a [`StoreError`] if the head can't be
/// read or the checkpoint not kept.
pub async fn sign_checkpoint(
    store: &Store,
    clock: &Clock,
    log: LogKind,
) -> Result<SignedCheckpoint, StoreError> {
    let head = store.sound_head(log).await?;
    let signed = Checkpoint::of(log, &head, clock.now()).sign(store.vault().checkpoint_key());
    let kept = StoredCheckpoint {
        log,
        size: head.size(),
        text: signed.to_string(),
    };
    // Nothing guards it: a checkpoint of a shorter log is as true as it was.
    let _ = store
        .change(
            Change::new()
                .then(Step::PutCheckpoint(kept))
                .then(Step::Journal(JournalEntry::Checkpoint {
                    at: clock.now(),
                    text: signed.to_string(),
                })),
        )
        .await?;
    Ok(signed)
}
