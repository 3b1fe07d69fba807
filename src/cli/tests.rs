//! What people see: the help of each command, tables and JSON, as snapshots. A change here is a change for them.

use clap::CommandFactory as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::style::Style;
use super::*;
use crate::control::SecretText;
use crate::control::api::{Count, audit as audit_api, list as list_api, mailbox as mailbox_api};
use crate::control::api::{
    consent as consent_api, dns as dns_api, mailing as mailing_api, queue as queue_api,
};
use crate::control::api::{service, staff as staff_api, subscriber as subscriber_api};
use crate::staff::Role;
use crate::store::{Finding, MailingState, Verification};

const PLAIN: Style = Style {
    colour: false,
    width: Some(100),
};

fn at(text: &str) -> jiff::Timestamp {
    text.parse().expect("a time")
}

fn noon() -> jiff::Timestamp {
    at("2026-11-21T12:00:00Z")
}

fn id<T: std::str::FromStr>(digit: char) -> T
where
    T::Err: std::fmt::Debug,
{
    digit.to_string().repeat(32).parse().expect("an id")
}

/// What a command prints for people and for machines; the JSON must read back.
fn both<T: Serialize + DeserializeOwned>(value: &T, text: &str) -> String {
    let json = serde_json::to_string_pretty(value).expect("JSON");
    let back: T = serde_json::from_str(&json).expect("reads back");
    assert_eq!(serde_json::to_string_pretty(&back).expect("JSON"), json);
    format!("{text}\n--json\n{json}\n")
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

fn helps(command: &mut clap::Command, path: &str, out: &mut String) {
    let path = format!("{path} {}", command.get_name()).trim().to_owned();
    *out += &format!("$ {path} --help\n{}\n", command.render_long_help());
    let names: Vec<String> = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        if let Some(sub) = command.find_subcommand_mut(&name) {
            helps(sub, &path, out);
        }
    }
}

#[test]
fn the_help_of_each_command() {
    let mut root = Cli::command().term_width(100);
    root.build();
    insta::assert_snapshot!("help", root.render_long_help().to_string());
    let names: Vec<String> = root
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        let mut out = String::new();
        helps(
            root.find_subcommand_mut(&name).expect("is there"),
            "hustings",
            &mut out,
        );
        insta::assert_snapshot!(format!("help-{name}"), out);
    }
}

fn leaves<'c>(command: &'c clap::Command, path: &str, all: &mut Vec<(String, &'c clap::Command)>) {
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        let path = format!("{path} {}", sub.get_name());
        if sub.get_subcommands().any(|sub| sub.get_name() != "help") {
            leaves(sub, &path, all);
        } else {
            all.push((path, sub));
        }
    }
}

#[test]
fn each_command_has_examples_and_says_what_an_address_argument_gives_away() {
    let root = Cli::command();
    let mut all = Vec::new();
    leaves(&root, "hustings", &mut all);
    assert!(all.len() > 35, "{}", all.len());
    for (path, command) in all {
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(after.contains("Examples:"), "{path} has no examples");
        assert!(
            after.contains(&path),
            "{path}: an example must show the command itself"
        );
        for argument in command
            .get_arguments()
            .filter(|argument| argument.get_id() == "address")
        {
            let help = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("ps") && help.contains("history"), "{path}");
        }
    }
}

#[test]
fn each_request_of_the_command_line_has_a_name_in_the_list() {
    let mut names = crate::control::api::ALL.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, crate::control::api::ALL, "sorted, none twice");
}

