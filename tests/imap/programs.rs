//! Real mail programs: Python's imaplib and curl.

use std::process::{Command, Output, Stdio};

use hustings::daemon::sandbox::stage::HOST;

use crate::ada;
use crate::support::imap::mail;
use crate::support::party::{Party, needs, said};

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn imaplib_reads_marks_moves_and_waits() {
    if !needs("python3") {
        return;
    }
    let party = Party::start().await;
    let mut command = Command::new("python3");
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/imap/imaplib_client.py"
        ))
        .arg(party.door("imaps").port().to_string())
        .arg(HOST)
        .arg(party.stage.authority_file())
        .arg(party.sender.name)
        .arg(&party.sender.password);
    let output = run(command).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).ends_with("all well\n"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_lists_and_reads() {
    if !needs("curl") {
        return;
    }
    let party = Party::start().await;
    let mut ada = ada(&party).await;
    ada.append("INBOX", "\\Seen", &mail("one")).await;
    let port = party.door("imaps").port();
    let curl = |path: &str, more: &[&str]| {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--cacert"])
            .arg(party.stage.authority_file())
            .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")])
            .args([
                "--user",
                &format!("{}:{}", party.sender.name, party.sender.password),
            ])
            .args(more)
            .arg(format!("imaps://{HOST}:{port}/{path}"));
        run(command)
    };
    let listed = curl("", &[]).await;
    assert!(
        said(&listed).contains("* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\""),
        "{}",
        said(&listed)
    );
    let body = curl("INBOX;UID=1", &[]).await;
    assert_eq!(said(&body).as_bytes(), mail("one"), "{}", said(&body));
    let found = curl("INBOX?SUBJECT%20one", &[]).await;
    assert!(said(&found).contains("* SEARCH 1"), "{}", said(&found));
    let status = curl("", &["--request", "STATUS INBOX (MESSAGES UNSEEN)"]).await;
    assert!(
        said(&status).contains("(MESSAGES 1 UNSEEN 0)"),
        "{}",
        said(&status)
    );
    for (mechanism, works) in [("SCRAM-SHA-256", false), ("PLAIN", true)] {
        let options = format!("AUTH={mechanism}");
        let output = curl("", &["--login-options", &options]).await;
        // Some builds of curl know no SCRAM.
        assert!(
            output.status.success() || !works,
            "{mechanism}: {}",
            said(&output)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_by_smtp_is_read_and_told_while_idle() {
    let party = Party::start().await;
    let mut ada = ada(&party).await;
    let heard = ada.say("select INBOX").await;
    let before = heard.number("* ").unwrap_or(0);
    let tag = ada.begin("IDLE").await;
    assert_eq!(ada.response().await.unwrap(), "+ Idling");
    let message = b"From: stranger@elsewhere.example\r\nTo: ada@party.example\r\nSubject: at last\r\n\r\nHello.\r\n";
    let mut mx = party.mx().await;
    let post = hustings::daemon::sandbox::peer::Post {
        from: "stranger@elsewhere.example",
        to: &["ada@party.example"],
        message,
    };
    let answer = mx.post(post).await.unwrap();
    assert_eq!(answer.code, 250, "{answer}");
    assert_eq!(
        ada.response().await.unwrap(),
        format!("* {} EXISTS", before + 1)
    );
    ada.send(b"DONE\r\n").await;
    assert!(ada.hear(&tag).await.end.starts_with("OK"));
    let heard = ada.say("FETCH * (ENVELOPE BODY.PEEK[TEXT])").await;
    assert!(
        heard.lines[0].contains("\"at last\"") && heard.lines[0].contains("Hello.\r\n"),
        "{heard:?}"
    );
    // Who guesses is heard three times; who has the password isn't kept out by it.
    let door = party.door("imaps");
    let mut imap = crate::support::imap::Imap::connect(door, party.stage.trust()).await;
    for _ in 0..3 {
        imap.send(b"x LOGIN ada wrong\r\n").await;
    }
    let heard = imap.last_words().await;
    assert_eq!(
        heard.matches("x NO [AUTHENTICATIONFAILED]").count(),
        3,
        "{heard}"
    );
    assert!(
        heard.ends_with("* BYE Too many failed log-ins\n"),
        "{heard}"
    );
    crate::ada(&party).await;
}
