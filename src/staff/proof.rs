//! Whether a code of somebody's second factor is good now, and what is remembered of the try. It decides on a record
//! and a time; whose record it is, and that what is to be remembered is kept, is the room's matter.
//!
//! # What must hold
//! - **A code works once.** The half minute of the last one that was used is kept, and nothing up to it is taken again: not
//!   by somebody who looked over the shoulder, and not after a clock was set back.
//! - **Six digits can't be guessed.** At most ten wrong codes are heard in any 24 hours, however many right ones come in
//!   between; three codes in a million are good at a time, so that is one chance in 33,000 a day.
//! - **Nobody is locked out for good by it.** A recovery code has eighty random bits, is never held up, and lets its owner
//!   take the factor away or renew it. No log-in of a mail program and no withdrawal asks for a code.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::password::{random_groups, typed_groups};
use super::totp::{Digits, TotpSecret, newest_step};
use crate::store::FactorRecord;

/// How many wrong codes are heard in [`WINDOW`].
const MOST_WRONG: usize = 10;
pub(super) const WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// How many recovery codes somebody gets.
const RECOVERY_CODES: usize = 8;
/// Of how many characters, each of five random bits.
const RECOVERY_LEN: usize = 16;

/// Of whom a code is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeRule {
    /// Of whoever has a second factor.
    Enrolled,
    /// Of everybody: who has none is refused.
    Required,
}

/// What is asked of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeAsked {
    /// Nothing.
    Nothing,
    /// A code.
    Code,
    /// A second factor, which they haven't got.
    Factor,
}

/// Why a code is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// None came.
    #[error(
        "it needs a code of your second factor; run it in a terminal, or give the code as a line of standard input with --code -"
    )]
    Needed,
    /// There is no second factor, and there must be one.
    #[error(
        "it needs a second factor (staff.second_factor), and {0} has none; set one up: hustings staff second-factor add"
    )]
    NotEnrolled(String),
    /// Neither six digits nor a recovery code.
    #[error(
        "that is no code; give the six digits that the app shows, or one of the recovery codes"
    )]
    NoCode,
    /// It is none of the app's.
    #[error(
        "the code is wrong (wrong ones left before none is heard for a day: {left}); give the one that the app shows now, and see that the telephone's clock is right"
    )]
    Wrong {
        /// How many more wrong ones are heard before it is held up.
        left: usize,
    },
    /// It was used already.
    #[error(
        "the code, or a newer one, was used already, and each works once; wait for the next, half a minute at most"
    )]
    Used,
    /// The clock was ahead when one was used: all up to that time count as used.
    #[error(
        "a code was used while the server's clock was ahead, so none of the app's is taken before that time; use a recovery code, and set the app up anew with another: hustings staff second-factor add --replace"
    )]
    ClockWasAhead,
    /// Too many wrong ones came.
    #[error(
        "too many wrong codes came, so none is heard before {}; use a recovery code, or have another admin take the second factor away: hustings staff second-factor remove NAME",
        until.strftime("%Y-%m-%d %H:%M:%SZ")
    )]
    HeldUp {
        /// When the next is heard.
        until: Timestamp,
    },
    /// No recovery code that is left.
    #[error(
        "that is none of the recovery codes that are left, and each works once; give another, or the app's code"
    )]
    NoRecovery,
}

/// What a good code was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Good {
    /// The app's.
    Code,
    /// A recovery code, which is gone with it.
    Recovery,
}

/// What came of a try.
pub(super) struct Checked {
    pub(super) outcome: Result<Good, CodeError>,
    /// The record is another than before, and has to be kept before anything is done.
    pub(super) changed: bool,
}

impl From<Result<Good, CodeError>> for Checked {
    fn from(outcome: Result<Good, CodeError>) -> Self {
        let changed = matches!(outcome, Ok(_) | Err(CodeError::Wrong { .. }));
        Self { outcome, changed }
    }
}

/// Checks a code, and writes into the record what is to be remembered of it.
pub(super) fn check(record: &mut FactorRecord, typed: &str, now: Timestamp) -> Checked {
    if let Some(digits) = Digits::parse(typed) {
        return check_digits(record, &digits, now);
    }
    match typed_groups::<RECOVERY_LEN>(typed) {
        Some(code) => check_recovery(record, &hash(&code)).into(),
        None => Err(CodeError::NoCode).into(),
    }
}

