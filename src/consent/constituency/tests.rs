//! Tests of the constituencies, the built-in ones and a party's own.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::config::ConstituencySource;

/// SHA-256 of the file the list was checked against four public sources with.
const SHA256: &str = "de327e8477ecacf0a79416eb64e6298aa7998d6efaf3815025ed511e487add8c";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn slug<'a>(list: &'a Constituencies, text: &str) -> &'a str {
    list.find(text)
        .unwrap_or_else(|e| panic!("{text:?}: {e}"))
        .constituency
        .slug()
}

#[test]
fn the_file_is_the_one_that_was_checked() {
    assert_eq!(
        hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, BUILTIN).as_ref()),
        SHA256
    );
}

#[test]
fn every_nation_has_its_seats() {
    let list = Constituencies::builtin();
    assert_eq!(
        (list.len(), list.is_empty(), list.is_builtin()),
        (650, false, true)
    );
    let counts: Vec<_> = list
        .groups()
        .map(|(nation, seats)| (nation, seats.len()))
        .collect();
    assert_eq!(
        counts,
        [
            ("England", 543),
            ("Northern Ireland", 18),
            ("Scotland", 57),
            ("Wales", 32)
        ]
    );
    for one in list.iter() {
        let prefix = match one.group() {
            "England" => "E14",
            "Wales" => "W07",
            "Scotland" => "S14",
            _ => "N05",
        };
        assert!(one.code().as_str().starts_with(prefix), "{}", one.name());
        assert_eq!(one.is_in_wales(), prefix == "W07");
    }
}

#[test]
fn codes_names_and_slugs_are_unique_and_fit_an_address() {
    let list = Constituencies::builtin();
    assert_eq!(
        list.iter()
            .map(Constituency::code)
            .collect::<HashSet<_>>()
            .len(),
        650
    );
    assert_eq!(
        list.iter()
            .map(Constituency::name)
            .collect::<HashSet<_>>()
            .len(),
        650
    );
    assert_eq!(
        list.iter()
            .map(Constituency::slug)
            .collect::<HashSet<_>>()
            .len(),
        650
    );
    for one in list.iter() {
        assert!(one.slug().len() <= 40, "{}", one.slug());
        let address = format!("news+{}@party.example", one.slug());
        let address = crate::address::EmailAddress::parse(&address).unwrap();
        let (_, detail) = address.local_and_detail();
        assert_eq!(list.by_slug(detail.unwrap()).unwrap().code(), one.code());
        assert_eq!(list.by_name(one.name()).unwrap().code(), one.code());
        assert_eq!(list.get(one.code()).unwrap(), one);
        if let Some(welsh) = one.welsh_name() {
            assert_eq!(list.by_name(welsh).unwrap().code(), one.code(), "{welsh}");
        }
    }
}

#[test]
fn sorted_by_group_and_name_without_accents() {
    let list = Constituencies::builtin();
    let wales = list.groups().find(|(name, _)| *name == "Wales").unwrap().1;
    assert_eq!(wales.first().unwrap().name(), "Aberafan Maesteg");
    assert_eq!(wales.last().unwrap().name(), "Ynys Môn");
    for (_, seats) in list.groups() {
        assert!(seats.is_sorted_by_key(|one| one.slug()));
    }
}

#[test]
fn found_by_code_name_and_slug() {
    let list = Constituencies::builtin();
    for text in ["Leeds East", "leeds-east", "LEEDS EAST", " leeds  east "] {
        assert_eq!(slug(&list, text), "leeds-east");
    }
    for text in [
        "W07000112",
        "w07000112",
        "Ynys Môn",
        "ynys mon",
        "Ynys Mo\u{302}n",
        "ynys-mon",
    ] {
        assert_eq!(slug(&list, text), "ynys-mon");
    }
    for text in [
        "Montgomeryshire and Glyndwr",
        "montgomeryshire & glyndŵr",
        "Maldwyn a Glyndŵr",
    ] {
        assert_eq!(slug(&list, text), "montgomeryshire-and-glyndwr");
    }
    assert_eq!(
        slug(&list, "Queen’s Park and Maida Vale"),
        "queens-park-and-maida-vale"
    );
    assert_eq!(
        slug(&list, "Harborough Oadby and Wigston"),
        "harborough-oadby-and-wigston"
    );
    assert_eq!(
        list.find("E14001063").unwrap().constituency.name(),
        "Aldershot"
    );
}

#[test]
fn welsh_names_stand_beside_english_ones() {
    let list = Constituencies::builtin();
    let gower = list.by_slug("gower").unwrap();
    assert_eq!(
        (gower.welsh_name(), gower.label()),
        (Some("Gŵyr"), "Gower / Gŵyr".to_owned())
    );
    let mon = list.by_slug("ynys-mon").unwrap();
    assert_eq!(
        (mon.welsh_name(), mon.label()),
        (None, "Ynys Môn".to_owned())
    );
    assert_eq!(
        list.iter().filter(|one| one.welsh_name().is_some()).count(),
        23
    );
}

