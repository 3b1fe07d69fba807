//! The mailbox of a role, through the real port: who is let into it reads it, sees what the others did, and loses nothing of
//! theirs; who isn't can't tell that there is one.

use std::process::Command;
use std::time::{Duration, Instant};

use hustings::daemon::sandbox::peer::Post;
use hustings::daemon::sandbox::stage::{HOST, OFFICE};

use crate::ada;
use crate::support::imap::{Heard, Imap, mail};
use crate::support::mailbox::run;
use crate::support::party::{Party, needs, said};

async fn change(party: &Party, name: &str, how: &str) {
    let output = party.cli(&["staff", "change", name, how, "office"]).await;
    assert!(output.status.success(), "{}", said(&output));
}

async fn ben(party: &Party) -> Imap {
    let ben = party.stage.approver();
    Imap::log_in(
        party.door("imaps"),
        party.stage.trust(),
        ben.name,
        &ben.password,
    )
    .await
}

/// Somebody who may read their own mail and no more.
async fn cy(party: &Party) -> Imap {
    let add = [
        "staff",
        "add",
        "cy",
        "--address",
        "cy@party.example",
        "--role",
        "reader",
    ];
    let shown = said(&party.cli(&add).await);
    let line = shown.lines().find(|line| line.starts_with("Password:"));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    let password = line.split_whitespace().nth(1).unwrap();
    Imap::log_in(party.door("imaps"), party.stage.trust(), "cy", password).await
}

/// A stranger writes to the office.
async fn write(party: &Party, subject: &str) {
    let message = format!(
        "From: stranger@elsewhere.example\r\nTo: {OFFICE}\r\nSubject: {subject}\r\n\r\nTo who is at the office.\r\n"
    );
    let mut mx = party.mx().await;
    let post = Post {
        from: "stranger@elsewhere.example",
        to: &[OFFICE],
        message: message.as_bytes(),
    };
    let answer = mx.post(post).await.unwrap();
    assert_eq!(answer.code, 250, "{answer}");
    mx.quit().await;
}

/// So many days go by, and an hour.
fn days_go(party: &Party, days: i64) {
    let by = jiff::SignedDuration::from_hours(24 * days + 1);
    party.clock.advance(by).unwrap();
}

