//! How many connections there may be, in all and from one place. Counts live in memory and end with the connections.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Decides whether a connection is let in. The permit is held as long as the connection lasts.
pub trait Admission: Send + Sync + 'static {
    /// Gives the place back when dropped.
    type Permit: Send + 'static;

    /// A place for a connection from `client`, if there is one.
    fn admit(&self, client: IpAddr) -> Option<Self::Permit>;
}

/// At most so many connections, and so many from one IPv4 address or IPv6 /64.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    total: usize,
    per_client: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl ConnectionLimits {
    /// Limits that several listeners may share by cloning.
    pub fn new(total: usize, per_client: usize) -> Self {
        Self {
            total,
            per_client,
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
        let client = network(client);
        let mut counts = lock(&self.counts);
        let here = counts.get(&client).copied().unwrap_or_default();
        if here >= self.per_client || counts.values().sum::<usize>() >= self.total {
            return None;
        }
        counts.insert(client, here + 1);
        Some(Place {
            client,
            counts: Arc::clone(&self.counts),
        })
    }
}

/// One connection's place.
pub struct Place {
    client: IpAddr,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
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
fn lock(counts: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever has one IPv6 address has the 2⁶⁴ beside it too.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn places_are_counted_per_client_and_in_all_and_come_back() {
        let limits = ConnectionLimits::new(3, 2);
        let one = limits.admit(ip("192.0.2.1"));
        let two = limits.admit(ip("::ffff:192.0.2.1"));
        assert!(one.is_some() && two.is_some());
        assert!(
            limits.admit(ip("192.0.2.1")).is_none(),
            "a third from there"
        );
        let three = limits.admit(ip("192.0.2.2"));
        assert!(three.is_some());
        assert!(limits.admit(ip("192.0.2.3")).is_none(), "a fourth in all");
        drop(one);
        assert_eq!(limits.open(), 2);
        let again = limits.admit(ip("192.0.2.1"));
        assert!(again.is_some());
        drop((two, three, again));
        assert_eq!(limits.open(), 0);
        assert!(lock(&limits.counts).is_empty(), "nobody is remembered");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let limits = ConnectionLimits::new(9, 1);
        let _held = limits.admit(ip("2001:db8:1:2::1"));
        assert!(limits.admit(ip("2001:db8:1:2:ffff::9")).is_none());
        assert!(limits.admit(ip("2001:db8:1:3::1")).is_some());
    }
}
