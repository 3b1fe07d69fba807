//! When to try again, when to tell the sender, when to give up (RFC 5321 §4.5.4.1). Pure: times in, times out.

use jiff::{SignedDuration, Timestamp};

/// Which of our mails it is: they have different patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// A staff member's own mail: the sender is told of delays.
    Staff,
    /// Challenges, welcomes, notifications: nobody is told.
    Service,
    /// A copy of a mailing: staff see counts.
    Copy,
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Try again then.
    Retry(Timestamp),
    /// It has been tried for long enough: a bounce.
    GiveUp,
}

/// A notice to the sender while the mail still waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// It is late.
    Delayed,
    /// It is late because the other side has no encryption: the sender may want another way sooner.
    NoTls,
}

/// The retry schedule. All spans are of the one clock's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The wait after the first failure, the second, …; the last one repeats.
    pub waits: Vec<SignedDuration>,
    /// Each wait is up to this many percent shorter or longer, so that what failed together doesn't come back together.
    pub jitter_percent: u8,
    /// How long a staff member's mail is tried.
    pub staff: SignedDuration,
    /// How long a service mail is tried.
    pub service: SignedDuration,
    /// How long a copy is tried.
    pub copy: SignedDuration,
    /// The age at which a staff member is told of a delay.
    pub delayed_after: SignedDuration,
    /// The age at which a staff member is told that the far end has no TLS.
    pub no_tls_after: SignedDuration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            // Two soon (greylisting, a restart), then ever slower.
            waits: [5, 15, 30, 60, 120, 240]
                .map(SignedDuration::from_mins)
                .into(),
            jitter_percent: 10,
            staff: SignedDuration::from_hours(5 * 24),
            service: SignedDuration::from_hours(3 * 24),
            copy: SignedDuration::from_hours(3 * 24),
            delayed_after: SignedDuration::from_hours(4),
            no_tls_after: SignedDuration::from_mins(15),
        }
    }
}

impl Schedule {
    /// How long a mail of this kind is tried.
    pub fn lifetime(&self, kind: MailKind) -> SignedDuration {
        match kind {
            MailKind::Staff => self.staff,
            MailKind::Service => self.service,
            MailKind::Copy => self.copy,
        }
    }

    /// What to do after a failure that may pass. `queued` is when the mail was accepted, `failures` counts this one too
    /// (1 is the first), `seed` is the mail's own (any bits of its id), `at_least` is how long the other side wants to
    /// be left alone.
    ///
    /// The last try comes when the lifetime ends, and giving up only follows a try: a host that was off for a week
    /// tries once more.
    pub fn after_failure(
        &self,
        kind: MailKind,
        queued: Timestamp,
        now: Timestamp,
        failures: u32,
        seed: u64,
        at_least: SignedDuration,
    ) -> Turn {
        let end = later(queued, self.lifetime(kind));
        if now >= end {
            return Turn::GiveUp;
        }
        let wait = self.wait(failures, seed).max(at_least);
        // A clock set back must not put the next try days away, nor into the past.
        Turn::Retry(later(now, wait).min(end).max(now))
    }

    fn wait(&self, failures: u32, seed: u64) -> SignedDuration {
        let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = SignedDuration::from_hours(4);
        let wait = self
            .waits
            .get(step)
            .or(self.waits.last())
            .copied()
            .unwrap_or(last);
        let lot = mix(seed.wrapping_add(u64::from(failures)));
        let span = i64::from(self.jitter_percent.min(100));
        // −span ..= span, in percent.
        let percent = i64::try_from(lot % (2 * span.unsigned_abs() + 1)).unwrap_or(0) - span;
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        SignedDuration::from_millis(millis.saturating_add((millis / 100).saturating_mul(percent)))
    }

    /// The notice that is due to the sender of a mail that still waits, given the one that was sent already.
    pub fn notice(
        &self,
        kind: MailKind,
        queued: Timestamp,
        now: Timestamp,
        no_tls: bool,
        told: Option<Notice>,
    ) -> Option<Notice> {
        if kind != MailKind::Staff {
            return None;
        }
        let old = |span| now >= later(queued, span);
        match told {
            None if no_tls && old(self.no_tls_after) => Some(Notice::NoTls),
            None if old(self.delayed_after) => Some(Notice::Delayed),
            _ => None,
        }
    }
}

