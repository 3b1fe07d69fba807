//! Tests of the configuration as a whole: the least one, the documents made from it, the errors with line and key.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::declare::{Field, Kind};
use super::*;

mod rules;

/// The least that is a whole configuration.
const LEAST: &str = r#"
domains = ["party.example"]
hostname = "mail.party.example"
postmaster = "office"

[party]
name = "The Example Party"
postal_address = "1 High Street, Leeds LS1 1AA"
privacy_contact = "office@party.example"
hosting = "United Kingdom"

[mailbox.office]
title = "Office"
addresses = ["office@party.example"]

[list.news]
title = "News"
purpose = "news about our campaigns"
from = "office@party.example"

[[tls.certificate]]
chain = "/etc/hustings/tls/chain.pem"
key = "/etc/hustings/tls/key.pem"
"#;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Some(Path::new("hustings.toml")))
}

/// The least configuration with a piece replaced.
fn with(from: &str, to: &str) -> Result<Config, ConfigErrors> {
    assert!(
        LEAST.contains(from),
        "{from:?} is not in the least configuration"
    );
    parse(&LEAST.replacen(from, to, 1))
}

/// Key and message of each problem.
fn problems(result: Result<Config, ConfigErrors>) -> Vec<(String, String)> {
    let errors = result.expect_err("should be refused");
    errors
        .problems()
        .iter()
        .map(|problem| (problem.key.clone(), problem.message.clone()))
        .collect()
}

#[track_caller]
fn refused(result: Result<Config, ConfigErrors>, key: &str, message: &str) {
    let found = problems(result);
    let [(found_key, found_message)] = &found[..] else {
        panic!("expected one problem: {found:?}")
    };
    assert_eq!(found_key, key);
    assert!(
        found_message.contains(message),
        "{found_message:?} has no {message:?}"
    );
}

fn on_disk(path: &str, written: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, written).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == written,
        "{} is not what the code says: run UPDATE=1 cargo test --lib config",
        path.display()
    );
}

#[test]
fn documents_on_disk_are_the_codes() {
    on_disk("config/hustings.toml", &annotated_toml());
    on_disk("docs/config.md", &reference());
}

#[test]
fn the_annotated_file_is_the_example() {
    assert_eq!(parse(&annotated_toml()).unwrap(), Config::example());
}

/// Without the `#` before keys: every documented key is known, every example and default is valid, and each default is
/// the code's.
#[test]
fn every_documented_key_parses_to_its_default() {
    let is_key = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    let text: String = annotated_toml()
        .lines()
        .map(|line| if is_key(line) { &line[1..] } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    let mut config = parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(config.company.is_some() && config.templates.is_some());
    assert_eq!(config.delivery.route["*"].to_string(), "127.0.0.1:2525");
    // What is optional is shown with an example; all else must be as in code.
    let example = Config::example();
    config.templates = None;
    config.company = None;
    config.imprint = example.imprint.clone();
    config.key.file = None;
    config.pages = example.pages.clone();
    config.delivery.route.clear();
    config.delivery.ehlo = None;
    config.delivery.tls_policy.clear();
    config.delivery.connections_to.clear();
    config.delivery.copies_on_first_day_to.clear();
    config.delivery.copies_per_minute_to.clear();
    (
        config.delivery.trust_anchor,
        config.delivery.trusted_certificates,
    ) = (None, None);
    config.incoming.blocklist = None;
    config.limits.disk_reserve = None;
    let dns = &mut config.dns;
    (dns.tls_reports, dns.probe) = (None, None);
    let acme = &mut config.tls.acme;
    (acme.contact, acme.trusted_certificates) = (None, None);
    let list = config.list.get_mut("news").unwrap();
    (
        list.purpose_cy,
        list.consent_extra,
        list.consent_extra_cy,
        list.from_name,
        list.replies_to,
    ) = (None, None, None, None, None);
    config.mailbox.get_mut("office").unwrap().keep = None;
    let party = &mut config.party;
    (party.short_name, party.website, party.ico_registration) = (None, None, None);
    (party.ico_expires, party.dpo, party.dpo_decision) = (None, None, None);
    (party.hosting, party.transfers) = (None, None);
    assert_eq!(config, example);
}

#[test]
fn every_key_is_documented() {
    fn look(path: &str, fields: &[Field], seen: &mut BTreeSet<String>) {
        for field in fields {
            let path = format!("{path}.{}", field.name);
            assert!(!field.doc.is_empty(), "{path} has no documentation");
            assert!(seen.insert(path.clone()), "{path} is declared twice");
            match &field.kind {
                Kind::Section { inner, .. } | Kind::Tables(inner) | Kind::Keyed(inner, _) => {
                    look(&path, &inner.fields, seen);
                }
                _ => {}
            }
        }
    }
    let mut seen = BTreeSet::new();
    look("", &Config::fields(), &mut seen);
    assert!(seen.len() > 90, "{}", seen.len());
}

#[test]
fn the_least_configuration() {
    let config = parse(LEAST).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.domain().as_str(), "party.example");
    assert_eq!(config.minimum_age, 16);
    assert_eq!(config.pages_url(), "https://mail.party.example");
    assert_eq!(config.ehlo_name().as_str(), "mail.party.example");
    assert_eq!(config.party.short_name(), "The Example Party");
    let news = Name::parse("news").unwrap();
    assert_eq!(
        config.list_address(&news).unwrap().as_str(),
        "news@party.example"
    );
    assert_eq!(config.list_address(&Name::parse("none").unwrap()), None);
    let mailbox = |text: &str| {
        config
            .mailbox_of(&EmailAddress::parse(text).unwrap())
            .map(Name::as_str)
    };
    assert_eq!(mailbox("Office@PARTY.example"), Some("office"));
    assert_eq!(mailbox("Postmaster@party.example"), Some("office"));
    assert_eq!(mailbox("abuse@party.example"), Some("office"));
    assert_eq!(mailbox("abuse@other.example"), None);
    for usual in ["Hostmaster", "webmaster", "security"] {
        assert_eq!(mailbox(&format!("{usual}@party.example")), Some("office"));
        assert_eq!(mailbox(&format!("{usual}@other.example")), None);
    }
    assert_eq!(mailbox("noc@party.example"), None);
    assert_eq!(mailbox("news@party.example"), None);
    assert_eq!(config.check(), Ok(()));
    assert_eq!(Config::example().check(), Ok(()));
}