/// What is heard, until it holds this.
async fn until(imap: &mut Imap, command: &str, text: &str) -> Heard {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let heard = imap.say(command).await;
        if !heard.with(text).is_empty() {
            return heard;
        }
        assert!(Instant::now() < deadline, "{heard:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_of_an_office_see_what_was_answered_and_a_third_sees_nothing() {
    let party = Party::start().await;
    // What came before anybody was let in is there for them.
    write(&party, "before you").await;
    change(&party, "ada", "--let-into").await;
    change(&party, "ben", "--let-into").await;
    let (mut ada, mut ben, mut cy) = (ada(&party).await, ben(&party).await, cy(&party).await);
    ada.say("SELECT Shared/office").await;
    ben.say("SELECT Shared/office").await;
    let found = ben.say("FETCH 1 ENVELOPE").await;
    assert!(found.lines[0].contains("before you"), "{found:?}");
    // While one idles, the other answers.
    let tag = ben.begin("IDLE").await;
    assert_eq!(ben.response().await.unwrap(), "+ Idling");
    ada.say("STORE 1 +FLAGS (\\Seen \\Answered)").await;
    assert_eq!(
        ben.response().await.unwrap(),
        r"* 1 FETCH (UID 1 FLAGS (\Answered \Seen))"
    );
    write(&party, "and now").await;
    assert_eq!(ben.response().await.unwrap(), "* 2 EXISTS");
    ben.send(b"DONE\r\n").await;
    assert!(ben.hear(&tag).await.end.starts_with("OK"));
    // Who comes back asks what became of it.
    let opened = ada.say("EXAMINE Shared/office").await;
    let (validity, change_number) = (
        opened.number("UIDVALIDITY").unwrap(),
        opened.number("HIGHESTMODSEQ").unwrap(),
    );
    ben.say("STORE 2 +FLAGS \\Flagged").await;
    ada.say("ENABLE QRESYNC").await;
    let resync = format!("SELECT Shared/office (QRESYNC ({validity} {change_number}))");
    let heard = ada.say(&resync).await;
    assert_eq!(heard.with("UID 2 FLAGS (\\Flagged)").len(), 1, "{heard:?}");
    // For the third there is no such thing, nor for anybody what nobody made.
    for command in ["SELECT", "DELETE", "CREATE"] {
        let office = cy.say(&format!("{command} Shared/office")).await;
        let palace = cy.say(&format!("{command} Shared/palace")).await;
        assert!(office.end.starts_with("NO ["), "{office:?}");
        assert_eq!((office.end, office.lines), (palace.end, palace.lines));
    }
    let listed = cy.say("LIST \"\" *").await;
    assert!(listed.with("Shared").is_empty(), "{listed:?}");
    assert_eq!(
        cy.say("NAMESPACE").await.lines,
        [r#"* NAMESPACE (("" "/")) NIL NIL"#]
    );
    let appended = cy.append("Shared/office", "", &mail("x")).await;
    assert!(appended.end.starts_with("NO [NONEXISTENT]"), "{appended:?}");
    // Once let in, there is, without another log-in.
    change(&party, "cy", "--let-into").await;
    assert!(cy.say("SELECT Shared/office").await.end.starts_with("OK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shut_out_while_idle_is_out_at_once() {
    let party = Party::start().await;
    change(&party, "ada", "--let-into").await;
    change(&party, "ben", "--let-into").await;
    write(&party, "one").await;
    let (mut idle, mut busy, mut other) = (ada(&party).await, ada(&party).await, ben(&party).await);
    for imap in [&mut idle, &mut busy, &mut other] {
        assert!(imap.say("SELECT Shared/office").await.end.starts_with("OK"));
    }
    idle.begin("IDLE").await;
    assert_eq!(idle.response().await.unwrap(), "+ Idling");
    change(&party, "ada", "--shut-out-of").await;
    assert_eq!(
        idle.last_words().await,
        "* BYE The folder is gone, or you are no longer let into it; please dial again\n"
    );
    busy.begin("FETCH 1 BODY[]").await;
    let words = busy.last_words().await;
    assert_eq!(
        words,
        "* BYE The folder is gone, or you are no longer let into it; please dial again\n"
    );
    let mut again = ada(&party).await;
    let refused = again.say("SELECT Shared/office").await.end;
    assert_eq!(refused, "NO [NONEXISTENT] There is no such folder");
    // Nobody else is out.
    assert!(other.say("FETCH 1 FLAGS").await.end.starts_with("OK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_slip_loses_nothing_of_the_others() {
    let party = Party::start().await;
    change(&party, "ada", "--let-into").await;
    change(&party, "ben", "--let-into").await;
    for subject in ["one", "two", "three"] {
        write(&party, subject).await;
    }
    let (mut ada, mut ben) = (ada(&party).await, ben(&party).await);
    ada.say("SELECT Shared/office").await;
    ada.say("STORE 1 +FLAGS \\Deleted").await;
    ada.say("EXPUNGE").await;
    ada.say("UID MOVE 2 Archive").await;
    let refused = ada.say("DELETE Shared/office").await.end;
    assert!(refused.starts_with("NO [CANNOT]"), "{refused}");
    let status = ben
        .say("STATUS Shared/office/Trash (MESSAGES DELETED)")
        .await;
    assert_eq!(
        status.lines,
        [r#"* STATUS "Shared/office/Trash" (MESSAGES 2 DELETED 0)"#]
    );
    ben.say("SELECT Shared/office/Trash").await;
    let found = ben.say("FETCH 1:* ENVELOPE").await;
    assert_eq!(
        found.with("\"one\"").len() + found.with("\"two\"").len(),
        2,
        "{found:?}"
    );
    // It's thrown away, and goes as that does: after thirty days.
    let planned = said(&party.cli(&["mailbox", "retention"]).await);
    assert!(planned.contains("Trash"), "{planned}");
    let hold = ["mailbox", "hold", "office", "--reason", "access request 4"];
    assert!(party.cli(&hold).await.status.success());
    // What is her own goes meanwhile. Where the second has gone, the round that took the first has ended.
    for _ in 0..2 {
        let own = ada.append("Trash", "", &mail("her own")).await;
        assert!(own.end.starts_with("OK"), "{own:?}");
        days_go(&party, 31);
        until(&mut ada, "STATUS Trash (MESSAGES)", "MESSAGES 0").await;
    }
    let held = ben.say("STATUS Shared/office/Trash (MESSAGES)").await;
    assert_eq!(held.with("MESSAGES 2").len(), 1, "{held:?}");
    let lift = [
        "mailbox",
        "lift",
        "office",
        "--reason",
        "request 4 is answered",
    ];
    assert!(party.cli(&lift).await.status.success());
    days_go(&party, 1);
    let trash = "STATUS Shared/office/Trash (MESSAGES)";
    until(&mut ben, trash, "MESSAGES 0").await;
    let rest = ben.say("STATUS Shared/office (MESSAGES)").await;
    assert_eq!(rest.lines, [r#"* STATUS "Shared/office" (MESSAGES 1)"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn real_programs_work_in_a_roles_mailbox() {
    if !(needs("python3") && needs("curl")) {
        return;
    }
    let party = Party::start().await;
    change(&party, "ada", "--let-into").await;
    write(&party, "one").await;
    let port = party.door("imaps").port();
    let mut python = Command::new("python3");
    python
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/imap/imaplib_shared.py"
        ))
        .args([&port.to_string(), HOST])
        .arg(party.stage.authority_file())
        .args([party.sender.name, &party.sender.password]);
    let output = run(python).await;
    assert!(said(&output).ends_with("all well\n"), "{}", said(&output));
    let mut curl = Command::new("curl");
    let user = format!("{}:{}", party.sender.name, party.sender.password);
    curl.args(["--silent", "--show-error", "--cacert"])
        .arg(party.stage.authority_file())
        .args([
            "--resolve",
            &format!("{HOST}:{port}:127.0.0.1"),
            "--user",
            &user,
        ])
        .arg(format!("imaps://{HOST}:{port}/Shared%2Foffice;UID=1"));
    let body = said(&run(curl).await);
    assert!(body.contains("To who is at the office."), "{body}");
}