fn check_digits(record: &mut FactorRecord, digits: &Digits, now: Timestamp) -> Checked {
    let set_back = set_back(&mut record.wrong, now);
    record.wrong.retain(|at| now.duration_since(*at) < WINDOW);
    if let Some(first) = record
        .wrong
        .first()
        .filter(|_| record.wrong.len() >= MOST_WRONG)
    {
        let until = first.saturating_add(WINDOW).unwrap_or(Timestamp::MAX);
        return Checked {
            outcome: Err(CodeError::HeldUp { until }),
            changed: set_back,
        };
    }
    match TotpSecret::kept(&record.secret).step_of(digits, now) {
        Some(step) if step > record.last_step => {
            record.last_step = step;
            Ok(Good::Code)
        }
        Some(_) if record.last_step > newest_step(now) => Err(CodeError::ClockWasAhead),
        Some(_) => Err(CodeError::Used),
        None => {
            record.wrong.push(now);
            let left = MOST_WRONG - record.wrong.len();
            Err(CodeError::Wrong { left })
        }
    }
    .into()
}

/// Times that are still to come, by a clock that was set back since, count as now: else somebody would wait for as long as
/// the clock was wrong. Says whether there were any.
fn set_back(wrong: &mut [Timestamp], now: Timestamp) -> bool {
    let mut any = false;
    for at in wrong.iter_mut().filter(|at| **at > now) {
        *at = now;
        any = true;
    }
    any
}

fn check_recovery(record: &mut FactorRecord, typed: &str) -> Result<Good, CodeError> {
    // All are looked at, whichever it is.
    let fits: Vec<bool> = record
        .recovery
        .iter()
        .map(|kept| bool::from(kept.as_bytes().ct_eq(typed.as_bytes())))
        .collect();
    let found = fits.iter().position(|fits| *fits);
    let found = found.ok_or(CodeError::NoRecovery)?;
    record.recovery.remove(found);
    Ok(Good::Recovery)
}

/// Makes the recovery codes: as they are shown, and as they are kept.
pub(super) fn recovery_codes() -> (Vec<Zeroizing<String>>, Vec<String>) {
    let codes = (0..RECOVERY_CODES).map(|_| random_groups::<RECOVERY_LEN>());
    let codes: Vec<_> = codes.collect();
    let typed = codes
        .iter()
        .filter_map(|code| typed_groups::<RECOVERY_LEN>(code));
    let hashes = typed.map(|code| hash(&code)).collect();
    (codes, hashes)
}

