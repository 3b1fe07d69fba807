//! What the desk gives out at the provider's pace, and what it sends back for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::super::PaceStatus;
use super::super::failure::Failure;
use super::{Desk, Destination, Job, State};
use crate::delivery::pace::Provider;

/// A hold-up that is over sooner is waited for; for a longer one, parcels go back to where they came from.
const SOON: Duration = Duration::from_secs(90);
/// Who got so many copies today has several people's mail: its name is no one person's domain.
const OF_MANY: u32 = 10;
/// What is said of copies that wait for tomorrow.
const SPENT: &str = "the provider's share of today is sent (warm-up)";
/// What is said of copies that wait for their minute.
const TURN: &str = "the provider gets so many copies a minute";
/// What is said of mail that waits for a provider.
const PAUSED: &str = "the provider asked us to slow down";

/// A job that its provider has no place for now.
pub(in crate::delivery::engine) struct PutOff {
    pub(in crate::delivery::engine) job: Job,
    pub(in crate::delivery::engine) until: Timestamp,
    pub(in crate::delivery::engine) said: &'static str,
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

    /// The destination, or its whole provider, wants to be left alone. Only what was said of copies, and of how many they
    /// are, takes back what the warm-up earned.
    pub(in crate::delivery::engine) fn slow_down(
        &self,
        to: &Destination,
        pause: Duration,
        failure: &Failure,
    ) {
        let mut state = self.state();
        let until = Instant::now() + pause;
        match state.fair.group_of(to).cloned() {
            Some(provider) if failure.speaks_for(&provider) => {
                if to.bulk && failure.is_about_our_mail() {
                    self.pace.warn(&provider, self.clock.now());
                }
                let now = self.clock.now();
                let pause = SignedDuration::try_from(pause).unwrap_or_default();
                let over = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
                self.pace.pause(&provider, over, now);
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
        // It asked for it before a restart.
        if let Some(until) = self.pace.paused_until(provider, now)
            && !state.fair.is_paused(provider)
        {
            let wait: Duration = until.duration_since(now).try_into().unwrap_or_default();
            state.fair.slow_group(to, Instant::now() + wait);
            return false;
        }
        if joined && let Some(count) = state.uncounted.remove(to) {
            (0..count).for_each(|_| self.pace.count(provider, now));
        }
        joined
    }

    /// If parcels for a destination have to wait for longer than a moment: until when, and why.
    pub(super) fn held_up(
        &self,
        state: &mut State,
        to: &Destination,
    ) -> Option<(Timestamp, &'static str)> {
        let now = Instant::now();
        let until = state.fair.closed_until(to)?;
        let wait = until.checked_duration_since(now)?;
        (wait > SOON).then(|| self.put_off(state, to, wait))
    }

    /// When it is the turn of a copy for which there is no room here, if its provider gets so many in a minute: each has its
    /// own. Left due, thousands of them would be looked at over and over, and would keep the mailing from going on to
    /// everybody else.
    pub(super) fn turn(
        &self,
        state: &mut State,
        to: &Destination,
    ) -> Option<(Timestamp, &'static str)> {
        let provider = state.fair.group_of(to).filter(|_| to.bulk)?.clone();
        let per_minute = i64::from(self.pace.of(&provider).per_minute);
        if per_minute == 0 {
            return None;
        }
        let each = SignedDuration::from_millis(60_000 / per_minute);
        let waiting = i32::try_from(state.fair.waiting_of(&provider)).unwrap_or(i32::MAX);
        let after = |at: Timestamp, wait| at.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let earliest = after(self.clock.now(), each.saturating_mul(waiting));
        let turn = state.turns.get(&provider).copied();
        let turn = turn.unwrap_or(earliest).max(earliest);
        note(state, &provider, turn);
        state.turns.insert(provider, after(turn, each));
        Some((turn, TURN))
    }

    /// What the provider said stays out of it: that was said of somebody else's mail.
    fn put_off(
        &self,
        state: &mut State,
        to: &Destination,
        wait: Duration,
    ) -> (Timestamp, &'static str) {
        let until = self
            .clock
            .now()
            .saturating_add(wait)
            .unwrap_or(Timestamp::MAX);
        let provider = state.fair.group_of(to).cloned();
        let is_paused = provider.as_ref();
        let is_paused = is_paused.is_some_and(|provider| state.fair.is_paused(provider));
        if let Some(provider) = provider {
            note(state, &provider, until);
        }
        (until, if is_paused { PAUSED } else { SPENT })
    }

    /// A parcel for this destination goes back to where it came from, and comes again after a pause.
    pub(in crate::delivery::engine) fn comes_again(&self, to: &Destination, pause: Duration) {
        let mut state = self.state();
        let pause = SignedDuration::try_from(pause).unwrap_or_default();
        let until = self.clock.now().saturating_add(pause);
        if let Some(provider) = state.fair.group_of(to).cloned() {
            note(&mut state, &provider, until.unwrap_or(Timestamp::MAX));
        }
    }

    /// Takes out jobs that have to wait for longer than a moment. They stay under way until that is written down.
    pub(in crate::delivery::engine) fn take_held_up(&self) -> Vec<PutOff> {
        let mut state = self.state();
        let now = Instant::now();
        let taken = state.fair.take_closed(now + SOON);
        let taken = taken.into_iter().map(|(to, job, until)| {
            let (until, said) = self.put_off(&mut state, &to, until.duration_since(now));
            PutOff { job, until, said }
        });
        taken.collect()
    }

    /// It is another day, or other limits hold: what was spent is looked at anew.
    pub(in crate::delivery::engine) fn unspend(&self) {
        let mut state = self.state();
        state.turns.clear();
        state.fair.unspend();
        let State { fair, said, .. } = &mut *state;
        said.retain(|provider, _| fair.is_paused(provider));
        drop(state);
        self.bell.slot();
    }

    /// How each provider stands that there's something to say of: those with mail at hand, and those that are held up,
    /// maybe since before the start.
    pub(in crate::delivery::engine) fn paces(&self) -> Vec<PaceStatus> {
        let mut state = self.state();
        let now = self.clock.now();
        state.put_off.retain(|_, minutes| {
            minutes.retain(|minute, _| *minute > minute_of(now));
            !minutes.is_empty()
        });
        let state = &*state;
        let at_hand: BTreeMap<Provider, _> = state
            .fair
            .groups()
            .map(|(provider, busy, waiting, paused)| (provider.clone(), (busy, waiting, paused)))
            .collect();
        let mut all: Vec<Provider> = at_hand.keys().cloned().collect();
        all.extend(self.pace.held_up(now));
        all.sort();
        all.dedup();
        let pace = |provider: &Provider| {
            let (standing, left) = self.pace.today(provider, now);
            let (busy, waiting, paused) = at_hand.get(provider).copied().unwrap_or_default();
            let wait = paused.map(|until| until.saturating_duration_since(Instant::now()));
            let paused_until = wait.and_then(|wait| now.saturating_add(wait).ok());
            let paused_until = paused_until.or_else(|| self.pace.paused_until(provider, now));
            let put_off = state.put_off.get(provider).into_iter().flatten();
            let is_of_many = provider.known().is_some() || standing.sent >= OF_MANY;
            PaceStatus {
                provider: is_of_many.then(|| provider.name().to_owned()),
                busy,
                waiting: waiting + put_off.map(|(_, count)| count).sum::<usize>(),
                sent_today: standing.sent,
                allowed_today: left.map(|_| standing.allowed),
                said: paused_until.and_then(|_| state.said.get(provider).cloned()),
                paused_until,
            }
        };
        let mut paces: Vec<_> = all.iter().map(pace).collect();
        let much = |pace: &PaceStatus| std::cmp::Reverse(pace.busy + pace.waiting);
        paces.sort_by(|a, b| (much(a), &a.provider).cmp(&(much(b), &b.provider)));
        paces
    }
}

/// A parcel for a provider comes again then. Times are kept by the minute, since each may have its own.
fn note(state: &mut State, provider: &Provider, until: Timestamp) {
    let minutes = state.put_off.entry(provider.clone()).or_default();
    *minutes.entry(minute_of(until)).or_default() += 1;
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// The provider gets no more copies before then.
fn spend(state: &mut State, provider: &Provider, now: Timestamp, until: Timestamp) {
    let wait: Duration = until.duration_since(now).try_into().unwrap_or_default();
    state.fair.set_spent(provider, Instant::now() + wait);
}
