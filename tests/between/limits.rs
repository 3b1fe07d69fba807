//! What people may do at most, and what becomes of it when the configuration is read again.

use std::time::{Duration, Instant};

use crate::support::party::{Party, Spawned};
use hustings::control::api::service::{Reload, Status};
use hustings::daemon::sandbox::browser::Browser;
use hustings::daemon::sandbox::peer::{Dialogue, Trust};
use hustings::daemon::sandbox::stage::{HOST, OFFICE};
use jiff::SignedDuration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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

/// How often TLS was refused at 465, and to how many networks.
async fn refused(party: &Party) -> Option<(u64, u64)> {
    let status = party.socket().ask(Status {}).await.unwrap().answer;
    let refused = status.refused.iter().find(|one| one.door == "submissions");
    refused.map(|one| (one.times, one.networks))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_speak_tls_with_us_is_counted_over_a_restart() {
    let mut party = Party::start().await;
    party.at_ten();
    for times in [1, 2] {
        let mut stream = TcpStream::connect(party.door("submissions")).await.unwrap();
        stream.write_all(b"EHLO this is no TLS\r\n").await.unwrap();
        let mut rest = Vec::new();
        // It may say so in an alert, or just go.
        let _ = stream.read_to_end(&mut rest).await;
        // The socket goes a moment before it is counted.
        let deadline = Instant::now() + Duration::from_secs(120);
        while refused(&party).await != Some((times, 1)) {
            assert!(Instant::now() < deadline, "it is counted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        party.start_again().await;
        assert_eq!(refused(&party).await, Some((times, 1)), "and kept");
    }
    // For so long.
    party
        .clock
        .advance(SignedDuration::from_hours(31 * 24))
        .unwrap();
    party.start_again().await;
    let status = party.socket().ask(Status {}).await.unwrap().answer;
    assert_eq!(status.refused, []);
}

/// A stranger's conversation up to the middle of a mail of this many KiB.
async fn half_sent(party: &Party, size: usize) -> Dialogue {
    half_sent_by(party.mx().await, "jo@elsewhere.example", size).await
}

async fn half_sent_by(mut dialogue: Dialogue, from: &str, size: usize) -> Dialogue {
    let (mail, rcpt) = (format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{OFFICE}>"));
    for (command, code) in [(mail.as_str(), 250), (rcpt.as_str(), 250), ("DATA", 354)] {
        let answer = dialogue.command(command).await.unwrap();
        assert_eq!(answer.code, code, "{command}: {answer}");
    }
    // Two make a KiB: from the staff no line is taken that is longer than 998 octets.
    let line = [&[b'x'; 510][..], b"\r\n"].concat().repeat(2);
    let head = format!("From: {from}\r\n\r\n");
    dialogue.raw(head.as_bytes()).await.unwrap();
    dialogue.raw(&line.repeat(size)).await.unwrap();
    dialogue
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_account_half_sends_leaves_room_to_others() {
    let limits = "unfinished = \"64 MiB\"\nmessage_size = \"8 MiB\"".to_owned();
    let party = Party::start_with(vec![("limits", limits)]).await;
    let ada = party.sender.address.as_str();
    // A half is one account's: 32 MiB.
    let mut half = Vec::new();
    for _ in 0..4 {
        half.push(half_sent_by(party.submission().await, ada, 7 << 10).await);
    }
    // What the sockets still hold is not counted yet.
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let mut last = half_sent_by(party.submission().await, ada, 7 << 10).await;
        let answer = last.command("\r\n.").await.unwrap();
        if answer.code == 452 {
            break;
        }
        assert_eq!(answer.code, 250, "{answer}");
        assert!(Instant::now() < deadline, "nothing is bounded");
    }
    let mut stranger = half_sent(&party, 7 << 10).await;
    let answer = stranger.command("\r\n.").await.unwrap();
    assert_eq!(answer.code, 250, "the others have their half: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_network_half_sends_is_bounded_and_gone_when_it_hangs_up() {
    let limits = "unfinished = \"64 MiB\"\nmessage_size = \"8 MiB\"".to_owned();
    let party = Party::start_with(vec![("limits", limits)]).await;
    // A quarter is one network's: 16 MiB.
    let mut half = Vec::new();
    for _ in 0..5 {
        half.push(half_sent(&party, 3 << 10).await);
    }
    // What the sockets still hold is not counted yet, and what is refused of it no more.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        let mut last = half_sent(&party, 3 << 10).await;
        let answer = last.command("\r\n.").await.unwrap();
        if answer.code == 452 {
            break;
        }
        assert_eq!(answer.code, 250, "{answer}");
        assert!(std::time::Instant::now() < deadline, "nothing is bounded");
        half.push(half_sent(&party, 3 << 10).await);
    }
    let staff = party.submit(&[OFFICE], MAIL).await;
    assert_eq!(staff.code, 250, "the staff have room of their own: {staff}");
    drop(half);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        let mut again = half_sent(&party, 3 << 10).await;
        let answer = again.command("\r\n.").await.unwrap();
        if answer.code == 250 {
            break;
        }
        assert_eq!(answer.code, 452, "{answer}");
        assert!(std::time::Instant::now() < deadline, "it is never gone");
    }
    let database = party.stage.data().join("hustings.db");
    let size = std::fs::metadata(&database).unwrap().len();
    assert!(
        size < 40 << 20,
        "{} MiB: freed pages are used again",
        size >> 20
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_policy_wait_for_the_restart_that_a_reload_asks_for() {
    let own = "source = \"self-made\"\n[mta_sts]\nmode = \"enforce\"".to_owned();
    let party = Party::start_with(vec![("tls", own)]).await;
    let reload = async |change: &dyn Fn(String) -> String| {
        let file = party.stage.config_file();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(text)).unwrap();
        party.socket().ask(Reload {}).await.unwrap().answer
    };
    let shown = async || {
        let status = party.socket().ask(Status {}).await.unwrap().answer;
        let policy = Browser::secured(
            party.door("https"),
            "mta-sts.party.example",
            Trust::anybody(),
        );
        let policy = policy.get("/.well-known/mta-sts.txt").await.unwrap();
        (status.certificates[0].names.clone(), policy.text)
    };
    let before = shown().await;
    assert!(before.0.contains(&HOST.to_owned()), "{before:?}");
    let reloaded = reload(&|text| {
        let text = text.replace(&format!("\"{HOST}\""), "\"mx.party.example\"");
        text.replace("mode = \"enforce\"", "mode = \"testing\"")
    });
    let reloaded = reloaded.await;
    assert_eq!(reloaded.needs_restart, ["hostname"]);
    let told = reloaded
        .warnings
        .iter()
        .any(|one| one.contains("until the restart"));
    assert!(told, "{:?}", reloaded.warnings);
    assert_eq!(shown().await, before);

    let reloaded = reload(&|text| text.replace("\"mx.party.example\"", &format!("\"{HOST}\"")));
    assert!(reloaded.await.needs_restart.is_empty());
    let after = shown().await;
    assert_eq!(after.0, before.0);
    assert_eq!(after.1, before.1.replace("enforce", "testing"));
}

/// What the database is needed for is left to the service; the rest goes on.
#[tokio::test(flavor = "multi_thread")]
async fn init_can_be_run_while_the_service_runs() {
    let party = Spawned::start().await;
    let mut again = std::process::Command::new(env!("CARGO_BIN_EXE_hustings"));
    again.arg("--config").arg(party.stage.config_file());
    again.args(["init", "--no-units"]);
    let again = tokio::task::spawn_blocking(move || again.output());
    let again = again.await.unwrap().unwrap();
    let said = crate::support::party::said(&again);
    assert!(again.status.success(), "{said}");
    assert!(said.contains("which the running service has"), "{said}");
}
