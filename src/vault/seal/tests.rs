//! Sealed values open where they were sealed, and nowhere else.

use super::*;
use crate::vault::{KeyRing, Vault};
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use proptest::prelude::*;

const CLEAR: [Clear<'static>; 4] = [
    Clear::Null,
    Clear::Int(7),
    Clear::Bytes(b"ab"),
    Clear::Text("cd"),
];

fn place<'a>(row: &'a [u8], clear: &'a [Clear<'a>]) -> Place<'a> {
    Place {
        table: "subscriber",
        column: "sealed",
        row,
        clear,
    }
}

fn altered() -> OpenError {
    place(b"", &[]).altered()
}

#[test]
fn a_value_opens_in_its_place() {
    let vault = Vault::for_tests();
    let here = place(b"row", &CLEAR);
    for len in [0, 1, 61, 62, 63, 126, 127, 4095, 4096, 4097, 65_536] {
        let plain = vec![0x5a; len];
        let sealed = vault.seal(Purpose::Subscriber, &here, &plain);
        let opened = vault
            .open(Purpose::Subscriber, &here, &sealed)
            .expect("ours");
        assert_eq!(*opened, plain, "{len} bytes");
        let opened = vault
            .open_in_place(Purpose::Subscriber, &here, sealed)
            .expect("ours");
        assert_eq!(*opened, plain, "{len} bytes, in place");
    }
}

/// Every other place: another row, table, column, clear column, order or number of them.
#[test]
fn a_value_opens_in_no_other_place() {
    let vault = Vault::for_tests();
    let here = place(b"row", &CLEAR);
    let sealed = vault.seal(Purpose::Subscriber, &here, b"value");
    let reordered = [CLEAR[1], CLEAR[0], CLEAR[2], CLEAR[3]];
    let edited = [CLEAR[0], Clear::Int(8), CLEAR[2], CLEAR[3]];
    let shifted = [CLEAR[0], CLEAR[1], Clear::Bytes(b"abc"), Clear::Text("d")];
    let retyped = [CLEAR[0], CLEAR[1], Clear::Text("ab"), CLEAR[3]];
    let elsewhere = [
        place(b"row2", &CLEAR),
        place(b"", &CLEAR),
        place(b"row", &CLEAR[..3]),
        place(b"row", &[]),
        place(b"row", &reordered),
        place(b"row", &edited),
        place(b"row", &shifted),
        place(b"row", &retyped),
        Place {
            table: "subscribe",
            column: "rsealed",
            ..here
        },
        Place {
            table: "staff",
            ..here
        },
        Place {
            column: "other",
            ..here
        },
    ];
    for (number, there) in elsewhere.iter().enumerate() {
        let error = vault.open(Purpose::Subscriber, there, &sealed).err();
        assert_eq!(error, Some(there.altered()), "place {number}");
        let error = vault
            .open_in_place(Purpose::Subscriber, there, sealed.clone())
            .err();
        assert_eq!(error, Some(there.altered()), "place {number}, in place");
    }
    for &purpose in Purpose::ALL {
        let opened = vault.open(purpose, &here, &sealed);
        assert_eq!(opened.is_ok(), purpose == Purpose::Subscriber);
    }
    let stranger = Vault::for_tests();
    assert_eq!(
        stranger.open(Purpose::Subscriber, &here, &sealed).err(),
        Some(altered())
    );
}

#[test]
fn every_flipped_bit_is_noticed() {
    let vault = Vault::for_tests();
    let here = place(b"row", &CLEAR);
    let sealed = vault.seal(Purpose::Staff, &here, b"a secret of some length");
    for bit in 0..sealed.len() * 8 {
        let mut bad = sealed.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(
            vault.open(Purpose::Staff, &here, &bad).is_err(),
            "bit {bit}"
        );
    }
    for len in 0..sealed.len() {
        assert!(vault.open(Purpose::Staff, &here, &sealed[..len]).is_err());
        assert!(
            vault
                .open_in_place(Purpose::Staff, &here, sealed[..len].to_vec())
                .is_err()
        );
    }
    let longer = [sealed.as_slice(), &[0]].concat();
    assert!(vault.open(Purpose::Staff, &here, &longer).is_err());
}

