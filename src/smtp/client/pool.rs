//! Connections put aside between two messages for the same server.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Idle connections by key (server address, name and TLS policy: whatever makes two connections interchangeable).
/// It knows neither sockets nor the clock; the newest of a key is taken first, the oldest leaves first.
#[derive(Debug)]
pub struct Pool<K, T> {
    idle: HashMap<K, Vec<(Instant, T)>>,
    count: usize,
    limit: usize,
    keep: Duration,
}

impl<K: Hash + Eq + Clone, T> Pool<K, T> {
    /// A pool of at most `limit` connections, each kept at most `keep`.
    pub fn new(limit: usize, keep: Duration) -> Self {
        Self {
            idle: HashMap::new(),
            count: 0,
            limit,
            keep,
        }
    }

    /// Connections in the pool.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a connection of such a key is in it.
    pub fn any(&self, fits: impl Fn(&K) -> bool) -> bool {
        self.idle.keys().any(fits)
    }

    /// Puts a connection aside. Gives back the one that has to go for it: the oldest of all, if the pool is full.
    pub fn put(&mut self, key: K, connection: T, now: Instant) -> Option<T> {
        if self.limit == 0 {
            return Some(connection);
        }
        let evicted = if self.count >= self.limit {
            self.take_oldest()
        } else {
            None
        };
        self.idle.entry(key).or_default().push((now, connection));
        self.count += 1;
        evicted
    }

    /// The newest connection of this key that hasn't expired. It may still have been closed by the server.
    pub fn take(&mut self, key: &K, now: Instant) -> Option<T> {
        let waiting = self.idle.get_mut(key)?;
        let newest = waiting.pop_if(|(since, _)| now.saturating_duration_since(*since) < self.keep);
        if waiting.is_empty() {
            self.idle.remove(key);
        }
        self.count -= usize::from(newest.is_some());
        newest.map(|(_, connection)| connection)
    }

    /// Takes out all that have expired, to be closed.
    pub fn expired(&mut self, now: Instant) -> Vec<T> {
        let keep = self.keep;
        let mut gone = Vec::new();
        self.idle.retain(|_, waiting| {
            let old = |(since, _): &mut (Instant, T)| now.saturating_duration_since(*since) >= keep;
            gone.extend(
                waiting
                    .extract_if(.., old)
                    .map(|(_, connection)| connection),
            );
            !waiting.is_empty()
        });
        self.count -= gone.len();
        gone
    }

    /// Takes out all of such keys, to be closed.
    pub fn take_all(&mut self, fits: impl Fn(&K) -> bool) -> Vec<T> {
        let taken = self.idle.extract_if(|key, _| fits(key));
        let gone: Vec<T> = taken
            .flat_map(|(_, waiting)| waiting)
            .map(|(_, connection)| connection)
            .collect();
        self.count -= gone.len();
        gone
    }

    fn take_oldest(&mut self) -> Option<T> {
        let oldest = self
            .idle
            .iter()
            .filter_map(|(key, waiting)| Some((waiting.first()?.0, key)));
        let key = oldest.min_by_key(|(since, _)| *since)?.1.clone();
        let waiting = self.idle.get_mut(&key)?;
        let (_, connection) = waiting.remove(0);
        if waiting.is_empty() {
            self.idle.remove(&key);
        }
        self.count -= 1;
        Some(connection)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newest_is_used_and_the_oldest_goes() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pool = Pool::new(3, Duration::from_secs(20));
        assert_eq!(pool.put("a", 1, at(0)), None);
        assert_eq!(pool.put("a", 2, at(1)), None);
        assert_eq!(pool.put("b", 3, at(2)), None);
        assert_eq!(pool.put("b", 4, at(3)), Some(1));
        assert_eq!(pool.take(&"b", at(4)), Some(4));
        assert_eq!(pool.take(&"c", at(4)), None);
        assert_eq!(pool.take(&"a", at(21)), None, "twenty seconds have passed");
        assert_eq!(pool.expired(at(21)), [2]);
        assert_eq!(pool.len(), 1);
        assert_eq!(pool.expired(at(22)), [3]);
        assert!(pool.is_empty());
    }

    #[test]
    fn what_fits_no_more_is_taken_out() {
        let now = Instant::now();
        let mut pool = Pool::new(3, Duration::from_secs(20));
        pool.put("a", 1, now);
        pool.put("a", 2, now);
        pool.put("b", 3, now);
        assert!(pool.any(|key| *key == "a"));
        assert_eq!(pool.take_all(|key| *key == "a"), [1, 2]);
        assert!(!pool.any(|key| *key == "a"));
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn a_pool_of_none_keeps_none() {
        let mut pool = Pool::new(0, Duration::from_secs(20));
        assert_eq!(pool.put("a", 1, Instant::now()), Some(1));
    }
}
