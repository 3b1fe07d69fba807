//! What waits for a second person: `subscriber waiting`, `subscriber agree`, and the waiting itself.

use zeroize::Zeroizing;

use crate::control::api::subscriber::{Agree, Agreed, Waiting, WaitingReport};
use crate::control::{Ask, Call, Failure, Handle, Nothing, SecretText};
use crate::staff::{Actor, Role, StaffRoom};

use super::staff_failure;

/// Answers for what waits.
pub struct SecondDesk(pub StaffRoom);

impl Handle<Waiting> for SecondDesk {
    async fn handle(&self, _: Waiting, call: &mut Call<Waiting>) -> Result<Nothing, Failure> {
        for pending in self.0.second_person().all() {
            let report = WaitingReport {
                code: pending.code,
                verb: pending.verb,
                by: pending.by,
                reason: pending.reason,
                at: pending.at,
                detail: None,
            };
            call.row(&report).await?;
        }
        Ok(Nothing {})
    }
}

impl Handle<Agree> for SecondDesk {
    async fn handle(&self, ask: Agree, call: &mut Call<Agree>) -> Result<Agreed, Failure> {
        let (pending, secret) = self
            .0
            .second_person()
            .agree(call.actor()?, &ask.code)
            .map_err(|error| staff_failure("can't agree", &error))?;
        Ok(Agreed {
            verb: pending.verb,
            by: pending.by,
            reason: pending.reason,
            opens_with: secret.map(SecretText::new),
        })
    }
}

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
