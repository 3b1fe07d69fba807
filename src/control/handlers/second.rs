//! Waiting for a second person, on behalf of a handler.

use zeroize::Zeroizing;

use crate::control::{Ask, Call, Failure};
use crate::staff::{Actor, Role, StaffRoom};

use super::staff_failure;

/// Waits, on behalf of a handler, until a second admin agrees; says so to the first. `secret` is what the second person
/// alone is told. Whoever goes ahead writes both names into the audit log, in the change that does the work.
///
/// # Errors
/// A failure if the first person goes, or the time runs out.
pub async fn second_person<A: Ask>(
    call: &mut Call<A>,
    staff: &StaffRoom,
    reason: &str,
    secret: Option<Zeroizing<String>>,
) -> Result<(Actor, Actor), Failure> {
    let what = format!("can't do \"{}\"", A::NAME);
    let first = call.actor()?.clone();
    let mut waiting = staff
        .second_person()
        .ask(&first, Role::Admin, A::NAME, reason, secret)
        .map_err(|error| staff_failure(&what, &error))?;
    let code = &waiting.pending.code;
    call.note(&format!(
        "Waiting for a second admin to run: hustings subscriber agree {code}"
    ))
    .await?;
    tokio::select! {
        second = waiting.agreed() => {
            let second = second.map_err(|error| staff_failure(&what, &error))?;
            Ok((first, second))
        }
        () = call.gone() => Err(Failure::gone()),
    }
}
