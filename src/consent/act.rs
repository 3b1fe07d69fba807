//! Privileged acts of this room: who did it, why, and the log that says so.

use super::person::Person;
use super::{Consent, ConsentError};
use crate::audit::{Act, ActObject, LogKind, check_reason};
use crate::id::StaffId;
use crate::store::{NewEvent, Step};
use crate::vault::IndexColumn;

/// Characters in a reason.
const LONGEST: usize = 500;

/// Who does a privileged act, and why. Whether they may is for the caller to check; that a second person is another one
/// is checked here as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub staff: StaffId,
    /// Why: it stands in the audit log for good, so it names nobody.
    pub reason: String,
}

impl Consent {
    /// An act of theirs, now.
    pub(super) fn act(&self, by: &By, verb: &str) -> Result<Act, ConsentError> {
        let reason = by.reason.trim();
        if reason.is_empty() {
            return Err(ConsentError::NoReason);
        }
        if reason.chars().count() > LONGEST || reason.chars().any(char::is_control) {
            return Err(ConsentError::OddReason);
        }
        check_reason(reason)?;
        let at = self.clock().now();
        Ok(Act::new(by.staff, verb, at).because(reason))
    }

    /// A person as the object of an act: the keyed hash under which the log knows them.
    pub(super) fn object_of(&self, person: &Person) -> ActObject {
        let index = self
            .vault()
            .index(IndexColumn::LogName, person.form.as_bytes());
        ActObject::new("person", index)
    }
}

/// The step that appends an act to the audit log.
pub(crate) fn act_step(act: &Act) -> Result<Step, ConsentError> {
    Ok(Step::Append(NewEvent {
        log: LogKind::Audit,
        subject: None,
        event: act.to_canonical()?,
    }))
}
