//! A second factor, from the telephone's first code to the page of an approver: set up by the real command line at the
//! real socket, and asked for there and on the page. The clock is the daemon's, so that half minutes pass at once.

#![allow(clippy::unwrap_used)]

mod support;

use std::process::Output;
use std::time::{Duration, Instant};

use hustings::control::api::mailing::List;
use hustings::staff::TotpSecret;
use hustings::store::MailingState;
use jiff::SignedDuration;
use support::imap::Imap;
use support::party::{Party, log, said};
use support::{factor, mailing};

/// What is used at once, and what the app shows after it.
struct App<'p> {
    party: &'p Party,
    secret: TotpSecret,
}

impl App<'_> {
    /// Half a minute later the app shows another.
    fn next(&self) -> String {
        let clock = &self.party.clock;
        clock.advance(SignedDuration::from_secs(30)).unwrap();
        self.secret.code_at(clock.now()).to_string()
    }

    /// One of an hour ago.
    fn old(&self) -> String {
        let then = self.party.clock.now() - SignedDuration::from_hours(1);
        self.secret.code_at(then).to_string()
    }
}

fn refused(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    assert!(said(output).contains(why), "{why}: {}", said(output));
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

async fn told(party: &Party, arguments: &[&str], code: &str) -> Output {
    let arguments = [arguments, &["--code", "-"]].concat();
    party.cli_told(&arguments, &format!("{code}\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_guards_what_reaches_far() {
    let party = Party::start().await;
    let clock = party.clock.clone();
    let (secret, codes, shown) = factor::enrol(
        |arguments, answer| {
            let party = &party;
            async move { party.cli_asked(arguments, answer).await }
        },
        move || clock.now(),
    )
    .await;
    assert!(shown.contains("otpauth://totp/"), "{shown}");
    assert_eq!(codes.len(), 8, "{shown}");
    let app = App {
        party: &party,
        secret,
    };
    let list = said(&party.cli(&["staff", "list"]).await);
    assert!(list.contains("2ND FACTOR"), "{list}");

    // Nothing is done without, with a wrong one, or with one that was used; and no argument holds it.
    let place = tempfile::tempdir().unwrap();
    // The command runs as somebody else.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(place.path(), open).unwrap();
    let file = place.path().join("all.sealed").display().to_string();
    let export = ["subscriber", "export", "--to", &file, "--reason", "to see"];
    refused(&party.cli(&export).await, "--code -");
    refused(
        &told(&party, &export, &app.old()).await,
        "the code is wrong",
    );
    refused(&told(&party, &export, "open sesame").await, "is no code");
    let typed = party
        .cli(&[&export[..], &["--code", "123456"]].concat())
        .await;
    assert_eq!(typed.status.code(), Some(2), "{}", said(&typed));
    assert!(!std::path::Path::new(&file).exists());
    let waits = said(&party.cli(&["subscriber", "waiting"]).await);
    assert!(waits.contains("Nothing waits"), "{waits}");
    let grant = ["staff", "grant", "ada", "admin", "--for", "1h"];
    let code = app.next();
    done(&told(&party, &grant, &code).await);
    refused(&told(&party, &grant, &code).await, "used already");
    let hour = SignedDuration::from_hours(1);
    party.clock.advance(-hour).unwrap();
    let set_back = app.next();
    refused(&told(&party, &grant, &set_back).await, "clock was ahead");
    party.clock.advance(hour).unwrap();
    // What can't be written is said before a code is used up for it.
    let taken = place.path().join("taken").display().to_string();
    std::fs::write(&taken, "").unwrap();
    let backup = ["key", "backup", "--to", &taken];
    let code = app.next();
    refused(&told(&party, &backup, &code).await, "is there already");
    done(&told(&party, &grant, &code).await);
    let password = ["staff", "password", "add", "ada", "--label", "desk"];
    done(&told(&party, &password, &codes[0]).await);
    refused(&told(&party, &password, &codes[0]).await, "recovery code");
    // What takes nobody further takes no code.
    done(&party.cli(&["staff", "end-grant", "ada", "admin"]).await);
    approves(&app).await;

    let acts = said(&party.cli(&["audit", "show"]).await);
    for act in ["add", "wrong code", "recovery code"] {
        let verb = format!("staff second-factor {act}");
        assert!(acts.contains(&verb), "{verb}: {acts}");
    }
    let logged = std::fs::read_to_string(log()).unwrap();
    assert!(logged.contains("a code of a second factor was not taken"));
    let secret = app.secret.base32();
    for hidden in [secret.as_str(), &codes[0], &codes[1]] {
        assert!(!logged.contains(hidden), "it is in the log");
    }
    // As a number of its own: six digits stand in longer ones by chance.
    let mut numbers = logged.split(|one: char| !one.is_ascii_alphanumeric());
    assert!(numbers.all(|number| number != code), "it is in the log");
}

/// Ada hands a mailing in; who has nothing but Ben's link lets it not go, and Ben does.
async fn approves(app: &App<'_>) {
    let party = app.party;
    let answer = mailing::hand_in(party, "news@party.example", "Rally").await;
    assert_eq!(answer.code, 250, "{answer}");
    let state = || async {
        let all = party.socket().ask(List { current: false }).await.unwrap();
        all.rows.first().expect("a mailing").state
    };
    let typed = party.cli(&["mailing", "list", "--json"]).await;
    let row: serde_json::Value = serde_json::from_slice(&typed.stdout).unwrap();
    let id = row["id"].as_str().unwrap();
    refused(
        &party.cli(&["mailing", "approve", id, "--yes"]).await,
        "--code -",
    );
    let link = link(party).await;
    let browser = party.browser();
    for _ in 0..2 {
        let page = browser.get(&link).await.unwrap();
        assert_eq!(page.status, 200, "{}", page.heading());
        assert!(page.text.contains("autocomplete=\"one-time-code\""));
        assert_eq!(state().await, MailingState::Held, "to look changes nothing");
    }
    let page = browser.get(&format!("{link}?lang=cy")).await.unwrap();
    assert!(page.text.contains("Cod eich ail ffactor"), "{}", page.text);
    for code in ["", &app.old(), "sesame"] {
        let form = [("decision", "approve"), ("code", code), ("lang", "en")];
        let page = browser.post(&link, &form).await.unwrap();
        assert_eq!(page.status, 403, "{}", page.heading());
        assert!(page.text.contains("aria-invalid"), "{}", page.text);
        assert_eq!(state().await, MailingState::Held);
    }
    let form = [
        ("decision", "approve"),
        ("code", &app.next()),
        ("lang", "en"),
    ];
    let page = browser.post(&link, &form).await.unwrap();
    assert_eq!(page.status, 200, "{}", page.heading());
    assert_ne!(state().await, MailingState::Held);
}

/// The link in the mail that asks Ben for his approval.
async fn link(party: &Party) -> String {
    let ben = party.stage.approver();
    let (door, trust) = (party.door("imaps"), party.stage.trust());
    let mut program = Imap::log_in(door, trust, ben.name, &ben.password).await;
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let _ = program.say("SELECT INBOX").await;
        let heard = program.say("FETCH 1:* BODY.PEEK[TEXT]").await;
        let text = heard.lines.concat().replace("=\r\n", "");
        if let Some((before, after)) = text.split_once("/a/") {
            let host = before.rsplit("https://").next().unwrap();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            let token: String = after.chars().take_while(|c| plain(*c)).collect();
            return format!("https://{host}/a/{token}");
        }
        assert!(Instant::now() < deadline, "no mail asks him: {heard:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_whose_admin_has_one_opens_again() {
    let place = tempfile::tempdir().unwrap();
    let kept = place.path().join("kept");
    let opened = async || {
        let kept = kept.clone();
        Party::start_as(move |plan| plan.directory = Some(kept)).await
    };
    let mut party = opened().await;
    assert!(!party.sender.password.is_empty());
    let clock = party.clock.clone();
    factor::enrol(
        |arguments, answer| {
            let party = &party;
            async move { party.cli_asked(arguments, answer).await }
        },
        move || clock.now(),
    )
    .await;
    let password = party.sender.password.clone();
    party.stop().await;
    drop(party);
    // Nobody gave a code, so nobody got a new password, and the old one holds.
    let party = opened().await;
    assert!(party.sender.password.is_empty());
    Imap::log_in(party.door("imaps"), party.stage.trust(), "ada", &password).await;
}
