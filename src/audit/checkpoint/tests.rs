//! Checkpoints: signed, mangled, and held against logs that were tampered with.

use super::*;
use proptest::prelude::*;

fn key(number: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("a seed")
}

fn public(key: &Ed25519KeyPair) -> [u8; 32] {
    key.public_key().as_ref().try_into().expect("32 bytes")
}

fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a timestamp")
}

fn leaves(count: u8) -> Vec<Leaf> {
    (0..count).map(|number| [number; 32]).collect()
}

fn checkpoint(leaves: &[Leaf]) -> Checkpoint {
    let mut frontier = Frontier::new();
    frontier.extend(leaves);
    Checkpoint::of(LogKind::Audit, &frontier, noon())
}

/// The format is in people's mailboxes: changing it must break a test.
#[test]
fn the_text_is_frozen() {
    let text = checkpoint(&leaves(3)).sign(&key(7)).to_string();
    assert_eq!(
        text,
        "hustings checkpoint v1\n\
         log audit\n\
         size 3\n\
         root uo2Ut/vOyue4HEyAV0/iRzSmkXv5wezWb/Pgw06tRiA=\n\
         at 2026-11-21T12:00:00Z\n\
         key /oEsEvOr\n\
         signature P4ozoz1939C+pj/p+PzRtzCxk9ZRXUqvBjZm7DSg6I8r57MRP0FaI52OjR2WYXCsMTk0YZ7nYEz7tASE4jApCw==\n"
    );
}

#[test]
fn a_checkpoint_survives_its_text_and_a_mail() {
    let made = checkpoint(&leaves(5));
    let signed = made.clone().sign(&key(1));
    let text = signed.to_string();
    let mailed = format!("\r\n  {}\r\n\r\n", text.trim().replace('\n', " \r\n "));
    for text in [text, mailed] {
        let read = SignedCheckpoint::parse(&text).expect("readable");
        assert_eq!(read, signed);
        assert_eq!(read.verify(&public(&key(1))), Ok(&made));
    }
}

#[test]
fn another_key_is_named_as_such() {
    let signed = checkpoint(&[]).sign(&key(1));
    assert_eq!(
        signed.verify(&public(&key(2))),
        Err(CheckpointError::OtherKey)
    );
}

#[test]
fn a_changed_line_breaks_the_signature() {
    let text = checkpoint(&leaves(5)).sign(&key(1)).to_string();
    let changes = [
        ("log audit", "log consent"),
        ("size 5", "size 4"),
        ("at 2026", "at 2025"),
        ("root ", "root AAAA"),
    ];
    for (from, to) in changes {
        let mut changed = text.replace(from, to);
        if from == "root " {
            // Keep the length: replace the first four digits.
            let at = changed.find("AAAA").expect("there") + 4;
            changed.replace_range(at..at + 4, "");
        }
        let read = SignedCheckpoint::parse(&changed).expect("readable");
        assert_eq!(
            read.verify(&public(&key(1))),
            Err(CheckpointError::BadSignature),
            "{to}"
        );
    }
}

#[test]
fn what_cannot_be_read_names_its_line() {
    let text = checkpoint(&leaves(5)).sign(&key(1)).to_string();
    let table = [
        ("hustings checkpoint v1", "hustings checkpoint v2", TITLE),
        ("log audit", "log mail", "log"),
        ("size 5", "size +5", "size"),
        ("size 5", "size 05", "size"),
        ("size 5", "size 18446744073709551616", "size"),
        ("size 5", "length 5", "size"),
        ("root ", "root !", "root"),
        ("at 2026-11-21T12:00:00Z", "at yesterday", "at"),
        (
            "at 2026-11-21T12:00:00Z",
            "at 2026-11-21T13:00:00+01:00",
            "at",
        ),
        ("key ", "key =", "key"),
        ("signature ", "signature A", "signature"),
    ];
    for (from, to, line) in table {
        assert_eq!(
            SignedCheckpoint::parse(&text.replace(from, to)),
            Err(CheckpointError::Malformed(line)),
            "{to}"
        );
    }
    let more = format!("{text}more\n");
    let long = format!("{text}{}", " ".repeat(TEXT_MAX));
    for (bad, line) in [
        ("", TITLE),
        (more.as_str(), "signature"),
        (long.as_str(), TITLE),
        (TITLE, "log"),
    ] {
        assert_eq!(
            SignedCheckpoint::parse(bad),
            Err(CheckpointError::Malformed(line))
        );
    }
}

#[test]
fn the_log_is_held_against_the_checkpoint() {
    let log = leaves(10);
    let at_six = checkpoint(&log[..6]);
    assert_eq!(compare(&at_six, &log[..6]), Verdict::Same);
    assert_eq!(compare(&at_six, &log), Verdict::Grown { by: 4 });
    assert_eq!(
        compare(&at_six, &log[..5]),
        Verdict::Shorter { has: 5, had: 6 }
    );
    assert_eq!(compare(&at_six, &[]), Verdict::Shorter { has: 0, had: 6 });
    for changed in 0..6 {
        let mut log = log.clone();
        log[changed][31] ^= 1;
        let verdict = compare(&at_six, &log);
        assert_eq!(verdict, Verdict::Different { within: 6 });
        assert!(!verdict.holds());
    }
    // A removed leaf that later ones make up for in number.
    let mut removed = log.clone();
    removed.remove(2);
    assert!(!compare(&at_six, &removed).holds());
    // What came after the checkpoint isn't its business.
    let mut later = log;
    later[7][0] ^= 1;
    assert!(compare(&at_six, &later).holds());
}

#[test]
fn the_empty_log_has_a_checkpoint() {
    let empty = checkpoint(&[]);
    assert_eq!(compare(&empty, &[]), Verdict::Same);
    assert_eq!(compare(&empty, &leaves(2)), Verdict::Grown { by: 2 });
    let forged = Checkpoint {
        root: [0; 32],
        ..empty
    };
    assert_eq!(compare(&forged, &[]), Verdict::Different { within: 0 });
}

proptest! {
    #[test]
    fn any_changed_bit_of_the_text_is_noticed(place: prop::sample::Index, bit in 0_u8..7) {
        let text = checkpoint(&leaves(9)).sign(&key(3)).to_string();
        let signed = SignedCheckpoint::parse(&text).expect("readable");
        let mut bytes = text.into_bytes();
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let changed = String::from_utf8(bytes).expect("ASCII");
        match SignedCheckpoint::parse(&changed) {
            // Space at the end of a line is forgiven; then it says the same.
            Ok(read) if read == signed => {}
            Ok(read) => prop_assert!(read.verify(&public(&key(3))).is_err()),
            Err(_) => {}
        }
    }

    #[test]
    fn no_text_panics(text: String) {
        let _ = SignedCheckpoint::parse(&text);
        let _ = SignedCheckpoint::parse(&format!("{TITLE}\n{text}"));
    }
}
