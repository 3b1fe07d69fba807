//! Wrong passwords, counted by network. A network with too many has to wait. Nobody is locked out by name: a stranger
//! who guesses at somebody's password must not be able to keep them out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::net::Network;

/// How many networks are remembered; beyond that the oldest are forgotten.
const NETWORKS: usize = 10_000;

/// Counts wrong passwords.
pub struct WrongPasswords(Mutex<Counts>);

struct Counts {
    most: u32,
    wait: Duration,
    seen: HashMap<Network, Tries>,
}

struct Tries {
    wrong: u32,
    last: Instant,
}

impl WrongPasswords {
    /// After `most` wrong passwords a network waits for `wait` since the last.
    pub fn new(most: u32, wait: Duration) -> Self {
        Self(Mutex::new(Counts {
            most,
            wait,
            seen: HashMap::new(),
        }))
    }

    /// From now on `most` and `wait` are these. What was counted stays.
    pub fn set(&self, most: u32, wait: Duration) {
        let mut counts = self.counts();
        (counts.most, counts.wait) = (most, wait);
    }

    /// Whether this network may try a password now.
    pub fn may_try(&self, client: IpAddr) -> bool {
        let counts = self.counts();
        let tries = counts.seen.get(&Network::from(client));
        tries.is_none_or(|tries| tries.wrong < counts.most || tries.last.elapsed() >= counts.wait)
    }

    /// Counts a wrong password.
    pub fn wrong(&self, client: IpAddr) {
        let mut counts = self.counts();
        let wait = counts.wait;
        let seen = &mut counts.seen;
        if seen.len() >= NETWORKS {
            seen.retain(|_, tries| tries.last.elapsed() < wait);
            if seen.len() >= NETWORKS {
                seen.clear();
            }
        }
        let tries = seen.entry(Network::from(client)).or_insert(Tries {
            wrong: 0,
            last: Instant::now(),
        });
        if tries.last.elapsed() >= wait {
            tries.wrong = 0;
        }
        tries.wrong += 1;
        tries.last = Instant::now();
    }

    /// Forgets a network's wrong passwords once it gave a right one.
    pub fn right(&self, client: IpAddr) {
        self.counts().seen.remove(&Network::from(client));
    }

    /// A panic elsewhere leaves counts that are still counts.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_waits_after_too_many_and_others_do_not() {
        let tries = WrongPasswords::new(3, Duration::from_secs(900));
        for host in ["192.0.2.1", "192.0.2.2", "::ffff:192.0.2.3"] {
            assert!(tries.may_try(ip(host)));
            tries.wrong(ip(host));
        }
        assert!(!tries.may_try(ip("192.0.2.77")));
        assert!(tries.may_try(ip("192.0.3.1")) && tries.may_try(ip("2001:db8::1")));
    }

    #[test]
    fn other_limits_hold_at_once_and_forget_nothing() {
        let tries = WrongPasswords::new(3, Duration::from_secs(900));
        tries.wrong(ip("192.0.2.1"));
        tries.wrong(ip("192.0.2.1"));
        assert!(tries.may_try(ip("192.0.2.1")));
        tries.set(2, Duration::from_secs(900));
        assert!(!tries.may_try(ip("192.0.2.1")));
        tries.set(2, Duration::ZERO);
        assert!(tries.may_try(ip("192.0.2.1")), "the wait is over");
    }

    #[test]
    fn a_right_password_and_time_both_forgive() {
        let tries = WrongPasswords::new(1, Duration::from_millis(1));
        tries.wrong(ip("2001:db8::1"));
        std::thread::sleep(Duration::from_millis(5));
        assert!(tries.may_try(ip("2001:db8::2")));
        let strict = WrongPasswords::new(1, Duration::from_secs(900));
        strict.wrong(ip("2001:db8::1"));
        strict.right(ip("2001:db8:0:ff::9"));
        assert!(strict.may_try(ip("2001:db8::1")));
    }
}
