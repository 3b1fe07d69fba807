//! Proofs over the tree: that a leaf is in it (RFC 9162 section 2.1.3), and that one tree is a prefix of another
//! (section 2.1.4).

use super::frontier::Frontier;
use super::hash::{Hash, Leaf, leaf_hash, node_hash};

/// The hashes that prove that the leaf at `index` is in the tree of all `leaves`; `None` if there is no such leaf.
pub fn inclusion_proof(leaves: &[Leaf], index: u64) -> Option<Vec<Hash>> {
    inclusion_path(&hashes(leaves), index)
}

/// The hashes that prove that the tree of the first `old_size` leaves is a prefix of the tree of all `leaves`;
/// `None` if it has more leaves. A prefix of no leaves, and the whole, are proven by no hashes.
pub fn consistency_proof(leaves: &[Leaf], old_size: u64) -> Option<Vec<Hash>> {
    consistency_path(&hashes(leaves), old_size)
}

fn hashes(leaves: &[Leaf]) -> Vec<Hash> {
    leaves.iter().map(|leaf| leaf_hash(leaf)).collect()
}

/// The largest power of two that is smaller than `len`, which is at least 2.
const fn split(len: usize) -> usize {
    len.next_power_of_two() / 2
}

fn root(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    hashes.iter().for_each(|hash| frontier.push_hash(*hash));
    frontier.root()
}

/// PATH(m, D_n) of section 2.1.3.1, walked from the root down and turned round at the end.
fn inclusion_path(mut hashes: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let mut index = usize::try_from(index).ok()?;
    if index >= hashes.len() {
        return None;
    }
    let mut path = Vec::new();
    while hashes.len() > 1 {
        let (left, right) = hashes.split_at(split(hashes.len()));
        if index < left.len() {
            path.push(root(right));
            hashes = left;
        } else {
            path.push(root(left));
            index -= left.len();
            hashes = right;
        }
    }
    path.reverse();
    Some(path)
}

/// PROOF(m, D_n) of section 2.1.4.1, walked from the root down and turned round at the end.
fn consistency_path(mut hashes: &[Hash], old_size: u64) -> Option<Vec<Hash>> {
    let mut old = usize::try_from(old_size).ok()?;
    if old > hashes.len() {
        return None;
    }
    let mut path = Vec::new();
    if old == 0 || old == hashes.len() {
        return Some(path);
    }
    // While only left turns were taken, the old tree's root is known to whoever checks.
    let mut known = true;
    while old < hashes.len() {
        let (left, right) = hashes.split_at(split(hashes.len()));
        if old <= left.len() {
            path.push(root(right));
            hashes = left;
        } else {
            path.push(root(left));
            old -= left.len();
            hashes = right;
            known = false;
        }
    }
    if !known {
        path.push(root(hashes));
    }
    path.reverse();
    Some(path)
}

/// Whether `path` proves that `leaf` stands at `index` in the tree of `size` leaves with this root
/// (section 2.1.3.2).
pub fn verify_inclusion(leaf: &Leaf, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    climb(leaf_hash(leaf), index, size, path) == Some(*root)
}

/// The root that the path leads to from a leaf's hash; `None` if the path is too short or too long.
fn climb(hash: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = hash;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            skip_lone_nodes(&mut at, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// The last node of a row that has no sibling goes up unchanged until it is a right child.
const fn skip_lone_nodes(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        *at >>= 1;
        *last >>= 1;
    }
}

/// Whether `path` proves that the tree of `old_size` leaves with `old_root` is a prefix of the tree of `new_size`
/// leaves with `new_root` (section 2.1.4.2). Every tree has the empty one as a prefix.
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    new_root: &Hash,
    path: &[Hash],
) -> bool {
    if old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return path.is_empty() && *old_root == Frontier::new().root();
    }
    climb_both(old_size, new_size, old_root, path) == Some((*old_root, *new_root))
}

/// The two roots that a consistency path leads to.
fn climb_both(old: u64, new: u64, old_root: &Hash, path: &[Hash]) -> Option<(Hash, Hash)> {
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    // A full old tree is a node of the new one: the path then starts at its root, which it leaves out.
    let (start, rest) = if old.is_power_of_two() {
        (old_root, path)
    } else {
        path.split_first()?
    };
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            skip_lone_nodes(&mut at, &mut last);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((old_hash, new_hash))
}

#[cfg(test)]
mod tests;
