//! UIDs, mod-sequences, and sets of UIDs (RFC 9051 §2.3.1, RFC 7162 §3.1).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A message's number in its folder. Numbers rise, and none is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub u32);

/// The number of a change of a folder. Each message has that of its last.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct ModSeq(pub u64);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ModSeq {
    /// As SQL holds it.
    pub(in crate::store) fn column(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// As SQL gave it.
    pub(in crate::store) fn read(column: i64) -> Self {
        Self(u64::try_from(column).unwrap_or(0))
    }
}

/// A set of UIDs: ranges in ascending order that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uids(Vec<(u32, u32)>);

impl Uids {
    /// Every UID that there can be.
    pub fn all() -> Self {
        Self(vec![(1, u32::MAX)])
    }

    /// These, in whatever order.
    pub fn of(uids: impl IntoIterator<Item = Uid>) -> Self {
        Self::of_ranges(uids.into_iter().map(|uid| (uid.0, uid.0)))
    }

    /// These ranges, in whatever order; either end may come first.
    pub fn of_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let ordered = |(a, b): (u32, u32)| (a.min(b), a.max(b));
        let mut ranges: Vec<_> = ranges.into_iter().map(ordered).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Its ranges.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this UID is in it.
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < uid.0);
        self.0.get(at).is_some_and(|(first, _)| *first <= uid.0)
    }

    /// How many are in it.
    pub fn count(&self) -> u64 {
        let ranges = self.0.iter();
        ranges
            .map(|(first, last)| u64::from(last - first) + 1)
            .sum()
    }

    /// This set and another.
    pub fn union(&self, other: &Self) -> Self {
        Self::of_ranges(self.0.iter().chain(&other.0).copied())
    }

    /// As it is written down.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let ends = self.0.iter().flat_map(|(first, last)| [*first, *last]);
        ends.flat_map(u32::to_be_bytes).collect()
    }

    /// Reads it back; `None` if these bytes are no such set.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ranges, rest) = bytes.as_chunks::<8>();
        let read = |[a, b, c, d, e, f, g, h]: &[u8; 8]| {
            (
                u32::from_be_bytes([*a, *b, *c, *d]),
                u32::from_be_bytes([*e, *f, *g, *h]),
            )
        };
        rest.is_empty()
            .then(|| Self::of_ranges(ranges.iter().map(read)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_merged_and_found() {
        let uids = Uids::of_ranges([(9, 7), (1, 2), (3, 3), (5, 5), (u32::MAX, u32::MAX)]);
        assert_eq!(
            uids.ranges(),
            [(1, 3), (5, 5), (7, 9), (u32::MAX, u32::MAX)]
        );
        for (uid, is_in) in [(0, false), (1, true), (3, true), (4, false), (8, true)] {
            assert_eq!(uids.contains(Uid(uid)), is_in, "{uid}");
        }
        assert!(Uids::all().contains(Uid(u32::MAX)) && !Uids::default().contains(Uid(1)));
        assert_eq!((uids.count(), Uids::default().count()), (8, 0));
        assert_eq!(Uids::from_bytes(&uids.to_bytes()), Some(uids));
        assert_eq!(Uids::from_bytes(&[0; 7]), None);
    }
}
