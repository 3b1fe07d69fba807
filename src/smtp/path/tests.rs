//! Tests of paths as strangers write them.

use proptest::prelude::*;

use super::*;

#[test]
fn well_formed_mailboxes_are_kept_as_written() {
    for (text, local, domain) in [
        ("ann@party.example", "ann", "party.example"),
        (
            "Ann.Other+tag@Party.Example",
            "Ann.Other+tag",
            "Party.Example",
        ),
        ("\"quoted local\"@y", "\"quoted local\"", "y"),
        ("\"a@b\\\"c>\"@y.example", "\"a@b\\\"c>\"", "y.example"),
        ("\"\"@y", "\"\"", "y"),
        ("x@[192.0.2.1]", "x", "[192.0.2.1]"),
        ("x@[IPv6:2001:db8::1]", "x", "[IPv6:2001:db8::1]"),
        ("siân@cymru.example", "siân", "cymru.example"),
        ("a@tŷ.example", "a", "tŷ.example"),
    ] {
        let mailbox = Mailbox::parse(text).expect(text);
        assert_eq!((mailbox.local(), mailbox.domain()), (local, domain));
        assert_eq!(mailbox.as_str(), text);
    }
}

#[test]
fn malformed_mailboxes_are_refused() {
    for text in [
        "",
        "@",
        "a",
        "a@",
        "@b",
        "a b@c",
        "a..b@c",
        ".a@c",
        "a.@c",
        "a@b@c",
        "a@b..c",
        "a@.b",
        "a@b.",
        "a@-b",
        "a@b-",
        "a@b_c",
        "a@b c",
        "a\r@b",
        "a@b\n",
        "a\0@b",
        "a@b\0",
        "\"a@b",
        "\"a\"b@c",
        "\"a\"",
        "\"a\\\"@b",
        "\"a\tb\"@c",
        "a\u{85}@b",
        "a<b@c",
        "a@[192.0.2]",
        "a@[192.0.2.1",
        "a@[2001:db8::1]",
        "a@[IPv6:192.0.2.1]",
        "a@[IPv6:fe80::1%eth0]",
        "a@[x-tag:y]",
        "a@192.0.2.1]",
        "a@[]",
    ] {
        assert!(Mailbox::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn lengths_are_bounded() {
    let local = "l".repeat(64);
    assert!(Mailbox::parse(&format!("{local}@b")).is_ok());
    assert_eq!(
        Mailbox::parse(&format!("{local}l@b")),
        Err(PathError::TooLong)
    );
    let label = "d".repeat(63);
    assert!(Mailbox::parse(&format!("a@{label}.{label}.{label}")).is_ok());
    assert!(Mailbox::parse(&format!("a@{label}d.example")).is_err());
    assert!(Mailbox::parse(&format!("a@{label}.{label}.{label}.{label}")).is_err());
    let longest = format!("{}@{label}.{label}.{label}", "l".repeat(62));
    assert_eq!(longest.len(), 254);
    assert!(Mailbox::parse(&longest).is_ok());
    assert_eq!(
        Mailbox::parse(&format!("l{longest}")),
        Err(PathError::TooLong)
    );
}

#[test]
fn the_null_path_and_the_bare_postmaster_are_distinct() {
    assert_eq!(ReversePath::parse("<>"), Ok(ReversePath::Null));
    assert_eq!(
        ForwardPath::parse("<PostMaster>"),
        Ok(ForwardPath::Postmaster)
    );
    assert!(ForwardPath::parse("<>").is_err());
    assert!(ReversePath::parse("<postmaster>").is_err());
    let named = ForwardPath::parse("<postmaster@party.example>").expect("a mailbox");
    assert!(named.mailbox().is_some());
}

#[test]
fn source_routes_are_dropped() {
    let path = ForwardPath::parse("<@one.example,@two.example:ann@party.example>");
    let mailbox = path
        .expect("a routed path")
        .mailbox()
        .cloned()
        .expect("a mailbox");
    assert_eq!(mailbox.as_str(), "ann@party.example");
    for bad in [
        "<@one.example>",
        "<@:a@b>",
        "<@one,two:a@b>",
        "<@one.example,:a@b>",
        "<@a:@b:c@d>",
    ] {
        assert!(ForwardPath::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn brackets_are_demanded() {
    for bad in ["ann@party.example", "<a@b", "a@b>", "<<a@b>>", "<a@b>>", ""] {
        assert!(ForwardPath::parse(bad).is_err(), "{bad}");
        assert!(ReversePath::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_quoted_bracket_does_not_end_a_path() {
    assert_eq!(path_length("<\"a>b\"@c> SIZE=1"), Some(9));
    assert_eq!(path_length("<\"a\\\">b\"@c> X"), Some(11));
    assert_eq!(path_length("<a@b"), None);
    assert_eq!(path_length("<\"a@b>"), None);
}

#[test]
fn debug_shows_no_address() {
    let path = ForwardPath::parse("<ann@party.example>").expect("a path");
    assert_eq!(format!("{path:?}"), "Mailbox(Mailbox(..))");
}

proptest! {
    #[test]
    fn any_text_is_parsed_without_panic(text in "\\PC{0,300}") {
        let _ = Mailbox::parse(&text);
        let _ = ReversePath::parse(&text);
        let _ = ForwardPath::parse(&text);
        let _ = path_length(&text);
    }

    #[test]
    fn what_parses_has_no_line_end_and_reads_the_same_again(text in "[a-z\"\\\\<>@.:, \\[\\]\r\n\0-]{0,40}") {
        if let Ok(mailbox) = Mailbox::parse(&text) {
            prop_assert!(!text.contains(['\r', '\n', '\0']));
            let bracketed = format!("<{text}>");
            prop_assert_eq!(path_length(&bracketed), Some(bracketed.len()));
            prop_assert_eq!(ReversePath::parse(&bracketed), Ok(ReversePath::Mailbox(mailbox)));
        }
    }
}
