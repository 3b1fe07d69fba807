//! Whose turn it is: work by destination, with limits for each, for each group of destinations and for all, in fair
//! rotation.
//!
//! A *slot* is a connection. A worker [claims](Fair::claim) one for a destination, finds out which group it belongs to
//! and [joins](Fair::join) that, [takes](Fair::take) job after job, gives the slot back with [`Fair::release`], and does
//! so early if [`Fair::should_yield`] says that others wait. A group is whoever counts its destinations' connections and
//! pauses them as one. This file knows no sockets and no clock; times are handed in.
//!
//! A destination that could use a slot stands in the ring; one that its group holds up stands in the group's line, and
//! comes into the ring when the group has a slot again.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use self::group::Group;
use self::lane::{Lane, Slow};
use self::wakes::{Wakes, Who};

mod group;
mod joint;
mod lane;
mod wakes;

/// What destinations are told apart by.
pub trait Key: Hash + Eq + Clone {
    /// Whether its jobs are counted: such a destination waits when its group has [spent](Fair::set_spent) what it may, and
    /// leaves the group's last slot to others.
    fn is_metered(&self) -> bool;
}

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

/// Jobs by destination, given out in turn.
#[derive(Debug)]
pub struct Fair<K, G, J> {
    limits: Limits,
    lanes: HashMap<K, Lane<G, J>>,
    groups: HashMap<G, Group<K>>,
    /// The group that a destination was in last, for when work for it comes again.
    homes: HashMap<K, G>,
    /// The destinations that could use another slot, each once, next one first.
    ring: VecDeque<K>,
    /// When pauses end and when slowness ends.
    wakes: Wakes<Who<K, G>>,
    busy: usize,
    /// Of these, how many are the first of a destination that hasn't answered yet.
    probing: usize,
    waiting: usize,
}

impl<K: Key, G: Hash + Eq + Clone, J> Fair<K, G, J> {
    /// Nothing waiting, nothing busy.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: HashMap::new(),
            groups: HashMap::new(),
            homes: HashMap::new(),
            ring: VecDeque::new(),
            wakes: Wakes::new(),
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
        self.lane(&key).waiting.push_back(job);
        self.waiting += 1;
        self.settle(&key);
        Ok(())
    }

    /// Puts a job that was taken and not done back in front.
    pub fn put_back(&mut self, key: K, job: J) {
        self.lane(&key).waiting.push_front(job);
        self.waiting += 1;
        self.settle(&key);
    }

    /// The destination's lane, in the group that it was in last, if anything is known of that now.
    fn lane(&mut self, key: &K) -> &mut Lane<G, J> {
        self.lanes.entry(key.clone()).or_insert_with(|| {
            let home = self.homes.get(key);
            let group = home.and_then(|home| self.groups.get_mut(home));
            let home = home.filter(|_| group.is_some()).cloned();
            if let Some(group) = group {
                group.lanes += 1;
            }
            Lane::new(home, key.is_metered())
        })
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
            let group = lane.group.as_ref().and_then(|home| self.groups.get(home));
            let is_admitted = group.is_none_or(|group| group.admits(lane.metered));
            if is_admitted && lane.is_claimable(&self.limits) {
                lane.busy += 1;
                self.probing += usize::from(!lane.proven);
                self.busy += 1;
                let home = lane.group.clone();
                if let Some(group) = home.as_ref().and_then(|home| self.groups.get_mut(home)) {
                    group.add(lane.metered, 1);
                }
                self.settle(&key);
                self.call(home.as_ref());
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
        let mut home = None;
        if let Some(lane) = self.lanes.get_mut(key)
            && lane.busy > 0
        {
            self.probing -= lane.probes();
            lane.busy -= 1;
            self.probing += lane.probes();
            self.busy -= 1;
            home = lane.group.clone();
            if let Some(group) = home.as_ref().and_then(|home| self.groups.get_mut(home)) {
                group.subtract(lane.metered, 1);
            }
        }
        // Who waits in the group's line comes before who has just had a slot.
        self.call(home.as_ref());
        self.settle(key);
    }

    /// Whether a worker that has done `served` jobs in its slot should give it to others: they wait for any slot and none
    /// is free, or for one of its group.
    pub fn should_yield(&self, key: &K, served: usize) -> bool {
        let in_all = self.busy >= self.limits.total && !self.ring.is_empty();
        let others = || {
            self.group_of(key)
                .and_then(|home| self.groups.get(home))
                .is_some_and(|group| group.line.iter().any(|other| other != key))
        };
        served >= self.limits.burst && (in_all || others())
    }

    /// Slots in use for a destination.
    pub fn busy_for(&self, key: &K) -> usize {
        self.lanes.get(key).map_or(0, |lane| lane.busy)
    }

    /// Whether the destination, or its group, has more slots than it may have now, since it asked us to slow down: a
    /// worker gives its own back before the next job.
    pub fn is_overdrawn(&self, key: &K) -> bool {
        let Some(lane) = self.lanes.get(key) else {
            return false;
        };
        let group = lane.group.as_ref().and_then(|home| self.groups.get(home));
        lane.busy > lane.most(&self.limits) || group.is_some_and(|group| !group.holds(lane.metered))
    }

    /// The destination wants less: no new slot until `until`, then one at a time for a while.
    pub fn slow_down(&mut self, key: &K, until: Instant) {
        let single = self.limits.single;
        let lane = self.lane(key);
        let slow = Slow::new(lane.slow, until, single);
        lane.slow = Some(slow);
        self.wake_at(&slow, &Who::Lane(key.clone()));
    }

    fn wake_at(&mut self, slow: &Slow, who: &Who<K, G>) {
        for at in [slow.paused_until, slow.single_until] {
            self.wakes.add(at, who.clone());
        }
    }

    /// When a pause ends next: a good time to claim again.
    pub fn next_wake(&self) -> Option<Instant> {
        self.wakes.next()
    }

    fn wake(&mut self, now: Instant) {
        while let Some(who) = self.wakes.take(now) {
            match who {
                Who::Lane(key) => {
                    if let Some(lane) = self.lanes.get_mut(&key) {
                        lane.slow = lane.slow.and_then(|slow| slow.at(now));
                    }
                    self.settle(&key);
                }
                Who::Group(home) => {
                    if let Some(group) = self.groups.get_mut(&home) {
                        group.wake(now);
                    }
                    self.call(Some(&home));
                }
            }
        }
    }

    /// Keeps ring, lines and map true after a change: a lane stands in the ring once if it could use a slot, or in its
    /// group's line if it's the group that holds it up; an idle lane with nothing to remember is forgotten.
    fn settle(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        if !lane.in_ring && !lane.in_line && lane.is_claimable(&self.limits) {
            let group = lane
                .group
                .as_ref()
                .and_then(|home| self.groups.get_mut(home));
            match group.filter(|group| !group.admits(lane.metered)) {
                Some(group) => {
                    lane.in_line = true;
                    group.line.push_back(key.clone());
                }
                None => {
                    lane.in_ring = true;
                    self.ring.push_back(key.clone());
                }
            }
        }
        let idle = lane.waiting.is_empty() && lane.busy == 0;
        // One that stands in the ring is forgotten when its turn comes, else it could stand there twice.
        if idle && lane.slow.is_none() && !lane.in_ring && !lane.in_line {
            let home = self.lanes.remove(key).and_then(|lane| lane.group);
            if let Some(home) = home
                && let Some(group) = self.groups.get_mut(&home)
            {
                group.lanes = group.lanes.saturating_sub(1);
                if group.is_forgettable() {
                    self.groups.remove(&home);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
