//! What people may do at most, and what becomes of it when the configuration is read again.

#![allow(clippy::unwrap_used)]

mod support;

use hustings::control::api::service::Reload;
use hustings::daemon::sandbox::peer::Dialogue;
use hustings::daemon::sandbox::stage::{HOST, OFFICE};
use jiff::SignedDuration;
use support::party::{Party, Spawned};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_new_limits_and_says_what_waits_for_a_restart() {
    let party = Spawned::start().await;
    let file = party.stage.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("[limits]\n", "[limits]\nrecipients = 1\n");
    let text = text.replace("[listen.https]\n", "[listen.https]\nfd = \"pages\"\n");
    std::fs::write(&file, text).unwrap();
    for again in ["once", "twice"] {
        let reloaded = party.stage.socket().ask(Reload {}).await.unwrap().answer;
        assert_eq!(reloaded.needs_restart, ["listen.https"], "{again}");
    }
    let shown = party.cli(&["audit", "show"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.matches("config reload").count(), 2, "{shown}");
    let log = std::fs::read_to_string(party.log()).unwrap();
    let told = |line: &str| line.contains("listen.https") && line.contains("restart");
    assert!(log.lines().any(told), "{log}");

    let door = party.door(0);
    let connecting = Dialogue::connect_starttls(door, party.stage.trust(), HOST);
    let mut dialogue = connecting.await.unwrap().0;
    let mail = "MAIL FROM:<jo@elsewhere.example>";
    assert_eq!(dialogue.command(mail).await.unwrap().code, 250);
    for (to, code) in [(OFFICE, 250), ("privacy@party.example", 452)] {
        let rcpt = format!("RCPT TO:<{to}>");
        assert_eq!(dialogue.command(&rcpt).await.unwrap().code, code, "{to}");
    }
}
