//! A sheet is read back as it was printed, and a slip of the pen is named.

use super::*;
use crate::vault::{IndexColumn, Vault};
use proptest::prelude::*;

fn made() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a timestamp")
}

struct Printed {
    root: RootKey,
    ring: KeyRing,
    text: String,
}

fn printed() -> Printed {
    let root = RootKey::generate();
    let mut ring = KeyRing::generate();
    ring.add_index_generation(IndexColumn::Suppression)
        .expect("room");
    let text = RecoverySheet::new(&root, &ring).to_text(made()).to_string();
    Printed { root, ring, text }
}

fn error(text: &str) -> SheetError {
    RecoverySheet::parse(text).err().expect("refused")
}

/// Where the numbered line starts, and where it ends.
fn line(text: &str, number: usize) -> std::ops::Range<usize> {
    let start = text.find(&format!("\n{number:02} ")).expect("there") + 1;
    let len = text[start..].find('\n').expect("ends");
    start..start + len
}

#[test]
fn a_sheet_is_read_back() {
    let Printed { root, ring, text } = printed();
    let sheet = RecoverySheet::parse(&text).expect("ours");
    assert_eq!(sheet.root_key().bytes(), root.bytes());
    assert_eq!(*sheet.checkpoint_public(), ring.checkpoint_public());
    assert!(sheet.matches(&ring));
    assert!(!sheet.matches(&KeyRing::generate()));
    assert_eq!(*sheet.to_text(made()), text);
    assert!(KeyRing::unwrap(&sheet.root_key(), &ring.wrap(&root)).is_ok());
}

#[test]
fn a_sheet_is_for_people() {
    let text = printed().text;
    assert!(text.starts_with("HUSTINGS RECOVERY SHEET, version 1\nMade 2026-11-21 12:00 UTC\n"));
    assert!(text.lines().all(|line| line.len() <= 80));
    // Root, 14 columns (one with two generations), 3 kinds of token, the public key: two lines each.
    assert!(text.contains("\n40 checkpoint-public") && text.contains("\nEND 40 "));
}

#[test]
fn no_sealing_key_is_on_it() {
    let Printed { root, ring, text } = printed();
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    for slot in Slot::all() {
        let expected = Slot::forever().any(|forever| forever == slot);
        for (_, key) in ring.generations(slot) {
            let mut digits = base32::encode(&key.bytes()[..HALF]);
            digits.make_ascii_uppercase();
            assert_eq!(bare.contains(&digits), expected);
        }
    }
    let mut digits = base32::encode(&root.bytes()[HALF..]);
    digits.make_ascii_uppercase();
    assert!(bare.contains(&digits));
}

#[test]
fn typing_may_be_sloppy() {
    let Printed { ring, text, .. } = printed();
    let sloppy = text.to_ascii_lowercase().replace('\n', "\r\n\n  ");
    assert!(RecoverySheet::parse(&sloppy).expect("ours").matches(&ring));
    let mut likes = text.clone();
    for number in 1..=34 {
        let at = line(&likes, number);
        let at = at.end - 40..at.end;
        let typed = likes[at.clone()]
            .replace('O', "0")
            .replace('B', "8")
            .replace('I', "1");
        likes.replace_range(at, &typed);
    }
    assert!(RecoverySheet::parse(&likes).expect("ours").matches(&ring));
    let tight: String = text
        .lines()
        .map(|line| format!("{}\n", line.replace("  ", " ")))
        .collect();
    assert!(RecoverySheet::parse(&tight).is_ok());
}

#[test]
fn the_bad_line_is_named() {
    let text = printed().text;
    for number in 1..=34 {
        let at = line(&text, number);
        let mut bad = text.clone();
        let digit = at.end - 12;
        let changed = if &text[digit..=digit] == "A" {
            "Q"
        } else {
            "A"
        };
        bad.replace_range(digit..=digit, changed);
        assert_ne!(bad, text);
        assert_eq!(error(&bad), SheetError::BadLine(number));
        let mut cut = text.clone();
        cut.replace_range(at.start..=at.end, "");
        assert_eq!(error(&cut), SheetError::MissingLine(number));
    }
}

