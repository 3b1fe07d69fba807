//! Accounts, subscribers, and the evidence of both.

use super::*;

#[test]
fn accounts() {
    let account = staff_api::Account {
        name: "ada".into(),
        addresses: vec!["ada@party.example".into(), "press@party.example".into()],
        roles: vec![Role::Sender, Role::Admin],
        granted: vec![Role::Approver],
        mailboxes: vec!["office".into()],
        uid: Some(1001),
        created_at: noon(),
        revoked_at: None,
        trained_until: Some(at("2028-11-22T00:00:00Z")),
        passwords: 2,
        wrong_passwords: 11,
        second_factor: Some(staff_api::FactorReport {
            since: noon(),
            recovery_codes: 2,
            wrong_codes: 2,
        }),
    };
    let mut revoked = account.clone();
    revoked.name = "ben".into();
    revoked.uid = None;
    revoked.revoked_at = Some(noon());
    (revoked.passwords, revoked.wrong_passwords) = (0, 0);
    revoked.second_factor = None;
    let rows = vec![account, revoked];
    insta::assert_snapshot!("staff-list", both(&rows, &staff::table(&rows, PLAIN)));
    let new = staff_api::NewPassword {
        name: "ada".into(),
        address: "ada@party.example".into(),
        password: SecretText::new("abcd-efgh-ijkm-npqr-stuv-wxyz".to_owned()),
        label: "laptop".into(),
        own: false,
        server: "mail.party.example".into(),
        settings: [
            ("imap", 993, "tls"),
            ("smtp", 465, "tls"),
            ("smtp", 587, "starttls"),
            ("pop3", 995, "tls"),
        ]
        .map(|(protocol, port, security)| staff_api::MailSetting {
            protocol: protocol.into(),
            port,
            security: security.into(),
        })
        .into(),
        profile: Some("https://mail.party.example/mail/profile.mobileconfig".into()),
    };
    assert!(
        !format!("{new:?}").contains("abcd"),
        "Debug shows no password"
    );
    insta::assert_snapshot!(
        "staff-password",
        both(&new, &staff::password::text(&new, PLAIN))
    );
    let own = staff_api::NewPassword { own: true, ..new };
    let card = staff::password::text(&own, PLAIN);
    assert!(!card.contains("Hand it over"), "{card}");
    assert!(card.lines().all(|line| line.len() <= 80), "{card}");
    let rows = [
        staff_api::PasswordRow {
            label: "laptop".into(),
            made_at: noon(),
            last_used: Some(jiff::civil::date(2026, 11, 21)),
            doors: vec!["submission".into(), "imap".into()],
        },
        staff_api::PasswordRow {
            label: "phone".into(),
            made_at: noon(),
            last_used: None,
            doors: Vec::new(),
        },
    ];
    insta::assert_snapshot!(
        "staff-passwords",
        both(&rows, &staff::password::table(&rows, PLAIN))
    );
}

#[test]
fn second_factors() {
    let begun = staff_api::FactorSecret {
        name: "ada".into(),
        secret: SecretText::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned()),
        uri: SecretText::new("otpauth://totp/P:ada?secret=GEZDGNBVGY3TQOJQ".to_owned()),
    };
    let confirmed = staff_api::RecoveryCodes {
        name: "ada".into(),
        since: noon(),
        codes: ["abcd-efgh-ijkm-npqr", "stuv-wxyz-2345-6789"]
            .map(|code| SecretText::new(code.to_owned()))
            .into(),
    };
    let shown = format!("{begun:?} {confirmed:?}");
    assert!(!shown.contains("GEZ") && !shown.contains("abcd"), "{shown}");
    insta::assert_snapshot!(
        "staff-second-factor",
        both(&begun, &staff::factor::begun_text(&begun, PLAIN))
            + &both(&confirmed, &staff::factor::codes_text(&confirmed, PLAIN))
    );
}

#[test]
fn grants() {
    let everywhere = staff_api::GrantRow {
        name: "cy".into(),
        role: Role::Approver,
        until: at("2026-11-21T16:00:00Z"),
        list: None,
        constituencies: Vec::new(),
        given_at: noon(),
    };
    let limited = staff_api::GrantRow {
        name: "ben".into(),
        role: Role::Sender,
        until: at("2026-11-21T16:00:00Z"),
        list: Some("news".into()),
        constituencies: vec!["leeds-east".into(), "leeds-south".into()],
        given_at: noon(),
    };
    let rows = [limited, everywhere];
    insta::assert_snapshot!(
        "staff-grants",
        both(&rows, &staff::grant::table(&rows, PLAIN))
    );
}

#[test]
fn lists_and_numbers() {
    let report = list_api::ListReport {
        list: "news".into(),
        title: "News".into(),
        purpose: "news about our campaigns".into(),
        address: "news@party.example".into(),
        from: "office@party.example".into(),
        open: true,
        approval: "second-person".into(),
        by_constituency: true,
        subscribed: Count::for_eyes(4, false),
        counted_at: Some(at("2026-11-21T04:00:00Z")),
    };
    let rows = vec![report];
    insta::assert_snapshot!("list-show", both(&rows, &list::table(&rows, PLAIN)));
    let shares = vec![
        subscriber_api::Share {
            list: "news".into(),
            constituency: None,
            subscribed: Count::for_eyes(4, true),
        },
        subscriber_api::Share {
            list: "news".into(),
            constituency: Some("Ynys Môn".into()),
            subscribed: Count::for_eyes(5, false),
        },
    ];
    insta::assert_snapshot!(
        "subscriber-stats",
        both(&shares, &subscriber::shares_table(&shares, PLAIN))
    );
}

