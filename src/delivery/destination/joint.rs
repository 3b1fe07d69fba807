//! What destinations do as a group: have slots together, be paused, and have spent what they may have.

use std::hash::Hash;
use std::time::Instant;

use super::group::Group;
use super::lane::Slow;
use super::{Fair, Key, Who};

/// Destinations whose group is remembered while they have no work.
const HOMES: usize = 10_000;

impl<K: Key, G: Hash + Eq + Clone, J> Fair<K, G, J> {
    /// The destination belongs to this group, which may have `most` slots. Says whether the worker may keep its slot; if
    /// not, it gives it back, and the destination waits until the group has one for it.
    pub fn join(&mut self, key: &K, home: &G, most: usize) -> bool {
        let Some(lane) = self.lanes.get_mut(key) else {
            return true;
        };
        if lane.group.as_ref() != Some(home) {
            let old = lane.group.replace(home.clone());
            lane.in_line = false;
            let busy = lane.busy;
            if let Some(old) = old {
                self.part(&old, key, busy);
            }
            let group = self.groups.entry(home.clone()).or_insert_with(Group::new);
            group.lanes += 1;
            group.add(key.is_metered(), busy);
            if self.homes.len() >= HOMES {
                self.homes.clear();
            }
            self.homes.insert(key.clone(), home.clone());
        }
        let Some(group) = self.groups.get_mut(home) else {
            return true;
        };
        group.most = most;
        let may_stay = group.holds(key.is_metered());
        self.settle(key);
        self.call(Some(home));
        may_stay
    }

    /// A lane leaves a group.
    fn part(&mut self, home: &G, key: &K, busy: usize) {
        if let Some(group) = self.groups.get_mut(home) {
            group.subtract(key.is_metered(), busy);
            group.lanes = group.lanes.saturating_sub(1);
            group.line.retain(|other| other != key);
            if group.is_forgettable() {
                self.groups.remove(home);
            }
        }
        self.call(Some(home));
    }

    /// The group that a destination is in, as far as is known.
    pub fn group_of(&self, key: &K) -> Option<&G> {
        match self.lanes.get(key) {
            Some(lane) => lane.group.as_ref(),
            None => self.homes.get(key),
        }
    }

    /// The groups that have work or are held up: slots in use, jobs that wait in its line, and until when it is paused.
    pub fn groups(&self) -> impl Iterator<Item = (&G, usize, usize, Option<Instant>)> {
        self.groups.iter().map(|(name, group)| {
            let lanes = group.line.iter().filter_map(|key| self.lanes.get(key));
            let waiting = lanes.map(|lane| lane.waiting.len()).sum();
            (name, group.busy(), waiting, group.paused_until())
        })
    }

    /// How many jobs wait in a group's line.
    pub fn waiting_of(&self, home: &G) -> usize {
        let line = self
            .groups
            .get(home)
            .into_iter()
            .flat_map(|group| &group.line);
        let lanes = line.filter_map(|key| self.lanes.get(key));
        lanes.map(|lane| lane.waiting.len()).sum()
    }

    /// All of a destination's group want less. Without a group it's the destination alone.
    pub fn slow_group(&mut self, key: &K, until: Instant) {
        let single = self.limits.single;
        let home = self.group_of(key).cloned();
        let Some((home, group)) =
            home.and_then(|home| Some((home.clone(), self.groups.get_mut(&home)?)))
        else {
            return self.slow_down(key, until);
        };
        let slow = Slow::new(group.slow, until, single);
        group.slow = Some(slow);
        self.wake_at(&slow, &Who::Group(home));
    }

    /// The group has had what it may have until then: its metered destinations wait.
    pub fn set_spent(&mut self, home: &G, until: Instant) {
        if let Some(group) = self.groups.get_mut(home) {
            group.spent_until = Some(until);
            self.wakes.add(until, Who::Group(home.clone()));
        }
    }

    /// The group may have more after all.
    pub fn set_unspent(&mut self, home: &G) {
        if let Some(group) = self.groups.get_mut(home) {
            group.spent_until = None;
        }
        self.call(Some(home));
    }

    /// Nobody has spent anything any more: the clock has moved.
    pub fn unspend(&mut self) {
        let homes: Vec<G> = self.groups.keys().cloned().collect();
        homes.iter().for_each(|home| self.set_unspent(home));
    }

    /// Until when nothing can be done for a destination, for its group is held up.
    pub fn closed_until(&self, key: &K) -> Option<Instant> {
        let group = self.groups.get(self.group_of(key)?)?;
        let spent = group.spent_until.filter(|_| key.is_metered());
        group.paused_until().max(spent)
    }

    /// Whether a group was asked to be left alone.
    pub fn is_paused(&self, home: &G) -> bool {
        self.groups
            .get(home)
            .is_some_and(|group| group.paused_until().is_some())
    }

    /// Takes out jobs that can't be done before `after`, each with when it can be.
    pub fn take_closed(&mut self, after: Instant) -> Vec<(K, J, Instant)> {
        let held_up = self.groups.values().filter(|group| group.is_held_up());
        let keys: Vec<K> = held_up
            .flat_map(|group| group.line.iter().cloned())
            .collect();
        let mut taken = Vec::new();
        for key in keys {
            let Some(until) = self.closed_until(&key).filter(|until| *until > after) else {
                continue;
            };
            while let Some(job) = self.take(&key) {
                taken.push((key.clone(), job, until));
            }
        }
        taken
    }

    /// Calls the next of a group's line into the ring, if the group has a slot for it. Who has none yet comes first.
    pub(super) fn call(&mut self, home: Option<&G>) {
        let Some(home) = home else { return };
        if let Some(group) = self.groups.get_mut(home) {
            let has_none = |key: &K| self.lanes.get(key).is_none_or(|lane| lane.busy == 0);
            let first = group.line.iter().position(has_none);
            let first = first.and_then(|at| group.line.remove(at));
            first.into_iter().for_each(|key| group.line.push_front(key));
        }
        let waiting = self.groups.get(home).map_or(0, |group| group.line.len());
        for _ in 0..waiting {
            let Some(group) = self.groups.get_mut(home) else {
                return;
            };
            let Some(key) = group.line.pop_front() else {
                break;
            };
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.in_line = false;
            }
            self.settle(&key);
            if self.lanes.get(&key).is_some_and(|lane| lane.in_ring) {
                break;
            }
        }
        if self.groups.get(home).is_some_and(Group::is_forgettable) {
            self.groups.remove(home);
        }
    }
}
