//! What may stand behind a key, and what must hold between keys.

use super::super::party::{has_more_than_a_postcode, has_postcode};
use super::*;

#[test]
fn imprints() {
    let mut config = Config::example();
    config.imprint.promoter = Some("A. Agent".into());
    config.imprint.promoter_address = Some("2 Low Road, Leeds LS1 1AB".into());
    assert_eq!(config.check(), Ok(()));
    config.imprint.promoter_address = None;
    refused(
        config.check().map(|()| config.clone()),
        "imprint.promoter",
        "belong together",
    );
}

#[test]
fn ages_have_a_floor() {
    let age = |age: &str| with("postmaster", &format!("minimum_age = {age}\npostmaster"));
    for ok in ["13", "16", "18"] {
        assert!(age(ok).is_ok(), "{ok}");
    }
    refused(
        age("12"),
        "minimum_age",
        "below 13 a child can't consent alone",
    );
    refused(age("0"), "minimum_age", "below 13");
    refused(age("99"), "minimum_age", "shut out voters");
    refused(
        age("\"16\""),
        "minimum_age",
        "expected a whole number, found a text",
    );
}

#[test]
fn postal_addresses_need_a_postcode() {
    for ok in [
        "LS1 1AA",
        "1 High St, London SW1A 2AA.",
        "x m1 1ae x",
        "EC1A1BB",
        "GIR 0AA",
        "BFPO 57",
        "W1A 0AX, UK",
    ] {
        assert!(has_postcode(ok), "{ok}");
    }
    for no in [
        "",
        "1 High Street, Leeds",
        "10115 Berlin",
        "LS1",
        "1AA LS1",
        "A B C",
        "LS1  11A",
        "ÄLS1 1ÄÄ",
    ] {
        assert!(!has_postcode(no), "{no}");
    }
    for (address, more) in [
        ("LS1 1AA", false),
        ("LS11AA", false),
        ("Leeds LS11AA", true),
        ("Leeds LS1 1AA", true),
    ] {
        assert_eq!(has_more_than_a_postcode(address), more, "{address}");
    }
    refused(
        with("1 High Street, Leeds LS1 1AA", "LS1 1AA"),
        "party.postal_address",
        "no street or town",
    );
    refused(
        with("Leeds LS1 1AA", "Leeds"),
        "party.postal_address",
        "no postcode",
    );
}

#[test]
fn colours_must_be_readable() {
    let colours = |text: &str| {
        with(
            "[mailbox.office]",
            &format!("[party.colours]\n{text}\n[mailbox.office]"),
        )
    };
    assert!(colours("accent = \"#00695c\"").is_ok());
    refused(
        colours("on_accent = \"#999999\""),
        "party.colours.on_accent",
        "text needs 4.5:1",
    );
    refused(
        colours("text = \"#aaaaaa\""),
        "party.colours.text",
        "has a contrast of 2.3:1",
    );
    assert_eq!(problems(colours("accent = \"#ffff00\"")).len(), 2);
    refused(
        colours("accent = \"red\""),
        "party.colours.accent",
        "is no colour",
    );
    let (black, white) = (Colour::rgb(0, 0, 0), Colour::rgb(255, 255, 255));
    assert!((black.contrast(white) - 21.0).abs() < 0.01);
    // Two greys that are known to lie on either side of the rule.
    assert!(Colour::rgb(0x76, 0x76, 0x76).contrast(white) >= 4.5);
    assert!(Colour::rgb(0x77, 0x77, 0x77).contrast(white) < 4.5);
}

#[test]
fn a_lists_identity_must_take_answers() {
    let from = |text: &str| with("from = \"office@party.example\"", text);
    refused(
        from("from = \"hello@party.example\""),
        "list.news.from",
        "not an address of a mailbox",
    );
    assert!(from("from = \"hello@party.example\"\nreplies_to = \"office\"").is_ok());
    refused(
        from("from = \"hello@party.example\"\nreplies_to = \"nobody\""),
        "list.news.replies_to",
        "there's no such mailbox",
    );
    refused(
        from("from = \"news@party.example\""),
        "list.news.from",
        "takes mail from staff alone",
    );
    refused(
        from("from = \"office@other.example\""),
        "list.news.from",
        "in no domain of yours",
    );
    refused(
        from("from = \"office\""),
        "list.news.from",
        "the address has no @",
    );
}