#[test]
fn short_values_hide_their_length() {
    let vault = Vault::for_tests();
    let here = place(b"row", &[]);
    let sealed_len = |len: usize| vault.seal(Purpose::Staff, &here, &vec![1; len]).len();
    assert_eq!(sealed_len(0), SEAL_OVERHEAD + 64);
    assert_eq!(sealed_len(62), sealed_len(0));
    assert_eq!(sealed_len(63), SEAL_OVERHEAD + 128);
    assert_eq!(sealed_len(4096), SEAL_OVERHEAD + 4160);
    assert_eq!(sealed_len(4097), SEAL_OVERHEAD + 4097);
}

#[test]
fn the_same_value_never_looks_the_same() {
    let vault = Vault::for_tests();
    let here = place(b"row", &[]);
    let once = vault.seal(Purpose::Staff, &here, b"value");
    assert_ne!(once, vault.seal(Purpose::Staff, &here, b"value"));
}

#[test]
fn a_chunk_is_sealed_where_it_lies() {
    let vault = Vault::for_tests();
    let here = place(b"chunk 3", &[Clear::Int(3)]);
    for len in [0, 10, 4096, 4097, 65_536] {
        let mut buffer = Vec::with_capacity(SEAL_OVERHEAD + padded_len(len));
        buffer.resize(SEAL_HEADER, 0);
        buffer.resize(SEAL_HEADER + len, b'x');
        let before = buffer.as_ptr();
        vault.seal_in_place(Purpose::Body, &here, &mut buffer);
        assert_eq!(buffer.as_ptr(), before, "it was not moved");
        let opened = vault.open(Purpose::Body, &here, &buffer).expect("ours");
        assert_eq!(*opened, vec![b'x'; len]);
    }
    let mut tight = vec![b'x'; SEAL_HEADER + 70_000];
    tight.shrink_to_fit();
    vault.seal_in_place(Purpose::Body, &here, &mut tight);
    assert_eq!(
        vault
            .open(Purpose::Body, &here, &tight)
            .expect("ours")
            .len(),
        70_000
    );
}

#[test]
fn buffers_are_used_again() {
    let vault = Vault::for_tests();
    let here = place(b"row", &[]);
    let mut out = b"before".to_vec();
    vault.seal_into(Purpose::Queue, &here, b"one", &mut out);
    assert!(out.starts_with(b"before"));
    let mut plain = Zeroizing::new(b"left over from the last value".to_vec());
    vault
        .open_into(Purpose::Queue, &here, &out[6..], &mut plain)
        .expect("ours");
    assert_eq!(*plain, b"one");
    out[40] ^= 1;
    assert!(
        vault
            .open_into(Purpose::Queue, &here, &out[6..], &mut plain)
            .is_err()
    );
    assert!(plain.is_empty(), "nothing of the last value stays");
}

#[test]
fn old_generations_open_and_dropped_ones_are_named() {
    let mut ring = KeyRing::generate();
    let here = place(b"row", &[]);
    let old = Vault::from_ring(ring.clone()).seal(Purpose::Staff, &here, b"old");
    assert_eq!(ring.add_sealing_generation(Purpose::Staff), Ok(2));
    let vault = Vault::from_ring(ring.clone());
    let new = vault.seal(Purpose::Staff, &here, b"new");
    assert!(vault.is_current(Purpose::Staff, &new));
    assert!(!vault.is_current(Purpose::Staff, &old));
    assert!(!vault.is_current(Purpose::Staff, b""));
    assert_eq!(
        **vault.open(Purpose::Staff, &here, &old).expect("kept"),
        *b"old"
    );

    ring.drop_sealing_generation(Purpose::Staff, 1)
        .expect("an old one");
    let vault = Vault::from_ring(ring);
    assert_eq!(
        **vault.open(Purpose::Staff, &here, &new).expect("newest"),
        *b"new"
    );
    assert_eq!(
        vault.open(Purpose::Staff, &here, &old).err(),
        Some(OpenError::UnknownGeneration {
            table: "subscriber",
            column: "sealed",
            generation: 1
        })
    );
}