#[test]
fn names_generations_and_halves_are_checked_too() {
    let text = printed().text;
    let at = line(&text, 5);
    let fifth = &text[at.clone()];
    for (from, to) in [
        ("index.suppression ", "index.staff-name  "),
        ("index.suppression ", "index.unheard-of  "),
        (" 1 a ", " 2 a "),
        (" 1 a ", " 1 b "),
        (" 1 a ", " 1 c "),
        (" 1 a ", " x a "),
    ] {
        assert!(fifth.contains(from), "{fifth}");
        let mut bad = text.clone();
        bad.replace_range(at.clone(), &fifth.replace(from, to));
        assert_eq!(error(&bad), SheetError::BadLine(5), "{to}");
    }
}

#[test]
fn the_end_is_checked() {
    let text = printed().text;
    let end = text.rfind("\nEND ").expect("there");
    assert_eq!(error(&text[..end]), SheetError::BadEnd);
    assert_eq!(
        error(&text.replace("END 40 ", "END 42 ")),
        SheetError::MissingLine(41)
    );
    assert_eq!(
        error(&text.replace("END 40 ", "END 30 ")),
        SheetError::BadEnd
    );
    assert_eq!(error(&text.replace("END 40 ", "END ")), SheetError::BadEnd);
    assert_eq!(error(""), SheetError::BadEnd);
    assert_eq!(error(&" ".repeat(TEXT_MAX + 1)), SheetError::TooLong);
    // Lines of two sheets, each right in itself.
    let other = printed().text;
    let (at, other_at) = (
        line(&text, 7).start..line(&text, 8).end,
        line(&other, 7).start..line(&other, 8).end,
    );
    let mut mixed = text.clone();
    mixed.replace_range(at, &other[other_at]);
    assert_eq!(error(&mixed), SheetError::BadEnd);
}

#[test]
fn a_newer_or_partial_sheet_is_said_to_be_one() {
    let write = |keys: &[(&str, u16)]| {
        let mut text = Zeroizing::new(String::new());
        let mut writer = Writer::new(&mut text);
        for (label, generation) in keys {
            writer.key(label, *generation, &[1; KEY_LEN]);
        }
        writer.end();
        text.to_string()
    };
    assert_eq!(
        error(&write(&[("index.unheard-of", 1)])),
        SheetError::UnknownKey(2)
    );
    assert_eq!(
        error(&write(&[("seal.body", 1)])),
        SheetError::UnknownKey(2)
    );
    assert_eq!(
        error(&write(&[("index.suppression", 256)])),
        SheetError::BadLine(2)
    );
    assert_eq!(
        error(&write(&[("index.suppression", 0)])),
        SheetError::BadLine(2)
    );
    assert_eq!(
        error(&write(&[(ROOT, 1)])),
        SheetError::NoKey("subscriber-address")
    );
    let labels: Vec<String> = Slot::forever().map(label).collect();
    let mut keys: Vec<(&str, u16)> = labels.iter().map(|label| (label.as_str(), 1)).collect();
    assert_eq!(error(&write(&keys)), SheetError::NoKey(ROOT));
    keys.push((ROOT, 1));
    assert_eq!(error(&write(&keys)), SheetError::NoKey(CHECKPOINT));
    keys.push((CHECKPOINT, 1));
    assert!(RecoverySheet::parse(&write(&keys)).is_ok());
}

/// The ring is lost, the sheet is not: people's links still work, and nobody suppressed is written to.
#[test]
fn tokens_and_suppression_outlive_the_ring() {
    let Printed { ring, text, .. } = printed();
    let old = Vault::from_ring(ring);
    let index = old.index(IndexColumn::Suppression, b"a@example.org");
    let token = old.withdrawal_token(old.list_tag("news"), &index);

    let new_ring = RecoverySheet::parse(&text).expect("ours").to_ring();
    assert!(new_ring.needs_saving());
    let new = Vault::from_ring(new_ring);
    assert_eq!(new.index(IndexColumn::Suppression, b"a@example.org"), index);
    assert_eq!(
        new.open_withdrawal_token(&token),
        Some((new.list_tag("news"), index))
    );
    assert_ne!(new.checkpoint_public(), old.checkpoint_public());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(text: String, words in prop::collection::vec("[A-Z2-7]{1,30}|[0-9]{1,4}|a|b|root|END", 0..60)) {
        prop_assert!(RecoverySheet::parse(&text).is_err());
        let typed = words.chunks(10).enumerate().map(|(at, words)| format!("{} {}\n", at + 1, words.join(" ")));
        prop_assert!(RecoverySheet::parse(&typed.collect::<String>()).is_err());
    }
}
