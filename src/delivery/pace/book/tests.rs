//! Tests of the counts: what a day and a minute allow, what a warning takes back, and who is forgotten.

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
fn other_settings_hold_on_the_same_day() {
    let now = at("2026-11-22T12:00:00Z");
    let usual = |first_day| PaceSettings {
        usual: Pace {
            first_day,
            ..Pace::default()
        },
        by: Vec::new(),
    };
    let mut book = book(0, 10);
    assert_eq!(send(&mut book, now, 99), 10);
    book.set(usual(30));
    assert_eq!(send(&mut book, now, 99), 20);
    book.set(usual(5));
    assert_eq!(send(&mut book, now, 99), 0);
    book.set(usual(0));
    assert_eq!(send(&mut book, now, 99), 99, "no limit");
    book.set(usual(200));
    assert_eq!(send(&mut book, now, 999), 200 - 129, "a limit again");
    // Who has earned more than a first day's keeps it.
    let tomorrow = tomorrow(now);
    assert_eq!(send(&mut book, tomorrow, 999), 400);
    book.set(usual(50));
    assert_eq!(book.today(&somebody(), tomorrow).0.allowed, 400);
}

#[test]
fn the_longest_name_decides() {
    let first_day = |first_day| OwnPace {
        first_day: Some(first_day),
        ..OwnPace::default()
    };
    let per_minute = OwnPace {
        per_minute: Some(7),
        ..OwnPace::default()
    };
    let settings = PaceSettings {
        usual: Pace {
            first_day: 1,
            ..Pace::default()
        },
        by: vec![
            ("google".into(), first_day(2)),
            ("example.org".into(), first_day(3)),
            ("mx.example.org".into(), first_day(4)),
            ("a.mx.example.org".into(), per_minute),
            ("outlook.com".into(), first_day(5)),
        ],
    };
    let of = |host| settings.of(&Provider::of([host]).unwrap()).first_day;
    assert_eq!(of("aspmx.l.google.com"), 2);
    assert_eq!(of("mail.example.org"), 3);
    assert_eq!(of("a.mx.example.org"), 4);
    assert_eq!(of("mx.example.net"), 1);
    assert_eq!(of("party-example.mail.protection.outlook.com"), 5);
    let both = settings.of(&Provider::of(["a.mx.example.org"]).unwrap());
    assert_eq!((both.first_day, both.per_minute), (4, 7), "each its own");
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
