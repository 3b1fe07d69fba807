//! What people see: the help of each command, tables and JSON, as snapshots. A change here is a change for them.

mod help;
mod people;
mod published;

use clap::CommandFactory as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::style::Style;
use super::*;
use crate::control::SecretText;
use crate::control::api::{
    Count, audit as audit_api, contact as contact_api, list as list_api, mailbox as mailbox_api,
};
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
fn status_locked_and_unlocked() {
    let mut report = service::StatusReport {
        certificates: Vec::new(),
        refused: Vec::new(),
        refused_since: None,
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
        held_up: Some(service::HeldUpReport {
            networks: 2,
            names: 1,
        }),
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
    let live = mailbox_api::MailboxReport {
        mailbox: "ada".into(),
        revoked: false,
        folder: "INBOX".into(),
        messages: 12,
        bytes: 3 << 20,
        newest_at: None,
        room: Some(mailbox_api::Room {
            used: 4 << 20,
            limit: 2 << 30,
        }),
    };
    let mut gone = live.clone();
    (gone.mailbox, gone.revoked) = ("ben".into(), true);
    let rows = vec![live, gone];
    let counts = contact_api::Counts {
        contacts: 41,
        waiting: 3,
        asked: 2,
    };
    insta::assert_snapshot!(
        "contact-list",
        both(&counts, &contact::counts_text(&counts, PLAIN))
    );
    let going = vec![mailbox_api::RetentionReport {
        mailbox: "office".into(),
        folder: "Trash".into(),
        messages: 12,
        next_at: Some(noon()),
        within_month: 7,
        held: true,
        reason: Some("access request 4".into()),
    }];
    insta::assert_snapshot!(
        "mailbox-retention",
        both(&going, &mailbox::retention_table(&going, PLAIN))
    );
    insta::assert_snapshot!("mailbox-list", both(&rows, &mailbox::table(&rows, PLAIN)));
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
