//! Somebody had the database file in his hands: a flipped byte in any sealed value, an edited clear column, a log that was
//! cut or rewritten, yesterday's file put back. Each is named, and nothing else breaks.

#![allow(clippy::unwrap_used)]

mod flipped;
mod logs;

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use hustings::address::{Domain, EmailAddress};
use hustings::audit::Frontier;
use hustings::control::api::mailing::{Approve, List, Preview};
use hustings::control::api::queue;
use hustings::control::api::service::LockState;
use hustings::control::api::store::Verify;
use hustings::daemon::sandbox::leak::Secrets;
use hustings::daemon::sandbox::peer::Post;
use hustings::daemon::sandbox::stage::{OFFICE, free_ports};
use hustings::id::{MailboxId, TlsDayId};
use hustings::store::{
    AcceptMessage, Change, Delivery, FolderAct, Intake, IntakeRecord, MailingState, MessageRecord,
    Question, QuestionRecord, ReportRecord, ReportRow, SpecialUse, Step, Store, Stranger,
    StsRecord, StsRow, TlsDayRecord, TlsDayRow, Uids, contact_indexes, contact_pace_indexes,
};
use hustings::vault::ConfirmToken;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use support::outside::{Act, At};
use support::party::{Party, Spawned, link_in, said};

const LEAVER: &str = "leaver@elsewhere.example";

const STAYER: &str = "stayer@elsewhere.example";

const ERASED: &str = "Erased.Person@elsewhere.example";

const SENTENCE: &str = "Meet at the verdigris fountain";

fn mailing(subject: &str) -> String {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "From: {OFFICE}\r\nTo: news@party.example\r\nSubject: {subject}\r\nDate: {date}\r\n\r\n{SENTENCE}.\r\n"
    )
}

