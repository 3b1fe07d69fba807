//! Tests of addresses: what is one, what is not, and which two are the same.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::match_form::quote;
use super::*;

fn form(text: &str) -> String {
    let form = EmailAddress::parse(text)
        .unwrap_or_else(|e| panic!("{text:?}: {e}"))
        .match_form();
    String::from_utf8(form.as_bytes().to_vec()).unwrap()
}

/// The frozen vectors: what `v1` makes of each spelling, byte for byte. Never change a line; a new idea is a `v2`.
const V1: &[(&str, &str)] = &[
    // The domain: case, A-labels, full stops of other scripts.
    ("ann@example.org", "v1:ann@example.org"),
    ("ann@EXAMPLE.Org", "v1:ann@example.org"),
    ("ann@bücher.example", "v1:ann@xn--bcher-kva.example"),
    ("ann@BÜCHER.example", "v1:ann@xn--bcher-kva.example"),
    ("ann@bu\u{308}cher.example", "v1:ann@xn--bcher-kva.example"),
    ("ann@XN--BCHER-KVA.example", "v1:ann@xn--bcher-kva.example"),
    ("ann@faß.example", "v1:ann@xn--fa-hia.example"),
    ("ann@fass.example", "v1:ann@fass.example"),
    ("ann@例え。テスト", "v1:ann@xn--r8jz45g.xn--zckzah"),
    ("ann@ｅｘａｍｐｌｅ.org", "v1:ann@example.org"),
    ("ann@mail.example.org", "v1:ann@mail.example.org"),
    ("ann@пример.example", "v1:ann@xn--e1afmkfd.example"),
    // The local part: case.
    ("Ann@example.org", "v1:ann@example.org"),
    ("ANN.SMITH@example.org", "v1:ann.smith@example.org"),
    ("O'Neill@example.org", "v1:o'neill@example.org"),
    ("ÅSA@example.org", "v1:åsa@example.org"),
    ("a\u{30a}sa@example.org", "v1:åsa@example.org"),
    ("\u{212b}sa@example.org", "v1:åsa@example.org"),
    ("STRASSE@example.org", "v1:strasse@example.org"),
    ("straße@example.org", "v1:strasse@example.org"),
    ("ΣΊΣΥΦΟΣ@example.org", "v1:σίσυφοσ@example.org"),
    ("σίσυφος@example.org", "v1:σίσυφοσ@example.org"),
    ("Ivan.ПЕТРОВ@example.org", "v1:ivan.петров@example.org"),
    ("İstanbul@example.org", "v1:i\u{307}stanbul@example.org"),
    ("ISTANBUL@example.org", "v1:istanbul@example.org"),
    ("ıstanbul@example.org", "v1:ıstanbul@example.org"),
    ("ŴYN@example.org", "v1:ŵyn@example.org"),
    ("ﬁona@example.org", "v1:fiona@example.org"),
    ("ａｎｎ@example.org", "v1:ａｎｎ@example.org"),
    ("\u{212a}ate@example.org", "v1:kate@example.org"),
    ("ᾳ@example.org", "v1:αι@example.org"),
    ("Ꭰ@example.org", "v1:Ꭰ@example.org"),
    ("ꭰ@example.org", "v1:Ꭰ@example.org"),
    ("用户@example.org", "v1:用户@example.org"),
    // Dots and plus tags stay.
    ("annsmith@example.org", "v1:annsmith@example.org"),
    ("a.n.n@example.org", "v1:a.n.n@example.org"),
    ("ann+news@example.org", "v1:ann+news@example.org"),
    ("ann-news@example.org", "v1:ann-news@example.org"),
    ("ann_news@example.org", "v1:ann_news@example.org"),
    // Quotes go where they say nothing.
    ("\"ann\"@example.org", "v1:ann@example.org"),
    ("\"Ann.Smith\"@example.org", "v1:ann.smith@example.org"),
    ("\"a\\nn\"@example.org", "v1:ann@example.org"),
    (
        "\"ann..smith\"@example.org",
        "v1:\"ann..smith\"@example.org",
    ),
    ("\"ann.\"@example.org", "v1:\"ann.\"@example.org"),
    ("\"ANN@home\"@example.org", "v1:\"ann@home\"@example.org"),
    ("\"ann\\@home\"@example.org", "v1:\"ann@home\"@example.org"),
    ("\"a\\\"b\"@example.org", "v1:\"a\\\"b\"@example.org"),
    ("\"a\\\\b\"@example.org", "v1:\"a\\\\b\"@example.org"),
    ("\"Ärger\"@example.org", "v1:ärger@example.org"),
    ("\"a\u{37e}b\"@example.org", "v1:\"a;b\"@example.org"),
];

