//! Everybody's second factor: set up, asked for, taken away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::super::actor::{Actor, Caller, NotAllowed};
use super::super::error::StaffError;
use super::super::proof::{CodeAsked, CodeError, CodeRule, Good, WINDOW, check, recovery_codes};
use super::super::roll::OwnFactor;
use super::super::totp::{Digits, TotpSecret};
use super::{StaffRoom, live};
use crate::id::StaffId;
use crate::store::{FactorRecord, Guard, Role};

/// How long a secret that was shown waits for its first code.
const WAITS: SignedDuration = SignedDuration::from_mins(15);

/// Second factors as far as they are in memory alone.
#[derive(Default)]
pub(super) struct Factors {
    required: AtomicBool,
    /// Secrets that were shown and are not in force, by whose they are and who was shown them: nobody puts out what another
    /// began. A restart forgets them, and so does the next look here once they have waited too long.
    shown: Mutex<HashMap<(StaffId, StaffId), Shown>>,
}

struct Shown {
    secret: TotpSecret,
    at: Timestamp,
    replaces: bool,
    reason: Option<String>,
}

impl Factors {
    /// What was shown and still waits.
    fn shown(&self, now: Timestamp) -> MutexGuard<'_, HashMap<(StaffId, StaffId), Shown>> {
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| now.duration_since(one.at).abs() < WAITS);
        all
    }

    fn forget_old(&self, now: Timestamp) {
        drop(self.shown(now));
    }
}

/// A second factor to be set up. It has no `Debug`: the code in it may still be good.
#[derive(Clone, Copy)]
pub struct NewFactor<'a> {
    /// Whose.
    pub name: &'a str,
    /// It takes the place of the one that is there.
    pub replaces: bool,
    /// A code of whoever asks: of the one that is to be replaced, or an admin's own.
    pub code: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a str>,
}

/// A second factor that is in force now.
pub struct NewlyProven {
    /// Since when.
    pub since: Timestamp,
    /// Its recovery codes, to be shown once.
    pub recovery: Vec<Zeroizing<String>>,
}

impl StaffRoom {
    /// Of whom codes are asked from now on.
    pub fn ask_codes(&self, rule: CodeRule) {
        let required = rule == CodeRule::Required;
        self.0.factors.required.store(required, Ordering::Relaxed);
    }

    /// Of whom codes are asked.
    pub fn code_rule(&self) -> CodeRule {
        match self.0.factors.required.load(Ordering::Relaxed) {
            true => CodeRule::Required,
            false => CodeRule::Enrolled,
        }
    }

    /// What would be asked of somebody now.
    pub fn code_asked(&self, of: &Actor) -> CodeAsked {
        let roll = self.roll();
        let has = roll.by_id(of.id()).is_some_and(|one| one.factor.is_some());
        match (has, self.code_rule()) {
            (true, _) => CodeAsked::Code,
            (false, CodeRule::Enrolled) => CodeAsked::Nothing,
            (false, CodeRule::Required) => CodeAsked::Factor,
        }
    }

    /// How many wrong codes count against somebody now.
    pub fn wrong_codes_of(&self, factor: &OwnFactor) -> usize {
        let now = self.0.clock.now();
        let counts = |at: &&Timestamp| now.duration_since(**at) < WINDOW;
        factor.wrong.iter().filter(counts).count()
    }

    /// Checks the code of somebody who is about to do what takes one. A code that was good is used up when this returns,
    /// and a wrong one is counted, on the disk. Of whoever has no second factor nothing is asked, unless everybody must
    /// have one.
    ///
    /// # Errors
    /// A [`StaffError`]: it must not be done.
    pub async fn prove(&self, actor: &Actor, code: Option<&str>) -> Result<(), StaffError> {
        if self.roll().by_id(actor.id()).is_none() {
            return Err(StaffError::Revoked(actor.name().to_owned()));
        }
        match self.code_asked(actor) {
            CodeAsked::Nothing => Ok(()),
            CodeAsked::Factor => Err(CodeError::NotEnrolled(actor.name().to_owned()).into()),
            CodeAsked::Code => self.check_code(actor, code.ok_or(CodeError::Needed)?).await,
        }
    }

    async fn check_code(&self, actor: &Actor, code: &str) -> Result<(), StaffError> {
        let _one = self.0.changing.lock().await;
        let roll = self.roll();
        let member = live(&roll, actor.name())?;
        let mut staff = self.stored(member.id, actor.name()).await?;
        // It was taken away a moment ago.
        let record = staff.record.second_factor.as_mut();
        let record = record.ok_or(StaffError::Conflict)?;
        let checked = check(record, code, self.0.clock.now());
        let verbs: &[&str] = match checked.outcome {
            Ok(Good::Recovery) => &["staff second-factor recovery code"],
            Err(CodeError::Wrong { .. }) => &["staff second-factor wrong code"],
            Ok(Good::Code) | Err(_) => &[],
        };
        let by = Caller::Member(actor.clone());
        if checked.changed {
            let guard = Guard::StaffAt(staff.id, staff.version);
            self.commit(&by, verbs, guard, staff, Vec::new(), None)
                .await?;
        }
        checked.outcome.map(drop).map_err(|error| {
            tracing::warn!(caller = %by.for_log(), "a code of a second factor was not taken");
            error.into()
        })
    }