/// Eighty random bits need no slow hash.
fn hash(code: &[u8; RECOVERY_LEN]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(b"hustings recovery code v1\0");
    context.update(code);
    STANDARD.encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noon() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().expect("a time")
    }

    fn later(seconds: i64) -> Timestamp {
        noon() + SignedDuration::from_secs(seconds)
    }

    fn record() -> (FactorRecord, TotpSecret, Vec<Zeroizing<String>>) {
        let secret = TotpSecret::generate();
        let (codes, recovery) = recovery_codes();
        let record = FactorRecord {
            secret: secret.to_kept(),
            since: noon(),
            last_step: 0,
            recovery,
            wrong: Vec::new(),
        };
        (record, secret, codes)
    }

    fn try_at(record: &mut FactorRecord, code: &str, now: Timestamp) -> Result<Good, CodeError> {
        check(record, code, now).outcome
    }

    #[test]
    fn a_code_works_once_whatever_the_clock_says() {
        let (mut record, secret, _) = record();
        let code = secret.code_at(noon());
        let first = check(&mut record, &code, noon());
        assert!(first.changed && first.outcome == Ok(Good::Code));
        for seconds in [0, 20, -20, 45] {
            let again = check(&mut record, &code, later(seconds));
            assert_eq!(again.outcome, Err(CodeError::Used), "{seconds}");
            assert!(!again.changed, "it was right, so it's no guess");
        }
        // One that was shown before it was never used, and is old all the same.
        let before = secret.code_at(later(-30));
        assert_eq!(try_at(&mut record, &before, noon()), Err(CodeError::Used));
        let next = secret.code_at(later(30));
        assert_eq!(try_at(&mut record, &next, later(30)), Ok(Good::Code));
        // The clock is an hour back, and the telephone's with it.
        let old = secret.code_at(later(-3600));
        assert_eq!(
            try_at(&mut record, &old, later(-3600)),
            Err(CodeError::ClockWasAhead),
            "half a minute won't do"
        );
    }

    #[test]
    fn ten_wrong_codes_are_heard_a_day_whatever_comes_in_between() {
        let (mut record, secret, codes) = record();
        let mut good = 0;
        for wrong_ones in 0..MOST_WRONG {
            let now = later(60 * i64::try_from(wrong_ones).expect("few"));
            let tried = check(&mut record, &secret.wrong_at(now), now);
            let left = MOST_WRONG - wrong_ones - 1;
            assert_eq!(tried.outcome, Err(CodeError::Wrong { left }));
            assert!(tried.changed);
            good += i32::from(try_at(&mut record, &secret.code_at(now), now).is_ok());
        }
        assert_eq!(good, 9, "until the tenth was wrong");
        let now = later(3600);
        let until = noon() + WINDOW;
        let held = Err(CodeError::HeldUp { until });
        assert_eq!(try_at(&mut record, &secret.code_at(now), now), held);
        assert_eq!(try_at(&mut record, &secret.wrong_at(now), now), held);
        assert_eq!(
            record.wrong.len(),
            MOST_WRONG,
            "what isn't heard isn't counted"
        );
        assert_eq!(try_at(&mut record, &codes[0], now), Ok(Good::Recovery));
        // A day after the first of them one more is heard, and no second one.
        let now = until;
        assert_eq!(
            try_at(&mut record, &secret.wrong_at(now), now),
            Err(CodeError::Wrong { left: 0 })
        );
        assert!(matches!(
            try_at(&mut record, &secret.code_at(now), now),
            Err(CodeError::HeldUp { .. })
        ));
    }

    #[test]
    fn a_clock_that_was_wrong_holds_nobody_up_for_longer_than_a_day() {
        let (mut record, secret, _) = record();
        let far = later(400 * 24 * 3600);
        for _ in 0..MOST_WRONG {
            let _ = try_at(&mut record, &secret.wrong_at(far), far);
        }
        let held = check(&mut record, &secret.code_at(noon()), noon());
        let until = noon() + WINDOW;
        assert_eq!(held.outcome, Err(CodeError::HeldUp { until }));
        assert!(held.changed, "the wait begins now, and that is kept");
        assert_eq!(
            try_at(&mut record, &secret.code_at(until), until),
            Ok(Good::Code)
        );
    }

    #[test]
    fn a_recovery_code_works_once_however_it_is_written() {
        let (mut record, secret, codes) = record();
        assert_eq!(codes.len(), RECOVERY_CODES);
        let spoken = codes[3].replace('-', " ").to_uppercase();
        assert_eq!(try_at(&mut record, &spoken, noon()), Ok(Good::Recovery));
        assert_eq!(record.recovery.len(), RECOVERY_CODES - 1);
        assert_eq!(
            try_at(&mut record, &codes[3], noon()),
            Err(CodeError::NoRecovery)
        );
        assert!(record.wrong.is_empty(), "eighty bits need no counting");
        assert!(
            record
                .recovery
                .iter()
                .all(|kept| !kept.contains(&**codes[0])),
            "they are kept as hashes"
        );
        for none in [
            "",
            "12345",
            "1234567",
            "abcd-efgh-ijkm-npq",
            "abcd-efgh-ijkm-npqr-s",
            "l0o1",
        ] {
            let tried = check(&mut record, none, noon());
            assert_eq!(tried.outcome, Err(CodeError::NoCode), "{none}");
            assert!(!tried.changed);
        }
        let code = secret.code_at(noon());
        assert_eq!(try_at(&mut record, &code, noon()), Ok(Good::Code));
    }

    proptest! {
        /// Whoever has no secret, and tries whatever and whenever they like while the owner works on, is heard ten times in
        /// any 24 hours.
        #[test]
        fn no_day_hears_more_than_ten(
            tries in proptest::collection::vec((0_i64..20_000, any::<bool>()), 0..200),
        ) {
            let (mut record, secret, _) = record();
            let (mut now, mut heard) = (noon(), Vec::new());
            for (pause, owner) in tries {
                now += SignedDuration::from_secs(pause);
                if owner {
                    let _ = try_at(&mut record, &secret.code_at(now), now);
                } else if let Err(CodeError::Wrong { .. }) =
                    try_at(&mut record, &secret.wrong_at(now), now)
                {
                    heard.push(now);
                }
            }
            for (at, first) in heard.iter().enumerate() {
                let day = heard[at..].iter().filter(|one| one.duration_since(*first) < WINDOW);
                prop_assert!(day.count() <= MOST_WRONG);
            }
        }

        #[test]
        fn no_text_panics(typed: String) {
            let (mut record, _, _) = record();
            let _ = check(&mut record, &typed, noon());
        }
    }
}