#[test]
fn match_form_v1_is_frozen() {
    assert!(V1.len() >= 30);
    for (spelling, expected) in V1 {
        assert_eq!(form(spelling), *expected, "{spelling:?}");
    }
}

#[test]
fn tags_are_left_out_for_limits_alone() {
    for (tagged, without) in [
        ("Ann+news@Example.org", "ann@example.org"),
        ("ann+a+b@example.org", "ann@example.org"),
        ("ann@example.org", "ann@example.org"),
        ("+ann@example.org", "+ann@example.org"),
        ("\"ann(+a\"@example.org", "\"ann(+a\"@example.org"),
    ] {
        let form = |text: &str| EmailAddress::parse(text).map(|address| address.match_form());
        let (Ok(tagged), Ok(without)) = (form(tagged), form(without)) else {
            panic!("{tagged} or {without}")
        };
        assert_eq!(tagged.without_tag(), without);
    }
}

#[test]
fn same_and_other_people() {
    let same = [
        ("Ann@Example.ORG", "ann@example.org"),
        ("ann@bücher.example", "ANN@xn--bcher-kva.example"),
        ("\"ann\"@example.org", "ann@example.org"),
        ("straße@example.org", "STRASSE@example.org"),
        ("a\u{30a}sa@example.org", "ÅSA@example.org"),
    ];
    let other = [
        ("annsmith@example.org", "ann.smith@example.org"),
        ("ann@example.org", "ann+news@example.org"),
        ("ann@example.org", "ann@mail.example.org"),
        ("ann@fass.example", "ann@faß.example"),
        ("ann@example.org", "\u{430}nn@example.org"),
        ("\"a.\"@example.org", "a@example.org"),
    ];
    for (a, b) in same {
        assert_eq!(form(a), form(b), "{a:?} {b:?}");
    }
    for (a, b) in other {
        assert_ne!(form(a), form(b), "{a:?} {b:?}");
    }
}

#[test]
fn spelling_is_kept() {
    let address = EmailAddress::parse("Ann.O'Neill+x@Bücher.Example").unwrap();
    assert_eq!(address.as_str(), "Ann.O'Neill+x@xn--bcher-kva.example");
    assert_eq!(address.local(), "Ann.O'Neill+x");
    assert_eq!(address.local_and_detail(), ("Ann.O'Neill", Some("x")));
    assert_eq!(address.domain().as_str(), "xn--bcher-kva.example");
    assert_eq!(address.domain().to_unicode(), "bücher.example");
    assert_eq!(address.to_string(), address.as_str());
    assert!(address.is_ascii());
    assert_eq!(
        EmailAddress::parse("\"a b\"@x.org"),
        Err(AddressError::Space)
    );
    let quoted = EmailAddress::parse("\"a@\\b\"@example.org").unwrap();
    assert_eq!(
        (quoted.local(), quoted.domain().as_str()),
        ("\"a@\\b\"", "example.org")
    );
    assert!(!EmailAddress::parse("用户@example.org").unwrap().is_ascii());
}

