//! Real mail programs, Python's imaplib and curl; and what is said on the wire itself.

use std::process::Command;
use std::time::Duration;

use hustings::control::api::service::Reload;
use hustings::daemon::sandbox::stage::HOST;
use hustings::daemon::sandbox::world;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ada;
use crate::support::imap::{Imap, mail};
use crate::support::mailbox::run;
use crate::support::party::{Party, needs, said};
use crate::support::pop::Pop;
use crate::support::scram::Exporter;

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
    let output = curl("", &["--login-options", "AUTH=PLAIN"]).await;
    assert!(output.status.success(), "{}", said(&output));
}

/// SCRAM at both doors, over TLS itself: who is bound to another channel sits in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_bound_to_the_channel() {
    let party = Party::start().await;
    let (user, password) = (party.sender.name, party.sender.password.as_str());
    let trust = party.stage.trust();
    for right in [true, false] {
        let bent = |mut channel: Exporter| {
            channel[0] ^= u8::from(!right);
            channel
        };
        let mut imap = Imap::connect(party.door("imaps"), trust).await;
        let channel = bent(imap.exporter());
        let answer = imap.prove(user, password, channel).await;
        assert_eq!(answer.starts_with("OK"), right, "{answer}");
        assert!(right || answer.starts_with("NO"), "{answer}");
        let selected = imap.say("select INBOX").await;
        assert_eq!(selected.end.starts_with("OK"), right, "{selected:?}");

        let mut pop = Pop::connect(party.door("pop3s"), trust).await;
        let channel = bent(pop.exporter());
        let answer = pop.prove(user, password, channel).await;
        assert_eq!(answer.starts_with("+OK"), right, "{answer}");
        let counted = pop.command("STAT").await;
        assert_eq!(counted.starts_with("+OK"), right, "{counted}");
    }
    // Nor is another's channel of any use, or a wrong password on the own.
    let other = Imap::connect(party.door("imaps"), trust).await;
    let mut imap = Imap::connect(party.door("imaps"), trust).await;
    let answer = imap.prove(user, password, other.exporter()).await;
    assert!(answer.starts_with("NO"), "{answer}");
    let channel = imap.exporter();
    let answer = imap.prove(user, "wrong", channel).await;
    assert!(answer.starts_with("NO"), "{answer}");
}

/// Mail is read at these doors inside TLS alone, and at no others.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_in_the_clear() {
    let party = Party::start().await;
    for (door, said) in [
        ("imaps", "a LOGIN ada secret\r\n"),
        ("imaps", "a STARTTLS\r\n"),
        ("pop3s", "USER ada\r\n"),
        ("pop3s", "STLS\r\n"),
    ] {
        let mut stream = TcpStream::connect(party.door(door)).await.unwrap();
        let mut heard = Vec::new();
        // No greeting.
        let soon = Duration::from_millis(100);
        let read = timeout(soon, stream.read_buf(&mut heard)).await;
        assert!(read.is_err(), "{door}: {heard:?}");
        stream.write_all(said.as_bytes()).await.unwrap();
        let patience = Duration::from_secs(120);
        // However it closes.
        let _ = timeout(patience, stream.read_to_end(&mut heard))
            .await
            .unwrap();
        // At most an alert of TLS.
        assert!(
            matches!(heard.first(), None | Some(0x15)),
            "{door}: {heard:?}"
        );
        assert!(heard.len() <= 16, "{door}: {heard:?}");
    }
    for name in ["imap", "pop3"] {
        let doors = party.doors();
        assert!(world::door(doors, name).is_err(), "{name}");
    }
}

/// Several messages by one command: all are there, or none.
#[tokio::test(flavor = "multi_thread")]
async fn several_messages_come_at_once() {
    let party = Party::start().await;
    let mut ada = ada(&party).await;
    let begun = "a APPEND INBOX (\\Seen) {5+}\r\nhello (\\Flagged) {2+}\r\n";
    ada.send(format!("{begun}yo\r\n").as_bytes()).await;
    let heard = ada.hear("a").await;
    assert!(heard.end.starts_with("OK [APPENDUID "), "{heard:?}");
    assert!(heard.end.contains(" 1:2]"), "{heard:?}");
    // One that waits to be told to go on; and one that breaks off behind its first.
    ada.send(b"b APPEND INBOX {5}\r\n").await;
    assert!(ada.response().await.unwrap().starts_with("+ "));
    ada.send(b"third {6}\r\n").await;
    assert!(ada.response().await.unwrap().starts_with("+ "));
    ada.send(b"fourth\r\n").await;
    let heard = ada.hear("b").await;
    assert!(heard.end.contains(" 3:4]"), "{heard:?}");
    ada.send(begun.as_bytes()).await;
    drop(ada);
    let mut ada = crate::ada(&party).await;
    ada.send(b"c APPEND INBOX {5+}\r\nhello {9999999999}\r\n")
        .await;
    let heard = ada.hear("c").await;
    assert!(heard.end.contains("[TOOBIG]"), "{heard:?}");
    // One with NUL in it (RFC 3516 §4.4).
    ada.send(b"d APPEND Drafts ~{3+}\r\na\0b\r\n").await;
    let heard = ada.hear("d").await;
    assert!(heard.end.starts_with("NO [UNKNOWN-CTE]"), "{heard:?}");
    assert_eq!(ada.say("select INBOX").await.with("EXISTS"), ["* 4 EXISTS"]);
    let heard = ada.say("FETCH 1:* (FLAGS BODY.PEEK[])").await;
    assert_eq!(heard.lines.len(), 4, "{heard:?}");
    for (line, (flag, body)) in heard.lines.iter().zip([
        ("\\Seen", "hello"),
        ("\\Flagged", "yo"),
        ("()", "third"),
        ("()", "fourth"),
    ]) {
        assert!(
            line.contains(flag) && line.contains(&format!("}}\r\n{body})")),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_by_smtp_is_read_and_told_while_idle() {
    let party = Party::start().await;
    let mut ada = ada(&party).await;
    for subject in ["one", "two"] {
        ada.append("INBOX", "", &mail(subject)).await;
    }
    assert_eq!(ada.say("select INBOX").await.with("EXISTS"), ["* 2 EXISTS"]);
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
    assert_eq!(ada.response().await.unwrap(), "* 3 EXISTS");
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

/// How much a mailbox may hold is the configuration's word of now, for who was here before as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_gives_room_to_who_is_logged_in() {
    let small = "mailbox_size = \"10 MiB\"".to_owned();
    let party = Party::start_with(vec![("staff", small)]).await;
    let mut ada = ada(&party).await;
    let heard = ada.say("GETQUOTA \"\"").await;
    assert_eq!(heard.with(" 10240)").len(), 1, "{heard:?}");
    let file = party.stage.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"10 MiB\"", "\"20 MiB\"")).unwrap();
    party.socket().ask(Reload {}).await.unwrap();
    let heard = ada.say("GETQUOTA \"\"").await;
    assert_eq!(heard.with(" 20480)").len(), 1, "{heard:?}");
}
