//! Sealed boxes open for their vault alone.

use super::*;
use crate::vault::Vault;
use proptest::prelude::*;

#[test]
fn a_box_opens_for_its_vault_alone() {
    let (vault, stranger) = (Vault::for_tests(), Vault::for_tests());
    let sealed = vault.seal_to().seal(b"withdraw").expect("sealed");
    assert_eq!(**vault.open_box(&sealed).expect("ours"), *b"withdraw");
    assert_eq!(stranger.open_box(&sealed).err(), Some(BoxError::Altered));
    assert_ne!(sealed, vault.seal_to().seal(b"withdraw").expect("sealed"));
}

#[test]
fn the_public_key_goes_through_a_file() {
    let vault = Vault::for_tests();
    let text = vault.seal_to().to_text();
    let read = SealTo::parse(&format!("{text}\n")).expect("ours");
    assert_eq!(read, vault.seal_to());
    assert_eq!(SealTo::from_bytes(*read.as_bytes()), read);
    let sealed = read.seal(b"x").expect("sealed");
    assert!(vault.open_box(&sealed).is_ok());
    for bad in ["", "hustings-box-v1:", &text[1..], &text[..text.len() - 1]] {
        assert_eq!(SealTo::parse(bad), Err(BoxError::BadPublicKey));
    }
}

/// The points of small order give the same secret for every private key, known to all (RFC 7748 section 6.1).
#[test]
fn a_public_key_without_a_secret_is_refused() {
    let mut one = [0; 32];
    one[0] = 1;
    for point in [[0; 32], one] {
        assert_eq!(
            SealTo::from_bytes(point).seal(b"x"),
            Err(BoxError::BadPublicKey)
        );
        let vault = Vault::for_tests();
        let mut sealed = vault.seal_to().seal(b"x").expect("sealed");
        sealed[1..33].copy_from_slice(&point);
        assert_eq!(vault.open_box(&sealed).err(), Some(BoxError::Altered));
    }
}

#[test]
fn every_flipped_bit_and_cut_is_noticed() {
    let vault = Vault::for_tests();
    let sealed = vault.seal_to().seal(b"withdraw").expect("sealed");
    assert_eq!(sealed.len(), HEADER + 64 + TAG_LEN);
    for bit in 0..sealed.len() * 8 {
        // X25519 ignores the highest bit of a public key, but it is part of the salt.
        let mut bad = sealed.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(vault.open_box(&bad).is_err(), "bit {bit}");
    }
    for len in 0..sealed.len() {
        assert!(vault.open_box(&sealed[..len]).is_err());
    }
}

#[test]
fn there_is_a_limit() {
    let to = Vault::for_tests().seal_to();
    assert!(to.seal(&[0; PLAIN_MAX]).is_ok());
    assert_eq!(to.seal(&[0; PLAIN_MAX + 1]), Err(BoxError::TooLong));
}

/// A box made by another implementation (X25519 keys of 32 bytes 1 and 32 bytes 2): boxes wait in a file while the
/// service is upgraded.
#[test]
fn the_format_is_frozen() {
    let key = BoxKey::new(&Secret::from_slice(&[1; KEY_LEN]).expect("32 bytes"));
    let sealed: Vec<u8> = SEALED
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16))
        .collect::<Result<_, _>>()
        .expect("hexadecimal digits");
    assert_eq!(**key.open(&sealed).expect("as documented"), *b"withdraw");
}

const SEALED: &str = "01ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59b9982aa9114e69962909f750\
    9e0739e720a6b61fa408fc065fcae565fd38ca58f8aab4d1da1956dcb8ff1f9e07f6f630d5c47937cd86a8eeb3\
    7a30543a1ca1e5cae94965625ca3ba495bd77dfb06df8b";

proptest! {
    #[test]
    fn what_was_sealed_opens(plain: Vec<u8>) {
        let vault = Vault::for_tests();
        let sealed = vault.seal_to().seal(&plain).expect("sealed");
        prop_assert_eq!(&*vault.open_box(&sealed).expect("ours"), &plain);
    }

    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>) {
        let vault = Vault::for_tests();
        prop_assert!(vault.open_box(&bytes).is_err());
        bytes.insert(0, VERSION);
        prop_assert!(vault.open_box(&bytes).is_err());
    }
}