#[test]
fn addresses_mean_one_thing() {
    let addresses = |text: &str| {
        with(
            "addresses = [\"office@party.example\"]",
            &format!("addresses = [\"office@party.example\", {text}]"),
        )
    };
    refused(
        addresses("\"news@party.example\""),
        "list.news",
        "a mailbox have the same address",
    );
    refused(
        addresses("\"news+subscribe@party.example\""),
        "mailbox.office.addresses",
        "means something else here",
    );
    refused(
        addresses("\"u@party.example\""),
        "mailbox.office.addresses",
        "means something else here",
    );
    let bounced = with(
        "[list.news]",
        "[mailbox.bounced]\ntitle = \"Bounced\"\naddresses = [\"back@party.example\"]\n\n[list.news]",
    );
    refused(bounced, "mailbox.bounced", "can't be called `bounced`");
    refused(
        addresses("\"ann@other.example\""),
        "mailbox.office.addresses",
        "in no domain of yours",
    );
    refused(
        addresses("\"OFFICE@party.example\""),
        "mailbox.office.addresses",
        "of mailbox `office` as well",
    );
    for name in ["subscribe", "postmaster", "abuse", "u"] {
        let list = with("[list.news]", &format!("[list.{name}]"));
        refused(list, &format!("list.{name}"), "means something else");
    }
    refused(
        with("[list.news]", "[list.\"News!\"]"),
        "list.News!",
        "can't name a table here",
    );
    refused(
        with("postmaster = \"office\"", "postmaster = \"nobody\""),
        "postmaster",
        "no such mailbox",
    );
    refused(
        with("privacy_contact = \"office@", "privacy_contact = \"data@"),
        "party.privacy_contact",
        "would be lost",
    );
    assert!(
        with(
            "privacy_contact = \"office@party.example\"",
            "privacy_contact = \"dpo@elsewhere.example\""
        )
        .is_ok()
    );
}

#[test]
fn ports_and_sockets_do_not_clash() {
    let listen = |text: &str| parse(&format!("{LEAST}\n{text}"));
    refused(
        listen("[listen.https]\naddresses = [\"127.0.0.1:25\"]"),
        "listen.https.addresses",
        "`https` and `smtp` both listen on 127.0.0.1:25",
    );
    refused(
        listen("[listen.smtp]\naddresses = [\"0.0.0.0:587\"]"),
        "listen.submission.addresses",
        "both listen",
    );
    assert!(listen("[listen.smtp]\naddresses = [\"127.0.0.1:0\"]\n[listen.https]\naddresses = [\"127.0.0.1:0\"]").is_ok());
    assert!(listen("[listen.smtp]\naddresses = [\"192.0.2.1:25\"]\n[listen.https]\naddresses = [\"192.0.2.2:25\"]").is_ok());
    assert!(listen("[listen.submission]\naddresses = []").is_ok());
    assert_eq!(problems(listen("[listen.smtp]\nfd = \"https\"")).len(), 2);
    refused(
        listen("[listen.smtp]\naddresses = \"25\""),
        "listen.smtp.addresses",
        "expected a list in [ ], found a text",
    );
    refused(
        listen("[listen.smtp]\naddresses = [\"25\"]"),
        "listen.smtp.addresses",
        "invalid socket address",
    );
    assert_eq!(problems(listen("[listen.imap]\nfd = \"x\"")).len(), 1);
}

#[test]
fn names_of_hosts_are_names() {
    refused(
        with("\"mail.party.example\"", "\"mail\""),
        "hostname",
        "is no full name",
    );
    refused(
        with("\"mail.party.example\"", "\"192.0.2.1\""),
        "hostname",
        "an IP address",
    );
    refused(
        with("\"mail.party.example\"", "\"mail party\""),
        "hostname",
        "a space",
    );
    refused(
        with(
            "domains = [\"party.example\"]",
            "domains = [\"party.example\", \"Party.Example\"]",
        ),
        "domains",
        "twice",
    );
    assert!(
        problems(with("domains = [\"party.example\"]", "domains = []"))
            .iter()
            .any(|(key, _)| key == "domains")
    );
}

/// The least that a party has to say, and this.
fn add(text: &str) -> Result<Config, ConfigErrors> {
    parse(&format!("{LEAST}\n{text}"))
}

#[test]
fn rules_of_the_key_the_certificates_and_the_pages() {
    refused(
        add("[key]\nsource = \"file\""),
        "key.source",
        "`file` doesn't say which",
    );
    refused(
        add("[key]\nsource = \"file\"\nfile = \"/var/lib/hustings/root.key\""),
        "key.file",
        "inside the data directory",
    );
    refused(
        add("[key]\nsource = \"disk\""),
        "key.source",
        "expected \"credential\", \"file\" or \"passphrase\"",
    );
    refused(
        with("key = \"/etc/hustings/tls", "key = \"/var/lib/hustings"),
        "tls.certificate.0.key",
        "in every backup",
    );
    refused(
        with("chain = \"/etc/", "chain = \"etc/"),
        "tls.certificate.0.chain",
        "absolute path",
    );
    assert_eq!(
        problems(with("[[tls.certificate]]\nchain", "[tls]\nchain")).len(),
        3
    );
    refused(
        add("[pages]\nurl = \"http://party.example\""),
        "pages.url",
        "https://",
    );
    assert!(
        add("[pages]\nurl = \"http://localhost:8080/\"")
            .is_ok_and(|config| config.pages_url() == "http://localhost:8080")
    );
    refused(
        add("[dkim]\nrsa_selector = \"hustings-ed\""),
        "dkim.ed25519_selector",
        "same selector",
    );
}

