//! Tables of DNS and of reports.

use super::*;

fn dns_records() -> Vec<dns_api::RecordReport> {
    let record = |topic: &str, act: &str, domain: Option<&str>, note: Option<&str>| {
        let name = domain.unwrap_or("7.2.0.192.in-addr.arpa");
        dns_api::RecordReport {
            topic: topic.into(),
            domain: domain.map(str::to_owned),
            name: name.into(),
            kind: "TXT".into(),
            value: "v=spf1 mx -all".into(),
            line: format!("{name}. IN TXT \"v=spf1 mx -all\""),
            need: "mailings".into(),
            act: act.into(),
            note: note.map(str::to_owned),
        }
    };
    vec![
        record(
            "reverse name",
            "ask the host",
            None,
            Some("who rents out the address sets it"),
        ),
        record("SPF", "publish", Some("party.example"), None),
        record(
            "DKIM",
            "keep",
            Some("party.example"),
            Some("signed list mail until lately; keep it until 2026-12-05"),
        ),
        record(
            "DKIM",
            "remove",
            Some("second.example"),
            Some("signs list mail no more; take it away"),
        ),
    ]
}

#[test]
fn what_others_report() {
    let mail = dns_api::SourceReport {
        about: "mail".into(),
        domain: "party.example".into(),
        count: 7,
        from: "2026-11-20".into(),
        to: "2026-11-21".into(),
        reporters: vec!["far.example".into(), "near\u{1b}[31m.example".into()],
        network: Some("203.0.113.0/24".into()),
        author: Some("party.example".into()),
        spf: Some(false),
        dkim: Some(false),
        became: Some("quarantine".into()),
        vouched: vec!["bulk.example".into()],
        ..dns_api::SourceReport::default()
    };
    let own = dns_api::SourceReport {
        passes: true,
        own: true,
        dkim: Some(true),
        became: Some("none".into()),
        vouched: vec!["party.example".into()],
        to: "2026-11-20".into(),
        ..mail.clone()
    };
    let tls = dns_api::SourceReport {
        about: "tls".into(),
        domain: "party.example".into(),
        count: 3,
        from: "2026-11-20".into(),
        to: "2026-11-20".into(),
        reporters: vec!["far.example".into()],
        unproven: true,
        policy: Some("sts".into()),
        result: Some("certificate-expired".into()),
        host: Some("mail.party.example".into()),
        ..dns_api::SourceReport::default()
    };
    let rows = [mail, tls, own];
    let text = dns_reports::table(&rows, PLAIN);
    assert!(!text.contains('\u{1b}'));
    insta::assert_snapshot!("dns-reports", both(&rows.to_vec(), &text));
    let reported = dns_api::Reported { dmarc: 2, tls: 1 };
    assert_eq!(
        dns_reports::said(&reported),
        "\n2 reports on mail (DMARC), 1 report on TLS.\n"
    );
}

#[test]
fn what_stands_in_dns() {
    let rows = dns_records();
    insta::assert_snapshot!("dns-records", both(&rows, &dns::table(&rows, PLAIN)));
    insta::assert_snapshot!("dns-records-zone", dns::zone_file(&rows, PLAIN));
    let finding = |state: &str, fix: Option<&str>| dns_api::FindingReport {
        topic: "SPF".into(),
        domain: Some("party.example".into()),
        name: "party.example".into(),
        kind: Some("TXT".into()),
        state: state.into(),
        need: "mailings".into(),
        said: "there is none".into(),
        fix: fix.map(str::to_owned),
    };
    let found = vec![
        finding("right", None),
        finding("missing", Some("party.example. IN TXT \"v=spf1 mx -all\"")),
        finding("not checked", None),
    ];
    insta::assert_snapshot!("dns-check", both(&found, &dns::findings(&found, PLAIN)));
    let keys = vec![dns_api::KeyReport {
        domain: "party.example".into(),
        stream: "list".into(),
        selector: "hustings-rsa-list1".into(),
        algorithm: "rsa-sha256".into(),
        phase: "kept".into(),
        made_at: noon(),
        live_at: Some(noon()),
        keep_until: Some(at("2026-12-05T12:00:00Z")),
    }];
    insta::assert_snapshot!("dns-dkim", both(&keys, &dns::keys(&keys, PLAIN)));
    let rotated = dns_api::Rotated {
        switched: vec!["hustings-rsa-list2._domainkey.party.example".into()],
        waiting: vec![
            "hustings-rsa-staff2._domainkey.party.example: there is none at ns1.party.example"
                .into(),
        ],
    };
    let text = dns::rotation(&rows[1..2], &rotated, true);
    insta::assert_snapshot!("dns-rotate-dkim", both(&rotated, &text));
}
