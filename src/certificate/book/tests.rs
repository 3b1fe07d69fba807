//! What the book of certificates says of renewals and faults.

#![allow(clippy::unwrap_used)]

use super::*;

fn issued(days: i64) -> Issued {
    let from: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    Issued {
        chain: String::new(),
        asked: Vec::new(),
        left_out: Vec::new(),
        got_at: from,
        from,
        until: from + SignedDuration::from_hours(24 * days),
        directory: String::new(),
    }
}

fn day(issued: &Issued, at: Timestamp) -> i64 {
    at.duration_since(issued.from).as_hours() / 24
}

#[test]
fn a_certificate_is_renewed_at_two_thirds_or_as_the_authority_says() {
    let certificate = issued(90);
    assert_eq!(day(&certificate, renew_at(&certificate, None)), 60);
    let at = |days: i64| {
        let renew_at = certificate.from + SignedDuration::from_hours(24 * days);
        Some(Hint {
            renew_at,
            ask_again: renew_at,
        })
    };
    for (says, then) in [(30, 30), (70, 70), (89, 81), (200, 81)] {
        assert_eq!(day(&certificate, renew_at(&certificate, at(says))), then);
    }
    // It was revoked, say: at once, but not over and over.
    assert_eq!(day(&certificate, renew_at(&certificate, at(-1))), 1);
    assert_eq!(day(&issued(6), renew_at(&issued(6), None)), 4);
}

#[test]
fn one_that_was_just_got_is_not_asked_for_again_whatever_the_clock_says() {
    let mut late = issued(90);
    late.got_at = late.from + SignedDuration::from_hours(24 * 80);
    assert_eq!(day(&late, renew_at(&late, None)), 81);
}

#[test]
fn the_next_keys_wait_two_ttls_after_they_were_seen() {
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut book = Book::new(now).unwrap();
    let first = book.live.digests();
    assert!(!book.switch(), "there are none");
    let no_wait = Some(SignedDuration::ZERO);
    book.next = Some(Next::of(KeySet::make(2, now).unwrap(), no_wait));
    let late = now + SignedDuration::from_hours(1000);
    assert!(!book.may_switch(late), "nobody has seen them");
    assert!(book.seen(now, SignedDuration::from_hours(3)));
    assert!(!book.seen(late, SignedDuration::from_hours(3)), "once");
    assert!(!book.may_switch(now + SignedDuration::from_mins(359)));
    assert!(book.may_switch(now + SignedDuration::from_hours(6)));
    let mut book = Book::read(&book.write()).unwrap();
    assert!(book.switch());
    assert_eq!(book.retired, first);
    assert_ne!(book.live.digests(), first);
    assert_eq!(book.live.number, 2);
}

#[test]
fn a_ttl_of_nothing_still_waits_and_one_of_years_is_not_believed() {
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    for (ttl, hours) in [(0, 1), (24 * 365, 14 * 24)] {
        let mut book = Book::new(now).unwrap();
        let set = book.live.clone();
        book.next = Some(Next::of(set, Some(SignedDuration::ZERO)));
        book.seen(now, SignedDuration::from_hours(ttl));
        assert!(!book.may_switch(now + SignedDuration::from_mins(hours * 60 - 1)));
        assert!(book.may_switch(now + SignedDuration::from_hours(hours)));
    }
}

#[test]
fn who_lowers_the_ttl_with_the_new_records_waits_for_the_old_one() {
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let short = SignedDuration::from_mins(5);
    let day = SignedDuration::from_hours(24);
    // Where nobody said what it was, a day is taken.
    for (old, hours) in [(Some(day), 48), (None, 48), (Some(short), 1)] {
        let mut book = Book::new(now).unwrap();
        book.next = Some(Next::of(book.live.clone(), old));
        assert!(book.seen(now, short));
        assert!(!book.may_switch(now + SignedDuration::from_mins(hours * 60 - 1)));
        assert!(book.may_switch(now + SignedDuration::from_hours(hours)));
    }
}

#[test]
fn records_that_are_gone_again_are_waited_for_anew() {
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut book = Book::new(now).unwrap();
    assert!(!book.unseen());
    book.next = Some(Next::of(
        book.live.clone(),
        Some(SignedDuration::from_hours(9)),
    ));
    assert!(!book.unseen());
    book.seen(now, SignedDuration::ZERO);
    assert!(book.unseen());
    let late = now + SignedDuration::from_hours(1000);
    assert!(!book.may_switch(late));
    assert!(book.seen(late, SignedDuration::ZERO));
    assert!(!book.may_switch(late + SignedDuration::from_hours(17)));
}

#[test]
fn two_rotations_forget_no_key_whose_records_are_there() {
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut book = Book::new(now).unwrap();
    let mut before = Vec::new();
    for number in 2..4 {
        before.extend(book.live.digests());
        let mut set = book.live.clone();
        set.number = number;
        for kept in &mut set.keys {
            kept.digest = [u8::try_from(number).unwrap(); 32];
        }
        book.next = Some(Next::of(set, None));
        assert!(book.switch());
    }
    assert_eq!(book.retired, before, "those of both");
    assert!(!book.forget(&book.live.digests()));
    assert!(book.forget(&before[..2]));
    assert_eq!(book.retired, before[2..]);
    for _ in 0..20 {
        book.next = Some(Next::of(book.live.clone(), None));
        book.switch();
    }
    assert_eq!(book.retired.len(), RETIRED);
}

#[test]
fn a_key_is_kept_in_characters_that_are_not_escaped() {
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let book = Book::new(now).unwrap();
    let kept = book.write();
    let text = std::str::from_utf8(&kept).unwrap();
    assert!(text.contains("PRIVATE KEY") && !text.contains('\\'));
    // As it was kept before.
    let old = text.replace('|', "\\n");
    for text in [text, &old] {
        let again = Book::read(text.as_bytes()).unwrap();
        for (one, other) in again.live.keys.iter().zip(&book.live.keys) {
            assert_eq!(one.key.0, other.key.0);
            assert!(one.pair(&["mail.party.example".to_owned()], now).is_ok());
        }
    }
}

#[test]
fn a_name_is_kept_until_the_last_tenth() {
    let mut own = issued(90);
    own.directory = "https://a.example/".to_owned();
    let mut kept = Kept::make(KeyKind::Ecdsa).unwrap();
    let names = ["mail.party.example".to_owned()];
    own.chain = kept.key().self_signed(&names, own.from).unwrap();
    let at = |days: i64| own.from + SignedDuration::from_hours(24 * days);
    let good = |kept: &Kept, name: &str, directory: &str, days: i64| {
        kept.is_good_for(name, directory, at(days))
    };
    assert!(!good(&kept, &names[0], &own.directory, 1), "there is none");
    kept.issued = Some(own.clone());
    assert!(good(&kept, &names[0], &own.directory, 80));
    assert!(!good(&kept, &names[0], &own.directory, 81));
    assert!(!good(&kept, "other.party.example", &own.directory, 1));
    // Another authority's may be worth nothing.
    assert!(!good(&kept, &names[0], "https://b.example/", 1));
}