#[test]
fn broken_toml_names_line_and_key() {
    let errors = with("name = \"The Example Party\"", "name = The Example Party").unwrap_err();
    let problem = &errors.problems()[0];
    assert_eq!(errors.place(problem).unwrap().0, 7);
    let shown = errors.to_string();
    assert!(shown.contains("--> hustings.toml:7:"), "{shown}");
    assert!(shown.contains("7 | name = The Example Party"), "{shown}");
    let twice = with("[party]", "[party]\nname = \"A\"")
        .unwrap_err()
        .to_string();
    assert!(twice.contains("duplicate key"), "{twice}");
}

#[test]
fn problems_are_shown_as_a_compiler_would() {
    let text = LEAST
        .replace(
            "postmaster = \"office\"",
            "postmastr = \"office\"\nminimum_age = 12",
        )
        .replace(
            "name = \"The Example Party\"",
            "name = 7\n\tcolour = \"#ff0000\"",
        )
        .replace("Leeds LS1 1AA", "Leeds");
    insta::assert_snapshot!(parse(&text).unwrap_err(), @r##"
    error: `postmaster` is missing: expected a name of lower-case letters, digits and hyphens such as "office"
      --> hustings.toml
       = key: postmaster
       = help: add it, for instance: postmaster = "office"

    error: `postmastr` isn't a known key
     --> hustings.toml:4:1
      |
    4 | postmastr = "office"
      | ^^^^^^^^^
       = key: postmastr
       = help: did you mean `postmaster`?

    error: `minimum_age` is 12: below 13 a child can't consent alone (DPA 2018 s.9)
     --> hustings.toml:5:15
      |
    5 | minimum_age = 12
      |               ^^
       = key: minimum_age
       = help: write 13 or more; 16 is the default

    error: `name`: expected a text in quotes, found a whole number
     --> hustings.toml:8:8
      |
    8 | name = 7
      |        ^
       = key: party.name
       = help: write a text in quotes

    error: `colour` isn't a known key
     --> hustings.toml:9:2
      |
    9 |  colour = "#ff0000"
      |  ^^^^^^
       = key: party.colour
       = help: did you mean `colours`?

    error: `postal_address` has no postcode: the law asks for a postal address where you can be reached
      --> hustings.toml:10:18
       |
    10 | postal_address = "1 High Street, Leeds"
       |                  ^^^^^^^^^^^^^^^^^^^^^^
       = key: party.postal_address
       = help: write the whole address with its postcode, as in "1 High Street, Leeds LS1 1AA"

    hustings.toml: 6 problems
    "##);
}

#[test]
fn everything_wrong_is_listed_at_once() {
    let text = r#"
        domains = ["party.example", "not a domain", "also not"]
        hostname = 3
        datadir = "/x"
        minimum_age = -1
        [party]
        name = ""
        colours = "red"
        [list.News]
        [limits]
        message_size = "huge"
        [delivery]
        retry = ["5m", "soon", 3]
    "#;
    let keys: Vec<_> = problems(parse(text))
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    for key in [
        "hostname",
        "datadir",
        "minimum_age",
        "postmaster",
        "party.name",
        "party.colours",
        "party.postal_address",
        "list.News",
        "list.News.title",
        "limits.message_size",
        "mailbox",
    ] {
        assert!(
            keys.iter().any(|found| found == key),
            "{key} is not in {keys:?}"
        );
    }
    assert_eq!(keys.iter().filter(|key| *key == "domains").count(), 2);
    assert_eq!(
        keys.iter().filter(|key| *key == "delivery.retry").count(),
        2
    );
}

#[test]
fn no_transfers_is_believed_of_a_machine_in_the_united_kingdom_alone() {
    let with = |lines: &str| parse(&LEAST.replace("hosting = \"United Kingdom\"", lines));
    for hosting in [
        "United Kingdom (Hoster Ltd, London)",
        "Hoster Ltd, York, UK",
    ] {
        let config = with(&format!("hosting = \"{hosting}\"\ntransfers = \"None\"")).unwrap();
        assert!(config.party.states_no_transfers());
    }
    for lines in [
        "hosting = \"Germany (Hetzner, Falkenstein)\"\ntransfers = \"none\"",
        "hosting = \"Ukraine\"\ntransfers = \" NONE\"",
        "transfers = \"none\"",
    ] {
        let errors = with(lines).unwrap_err();
        assert_eq!(errors.problems()[0].key, "party.transfers", "{lines}");
    }
    let abroad = with(
        "hosting = \"Germany\"\ntransfers = \"Germany, by the UK's adequacy regulations for the EEA\"",
    );
    assert!(!abroad.unwrap().party.states_no_transfers());
    assert!(!with("").unwrap().party.states_no_transfers());
}

#[test]
fn unknown_keys_suggest_the_nearest() {
    let help = |result: Result<Config, ConfigErrors>| {
        let errors = result.unwrap_err();
        (
            errors.problems()[0].key.clone(),
            errors.problems()[0].help.clone(),
        )
    };
    let (key, text) = help(with("[party]", "[party]\nwebsit = \"https://x.example\""));
    assert_eq!(
        (key.as_str(), text.as_str()),
        ("party.websit", "did you mean `website`?")
    );
    let (key, text) = help(with(
        "title = \"News\"",
        "title = \"News\"\naproval = \"self\"",
    ));
    assert_eq!(
        (key.as_str(), text.as_str()),
        ("list.news.aproval", "did you mean `approval`?")
    );
    let shown = with("[party]", "\"a\\u001b[2Jb\" = 1\n[party]")
        .unwrap_err()
        .to_string();
    assert!(!shown.contains(char::from(0x1b)), "{shown:?}");
    let (key, text) = help(with("[party]", "[smtp]\nport = 25\n[party]"));
    assert_eq!(key, "smtp");
    assert!(
        text.contains("remove it; the keys here are: domains, hostname"),
        "{text}"
    );
}

#[test]
fn a_config_set_in_code_is_checked_alike() {
    let mut config = Config::example();
    config.minimum_age = 12;
    config.party.postal_address = "nowhere".into();
    config.listen.https.addresses = config.listen.smtp.addresses.clone();
    let keys: Vec<_> = problems(config.check().map(|()| config))
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    for key in [
        "minimum_age",
        "party.postal_address",
        "listen.https.addresses",
    ] {
        assert!(keys.iter().any(|found| found == key), "{keys:?}");
    }
}

/// A directory with a configuration and all files that it names.
fn with_files() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let ca = crate::tls::SelfMadeCa::new("Test CA", jiff::Timestamp::now()).unwrap();
    ca.issue_to(dir.path(), "mail", &["mail.party.example"])
        .unwrap();
    ca.issue_to(dir.path(), "other", &["other.example"])
        .unwrap();
    std::fs::write(dir.path().join("root.key"), [7; 32]).unwrap();
    std::fs::set_permissions(
        dir.path().join("root.key"),
        std::fs::Permissions::from_mode(0o400),
    )
    .unwrap();
    std::fs::write(dir.path().join("seats.csv"), "code,name,nation\n").unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let base = dir.path().display().to_string();
    let text = LEAST
        .replace("/etc/hustings/tls/chain.pem", &format!("{base}/mail.pem"))
        .replace("/etc/hustings/tls/key.pem", &format!("{base}/mail.key"))
        .replace(
            "[party]",
            &format!(
                "data_dir = \"{base}/data\"\nconstituencies = \"{base}/seats.csv\"\ntemplates = \"{base}\"\n[party]"
            ),
        )
        + &format!("\n[key]\nsource = \"file\"\nfile = \"{base}/root.key\"\n");
    (dir, text)
}

