//! What is answered is on the disk: under strace, a sync of the store's file returns between the last piece of a mail that
//! the daemon reads and its `250`, before the `OK` of whatever changes a folder, and before every page that says "done".
//!
//! A kill can't show this, since what the process wrote outlives it in the kernel's memory. TLS hides the words, so an
//! answer is known by its place: it is the first thing said on a socket after the last that was heard there, and each
//! connection here stays open and silent after its answer.

#[path = "../support/strace.rs"]
mod strace;

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::chance::until;
use crate::support::imap::{Imap, mail};
use crate::support::party::{Spawned, filled, link_in, needs};
use crate::support::pop::Pop;
use crate::support::seed::Crowd;
use axum::http::{HeaderMap, StatusCode};
use hustings::control::api::service::LockState;
use hustings::daemon::sandbox::browser::{Form, Page};
use hustings::daemon::sandbox::peer::{Dialogue, Secured, Trust};
use hustings::daemon::sandbox::stage::{HOST, OFFICE};
use strace::{Trace, under};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The store's write-ahead log: what a commit has to sync.
const LOG: &str = "/hustings.db-wal";
/// What withdrawals are written to before the store.
const JOURNAL: &str = "/journal";
const PATIENCE: Duration = Duration::from_secs(120);
const CROWD: Crowd = Crowd {
    list: "news",
    people: 4,
    domains: 2,
};
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// A browser's connection, which stays open.
struct Wire {
    stream: Secured,
    /// How the daemon's end of it is named in a trace.
    name: String,
}

impl Wire {
    /// Connects, and gets a page: what TLS itself has to say is over then.
    async fn open(door: SocketAddr, trust: &Trust) -> Self {
        let stream = TcpStream::connect(door).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = format!("->{}]", stream.local_addr().unwrap());
        let stream = trust.secure(stream, HOST).await.unwrap();
        let mut wire = Self { stream, name };
        assert_eq!(wire.get("/robots.txt").await.status, 200);
        wire
    }

    async fn get(&mut self, path: &str) -> Page {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
            .await
    }

    async fn submit(&mut self, form: &Form) -> Page {
        let encode = |text: &str| {
            text.replace('%', "%25")
                .replace('+', "%2B")
                .replace('@', "%40")
                .replace('&', "%26")
        };
        let pairs = form
            .fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)));
        self.post(&form.action, &pairs.collect::<Vec<_>>().join("&"))
            .await
    }

    async fn post(&mut self, path: &str, body: &str) -> Page {
        let kind = "application/x-www-form-urlencoded";
        let length = body.len();
        self.exchange(format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    /// Writes all but the last byte first, so that the daemon waits for it.
    async fn exchange(&mut self, request: String) -> Page {
        let (head, last) = request.as_bytes().split_at(request.len() - 1);
        for piece in [head, last] {
            self.stream.write_all(piece).await.unwrap();
            self.stream.flush().await.unwrap();
        }
        let reading = tokio::time::timeout(PATIENCE, self.answer());
        reading.await.expect("an answer")
    }

    async fn answer(&mut self) -> Page {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_lowercase();
                let length = head.split_once("content-length: ").expect("a length").1;
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                if body.len() >= length {
                    return Page {
                        status: StatusCode::from_bytes(&head.as_bytes()[9..12]).unwrap(),
                        headers: HeaderMap::new(),
                        text: body.to_owned(),
                    };
                }
            }
            assert!(
                self.stream.read_buf(&mut bytes).await.unwrap() > 0,
                "it closed"
            );
        }
    }
}

/// Hands a mail over, its end after the rest.
async fn post(dialogue: &mut Dialogue, from: &str, to: &str) {
    dialogue
        .command(&format!("MAIL FROM:<{from}>"))
        .await
        .unwrap();
    dialogue.command(&format!("RCPT TO:<{to}>")).await.unwrap();
    assert_eq!(dialogue.command("DATA").await.unwrap().code, 354);
    let head = format!("From: {from}\r\nTo: {to}\r\nSubject: a question\r\n\r\n");
    dialogue.raw(head.as_bytes()).await.unwrap();
    dialogue.raw(b"Is it on the disk?\r\n").await.unwrap();
    dialogue.raw(b".\r\n").await.unwrap();
    let answer = dialogue.answer().await.unwrap();
    assert_eq!(answer.code, 250, "{answer}");
}

