//! Destinations that are counted and paused as one.

use std::collections::VecDeque;
use std::time::Instant;

use super::lane::Slow;

#[derive(Debug)]
pub(super) struct Group<K> {
    /// Slots that it may have.
    pub(super) most: usize,
    /// Slots in use, over all its lanes.
    busy: usize,
    /// Of these, how many by those that are metered.
    busy_metered: usize,
    /// Its lanes.
    pub(super) lanes: usize,
    pub(super) slow: Option<Slow>,
    /// It has had what it may have, until then.
    pub(super) spent_until: Option<Instant>,
    /// Lanes that could use a slot if the group had one for them, next one first.
    pub(super) line: VecDeque<K>,
}

impl<K> Group<K> {
    pub(super) fn new() -> Self {
        Self {
            most: usize::MAX,
            busy: 0,
            busy_metered: 0,
            lanes: 0,
            slow: None,
            spent_until: None,
            line: VecDeque::new(),
        }
    }

    /// A lane of it has so many slots more.
    pub(super) fn add(&mut self, metered: bool, slots: usize) {
        self.busy += slots;
        self.busy_metered += if metered { slots } else { 0 };
    }

    /// A lane of it has so many slots less.
    pub(super) fn subtract(&mut self, metered: bool, slots: usize) {
        self.busy = self.busy.saturating_sub(slots);
        let metered = if metered { slots } else { 0 };
        self.busy_metered = self.busy_metered.saturating_sub(metered);
    }

    /// Whether there's a slot for a lane. One more than usual is there for those that aren't metered: a letter doesn't wait
    /// behind a mailing.
    pub(super) fn admits(&self, metered: bool) -> bool {
        let (all, of_metered) = self.most();
        let is_spent = self.spent_until.is_some();
        self.busy < all && (!metered || !is_spent && self.busy_metered < of_metered)
    }

    /// Whether a lane may keep its slot. What was taken before all was spent is counted, and goes.
    pub(super) fn holds(&self, metered: bool) -> bool {
        let (all, of_metered) = self.most();
        self.busy <= all && (!metered || self.busy_metered <= of_metered)
    }

    /// The most slots that it may have now, and that its metered lanes may have.
    fn most(&self) -> (usize, usize) {
        let all = self.most.saturating_add(1);
        (Slow::most(self.slow, all), Slow::most(self.slow, self.most))
    }

    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.slow.and_then(|slow| slow.pause())
    }

    pub(super) fn busy(&self) -> usize {
        self.busy
    }

    pub(super) fn is_held_up(&self) -> bool {
        self.paused_until().is_some() || self.spent_until.is_some()
    }

    /// A time has come.
    pub(super) fn wake(&mut self, now: Instant) {
        self.slow = self.slow.and_then(|slow| slow.at(now));
        self.spent_until = self.spent_until.filter(|until| *until > now);
    }

    /// Whether there's nothing to remember.
    pub(super) fn is_forgettable(&self) -> bool {
        self.lanes == 0 && self.busy == 0 && self.slow.is_none() && self.spent_until.is_none()
    }
}