fn load(dir: &tempfile::TempDir, text: &str) -> Result<Config, ConfigErrors> {
    let path = dir.path().join("hustings.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path)
}

#[test]
fn files_are_looked_at() {
    let (dir, text) = with_files();
    load(&dir, &text).unwrap_or_else(|errors| panic!("{errors}"));
    for (name, why) in [("nodata", "is not there"), ("seats.csv", "is a file")] {
        let elsewhere = text.replace("/data\"", &format!("/{name}\""));
        refused(load(&dir, &elsewhere), "data_dir", why);
    }
    let base = dir.path().display().to_string();
    let with = |name: &str, file: &str| format!("{text}\n[delivery]\n{name} = \"{base}/{file}\"\n");
    let certificates = with("trusted_certificates", "mail.pem");
    load(&dir, &certificates).unwrap_or_else(|errors| panic!("{errors}"));
    let key = "delivery.trusted_certificates";
    let refused_file = |name, file, key, why| refused(load(&dir, &with(name, file)), key, why);
    refused_file("trusted_certificates", "none.pem", key, "can't be read");
    refused_file("trusted_certificates", "seats.csv", key, "no certificate");
    let key = "delivery.trust_anchor";
    refused_file("trust_anchor", "none.key", key, "can't be read");
    refused_file("trust_anchor", "seats.csv", key, "no DNSKEY record");
    let anchor = ". 172800 IN DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==\n";
    std::fs::write(dir.path().join("anchor.key"), anchor).unwrap();
    load(&dir, &with("trust_anchor", "anchor.key")).unwrap_or_else(|errors| panic!("{errors}"));
    refused(
        load(&dir, &text.replace("root.key", "none.key")),
        "key.file",
        "can't be read: No such file",
    );
    refused(
        load(&dir, &text.replace("seats.csv", "none.csv")),
        "constituencies",
        "can't be read",
    );
    refused(
        load(&dir, &text.replace("templates = \"", "templates = \"/none")),
        "templates",
        "names no directory",
    );
    refused(
        load(&dir, &text.replace("mail.key", "other.key")),
        "tls.certificate.0.key",
        "does not belong to the certificate",
    );
    refused(
        load(&dir, &text.replace("mail.pem", "mail.key")),
        "tls.certificate.0.chain",
        "has no certificate in it, but a private key",
    );
    refused(
        load(&dir, &text.replace("mail.pem", "none.pem")),
        "tls.certificate.0.chain",
        "can't be read",
    );
    let other = text
        .replace("mail.pem", "other.pem")
        .replace("mail.key", "other.key");
    refused(
        load(&dir, &other),
        "tls.certificate",
        "no certificate is for the host name mail.party.example",
    );
    std::fs::set_permissions(
        dir.path().join("root.key"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    refused(
        load(&dir, &text),
        "key.file",
        "may be read by others (mode 0644)",
    );
    let path = dir.path().join("hustings.toml");
    assert!(Config::load_without_files(&path).is_ok());
}

#[test]
fn files_that_are_no_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Config::load(&dir.path().join("none.toml"));
    let shown = missing.as_ref().unwrap_err().to_string();
    assert!(
        shown.contains("none.toml") && shown.contains("hustings init"),
        "{shown}"
    );
    refused(missing, "", "can't be read: No such file");
    let path = dir.path().join("hustings.toml");
    std::fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
    refused(
        Config::load(&path),
        "",
        "line 2 of the configuration is not UTF-8",
    );
    std::fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    refused(Config::load(&path), "", "larger than");
    refused(
        Config::load(dir.path()),
        "",
        "can't be read: Is a directory",
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z\\[\\]=\"'.#0-9 \n\t{},é\u{1b}]{0,200}") {
        if let Err(errors) = parse(&text) {
            prop_assert!(!errors.problems().is_empty());
            let escape = char::from(0x1b);
            prop_assert!(!errors.to_string().contains(escape));
        }
    }

    #[test]
    fn a_broken_configuration_is_shown_without_panic(at in 0..LEAST.len(), c in any::<char>()) {
        let mut text = LEAST.to_owned();
        text.insert(at, c);
        if let Err(errors) = parse(&text) {
            prop_assert!(errors.to_string().contains("error: "));
        }
    }
}

#[test]
fn the_first_mistake_of_syntax_is_named_alone_where_it_was_made() {
    let text = LEAST.replacen("[\"party.example\"]", "[\"party.example\"", 1);
    let errors = parse(&text).unwrap_err();
    let [problem] = errors.problems() else {
        panic!("{errors}")
    };
    assert_eq!(problem.key, "domains");
    assert_eq!(errors.place(problem), Some((2, 11)));
    assert!(problem.message.contains("line 3"), "{}", problem.message);
    // Where nothing is open, the line itself is named.
    let text = LEAST.replacen("postmaster = \"office\"", "postmaster \"office\"", 1);
    let errors = parse(&text).unwrap_err();
    let [problem] = errors.problems() else {
        panic!("{errors}")
    };
    assert_eq!(errors.place(problem).unwrap().0, 4);
}