#[test]
fn subscribers() {
    let found = subscriber_api::Found {
        subscriber: Some(subscriber_api::SubscriberReport {
            id: id('a'),
            address: "jo@example.org".into(),
            constituency: Some("Leeds East".into()),
            subscriptions: [("news".to_owned(), noon())].into(),
            paused: [("news".to_owned(), noon())].into(),
        }),
        pending_until: None,
        suppressed: vec!["appeals".into()],
    };
    assert!(
        !format!("{found:?}").contains("jo@"),
        "Debug shows no address"
    );
    insta::assert_snapshot!(
        "subscriber-find",
        both(&found, &subscriber::found_text(&found, PLAIN))
    );
    let verdict = subscriber_api::RowVerdict {
        line: 7,
        why: "no date of consent".into(),
    };
    insta::assert_snapshot!(subscriber::verdict_line(&verdict, PLAIN), @"line 7: no date of consent");
    let imported = subscriber_api::Imported {
        taken: 90,
        refused: 8,
        suppressed: 2,
        outdated: 1,
        code: Some("7f3a91c2".into()),
        challenges_per_day: 500,
    };
    insta::assert_snapshot!(
        "subscriber-import",
        both(&imported, &subscriber::imported_text(&imported, false))
    );
    let waiting = vec![subscriber_api::WaitingReport {
        code: "7f3a91c2".into(),
        verb: "subscriber export".into(),
        by: "ada".into(),
        reason: "moving\nhosts".into(),
        at: Some(noon()),
        detail: Some("90 people".into()),
    }];
    insta::assert_snapshot!(
        "subscriber-waiting",
        both(&waiting, &subscriber::waiting_table(&waiting, PLAIN))
    );
    let import = subscriber_api::Agreed {
        verb: "subscriber import".into(),
        by: "ada".into(),
        reason: "moved from the old system".into(),
        opens_with: None,
        challenges: Some(subscriber_api::Challenges {
            count: 1200,
            per_day: 500,
            until: at("2026-11-23T21:33:00Z"),
        }),
    };
    let text = subscriber::agreed_text(&import, PLAIN);
    assert!(
        text.contains("1200 challenges go out, spaced evenly") && text.contains("2026-11-23 21:33"),
        "{text}"
    );
    let agreed = subscriber_api::Agreed {
        verb: "subscriber export".into(),
        by: "ada".into(),
        reason: "moving".into(),
        opens_with: Some(SecretText::new("abcd-efgh".to_owned())),
        challenges: None,
    };
    insta::assert_snapshot!(
        "subscriber-agree",
        both(&agreed, &subscriber::agreed_text(&agreed, PLAIN))
    );
    let refused = subscriber_api::Refused {
        verb: "subscriber import".into(),
        by: "ada".into(),
        reason: "stall at the fair".into(),
    };
    insta::assert_snapshot!(subscriber::refused_text(&refused), @"subscriber import of ada is refused and not done (their reason: stall at the fair).");
}

#[test]
fn evidence_and_logs() {
    let events = vec![consent_api::EvidenceEvent {
        seq: 12,
        at: Some(noon()),
        what: "confirmed".into(),
        lists: vec!["news".into()],
        wording: Some("0123456789abcdef".into()),
        event: serde_json::json!({
            "event": "confirmed", "subject": "x", "list": "news", "channel": "paper", "language": "cy",
            "asked_at": "2026-11-20T10:00:00Z", "stated_age": 16, "batch": "stall 7", "entered_by": "ada",
            "origin": {"channel": "event"},
        }),
        texts: vec![consent_api::EvidenceText {
            sha256: "0123456789abcdef".into(),
            kind: "consent".into(),
            list: Some("news".into()),
            language: "en".into(),
            first_shown: noon(),
            text: "I consent to The Fair Party sending me news.\nI can withdraw.".into(),
        }],
    }];
    insta::assert_snapshot!(
        "consent-show",
        both(&events, &consent::table(&events, PLAIN))
    );
    let entries = vec![audit_api::AuditEntry {
        seq: 3,
        at: noon(),
        actor: "ada".into(),
        second: Some("ben".into()),
        verb: "subscriber export".into(),
        object: None,
        reason: Some("moving".into()),
    }];
    insta::assert_snapshot!("audit-show", both(&entries, &audit::table(&entries, PLAIN)));
    let verdict = audit_api::LogVerdict {
        log: "audit".into(),
        holds: false,
        size: 9,
        erased: 1,
        findings: vec!["entry 4 is not what was logged".into()],
        against: Some("the log is shorter than at the checkpoint".into()),
        checkpoint: "hustings checkpoint v1\nlog audit\n".into(),
    };
    insta::assert_snapshot!(
        "audit-verify",
        both(&verdict, &audit::verdict_text(&verdict, PLAIN))
    );
}
