//! Bad input of every kind: each is told clearly (what, why, what next), nothing panics, nobody is named, and nothing is
//! lost.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hustings::control::api::mailbox;
use hustings::control::api::queue;
use hustings::daemon::sandbox::peer::{Dialogue, Post};
use hustings::daemon::sandbox::stage::{HOST, OFFICE};
use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use support::disk::{Ballast, SmallDisk};
use support::outside::{Act, At};
use support::party::{Party, Spawned, link_in, said};

/// Rows of a large import. A debug build takes its time.
const MANY: usize = if cfg!(debug_assertions) {
    20_000
} else {
    100_000
};
const STRANGER: &str = "stranger@elsewhere.example";

/// Waits for something that must come.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The start fails with exit status 1, says all of this, and shows no entrails.
async fn refuses(party: &mut Spawned, what: &str, words: &[&str]) {
    let (status, text) = party.fails_to_start().await;
    assert_eq!(status.code(), Some(1), "{what}: {text}");
    for word in words {
        assert!(text.contains(word), "{what}: \"{word}\" is not in: {text}");
    }
    for word in ["panicked", "backtrace", "RUST_", "Error {", "Some("] {
        assert!(!text.contains(word), "{what}: {text}");
    }
}

/// A file while it is otherwise.
struct Instead {
    path: PathBuf,
    was: Vec<u8>,
}

impl Instead {
    fn of(path: impl Into<PathBuf>, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        let path = path.into();
        let was = fs::read(&path).unwrap();
        fs::write(&path, change(&was)).unwrap();
        Self { path, was }
    }
}

impl Drop for Instead {
    fn drop(&mut self) {
        let _ = fs::write(&self.path, &self.was);
    }
}

/// A line before all others.
fn before(line: &str) -> impl FnOnce(&[u8]) -> Vec<u8> {
    move |was| [line.as_bytes(), b"\n", was].concat()
}