#[test]
fn errors_name_the_thing_and_the_next_step_and_hold_no_escape() {
    let failure = Failure::refused(
        "can't revoke b\x1b[31mob",
        "he is the last admin",
        "make another",
    );
    insta::assert_snapshot!(complaint(&failure, PLAIN), @r"
    error: can't revoke b�[31mob: he is the last admin
      next: make another
    ");
}

#[test]
fn status_locked_and_unlocked() {
    let mut report = service::StatusReport {
        certificates: Vec::new(),
        refused: Vec::new(),
        version: "0.1.0".into(),
        state: service::LockState::Locked,
        started_at: noon(),
        key: crate::vault::KeySource::Passphrase.protection().into(),
        store: "locked".into(),
        doors: vec![service::DoorReport {
            name: "smtp".into(),
            addresses: vec!["[::]:25".into()],
            state: "locked".into(),
            connections: 0,
        }],
        work: None,
        waiting_withdrawals: Count::Exactly(2),
        warnings: vec!["the registration ends in 7 days".into()],
        you: "nobody".into(),
    };
    insta::assert_snapshot!(
        "status-locked",
        both(&report, &status::text(&report, PLAIN))
    );
    report.state = service::LockState::Unlocked;
    report.waiting_withdrawals = Count::Exactly(0);
    report.warnings.clear();
    report.doors[0].state = "open".into();
    report.you = "ada".into();
    report.store = "well".into();
    report.work = Some(service::Work {
        queued: Some(3),
        mailings_running: 1,
        mailings_held: 2,
        staff: 4,
        reports: Some(service::ReportWork {
            kept: 12,
            sent: 5,
            given_up: 1,
            tls_failures: [("starttls-not-supported".to_owned(), 2)].into(),
        }),
    });
    insta::assert_snapshot!(
        "status-unlocked",
        both(&report, &status::text(&report, PLAIN))
    );
}

#[test]
fn accounts() {
    let account = staff_api::Account {
        name: "ada".into(),
        addresses: vec!["ada@party.example".into(), "press@party.example".into()],
        roles: vec![Role::Sender, Role::Admin],
        mailboxes: vec!["office".into()],
        uid: Some(1001),
        created_at: noon(),
        revoked_at: None,
        trained_until: None,
    };
    let mut revoked = account.clone();
    revoked.name = "ben".into();
    revoked.uid = None;
    revoked.revoked_at = Some(noon());
    let rows = vec![account, revoked];
    insta::assert_snapshot!("staff-list", both(&rows, &staff::table(&rows, PLAIN)));
    let new = staff_api::NewPassword {
        name: "ada".into(),
        password: SecretText::new("abcd-efgh-ijkm-npqr-stuv-wxyz".to_owned()),
        server: "mail.party.example".into(),
    };
    assert!(
        !format!("{new:?}").contains("abcd"),
        "Debug shows no password"
    );
    insta::assert_snapshot!(
        "staff-password",
        both(&new, &staff::password_text(&new, PLAIN))
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
        event: serde_json::json!({"event": "confirmed"}),
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

fn mailing_report() -> mailing_api::MailingReport {
    mailing_api::MailingReport {
        id: id('3'),
        list: "news".into(),
        constituencies: Some(vec!["Leeds East".into()]),
        subject: "Come to the fair".into(),
        sender: "ada".into(),
        state: MailingState::Sending,
        created_at: noon(),
        second_person: true,
        approved_by: vec!["ben".into()],
        released_at: Some(noon()),
        ended_at: None,
        digest: "ab".repeat(32),
        stopped: None,
        counts: counts(),
    }
}

fn counts() -> mailing_api::Counts {
    mailing_api::Counts {
        audience: Count::Exactly(5000),
        tried: Count::Exactly(1210),
        sent: Some(Count::Exactly(1200)),
        waiting: Count::Exactly(3790),
        failed: Some(Count::Exactly(10)),
        withdrawn: Some(Count::Exactly(2)),
        cancelled: Count::Exactly(0),
        bounced: Some(Count::Exactly(1)),
    }
}

/// The same for who isn't an admin.
fn rounded() -> mailing_api::Counts {
    mailing_api::Counts {
        tried: Count::Exactly(1200),
        sent: None,
        waiting: Count::Exactly(3700),
        failed: None,
        withdrawn: None,
        bounced: None,
        ..counts()
    }
}

#[test]
fn mailings() {
    let rows = vec![mailing_report()];
    insta::assert_snapshot!("mailing-list", both(&rows, &mailing::table(&rows, PLAIN)));
    let mut seen_by_others = mailing_report();
    seen_by_others.counts = rounded();
    let text = mailing::table(std::slice::from_ref(&seen_by_others), PLAIN)
        + &mailing::preview_text(&seen_by_others, PLAIN);
    insta::assert_snapshot!("mailing-rounded", both(&seen_by_others, &text));
    let mut stopped = mailing_report();
    stopped.state = MailingState::Paused;
    stopped.stopped = Some("the list news was taken out of the configuration".into());
    let text = mailing::table(std::slice::from_ref(&stopped), PLAIN)
        + &mailing::preview_text(&stopped, PLAIN);
    insta::assert_snapshot!("mailing-stopped", both(&stopped, &text));
    let mut part = mailing_report();
    part.constituencies = Some(vec!["Aldershot".into()]);
    for (audience, people) in [
        (Count::Exactly(0), "nobody"),
        (Count::Exactly(3), "3 people"),
        (Count::Few, "<5 people"),
    ] {
        part.counts.audience = audience;
        let asked = mailing::question(&part);
        let named = format!(
            " to news (Aldershot), {people}, \u{201c}{}\u{201d}",
            part.subject
        );
        assert!(
            asked.starts_with("mailing ") && asked.ends_with(&named),
            "{asked}"
        );
    }
    part.state = MailingState::Held;
    part.counts.audience = Count::Exactly(0);
    let said = mailing::preview_text(&part, PLAIN);
    assert!(
        said.contains("to news (Aldershot): held") && said.contains("would go to nobody"),
        "{said}"
    );
    let row = mailing_api::WatchRow {
        at: noon(),
        state: MailingState::Sending,
        counts: counts(),
        causes: vec![("no TLS at the far end".into(), Count::Exactly(10))],
        per_second: Some(412.6),
        done_at: Some(at("2026-11-21T12:01:00Z")),
    };
    insta::assert_snapshot!(
        "mailing-watch",
        both(&row, &mailing::watch_line(&row, PLAIN))
    );
    let mut preview = mailing_report();
    preview.state = MailingState::Held;
    insta::assert_snapshot!(
        "mailing-preview",
        both(&preview, &mailing::preview_text(&preview, PLAIN))
    );
}

#[test]
fn queue_and_mailboxes() {
    let mail = queue_api::QueueReport {
        id: id('9'),
        from: "ada".into(),
        to: Some("jo@example.org".into()),
        queued_at: noon(),
        due_at: at("2026-11-21T12:05:00Z"),
        expires_at: at("2026-11-26T12:00:00Z"),
        attempts: 2,
        last_failure: Some("451 4.7.1: told to come again".into()),
    };
    assert!(
        !format!("{mail:?}").contains("jo@"),
        "Debug shows no address"
    );
    let rows = vec![mail];
    insta::assert_snapshot!("queue-list", both(&rows, &queue::table(&rows, PLAIN)));
    let provider = |name: Option<&str>, sent, paused: Option<&str>| queue_api::ProviderReport {
        provider: name.map(str::to_owned),
        connections: 1,
        waiting: 200,
        copies_today: sent,
        copies_allowed: name.map(|_| 2_000),
        paused_until: paused.map(at),
        said: paused.map(|_| "421 4.7.28 unusual rate".to_owned()),
    };
    let seen = queue_api::Providers {
        providers: vec![
            provider(Some("google"), 500, Some("2026-11-21T12:10:00Z")),
            provider(Some("microsoft"), 2_000, None),
            provider(None, 3, None),
        ],
    };
    insta::assert_snapshot!(
        "queue-providers",
        both(&seen, &queue::providers(&seen, PLAIN))
    );
    insta::assert_snapshot!("queue-show", both(&rows[0], &queue::text(&rows[0])));
    let rows = vec![mailbox_api::MailboxReport {
        mailbox: "ada".into(),
        folder: "INBOX".into(),
        messages: 12,
        bytes: 3 << 20,
        newest_at: None,
        room: Some(mailbox_api::Room {
            used: 4 << 20,
            limit: 2 << 30,
        }),
    }];
    insta::assert_snapshot!("mailbox-list", both(&rows, &mailbox::table(&rows, PLAIN)));
}

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

#[test]
fn a_store_that_is_not_whole() {
    let verification = Verification {
        opened: vec![("staff".into(), 3)],
        findings: vec![Finding {
            table: "queue".into(),
            row: "00ff".into(),
            what: "it does not open".into(),
        }],
        unnamed: 2,
    };
    insta::assert_snapshot!(
        "store-verify",
        both(&verification, &store::text(&verification, PLAIN))
    );
}

#[test]
fn a_sealed_export_opens_whatever_its_length() {
    use crate::vault::{StreamSealer, StreamTo};
    for length in [0, 10, crate::control::BODY_MAX, 200_000] {
        let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let to = StreamTo::Passphrase("the phrase of the second person");
        let mut sealer = StreamSealer::new(&to).expect("seals");
        let mut sealed = sealer.push(&plain);
        sealed.extend(sealer.finish());
        let open = |phrase: &str, sealed: &[u8]| {
            let mut out = Vec::new();
            let mut write = |piece: &[u8]| {
                out.extend_from_slice(piece);
                Ok(())
            };
            let mut from = sealed;
            subscriber::unseal(&mut from, phrase, "can't open it", &mut write).map(|()| out)
        };
        let right = "the phrase of the second person";
        assert!(open(right, &sealed).expect("opens") == plain, "{length}");
        assert!(open("the phrase of somebody else", &sealed).is_err());
        assert!(open(right, &sealed[..sealed.len() - 1]).is_err(), "cut off");
    }
}
