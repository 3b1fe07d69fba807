//! Bad input of every kind: each is told clearly (what, why, what next), nothing panics, nobody is named, and nothing is
//! lost.

#![allow(clippy::unwrap_used)]

mod import;
mod mail;
mod start;

#[path = "../support/mod.rs"]
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
    let deadline = Instant::now() + Duration::from_secs(120);
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
