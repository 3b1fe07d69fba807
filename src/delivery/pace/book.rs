//! The counts: how many copies each provider got today, and how many it may get. Pure; times are handed in.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Provider;

/// From so many a day on there is no daily limit any more.
const WARM: u32 = 100_000;
/// The longest that anybody is left alone.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);
/// Providers that are remembered; of more, those that got nothing for the longest are forgotten.
const REMEMBERED: usize = 5_000;

/// How fast one provider gets copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// Connections at once; none: as for any destination.
    pub connections: Option<usize>,
    /// Copies in a minute; 0 is as fast as it takes them.
    pub per_minute: u32,
    /// Copies on the first day. Each day that used at least half of them allows twice as many. 0: no such limit.
    pub first_day: u32,
}

/// How fast providers get copies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PaceSettings {
    /// Those that nothing else is said of.
    pub usual: Pace,
    /// By a large one's name or by the domain of the servers.
    pub by: Vec<(Box<str>, OwnPace)>,
}

/// What is said of one provider; for the rest, the usual holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnPace {
    /// Connections at once.
    pub connections: Option<usize>,
    /// Copies in a minute.
    pub per_minute: Option<u32>,
    /// Copies on the first day.
    pub first_day: Option<u32>,
}

impl PaceSettings {
    /// What holds for this one: of several entries that say a number, the one with the longest name.
    pub fn of(&self, provider: &Provider) -> Pace {
        let named = self.by.iter().filter(|(name, _)| provider.is_named(name));
        let mut named: Vec<_> = named.collect();
        named.sort_by_key(|(name, _)| name.len());
        named.into_iter().fold(self.usual, |pace, (_, own)| Pace {
            connections: own.connections.or(pace.connections),
            per_minute: own.per_minute.unwrap_or(pace.per_minute),
            first_day: own.first_day.unwrap_or(pace.first_day),
        })
    }
}

/// What a provider got, and may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The last day (UTC) on which it got anything.
    pub day: Date,
    /// How many it may get on that day.
    pub allowed: u32,
    /// How many it got on that day.
    pub sent: u32,
    /// It asked us to slow down on that day.
    pub warned: bool,
    /// It asked to be left alone until then.
    #[serde(default)]
    pub paused_until: Option<Timestamp>,
}

impl Standing {
    fn begin(day: Date, pace: Pace) -> Self {
        Self {
            day,
            allowed: pace.first_day,
            sent: 0,
            warned: false,
            paused_until: None,
        }
    }

    /// The standing of a later day. Who was told to slow down goes on with what was taken, or, if that was little because
    /// there was little to send, with half.
    fn roll(&mut self, day: Date, pace: Pace) {
        if day <= self.day {
            return;
        }
        let grown = match (self.warned, self.sent >= self.allowed / 2) {
            (true, _) => self.sent.max(self.allowed / 2).min(self.allowed),
            (false, true) => self.allowed.saturating_mul(2),
            (false, false) => self.allowed,
        };
        *self = Self {
            allowed: grown.max(pace.first_day),
            paused_until: self.paused_until,
            ..Self::begin(day, pace)
        };
    }

    /// How many more it may get; none if there's no limit.
    fn left(&self, pace: Pace) -> Option<u32> {
        let limited = pace.first_day > 0 && self.allowed < WARM;
        limited.then(|| self.allowed.saturating_sub(self.sent))
    }
}

/// A short stretch of time, so that a minute's copies don't all leave in its first second.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: Timestamp,
    sent: u32,
}

impl Window {
    /// How long it is, and how many it holds.
    fn measure(per_minute: u32) -> (SignedDuration, u32) {
        let share = (per_minute / 10).max(1);
        let millis = i64::from(share) * 60_000 / i64::from(per_minute.max(1));
        (SignedDuration::from_millis(millis), share)
    }
}

/// All providers' counts.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) settings: PaceSettings,
    standings: HashMap<Provider, Standing>,
    windows: HashMap<Provider, Window>,
    /// Something has changed since it was written down.
    pub(super) dirty: bool,
}

impl Book {
    pub(super) fn new(settings: PaceSettings, standings: HashMap<Provider, Standing>) -> Self {
        Self {
            settings,
            standings,
            ..Self::default()
        }
    }

    /// Uses other settings from now on. What a first day allows takes effect at once, for who is in its first day.
    pub(super) fn set(&mut self, settings: PaceSettings) {
        for (provider, standing) in &mut self.standings {
            let (was, is) = (self.settings.of(provider), settings.of(provider));
            standing.allowed = match standing.allowed == was.first_day {
                true => is.first_day,
                false => standing.allowed.max(is.first_day),
            };
        }
        self.settings = settings;
        self.dirty = true;
    }

    /// Whether one more copy may go to it now.
    ///
    /// # Errors
    /// When the next one may.
    pub(super) fn admits(&mut self, provider: &Provider, now: Timestamp) -> Result<(), Timestamp> {
        let pace = self.settings.of(provider);
        if pace.first_day > 0 && self.standing(provider, pace, now).left(pace) == Some(0) {
            return Err(tomorrow(now));
        }
        match self.window(provider, pace, now) {
            Some((window, length, share)) if window.sent >= share => Err(window
                .began
                .saturating_add(length)
                .unwrap_or(Timestamp::MAX)),
            _ => Ok(()),
        }
    }