#[test]
fn nfc_on_the_way_in() {
    assert_eq!(
        EmailAddress::parse("a\u{30a}sa@x.org").unwrap().local(),
        "åsa"
    );
    assert_eq!(
        EmailAddress::from_parts("a\u{30a}sa", &Domain::parse("x.org").unwrap())
            .unwrap()
            .local(),
        "åsa"
    );
}

#[test]
fn refusals() {
    use AddressError::*;
    let long_local = format!("{}@example.org", "a".repeat(65));
    let long_label = format!("a@{}.org", "b".repeat(64));
    let label = "b".repeat(60);
    let long_domain = format!("a@{label}.{label}.{label}.{label}.{label}");
    let long_total = format!("{}@{label}.{label}.{label}.bbbbbbbb", "a".repeat(64));
    let huge = format!("a@{}", "b.".repeat(100_000));
    let accents = format!("{}@example.org", "é".repeat(33));
    let cases: &[(&str, AddressError)] = &[
        ("", Empty),
        ("ann", NoAt),
        ("\"ann\"", NoAt),
        ("@example.org", EmptyLocal),
        ("\"\"@example.org", EmptyLocal),
        ("ann@", EmptyDomain),
        ("ann@home@example.org", SecondAt),
        ("@@example.org", EmptyLocal),
        ("ann @example.org", Space),
        (" ann@example.org", Space),
        ("ann@example.org\n", Space),
        ("ann\u{a0}b@example.org", Space),
        ("ann@exa\u{3000}mple.org", Space),
        ("an\0n@example.org", Control),
        ("ann@example.org\u{7f}", Control),
        ("ann\u{9b}@example.org", Control),
        ("a\u{200b}nn@example.org", Invisible),
        ("a\u{202e}nn@example.org", Invisible),
        ("ann@exam\u{ad}ple.org", Invisible),
        ("a\u{e000}@example.org", Invisible),
        ("a\u{378}@example.org", Invisible),
        (".ann@example.org", Dots),
        ("ann.@example.org", Dots),
        ("a..nn@example.org", Dots),
        ("a(b)@example.org", LocalCharacter),
        ("<ann@example.org>", LocalCharacter),
        ("a,b@example.org", LocalCharacter),
        ("a:b;@example.org", LocalCharacter),
        // Its NFC is a semicolon.
        ("a\u{37e}b@example.org", LocalCharacter),
        ("a\"b\"@example.org", LocalCharacter),
        ("a\\b@example.org", LocalCharacter),
        ("[a]@example.org", LocalCharacter),
        ("\"ann@example.org", Quotes),
        ("\"ann\\\"@example.org", Quotes),
        ("\"a\"b@example.org", Quotes),
        ("\"a\"b\"@example.org", Quotes),
        ("\"a\\é\"@example.org", Quotes),
        (&long_local, LocalTooLong),
        (&accents, LocalTooLong),
        (&long_label, DomainTooLong),
        (&long_domain, DomainTooLong),
        (&long_total, TooLong),
        (&huge, TooLong),
        ("ann@[192.0.2.1]", DomainLiteral),
        ("ann@[IPv6:2001:db8::1]", DomainLiteral),
        ("ann@192.0.2.1", DomainLiteral),
        ("ann@１９２.0.2.1", DomainLiteral),
        ("ann@2001:db8::1", DomainLiteral),
        ("ann@example.123", DomainLiteral),
        ("ann@localhost", NotQualified),
        ("ann@example.org.", BadDomain),
        ("ann@.example.org", BadDomain),
        ("ann@example..org", BadDomain),
        ("ann@-example.org", BadDomain),
        ("ann@example-.org", BadDomain),
        ("ann@exa_mple.org", BadDomain),
        ("ann@example.org/x", BadDomain),
        ("ann@exa%mple.org", BadDomain),
        ("ann@xn--a.org", BadDomain),
        ("ann@xn--bcher-kva\u{fc}.org", BadDomain),
        ("ann@example.org>", BadDomain),
    ];
    for (text, expected) in cases {
        assert_eq!(EmailAddress::parse(text), Err(*expected), "{text:?}");
    }
}

