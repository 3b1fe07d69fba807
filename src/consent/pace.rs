//! How often a person, and a domain, is written to by this room. A challenge is a mail that nobody proved to have asked
//! for, so it is rationed: one address a day, three in a row without an answer, so many to a domain in an hour.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::address::Domain;
use crate::store::ChallengeRecord;

/// Between two challenges to one address.
const BETWEEN: SignedDuration = SignedDuration::from_hours(24);
/// So many in a row may stay unanswered.
const UNANSWERED: u32 = 3;
/// Then there's silence for so long.
pub(super) const SILENCE: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Within this, a request is of the same moment as its challenge.
const ABOUT: SignedDuration = SignedDuration::from_mins(1);
/// How many times are remembered.
const REMEMBERED: usize = 4;
/// How many domains are counted at once.
const DOMAINS: usize = 10_000;
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Whether an address may be challenged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pace {
    /// Yes; this is what is then remembered, and until when.
    Now(ChallengeRecord, Timestamp),
    /// It was challenged within a day.
    After(Timestamp),
    /// It left too many unanswered.
    Silent,
}

pub(super) fn add(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// What the counts of an address allow now.
pub(super) fn next(record: &ChallengeRecord, now: Timestamp) -> Pace {
    let mut record = record.clone();
    // A time beyond any silence is from a clock that was wrong then; it must not silence us for years.
    record.sent.retain(|at| *at <= add(now, BETWEEN));
    record.quiet_until = record.quiet_until.filter(|at| *at <= add(now, SILENCE));
    match record.quiet_until {
        Some(until) if now < until => return Pace::Silent,
        Some(_) => (record.unanswered, record.quiet_until) = (0, None),
        None => {}
    }
    let free = record.sent.iter().max().map(|last| add(*last, BETWEEN));
    if let Some(free) = free.filter(|free| now < *free) {
        return Pace::After(free);
    }
    record.sent.push(now);
    let forgotten = record.sent.len().saturating_sub(REMEMBERED);
    record.sent.drain(..forgotten);
    record.unanswered += 1;
    if record.unanswered >= UNANSWERED {
        record.quiet_until = Some(add(now, SILENCE));
    }
    Pace::Now(record, add(now, SILENCE))
}

/// The counts once the challenge of this time was answered: it was no mail too many. The others stay, for who answered is
/// not always whom those were sent to (`a@` and `a+x@` are counted as one, and may be two people).
pub(super) fn answered(mut record: ChallengeRecord, challenged_at: Timestamp) -> ChallengeRecord {
    let is_it = |at: Timestamp| at.duration_since(challenged_at).abs() < ABOUT;
    record.sent.retain(|at| !is_it(*at));
    record.unanswered = record.unanswered.saturating_sub(1);
    let its_silence = |until: &Timestamp| is_it(add(*until, -SILENCE));
    record.quiet_until = record.quiet_until.filter(|until| !its_silence(until));
    record
}

/// The counts of somebody who had said "never again", and is challenged once more: one, and then silence at once.
pub(super) fn once(mut record: ChallengeRecord, now: Timestamp) -> ChallengeRecord {
    record.quiet_until = Some(add(now, SILENCE));
    record
}

/// Counts mails to each recipient domain in the current hour. It lives in memory: after a restart a domain may get one
/// hour's share again.
#[derive(Default)]
pub(super) struct DomainPace {
    hours: HashMap<Domain, Hour>,
}

struct Hour {
    ends: Timestamp,
    sent: u32,
    delayed: u32,
}

impl DomainPace {
    /// Counts a mail to this domain.
    ///
    /// # Errors
    /// When it may go instead: nothing is ever dropped. Mails that wait are spread over the coming hours.
    pub(super) fn take(
        &mut self,
        domain: &Domain,
        limit: u32,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        if self.hours.len() >= DOMAINS && !self.hours.contains_key(domain) {
            let ahead = add(now, HOUR);
            self.hours
                .retain(|_, hour| now < hour.ends && hour.ends <= ahead);
            if self.hours.len() >= DOMAINS {
                return Err(ahead);
            }
        }
        let fresh = || Hour {
            ends: add(now, HOUR),
            sent: 0,
            delayed: 0,
        };
        let hour = self.hours.entry(domain.clone()).or_insert_with(fresh);
        if now >= hour.ends || hour.ends > add(now, HOUR) {
            *hour = fresh();
        }
        let limit = limit.max(1);
        if hour.sent < limit {
            hour.sent += 1;
            return Ok(());
        }
        let later = i64::from(hour.delayed / limit);
        hour.delayed = hour.delayed.saturating_add(1);
        Err(add(
            hour.ends,
            HOUR * i32::try_from(later).unwrap_or(i32::MAX),
        ))
    }

    /// Gives a place back that was not used. A domain to which nothing went takes none of the room for the others.
    pub(super) fn give_back(&mut self, domain: &Domain) {
        if let Some(hour) = self.hours.get_mut(domain) {
            hour.sent = hour.sent.saturating_sub(1);
            if (hour.sent, hour.delayed) == (0, 0) {
                self.hours.remove(domain);
            }
        }
    }
}

/// Second labels below which countries let others register names. One that is missing costs its people a little time.
const SHARED: [&str; 20] = [
    "ac", "co", "com", "edu", "gen", "go", "gov", "id", "ltd", "me", "ne", "net", "nhs", "nom",
    "or", "org", "plc", "police", "sch", "school",
];

/// The name that somebody registered, as far as that can be told by the look of it: two labels, or three below what
/// looks like `co.uk`. Whom this takes for one waits a little longer, and no more; a short name of somebody's own
/// (`abc.uk`) must not be taken for many.
pub(super) fn owner(domain: &Domain) -> Domain {
    let labels: Vec<&str> = domain.as_str().rsplit('.').collect();
    let is_shared = |second: &&str| labels[0].len() == 2 && SHARED.contains(second);
    let own = match labels.get(1).is_some_and(is_shared) {
        true => 3,
        false => 2,
    };
    let mut labels: Vec<&str> = labels.into_iter().take(own).collect();
    labels.reverse();
    Domain::parse(&labels.join(".")).unwrap_or_else(|_| domain.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noon() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().expect("a time")
    }

    fn hours(n: i64) -> Timestamp {
        add(noon(), SignedDuration::from_hours(n))
    }

    #[test]
    fn once_a_day_and_after_three_without_answer_ninety_days_of_silence() {
        let mut record = ChallengeRecord::default();
        for day in 0..3 {
            let Pace::Now(next_record, _) = next(&record, hours(day * 24)) else {
                panic!("day {day} allows one");
            };
            record = next_record;
            let soon = next(&record, hours(day * 24 + 23));
            assert!(matches!(soon, Pace::After(_) | Pace::Silent), "day {day}");
        }
        assert_eq!(next(&record, hours(3 * 24)), Pace::Silent);
        assert_eq!(next(&record, hours((2 + 90) * 24 - 1)), Pace::Silent);
        let Pace::Now(after, _) = next(&record, hours((2 + 90) * 24)) else {
            panic!("the silence is over");
        };
        assert_eq!((after.unanswered, after.quiet_until), (1, None));
    }

    #[test]
    fn an_answer_takes_back_its_own_challenge_alone() {
        let sent = vec![hours(0), hours(24), hours(48)];
        let silent = ChallengeRecord {
            sent,
            unanswered: 3,
            quiet_until: Some(add(hours(48), SILENCE)),
        };
        let last = answered(silent.clone(), hours(48));
        let sent = vec![hours(0), hours(24)];
        assert_eq!((&last.sent, last.unanswered), (&sent, 2));
        assert_eq!(last.quiet_until, None, "the silence was for want of it");
        assert!(matches!(next(&last, hours(49)), Pace::Now(..)));
        // Of somebody else, who is counted with it.
        let other = answered(silent.clone(), hours(24));
        assert_eq!(
            (other.unanswered, other.quiet_until),
            (2, silent.quiet_until)
        );
        assert_eq!(next(&other, hours(100)), Pace::Silent);
    }

    #[test]
    fn a_clock_that_was_years_ahead_silences_nobody_for_years() {
        let record = ChallengeRecord {
            sent: vec![hours(24 * 3650)],
            unanswered: 1,
            quiet_until: Some(hours(24 * 3650)),
        };
        assert!(matches!(next(&record, noon()), Pace::Now(..)));
    }

    #[test]
    fn a_busy_domain_waits_and_loses_nothing() {
        let mut pace = DomainPace::default();
        let domain = Domain::parse("big.example").expect("a domain");
        let other = Domain::parse("small.example").expect("a domain");
        assert_eq!(pace.take(&domain, 2, noon()), Ok(()));
        assert_eq!(pace.take(&domain, 2, noon()), Ok(()));
        let waits: Vec<_> = (0..4).map(|_| pace.take(&domain, 2, noon())).collect();
        assert_eq!(
            waits,
            [Err(hours(1)), Err(hours(1)), Err(hours(2)), Err(hours(2))]
        );
        assert_eq!(pace.take(&other, 2, noon()), Ok(()));
        pace.give_back(&domain);
        assert_eq!(pace.take(&domain, 2, noon()), Ok(()));
        assert_eq!(pace.take(&domain, 2, hours(1)), Ok(()));
    }

    #[test]
    fn who_makes_names_below_their_own_is_one() {
        let domain = |text| Domain::parse(text).expect("a domain");
        for (name, own) in [
            ("x1.mail.evil.example", "evil.example"),
            ("evil.example", "evil.example"),
            ("localhost", "localhost"),
            ("a.evil.co.uk", "evil.co.uk"),
            ("evil.co.uk", "evil.co.uk"),
            ("a.evil.wales", "evil.wales"),
            ("x1.bad.uk", "bad.uk"),
            ("x1.ab.de", "ab.de"),
        ] {
            assert_eq!(owner(&domain(name)), domain(own), "{name}");
        }
    }

    #[test]
    fn no_more_domains_are_counted_than_there_is_room_for() {
        let mut pace = DomainPace::default();
        let domain = |n| Domain::parse(&format!("d{n}.example")).expect("a domain");
        for n in 0..DOMAINS {
            assert_eq!(pace.take(&domain(n), 1, noon()), Ok(()));
        }
        assert_eq!(pace.take(&domain(DOMAINS), 1, noon()), Err(hours(1)));
        assert_eq!(pace.hours.len(), DOMAINS);
        assert_eq!(pace.take(&domain(0), 2, noon()), Ok(()), "it is counted");
        // What was given back leaves room, and so does an hour that is over.
        pace.give_back(&domain(1));
        assert_eq!(pace.take(&domain(DOMAINS), 1, noon()), Ok(()));
        assert_eq!(pace.take(&domain(1), 1, noon()), Err(hours(1)));
        assert_eq!(pace.take(&domain(1), 1, hours(1)), Ok(()));
        assert_eq!(pace.hours.len(), 1);
    }

    proptest! {
        #[test]
        fn no_day_has_two_and_no_ninety_days_have_more_than_four(
            gaps in prop::collection::vec(1_i64..80, 1..120),
        ) {
            let (mut record, mut now, mut sent) = (ChallengeRecord::default(), noon(), Vec::new());
            for gap in gaps {
                now = add(now, SignedDuration::from_hours(gap));
                if let Pace::Now(after, _) = next(&record, now) {
                    record = after;
                    sent.push(now);
                }
            }
            for pair in sent.windows(2) {
                prop_assert!(pair[1].duration_since(pair[0]) >= BETWEEN);
            }
            for four in sent.windows(4) {
                prop_assert!(four[3].duration_since(four[0]) >= SILENCE);
            }
        }
    }
}
