//! Tests of the two texts of MTA-STS, with the RFC's examples.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn id(texts: &[&str]) -> Option<String> {
    let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    record_id(&texts)
}

fn policy(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text.as_bytes())
}

/// RFC 8461 §3.1.
#[test]
fn the_rfcs_record() {
    assert_eq!(
        id(&["v=STSv1; id=20160831085700Z;"]).as_deref(),
        Some("20160831085700Z")
    );
}

#[test]
fn records_are_read_strictly() {
    for good in [
        "v=STSv1;id=a1",
        "v=STSv1 ; id=a1",
        "v=STSv1; id=a1;",
        "v=STSv1; id=a1 ; ",
        "v=STSv1; x=y; id=a1; x.y-z_1=!",
        "v=STSv1; id=a1; id=b2",
    ] {
        assert_eq!(id(&[good]).as_deref(), Some("a1"), "{good}");
    }
    let long = format!("v=STSv1; id={}", "a".repeat(33));
    for bad in [
        "",
        "v=STSv1",
        "v=STSv1;",
        "v=STSv1; id=",
        "v=STSv1; id=a-1",
        "v=STSv1; id=a 1",
        "v=STSv1;; id=a1",
        "v=STSv1; x; id=a1",
        "v=STSv1; x=; y=\u{7}; id=a1",
        "v=STSv1; -x=y; id=a1",
        "v=stsv1; id=a1",
        "V=STSv1; id=a1",
        " v=STSv1; id=a1",
        "v=STSv12; id=a1",
        "id=a1; v=STSv1",
        "v=spf1 -all",
        &long,
    ] {
        assert_eq!(id(&[bad]), None, "{bad}");
    }
}

#[test]
fn there_is_one_record_or_none() {
    let (one, other) = ("v=STSv1; id=a1;", "v=STSv1; id=b2;");
    assert_eq!(id(&["v=spf1 -all", one, "hello"]).as_deref(), Some("a1"));
    assert_eq!(id(&[one, other]), None);
    assert_eq!(id(&[one, "v=STSv1; broken"]), None);
    assert_eq!(id(&[]), None);
}

/// RFC 8461 §3.2.
const RFC: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n\
    mx: backupmx.example.com\r\nmax_age: 604800\r\n";

#[test]
fn the_rfcs_policy() {
    let expected = Policy {
        mode: Mode::Enforce,
        max_age: 604_800,
        mx: ["mail.example.com", "*.example.net", "backupmx.example.com"]
            .map(str::to_owned)
            .into(),
    };
    for text in [
        RFC.to_owned(),
        RFC.replace("\r\n", "\n"),
        RFC.trim_end().to_owned(),
        RFC.replace(": ", ":"),
        RFC.replace("\r\n", " \t\r\n"),
        format!("{RFC}mode: none\r\nmax_age: 1\r\nversion: STSv2\r\nx-y.z: Käse und Brot\r\n"),
    ] {
        assert_eq!(policy(&text).as_ref(), Ok(&expected), "{text:?}");
    }
    assert_eq!(expected.lines()[1], "mode: enforce");
    assert_eq!(policy(&expected.lines().join("\n")).as_ref(), Ok(&expected));
}

/// RFC 8461 §4.1 and RFC 8460's example name one label for the asterisk.
#[test]
fn an_asterisk_is_one_label() {
    let policy = policy(RFC).unwrap();
    for host in [
        "mail.example.com",
        "MAIL.Example.COM",
        "mail.example.com.",
        "a.example.net",
        "backupmx.example.com",
    ] {
        assert!(policy.names(host), "{host}");
    }
    for host in [
        "example.com",
        "example.net",
        ".example.net",
        "a.b.example.net",
        "mail.example.com.evil.example",
        "evilmail.example.com",
        "aexample.net",
        "",
    ] {
        assert!(!policy.names(host), "{host}");
    }
}

#[test]
fn policies_are_read_strictly() {
    for bad in [
        "",
        "version: STSv1",
        "version: STSv1\nmode: enforce\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.example",
        "version: STSv1\nmax_age: 1\nmx: a.example",
        "mode: enforce\nmax_age: 1\nmx: a.example",
        "version: STSv2\nmode: enforce\nmax_age: 1\nmx: a.example",
        "version: STSv1\nmode: Enforce\nmax_age: 1\nmx: a.example",
        "version: STSv1\nmode: enforce\nmax_age: -1\nmx: a.example",
        "version: STSv1\nmode: enforce\nmax_age: 12345678901\nmx: a.example",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: *",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.*.example",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: ü.example",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a..example",
        "version: STSv1\n\nmode: enforce\nmax_age: 1\nmx: a.example",
        "version: STSv1\nmode enforce\nmax_age: 1\nmx: a.example",
        "<html>\nversion: STSv1\nmode: enforce\nmax_age: 1\nmx: a.example",
        "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.example\nx: \u{7}",
    ] {
        assert!(policy(bad).is_err(), "{bad:?}");
    }
    let none = policy("version: STSv1\nmode: none\nmax_age: 86400\n").unwrap();
    assert_eq!((none.mode, none.mx.len()), (Mode::None, 0));
    let forever = policy("version: STSv1\nmode: none\nmax_age: 9999999999").unwrap();
    assert_eq!(forever.max_age, MAX_AGE, "a year at most");
    assert!(Policy::parse(&vec![b'a'; MAX_POLICY + 1]).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::parse(&text);
        let _ = record_id(&[text, b"v=STSv1; id=a".to_vec()]);
    }

    #[test]
    fn a_record_like_text_has_an_id_of_letters_and_digits_or_none(text in "v=STSv1;( ?[a-z]{1,3}=[ -~]{0,5};?){0,4}") {
        if let Some(id) = id(&[&text]) {
            prop_assert!(!id.is_empty() && id.len() <= 32 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn what_is_read_is_written_and_read_the_same(
        mode in prop_oneof![Just(Mode::Enforce), Just(Mode::Testing)], max_age in 0u64..MAX_AGE,
        mx in proptest::collection::vec("(\\*\\.)?[a-z0-9]{1,8}(\\.[a-z0-9]{1,8}){0,3}", 1..5),
    ) {
        let policy = Policy { mode, max_age, mx };
        prop_assert_eq!(Policy::parse(policy.lines().join("\r\n").as_bytes()), Ok(policy));
    }
}
