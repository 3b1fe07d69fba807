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
pub struct WrongPasswords {
    most: u32,
    wait: Duration,
    seen: Mutex<HashMap<Network, Tries>>,
}

struct Tries {
    wrong: u32,
    last: Instant,
}

impl WrongPasswords {
    /// After `most` wrong passwords a network waits for `wait` since the last.
    pub fn new(most: u32, wait: Duration) -> Self {
        Self {
            most,
            wait,
            seen: Mutex::default(),
        }
    }

    /// Whether this network may try a password now.
    pub fn may_try(&self, client: IpAddr) -> bool {
        let seen = self.seen();
        seen.get(&Network::from(client))
            .is_none_or(|tries| tries.wrong < self.most || tries.last.elapsed() >= self.wait)
    }

    /// Counts a wrong password.
    pub fn wrong(&self, client: IpAddr) {
        let mut seen = self.seen();
        if seen.len() >= NETWORKS {
            let wait = self.wait;
            seen.retain(|_, tries| tries.last.elapsed() < wait);
            if seen.len() >= NETWORKS {
                seen.clear();
            }
        }
        let wait = self.wait;
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
        self.seen().remove(&Network::from(client));
    }

    /// A panic elsewhere leaves counts that are still counts.
    fn seen(&self) -> MutexGuard<'_, HashMap<Network, Tries>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
