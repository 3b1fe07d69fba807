//! `subscriber waiting`, `agree` and `refuse`: exports wait while their command runs, imports wait in the store.

use super::SubscriberDesk;
use crate::audit::ActObject;
use crate::consent::{ConsentError, ImportBatch, ImportState};
use crate::control::api::subscriber::{
    Agree, Agreed, Challenges, Refuse, Refused, Waiting, WaitingReport,
};
use crate::control::handlers::{proven, staff_failure};
use crate::control::{Ask, Call, Failure, Handle, Nothing, SecretText};
use crate::daemon::desks::{by, failure, name_of};
use crate::id::StaffId;
use crate::staff::{Role, StaffError};

/// What stands for what a damaged record doesn't tell.
const UNREADABLE: &str = "can't be read";
/// What an import is called where it waits.
const IMPORT: &str = "subscriber import";

impl Handle<Waiting> for SubscriberDesk {
    async fn handle(&self, _: Waiting, call: &mut Call<Waiting>) -> Result<Nothing, Failure> {
        for pending in self.0.staff.second_person().all() {
            let report = WaitingReport {
                code: pending.code,
                verb: pending.verb,
                by: pending.by,
                reason: pending.reason,
                at: Some(pending.at),
                detail: None,
            };
            call.row(&report).await?;
        }
        let imports = self.0.consent.imports().await;
        let imports = imports.map_err(|error| failure::consent("can't list what waits", &error))?;
        for batch in imports {
            match batch {
                Ok(batch) if waits(&batch) => call.row(&self.import(batch)).await?,
                Ok(_) => {}
                Err(error) => call.row(&broken(&error)?).await?,
            }
        }
        Ok(Nothing {})
    }
}

/// Whether somebody has to agree to it: an import that brought suppressions alone asks for nothing.
fn waits(batch: &ImportBatch) -> bool {
    batch.state == ImportState::Waiting && batch.rows > 0
}

/// What is shown of an import whose record can't be read: it must not hide those that can.
fn broken(error: &ConsentError) -> Result<WaitingReport, Failure> {
    let ConsentError::BrokenImport(id) = error else {
        return Err(failure::consent("can't list what waits", error));
    };
    Ok(WaitingReport {
        code: id.clone(),
        verb: IMPORT.to_owned(),
        by: UNREADABLE.to_owned(),
        reason: UNREADABLE.to_owned(),
        at: None,
        detail: Some("damaged or altered: refuse it, and import the file anew".to_owned()),
    })
}

impl SubscriberDesk {
    fn import(&self, batch: ImportBatch) -> WaitingReport {
        let stated = if batch.stated_no_suppressions {
            "; stated: the old system has no list of those who left"
        } else {
            ""
        };
        WaitingReport {
            detail: Some(match batch.rows {
                1 => format!("1 person{stated}"),
                rows => format!("{rows} people{stated}"),
            }),
            code: batch.id,
            verb: IMPORT.to_owned(),
            by: name_of(&self.0, batch.staff),
            reason: batch.reason,
            at: Some(batch.at),
        }
    }
}

impl Handle<Agree> for SubscriberDesk {
    async fn handle(&self, ask: Agree, call: &mut Call<Agree>) -> Result<Agreed, Failure> {
        let what = "can't agree";
        let second = call.actor()?;
        let code = ask.code.trim().to_ascii_lowercase();
        let Some(pending) = self.0.staff.second_person().find(&code) else {
            return self.agree_to_import(what, &code, call).await;
        };
        let may = pending.check(second);
        may.map_err(|error| staff_failure(what, &error))?;
        proven(call, &self.0.staff, what).await?;
        match self.0.staff.second_person().agree(second, &code) {
            Ok((pending, secret)) => Ok(Agreed {
                verb: pending.verb,
                by: pending.by,
                reason: pending.reason,
                opens_with: secret.map(SecretText::new),
                challenges: None,
            }),
            Err(error) => Err(staff_failure(what, &error)),
        }
    }
}