/// Spreads neighbouring seeds apart (the finaliser of SplitMix64).
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn later(from: Timestamp, span: SignedDuration) -> Timestamp {
    from.saturating_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn noon() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn after(hours: i64) -> Timestamp {
        later(noon(), SignedDuration::from_hours(hours))
    }

    /// The times of all tries of a mail that always fails.
    fn tries(schedule: &Schedule, kind: MailKind, seed: u64) -> Vec<Timestamp> {
        let (mut at, mut times) = (noon(), vec![noon()]);
        for failures in 1..10_000 {
            match schedule.after_failure(kind, noon(), at, failures, seed, SignedDuration::ZERO) {
                Turn::GiveUp => return times,
                Turn::Retry(next) => at = next,
            }
            times.push(at);
        }
        panic!("never gives up")
    }

    #[test]
    fn the_default_tries_for_five_and_three_days_and_not_too_often() {
        let schedule = Schedule::default();
        for (kind, days) in [
            (MailKind::Staff, 5),
            (MailKind::Copy, 3),
            (MailKind::Service, 3),
        ] {
            let times = tries(&schedule, kind, 7);
            assert_eq!(
                *times.last().unwrap(),
                after(days * 24),
                "the last try is at the end"
            );
            assert!((15..60).contains(&times.len()), "{} tries", times.len());
            let first_hour = times.iter().filter(|at| **at <= after(1)).count();
            assert_eq!(first_hour, 4);
        }
    }

    #[test]
    fn a_host_that_was_off_tries_once_and_gives_up() {
        let turn = |now| {
            Schedule::default().after_failure(
                MailKind::Copy,
                noon(),
                now,
                1,
                0,
                SignedDuration::ZERO,
            )
        };
        assert_eq!(turn(after(24 * 7)), Turn::GiveUp);
    }

    #[test]
    fn a_clock_set_back_a_day_does_no_harm() {
        let schedule = Schedule::default();
        let turn = schedule.after_failure(
            MailKind::Staff,
            noon(),
            after(-24),
            2,
            0,
            SignedDuration::ZERO,
        );
        let Turn::Retry(at) = turn else {
            panic!("gave up")
        };
        assert!(at > after(-24) && at < after(-23));
    }

    #[test]
    fn who_wants_to_be_left_alone_is() {
        let wait = SignedDuration::from_hours(2);
        let turn = Schedule::default().after_failure(MailKind::Copy, noon(), noon(), 1, 0, wait);
        assert_eq!(turn, Turn::Retry(after(2)));
    }

    #[test]
    fn notices_go_to_staff_once_and_early_without_tls() {
        let schedule = Schedule::default();
        let notice = |kind, minutes, no_tls, told| {
            schedule.notice(
                kind,
                noon(),
                later(noon(), SignedDuration::from_mins(minutes)),
                no_tls,
                told,
            )
        };
        assert_eq!(notice(MailKind::Staff, 10, true, None), None);
        assert_eq!(notice(MailKind::Staff, 15, true, None), Some(Notice::NoTls));
        assert_eq!(notice(MailKind::Staff, 15, false, None), None);
        assert_eq!(
            notice(MailKind::Staff, 240, false, None),
            Some(Notice::Delayed)
        );
        assert_eq!(
            notice(MailKind::Staff, 300, false, Some(Notice::Delayed)),
            None
        );
        assert_eq!(
            notice(MailKind::Staff, 300, true, Some(Notice::NoTls)),
            None
        );
        assert_eq!(notice(MailKind::Copy, 300, true, None), None);
        assert_eq!(notice(MailKind::Service, 300, true, None), None);
    }

    proptest! {
        #[test]
        fn waits_stay_within_their_jitter(failures in 1u32..40, seed in any::<u64>()) {
            let schedule = Schedule::default();
            let step = usize::try_from(failures - 1).unwrap().min(schedule.waits.len() - 1);
            let wait = schedule.wait(failures, seed).as_millis();
            let base = schedule.waits[step].as_millis();
            prop_assert!(wait >= base * 90 / 100 && wait <= base * 110 / 100);
        }

        #[test]
        fn no_settings_and_no_times_make_it_go_wrong(
            waits in proptest::collection::vec(-5i64..10_000_000, 0..4), jitter in any::<u8>(),
            queued in -10_000_000_000i64..10_000_000_000, now in -10_000_000_000i64..10_000_000_000,
            failures in any::<u32>(), seed in any::<u64>(),
        ) {
            let waits = waits.into_iter().map(SignedDuration::from_secs).collect();
            let schedule = Schedule { waits, jitter_percent: jitter, ..Schedule::default() };
            let (queued, now) = (Timestamp::from_second(queued).unwrap(), Timestamp::from_second(now).unwrap());
            if let Turn::Retry(at) = schedule.after_failure(MailKind::Copy, queued, now, failures, seed, SignedDuration::ZERO) {
                prop_assert!(at >= now);
            }
        }

        #[test]
        fn what_failed_together_comes_back_apart(seed in any::<u64>()) {
            let waits: std::collections::BTreeSet<_> =
                (0..50).map(|n| Schedule::default().wait(3, seed.wrapping_mul(31).wrapping_add(n * 7919))).collect();
            prop_assert!(waits.len() > 5);
        }
    }
}