/// Fails unless each of these was synced before the answer.
fn expect_synced(trace: &Trace, what: &str, socket: &str, files: &[&str]) {
    for file in files {
        let synced = trace.synced_before_answer(socket, file);
        assert!(synced > 0, "{what} was answered before {file} was synced");
    }
}

/// Starts the daemon under strace.
fn traced(party: &mut Spawned, name: &str) -> std::path::PathBuf {
    let file = party.stage.root().join(name);
    let under = under(&file);
    let under: Vec<_> = under.iter().map(String::as_str).collect();
    party.launch(&under);
    file
}

/// Kills the daemon and waits until strace wrote its last line.
async fn trace_of(party: &mut Spawned, file: &std::path::Path) -> Trace {
    let end = format!("{} ", party.pid());
    party.kill();
    until("strace ends", PATIENCE, || {
        let text = std::fs::read(file).unwrap();
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines().rev().take(50);
        lines.any(|line| line.starts_with(&end) && line.contains("+++ killed by SIGKILL"))
    })
    .await;
    Trace::read(file)
}

async fn seeded() -> (Spawned, Vec<String>) {
    let party = Spawned::set(|_| ()).await;
    let store = party.store().await;
    CROWD.seed(&store, party.stage.config().clone()).await;
    let paths = (0..CROWD.people).map(|n| CROWD.way_out(store.vault(), n));
    let paths = paths.collect();
    store.close().await;
    (party, paths)
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_synced_before_250() {
    if !needs("strace") {
        return;
    }
    let mut party = Spawned::set(|_| ()).await;
    let file = traced(&mut party, "mail.strace");
    party.wait_open().await;
    let ada = party.stage.sender().await.unwrap();
    let trust = party.stage.trust().clone();
    let connecting = Dialogue::connect_starttls(party.door(0), &trust, HOST);
    let mut stranger = connecting.await.unwrap().0;
    post(&mut stranger, "stranger@elsewhere.example", OFFICE).await;

    let connecting = Dialogue::connect_secured(party.door(1), &trust, HOST);
    let mut staff = connecting.await.unwrap().0;
    staff.command("EHLO client.example").await.unwrap();
    let answer = staff.log_in(ada.name, &ada.password).await.unwrap();
    assert_eq!(answer.code, 235, "{answer}");
    post(&mut staff, &ada.address, "somebody@elsewhere.example").await;

    let trace = trace_of(&mut party, &file).await;
    for (what, dialogue) in [("a stranger's mail", &stranger), ("a staff mail", &staff)] {
        let socket = format!("->{}]", dialogue.local());
        expect_synced(&trace, what, &socket, &[LOG]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_a_folder_is_synced_before_its_ok() {
    if !needs("strace") {
        return;
    }
    let mut party = Spawned::set(|_| ()).await;
    let file = traced(&mut party, "folders.strace");
    party.wait_open().await;
    let (imaps, pop3s) = (party.door(5), party.door(6));
    let (trust, ben) = (party.stage.trust(), party.stage.approver());
    let log_in = || Imap::log_in(imaps, trust, ben.name, &ben.password);
    let mut imap = log_in().await;
    for subject in ["one", "two", "three", "four"] {
        let heard = imap.append("INBOX", "", &mail(subject)).await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
    }

    // Each on a connection of its own, which is silent behind its answer.
    let mut silent = Vec::new();
    for command in [
        "CREATE Leeds",
        "UID STORE 1 +FLAGS (\\Flagged)",
        "UID COPY 1 Sent",
        "UID MOVE 2 Archive",
        "UID STORE 3 +FLAGS.SILENT (\\Deleted)",
        "UID EXPUNGE 3",
        "",
    ] {
        let mut imap = log_in().await;
        let heard = imap.say("SELECT INBOX").await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
        let heard = match command {
            "" => imap.append("INBOX", "", &mail("appended")).await,
            command => imap.say(command).await,
        };
        assert!(heard.end.starts_with("OK"), "{command}: {heard:?}");
        silent.push((command, imap));
    }
    let mut pop = Pop::log_in(pop3s, trust, ben.name, &ben.password).await;
    assert!(pop.command("DELE 1").await.starts_with("+OK"));
    let pops = format!("->{}]", pop.local());
    assert_eq!(pop.command("QUIT").await, "+OK Good bye");

    let trace = trace_of(&mut party, &file).await;
    for (command, imap) in &silent {
        let socket = format!("->{}]", imap.local());
        let what = if command.is_empty() {
            "APPEND"
        } else {
            command
        };
        expect_synced(&trace, what, &socket, &[LOG]);
    }
    expect_synced(&trace, "QUIT", &pops, &[LOG]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_says_done_is_synced_before() {
    if !needs("strace") {
        return;
    }
    let (mut party, paths) = seeded().await;
    let file = traced(&mut party, "pages.strace");
    party.wait_open().await;
    let (door, trust) = (party.door(3), party.stage.trust().clone());

    let mut sign_up = Wire::open(door, &trust).await;
    let form = sign_up.get("/").await.form().unwrap();
    let form = filled(form, "ann@far.example", "", &["news"]);
    // A form that comes back at once is a machine's.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let page = sign_up.submit(&form).await;
    assert_eq!(page.status, 200, "{}", page.text);

    let challenge = party
        .outside
        .inbox()
        .wait_for(|mail| mail.is_to("ann@far.example"));
    let challenge = tokio::time::timeout(PATIENCE, challenge).await.unwrap();
    let link = link_in(&challenge, "/c/").unwrap();
    let path = &link[link.find("/c/").unwrap()..];
    let mut confirm = Wire::open(door, &trust).await;
    let form = confirm.get(path).await.form().unwrap();
    let page = confirm.submit(&form).await;
    assert_eq!(page.status, 200, "{}", page.text);

    let mut ways_out = Vec::new();
    for (what, path, body) in [
        ("one click", paths[0].clone(), ONE_CLICK),
        ("the button", paths[1].clone(), "scope=list&lang=en"),
        ("all lists", paths[2].clone(), "scope=all&lang=en"),
        ("never again", paths[3].replace("/u/", "/n/"), "lang=en"),
    ] {
        let mut wire = Wire::open(door, &trust).await;
        let page = wire.post(&path, body).await;
        assert_eq!(page.status, 200, "{what}: {}", page.text);
        ways_out.push((what, wire));
    }

    let trace = trace_of(&mut party, &file).await;
    expect_synced(&trace, "a sign-up", &sign_up.name, &[LOG]);
    expect_synced(&trace, "a confirmation", &confirm.name, &[LOG]);
    for (what, wire) in &ways_out {
        expect_synced(&trace, what, &wire.name, &[JOURNAL, LOG]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_comes_while_locked_is_synced_before_its_answer() {
    if !needs("strace") {
        return;
    }
    let (mut party, paths) = seeded().await;
    let mark = party.stage.config().runtime_dir.join("locked");
    std::fs::create_dir_all(mark.parent().unwrap()).unwrap();
    std::fs::write(&mark, b"").unwrap();
    let file = traced(&mut party, "locked.strace");
    party
        .wait_for(|status| status.state == LockState::Locked)
        .await;
    let (door, trust) = (party.door(3), party.stage.trust().clone());
    let mut wires = Vec::new();
    for path in &paths[..2] {
        let mut wire = Wire::open(door, &trust).await;
        let page = wire.post(path, ONE_CLICK).await;
        assert_eq!(page.status, 200, "{}", page.text);
        wires.push(wire);
    }
    let trace = trace_of(&mut party, &file).await;
    for wire in &wires {
        let files = &["/locked-withdrawals"];
        expect_synced(&trace, "a withdrawal while locked", &wire.name, files);
    }
}
