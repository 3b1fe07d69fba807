//! What the desk gives out at the provider's pace, and what it sends back for a while.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::PaceStatus;
use super::super::failure::{Extent, Failure};
use super::{Desk, Destination, Job, State};
use crate::delivery::pace::Provider;

/// A hold-up that is over sooner is waited for; for a longer one, parcels go back to where they came from.
const SOON: Duration = Duration::from_secs(90);
/// What is said of copies that wait for tomorrow.
const SPENT: &str = "the provider's share of today is sent (warm-up)";
/// What is said of mail that waits for a provider that gave no reason.
const PAUSED: &str = "the provider asked us to slow down";

/// A job that its provider has no place for now.
pub(in crate::delivery::engine) struct PutOff {
    pub(in crate::delivery::engine) job: Job,
    pub(in crate::delivery::engine) until: Timestamp,
    pub(in crate::delivery::engine) said: String,
}

impl Desk {
    /// The next job for a destination, if its provider may get one now.
    pub(in crate::delivery::engine) fn take(&self, to: &Destination) -> Option<Job> {
        let mut state = self.state();
        let provider = to.bulk.then(|| state.fair.group_of(to).cloned()).flatten();
        let Some(provider) = provider else {
            let job = state.fair.take(to)?;
            if to.bulk {
                *state.uncounted.entry(to.clone()).or_default() += 1;
            }
            return Some(job);
        };
        let now = self.clock.now();
        if let Err(until) = self.pace.admits(&provider, now) {
            spend(&mut state, &provider, now, until);
            return None;
        }
        let job = state.fair.take(to)?;
        self.pace.count(&provider, now);
        Some(job)
    }

    /// So many jobs that were taken for a destination did not go.
    pub(super) fn uncount(&self, state: &mut State, to: &Destination, count: usize) {
        let provider = state.fair.group_of(to).filter(|_| to.bulk).cloned();
        for _ in 0..count {
            let uncounted = state.uncounted.get_mut(to).filter(|count| **count > 0);
            match (uncounted, &provider) {
                (Some(count), _) => *count -= 1,
                (None, Some(provider)) => self.pace.take_back(provider),
                (None, None) => {}
            }
        }
        if let Some(provider) = provider
            && self.pace.admits(&provider, self.clock.now()).is_ok()
        {
            state.fair.set_unspent(&provider);
        }
    }

    /// The destination, or its whole provider, wants to be left alone.
    pub(in crate::delivery::engine) fn slow_down(
        &self,
        to: &Destination,
        pause: Duration,
        failure: &Failure,
    ) {
        let mut state = self.state();
        let until = Instant::now() + pause;
        match state.fair.group_of(to).cloned() {
            Some(provider) if failure.extent == Extent::Provider => {
                self.pace.warn(&provider, self.clock.now());
                state.fair.slow_group(to, until);
                state.said.insert(provider, failure.said.clone());
            }
            _ => state.fair.slow_down(to, until),
        }
        drop(state);
        self.bell.slot();
    }

    /// Its servers are this provider's. Says whether a connection may be made for it now.
    pub(in crate::delivery::engine) fn join(&self, to: &Destination, provider: &Provider) -> bool {
        let most = self.pace.of(provider).connections.unwrap_or(self.each);
        let mut state = self.state();
        let now = self.clock.now();
        // What was counted when it was taken has its place in the share.
        let uncounted = state.uncounted.get(to).is_some_and(|count| *count > 0);
        if uncounted && let Err(until) = self.pace.admits(provider, now) {
            state.fair.join(to, provider, most);
            spend(&mut state, provider, now, until);
            return false;
        }
        let joined = state.fair.join(to, provider, most);
        if joined && let Some(count) = state.uncounted.remove(to) {
            (0..count).for_each(|_| self.pace.count(provider, now));
        }
        joined
    }

    /// If parcels for a destination have to wait for longer than a moment: until when, and why.
    pub(super) fn held_up(&self, state: &State, to: &Destination) -> Option<(Timestamp, String)> {
        let now = Instant::now();
        let until = state.fair.closed_until(to)?;
        let wait = until.checked_duration_since(now)?;
        (wait > SOON).then(|| self.put_off(state, to, wait))
    }

    fn put_off(&self, state: &State, to: &Destination, wait: Duration) -> (Timestamp, String) {
        let until = self
            .clock
            .now()
            .saturating_add(wait)
            .unwrap_or(Timestamp::MAX);
        let provider = state.fair.group_of(to);
        let said = match provider.map(|provider| (provider, state.fair.is_paused(provider))) {
            Some((provider, true)) => state.said.get(provider).map_or(PAUSED, String::as_str),
            _ => SPENT,
        };
        (until, said.to_owned())
    }

    /// Takes out jobs that have to wait for longer than a moment. They stay under way until that is written down.
    pub(in crate::delivery::engine) fn take_held_up(&self) -> Vec<PutOff> {
        let mut state = self.state();
        let now = Instant::now();
        let taken = state.fair.take_closed(now + SOON);
        let taken = taken.into_iter().map(|(to, job, until)| {
            let (until, said) = self.put_off(&state, &to, until.duration_since(now));
            PutOff { job, until, said }
        });
        taken.collect()
    }

    /// The clock has moved into another day: what was spent is not.
    pub(in crate::delivery::engine) fn new_day(&self) {
        self.state().fair.unspend();
        self.bell.slot();
    }

    /// How each provider stands that there's something to say of.
    pub(in crate::delivery::engine) fn paces(&self) -> Vec<PaceStatus> {
        let state = self.state();
        let now = self.clock.now();
        let groups = state.fair.groups();
        let mut paces: Vec<_> = groups
            .map(|(provider, busy, waiting, paused)| {
                let (standing, left) = self.pace.today(provider, now);
                let wait = paused.map(|until| until.saturating_duration_since(Instant::now()));
                PaceStatus {
                    provider: provider.known(),
                    busy,
                    waiting,
                    sent_today: standing.sent,
                    allowed_today: left.map(|_| standing.allowed),
                    paused_until: wait.and_then(|wait| now.saturating_add(wait).ok()),
                    said: paused.and_then(|_| state.said.get(provider).cloned()),
                }
            })
            .collect();
        paces.sort_by(|a, b| {
            (b.busy + b.waiting, a.provider).cmp(&(a.busy + a.waiting, b.provider))
        });
        paces
    }
}

/// The provider gets no more copies before then.
fn spend(state: &mut State, provider: &Provider, now: Timestamp, until: Timestamp) {
    let wait: Duration = until.duration_since(now).try_into().unwrap_or_default();
    state.fair.set_spent(provider, Instant::now() + wait);
}