#[test]
fn longest_that_fit() {
    let label = "b".repeat(60);
    let local = "a".repeat(64);
    let fits = format!("{local}@{label}.{label}.{label}.bbbbbb");
    assert_eq!(fits.len(), MAX_ADDRESS);
    assert_eq!(EmailAddress::parse(&fits).unwrap().as_str(), fits);
    assert!(EmailAddress::parse(&format!("a@{}.org", "b".repeat(63))).is_ok());
}

#[test]
fn white_space_around_a_typed_address_goes() {
    assert_eq!(
        EmailAddress::parse_typed("\t ann@example.org \n")
            .unwrap()
            .as_str(),
        "ann@example.org"
    );
}

#[test]
fn domains() {
    assert_eq!(Domain::parse("LOCALHOST").unwrap().as_str(), "localhost");
    assert_eq!(Domain::parse(""), Err(AddressError::EmptyDomain));
    let (sub, top) = (
        Domain::parse("mx.party.example").unwrap(),
        Domain::parse("party.example").unwrap(),
    );
    assert!(sub.is_within(&top) && top.is_within(&top) && !top.is_within(&sub));
    assert!(!Domain::parse("notparty.example").unwrap().is_within(&top));
}

#[test]
fn debug_tells_nothing() {
    let address = EmailAddress::parse("ann@example.org").unwrap();
    let shown = format!(
        "{:?} {:?} {:?}",
        address,
        address.domain(),
        address.match_form()
    );
    assert_eq!(shown, "EmailAddress(..) Domain(..) MatchForm(..)");
}

#[test]
fn serde_as_text() {
    let address: EmailAddress = serde_json::from_str("\"Ann@Example.org\"").unwrap();
    assert_eq!(
        serde_json::to_string(&address).unwrap(),
        "\"Ann@example.org\""
    );
    assert!(serde_json::from_str::<EmailAddress>("\"ann\"").is_err());
    assert!(serde_json::from_str::<Domain>("\"a b\"").is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        if let Ok(address) = EmailAddress::parse(&text) {
            prop_assert!(address.as_str().len() <= MAX_ADDRESS);
        }
        let _ = Domain::parse(&text);
    }

    #[test]
    fn what_was_written_is_read_again(local in "[^\\s@\"\\p{C}]{1,20}", domain in "[^\\s@\\p{C}]{1,12}\\.[a-z]{2,5}") {
        if let Ok(address) = EmailAddress::parse(&format!("{local}@{domain}")) {
            let again = EmailAddress::parse(address.as_str());
            prop_assert_eq!(again.as_ref(), Ok(&address));
            prop_assert_eq!(again.unwrap().match_form(), address.match_form());
        }
    }

    #[test]
    fn matching_ignores_ascii_case_and_needless_quotes(
        local in "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,10}(\\.[a-z0-9-]{1,10}){0,3}",
        domain in "[a-z0-9]{1,10}\\.[a-z]{2,5}",
        upper in any::<u64>(),
    ) {
        let spelled: String = format!("{local}@{domain}").char_indices()
            .map(|(i, c)| if upper >> (i % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c })
            .collect();
        let plain = format!("v1:{local}@{domain}");
        prop_assert_eq!(form(&spelled), plain.clone());
        prop_assert_eq!(form(&format!("\"{local}\"@{domain}")), plain);
    }

    #[test]
    fn quoted_strings_match_what_they_say(said in "[!-~]{1,20}") {
        let escaped: String = said.chars().flat_map(|c| ['\\', c]).collect();
        let address = EmailAddress::parse(&format!("\"{escaped}\"@example.org"));
        prop_assert!(address.is_ok());
        let shortest = EmailAddress::parse(&format!("{}@example.org", quote(&said)));
        prop_assert_eq!(address.unwrap().match_form(), shortest.unwrap().match_form());
    }
}
