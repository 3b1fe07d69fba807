//! Who is to be looked at again, and when.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Instant;

/// Who is woken.
#[derive(Debug, Clone)]
pub(super) enum Who<K, G> {
    Lane(K),
    Group(G),
}

/// Times, next one first.
#[derive(Debug)]
pub(super) struct Wakes<T>(BinaryHeap<Reverse<Wake<T>>>);

#[derive(Debug)]
struct Wake<T> {
    at: Instant,
    who: T,
}

impl<T> Wakes<T> {
    pub(super) fn new() -> Self {
        Self(BinaryHeap::new())
    }

    pub(super) fn add(&mut self, at: Instant, who: T) {
        self.0.push(Reverse(Wake { at, who }));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse(wake)| wake.at)
    }

    /// The next one whose time has come.
    pub(super) fn take(&mut self, now: Instant) -> Option<T> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse(wake)| wake.who)
    }
}

/// Times alone are compared: those who are woken need no order of their own.
impl<T> Ord for Wake<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

impl<T> PartialOrd for Wake<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Wake<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Wake<T> {}
