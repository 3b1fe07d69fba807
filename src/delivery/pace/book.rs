//! The counts: how many copies each provider got today, and how many it may get. Pure; times are handed in.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Provider;

/// From so many a day on there is no daily limit any more.
const WARM: u32 = 100_000;
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
    pub by: Vec<(Box<str>, Pace)>,
}

impl PaceSettings {
    /// What holds for this one: of several entries the one with the longest name.
    pub fn of(&self, provider: &Provider) -> Pace {
        let named = self.by.iter().filter(|(name, _)| provider.is_named(name));
        named
            .max_by_key(|(name, _)| name.len())
            .map_or(self.usual, |(_, pace)| *pace)
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
}

impl Standing {
    fn begin(day: Date, pace: Pace) -> Self {
        Self {
            day,
            allowed: pace.first_day,
            sent: 0,
            warned: false,
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn somebody() -> Provider {
        Provider::of(["mx.example.org"]).unwrap()
    }

    fn book(per_minute: u32, first_day: u32) -> Book {
        let usual = Pace {
            connections: None,
            per_minute,
            first_day,
        };
        let settings = PaceSettings {
            usual,
            by: Vec::new(),
        };
        Book::new(settings, HashMap::new())
    }

    /// As many as it takes at a moment.
    fn send(book: &mut Book, now: Timestamp, most: u32) -> u32 {
        let mut sent = 0;
        while sent < most && book.admits(&somebody(), now).is_ok() {
            book.count(&somebody(), now);
            sent += 1;
        }
        sent
    }

    #[test]
    fn a_new_server_sends_twice_as_many_each_day_until_it_is_known() {
        let mut book = book(0, 1_000);
        let mut day = at("2026-11-22T23:00:00Z");
        for expected in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000] {
            assert_eq!(send(&mut book, day, u32::MAX), expected);
            assert_eq!(book.admits(&somebody(), day), Err(tomorrow(day)));
            day += SignedDuration::from_hours(24);
        }
        assert_eq!(send(&mut book, day, 300_000), 300_000, "it is warm");
    }

    #[test]
    fn a_day_that_sends_little_earns_nothing_and_a_warning_takes_back() {
        let mut book = book(0, 1_000);
        let day = |day: i64| at("2026-11-22T12:00:00Z") + SignedDuration::from_hours(24 * day);
        assert_eq!(send(&mut book, day(0), 499), 499);
        assert_eq!(send(&mut book, day(1), u32::MAX), 1_000);
        assert_eq!(send(&mut book, day(30), 1_500), 1_500);
        book.warn(&somebody(), day(30));
        assert_eq!(send(&mut book, day(31), u32::MAX), 1_500, "what was taken");
        book.warn(&somebody(), day(31));
        book.warn(&somebody(), day(32));
        assert_eq!(
            send(&mut book, day(33), u32::MAX),
            1_000,
            "never under the first day's"
        );
    }

    #[test]
    fn a_minutes_copies_are_spread_over_it() {
        let mut book = book(60, 0);
        let mut now = at("2026-11-22T12:00:00Z");
        let mut sent = 0;
        for _ in 0..60 {
            sent += send(&mut book, now, u32::MAX);
            now += SignedDuration::from_secs(1);
        }
        assert_eq!(sent, 60);
        let until = book.admits(&somebody(), now - SignedDuration::from_secs(1));
        assert_eq!(until, Err(now));
        // One in a minute is the least that can be asked for.
        let mut slow = super::tests::book(1, 0);
        assert_eq!(send(&mut slow, now, 5), 1);
        assert_eq!(
            slow.admits(&somebody(), now),
            Err(now + SignedDuration::from_secs(60))
        );
    }

    #[test]
    fn what_did_not_go_is_not_counted() {
        let mut book = book(0, 2);
        let now = at("2026-11-22T12:00:00Z");
        assert_eq!(send(&mut book, now, 9), 2);
        book.take_back(&somebody());
        assert_eq!(send(&mut book, now, 9), 1);
        book.take_back(&Provider::of(["nobody.example"]).unwrap());
    }

    #[test]
    fn the_longest_name_decides() {
        let pace = |first_day| Pace {
            first_day,
            ..Pace::default()
        };
        let settings = PaceSettings {
            usual: pace(1),
            by: vec![
                ("google".into(), pace(2)),
                ("example.org".into(), pace(3)),
                ("mx.example.org".into(), pace(4)),
            ],
        };
        let of = |host| settings.of(&Provider::of([host]).unwrap()).first_day;
        assert_eq!(of("aspmx.l.google.com"), 2);
        assert_eq!(of("mail.example.org"), 3);
        assert_eq!(of("a.mx.example.org"), 4);
        assert_eq!(of("mx.example.net"), 1);
    }

    #[test]
    fn one_word_on_a_quiet_day_takes_half_and_no_more() {
        let mut book = book(0, 1_000);
        let day = |day: i64| at("2026-11-22T12:00:00Z") + SignedDuration::from_hours(24 * day);
        for (number, expected) in [(0, 1_000), (1, 2_000), (2, 4_000), (3, 8_000)] {
            assert_eq!(send(&mut book, day(number), u32::MAX), expected);
        }
        assert_eq!(send(&mut book, day(4), 3), 3);
        book.warn(&somebody(), day(4));
        assert_eq!(send(&mut book, day(5), u32::MAX), 8_000, "half of 16,000");
    }

    #[test]
    fn one_day_with_very_many_forgets_the_small_ones() {
        let mut book = book(0, 10);
        let now = at("2026-01-01T12:00:00Z");
        let small = |number: usize| Provider::of([&*format!("mx.{number}.example")]).unwrap();
        let google = Provider::of(["aspmx.l.google.com"]).unwrap();
        book.count(&google, now - SignedDuration::from_hours(24));
        book.count(&small(0), now);
        for number in 0..REMEMBERED {
            book.count(&small(number), now);
        }
        assert!((REMEMBERED / 2..REMEMBERED).contains(&book.standings.len()));
        assert!(book.standings.contains_key(&small(0)), "it got the most");
        assert!(book.standings.contains_key(&google));
    }

    #[test]
    fn not_more_than_so_many_are_remembered() {
        let mut book = book(0, 10);
        for number in 0..REMEMBERED + 10 {
            let hours = i64::try_from(number / 100).unwrap() * 24;
            let now = at("2026-01-01T12:00:00Z") + SignedDuration::from_hours(hours);
            let name = format!("mx.{number}.example");
            book.count(&Provider::of([&*name]).unwrap(), now);
        }
        assert!(book.standings.len() < REMEMBERED);
        let last = format!("mx.{}.example", REMEMBERED + 9);
        assert!(
            book.standings
                .contains_key(&Provider::of([&*last]).unwrap())
        );
    }

    proptest! {
        /// Whatever the clock does: never more in a day than is allowed on it, and it always says when to come back.
        #[test]
        fn limits_hold_whatever_the_clock_does(
            first_day in 1u32..50, per_minute in 0u32..200,
            steps in proptest::collection::vec((-100_000i64..100_000, 0u32..80), 1..60),
        ) {
            let mut book = book(per_minute, first_day);
            let mut now = at("2026-11-22T12:00:00Z");
            for (seconds, count) in steps {
                now += SignedDuration::from_secs(seconds);
                send(&mut book, now, count);
                let (standing, left) = book.today(&somebody(), now);
                prop_assert!(standing.sent <= standing.allowed || left.is_none());
                if let Err(until) = book.admits(&somebody(), now) {
                    prop_assert!(until > now);
                }
            }
        }
    }
}