#[test]
fn rules_of_limits_and_periods() {
    refused(
        add("[staff]\noutside_recipients = 11"),
        "staff.outside_recipients",
        "expected 1 to 10",
    );
    refused(
        add("[limits]\nmessage_size = \"1 GiB\"\nbuffers = \"2 GiB\""),
        "limits.message_size",
        "expected 1 to 200 MiB",
    );
    refused(
        with("[list.news]", "[list.news]\nmax_size = \"50 MiB\""),
        "list.news.max_size",
        "more than limits.message_size",
    );
    refused(
        with("news about our campaigns", "News about our campaigns."),
        "list.news.purpose",
        "ends like a sentence",
    );
    refused(
        add("[retention]\nbackups = \"3 months\""),
        "retention.backups",
        "at most 35 days",
    );
    refused(
        add("[retention]\nevidence = \"1 year\""),
        "retention.evidence",
        "Scotland",
    );
    refused(
        add("[retention]\nlogs = \"forever\""),
        "retention.logs",
        "is no period",
    );
}

#[test]
fn rules_of_delivery() {
    refused(add("[delivery]\nretry = []"), "delivery.retry", "is empty");
    refused(
        add("[delivery]\nretry = [\"1s\"]"),
        "delivery.retry",
        "under a minute",
    );
    refused(
        add("[delivery]\nexpire = \"1h\""),
        "delivery.late_notice",
        "comes after `expire`",
    );
    refused(
        add("[delivery.route]\n\"a b\" = \"127.0.0.1:25\""),
        "delivery.route.a b",
        "is no route",
    );
    refused(
        add("[delivery.route]\n\"*\" = \"127.0.0.1\""),
        "delivery.route.*",
        "has no port",
    );
    refused(
        add("[delivery.tls_policy]\n\"*\" = \"dane\""),
        "delivery.tls_policy.*",
        "is no domain",
    );
    refused(
        add("[delivery.tls_policy]\n\"a.example\" = \"maybe\""),
        "delivery.tls_policy.a.example",
        "expected \"encrypted\"",
    );
    refused(
        add("[delivery]\nsmtp_port = 0"),
        "delivery.smtp_port",
        "expected 1 to 65535",
    );
    assert!(
        add("[delivery.tls_policy]\n\"*.a.example\" = \"dane\"\n\"a.example\" = \"verified\"")
            .is_ok()
    );
    assert!(add("[delivery.route]\n\"*\" = \"127.0.0.1:25\"\n\"*.org\" = \"relay.example.org:25\"\n\"a.example\" = \"[::1]:25\"").is_ok());
}

#[test]
fn values_are_written_as_they_are_read() {
    for text in ["25 MiB", "1 GiB", "500 kB", "3 B", "0 B"] {
        assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
    }
    for bad in [
        "",
        "25",
        "MiB",
        "-1 MiB",
        "25 XB",
        "99999999999 GiB",
        "1.5 MiB",
    ] {
        assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
    }
    for text in ["1 day", "30 days", "24 months", "6 years"] {
        assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
    }
    for bad in [
        "",
        "30",
        "days",
        "0 days",
        "-1 days",
        "101 years",
        "30 weeks",
        "99999999999 days",
    ] {
        assert!(bad.parse::<Period>().is_err(), "{bad}");
    }
    for text in [
        "https://party.example",
        "https://party.example:8443/x",
        "http://127.0.0.1:1",
    ] {
        assert_eq!(text.parse::<WebAddress>().unwrap().as_str(), text);
    }
    for bad in [
        "",
        "party.example",
        "ftp://x.example",
        "http://x.example",
        "https://",
        "https://a b",
        "https://x.example/\"",
        "https://u@x.example",
        "https://x.example:99999",
        "javascript://x",
    ] {
        assert!(bad.parse::<WebAddress>().is_err(), "{bad}");
    }
    assert_eq!(
        "https://party.example:8443/x"
            .parse::<WebAddress>()
            .unwrap()
            .authority(),
        "party.example:8443"
    );
    for text in ["relay.example:25", "127.0.0.1:2525", "[::1]:25"] {
        assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
    }
    for bad in ["", "x", "x:", ":25", "x:0", "x:99999", "a b:25"] {
        assert!(bad.parse::<HostPort>().is_err(), "{bad}");
    }
}
