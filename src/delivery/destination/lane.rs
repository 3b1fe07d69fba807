//! One destination: what waits for it, and how many slots it may have.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Limits;

#[derive(Debug)]
pub(super) struct Lane<G, J> {
    pub(super) waiting: VecDeque<J>,
    pub(super) busy: usize,
    pub(super) in_ring: bool,
    /// It stands in its group's line.
    pub(super) in_line: bool,
    /// It has answered since its work began: until then it has one slot, so that a dead one doesn't hold many.
    pub(super) proven: bool,
    pub(super) slow: Option<Slow>,
    /// Where it belongs, once that is known.
    pub(super) group: Option<G>,
    pub(super) metered: bool,
}

/// Whoever asked us to slow down: nothing for a while, then one slot for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slow {
    pub(super) paused_until: Instant,
    pub(super) single_until: Instant,
    paused: bool,
}

impl Slow {
    /// Nothing until `until` or as it was, whichever is later; then one slot for `single`.
    pub(super) fn new(old: Option<Self>, until: Instant, single: Duration) -> Self {
        let paused_until = old.map_or(until, |slow| slow.paused_until.max(until));
        Self {
            paused_until,
            single_until: paused_until + single,
            paused: true,
        }
    }

    /// What is left of it.
    pub(super) fn at(self, now: Instant) -> Option<Self> {
        (self.single_until > now).then_some(Self {
            paused: self.paused_until > now,
            ..self
        })
    }

    /// Of so many slots, how many there may be now.
    pub(super) fn most(slow: Option<Self>, most: usize) -> usize {
        match slow {
            Some(Self { paused: true, .. }) => 0,
            Some(_) => most.min(1),
            None => most,
        }
    }

    /// While it's paused, until when.
    pub(super) fn pause(&self) -> Option<Instant> {
        self.paused.then_some(self.paused_until)
    }
}

impl<G, J> Lane<G, J> {
    pub(super) fn new(group: Option<G>, metered: bool) -> Self {
        Self {
            waiting: VecDeque::new(),
            busy: 0,
            in_ring: false,
            in_line: false,
            proven: false,
            slow: None,
            group,
            metered,
        }
    }

    /// The most slots that it may have now.
    pub(super) fn most(&self, limits: &Limits) -> usize {
        Slow::most(self.slow, limits.each)
    }

    /// Slots in use that nothing is known of yet.
    pub(super) fn probes(&self) -> usize {
        if self.proven { 0 } else { self.busy }
    }

    pub(super) fn is_claimable(&self, limits: &Limits) -> bool {
        let most = match self.proven {
            true => self.most(limits),
            false => self.most(limits).min(1),
        };
        let wanted = (self.waiting.len() / limits.jobs_per_slot.max(1)).max(1);
        !self.waiting.is_empty() && self.busy < most.min(wanted)
    }
}
