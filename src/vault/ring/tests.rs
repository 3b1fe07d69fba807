//! A ring survives wrapping, and says what is wrong when it doesn't open.

use super::*;
use proptest::prelude::*;

fn same(one: &KeyRing, other: &KeyRing) -> bool {
    one.keys.len() == other.keys.len()
        && one
            .keys
            .iter()
            .zip(&other.keys)
            .all(|((at, key), (other_at, other_key))| {
                at == other_at && key.bytes() == other_key.bytes()
            })
}

fn error(root: &RootKey, wrapped: &[u8]) -> Option<UnlockError> {
    KeyRing::unwrap(root, wrapped).err()
}

#[test]
fn a_ring_survives_wrapping() {
    let root = RootKey::generate();
    let mut ring = KeyRing::generate();
    assert!(ring.needs_saving(), "a new ring was never saved");
    ring.add_sealing_generation(Purpose::Body).expect("room");
    ring.add_index_generation(IndexColumn::ListTag)
        .expect("room");
    let wrapped = ring.wrap(&root);
    assert_ne!(wrapped, ring.wrap(&root), "the nonce is new each time");
    let opened = KeyRing::unwrap(&root, &wrapped).expect("ours");
    assert!(same(&ring, &opened));
    assert!(!opened.needs_saving());
    assert_eq!(opened.sealing_generations(Purpose::Body), [1, 2]);
    assert_eq!(opened.checkpoint_public(), ring.checkpoint_public());
    assert_eq!(opened.seal_to(), ring.seal_to());
}

#[test]
fn all_keys_differ() {
    let ring = KeyRing::generate();
    let mut keys: Vec<_> = ring.keys.values().map(|key| *key.bytes()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), Slot::all().count());
    let other = KeyRing::generate();
    assert!(other.keys.values().all(|key| !keys.contains(key.bytes())));
}

#[test]
fn the_wrong_key_is_told_from_a_damaged_ring() {
    let root = RootKey::generate();
    let wrapped = KeyRing::generate().wrap(&root);
    assert_eq!(
        error(&RootKey::generate(), &wrapped),
        Some(UnlockError::WrongKey)
    );
    for at in [CLEAR_LEN, CLEAR_LEN + NONCE_LEN, wrapped.len() - 1] {
        let mut bad = wrapped.clone();
        bad[at] ^= 1;
        assert_eq!(error(&root, &bad), Some(UnlockError::Damaged), "byte {at}");
    }
    for len in 0..wrapped.len() {
        let expected = if len < CLEAR_LEN {
            UnlockError::NotARing
        } else {
            UnlockError::Damaged
        };
        assert_eq!(error(&root, &wrapped[..len]), Some(expected), "{len} bytes");
    }
    let mut newer = wrapped.clone();
    newer[8] = 2;
    assert_eq!(error(&root, &newer), Some(UnlockError::NewerVersion));
    let mut other = wrapped;
    other[0] = b'h';
    assert_eq!(error(&root, &other), Some(UnlockError::NotARing));
}

#[test]
fn a_ring_of_an_older_version_gains_what_it_lacks() {
    let root = RootKey::generate();
    let mut old = KeyRing::generate();
    old.keys.remove(&(Slot::Seal(Purpose::Setting), 1));
    let opened = KeyRing::unwrap(&root, &old.wrap(&root)).expect("ours");
    assert!(opened.needs_saving());
    assert_eq!(opened.sealing_generations(Purpose::Setting), [1]);
    let again = KeyRing::unwrap(&root, &opened.wrap(&root)).expect("ours");
    assert!(same(&opened, &again) && !again.needs_saving());
}

fn entry(kind: u8, code: u8, generation: u16) -> Vec<u8> {
    let [high, low] = generation.to_be_bytes();
    let mut bytes = vec![kind, code, high, low];
    bytes.extend([9; KEY_LEN]);
    bytes
}

#[test]
fn entries_that_wrap_does_not_write_are_refused() {
    let read = |entries: &[Vec<u8>]| KeyRing::read_entries(&entries.concat()).err();
    assert_eq!(read(&[entry(1, 1, 1), entry(1, 1, 2)]), None);
    let damaged = Some(UnlockError::Damaged);
    assert_eq!(read(&[entry(1, 1, 2), entry(1, 1, 1)]), damaged, "order");
    assert_eq!(read(&[entry(1, 1, 1), entry(1, 1, 1)]), damaged, "twice");
    assert_eq!(read(&[entry(1, 1, 0)]), damaged, "generation 0");
    assert_eq!(read(&[entry(2, 1, 256)]), damaged, "no room in an index");
    assert_eq!(read(&[entry(1, 1, 256)]), None);
    assert_eq!(read(&[entry(1, 1, 1), vec![0]]), damaged, "rest");
    let newer = Some(UnlockError::NewerVersion);
    assert_eq!(read(&[entry(1, 200, 1)]), newer);
    assert_eq!(read(&[entry(9, 1, 1)]), newer);
}

#[test]
fn generations_come_and_go_by_their_rules() {
    let mut ring = KeyRing::generate();
    let body = Purpose::Body;
    assert_eq!(
        ring.drop_sealing_generation(body, 1),
        Err(RingError::Newest)
    );
    assert_eq!(ring.add_sealing_generation(body), Ok(2));
    assert_eq!(
        ring.drop_sealing_generation(body, 3),
        Err(RingError::NoSuchGeneration)
    );
    assert_eq!(ring.drop_sealing_generation(body, 1), Ok(()));
    assert_eq!(ring.add_sealing_generation(body), Ok(3), "no number twice");
    let column = IndexColumn::Suppression;
    for expected in 2..=255 {
        assert_eq!(ring.add_index_generation(column), Ok(expected));
    }
    assert_eq!(
        ring.add_index_generation(column),
        Err(RingError::NoGenerationLeft)
    );
    let root = RootKey::generate();
    let opened = KeyRing::unwrap(&root, &ring.wrap(&root)).expect("ours");
    assert_eq!(opened.generations(Slot::Index(column)).count(), 255);
}

#[test]
fn a_new_root_key_takes_over_by_wrapping_anew() {
    let (old, new) = (RootKey::generate(), RootKey::generate());
    let ring = KeyRing::unwrap(&old, &KeyRing::generate().wrap(&old)).expect("ours");
    let opened = KeyRing::unwrap(&new, &ring.wrap(&new)).expect("ours");
    assert!(same(&ring, &opened));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, version in 0_u8..3) {
        let root = RootKey::generate();
        prop_assert!(KeyRing::unwrap(&root, &bytes).is_err());
        let mut wrapped = MAGIC.to_vec();
        wrapped.push(version);
        wrapped.extend(check_value(&root));
        wrapped.extend(&bytes);
        prop_assert!(KeyRing::unwrap(&root, &wrapped).is_err());
        let _ = KeyRing::read_entries(&bytes);
    }
}
