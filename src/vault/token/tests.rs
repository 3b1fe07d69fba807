//! Tokens are the same every time, open for ever, and can't be made by anybody else.

use super::*;
use crate::vault::{IndexColumn, Vault};
use proptest::prelude::*;
use std::collections::HashSet;

fn suppression(vault: &Vault) -> Index {
    vault.index(IndexColumn::Suppression, b"a@example.org")
}

#[test]
fn a_withdrawal_token_is_the_same_every_time_and_fits_a_local_part() {
    let vault = Vault::for_tests();
    for list in [vault.list_tag("news"), ListTag::ALL] {
        let token = vault.withdrawal_token(list, &suppression(&vault));
        assert_eq!(token, vault.withdrawal_token(list, &suppression(&vault)));
        assert_eq!(token.len(), 61);
        assert!(format!("u+{token}").len() <= 64);
        let found = Some((list, suppression(&vault)));
        assert_eq!(vault.open_withdrawal_token(&token), found);
        assert_eq!(
            vault.open_withdrawal_token(&token.to_ascii_uppercase()),
            found
        );
    }
}

#[test]
fn a_copy_token_opens_only_for_its_use() {
    let vault = Vault::for_tests();
    let copy = CopyId::random();
    let path = vault.copy_token(CopyTokenKind::ReturnPath, copy);
    let id = vault.copy_token(CopyTokenKind::MessageId, copy);
    assert_eq!(path.len(), 53);
    assert_ne!(path, id);
    let open = |kind, text: &str| vault.open_copy_token(kind, text);
    assert_eq!(open(CopyTokenKind::ReturnPath, &path), Some(copy));
    assert_eq!(open(CopyTokenKind::MessageId, &id), Some(copy));
    assert_eq!(open(CopyTokenKind::MessageId, &path), None);
    assert_eq!(open(CopyTokenKind::ReturnPath, &id), None);
    assert_eq!(vault.open_withdrawal_token(&path), None);
}

#[test]
fn another_vault_opens_none_of_them() {
    let (vault, stranger) = (Vault::for_tests(), Vault::for_tests());
    let token = vault.withdrawal_token(ListTag::ALL, &suppression(&vault));
    assert_eq!(stranger.open_withdrawal_token(&token), None);
    let token = vault.copy_token(CopyTokenKind::ReturnPath, CopyId::random());
    assert_eq!(
        stranger.open_copy_token(CopyTokenKind::ReturnPath, &token),
        None
    );
}

/// One digit changed to every other one, at every place; the last digit has a bit to spare, which must be zero.
#[test]
fn every_changed_digit_is_noticed() {
    let vault = Vault::for_tests();
    let token = vault.withdrawal_token(ListTag::ALL, &suppression(&vault));
    for at in 0..token.len() {
        for digit in "abcdefghijklmnopqrstuvwxyz234567".chars() {
            if token[at..].starts_with(digit) {
                continue;
            }
            let changed = format!("{}{digit}{}", &token[..at], &token[at + 1..]);
            assert_eq!(vault.open_withdrawal_token(&changed), None, "digit {at}");
        }
    }
    for bad in [&token[1..], &token[..60], &format!("{token}a"), "", "u+"] {
        assert_eq!(vault.open_withdrawal_token(bad), None);
    }
}

#[test]
fn old_tokens_open_after_rotation() {
    let mut ring = KeyRing::generate();
    let vault = Vault::from_ring(ring.clone());
    let (index, copy) = (suppression(&vault), CopyId::random());
    let old = vault.withdrawal_token(ListTag::ALL, &index);
    let old_path = vault.copy_token(CopyTokenKind::ReturnPath, copy);
    for &kind in TokenKind::ALL {
        assert_eq!(ring.add_token_generation(kind), Ok(2));
    }
    let vault = Vault::from_ring(ring);
    let new = vault.withdrawal_token(ListTag::ALL, &index);
    assert_ne!(old, new);
    for token in [old, new] {
        assert_eq!(
            vault.open_withdrawal_token(&token),
            Some((ListTag::ALL, index))
        );
    }
    assert_eq!(
        vault.open_copy_token(CopyTokenKind::ReturnPath, &old_path),
        Some(copy)
    );
}

/// Tokens are in people's mailboxes for years: changing the format must break a test. The texts were computed by
/// another implementation of AES-GCM-SIV.
#[test]
fn the_format_is_frozen() {
    let mut ring = KeyRing::empty();
    for (byte, &kind) in (1_u8..).zip(TokenKind::ALL) {
        let key = crate::vault::secret::Secret::from_slice(&[byte; 32]).expect("32 bytes");
        ring.insert(Slot::Token(kind), 1, key);
    }
    ring.fill();
    let vault = Vault::from_ring(ring);
    let index = Index::from_bytes([7; INDEX_LEN]);
    assert_eq!(
        vault.withdrawal_token(ListTag([1, 2, 3, 4]), &index),
        "ahffltyp5tutnjjtyqqerpaf7vn4wzuyji72ojiu26cyjbwl5zsu3vkjaagji"
    );
    let copy = CopyId::from_bytes([8; 16]);
    assert_eq!(
        vault.copy_token(CopyTokenKind::ReturnPath, copy),
        "aeinaqiaybhcznzrzpz7oyt6anbkpumxy3432vrk4wijcfyxhytqq"
    );
    assert_eq!(
        vault.copy_token(CopyTokenKind::MessageId, copy),
        "agl4cqxr7rhgqakdeclzgliaq7endcq5j5dohvcfd2f64igmm3nk2"
    );
}

#[test]
fn a_confirm_token_is_kept_as_its_hash() {
    let token = ConfirmToken::generate();
    let text = token.to_text();
    assert_eq!(text.len(), 52);
    let hash = token.hash();
    let read = ConfirmToken::parse(&text.to_ascii_uppercase()).expect("ours");
    assert_eq!(read.hash(), hash);
    assert_eq!(TokenHash::from_slice(hash.as_bytes()), Some(hash));
    assert_eq!(TokenHash::from_slice(&[0; 31]), None);
    assert_ne!(ConfirmToken::generate().hash(), hash);
    assert_eq!(format!("{hash:?}"), "TokenHash(..)");
    assert!(ConfirmToken::parse(&text[1..]).is_none());
    // The last digit holds one bit: of its 32 values only "a" and "q" are written.
    assert!(ConfirmToken::parse(&format!("{}b", &text[..51])).is_none());
}

proptest! {
    #[test]
    fn different_things_have_different_tokens(
        things in prop::collection::hash_set((any::<[u8; 4]>(), any::<[u8; INDEX_LEN]>()), 1..20),
    ) {
        let vault = Vault::for_tests();
        let mut seen = HashSet::new();
        for (list, index) in things {
            let (list, index) = (ListTag(list), Index::from_bytes(index));
            let token = vault.withdrawal_token(list, &index);
            prop_assert_eq!(vault.open_withdrawal_token(&token), Some((list, index)));
            prop_assert!(seen.insert(token));
        }
    }

    #[test]
    fn no_text_opens_or_panics(text: String, digits in "[a-zA-Z2-7]{61}") {
        let vault = Vault::for_tests();
        for text in [&text, &digits] {
            prop_assert_eq!(vault.open_withdrawal_token(text), None);
            prop_assert_eq!(vault.open_copy_token(CopyTokenKind::MessageId, text), None);
            let _ = ConfirmToken::parse(text);
        }
        prop_assert_eq!(vault.open_copy_token(CopyTokenKind::MessageId, &digits[..53]), None);
    }
}
