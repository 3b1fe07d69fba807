//! How many connections there may be, in all and from one place. Counts live in memory and end with the connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Network;

/// Decides whether a connection is let in. The permit is held as long as the connection lasts.
pub trait Admission: Send + Sync + 'static {
    /// Gives the place back when dropped.
    type Permit: Send + 'static;

    /// A place for a connection from `client`, if there is one.
    fn admit(&self, client: IpAddr) -> Option<Self::Permit>;
}

/// How many connections there may be. Several counts may be held to the same ceilings, and they can be moved at any
/// time: who is in stays in.
#[derive(Debug)]
pub struct Ceilings {
    total: AtomicUsize,
    per_network: AtomicUsize,
}

impl Ceilings {
    /// So many in all, and so many from one [`Network`].
    pub fn new(total: usize, per_network: usize) -> Self {
        Self {
            total: AtomicUsize::new(total),
            per_network: AtomicUsize::new(per_network),
        }
    }

    /// Moves them.
    pub fn set(&self, total: usize, per_network: usize) {
        self.total.store(total, Ordering::Relaxed);
        self.per_network.store(per_network, Ordering::Relaxed);
    }
}

/// How many networks of one IPv6 /48 may have their whole share: it has 256 of them, and can be one person's.
const OF_ONE_SITE: usize = 4;

/// At most so many connections, and so many from one [`Network`].
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    ceilings: Arc<Ceilings>,
    counts: Arc<Mutex<HashMap<Network, usize>>>,
}

impl ConnectionLimits {
    /// Limits that several listeners may share by cloning.
    pub fn new(total: usize, per_network: usize) -> Self {
        Self::under(Arc::new(Ceilings::new(total, per_network)))
    }

    /// A count of its own under these ceilings.
    pub fn under(ceilings: Arc<Ceilings>) -> Self {
        Self {
            ceilings,
            counts: Arc::default(),
        }
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        lock(&self.counts).values().sum()
    }
}

impl Admission for ConnectionLimits {
    type Permit = Place;

    fn admit(&self, client: IpAddr) -> Option<Place> {
        let network = Network::from(client);
        let mut counts = lock(&self.counts);
        let here = counts.get(&network).copied().unwrap_or_default();
        let full = |count: usize, most: &AtomicUsize| count >= most.load(Ordering::Relaxed);
        let site = Network::of_site(client).map(|site| site.subnet());
        let in_site = |other: &Network| site.is_some_and(|site| site.meets(&other.subnet()));
        let of_site = counts.iter().filter(|(other, _)| in_site(other));
        let of_site: usize = of_site.map(|(_, count)| count).sum();
        if full(here, &self.ceilings.per_network)
            || full(of_site / OF_ONE_SITE, &self.ceilings.per_network)
            || full(counts.values().sum(), &self.ceilings.total)
        {
            return None;
        }
        counts.insert(network, here + 1);
        Some(Place {
            network,
            counts: Arc::clone(&self.counts),
        })
    }
}

/// One connection's place.
pub struct Place {
    network: Network,
    counts: Arc<Mutex<HashMap<Network, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place(..)")
    }
}

/// No code panics while it holds the lock, and counts stay right even then.
fn lock(counts: &Mutex<HashMap<Network, usize>>) -> MutexGuard<'_, HashMap<Network, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn places_are_counted_per_network_and_in_all_and_come_back() {
        let limits = ConnectionLimits::new(3, 2);
        let one = limits.admit(ip("192.0.2.1"));
        let two = limits.admit(ip("::ffff:192.0.2.1"));
        assert!(one.is_some() && two.is_some());
        assert!(
            limits.admit(ip("192.0.2.3")).is_none(),
            "a third from there"
        );
        let three = limits.admit(ip("192.0.3.2"));
        assert!(three.is_some());
        assert!(limits.admit(ip("192.0.4.3")).is_none(), "a fourth in all");
        drop(one);
        assert_eq!(limits.open(), 2);
        let again = limits.admit(ip("192.0.2.1"));
        assert!(again.is_some());
        drop((two, three, again));
        assert_eq!(limits.open(), 0);
        assert!(lock(&limits.counts).is_empty(), "nobody is remembered");
    }

    #[test]
    fn an_ipv6_household_has_one_share() {
        let limits = ConnectionLimits::new(9, 1);
        let _held = limits.admit(ip("2001:db8:1:200::1"));
        assert!(limits.admit(ip("2001:db8:1:2ff:ffff::9")).is_none());
        assert!(limits.admit(ip("2001:db8:1:300::1")).is_some());
    }

    #[test]
    fn an_ipv6_site_has_few_shares() {
        let limits = ConnectionLimits::new(99, 2);
        let of = |site: usize, network: usize| {
            limits.admit(ip(&format!("2001:db8:{site:x}:{network:x}00::1")))
        };
        let held: Vec<_> = (0..20).filter_map(|network| of(1, network)).collect();
        assert_eq!(held.len(), 4 * 2);
        assert!(of(2, 1).is_some() && limits.admit(ip("192.0.2.1")).is_some());
        drop(held);
        assert!(of(1, 19).is_some());
    }
}
