//! The replies that refusals become.

use super::*;
use crate::message::rules::{Header, Refusal as Reason};
use crate::smtp::reply::Reply;

fn wire(refusal: Refusal) -> (Reply, String) {
    let (reply, mut out) = (refusal.into_reply(), Vec::new());
    reply.write_to(&mut out);
    (reply, String::from_utf8(out).expect("replies are ASCII"))
}

#[test]
fn each_reason_has_a_line_of_its_own() {
    let element = "x".repeat(900);
    let reasons = vec![
        Reason::FakeReply,
        Reason::OtherRecipients {
            header: Header::Cc,
            count: 2,
        },
        Reason::Element(element),
    ];
    let (reply, wire) = wire(not_a_mailing(&SubmitError::Mail(reasons)));
    assert_eq!(reply.code(), 550);
    let lines: Vec<&str> = wire.split_inclusive("\r\n").collect();
    assert_eq!(lines.len(), 3, "{wire}");
    assert!(lines[0].starts_with("550-5.7.1 the subject begins like an answer"));
    assert!(
        lines[1].starts_with("550-5.7.1 Cc holds 2 addresses"),
        "{wire}"
    );
    assert!(lines[2].starts_with("550 5.7.1 <xxx"));
    assert!(lines.iter().all(|line| line.len() <= 512));
}

#[test]
fn trouble_of_ours_is_temporary() {
    for trouble in [
        ListError::Busy,
        ListError::Notice("x".into()),
        ListError::Audit("x".into()),
        ListError::Consent(crate::consent::ConsentError::Busy),
    ] {
        let (reply, wire) = wire(not_a_mailing(&SubmitError::Later(trouble)));
        assert_eq!(reply.code(), 451, "{wire}");
    }
    let reserved = crate::store::StoreError::Reserved {
        left: 1,
        reserve: 2,
    };
    for full in [crate::store::StoreError::Full, reserved] {
        let (_, wire) = wire(not_a_mailing(&full.into()));
        assert!(wire.starts_with("452 4.3.1 "), "{wire}");
    }
}

#[test]
fn what_cannot_be_read_is_about_the_mail() {
    let error = crate::message::mime::MimeError::Field;
    let (reply, wire) = wire(not_a_mailing(&error.into()));
    assert!(
        reply.is_permanent() && wire.starts_with("550 5.6.0 "),
        "{wire}"
    );
}