#[test]
fn an_error_names_the_place_and_not_the_content() {
    let vault = Vault::for_tests();
    let here = place(b"row", &[Clear::Text("secret")]);
    let error = vault
        .open(Purpose::Staff, &here, b"not sealed")
        .expect_err("refused");
    assert_eq!(error.place(), ("subscriber", "sealed"));
    let text = format!("{error} {error:?}");
    assert!(text.contains("subscriber.sealed") && !text.contains("secret"));
}

#[test]
fn padding_that_pad_does_not_make_is_refused() {
    let mut good = b"abc".to_vec();
    pad(&mut good, 0);
    assert_eq!(good.len(), 64);
    assert_eq!(unpad(&mut good.clone()), Some(()));
    for (at, byte) in [(63, 63), (63, 0xff), (62, 1), (10, 1)] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert_eq!(unpad(&mut bad), None, "byte {at} = {byte}");
    }
    assert_eq!(unpad(&mut vec![0]), None);
    assert_eq!(unpad(&mut vec![0; 128]), None, "more padding than needed");
}

/// The format is on people's disks: changing it must break a test.
#[test]
fn the_format_is_frozen() {
    let mut ring = KeyRing::empty();
    let key = Secret::from_slice(&[3; 32]).expect("32 bytes");
    ring.insert(Slot::Seal(Purpose::Staff), 258, key);
    ring.fill();
    let vault = Vault::from_ring(ring);
    let clear = [
        Clear::Null,
        Clear::Int(-1),
        Clear::Bytes(&[9]),
        Clear::Text("t"),
    ];
    let here = place(b"row", &clear);
    let mut sealed = vault.seal(Purpose::Staff, &here, b"value");
    assert_eq!(&sealed[..3], &[1, 1, 2]);

    // The same by hand.
    let mut associated = b"hustings seal v1".to_vec();
    associated.extend([1, 12, 1, 2]);
    for part in [b"subscriber".as_slice(), b"sealed", b"row"] {
        associated.extend((part.len() as u64).to_be_bytes());
        associated.extend(part);
    }
    associated.extend(4_u64.to_be_bytes());
    associated.push(0);
    associated.push(1);
    associated.extend((-1_i64).to_be_bytes());
    associated.push(2);
    associated.extend([0, 0, 0, 0, 0, 0, 0, 1, 9]);
    associated.push(3);
    associated.extend([0, 0, 0, 0, 0, 0, 0, 1, b't']);
    let nonce: [u8; 24] = sealed[3..27].try_into().expect("24 bytes");
    let tag: [u8; 16] = sealed[sealed.len() - 16..].try_into().expect("16 bytes");
    let end = sealed.len() - 16;
    XChaCha20Poly1305::new((&[3; 32]).into())
        .decrypt_inout_detached(
            &nonce.into(),
            &associated,
            (&mut sealed[27..end]).into(),
            &tag.into(),
        )
        .expect("as documented");
    let mut plain = b"value".to_vec();
    plain.resize(62, 0);
    plain.extend([0, 5]);
    assert_eq!(sealed[27..end], plain);
}

proptest! {
    #[test]
    fn anything_sealed_opens(
        plain: Vec<u8>, row: Vec<u8>, number: i64, text: String,
        purpose in prop::sample::select(Purpose::ALL),
    ) {
        let vault = Vault::for_tests();
        let clear = [Clear::Int(number), Clear::Text(&text), Clear::Bytes(&row)];
        let here = place(&row, &clear);
        let sealed = vault.seal(purpose, &here, &plain);
        prop_assert_eq!(&*vault.open(purpose, &here, &sealed).expect("ours"), &plain);
    }

    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>, shape in 0_u8..4) {
        let vault = Vault::for_tests();
        let here = place(b"row", &[]);
        prop_assert!(vault.open(Purpose::Body, &here, &bytes).is_err());
        bytes.splice(0..0, [shape, 0, 1]);
        prop_assert!(vault.open(Purpose::Body, &here, &bytes).is_err());
        prop_assert!(vault.open_in_place(Purpose::Body, &here, bytes).is_err());
    }
}
