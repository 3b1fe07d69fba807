//! The OpenSPF suite, and what it doesn't ask.

use futures_util::FutureExt as _;
use serde_json::Value;

use super::super::table::Table;
use super::*;

const SUITE: &str = include_str!("../../../../tests/vectors/rfc7208.json");

fn table(zone: &Value) -> Table {
    let mut table = Table::default();
    for (name, records) in zone.as_object().unwrap() {
        for record in records.as_array().unwrap() {
            let value = match &record[1] {
                // An MX record: preference and host.
                Value::Array(parts) => format!("{} {}", parts[0], parts[1].as_str().unwrap()),
                value => value.as_str().unwrap().to_owned(),
            };
            table.add(name, record[0].as_str().unwrap(), &value);
        }
    }
    table
}

#[tokio::test]
async fn the_names_of_an_address_are_asked_for_at_once() {
    let mut table = Table::default();
    for n in 0..12 {
        let name = format!("{n}.dead.example");
        table.add("1.2.0.192.in-addr.arpa", "PTR", &name);
        table.add(&name, "A", "HANG");
    }
    let ip = "192.0.2.1".parse().unwrap();
    assert!(confirmed_names(&table, ip).now_or_never().is_none());
    assert_eq!(table.asked().len(), 1 + MOST_LOOKUPS);
}

#[tokio::test]
async fn the_suite_of_rfc_7208() {
    let suite: Value = serde_json::from_str(SUITE).unwrap();
    let (mut ran, mut wrong) = (0, Vec::new());
    for scenario in suite["scenarios"].as_array().unwrap() {
        let table = table(&scenario["zone"]);
        for (name, test) in scenario["tests"].as_object().unwrap() {
            let text = |key: &str| test[key].as_str().unwrap();
            let sending = Sending {
                ip: text("host").parse().unwrap(),
                helo: text("helo"),
                sender: text("mailfrom"),
            };
            let (result, _) = check_sender(&table, sending).await;
            let expected = test["result"].as_array().unwrap();
            ran += 1;
            if !expected.iter().any(|one| one == result.as_str()) {
                wrong.push(format!("{name}: {} for {expected:?}", result.as_str()));
            }
        }
    }
    assert_eq!(ran, 203);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn check(table: &Table, ip: &str, sender: &str) -> SpfResult {
    let sending = Sending {
        ip: ip.parse().unwrap(),
        helo: "mx.example.org",
        sender,
    };
    check_sender(table, sending).await.0
}

#[tokio::test]
async fn an_include_inside_an_include_has_its_own_word() {
    let table = Table::default()
        .with("a.example", "TXT", "v=spf1 -include:b.example ?all")
        .with("b.example", "TXT", "v=spf1 include:c.example -all")
        .with("c.example", "TXT", "v=spf1 ip4:192.0.2.1 -all");
    assert_eq!(
        check(&table, "192.0.2.1", "x@a.example").await,
        SpfResult::Fail
    );
    assert_eq!(
        check(&table, "192.0.2.2", "x@a.example").await,
        SpfResult::Neutral
    );
}

#[tokio::test]
async fn an_ipv4_address_in_ipv6_clothes_is_one() {
    let table = Table::default().with("a.example", "TXT", "v=spf1 ip4:192.0.2.0/24 -all");
    assert_eq!(
        check(&table, "::ffff:192.0.2.9", "x@a.example").await,
        SpfResult::Pass
    );
}

#[tokio::test]
async fn a_domain_in_unicode_is_asked_for_by_its_a_label() {
    let table = Table::default().with("xn--bcher-kva.example", "TXT", "v=spf1 ip4:192.0.2.1 -all");
    assert_eq!(
        check(&table, "192.0.2.1", "x@b\u{fc}cher.example").await,
        SpfResult::Pass
    );
}

#[tokio::test]
async fn a_record_that_includes_itself_ends() {
    let table = Table::default().with("a.example", "TXT", "v=spf1 include:a.example -all");
    assert_eq!(
        check(&table, "192.0.2.1", "x@a.example").await,
        SpfResult::PermError
    );
    assert!(table.asked().len() <= MOST_LOOKUPS + 1);
}

proptest::proptest! {
    #[test]
    fn any_record_can_be_read(text: Vec<u8>, rest in "[ -~]{0,80}") {
        let _ = record::read(&text);
        let _ = record::read(format!("v=spf1 {rest}").as_bytes());
    }
}