async fn release(party: &Party) {
    let socket = party.socket();
    let held = socket.ask(List { current: true }).await.unwrap().rows;
    let mailing = held.first().expect("a held mailing").id.to_string();
    let preview = Preview {
        mailing: mailing.clone(),
    };
    let digest = Some(socket.ask(preview).await.unwrap().answer.digest);
    socket
        .ask(Approve {
            mailing,
            digest,
            anyway: false,
        })
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let all = socket.ask(List { current: false }).await.unwrap().rows;
        if all.iter().all(|row| row.state == MailingState::Done) {
            return;
        }
        assert!(Instant::now() < deadline, "the mailing doesn't end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the first try of what waits is over: its row stays as it is then.
async fn tried(party: &Party) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let rows = party.socket().ask(queue::List {}).await.unwrap().rows;
        if rows.iter().any(|row| row.last_failure.is_some()) {
            return;
        }
        assert!(Instant::now() < deadline, "it isn't tried");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A party that has lived a little: each table has rows. It is stopped.
async fn lived() -> Spawned {
    let ports = free_ports().unwrap();
    let party = Party::start_as(|plan| plan.ports = ports).await;
    for address in [LEAVER, STAYER, ERASED] {
        party.subscribe(address, "", &["news"]).await;
    }
    party
        .sign_up("pending@elsewhere.example", "", &["news"])
        .await;
    party.challenge("pending@elsewhere.example").await;
    let answer = party
        .submit(&["news@party.example"], mailing("A rally").as_bytes())
        .await;
    assert_eq!(answer.code, 250, "{answer}");
    release(&party).await;
    let welcome = party
        .mail(LEAVER, |mail| link_in(mail, "/u/").is_some())
        .await;
    let page = party.press(&link_in(&welcome, "/u/").unwrap()).await;
    assert_eq!(page.status, 200);
    // Somebody writes, a copy comes back, and a mail to somebody outside waits.
    let copy = party.mail(STAYER, |mail| mail.contains(SENTENCE)).await;
    let mut mx = party.mx().await;
    for (from, to) in [
        ("stranger@elsewhere.example", OFFICE),
        ("", &*copy.reverse_path),
    ] {
        let message = b"From: stranger@elsewhere.example\r\nSubject: a\r\n\r\nb\r\n";
        let post = Post {
            from,
            to: &[to],
            message,
        };
        assert_eq!(mx.post(post).await.unwrap().code, 250);
    }
    mx.quit().await;
    let later = Act::Reply("451 4.2.0 not now".to_owned());
    party
        .outside
        .for_address(At::Recipient, "busy@elsewhere.example", later);
    let letter = format!(
        "From: {}\r\nTo: busy@elsewhere.example\r\n\r\nb\r\n",
        party.sender.address
    );
    let answer = party
        .submit(&["busy@elsewhere.example"], letter.as_bytes())
        .await;
    assert_eq!(answer.code, 250, "{answer}");
    tried(&party).await;
    // Work for the intake's worker is done within a moment; this is for next year.
    let record = IntakeRecord::BareStop {
        address: hustings::address::EmailAddress::parse(STAYER).unwrap(),
        at: party.clock.now(),
    };
    let due = party.clock.now() + jiff::SignedDuration::from_hours(24 * 365);
    let store = party.rooms().store.clone();
    let policy = StsRecord {
        domain: Domain::parse("elsewhere.example").unwrap(),
        id: "1".to_owned(),
        policy: Value::Null,
        fetched_at: party.clock.now(),
        expires_at: due,
        used_at: party.clock.now(),
    };
    // What is moved within a folder left it as well.
    let office = store.vault().role_mailbox("office");
    let inbox = store.folder_named(office, &SpecialUse::Inbox.into()).await;
    let inbox = inbox.unwrap().unwrap().id;
    let moved = FolderAct::Move {
        from: inbox,
        uids: Uids::all(),
        to: inbox,
        at: due,
        room: None,
        goes_on: false,
    };
    store.act(moved).await.unwrap().unwrap();
    first_contact(&store, office, party.clock.now()).await;
    let put = Change::new()
        .then(Step::PutIntake(Intake::new(due, record)))
        .then(Step::PutStsPolicy(StsRow::new(store.vault(), due, policy)))
        .then_all(reports(&store, due));
    let _ = store.change(put).await.unwrap();
    drop(store);
    party.into_spawned().await
}

/// A stranger's mail waits, they were asked, and somebody else is known.
async fn first_contact(store: &Store, office: MailboxId, at: jiff::Timestamp) {
    let vault = store.vault();
    let stranger = EmailAddress::parse("waits@elsewhere.example").unwrap();
    let known = EmailAddress::parse("known@elsewhere.example").unwrap();
    let author = contact_indexes(vault, &stranger);
    let question = Question {
        token: ConfirmToken::generate().hash(),
        address: author[0],
        pace: contact_pace_indexes(vault, &stranger)[0],
        asked_at: at,
        record: QuestionRecord::default(),
    };
    let ask = Change::new()
        .then(Step::PutQuestion(question))
        .then(Step::Meet(contact_indexes(vault, &known), at));
    let _ = store.change(ask).await.unwrap();
    let mut body = store.begin_body().await.unwrap();
    body.write(b"From: waits@elsewhere.example\r\n\r\nWas it me?\r\n")
        .await
        .unwrap();
    let body = body.finish();
    let delivery = Delivery::new(office, SpecialUse::Inbox, body.id(), at);
    let record = MessageRecord {
        received_at: at,
        size: 0,
        reverse_path: None,
        recipients: Vec::new(),
        submitted_by: None,
    };
    let stranger = Stranger {
        author,
        proven: true,
        ask: None,
    };
    let message = AcceptMessage::new(vault, body, record);
    let message = message.keep_in(delivery).of_stranger(stranger);
    store.accept(message).await.unwrap();
}

/// Of reports between servers.
fn reports(store: &Store, due: jiff::Timestamp) -> [Step; 2] {
    let record = ReportRecord {
        received_at: due,
        report: Value::Null,
    };
    let day = TlsDayRow {
        id: TlsDayId::random(),
        due_at: due,
        record: TlsDayRecord {
            domain: Domain::parse("elsewhere.example").unwrap(),
            day: jiff::civil::date(2026, 11, 21),
            results: Value::Null,
        },
    };
    let report = ReportRow::new(store.vault(), b"a report", due, record);
    [Step::PutTlsDay(day), Step::PutReport(report)]
}

async fn database(party: &Spawned) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(party.data().join("hustings.db"));
    let options = options.foreign_keys(false);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Runs a statement on the file, as somebody who isn't the daemon.
async fn run(database: &mut SqliteConnection, statement: &str) {
    let query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
    let done = query.execute(database).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

fn edited(table: &str) -> &'static str {
    match table {
        "log_head" => "log = 1",
        _ => "sealed IN (SELECT sealed FROM temp.kept)",
    }
}

async fn verified(party: &Spawned) -> Vec<hustings::store::Finding> {
    party
        .stage
        .socket()
        .ask(Verify {})
        .await
        .unwrap()
        .answer
        .findings
}

/// What a party does all day, done once: pages, mail in, a withdrawal, a mailing that reaches who is left.
async fn works(party: &Spawned) {
    assert_eq!(party.browser().get("/").await.unwrap().status, 200);
    let mut mx = party.mx().await;
    let message = b"From: stranger@elsewhere.example\r\nSubject: a\r\n\r\nb\r\n";
    let post = Post {
        from: "stranger@elsewhere.example",
        to: &[OFFICE],
        message,
    };
    assert_eq!(mx.post(post).await.unwrap().code, 250);
    mx.quit().await;
    for command in [
        &["mailing", "list"][..],
        &["queue", "list"],
        &["mailbox", "list"],
        &["staff", "list"],
    ] {
        let output = party.cli(command).await;
        assert!(output.status.success(), "{command:?}: {}", said(&output));
    }
}

/// A log's signed checkpoint, saved in a file that others may read.
async fn checkpoint(party: &Spawned, log: &str) -> String {
    let output = party.cli(&["--json", log, "verify"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = verdict["checkpoint"].as_str().unwrap();
    assert!(text.starts_with("hustings checkpoint v1"), "{text}");
    text.to_owned()
}

/// `verify` of a log, against a checkpoint if there is one: its exit status and what it said.
async fn verify(party: &Spawned, log: &str, against: Option<&str>) -> (Option<i32>, String) {
    let output = match against {
        Some(text) => {
            party
                .cli_told(&[log, "verify", "--against", "-"], text)
                .await
        }
        None => party.cli(&[log, "verify"]).await,
    };
    (output.status.code(), said(&output))
}

/// Edits a random row; it is kept, to be put back.
async fn edit(database: &mut SqliteConnection, table: &str, change: &str) {
    let one = match table {
        "log_head" => "log = 1".to_owned(),
        _ => format!(
            "sealed = (SELECT sealed FROM {table} WHERE sealed IS NOT NULL ORDER BY random() LIMIT 1)"
        ),
    };
    run(database, "DROP TABLE IF EXISTS temp.kept").await;
    run(
        database,
        &format!("CREATE TEMP TABLE kept AS SELECT * FROM {table} WHERE {one}"),
    )
    .await;
    run(
        database,
        &format!("UPDATE {table} SET {change} WHERE {}", edited(table)),
    )
    .await;
}

/// Takes a row out; it is kept, to be put back.
async fn cut_out(database: &mut SqliteConnection, table: &str, only: &str) {
    run(database, "DROP TABLE IF EXISTS temp.kept").await;
    let keep = format!("CREATE TEMP TABLE kept AS SELECT * FROM {table} WHERE {only} LIMIT 1");
    run(database, &keep).await;
    let delete = format!("DELETE FROM {table} WHERE {}", edited(table));
    run(database, &delete).await;
}

async fn put_back(database: &mut SqliteConnection, table: &str) {
    run(
        database,
        &format!("DELETE FROM {table} WHERE {}", edited(table)),
    )
    .await;
    run(
        database,
        &format!("INSERT INTO {table} SELECT * FROM temp.kept"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_root_key_comes_back_from_the_sheet() {
    let mut party = lived().await;
    party.run(&[]).await;
    let backup = party.cli(&["key", "backup"]).await;
    assert!(backup.status.success(), "{}", said(&backup));
    let sheet = String::from_utf8(backup.stdout).unwrap();
    party.stop().await;
    let key = party.stage.config().key_file();
    let before = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let (_, why) = party.fails_to_start().await;
    assert!(why.contains("root.key can't be read"), "{why}");

    // As root, or whoever the service runs as: no daemon is asked.
    let config = party.stage.config_file();
    let restore = |sheet: &str| {
        let mut command = assert_cmd::Command::cargo_bin("hustings").unwrap();
        let command = command
            .arg("--config")
            .arg(&config)
            .args(["key", "restore", "-"]);
        let output = command.write_stdin(sheet).output().unwrap();
        (output.status.code(), said(&output))
    };
    // Another installation's sheet, and one with a line that is missing.
    let other = Party::start().await;
    let theirs = String::from_utf8(other.cli(&["key", "backup"]).await.stdout).unwrap();
    let (code, why) = restore(&theirs);
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("not that of this database"), "{why}");
    let gap: Vec<&str> = sheet
        .lines()
        .filter(|line| !line.starts_with("03 "))
        .collect();
    let (code, why) = restore(&gap.join("\n"));
    assert_eq!(code, Some(1), "{why}");
    assert!(!key.exists(), "{why}");

    let (code, told) = restore(&sheet);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(std::fs::read(&key).unwrap(), before, "the same key");
    assert_eq!(restore(&sheet).0, Some(0), "it can be repeated");

    party.run(&[]).await;
    assert_eq!(verified(&party).await, []);
    works(&party).await;
    let log = said(&party.cli(&["audit", "show"]).await);
    assert!(log.contains("key restore"), "{log}");
}

/// Copies a data directory; the daemon must be stopped.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Erases somebody: both logs verify, and no byte knows the address any more.
async fn erase(party: &Spawned) {
    let mut secrets = Secrets::new();
    secrets.add(ERASED);
    let before = [
        checkpoint(party, "audit").await,
        checkpoint(party, "consent").await,
    ];
    let found = party
        .cli_told(
            &["subscriber", "find", "-", "--reason", "asked by letter"],
            &format!("{ERASED}\n"),
        )
        .await;
    assert!(
        said(&found).to_lowercase().contains("news"),
        "{}",
        said(&found)
    );
    let command = [
        "subscriber",
        "erase",
        "-",
        "--reason",
        "asked by letter",
        "--yes",
    ];
    let output = party.cli_told(&command, &format!("{ERASED}\n")).await;
    assert!(output.status.success(), "{}", said(&output));
    for (log, before) in ["audit", "consent"].into_iter().zip(before) {
        let (code, text) = verify(party, log, Some(&before)).await;
        assert_eq!(code, Some(0), "{text}");
    }
    let (_, text) = verify(party, "consent", None).await;
    assert!(!text.contains(" 0 of them erased"), "{text}");
    assert_eq!(verified(party).await, []);
    for place in [party.data(), &party.log()] {
        let found = match place.is_dir() {
            true => secrets.search_directory(place).unwrap(),
            false => secrets.search(place, &std::fs::read(place).unwrap()),
        };
        assert_eq!(found.leaks, [], "{}", place.display());
    }
}