    /// Counts a copy that is about to go.
    pub(super) fn count(&mut self, provider: &Provider, now: Timestamp) {
        let pace = self.settings.of(provider);
        let standing = self.standing(provider, pace, now);
        standing.sent = standing.sent.saturating_add(1);
        if let Some((window, ..)) = self.window(provider, pace, now) {
            window.sent = window.sent.saturating_add(1);
        }
        self.dirty = true;
    }

    /// Takes a count back: it did not go.
    pub(super) fn take_back(&mut self, provider: &Provider) {
        if let Some(standing) = self.standings.get_mut(provider) {
            standing.sent = standing.sent.saturating_sub(1);
        }
        if let Some(window) = self.windows.get_mut(provider) {
            window.sent = window.sent.saturating_sub(1);
        }
    }

    /// It asked us to slow down.
    pub(super) fn warn(&mut self, provider: &Provider, now: Timestamp) {
        let pace = self.settings.of(provider);
        self.standing(provider, pace, now).warned = true;
        self.dirty = true;
    }

    /// It is left alone until then, over a restart too.
    pub(super) fn pause(&mut self, provider: &Provider, until: Timestamp, now: Timestamp) {
        let pace = self.settings.of(provider);
        let standing = self.standing(provider, pace, now);
        standing.paused_until = standing.paused_until.max(Some(until));
        self.dirty = true;
    }

    /// Until when it is left alone.
    pub(super) fn paused_until(&self, provider: &Provider, now: Timestamp) -> Option<Timestamp> {
        let until = self.standings.get(provider)?.paused_until;
        // No pause is this long: the clock was set back.
        until.filter(|until| *until > now && until.duration_since(now) <= LONGEST_PAUSE)
    }

    /// Those that get nothing now, whether or not anything is at hand for them.
    pub(super) fn held_up(&mut self, now: Timestamp) -> Vec<Provider> {
        let all: Vec<Provider> = self.standings.keys().cloned().collect();
        let is_held_up = |provider: &Provider| {
            self.paused_until(provider, now).is_some() || self.today(provider, now).1 == Some(0)
        };
        all.into_iter().filter(is_held_up).collect()
    }

    /// How it stands today, and how many more it may get; none if there is no limit.
    pub(super) fn today(&mut self, provider: &Provider, now: Timestamp) -> (Standing, Option<u32>) {
        let pace = self.settings.of(provider);
        let standing = *self.standing(provider, pace, now);
        (standing, standing.left(pace))
    }

    /// What is worth keeping.
    pub(super) fn standings(&self) -> Vec<(Provider, Standing)> {
        let standings = self.standings.iter();
        standings
            .map(|(name, kept)| (name.clone(), *kept))
            .collect()
    }

    fn standing(&mut self, provider: &Provider, pace: Pace, now: Timestamp) -> &mut Standing {
        if self.standings.len() >= REMEMBERED && !self.standings.contains_key(provider) {
            self.forget_oldest();
        }
        let today = now.to_zoned(TimeZone::UTC).date();
        let standing = self.standings.entry(provider.clone());
        let standing = standing.or_insert_with(|| Standing::begin(today, pace));
        standing.roll(today, pace);
        standing
    }

    fn window(
        &mut self,
        provider: &Provider,
        pace: Pace,
        now: Timestamp,
    ) -> Option<(&mut Window, SignedDuration, u32)> {
        if pace.per_minute == 0 {
            return None;
        }
        let (length, share) = Window::measure(pace.per_minute);
        let begun = Window {
            began: now,
            sent: 0,
        };
        let window = self.windows.entry(provider.clone()).or_insert(begun);
        let age = now.duration_since(window.began);
        // A clock set back must not close a window for longer than it is.
        if age >= length || age.is_negative() {
            *window = begun;
        }
        Some((window, length, share))
    }

    fn forget_oldest(&mut self) {
        let rank = |(provider, standing): (&Provider, &Standing)| {
            let is_large = provider.known().is_some();
            (is_large, standing.day, standing.sent, provider.clone())
        };
        let mut ranks: Vec<_> = self.standings.iter().map(rank).collect();
        let middle = ranks.len() / 2;
        // Of one day, those that got the least: what a large provider earned us isn't lost for many small ones.
        ranks.sort_unstable();
        for (.., provider) in ranks.drain(..middle) {
            self.standings.remove(&provider);
            self.windows.remove(&provider);
        }
    }
}

/// The beginning of the next day (UTC).
fn tomorrow(now: Timestamp) -> Timestamp {
    let day = now.to_zoned(TimeZone::UTC).date();
    let next = day.tomorrow().ok();
    next.and_then(|next| next.to_zoned(TimeZone::UTC).ok())
        .map_or(Timestamp::MAX, |midnight| midnight.timestamp())
}

#[cfg(test)]
mod tests;
