//! The frontier of a growing tree: the roots of the full subtrees that its leaves make, at most 64 of them. It is
//! all that is needed to add a leaf and to know the root, whatever the log's size.

use super::hash::{Hash, Leaf, leaf_hash, node_hash, sha256};

const HASH_LEN: usize = 32;

/// Bytes that aren't a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log's frontier is damaged; make it anew from the leaves")]
pub struct BadFrontier;

/// The state of a log's tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the full subtrees, the largest first: one for each bit that is set in the size.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves the log has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf at the end.
    pub fn push(&mut self, leaf: &Leaf) {
        self.push_hash(leaf_hash(leaf));
    }

    /// Adds a leaf of which the hash is known.
    pub(super) fn push_hash(&mut self, mut hash: Hash) {
        // Each bit that the addition carries over joins two subtrees of one size.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree. An empty one has the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => sha256(&[]),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// The frontier as stored: the size (8 bytes, big-endian), then the hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.peaks.as_flattened());
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BadFrontier`] if the number of hashes doesn't fit the size.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadFrontier> {
        let (size, hashes) = bytes.split_first_chunk().ok_or(BadFrontier)?;
        let size = u64::from_be_bytes(*size);
        let (peaks, rest) = hashes.as_chunks::<HASH_LEN>();
        let fits = u32::try_from(peaks.len()) == Ok(size.count_ones()) && rest.is_empty();
        // The last size could not grow any more.
        if !fits || size == u64::MAX {
            return Err(BadFrontier);
        }
        Ok(Self {
            size,
            peaks: peaks.to_vec(),
        })
    }
}

impl<'a> Extend<&'a Leaf> for Frontier {
    fn extend<I: IntoIterator<Item = &'a Leaf>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

/// The root of a tree with these leaves; for the root of a prefix, give fewer.
pub fn root_of<'a>(leaves: impl IntoIterator<Item = &'a Leaf>) -> Hash {
    let mut frontier = Frontier::new();
    frontier.extend(leaves);
    frontier.root()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::hash::tests::{LEAVES, ROOTS, hex};
    use proptest::prelude::*;

    #[test]
    fn the_reference_trees_of_certificate_transparency_have_their_roots() {
        let mut frontier = Frontier::new();
        assert_eq!(
            frontier.root(),
            hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        );
        for (leaf, root) in LEAVES.iter().zip(ROOTS) {
            frontier.push_hash(leaf_hash(leaf));
            assert_eq!(frontier.root(), hex(root), "size {}", frontier.size());
        }
        assert_eq!(frontier.size(), 8);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let mut frontier = Frontier::new();
        for number in 0..5 {
            frontier.push(&[number; 32]);
        }
        let good = frontier.to_bytes();
        assert_eq!(Frontier::from_bytes(&good), Ok(frontier));
        assert_eq!(Frontier::from_bytes(&[]), Err(BadFrontier));
        assert_eq!(Frontier::from_bytes(&good[..71]), Err(BadFrontier));
        assert_eq!(Frontier::from_bytes(&good[..40]), Err(BadFrontier));
        let mut wrong_size = good.clone();
        wrong_size[7] = 4;
        assert_eq!(Frontier::from_bytes(&wrong_size), Err(BadFrontier));
        let mut full = vec![0xff; 8];
        full.extend([0; 64 * 32]);
        assert_eq!(Frontier::from_bytes(&full), Err(BadFrontier));
    }

    /// The definition of RFC 9162 section 2.1.1, word by word.
    fn by_definition(leaves: &[Leaf]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => leaf_hash(leaf),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                node_hash(&by_definition(left), &by_definition(right))
            }
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition_and_survives_storing(
            leaves in prop::collection::vec(any::<Leaf>(), 0..70),
            stop in 0_usize..70,
        ) {
            let stop = stop.min(leaves.len());
            let mut frontier = Frontier::new();
            frontier.extend(&leaves[..stop]);
            prop_assert_eq!(frontier.root(), by_definition(&leaves[..stop]));
            let mut frontier = Frontier::from_bytes(&frontier.to_bytes()).expect("as written");
            frontier.extend(&leaves[stop..]);
            prop_assert_eq!(frontier.root(), by_definition(&leaves));
            prop_assert_eq!(root_of(&leaves), by_definition(&leaves));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            if let Ok(frontier) = Frontier::from_bytes(&bytes) {
                prop_assert_eq!(frontier.to_bytes(), bytes);
                frontier.root();
            }
        }
    }
}
