//! Whose turn it is: work grouped by destination, with limits for each and for all, in fair rotation.
//!
//! A *slot* is a connection. A worker [claims](Fair::claim) one for a destination, [takes](Fair::take) job after job
//! for it, gives it back with [`Fair::release`], and does so early if [`Fair::should_yield`] says that others wait. This
//! file knows no sockets and no clock; times are handed in.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Limits that hold all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Slots in use at once, over all destinations.
    pub total: usize,
    /// Slots in use at once for one destination.
    pub each: usize,
    /// Jobs that have to wait for each slot of a destination after its first.
    pub jobs_per_slot: usize,
    /// Jobs that a worker does before it gives way to destinations that have no slot.
    pub burst: usize,
    /// Jobs that may wait, over all destinations.
    pub waiting: usize,
    /// Jobs that may wait for one destination, so that a large one leaves room for others.
    pub waiting_each: usize,
    /// How long a destination that asked us to slow down has one slot after its pause.
    pub single: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: 60,
            each: 4,
            jobs_per_slot: 20,
            burst: 100,
            waiting: 20_000,
            waiting_each: 1_000,
            single: Duration::from_secs(3600),
        }
    }
}

#[derive(Debug)]
struct Lane<J> {
    waiting: VecDeque<J>,
    busy: usize,
    in_ring: bool,
    /// It has answered since its work began: until then it has one slot, so that a dead one doesn't hold many.
    proven: bool,
    slow: Option<Slow>,
}

#[derive(Debug, Clone, Copy)]
struct Slow {
    paused_until: Instant,
    single_until: Instant,
    paused: bool,
}

impl<J> Lane<J> {
    fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            busy: 0,
            in_ring: false,
            proven: false,
            slow: None,
        }
    }

    /// The most slots that it may have now.
    fn most(&self, limits: &Limits) -> usize {
        match self.slow {
            Some(Slow { paused: true, .. }) => 0,
            Some(_) => 1.min(limits.each),
            None => limits.each,
        }
    }

    /// Slots in use that nothing is known of yet.
    fn probes(&self) -> usize {
        if self.proven { 0 } else { self.busy }
    }

    fn is_claimable(&self, limits: &Limits) -> bool {
        let most = match self.proven {
            true => self.most(limits),
            false => self.most(limits).min(1),
        };
        let wanted = (self.waiting.len() / limits.jobs_per_slot.max(1)).max(1);
        !self.waiting.is_empty() && self.busy < most.min(wanted)
    }
}

/// Jobs by destination, given out in turn.
#[derive(Debug)]
pub struct Fair<K, J> {
    limits: Limits,
    lanes: HashMap<K, Lane<J>>,
    /// The destinations that could use another slot, each once, next one first.
    ring: VecDeque<K>,
    /// When pauses end and when slowness ends.
    wakes: BinaryHeap<Reverse<(Instant, Order<K>)>>,
    busy: usize,
    /// Of these, how many are the first of a destination that hasn't answered yet.
    probing: usize,
    waiting: usize,
}

/// Keys need no order of their own; equal times don't either.
#[derive(Debug)]
struct Order<K>(K);

impl<K> PartialEq for Order<K> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<K> Eq for Order<K> {}