#[test]
fn old_scottish_codes_lead_to_the_new_ones() {
    let list = Constituencies::builtin();
    let expected = [
        ("S14000006", "Ayr, Carrick and Cumnock"),
        ("S14000008", "Berwickshire, Roxburgh and Selkirk"),
        ("S14000010", "Central Ayrshire"),
        ("S14000040", "Kilmarnock and Loudoun"),
        ("S14000058", "West Aberdeenshire and Kincardine"),
    ];
    for (old, name) in expected {
        let found = list.find(old).unwrap();
        assert_eq!(
            (found.constituency.name(), found.renumbered_from),
            (name, Code::parse(old).ok())
        );
        assert!(list.get(Code::parse(old).unwrap()).is_none());
    }
    assert_eq!(list.find("S14000021").unwrap().renumbered_from, None);
    for old in ["E14000530", "N06000001", "S14000001", "W07000041"] {
        assert_eq!(list.find(old).unwrap_err(), NotFound::OldCode, "{old}");
    }
}

#[test]
fn unknown_names_get_the_nearest() {
    let list = Constituencies::builtin();
    assert_eq!(
        list.find("Leeds Est").unwrap_err(),
        NotFound::Nearly("Leeds East".into())
    );
    assert_eq!(list.find("Gotham").unwrap_err(), NotFound::Unknown);
    assert_eq!(list.find("").unwrap_err(), NotFound::Unknown);
    assert_eq!(
        list.find(&"x".repeat(100_000)).unwrap_err(),
        NotFound::Unknown
    );
}

#[test]
fn codes_are_checked() {
    assert_eq!(Code::parse("e14001264").unwrap().as_str(), "E14001264");
    assert_eq!(
        Code::parse("A-b_c.1234567890").unwrap().as_str(),
        "A-B_C.1234567890"
    );
    for bad in ["", "E14 001264", "E14001264\0", "é", "12345678901234567"] {
        assert_eq!(Code::parse(bad), Err(NotACode), "{bad:?}");
    }
    assert_eq!(
        serde_json::to_string(&Code::parse("e1").unwrap()).unwrap(),
        "\"E1\""
    );
    assert!(serde_json::from_str::<Code>("\"a b\"").is_err());
    assert_eq!(format!("{:?}", Code::parse("E1").unwrap()), "Code(..)");
}

#[test]
fn a_partys_own_list() {
    let csv = "name,code,nation,name_cy\n\"North, Upper\",n1,Wards,Gogledd\nÖst,O1,Wards,\nAlpha,A1,Areas,Alpha\n";
    let list = Constituencies::from_csv(csv.as_bytes()).unwrap();
    assert!(!list.is_builtin());
    let shown: Vec<_> = list
        .iter()
        .map(|one| (one.group(), one.label(), one.slug()))
        .collect();
    assert_eq!(
        shown,
        [
            ("Areas", "Alpha".to_owned(), "alpha"),
            ("Wards", "North, Upper / Gogledd".to_owned(), "north-upper"),
            ("Wards", "Öst".to_owned(), "ost"),
        ]
    );
    assert_eq!(slug(&list, "gogledd"), "north-upper");
    assert_eq!(list.find("S14000006").unwrap_err(), NotFound::Unknown);
}

#[test]
fn every_bad_row_is_named() {
    let long = "x".repeat(41);
    let csv = format!(
        "code,name,nation\nA1,Alpha,W\nA 2,Beta,W\nA3,,W\nA4,{long},W\nA1,Gamma,W\nA5,ALPHA,W\nA6,\"open,W\nA7,中,W\nA8,Delta,\nA9,Subscribe,W\n"
    );
    let error = Constituencies::from_csv(csv.as_bytes()).unwrap_err();
    insta::assert_snapshot!(error, @r#"
    the constituency file has 9 bad rows:
      line 3: not a constituency code: it has 1 to 16 letters, digits, `-`, `_` or `.`, as in E14001264
      line 4: the name must have 1 to 40 characters
      line 5: the name must have 1 to 40 characters
      line 6: the same code stands on line 2: remove one
      line 7: the same name stands on line 2: remove one
      line 8: a quoted field isn't closed in this line: end it with ", and keep each row on one line
      line 9: the name has no Latin letter or digit, so no address could name it
      line 10: the nation must have 1 to 40 characters
      line 11: the name can't be used: an address such as news+subscribe@ means something else
    "#);
}

#[test]
fn files_that_are_no_list() {
    let rows = |text: &str| {
        Constituencies::from_csv(text.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert!(rows("code,name,nation\n").contains("no rows below the header"));
    assert!(rows("code,name\n").contains("no column `nation`"));
    let dir = tempfile::tempdir().unwrap();
    let missing = Constituencies::load(&dir.path().join("none.csv")).unwrap_err();
    assert!(
        matches!(missing, ConstituencyFileError::Unreadable { .. }),
        "{missing}"
    );
    let from =
        |source| Constituencies::from_config(&source).map(|list| list.map(|list| list.len()));
    assert_eq!(from(ConstituencySource::BuiltIn).unwrap(), Some(650));
    assert_eq!(from(ConstituencySource::None).unwrap(), None);
    assert!(from(ConstituencySource::File("/none.csv".into())).is_err());
    let path = dir.path().join("huge.csv");
    std::fs::write(&path, vec![b'x'; 2 << 20]).unwrap();
    assert!(
        Constituencies::load(&path)
            .unwrap_err()
            .to_string()
            .contains("larger than 1048576 bytes")
    );
}

proptest! {
    #[test]
    fn slugs_are_stable_and_clean(name in any::<String>()) {
        let slug = slug_of(&name);
        prop_assert_eq!(slug_of(&slug), slug.clone());
        prop_assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        prop_assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"));
    }

    #[test]
    fn finding_never_panics(text in any::<String>()) {
        let _ = Constituencies::from_csv(text.as_bytes());
        let _ = Code::parse(&text);
    }
}