fn swapped(old: &str, new: &str) -> impl FnOnce(&[u8]) -> Vec<u8> {
    move |was| {
        let text = std::str::from_utf8(was).unwrap();
        assert!(text.contains(old), "{old}");
        text.replace(old, new).into_bytes()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_at_the_start_and_nothing_is_harmed() {
    let mut party = Spawned::set(|_| ()).await;
    let config = party.stage.config_file();
    let database = party.data().join("hustings.db");
    let key = party.stage.root().join("keys/root.key");

    let instead = Instead::of(&config, before("minimum_age = = 16"));
    refuses(
        &mut party,
        "broken TOML",
        &["hustings.toml:1:", "minimum_age", "config check"],
    )
    .await;
    drop(instead);
    let instead = Instead::of(&config, before("minimum_agee = 16"));
    refuses(
        &mut party,
        "an unknown key",
        &["hustings.toml:1:", "minimum_agee", "`minimum_age`"],
    )
    .await;
    drop(instead);
    let instead = Instead::of(
        &config,
        swapped("[limits]", "[limits]\nmessage_size = \"many\""),
    );
    refuses(
        &mut party,
        "a value of the wrong kind",
        &["message_size", "MiB"],
    )
    .await;
    drop(instead);
    let moved = config.with_extension("moved");
    fs::rename(&config, &moved).unwrap();
    refuses(
        &mut party,
        "no configuration",
        &["hustings.toml", "No such file"],
    )
    .await;
    fs::rename(&moved, &config).unwrap();

    let moved = key.with_extension("moved");
    fs::rename(&key, &moved).unwrap();
    refuses(&mut party, "no key file", &["root.key", "No such file"]).await;
    fs::create_dir(&key).unwrap();
    refuses(&mut party, "a directory for a key", &["root.key"]).await;
    fs::remove_dir(&key).unwrap();
    fs::write(&key, "no key").unwrap();
    refuses(&mut party, "an unreadable key", &["root.key"]).await;
    fs::remove_file(&key).unwrap();
    let other = Spawned::set(|_| ()).await;
    fs::copy(other.stage.root().join("keys/root.key"), &key).unwrap();
    refuses(&mut party, "another party's key", &["does not open"]).await;
    fs::remove_file(&key).unwrap();
    fs::rename(&moved, &key).unwrap();

    let taken = TcpListener::bind(party.door(0)).unwrap();
    let port = party.door(0).to_string();
    refuses(
        &mut party,
        "a port in use",
        &["smtp", &port, "in use", "listen.smtp"],
    )
    .await;
    drop(taken);

    let pair = party.stage.root().join("tls/party.key");
    let others = fs::read(other.stage.root().join("tls/party.key")).unwrap();
    let instead = Instead::of(&pair, |_| others);
    refuses(
        &mut party,
        "a certificate and another's key",
        &["party.key", "does not belong", "party.pem"],
    )
    .await;
    drop(instead);

    edit(&database, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', 1, x'00', 0)").await;
    refuses(
        &mut party,
        "a newer version's database",
        &["schema 99", "newer version"],
    )
    .await;
    edit(&database, "DELETE FROM _sqlx_migrations WHERE version = 99").await;

    // The database is closed, so nothing stands in a log beside it.
    let instead = Instead::of(&database, |_| b"This is a letter to my aunt. ".repeat(1000));
    refuses(&mut party, "no database", &["hustings.db", "newest copy"]).await;
    drop(instead);
    let instead = Instead::of(&database, |was| was[..was.len() / 2].to_vec());
    refuses(&mut party, "half a database", &["damaged", "newest copy"]).await;
    drop(instead);
    let aunt = party.stage.root().join("aunt.db");
    edit(&aunt, "CREATE TABLE letter (id INTEGER)").await;
    let foreign = fs::read(&aunt).unwrap();
    let instead = Instead::of(&database, |_| foreign);
    refuses(
        &mut party,
        "somebody else's database",
        &["hustings.db", "another program", "data_dir"],
    )
    .await;
    assert_eq!(
        fs::read(&database).unwrap(),
        fs::read(&aunt).unwrap(),
        "it is left alone"
    );
    drop(instead);
    let instead = Instead::of(&database, |_| Vec::new());
    refuses(&mut party, "an empty file", &["was in use", "newest copy"]).await;
    drop(instead);
    for beside in ["hustings.db-wal", "hustings.db-shm"] {
        let _ = fs::remove_file(party.data().join(beside));
    }

    let data = party.data().to_owned();
    if let Some(disk) = SmallDisk::under(&data, "16m") {
        disk.remount("ro");
        refuses(
            &mut party,
            "a read-only data directory",
            &["read-only", "data directory"],
        )
        .await;
    }

    // After all of it the party is as it was.
    party.run(&[]).await;
    let twice = party.stage.config_file();
    let mut second = std::process::Command::new(env!("CARGO_BIN_EXE_hustings"));
    let second = second
        .arg("serve")
        .arg("--config")
        .arg(&twice)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        said(&second).contains("in use by another hustings"),
        "{}",
        said(&second)
    );
    let output = party.cli(&["store", "verify"]).await;
    assert!(output.status.success(), "{}", said(&output));
}

async fn edit(database: &Path, statement: &str) {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
    query.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_reload_keeps_the_old_one_in_force() {
    let mut party = Spawned::set(|_| ()).await;
    party.run(&[]).await;
    let config = party.stage.config_file();
    let log = party.log();
    let logged = |word: &'static str| {
        let log = log.clone();
        async move {
            until(word, async || {
                fs::read_to_string(&log).unwrap().contains(word)
            })
            .await;
        }
    };
    let instead = Instead::of(&config, before("minimum_agee = 16"));
    party.signal(Signal::HUP);
    logged("minimum_agee").await;
    drop(instead);
    let other = Spawned::set(|_| ()).await;
    let key = fs::read(other.stage.root().join("tls/party.key")).unwrap();
    let instead = Instead::of(party.stage.root().join("tls/party.key"), |_| key);
    party.signal(Signal::HUP);
    logged("does not belong").await;
    // The old pair is still shown.
    assert_eq!(party.browser().get("/").await.unwrap().status, 200);
    party.mx().await.quit().await;
    drop(instead);
    let instead = Instead::of(&config, swapped("The Example Party", "The Other Party"));
    party.signal(Signal::HUP);
    until("the new name", async || {
        party
            .browser()
            .get("/")
            .await
            .unwrap()
            .text
            .contains("The Other Party")
    })
    .await;
    drop(instead);
    // Ctrl-C is as good as SIGTERM.
    party.signal(Signal::INT);
    assert!(party.ended().await.success());
    let text = fs::read_to_string(party.log()).unwrap();
    assert!(!text.contains("panicked"), "{text}");
}

fn letter(text: &str) -> Vec<u8> {
    format!("From: {STRANGER}\r\nSubject: {text}\r\n\r\n{text}\r\n").into_bytes()
}

fn rows(party: &Spawned, name: &str, bytes: &[u8]) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = party.stage.root().join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_row_of_an_import_is_named_and_good_rows_are_kept() {
    let mut party = Spawned::set(|_| ()).await;
    party.run(&[]).await;
    let wording =
        "Yes, The Example Party may send me news; it tells of political opinions; I can withdraw.";
    let head = "address,lists,channel,date,batch,wording";
    let good = |n: usize| {
        format!("good.person{n}@voters.example,news,paper,2026-03-01,stall 7,\"{wording}\"")
    };
    let bad = [
        (
            "no-address,news,paper,2026-03-01,stall 7,\"W\"",
            "no mail address",
        ),
        (
            "bad.one@voters.example,nonsense,paper,2026-03-01,stall 7,\"W\"",
            "`lists`",
        ),
        (
            "bad.two@voters.example,news,telephone,2026-03-01,stall 7,\"W\"",
            "telephone",
        ),
        (
            "bad.three@voters.example,news,paper,2036-03-01,stall 7,\"W\"",
            "`date`",
        ),
        (
            "bad.four@voters.example,news,paper,2026-03-01,stall 7,",
            "no proof",
        ),
        (
            "bad.five@voters.example,news,paper,2026-03-01,stall 7",
            "5 fields",
        ),
        (
            "bad.six@voters.example,news,paper,2026-03-01,\"stall 7,W",
            "isn't closed",
        ),
        (
            "bad.seven@voters.example,news,paper,2026-03-01,,\"W\"",
            "`batch`",
        ),
        (
            "good.person0@voters.example,news,paper,2026-03-01,stall 7,\"W\"",
            "earlier row",
        ),
    ];
    let mut text = format!("\u{feff}{head}\r\n");
    for (n, (row, _)) in bad.iter().enumerate() {
        text += &format!("{}\r\n{}\r\n", good(n), row.replace('W', wording));
    }
    let import = async |file: &str, more: &[&str]| {
        let common = [
            "subscriber",
            "import",
            "--no-suppressions",
            "--reason",
            "a stall",
        ];
        party.cli(&[&common, more, &[file]].concat()).await
    };
    let file = rows(&party, "rows.csv", text.as_bytes());
    let output = import(&file, &[]).await;
    let answer = said(&output);
    for (n, (_, why)) in bad.iter().enumerate() {
        let number = format!("{}", 3 + 2 * n);
        let named = answer
            .lines()
            .any(|line| line.contains(&number) && line.contains(why));
        assert!(named, "line {number} ({why}) is not in: {answer}");
    }
    assert!(!answer.contains("voters.example"), "{answer}");
    let waiting = said(&party.cli(&["subscriber", "waiting"]).await);
    assert!(waiting.contains('9'), "nine good rows wait: {waiting}");

    for (name, bytes, words) in [
        (
            "picture.csv",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".repeat(50),
            &["line 1", "UTF-8"][..],
        ),
        (
            "letter.csv",
            b"Dear aunt, how are you?\nI am fine.\n".to_vec(),
            &["line 1", "column"],
        ),
        ("empty.csv", Vec::new(), &["empty"]),
        (
            "sixteen.csv",
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            &["line 1", "UTF-8"],
        ),
        (
            "register.csv",
            b"address,lists,channel,date,batch,elector number\n".to_vec(),
            &["electoral register"],
        ),
    ] {
        let file = rows(&party, name, &bytes);
        let output = import(&file, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        for word in words {
            assert!(
                said(&output).contains(word),
                "{name}: {word} is not in {}",
                said(&output)
            );
        }
    }
    let output = import("/nonexistent/rows.csv", &[]).await;
    assert!(
        said(&output).contains("/nonexistent/rows.csv"),
        "{}",
        said(&output)
    );

    // Very many rows, of which every thousandth is bad.
    let mut text = format!("{head}\n");
    for n in 0..MANY {
        text += &match n % 1000 {
            999 => format!("nobody,news,paper,2026-03-01,stall 7,\"{wording}\"\n"),
            _ => format!("{}\n", good(100 + n)),
        };
    }
    let file = rows(&party, "many.csv", text.as_bytes());
    let began = Instant::now();
    let output = import(&file, &["--dry-run"]).await;
    let answer = said(&output);
    assert!(
        answer.contains(&(MANY - MANY / 1000).to_string()),
        "{}",
        &answer[answer.len().saturating_sub(500)..]
    );
    assert!(
        answer.contains(&(MANY + 1).to_string()),
        "the last line is named"
    );
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(
        !fs::read_to_string(party.log())
            .unwrap()
            .contains("panicked")
    );
}

/// A staff member's or a stranger's conversation that goes through MAIL and RCPT, to DATA.
async fn to_data(party: &Party, to: &str) -> Dialogue {
    let mut mx = party.mx().await;
    assert_eq!(
        mx.command(&format!("MAIL FROM:<{STRANGER}>"))
            .await
            .unwrap()
            .code,
        250
    );
    assert_eq!(
        mx.command(&format!("RCPT TO:<{to}>")).await.unwrap().code,
        250
    );
    mx
}

const HUNDRED: usize = 100 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_is_too_large_deep_or_wide_is_refused_or_taken_whole() {
    let addresses: Vec<_> = (0..150).map(|n| format!("desk{n}@party.example")).collect();
    let desks: Vec<_> = addresses.chunks(75).enumerate().collect();
    let desks: Vec<_> = desks
        .iter()
        .map(|(n, some)| format!("[mailbox.desks{n}]\ntitle = \"Desks\"\naddresses = {some:?}\n"))
        .collect();
    let party = Party::start_with(vec![("", desks.concat())]).await;

    // A hundred megabytes, said at once.
    let mut mx = party.mx().await;
    let answer = mx
        .command(&format!("MAIL FROM:<{STRANGER}> SIZE={HUNDRED}"))
        .await
        .unwrap();
    assert_eq!(answer.code, 552, "{answer}");
    mx.quit().await;
    // Or not said: all of it is sent, and refused at its end, or the connection is closed before.
    let mut mx = to_data(&party, OFFICE).await;
    assert_eq!(mx.command("DATA").await.unwrap().code, 354);
    let line = [b"x".repeat(998), b"\r\n".to_vec()].concat();
    let block = line.repeat(1000);
    let mut sent = 0;
    while sent < HUNDRED && mx.raw(&block).await.is_ok() {
        sent += block.len();
    }
    let _ = mx.raw(b".\r\n").await;
    let answer = mx.answer().await.unwrap();
    assert_eq!(answer.code, 552, "{answer}");
    // By BDAT, of which the first chunk says how long it is.
    let mut mx = to_data(&party, OFFICE).await;
    mx.raw(format!("BDAT {HUNDRED} LAST\r\n").as_bytes())
        .await
        .unwrap();
    let answer = mx.answer().await.unwrap();
    assert_eq!(answer.code, 552, "{answer}");
    drop(mx);
    // By many chunks, each small.
    let mut mx = to_data(&party, OFFICE).await;
    let chunk = [
        format!("BDAT {}\r\n", block.len()).into_bytes(),
        block.clone(),
    ]
    .concat();
    let mut last = 250;
    for _ in 0..HUNDRED / block.len() {
        mx.raw(&chunk).await.unwrap();
        last = mx.answer().await.unwrap().code;
        if last != 250 {
            break;
        }
    }
    assert_eq!(last, 552);
    drop(mx);
    assert_eq!(party.kept().await, 0, "nothing of them is kept");

    // Ten thousand recipients on one mail.
    let mut mx = party.mx().await;
    assert_eq!(
        mx.command(&format!("MAIL FROM:<{STRANGER}>"))
            .await
            .unwrap()
            .code,
        250
    );
    let many: String = (0..10_000)
        .map(|n| format!("RCPT TO:<{}>\r\n", addresses[n % addresses.len()]))
        .collect();
    let mut codes = std::collections::BTreeMap::new();
    let mut closed = false;
    for part in many.as_bytes().chunks(30 * 100) {
        if mx.raw(part).await.is_err() {
            closed = true;
            break;
        }
    }
    for _ in 0..10_000 {
        let Ok(answer) = mx.answer().await else {
            closed = true;
            break;
        };
        *codes.entry(answer.code).or_insert(0) += 1;
        if answer.code == 421 {
            closed = true;
            break;
        }
    }
    assert!(codes[&250] <= 100, "{codes:?}");
    assert!(
        codes.keys().all(|code| [250, 421, 452].contains(code)),
        "{codes:?}"
    );
    assert!(closed || codes.contains_key(&452), "{codes:?}");

    // Ten thousand parts, and ten thousand deep: to a mailbox, as they are; to a list, refused with the reason.
    let wide = {
        let part = "--b\r\nContent-Type: text/plain\r\n\r\na\r\n".repeat(10_000);
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{part}--b--\r\n")
    };
    let deep: String = (0..10_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .chain(["\r\na\r\n".to_owned()])
        .collect();
    let rfc822 = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000) + "\r\na\r\n";
    for (n, body) in [wide, deep, rfc822].iter().enumerate() {
        let before = party.kept().await;
        let message = format!("From: {STRANGER}\r\nSubject: a\r\nMIME-Version: 1.0\r\n{body}");
        let mut mx = party.mx().await;
        let post = Post {
            from: STRANGER,
            to: &[OFFICE],
            message: message.as_bytes(),
        };
        let answer = mx.post(post).await.unwrap();
        let kept = party.kept().await - before;
        assert!(
            (answer.code, kept) == (250, 1) || answer.code >= 500 && kept == 0,
            "{n}: {answer}, {kept}"
        );
        mx.quit().await;
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
        let message = format!(
            "From: {OFFICE}\r\nTo: news@party.example\r\nDate: {date}\r\nSubject: a\r\nMIME-Version: 1.0\r\n{body}"
        );
        let answer = party
            .submit(&["news@party.example"], message.as_bytes())
            .await;
        assert!((500..600).contains(&answer.code), "{n}: {answer}");
        assert!(answer.lines.concat().len() > 20, "it says why: {answer}");
    }
    // It is all there, and the house stands.
    let output = party.cli(&["store", "verify"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let mut mx = party.mx().await;
    let message = letter("still there");
    let post = Post {
        from: STRANGER,
        to: &[OFFICE],
        message: &message,
    };
    assert_eq!(mx.post(post).await.unwrap().code, 250);
    let log = fs::read_to_string(support::party::log()).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_mail_is_put_off_nothing_is_sent_and_nothing_lost() {
    let Some(disk) = SmallDisk::mount("24m") else {
        return;
    };
    let place = disk.path().join("party");
    // Without a reserve, so that mail fills it to the last byte.
    let party = Party::start_as(|plan| {
        plan.directory = Some(place);
        plan.more
            .push(("limits", "disk_reserve = \"0 MiB\"".into()));
    })
    .await;
    let data = party.stage.data().to_owned();
    // A mail waits for its next try.
    party.outside.refuse(At::Mail, "451 4.7.1 come back later");
    let to = "friend@elsewhere.example";
    let message = format!(
        "From: {}\r\nTo: {to}\r\nSubject: a\r\n\r\nwaiting\r\n",
        party.sender.address
    );
    assert_eq!(party.submit(&[to], message.as_bytes()).await.code, 250);
    until("the first try", async || {
        let rows = party.socket().ask(queue::List {}).await.unwrap().rows;
        rows.iter().any(|row| row.attempts > 0)
    })
    .await;
    party.outside.behave();

    // Mails come in over four connections while the disk fills up.
    let before = party.kept().await;
    let ballast = Ballast::fill(&data);
    let accepted = AtomicU64::new(0);
    let body = [
        letter("full"),
        b"a line of a mail that fills the disk up\r\n".repeat(2500),
    ]
    .concat();
    let intake = async || {
        loop {
            let Ok((mut mx, _)) =
                Dialogue::connect_starttls(party.door("smtp"), party.stage.trust(), HOST).await
            else {
                // Greeted with 421.
                return 421;
            };
            let post = Post {
                from: STRANGER,
                to: &[OFFICE],
                message: &body,
            };
            match mx.post(post).await {
                Ok(answer) if answer.code == 250 => {
                    accepted.fetch_add(1, Relaxed);
                }
                Ok(answer) => return answer.code,
                Err(_) => return 421,
            }
        }
    };
    let (a, b, c, d) = tokio::join!(intake(), intake(), intake(), intake());
    for code in [a, b, c, d] {
        assert!((400..500).contains(&code), "{code}");
    }
    // Until not even a line has room: free pages inside the file are used up, too.
    for size in [20_000, 2_000, 10] {
        let message = [letter("full"), vec![b'x'; size]].concat();
        loop {
            let mut mx = party.mx().await;
            let post = Post {
                from: STRANGER,
                to: &[OFFICE],
                message: &message,
            };
            let answer = mx.post(post).await.unwrap();
            if answer.code != 250 {
                assert!((400..500).contains(&answer.code), "{answer}");
                break;
            }
            accepted.fetch_add(1, Relaxed);
        }
    }
    let status = said(&party.cli(&["status"]).await);
    assert!(status.contains("nearly full"), "{status}");
    // Pages say "later" and a command says why, unless what little they write has room.
    let page = party.browser().get("/").await.unwrap();
    let form = page.form().unwrap();
    party.clock.advance(SignedDuration::from_secs(2)).unwrap();
    let form = support::party::filled(form, "new@elsewhere.example", "", &["news"]);
    let page = party.browser().submit(&form).await.unwrap();
    assert!(
        [200, 503].contains(&page.status.as_u16()),
        "{}",
        page.heading()
    );
    let add = [
        "staff",
        "add",
        "cy",
        "--address",
        "cy@party.example",
        "--role",
        "reader",
    ];
    let output = party.cli(&add).await;
    let text = said(&output);
    assert!(
        output.status.success() || text.contains("full") && text.contains("free some space"),
        "{text}"
    );
    // The waiting mail is due. It goes if what becomes of it can be written down, else it waits.
    party.clock.advance(SignedDuration::from_hours(3)).unwrap();

    drop(ballast);
    let mut mx = party.mx().await;
    let message = letter("room again");
    let post = Post {
        from: STRANGER,
        to: &[OFFICE],
        message: &message,
    };
    assert_eq!(mx.post(post).await.unwrap().code, 250);
    party.clock.advance(SignedDuration::from_hours(3)).unwrap();
    party.mail(to, |mail| mail.contains("waiting")).await;
    let accepted = accepted.load(Relaxed);
    assert_eq!(
        party.kept().await,
        before + accepted + 1,
        "what was answered 250 is there"
    );
    let output = party.cli(&["store", "verify"]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(party.outside.inbox().to(to).len(), 1, "once");
    drop(party);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_a_day_loses_and_repeats_nothing() {
    let mut party = Party::start().await;
    let day = SignedDuration::from_hours(24);
    party
        .subscribe("early@elsewhere.example", "", &["news"])
        .await;
    party.sign_up("late@elsewhere.example", "", &["news"]).await;
    let link = party.challenge("late@elsewhere.example").await;
    let busy = "busy@elsewhere.example";
    party.outside.for_address(
        At::Recipient,
        busy,
        Act::Reply("451 4.2.0 not now".to_owned()),
    );
    let own = |to: &str, text: &str| {
        format!(
            "From: {}\r\nTo: {to}\r\nSubject: a\r\n\r\n{text}\r\n",
            party.sender.address
        )
        .into_bytes()
    };
    assert_eq!(party.submit(&[busy], &own(busy, "before")).await.code, 250);
    until("the first try", async || {
        let rows = party.socket().ask(queue::List {}).await.unwrap().rows;
        rows.iter().any(|row| row.attempts > 0)
    })
    .await;
    party.clock.advance(-day).unwrap();
    party.outside.behave();

    // The queue goes on for new mail, links stay valid, mail is taken.
    let friend = "friend@elsewhere.example";
    assert_eq!(
        party.submit(&[friend], &own(friend, "after")).await.code,
        250
    );
    party.mail(friend, |mail| mail.contains("after")).await;
    let page = party.press(&link).await;
    assert_eq!(page.status, 200, "{}", page.heading());
    let welcome = party
        .mail("late@elsewhere.example", |mail| {
            link_in(mail, "/u/").is_some()
        })
        .await;
    party
        .subscribe("next@elsewhere.example", "", &["news"])
        .await;
    // A restart finds all of it.
    party.start_again().await;
    let message = letter("a");
    let mut mx = party.mx().await;
    let post = Post {
        from: STRANGER,
        to: &[OFFICE],
        message: &message,
    };
    assert_eq!(mx.post(post).await.unwrap().code, 250);
    mx.quit().await;
    for log in ["audit", "consent"] {
        let output = party.cli(&[log, "verify"]).await;
        assert!(output.status.success(), "{}", said(&output));
    }
    let page = party.press(&link_in(&welcome, "/u/").unwrap()).await;
    assert_eq!(page.status, 200, "the way out works");
    // The mail that waited goes once its time has come again, once.
    party
        .clock
        .advance(day + SignedDuration::from_hours(3))
        .unwrap();
    party.mail(busy, |mail| mail.contains("before")).await;
    until("the queue is empty", async || {
        party
            .socket()
            .ask(queue::List {})
            .await
            .unwrap()
            .rows
            .is_empty()
    })
    .await;
    assert_eq!(party.outside.inbox().to(busy).len(), 1);
    assert_eq!(party.outside.inbox().to(friend).len(), 1);
    let held = party.socket().ask(mailbox::List {}).await.unwrap().rows;
    assert_eq!(held.iter().map(|row| row.messages).sum::<u64>(), 1);
}
