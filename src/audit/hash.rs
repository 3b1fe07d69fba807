//! The hashes of the tree (RFC 9162 section 2.1.1) and the leaf that stands for an event.

use aws_lc_rs::digest::{Context, SHA256};

/// A SHA-256 hash: of a leaf, a node, or a whole tree.
pub type Hash = [u8; 32];

/// What is put into the log for an event: see [`leaf_input`]. It is hashed once more to become a leaf of the tree.
pub type Leaf = [u8; 32];

/// The leaf for an event: SHA-256(salt ‖ canonical event). The salt has a fixed length, so the two can't be shifted
/// against each other; it keeps anybody who has only the leaf from guessing the event.
pub fn leaf_input(salt: &[u8; 32], canonical: &[u8]) -> Leaf {
    sha256(&[salt, canonical])
}

/// The hash of a leaf: SHA-256(0x00 ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[0], leaf])
}

/// The hash of a node: SHA-256(0x01 ‖ left ‖ right). The first byte keeps a node from passing for a leaf.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// SHA-256 over the parts, one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The leaves of the reference trees that the implementations of Certificate Transparency share.
    pub(in crate::audit) const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];

    /// The roots of the trees with the first 1 to 8 of them.
    pub(in crate::audit) const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    pub(in crate::audit) fn hex(text: &str) -> Hash {
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
        }
        hash
    }

    #[test]
    fn a_leaf_depends_on_salt_and_event() {
        let leaf = leaf_input(&[1; 32], b"event");
        assert_ne!(leaf, leaf_input(&[2; 32], b"event"));
        assert_ne!(leaf, leaf_input(&[1; 32], b"Event"));
        assert_eq!(leaf, sha256(&[&[1; 32], b"event"]));
    }
}
