//! Inclusion proofs for a few leaves of a long log, in one pass and with little memory: the leaves come one by one and
//! are not kept.

use super::frontier::Frontier;
use super::hash::{Hash, Leaf};

/// Collects the proofs of some leaves (RFC 9162 section 2.1.3.1).
pub struct InclusionProofs {
    next: u64,
    size: u64,
    proofs: Vec<Proof>,
}

/// The proof of one leaf: the subtrees beside its way up, from the leaf to the root.
struct Proof {
    index: u64,
    siblings: Vec<Subtree>,
}

/// The leaves from `start` on, up to `end`.
struct Subtree {
    start: u64,
    end: u64,
    frontier: Frontier,
}

impl InclusionProofs {
    /// Begins the proofs that the leaves at these indexes are in the tree of `size` leaves. Indexes beyond it get none.
    pub fn new(indexes: impl IntoIterator<Item = u64>, size: u64) -> Self {
        let inside = indexes.into_iter().filter(|index| *index < size);
        Self {
            next: 0,
            size,
            proofs: inside.map(|index| Proof::new(index, size)).collect(),
        }
    }

    /// Takes the log's next leaf. Leaves beyond the tree are passed over.
    pub fn push(&mut self, leaf: &Leaf) {
        let at = self.next;
        self.next += 1;
        for subtree in self.proofs.iter_mut().flat_map(|proof| &mut proof.siblings) {
            if (subtree.start..subtree.end).contains(&at) {
                subtree.frontier.push(leaf);
            }
        }
    }

    /// Each index with its proof; none if the log has fewer leaves than the tree.
    pub fn finish(self) -> Option<Vec<(u64, Vec<Hash>)>> {
        let path = |proof: Proof| {
            let roots = proof.siblings.iter().map(|one| one.frontier.root());
            (proof.index, roots.collect())
        };
        (self.next >= self.size).then(|| self.proofs.into_iter().map(path).collect())
    }
}

impl Proof {
    fn new(index: u64, size: u64) -> Self {
        let mut siblings = Vec::new();
        let (mut start, mut end) = (0, size);
        while end - start > 1 {
            // The largest power of two smaller than the number of leaves.
            let middle = start + (end - start).next_power_of_two() / 2;
            let sibling = if index < middle {
                (middle, std::mem::replace(&mut end, middle))
            } else {
                (std::mem::replace(&mut start, middle), middle)
            };
            siblings.push(Subtree {
                start: sibling.0,
                end: sibling.1,
                frontier: Frontier::new(),
            });
        }
        siblings.reverse();
        Self { index, siblings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{inclusion_proof, root_of, verify_inclusion};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn one_pass_gives_the_proofs_of_the_whole_tree(
            leaves in prop::collection::vec(any::<Leaf>(), 1..90),
            picks in prop::collection::btree_set(0_u64..90, 0..5),
            beyond in 0_usize..4,
        ) {
            let size = leaves.len() as u64;
            let mut proofs = InclusionProofs::new(picks.iter().copied(), size);
            leaves.iter().for_each(|leaf| proofs.push(leaf));
            (0..beyond).for_each(|_| proofs.push(&[7; 32]));
            let proofs = proofs.finish().expect("all leaves came");
            let inside: Vec<_> = picks.into_iter().filter(|index| *index < size).collect();
            prop_assert_eq!(proofs.len(), inside.len());
            let root = root_of(&leaves);
            for ((index, path), expected) in proofs.iter().zip(inside) {
                prop_assert_eq!(*index, expected);
                prop_assert_eq!(Some(path.clone()), inclusion_proof(&leaves, *index));
                let leaf = &leaves[usize::try_from(*index).expect("small")];
                prop_assert!(verify_inclusion(leaf, *index, size, path, &root));
            }
        }

        #[test]
        fn a_log_that_is_too_short_proves_nothing(size in 1_u64..40, lacks in 1_u64..40) {
            let mut proofs = InclusionProofs::new([0], size);
            (0..size.saturating_sub(lacks)).for_each(|_| proofs.push(&[1; 32]));
            prop_assert!(proofs.finish().is_none());
        }
    }
}
