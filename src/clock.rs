//! The one clock. Every schedule in Hustings (retries, expiry, retention, legal deadlines) asks this clock for the
//! time and sleeps on it, so that the sandbox and the tests can move time and a moved clock wakes its sleepers.
//!
//! Socket time-outs do not belong here: they measure elapsed time and use tokio's monotonic timer.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The longest a sleeper trusts its own timer before it looks at the wall clock again. A host clock that is set
/// (by hand, by NTP, after a suspended VM) wakes nobody, so every sleeper looks again at least this often.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// A source of wall-clock time that can be shared and, where it was made movable, moved.
///
/// Cloning is cheap and all clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: Base,
    /// Milliseconds added to the base; a change wakes all sleepers.
    shift: watch::Sender<i64>,
    movable: bool,
}

#[derive(Debug)]
enum Base {
    System,
    Frozen(Timestamp),
}

/// The clock refused to be moved: only the sandbox and tests have a movable clock.
#[derive(Debug, thiserror::Error)]
#[error("this clock can't be moved: only the sandbox's clock can, with `hustings sandbox clock`")]
pub struct NotMovable;

impl Clock {
    /// The host's clock, as the service uses it.
    pub fn system() -> Self {
        Self::new(Base::System, false)
    }

    /// The host's clock plus a shift that [`Clock::advance`] changes; for the sandbox and for stories.
    pub fn movable() -> Self {
        Self::new(Base::System, true)
    }

    /// A clock that stands at `start` until it is moved; for unit tests.
    pub fn frozen(start: Timestamp) -> Self {
        Self::new(Base::Frozen(start), true)
    }

    fn new(base: Base, movable: bool) -> Self {
        Self(Arc::new(Inner {
            base,
            shift: watch::Sender::new(0),
            movable,
        }))
    }

    /// The time now, in UTC. It may be earlier than an earlier answer: hosts' clocks are set back.
    pub fn now(&self) -> Timestamp {
        let base = match self.0.base {
            Base::System => Timestamp::now(),
            Base::Frozen(at) => at,
        };
        let shift = SignedDuration::from_millis(*self.0.shift.borrow());
        base.saturating_add(shift).unwrap_or(base)
    }

    /// Milliseconds since the Unix epoch, as the store orders by.
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// Moves a movable clock forward (or, with a negative span, back) and wakes all sleepers.
    ///
    /// # Errors
    /// [`NotMovable`] if this is the host's own clock.
    pub fn advance(&self, by: SignedDuration) -> Result<(), NotMovable> {
        if !self.0.movable {
            return Err(NotMovable);
        }
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0
            .shift
            .send_modify(|shift| *shift = shift.saturating_add(millis));
        Ok(())
    }

    /// Returns once [`Clock::now`] has reached `deadline`, also when it gets there by being moved.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        let mut moved = self.0.shift.subscribe();
        loop {
            moved.borrow_and_update();
            let left = deadline.duration_since(self.now());
            if left <= SignedDuration::ZERO {
                return;
            }
            let nap = Duration::try_from(left)
                .unwrap_or(LONGEST_NAP)
                .min(LONGEST_NAP);
            tokio::select! {
                () = tokio::time::sleep(nap), if matches!(self.0.base, Base::System) => {}
                _ = moved.changed() => {}
            }
        }
    }

    /// How many sleep by this clock now.
    #[cfg(test)]
    pub(crate) fn sleepers(&self) -> usize {
        self.0.shift.receiver_count()
    }

    /// The time that is `span` from now. What is done again and again takes it before it works and sleeps until then:
    /// so it keeps its pace however long its work takes, and misses no move of the clock meanwhile.
    pub fn after(&self, span: SignedDuration) -> Timestamp {
        self.now().saturating_add(span).unwrap_or(Timestamp::MAX)
    }

    /// Sleeps for `span` of this clock's time.
    pub async fn sleep(&self, span: SignedDuration) {
        self.sleep_until(self.after(span)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-21T12:00:00Z"
            .parse()
            .expect("a fixed timestamp parses")
    }

    #[test]
    fn the_host_clock_refuses_to_move() {
        assert!(
            Clock::system()
                .advance(SignedDuration::from_secs(1))
                .is_err()
        );
    }

    #[test]
    fn a_frozen_clock_moves_both_ways() {
        let clock = Clock::frozen(noon());
        clock
            .advance(SignedDuration::from_hours(24))
            .expect("movable");
        assert_eq!(clock.now(), "2026-11-22T12:00:00Z".parse().expect("parses"));
        clock
            .advance(SignedDuration::from_hours(-48))
            .expect("movable");
        assert_eq!(clock.now(), "2026-11-20T12:00:00Z".parse().expect("parses"));
    }

    #[tokio::test]
    async fn moving_the_clock_wakes_a_sleeper() {
        let clock = Clock::frozen(noon());
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(SignedDuration::from_hours(24 * 7)).await }
        });
        tokio::task::yield_now().await;
        clock
            .advance(SignedDuration::from_hours(24 * 6))
            .expect("movable");
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished(), "six days are not seven");
        clock
            .advance(SignedDuration::from_hours(24))
            .expect("movable");
        tokio::time::timeout(Duration::from_secs(5), sleeper)
            .await
            .expect("woken")
            .expect("no panic");
    }

    #[tokio::test]
    async fn a_backward_jump_lengthens_the_sleep_and_loses_nobody() {
        let clock = Clock::frozen(noon());
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            let deadline = noon()
                .saturating_add(SignedDuration::from_hours(1))
                .expect("in range");
            async move { clock.sleep_until(deadline).await }
        });
        tokio::task::yield_now().await;
        clock
            .advance(SignedDuration::from_hours(-24))
            .expect("movable");
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock
            .advance(SignedDuration::from_hours(25))
            .expect("movable");
        tokio::time::timeout(Duration::from_secs(5), sleeper)
            .await
            .expect("woken")
            .expect("no panic");
    }
}
