//! The proofs against the reference vectors, and against everything that must not pass.

use super::*;
use crate::audit::frontier::root_of;
use crate::audit::hash::tests::{LEAVES, ROOTS, hex};
use proptest::prelude::*;

fn reference(size: usize) -> Vec<Hash> {
    LEAVES[..size].iter().map(|leaf| leaf_hash(leaf)).collect()
}

/// (index, size, path) of the reference trees.
#[test]
fn the_reference_inclusion_paths_hold() {
    let table: [(u64, usize, &[&str]); 4] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            3,
            &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
        ),
    ];
    for (index, size, expected) in table {
        let hashes = reference(size);
        let path = inclusion_path(&hashes, index).expect("the leaf is there");
        let expected: Vec<Hash> = expected.iter().map(|text| hex(text)).collect();
        assert_eq!(path, expected, "leaf {index} of {size}");
        let leaf = hashes[usize::try_from(index).expect("small")];
        assert_eq!(
            climb(leaf, index, size as u64, &path),
            Some(hex(ROOTS[size - 1]))
        );
    }
}

#[test]
fn the_reference_consistency_paths_hold() {
    let table: [(u64, usize, &[&str]); 4] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    for (old, new, expected) in table {
        let path = consistency_path(&reference(new), old).expect("a prefix");
        let expected: Vec<Hash> = expected.iter().map(|text| hex(text)).collect();
        assert_eq!(path, expected, "{old} in {new}");
        let old_root = hex(ROOTS[usize::try_from(old).expect("small") - 1]);
        let new_root = hex(ROOTS[new - 1]);
        assert!(verify_consistency(
            old, new as u64, &old_root, &new_root, &path
        ));
    }
}

#[test]
fn what_is_not_there_has_no_proof() {
    let leaves = [[1; 32], [2; 32]];
    assert_eq!(inclusion_proof(&[], 0), None);
    assert_eq!(inclusion_proof(&leaves, 2), None);
    assert_eq!(inclusion_proof(&leaves, u64::MAX), None);
    assert_eq!(consistency_proof(&leaves, 3), None);
    let root = root_of(&leaves);
    assert!(!verify_inclusion(&[1; 32], 0, 0, &[], &root));
    assert!(!verify_consistency(3, 2, &root, &root, &[]));
    assert!(!verify_consistency(0, 2, &root, &root, &[]));
    assert!(!verify_consistency(2, 2, &root, &[0; 32], &[]));
    assert!(!verify_consistency(2, 2, &root, &root, &[[0; 32]]));
}

/// Every leaf of every tree, and every prefix of every tree, up to a size where all shapes have come up.
#[test]
fn all_small_trees_prove_themselves() {
    let leaves: Vec<Leaf> = (0..40_u8).map(|number| [number; 32]).collect();
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let root = root_of(tree);
        for (index, leaf) in tree.iter().enumerate() {
            let path = inclusion_proof(tree, index as u64).expect("there");
            assert!(verify_inclusion(
                leaf,
                index as u64,
                size as u64,
                &path,
                &root
            ));
        }
        for old in 0..=size {
            let path = consistency_proof(tree, old as u64).expect("a prefix");
            let old_root = root_of(&tree[..old]);
            assert!(verify_consistency(
                old as u64,
                size as u64,
                &old_root,
                &root,
                &path
            ));
        }
    }
}

fn flip(hash: &mut Hash, bit: usize) {
    hash[bit / 8 % 32] ^= 1 << (bit % 8);
}

proptest! {
    #[test]
    fn a_changed_inclusion_proof_fails(
        leaves in prop::collection::vec(any::<Leaf>(), 2..60),
        index: prop::sample::Index, place: prop::sample::Index, bit in 0_usize..256,
    ) {
        let (size, index) = (leaves.len() as u64, index.index(leaves.len()));
        let leaf = leaves[index];
        let index = index as u64;
        let root = root_of(&leaves);
        let path = inclusion_proof(&leaves, index).expect("there");
        prop_assert!(verify_inclusion(&leaf, index, size, &path, &root));

        let mut bad = path.clone();
        flip(&mut bad[place.index(path.len())], bit);
        prop_assert!(!verify_inclusion(&leaf, index, size, &bad, &root));
        let mut bad = leaf;
        flip(&mut bad, bit);
        prop_assert!(!verify_inclusion(&bad, index, size, &path, &root));
        let mut bad = root;
        flip(&mut bad, bit);
        prop_assert!(!verify_inclusion(&leaf, index, size, &path, &bad));
        prop_assert!(!verify_inclusion(&leaf, index, size, &path[1..], &root));
        let longer = [path.as_slice(), &[[0; 32]]].concat();
        prop_assert!(!verify_inclusion(&leaf, index, size, &longer, &root));
        prop_assert!(!verify_inclusion(&leaf, (index + 1) % size, size, &path, &root));
    }

    #[test]
    fn a_cut_or_rewritten_log_has_no_consistency_proof(
        leaves in prop::collection::vec(any::<Leaf>(), 2..60),
        old: prop::sample::Index, place: prop::sample::Index, bit in 0_usize..256,
    ) {
        let size = leaves.len() as u64;
        let old = 1 + old.index(leaves.len() - 1);
        let (old_root, new_root) = (root_of(&leaves[..old]), root_of(&leaves));
        let path = consistency_proof(&leaves, old as u64).expect("a prefix");
        prop_assert!(verify_consistency(old as u64, size, &old_root, &new_root, &path));

        // An old leaf was rewritten: no path of the new log fits the old root.
        let mut forked = leaves.clone();
        flip(&mut forked[place.index(old)], bit);
        let forked_path = consistency_proof(&forked, old as u64).expect("a prefix");
        let forked_root = root_of(&forked);
        prop_assert!(!verify_consistency(old as u64, size, &old_root, &forked_root, &forked_path));
        prop_assert!(!verify_consistency(old as u64, size, &old_root, &forked_root, &path));

        let mut bad = path.clone();
        flip(&mut bad[place.index(path.len())], bit);
        prop_assert!(!verify_consistency(old as u64, size, &old_root, &new_root, &bad));
        let mut bad = old_root;
        flip(&mut bad, bit);
        prop_assert!(!verify_consistency(old as u64, size, &bad, &new_root, &path));
        let mut bad = new_root;
        flip(&mut bad, bit);
        prop_assert!(!verify_consistency(old as u64, size, &old_root, &bad, &path));
        prop_assert!(!verify_consistency(old as u64, size, &old_root, &new_root, &path[1..]));
        let longer = [path.as_slice(), &[[0; 32]]].concat();
        prop_assert!(!verify_consistency(old as u64, size, &old_root, &new_root, &longer));
    }

    #[test]
    fn no_path_panics(
        old: u64, new: u64, index: u64, path in prop::collection::vec(any::<Hash>(), 0..70),
    ) {
        prop_assert!(!verify_inclusion(&[0; 32], index, new, &path, &[7; 32]));
        if old != new {
            prop_assert!(!verify_consistency(old, new, &[6; 32], &[7; 32], &path));
        }
    }
}
