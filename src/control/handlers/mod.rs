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

use super::{Ask, Call, Class, Failure};
use crate::staff::{Caller, CodeError, StaffError, StaffRoom};

/// Checks the code of whoever asks for what takes one. To be called once all else is checked that can be: a good code is
/// used up. Of nobody in particular nothing can be asked; what they may do at all is the handler's matter.
///
/// # Errors
/// A failure: it must not be done.
pub async fn proven<A: Ask>(call: &Call<A>, staff: &StaffRoom, what: &str) -> Result<(), Failure> {
    match call.caller() {
        Caller::Nobody { .. } => Ok(()),
        Caller::Member(actor) => {
            let proven = staff.prove(actor, call.code()).await;
            proven.map_err(|error| staff_failure(what, &error))
        }
    }
}

/// What a staff error means for what was asked.
pub fn staff_failure(what: impl Into<String>, error: &StaffError) -> Failure {
    let class = match error {
        StaffError::Store(_)
        | StaffError::Conflict
        | StaffError::Audit(_)
        | StaffError::Verifier(_) => Class::Failed,
        StaffError::Code(CodeError::Needed) | StaffError::NotTheApps => Class::CodeNeeded,
        StaffError::Name
        | StaffError::Reason(_)
        | StaffError::NoRole
        | StaffError::Label
        | StaffError::UnlockWhat
        | StaffError::GrantTime
        | StaffError::OnlySendersAreLimited
        | StaffError::NoAddress
        | StaffError::TooManyAddresses { .. }
        | StaffError::AddressTwice => Class::Misuse,
        _ => Class::Refused,
    };
    Failure::from_error(class, what, error)
}
