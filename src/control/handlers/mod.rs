//! Answers that need no room but staff, store and vault. Rooms that are wired by the daemon have theirs there.

mod audit;
mod key;
mod second;
mod staff;
mod store;
#[cfg(test)]
mod tests;

pub use audit::AuditDesk;
pub use key::{KeyDesk, SheetSource};
pub use second::second_person;
pub use staff::{MailAccess, StaffDesk};
pub use store::StoreDesk;

use super::{Class, Failure};
use crate::staff::StaffError;

/// What a staff error means for what was asked.
pub fn staff_failure(what: impl Into<String>, error: &StaffError) -> Failure {
    let class = match error {
        StaffError::Store(_)
        | StaffError::Conflict
        | StaffError::Audit(_)
        | StaffError::Verifier(_) => Class::Failed,
        StaffError::Name
        | StaffError::Reason(_)
        | StaffError::NoRole
        | StaffError::Label
        | StaffError::UnlockWhat
        | StaffError::GrantTime
        | StaffError::OnlySendersAreLimited
        | StaffError::Addresses { .. }
        | StaffError::AddressTwice => Class::Misuse,
        _ => Class::Refused,
    };
    Failure::from_error(class, what, error)
}
