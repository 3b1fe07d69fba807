//! Notifications: written, read back, and those of other servers.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::message::inspect::inspect;
use crate::message::mime::{Limits, text};

const ORIGINAL: &[u8] = b"Received: from [192.0.2.7] by mx.party.example\r\nFrom: Ann <ann@party.example>\r\n\
    To: bob@far.example\r\nBcc: secret@x.example\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n plans\r\nX-Secret: 1\r\n\
    Message-ID: <o1@party.example>\r\n\r\nThe body stays here.\r\n";

fn outcome() -> Outcome<'static> {
    Outcome {
        recipient: "bob@far.example",
        original_recipient: Some("rfc822;bob@far.example"),
        action: Action::Failed,
        status: Status {
            class: 5,
            subject: 1,
            detail: 1,
        },
        diagnostic: Some(
            "550 5.1.1 <bob@far.example>: no such user; the sender's words may be long, so that this line is folded",
        ),
        remote_mta: Some("mx.far.example"),
        last_attempt: Some(Timestamp::UNIX_EPOCH),
        retry_until: None,
    }
}

fn report<'a>(outcomes: &'a [Outcome<'a>]) -> Report<'a> {
    Report {
        reporting_mta: "mx.party.example",
        from: "postmaster@party.example",
        to: "ann@party.example",
        subject: "Not delivered: Caf\u{e9} plans",
        words: "Your message could not be delivered to:\n\n  bob@far.example\n",
        date: Timestamp::UNIX_EPOCH,
        message_id: "d1@party.example",
        envelope_id: Some("QQ314159"),
        arrival: Some(Timestamp::UNIX_EPOCH),
        original: ORIGINAL,
        whole: false,
        outcomes,
    }
}

#[test]
fn a_failure_and_a_delay_look_like_this() {
    let failed = write(&report(&[outcome()])).unwrap();
    insta::assert_snapshot!(
        "failed",
        String::from_utf8(failed).unwrap().replace("\r\n", "\n")
    );
    let delayed = Outcome {
        action: Action::Delayed,
        status: Status {
            class: 4,
            subject: 7,
            detail: 10,
        },
        diagnostic: None,
        recipient: "j\u{f6}rg@far.example",
        original_recipient: None,
        retry_until: Some(Timestamp::UNIX_EPOCH),
        ..outcome()
    };
    let delayed = write(&report(&[delayed])).unwrap();
    insta::assert_snapshot!(
        "delayed",
        String::from_utf8(delayed).unwrap().replace("\r\n", "\n")
    );
}

#[test]
fn it_returns_what_the_sender_wrote_and_no_more() {
    let bytes = write(&report(&[outcome()])).unwrap();
    let mail = inspect(&bytes, &Limits::default()).unwrap();
    assert_eq!(
        mail.shape(),
        "multipart/report[text/plain message/delivery-status text/rfc822-headers]"
    );
    assert!(mail.auto_submitted);
    let header = text::decode(&mail.root.children[2]).unwrap();
    assert_eq!(
        header,
        "From: Ann <ann@party.example>\nTo: bob@far.example\nSubject: =?utf-8?q?Caf=C3=A9?=\n plans\nMessage-ID: <o1@party.example>\n"
    );
    let all = String::from_utf8(bytes).unwrap();
    for gone in ["192.0.2.7", "secret", "X-Secret", "body stays"] {
        assert!(!all.contains(gone), "{gone}");
    }
}

#[test]
fn ours_is_read_back_as_it_was_written() {
    let read = parse(
        &write(&report(&[outcome(), outcome()])).unwrap(),
        &Limits::default(),
    )
    .unwrap()
    .unwrap();
    assert_eq!(read.reporting_mta.as_deref(), Some("mx.party.example"));
    assert_eq!(read.envelope_id.as_deref(), Some("QQ314159"));
    assert_eq!(
        read.original_message_id.as_deref(),
        Some("o1@party.example")
    );
    assert_eq!(read.recipients.len(), 2);
    let one = &read.recipients[0];
    assert_eq!(one.final_recipient.as_deref(), Some("bob@far.example"));
    assert_eq!(one.action, Some(Action::Failed));
    assert_eq!(one.status, Some(outcome().status));
    assert!(
        one.diagnostic
            .as_deref()
            .unwrap()
            .starts_with("550 5.1.1 <bob@far.example>")
    );
    assert!(!format!("{read:?}").contains("bob"));
}

#[test]
fn reports_of_other_servers_are_read_and_other_mails_are_none() {
    let postfix = "From: MAILER-DAEMON@far.example\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"B\"\r\n\r\n\
        --B\r\nContent-Description: Notification\r\n\r\nSorry.\r\n--B\r\nContent-Description: Delivery report\r\n\
        Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; far.example\r\nX-Postfix-Queue-ID: 1\r\n\r\n\
        Final-Recipient: rfc822; bob@far.example\r\nAction: failed\r\nStatus: 5.2.2 (full)\r\n\
        Diagnostic-Code: smtp; 552 5.2.2\r\n    mailbox full\r\n\r\nnot a field\r\n\r\nFinal-Recipient: rfc822; c@far.example\r\nAction: DELAYED\r\nStatus: x\r\n\
        --B\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <m1@party.example>\r\n\r\nbody\r\n--B--\r\n";
    let read = parse(postfix.as_bytes(), &Limits::default())
        .unwrap()
        .unwrap();
    assert_eq!(
        read.original_message_id.as_deref(),
        Some("m1@party.example")
    );
    assert_eq!(read.recipients.len(), 2);
    assert_eq!(
        read.recipients[0].status,
        Some(Status {
            class: 5,
            subject: 2,
            detail: 2
        })
    );
    assert_eq!(
        read.recipients[0].diagnostic.as_deref(),
        Some("552 5.2.2 mailbox full")
    );
    assert_eq!(read.recipients[1].action, Some(Action::Delayed));
    assert_eq!(read.recipients[1].status, None);

    let plain = b"From: a@b.example\r\n\r\nYour mail could not be delivered.\r\n";
    assert_eq!(parse(plain, &Limits::default()), Ok(None));
    let many = format!("{}{}", postfix.replace("--B--\r\n", ""), "");
    let many = many.replace("not a field\r\n", &"Action: failed\r\n\r\n".repeat(5000));
    assert_eq!(
        parse(many.as_bytes(), &Limits::default())
            .unwrap()
            .unwrap()
            .recipients
            .len(),
        100
    );
}

#[test]
fn status_codes_are_read_strictly() {
    assert_eq!(
        Status::read("4.4.7"),
        Some(Status {
            class: 4,
            subject: 4,
            detail: 7
        })
    );
    for bad in [
        "", "5", "5.1", "3.1.1", "5.1.1.1", "5.x.1", "5.1.1234", "-5.1.1", "5..1",
    ] {
        assert_eq!(Status::read(bad), None, "{bad}");
    }
}

#[test]
fn programs_are_never_answered() {
    let answer = |from: &str, fields: &str| {
        let message = format!("From: a@b.example\r\n{fields}\r\nHi\r\n");
        may_answer(
            from,
            &inspect(message.as_bytes(), &Limits::default()).unwrap(),
        )
    };
    assert!(answer("ann@party.example", ""));
    assert!(answer("ann@party.example", "Auto-Submitted: no\r\n"));
    for from in [
        "",
        "MAILER-DAEMON@far.example",
        "owner-list@far.example",
        "list-bounces@far.example",
        "list-request@x.example",
    ] {
        assert!(!answer(from, ""), "{from}");
    }
    for field in [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated (x)",
        "Precedence: Bulk",
        "List-Id: <x>",
        "List-Unsubscribe: <mailto:x@y>",
    ] {
        assert!(
            !answer("ann@party.example", &format!("{field}\r\n")),
            "{field}"
        );
    }
    assert_eq!(
        write(&Report {
            to: "",
            ..report(&[outcome()])
        }),
        Err(ReportError::NoSender)
    );
    assert_eq!(write(&report(&[])), Err(ReportError::Nobody));
}

proptest! {
    #[test]
    fn no_words_of_a_server_can_add_a_field(words in "(\\PC|\r|\n|\0|Action: failed|--|[a-z]{1,200}){0,60}", subject in "(\\PC|\r|\n){0,60}") {
        let outcome = Outcome { diagnostic: Some(&words), remote_mta: Some(&words), original_recipient: Some(&words), ..outcome() };
        let outcomes = [outcome];
        let report = Report { envelope_id: Some(&words), reporting_mta: &words, subject: &subject, words: &subject, ..report(&outcomes) };
        let bytes = write(&report).unwrap();
        prop_assert!(bytes.is_ascii());
        let written = String::from_utf8(bytes.clone()).unwrap();
        prop_assert!(written.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
        let read = parse(&bytes, &Limits::default()).unwrap().unwrap();
        prop_assert_eq!(read.recipients.len(), 1);
        prop_assert_eq!(read.recipients[0].status, Some(outcome.status));
    }

    #[test]
    fn anything_is_read_without_harm(octets in "(Content-Type: multipart/report; boundary=B|\r\n|--B|--|[a-z:; ]|Content-Type: message/delivery-status|Action: failed|\\PC){0,60}") {
        let _ = parse(octets.as_bytes(), &Limits::default());
    }
}

/// Else a notice would be as large as the mail's writer likes, for each of its recipients.
#[test]
fn of_a_long_header_little_goes_back() {
    let long = format!(
        "Subject: {}\r\nFrom: a@b.example\r\n{}Message-ID: <last@b.example>\r\n\r\n",
        "\u{e9}".repeat(30_000),
        format!(
            "To: x@y.example,\r\n{} z@y.example\r\n",
            " w@y.example,\r\n".repeat(1000)
        )
        .repeat(10),
    );
    let outcomes = [outcome()];
    let report = Report {
        original: long.as_bytes(),
        ..report(&outcomes)
    };
    let written = write(&report).unwrap();
    assert!(written.len() < 40_000, "{}", written.len());
    let text = String::from_utf8_lossy(&written).into_owned();
    assert!(text.contains("From: a@b.example"), "{text:.900}");
}