    /// Begins to set up a second factor: makes its secret, to be shown to its owner. It is in force once
    /// [`StaffRoom::confirm_factor`] was told a code of it. Everybody may for themselves, who is an admin for good for who has
    /// none: it lasts.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn begin_factor(
        &self,
        by: &Actor,
        new: NewFactor<'_>,
    ) -> Result<TotpSecret, StaffError> {
        let roll = self.roll();
        let own = by.name() == new.name;
        if !own {
            by.admin()?.may_give(None)?;
        }
        let member = live(&roll, new.name)?;
        let has = member.factor.is_some();
        if has && !own {
            return Err(StaffError::NotYourFactor(new.name.to_owned()));
        }
        if has && !new.replaces {
            return Err(StaffError::HasFactor(new.name.to_owned()));
        }
        if has || !own {
            self.prove(by, new.code).await?;
        }
        let secret = TotpSecret::generate();
        let now = self.0.clock.now();
        let shown = Shown {
            secret: secret.clone(),
            at: now,
            replaces: has,
            reason: new.reason.map(str::to_owned),
        };
        let mut all = self.0.factors.shown(now);
        all.insert((member.id, by.id()), shown);
        Ok(secret)
    }

    /// Puts a second factor in force whose app shows this code.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done. After a wrong code another may be tried.
    pub async fn confirm_factor(
        &self,
        by: &Actor,
        name: &str,
        code: &str,
    ) -> Result<NewlyProven, StaffError> {
        let _one = self.0.changing.lock().await;
        let roll = self.roll();
        let member = live(&roll, name)?;
        if member.id != by.id() {
            // Much can happen in a quarter of an hour.
            by.admin()?.may_give(None)?;
        }
        let now = self.0.clock.now();
        let (secret, replaces, reason) = {
            let all = self.0.factors.shown(now);
            let shown = all.get(&(member.id, by.id()));
            let shown = shown.ok_or(StaffError::NoFactorBegun)?;
            (shown.secret.clone(), shown.replaces, shown.reason.clone())
        };
        let digits = Digits::parse(code).ok_or(StaffError::NotTheApps)?;
        let step = secret.step_of(&digits, now);
        let last_step = step.ok_or(StaffError::NotTheApps)?;
        let mut staff = self.stored(member.id, name).await?;
        if staff.record.second_factor.is_some() != replaces {
            return Err(StaffError::Conflict);
        }
        let (codes, recovery) = recovery_codes();
        staff.record.second_factor = Some(FactorRecord {
            secret: secret.to_kept(),
            since: now,
            last_step,
            recovery,
            wrong: Vec::new(),
        });
        let verb = match replaces {
            true => "staff second-factor renew",
            false => "staff second-factor add",
        };
        let guard = Guard::StaffAt(staff.id, staff.version);
        let caller = Caller::Member(by.clone());
        let reason = reason.as_deref();
        self.commit(&caller, &[verb], guard, staff, Vec::new(), reason)
            .await?;
        let mut all = self.0.factors.shown(now);
        all.retain(|(whose, _), _| *whose != member.id);
        Ok(NewlyProven {
            since: now,
            recovery: codes,
        })
    }

    /// Takes a second factor away: one's own, with a code of it; or, for somebody who has lost it, as an admin, with a
    /// reason and a code of one's own. Where the only admin there is has lost it, root may.
    ///
    /// # Errors
    /// A [`StaffError`]: nothing was done.
    pub async fn remove_factor(
        &self,
        by: &Caller,
        name: &str,
        code: Option<&str>,
        reason: Option<&str>,
    ) -> Result<(), StaffError> {
        if let Caller::Nobody { uid } = by
            && *uid != 0
        {
            // Before any look: they are told no names.
            return Err(NotAllowed::Nobody { uid: *uid }.into());
        }
        self.0.factors.forget_old(self.0.clock.now());
        let roll = self.roll();
        let member = live(&roll, name)?;
        let none = || StaffError::NoFactor(name.to_owned());
        match by {
            Caller::Nobody { .. } => {
                let mut admins = roll.lasting_admins();
                let alone = admins.all(|admin| admin.id == member.id);
                if !alone || !member.has(Role::Admin) {
                    return Err(StaffError::AdminsRemove(name.to_owned()));
                }
            }
            Caller::Member(actor) => {
                if actor.id() != member.id {
                    actor.require(Role::Admin)?;
                }
                if member.factor.is_none() {
                    return Err(none());
                }
                if self.code_asked(actor) != CodeAsked::Code {
                    return Err(StaffError::OwnFactorFirst);
                }
            }
        }
        let own = matches!(by, Caller::Member(actor) if actor.id() == member.id);
        if !own && reason.is_none_or(|reason| reason.trim().is_empty()) {
            return Err(StaffError::Reason(
                "no reason was given, and it's another's; add --reason".to_owned(),
            ));
        }
        if let Caller::Member(actor) = by {
            self.prove(actor, code).await?;
        }
        let _one = self.0.changing.lock().await;
        let mut staff = self.stored(member.id, name).await?;
        staff.record.second_factor.take().ok_or_else(none)?;
        let guard = Guard::StaffAt(staff.id, staff.version);
        let verbs = &["staff second-factor remove"];
        self.commit(by, verbs, guard, staff, Vec::new(), reason)
            .await
    }
}

#[cfg(test)]
mod tests;