impl SubscriberDesk {
    async fn agree_to_import(
        &self,
        what: &str,
        code: &str,
        call: &Call<Agree>,
    ) -> Result<Agreed, Failure> {
        let failure = |error: &ConsentError| failure::consent(what, error);
        let batch = self.waiting_import(what, code).await?;
        self.still_admin(what, batch.staff)?;
        if batch.staff == call.actor()?.id() {
            return Err(failure(&ConsentError::SecondPerson));
        }
        proven(call, &self.0.staff, what).await?;
        let by = by(call.actor()?, Some(&batch.reason));
        let agreed = self.0.consent.approve_import(code, &by).await;
        let count = agreed.map_err(|error| failure(&error))?;
        Ok(Agreed {
            verb: IMPORT.to_owned(),
            by: name_of(&self.0, batch.staff),
            reason: batch.reason,
            opens_with: None,
            challenges: Some(Challenges {
                count,
                per_day: self.0.consent.settings().limits.imported_per_day,
                until: self.0.consent.import_ends(count),
            }),
        })
    }
}

impl SubscriberDesk {
    /// Much can happen while something waits for a second person: the first must still be one who may ask for it.
    fn still_admin(&self, what: &str, first: StaffId) -> Result<(), Failure> {
        let now = self.0.staff.actor(first);
        if now.is_some_and(|now| now.require(Role::Admin).is_ok()) {
            return Ok(());
        }
        let why = format!("{} is no admin any more", name_of(&self.0, first));
        let next = "refuse it, and let an admin bring the file anew";
        Err(Failure::refused(what, why, next))
    }

    async fn waiting_import(&self, what: &str, code: &str) -> Result<ImportBatch, Failure> {
        let found = self.0.consent.import(code).await;
        let found = found.map_err(|error| failure::consent(what, &error))?;
        let found = found.filter(waits);
        found.ok_or_else(|| staff_failure(what, &StaffError::NothingWaits))
    }

    /// Its rows go with the entry of the audit log, in the consent room.
    async fn refuse_import(
        &self,
        what: &str,
        code: &str,
        ask: &Refuse,
        call: &Call<Refuse>,
    ) -> Result<Refused, Failure> {
        let (whose, why) = match self.0.consent.import(code).await {
            Err(ConsentError::BrokenImport(_)) => (UNREADABLE.to_owned(), UNREADABLE.to_owned()),
            _ => {
                let batch = self.waiting_import(what, code).await?;
                (name_of(&self.0, batch.staff), batch.reason)
            }
        };
        let by = by(call.actor()?, Some(&ask.reason));
        let cancelled = self.0.consent.cancel_import(code, &by).await;
        cancelled.map_err(|error| failure::consent(what, &error))?;
        Ok(Refused {
            verb: IMPORT.to_owned(),
            by: whose,
            reason: why,
        })
    }
}

impl Handle<Refuse> for SubscriberDesk {
    async fn handle(&self, ask: Refuse, call: &mut Call<Refuse>) -> Result<Refused, Failure> {
        let what = "can't refuse it";
        if ask.reason.trim().is_empty() {
            return Err(Failure::misuse(what, "no reason was given", "add --reason"));
        }
        let code = ask.code.trim().to_ascii_lowercase();
        let failure = |error: &StaffError| staff_failure(what, error);
        let desk = self.0.staff.second_person();
        let Some(pending) = desk.find(&code) else {
            return self.refuse_import(what, &code, &ask, call).await;
        };
        let object = ActObject::new("request", format!("{} of {}", pending.verb, pending.by));
        self.0
            .staff
            .record(call.caller(), Refuse::NAME, Some(object), Some(&ask.reason))
            .await
            .map_err(|error| failure(&error))?;
        let refused = desk.refuse(call.actor()?, &code);
        let pending = refused.map_err(|error| failure(&error))?;
        Ok(Refused {
            verb: pending.verb,
            by: pending.by,
            reason: pending.reason,
        })
    }
}
