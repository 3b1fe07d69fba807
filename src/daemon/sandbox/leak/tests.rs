//! Secrets are found in every guise in which they could stand somewhere.

#![allow(clippy::unwrap_used)]

use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

const ADDRESS: &str = "Ada.Lovelace@voters.example";

fn secrets() -> Secrets {
    let mut secrets = Secrets::new();
    secrets.add(ADDRESS);
    secrets
}

fn forms(bytes: &[u8]) -> BTreeSet<Form> {
    let findings = secrets().search(Path::new("x"), bytes);
    findings.leaks.iter().map(|leak| leak.form).collect()
}

#[test]
fn every_way_of_writing_is_found() {
    let lower = ADDRESS.to_lowercase();
    let utf16 =
        |write: fn(u16) -> [u8; 2]| -> Vec<u8> { ADDRESS.encode_utf16().flat_map(write).collect() };
    let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, lower.as_bytes());
    let sha256 = digest::digest(&digest::SHA256, lower.as_bytes());
    let cases: Vec<(Form, Vec<u8>)> = vec![
        (Form::Plain, b"x ADA.lovelace@VOTERS.example y".to_vec()),
        (Form::Percent, b"?e=ada.lovelace%40voters.example".to_vec()),
        (
            Form::QuotedPrintable,
            b"ada.lovelace=40voters.example".to_vec(),
        ),
        (
            Form::Hexadecimal,
            hexadecimal(ADDRESS.as_bytes()).to_uppercase().into_bytes(),
        ),
        (Form::Utf16Le, utf16(u16::to_le_bytes)),
        (Form::Utf16Be, utf16(u16::to_be_bytes)),
        (Form::Md5, Md5::digest(ADDRESS).to_vec()),
        (Form::Sha1, hexadecimal(sha1.as_ref()).into_bytes()),
        (Form::Sha256, sha256.as_ref().to_vec()),
        (Form::Sha256, STANDARD.encode(sha256).into_bytes()),
    ];
    for (form, bytes) in cases {
        assert!(forms(&bytes).contains(&form), "{form:?}");
    }
    let all = ADDRESS.bytes().map(|b| format!("%{b:02X}"));
    assert!(forms(all.collect::<String>().as_bytes()).contains(&Form::Percent));
}

#[test]
fn base64_is_found_wherever_it_stands() {
    for before in 0..7 {
        for after in 0..4 {
            let hidden = [&vec![7u8; before][..], ADDRESS.as_bytes(), &vec![9; after]].concat();
            let offset = u8::try_from(before % 3).unwrap();
            for text in [STANDARD.encode(&hidden), URL_SAFE_NO_PAD.encode(&hidden)] {
                assert!(
                    forms(text.as_bytes()).contains(&Form::Base64(offset)),
                    "{before}"
                );
            }
        }
    }
}

#[test]
fn files_names_and_seams_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("a").join("b");
    fs::create_dir_all(&deep).unwrap();
    for at in [WINDOW - 5, WINDOW * 2 - 27, WINDOW, 0] {
        let mut bytes = vec![0; at];
        bytes.extend_from_slice(ADDRESS.as_bytes());
        bytes.resize(WINDOW * 2 + 100, 1);
        fs::write(deep.join("file"), bytes).unwrap();
        let findings = secrets().search_directory(directory.path()).unwrap();
        let found: Vec<_> = findings
            .leaks
            .iter()
            .map(|leak| (leak.at, leak.form))
            .collect();
        assert_eq!(found, [(Some(at as u64), Form::Plain)], "{at}");
        assert_eq!(
            (findings.files, findings.bytes),
            (1, 2 * WINDOW as u64 + 100)
        );
    }
    fs::write(deep.join("file"), "").unwrap();
    fs::write(directory.path().join(ADDRESS), "").unwrap();
    let findings = secrets().search_directory(directory.path()).unwrap();
    assert_eq!(findings.leaks[0].at, None);
    assert!(
        secrets()
            .search_directory(&directory.path().join("none"))
            .is_err()
    );
}

#[test]
fn one_of_many_is_told_by_its_number() {
    let mut secrets = Secrets::new();
    let people: Vec<_> = (0..50)
        .map(|n| format!("elector{n:03}@voters.example"))
        .collect();
    secrets.add_all(people.iter().map(String::as_str));
    secrets.add("short");
    assert_eq!(secrets.len(), 51);
    let findings = secrets.search(Path::new("x"), b"short elector042@voters.example");
    let found: Vec<_> = findings.leaks.iter().map(|leak| leak.secret).collect();
    assert_eq!(found, [42]);
}

proptest! {
    #[test]
    fn random_bytes_hide_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert_eq!(forms(&bytes), BTreeSet::new());
    }
}
