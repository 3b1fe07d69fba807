//! What staff send from their own mail programs, and where it stops.

#![allow(clippy::unwrap_used)]

mod support;

use hustings::daemon::sandbox::stage::OFFICE;
use jiff::SignedDuration;
use support::party::Party;

const MAIL: &[u8] = b"From: Ada <ada@party.example>\r\nTo: someone@elsewhere.example\r\n\
    Subject: leaflets\r\n\r\nThey are at the office.\r\n";

const TO_THE_LIST: &[u8] = b"From: office@party.example\r\nTo: news@party.example\r\n\
    Subject: a meeting\r\n\r\nOn Friday at seven.\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_days_mail_has_its_limit_and_a_restart_does_not_forget_it() {
    let staff = ("staff", "messages_per_day = 2".to_owned());
    let mut party = Party::start_with(vec![staff]).await;
    assert_eq!(party.submit(&[OFFICE], MAIL).await.code, 250);
    let outside = &["someone@elsewhere.example"][..];
    assert_eq!(party.submit(outside, MAIL).await.code, 250);
    let third = party.submit(outside, MAIL).await;
    assert_eq!(third.code, 450, "{third}");
    let said = third.to_string();
    assert!(
        said.contains("4.7.1") && said.contains("2 mails in 24 hours"),
        "{said}"
    );
    let mailing = party.submit(&["news@party.example"], TO_THE_LIST).await;
    assert_eq!(mailing.code, 250, "mailings don't count: {mailing}");

    party.start_again().await;
    assert_eq!(party.submit(outside, MAIL).await.code, 450);
    party.clock.advance(SignedDuration::from_hours(25)).unwrap();
    assert_eq!(party.submit(outside, MAIL).await.code, 250);
}
