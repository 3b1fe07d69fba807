//! Indexes agree with themselves, and with nothing else.

use super::*;
use crate::vault::secret::Secret;
use crate::vault::{Vault, secret::KEY_LEN};
use std::collections::HashSet;

#[test]
fn one_value_has_one_index_per_column() {
    let vault = Vault::for_tests();
    let mut seen = HashSet::new();
    for &column in IndexColumn::ALL {
        let index = vault.index(column, b"same@example.org");
        assert_eq!(index, vault.index(column, b"same@example.org"));
        assert_ne!(index, vault.index(column, b"other@example.org"));
        assert!(seen.insert(index), "columns can't be matched");
    }
    let stranger = Vault::for_tests();
    for &column in IndexColumn::ALL {
        assert!(seen.insert(stranger.index(column, b"same@example.org")));
    }
}

/// RFC 4231 test case 2 can't be used (its key is short); this one was computed apart.
#[test]
fn the_format_is_frozen() {
    let mut ring = KeyRing::empty();
    let slot = Slot::Index(IndexColumn::Suppression);
    let key = Secret::from_slice(&[0x0b; KEY_LEN]).expect("32 bytes");
    ring.insert(slot, 5, key);
    ring.fill();
    let index = Vault::from_ring(ring).index(IndexColumn::Suppression, b"Hi There");
    assert_eq!(index.to_string(), "05198a607eb44bfbc69903a0f1cf2bbdc5");
    assert_eq!(index.generation(), 5);
}

#[test]
fn a_lookup_finds_what_older_generations_made() {
    let mut ring = KeyRing::generate();
    let column = IndexColumn::Suppression;
    let old_vault = Vault::from_ring(ring.clone());
    let old = old_vault.index(column, b"a@example.org");
    let old_tag = old_vault.list_tag("news");
    assert_eq!(ring.add_index_generation(column), Ok(2));
    assert_eq!(ring.add_index_generation(IndexColumn::ListTag), Ok(2));
    let vault = Vault::from_ring(ring);
    let new = vault.index(column, b"a@example.org");
    assert_eq!((new.generation(), old.generation()), (2, 1));
    assert_eq!(vault.index_all(column, b"a@example.org"), [new, old]);
    assert_eq!(vault.list_tags("news"), [vault.list_tag("news"), old_tag]);
}

#[test]
fn no_list_has_the_tag_of_all_lists() {
    let mut bytes = [0; INDEX_LEN];
    bytes[0] = 1;
    bytes[5] = 9;
    assert_eq!(ListTag::of(&Index(bytes)), ListTag([0, 0, 0, 1]));
    bytes[1] = 2;
    assert_eq!(ListTag::of(&Index(bytes)), ListTag([2, 0, 0, 0]));
    assert_ne!(ListTag([0, 0, 0, 1]), ListTag::ALL);
}

#[test]
fn an_index_survives_storing_and_keeps_out_of_debug() {
    let vault = Vault::for_tests();
    let index = vault.index(IndexColumn::StaffName, b"ann");
    assert_eq!(Index::from_slice(index.as_bytes()), Some(index));
    assert_eq!(Index::from_slice(&index.as_bytes()[1..]), None);
    assert_eq!(index.to_string().len(), 34);
    assert_eq!(format!("{index:?}"), "Index(..)");
    assert_eq!(vault.log_name(b"a@example.org").to_string().len(), 8);
}