impl<K> PartialOrd for Order<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Order<K> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<K: Hash + Eq + Clone, J> Fair<K, J> {
    /// Nothing waiting, nothing busy.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: HashMap::new(),
            ring: VecDeque::new(),
            wakes: BinaryHeap::new(),
            busy: 0,
            probing: 0,
            waiting: 0,
        }
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Slots in use.
    pub fn busy(&self) -> usize {
        self.busy
    }

    /// How many more jobs for this destination would be taken in.
    pub fn room(&self, key: &K) -> usize {
        let here = self.lanes.get(key).map_or(0, |lane| lane.waiting.len());
        let each = self.limits.waiting_each.saturating_sub(here);
        each.min(self.limits.waiting.saturating_sub(self.waiting))
    }

    /// Adds a job behind the others of its destination.
    ///
    /// # Errors
    /// The job, if there's no [room](Fair::room): it stays in the queue on disk.
    pub fn push(&mut self, key: K, job: J) -> Result<(), J> {
        if self.room(&key) == 0 {
            return Err(job);
        }
        self.lanes
            .entry(key.clone())
            .or_insert_with(Lane::new)
            .waiting
            .push_back(job);
        self.waiting += 1;
        self.settle(&key);
        Ok(())
    }

    /// Puts a job that was taken and not done back in front.
    pub fn put_back(&mut self, key: K, job: J) {
        self.lanes
            .entry(key.clone())
            .or_insert_with(Lane::new)
            .waiting
            .push_front(job);
        self.waiting += 1;
        self.settle(&key);
    }

    /// The destination that gets the next slot. `None` if all slots are in use, or nobody may have one now.
    pub fn claim(&mut self, now: Instant) -> Option<K> {
        self.wake(now);
        if self.busy >= self.limits.total {
            return None;
        }
        // A quarter of the slots is kept for destinations that answer: dead ones can't hold them all.
        let may_probe = self.probing < (self.limits.total - self.limits.total / 4).max(1);
        for _ in 0..self.ring.len() {
            let key = self.ring.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            if !lane.proven && !may_probe {
                self.ring.push_back(key);
                continue;
            }
            lane.in_ring = false;
            if lane.is_claimable(&self.limits) {
                lane.busy += 1;
                self.probing += usize::from(!lane.proven);
                self.busy += 1;
                self.settle(&key);
                return Some(key);
            }
            self.settle(&key);
        }
        None
    }

    /// The destination has answered (or, later, doesn't answer any more): it may have more slots (or one).
    pub fn set_proven(&mut self, key: &K, proven: bool) {
        if let Some(lane) = self.lanes.get_mut(key) {
            self.probing -= lane.probes();
            lane.proven = proven;
            self.probing += lane.probes();
        }
        self.settle(key);
    }

    /// The next job for a destination, in the order of their coming.
    pub fn take(&mut self, key: &K) -> Option<J> {
        let job = self.lanes.get_mut(key)?.waiting.pop_front()?;
        self.waiting -= 1;
        Some(job)
    }

    /// Gives back a slot that was claimed for this destination.
    pub fn release(&mut self, key: &K) {
        if let Some(lane) = self.lanes.get_mut(key)
            && lane.busy > 0
        {
            self.probing -= lane.probes();
            lane.busy -= 1;
            self.probing += lane.probes();
            self.busy -= 1;
        }
        self.settle(key);
    }

    /// Whether a worker that has done `served` jobs in its slot should give it to others: they wait, and no slot is
    /// free.
    pub fn should_yield(&self, served: usize) -> bool {
        served >= self.limits.burst && self.busy >= self.limits.total && !self.ring.is_empty()
    }

    /// Slots in use for a destination.
    pub fn busy_for(&self, key: &K) -> usize {
        self.lanes.get(key).map_or(0, |lane| lane.busy)
    }

    /// Whether the destination has more slots than it may have now, since it asked us to slow down: a worker gives its
    /// own back before the next job.
    pub fn is_overdrawn(&self, key: &K) -> bool {
        self.lanes
            .get(key)
            .is_some_and(|lane| lane.busy > lane.most(&self.limits))
    }

    /// The destination wants less: no new slot until `until`, then one at a time for a while.
    pub fn slow_down(&mut self, key: &K, until: Instant) {
        let lane = self.lanes.entry(key.clone()).or_insert_with(Lane::new);
        let paused_until = lane.slow.map_or(until, |slow| slow.paused_until.max(until));
        let single_until = paused_until + self.limits.single;
        lane.slow = Some(Slow {
            paused_until,
            single_until,
            paused: true,
        });
        self.wakes.push(Reverse((paused_until, Order(key.clone()))));
        self.wakes.push(Reverse((single_until, Order(key.clone()))));
    }

    /// When a pause ends next: a good time to claim again.
    pub fn next_wake(&self) -> Option<Instant> {
        self.wakes.peek().map(|Reverse((at, _))| *at)
    }

    fn wake(&mut self, now: Instant) {
        while self.next_wake().is_some_and(|at| at <= now) {
            let Some(Reverse((_, Order(key)))) = self.wakes.pop() else {
                return;
            };
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.slow = lane
                    .slow
                    .filter(|slow| slow.single_until > now)
                    .map(|slow| Slow {
                        paused: slow.paused_until > now,
                        ..slow
                    });
            }
            self.settle(&key);
        }
    }

    /// Keeps the ring and the map true after a change: a lane stands in the ring once if it could use a slot, and an
    /// idle lane with nothing to remember is forgotten.
    fn settle(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        if !lane.in_ring && lane.is_claimable(&self.limits) {
            lane.in_ring = true;
            self.ring.push_back(key.clone());
        }
        let idle = lane.waiting.is_empty() && lane.busy == 0;
        // One that stands in the ring is forgotten when its turn comes, else it could stand there twice.
        if idle && lane.slow.is_none() && !lane.in_ring {
            self.lanes.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
