//! The gate between a withdrawal and a copy that is just being handed over. After a withdrawal has been answered, no
//! final dot leaves for that person.
//!
//! A sender *departs*: it enters the gate, reads again whether the person is still there, writes the final dot, and
//! leaves the gate. A withdrawal commits first and then waits until nobody is in the gate for that person. So either
//! the sender's reading saw the commit and no dot is written, or the withdrawal's answer waits for the dot.
//!
//! The gate is keyed by the suppression index and not by the subscriber's id: a second withdrawal finds no subscriber
//! any more, and must wait all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::delivery::parcel::{Boxed, Permission};
use crate::vault::Index;

/// How long a withdrawal's answer waits for a final dot that is being written. The engine closes the connection of a
/// departure that was called off at once, even in the middle of a write, so this is only for one that doesn't look.
const PATIENCE: Duration = Duration::from_secs(10);

/// All departures at present.
#[derive(Clone, Default)]
pub struct DepartureGate(Arc<Mutex<HashMap<Index, Persons>>>);

struct Persons {
    inside: u32,
    changed: watch::Sender<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// How many withdrawals called departures off.
    called_off: u64,
    empty: bool,
}

/// A place in the gate, held while the final dot is written. Dropping it leaves the gate.
#[must_use = "whoever drops the place has left the gate, and the dot may no longer be written"]
pub struct Departure {
    gate: DepartureGate,
    person: Index,
    /// What was called off before this place was taken concerns it not: it reads after that.
    before: u64,
    changed: watch::Receiver<State>,
}

impl DepartureGate {
    /// Enters the gate. What is known of the person must be read after this, not before.
    pub fn depart(&self, person: Index) -> Departure {
        let mut all = self.lock();
        let persons = all.entry(person).or_insert_with(|| Persons {
            inside: 0,
            changed: watch::Sender::new(State::default()),
        });
        persons.inside += 1;
        let changed = persons.changed.subscribe();
        drop(all);
        let before = changed.borrow().called_off;
        Departure {
            gate: self.clone(),
            person,
            before,
            changed,
        }
    }

    /// Calls off what is departing for this person and waits until the gate is empty. Called after the withdrawal was
    /// committed. Answers whether it emptied in time.
    pub async fn settle(&self, person: &Index) -> bool {
        self.settle_within(person, PATIENCE).await
    }

    async fn settle_within(&self, person: &Index, patience: Duration) -> bool {
        let Some(mut changed) = self.call_off(person) else {
            return true;
        };
        let emptied = tokio::time::timeout(patience, changed.wait_for(|state| state.empty)).await;
        let in_time = emptied.is_ok();
        if !in_time {
            tracing::warn!("a connection kept a withdrawn person's copy for too long");
        }
        in_time
    }

    fn call_off(&self, person: &Index) -> Option<watch::Receiver<State>> {
        let all = self.lock();
        let persons = all.get(person)?;
        let changed = persons.changed.subscribe();
        persons.changed.send_modify(|state| state.called_off += 1);
        drop(all);
        Some(changed)
    }

    fn leave(&self, person: &Index) {
        let mut all = self.lock();
        let Some(persons) = all.get_mut(person) else {
            return;
        };
        persons.inside -= 1;
        if persons.inside == 0
            && let Some(persons) = all.remove(person)
        {
            persons.changed.send_modify(|state| state.empty = true);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Index, Persons>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

impl Departure {
    /// Whether the person withdrew since this place was taken: no dot may be written.
    pub fn is_called_off(&self) -> bool {
        self.changed.borrow().called_off > self.before
    }

    /// Returns once the person withdraws: a sender that is stuck in a write closes its connection then.
    pub async fn called_off(&mut self) {
        // The sender lives in the gate as long as this place is held.
        let before = self.before;
        let _ = self
            .changed
            .wait_for(|state| state.called_off > before)
            .await;
    }
}

impl Permission for Departure {
    fn revoked(&mut self) -> Boxed<'_, ()> {
        Box::pin(self.called_off())
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.gate.leave(&self.person);
    }
}

#[cfg(test)]
mod tests;
