//! What waits for a second person. It waits in memory: a restart forgets it, and it is asked for anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::actor::Actor;
use super::error::{RoleName, StaffError};
use crate::audit::check_reason;
use crate::clock::Clock;
use crate::id::StaffId;
use crate::store::Role;

/// How long something waits.
const WAITS: SignedDuration = SignedDuration::from_hours(24);
/// How much may wait at once.
const MOST: usize = 20;

/// Something that waits for a second person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The code by which the second person names it.
    pub code: String,
    /// What is asked for: `subscriber export`.
    pub verb: String,
    /// Whose wish it is: the name.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was asked for.
    pub at: Timestamp,
    by_id: StaffId,
    role: Role,
}

struct Entry {
    pending: Pending,
    /// What the second person alone is told.
    secret: Option<Zeroizing<String>>,
    answer: oneshot::Sender<Answer>,
}

/// What the second person says.
enum Answer {
    Agrees(Actor),
    /// With the name of who does.
    Refuses(String),
}

/// All that waits. Clones are handles to the same.
#[derive(Clone)]
pub struct SecondPerson {
    clock: Clock,
    waiting: Arc<Mutex<HashMap<String, Entry>>>,
}

/// The first person's side: waits for the second. What it waits for is withdrawn when it goes.
pub struct Waiting {
    /// What waits.
    pub pending: Pending,
    desk: SecondPerson,
    answer: oneshot::Receiver<Answer>,
}

impl Pending {
    /// Whether this is somebody who may agree to it.
    ///
    /// # Errors
    /// A [`StaffError`] if they asked themselves, or lack the role.
    pub fn check(&self, second: &Actor) -> Result<(), StaffError> {
        second.require(self.role)?;
        match self.by_id == second.id() {
            true => Err(StaffError::SamePerson(RoleName(self.role))),
            false => Ok(()),
        }
    }
}

impl SecondPerson {
    /// Nothing waits yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            waiting: Arc::default(),
        }
    }

    /// Asks for a second person with this role. `secret` is what they alone are told once they agree.
    ///
    /// # Errors
    /// [`StaffError::TooManyWait`].
    pub fn ask(
        &self,
        by: &Actor,
        role: Role,
        verb: &str,
        reason: &str,
        secret: Option<Zeroizing<String>>,
    ) -> Result<Waiting, StaffError> {
        check_reason(reason).map_err(|error| StaffError::Reason(error.to_string()))?;
        let mut waiting = self.live();
        if waiting.len() >= MOST {
            return Err(StaffError::TooManyWait);
        }
        let pending = Pending {
            code: code(),
            verb: verb.to_owned(),
            by: by.name().to_owned(),
            reason: reason.to_owned(),
            at: self.clock.now(),
            by_id: by.id(),
            role,
        };
        let (said, answer) = oneshot::channel();
        let entry = Entry {
            pending: pending.clone(),
            secret,
            answer: said,
        };
        waiting.insert(pending.code.clone(), entry);
        Ok(Waiting {
            pending,
            desk: self.clone(),
            answer,
        })
    }

    /// What waits, the oldest first.
    pub fn all(&self) -> Vec<Pending> {
        let mut all: Vec<_> = self
            .live()
            .values()
            .map(|entry| entry.pending.clone())
            .collect();
        all.sort_by_key(|pending| pending.at);
        all
    }

    /// The second person agrees, and gets the secret that was left for them.
    ///
    /// # Errors
    /// [`StaffError`] if nothing waits under the code, they asked themselves, or lack the role.
    pub fn agree(
        &self,
        second: &Actor,
        code: &str,
    ) -> Result<(Pending, Option<Zeroizing<String>>), StaffError> {
        let mut waiting = self.live();
        let found = waiting.get(code).ok_or(StaffError::NothingWaits)?;
        found.pending.check(second)?;
        let entry = waiting.remove(code).ok_or(StaffError::NothingWaits)?;
        entry
            .answer
            .send(Answer::Agrees(second.clone()))
            .map_err(|_| StaffError::NothingWaits)?;
        Ok((entry.pending, entry.secret))
    }

    /// Somebody with the role refuses, or who asked takes it back.
    ///
    /// # Errors
    /// [`StaffError`] if nothing waits under the code, or they lack the role.
    pub fn refuse(&self, by: &Actor, code: &str) -> Result<Pending, StaffError> {
        let mut waiting = self.live();
        let found = waiting.get(code).ok_or(StaffError::NothingWaits)?;
        by.require(found.pending.role)?;
        let entry = waiting.remove(code).ok_or(StaffError::NothingWaits)?;
        // Who asked may be gone already: then it is not done either.
        let _ = entry.answer.send(Answer::Refuses(by.name().to_owned()));
        Ok(entry.pending)
    }

    /// What waits under a code.
    pub fn find(&self, code: &str) -> Option<Pending> {
        self.live().get(code).map(|entry| entry.pending.clone())
    }

    /// What waits, without what has waited too long.
    fn live(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        waiting.retain(|_, entry| now.duration_since(entry.pending.at) < WAITS);
        waiting
    }
}

impl Waiting {
    /// Waits for the second person.
    ///
    /// # Errors
    /// [`StaffError::Refused`] if they said no, [`StaffError::NothingWaits`] if the time ran out.
    pub async fn agreed(&mut self) -> Result<Actor, StaffError> {
        match (&mut self.answer).await {
            Ok(Answer::Agrees(second)) => Ok(second),
            Ok(Answer::Refuses(by)) => Err(StaffError::Refused(by)),
            Err(_) => Err(StaffError::NothingWaits),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.desk.live().remove(&self.pending.code);
    }
}

/// Eight hexadecimal digits: it names what waits, and guards nothing.
fn code() -> String {
    crate::id::RequestId::random()
        .to_string()
        .chars()
        .take(8)
        .collect()
}

#[cfg(test)]
mod tests;
