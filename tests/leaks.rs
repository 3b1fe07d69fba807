//! Nothing in the clear on the disk: after sign-ups, a mailing with an attachment, mail that came in and withdrawals, and
//! after all that staff do with their mail, no address, constituency, subject, text, name of a folder or keyword is found in
//! any byte of the data directory or the log, however it is written. And what was thrown away isn't there sealed either.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hustings::consent::constituency::Constituencies;
use hustings::control::api::mailing::{Approve, List, Preview};
use hustings::daemon::sandbox::leak::Secrets;
use hustings::daemon::sandbox::peer::{Dialogue, Post, Trust};
use hustings::daemon::sandbox::stage::{HOST, OFFICE, free_ports};
use hustings::store::MailingState;
use jiff::SignedDuration;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use support::factor;
use support::imap::Imap;
use support::outside::{Act, At};
use support::party::{Party, Spawned, link_in, said};
use support::pop::Pop;
use support::zone::Zone;

/// A debug build takes its time; the benchmark's numbers come from elsewhere.
/// `HUSTINGS_SUBSCRIBERS`, or as many as a usual run can afford.
fn subscribers() -> usize {
    let wanted = std::env::var("HUSTINGS_SUBSCRIBERS").ok();
    let usual = if cfg!(debug_assertions) { 100 } else { 1_000 };
    wanted.map_or(usual, |wanted| wanted.parse().unwrap())
}
const SUBJECT: &str = "Heliotrope rally on Saturday";
const SENTENCE: &str = "Meet at the verdigris fountain at noon";
const QUESTION: &str = "Is the amaranth pavilion wheelchair accessible";
const LEAFLET: &str = "Leaflet: the vermilion pledge in full";

fn mailing() -> String {
    let leaflet = STANDARD.encode(LEAFLET.repeat(200));
    let leaflet: Vec<_> = leaflet
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "From: {OFFICE}\r\nTo: news@party.example\r\nSubject: {SUBJECT}\r\nDate: {date}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         {SENTENCE}.\r\n--b\r\nContent-Type: application/pdf; name=\"leaflet.pdf\"\r\n\
         Content-Disposition: attachment; filename=\"leaflet.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        leaflet.join("\r\n")
    )
}

/// Releases what is held, as Ben, and waits until it is done.
async fn release(party: &Party) {
    let socket = party.socket();
    let held = socket.ask(List { current: true }).await.unwrap().rows;
    let id = held.first().expect("a held mailing").id;
    let mailing = id.to_string();
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
    let long = Duration::from_secs(600);
    until_within(long, "it is done", async || {
        let all = socket.ask(List { current: false }).await.unwrap().rows;
        let row = all.iter().find(|row| row.id == id).unwrap();
        row.state == MailingState::Done
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_on_the_disk_gives_anybody_away() {
    let mut party = Party::start().await;
    let seats = Constituencies::builtin();
    let seats: Vec<_> = seats
        .iter()
        .step_by(7)
        .map(|seat| (seat.code().as_str().to_owned(), seat.name().to_owned()))
        .collect();
    let mut secrets = Secrets::new();
    secrets.add_all([
        SUBJECT,
        SENTENCE,
        QUESTION,
        LEAFLET,
        "stranger@elsewhere.example",
    ]);
    secrets.add(&party.sender.password);
    let people: Vec<_> = (0..subscribers())
        .map(|n| format!("Elector.{n:04}@voters{}.example", n % 13))
        .collect();
    for (n, address) in people.iter().enumerate() {
        let (code, name) = &seats[n % seats.len()];
        party.subscribe(address, code, &["news"]).await;
        secrets.add(address);
        secrets.add(name);
    }
    let mut mx = party.mx().await;
    let message =
        format!("From: stranger@elsewhere.example\r\nSubject: {QUESTION}?\r\n\r\n{QUESTION}?\r\n");
    let post = Post {
        from: "stranger@elsewhere.example",
        to: &[OFFICE],
        message: message.as_bytes(),
    };
    assert_eq!(mx.post(post).await.unwrap().code, 250);
    mx.quit().await;
    let answer = party
        .submit(&["news@party.example"], mailing().as_bytes())
        .await;
    assert_eq!(answer.code, 250, "{answer}");
    release(&party).await;
    for address in &people {
        let copies = party.outside.inbox().to(address);
        let copies: Vec<_> = copies
            .iter()
            .filter(|mail| mail.contains(SENTENCE))
            .collect();
        assert_eq!(copies.len(), 1, "one copy each");
    }
    // Some go, by the link in the welcome mail; what is left of them must not show them either.
    for address in people.iter().step_by(5) {
        let welcome = party
            .mail(address, |mail| link_in(mail, "/u/").is_some())
            .await;
        let page = party.press(&link_in(&welcome, "/u/").unwrap()).await;
        assert_eq!(page.status, 200);
    }
    let running = party.leaks(&secrets);
    assert!(
        running.bytes > 100_000,
        "{} bytes in {} files",
        running.bytes,
        running.files
    );
    assert_eq!(running.leaks, [], "while it runs");
    party.stop().await;
    assert_eq!(party.leaks(&secrets).leaks, [], "when it has stopped");
}

/// What staff write and name, each in one place alone.
const WORDS: [&str; 29] = [
    "Projekt Zinnober",
    "Quittungen Amarant",
    "Geheimordner",
    "MaulbeerMarke",
    "KornblumenMarke",
    "Betreff Indigoblau",
    "Im Keller steht die purpurne Truhe",
    "Entwurf Malachit",
    "Noch nicht fertig, sagt die Smaragdeidechse",
    "xylographische Suche",
    "Betreff Ultramarin",
    "Anhang-Auripigment.pdf",
    "Inhalt des Anhangs: Auripigment",
    "umschlag-scharlach",
    "someone.scharlach@elsewhere.example",
    "busy.karmin@elsewhere.example",
    "nobody.purpur@elsewhere.example",
    "ann.heliotrope@good.example",
    "bob.bernstein@good.example",
    "Frage nach dem Heliotrop",
    "Frage nach dem Bernstein",
    "Grandmothers tablet",
    "Auskunftsersuchen Wilhelmine",
    "falsches-kennwort-zinnwald",
    "wilhelmine.unbekannt",
    "Weggeworfen: Lapislazuli",
    "Nach dem Start: Chrysopras",
    "ada@party.example",
    "ben@party.example",
];

fn letter(from: &str, to: &str, subject: &str, body: &str) -> String {
    let id = subject.len() + body.len() * 100;
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{id}@good.example>\r\n\
         Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\n{body}.\r\n"
    )
}

/// Waits until something is so.
async fn until(what: &str, is: impl AsyncFn() -> bool) {
    until_within(Duration::from_secs(40), what, is).await;
}

async fn until_within(long: Duration, what: &str, is: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + long;
    while !is().await {
        assert!(Instant::now() < deadline, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What somebody does with a mail program who has the folders of a party.
async fn works_by_imap(door: SocketAddr, trust: &Trust, password: &str) {
    let mut imap = Imap::connect(door, trust).await;
    for wrong in [
        "LOGIN ada falsches-kennwort-zinnwald",
        "LOGIN wilhelmine.unbekannt falsches-kennwort-zinnwald",
    ] {
        assert!(imap.say(wrong).await.end.starts_with("NO"));
    }
    let mut imap = Imap::log_in(door, trust, "ada", password).await;
    for command in [
        "ENABLE IMAP4rev2",
        "CREATE \"Projekt Zinnober\"",
        "CREATE \"Projekt Zinnober/Quittungen Amarant\"",
        "CREATE Geheimordner",
        "SUBSCRIBE Geheimordner",
    ] {
        let heard = imap.say(command).await;
        assert!(heard.end.starts_with("OK"), "{command}: {heard:?}");
    }
    assert!(
        imap.say("SELECT \"Geheimordner/Keiner\"")
            .await
            .end
            .starts_with("NO")
    );
    let mail = letter("ada@party.example", "ben@party.example", WORDS[5], WORDS[6]);
    for folder in ["INBOX", "INBOX", "INBOX", "Geheimordner"] {
        let heard = imap
            .append(folder, "\\Seen MaulbeerMarke", mail.as_bytes())
            .await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
    }
    let draft = letter("ada@party.example", "someone@x.example", WORDS[7], WORDS[8]);
    let heard = imap.append("Drafts", "\\Draft", draft.as_bytes()).await;
    assert!(heard.end.starts_with("OK"), "{heard:?}");
    let thrown = letter(
        "ada@party.example",
        "ben@party.example",
        WORDS[25],
        WORDS[25],
    );
    let heard = imap
        .append("Trash", "", thrown.repeat(600).as_bytes())
        .await;
    assert!(heard.end.starts_with("OK"), "{heard:?}");
    for command in [
        "SELECT INBOX",
        "STORE 1 +FLAGS (KornblumenMarke)",
        "COPY 1 \"Projekt Zinnober\"",
        "MOVE 2 \"Projekt Zinnober/Quittungen Amarant\"",
        "SEARCH TEXT \"xylographische Suche\"",
        "SEARCH OR SUBJECT \"Betreff Indigoblau\" KEYWORD MaulbeerMarke",
        "FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[TEXT])",
        "STORE 2 +FLAGS (\\Deleted)",
        "EXPUNGE",
        "RENAME \"Projekt Zinnober\" \"Archive/Projekt Zinnober\"",
        "DELETE Geheimordner",
        "LIST \"\" *",
        "LOGOUT",
    ] {
        let heard = imap.say(command).await;
        assert!(heard.end.starts_with("OK"), "{command}: {heard:?}");
    }
}

/// Hands a mail with an attachment over: to one who takes it, one who is busy and one who isn't there.
async fn sends(party: &Party) {
    for (who, act) in [
        (WORDS[15], "451 4.2.0 not now"),
        (WORDS[16], "550 5.1.1 no"),
    ] {
        let act = Act::Reply(act.to_owned());
        party.outside.for_address(At::Recipient, who, act);
    }
    let connecting =
        Dialogue::connect_secured(party.door("submissions"), party.stage.trust(), HOST);
    let (mut dialogue, _) = connecting.await.unwrap();
    dialogue.command("EHLO client.example").await.unwrap();
    let (name, password) = (party.sender.name, &party.sender.password);
    assert_eq!(dialogue.log_in(name, password).await.unwrap().code, 235);
    let mail_from = format!("MAIL FROM:<ada@party.example> RET=HDRS ENVID={}", WORDS[13]);
    let mut lines = vec![mail_from];
    for to in [WORDS[14], WORDS[15], WORDS[16], "ben@party.example"] {
        lines.push(format!(
            "RCPT TO:<{to}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{to}"
        ));
    }
    lines.push("DATA".to_owned());
    for line in lines {
        let answer = dialogue.command(&line).await.unwrap();
        assert!(answer.code < 400, "{line}: {answer}");
    }
    let (subject, file) = (WORDS[10], WORDS[11]);
    let mail = format!(
        "From: ada@party.example\r\nTo: {}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nIt is attached.\r\n--b\r\n\
         Content-Type: application/pdf; name=\"{file}\"\r\nContent-Disposition: attachment; filename=\"{file}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n.\r\n",
        WORDS[14],
        STANDARD.encode(WORDS[12])
    );
    dialogue.raw(mail.as_bytes()).await.unwrap();
    let answer = dialogue.answer().await.unwrap();
    assert_eq!(answer.code, 250, "{answer}");
    party.mail(WORDS[14], |_| true).await;
}

/// Two strangers write and are asked; one answers.
async fn strangers_write(party: &Party) {
    for (who, subject) in [(WORDS[17], WORDS[19]), (WORDS[18], WORDS[20])] {
        let mut mx = party.mx().await;
        let message = letter(who, OFFICE, subject, &subject.repeat(20));
        let (from, to) = (who, &[OFFICE, "ada@party.example"][..]);
        let message = message.as_bytes();
        let answer = mx.post(Post { from, to, message }).await.unwrap();
        assert_eq!(answer.code, 250, "{answer}");
        mx.quit().await;
        let asked = party.mail(who, |mail| link_in(mail, "/m/").is_some()).await;
        if who == WORDS[17] {
            let page = party.press(&link_in(&asked, "/m/").unwrap()).await;
            assert_eq!(page.status, 200, "{}", page.heading());
        }
    }
}

/// What is sealed of each message: its parts, its outline, its places, and whose it is while it waits.
async fn sealed(data: &Path) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let options = SqliteConnectOptions::new().filename(data.join("hustings.db"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let rows = sqlx::query(
        "SELECT message_id, sealed FROM chunk UNION ALL SELECT message_id, sealed FROM outline
         UNION ALL SELECT message_id, sealed FROM entry UNION ALL SELECT message_id, sealed FROM waiting",
    );
    let mut all: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for row in rows.fetch_all(&mut database).await.unwrap() {
        all.entry(row.get(0)).or_default().push(row.get(1));
    }
    database.close().await.unwrap();
    all
}

/// How many pieces of these bytes stand in the database and its log, and how many were looked for. A page's end may cut one.
fn pieces_of(sealed: &[Vec<u8>], data: &Path) -> (usize, usize) {
    // What is moved while they're read moves from the log to the database.
    let names = ["hustings.db-wal", "hustings.db"];
    let files = names.map(|name| std::fs::read(data.join(name)).unwrap_or_default());
    let finders = sealed.iter().flat_map(|bytes| bytes.chunks_exact(32));
    let finders: Vec<_> = finders
        .step_by(20)
        .map(memchr::memmem::Finder::new)
        .collect();
    let found =
        |finder: &&memchr::memmem::Finder<'_>| files.iter().any(|file| finder.find(file).is_some());
    (finders.iter().filter(found).count(), finders.len())
}

async fn cli(party: &Party, arguments: &[&str]) -> String {
    let output = party.cli(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_on_the_disk_tells_what_staff_do_with_their_mail() {
    let zone = Zone::start().await;
    for domain in ["good.example", "party.example"] {
        zone.txt(domain, "v=spf1 ip4:127.0.0.1 -all").await;
    }
    zone.txt("_dmarc.good.example", "v=DMARC1; p=none").await;
    let (ports, resolver) = (free_ports().unwrap(), zone.address());
    let party = Party::start_as(|plan| {
        plan.ports = ports;
        plan.more = vec![
            ("delivery", format!("resolver = [\"{resolver}\"]")),
            ("incoming", "patience = \"3s\"".to_owned()),
        ];
    })
    .await;
    let mut secrets = Secrets::new();
    secrets.add_all(WORDS);
    secrets.add(&party.sender.password);
    let password = party.sender.password.clone();
    let add = [
        "staff",
        "password",
        "add",
        "ada",
        "--label",
        "Grandmothers tablet",
    ];
    let shown = cli(&party, &add).await;
    let line = shown.lines().find(|line| line.starts_with("Password:"));
    let tablet = line.unwrap().split_whitespace().nth(1).unwrap().to_owned();
    secrets.add(&tablet);
    works_by_imap(party.door("imaps"), party.stage.trust(), &tablet).await;
    sends(&party).await;
    strangers_write(&party).await;
    let mut pop = Pop::log_in(party.door("pop3s"), party.stage.trust(), "ada", &password).await;
    let fetched = pop.lines("RETR 1").await.join("\n");
    assert!(fetched.contains(WORDS[6]), "{fetched}");
    pop.lines("TOP 1 1").await;
    assert!(pop.command("DELE 1").await.starts_with("+OK"));
    assert!(pop.command("QUIT").await.starts_with("+OK"));
    let data = party.stage.data().to_owned();
    // What Ben has in his app, and on paper.
    let clock = party.clock.clone();
    let (app, codes, _) = factor::enrol(
        |arguments, answer| {
            let party = &party;
            async move { party.cli_asked(arguments, answer).await }
        },
        move || clock.now(),
    )
    .await;
    secrets.add(&app.base32());
    secrets.add_all(codes.iter().map(String::as_str));
    let before = sealed(&data).await;
    let (found, of) = pieces_of(
        &before.values().flatten().cloned().collect::<Vec<_>>(),
        &data,
    );
    assert!(of > 100 && found * 10 > of * 8, "{found} of {of} are there");
    assert_eq!(party.leaks(&secrets).leaks, [], "while it runs");

    // The one who didn't answer is forgotten; what was thrown away goes, once it is held no more.
    let hold = [
        "mailbox",
        "hold",
        "ada",
        "--reason",
        "Auskunftsersuchen Wilhelmine",
    ];
    cli(&party, &hold).await;
    let days = |days: i64| SignedDuration::from_hours(24 * days + 2);
    party.clock.advance(days(15)).unwrap();
    let office = party.rooms().store.vault().role_mailbox("office");
    let waits = async || {
        let kept = party.rooms().store.entries(office, 100).await.unwrap();
        kept.iter().any(|one| one.folder.as_str() == "Unconfirmed")
    };
    until("the office's went", async || !waits().await).await;
    party.clock.advance(days(31)).unwrap();
    cli(&party, &["mailbox", "retention"]).await;
    cli(&party, &["mailbox", "lift", "ada", "--reason", "answered"]).await;
    party.clock.advance(days(2)).unwrap();
    // Bob's mail and what was thrown away, wholly: no place of theirs is left.
    let gone = async || {
        let now = sealed(&data).await;
        let gone = before.iter().filter(|(id, _)| !now.contains_key(*id));
        gone.flat_map(|(_, sealed)| sealed.clone())
            .collect::<Vec<_>>()
    };
    until("both are gone", async || {
        let large = |sealed: &Vec<u8>| sealed.len() > 60_000;
        !waits().await && gone().await.iter().any(large)
    })
    .await;
    until("what is gone is overwritten", async || {
        let (found, of) = pieces_of(&gone().await, &data);
        assert!(of > 100, "{of} pieces");
        found == 0
    })
    .await;
    assert_eq!(party.leaks(&secrets).leaks, [], "after the purge");

    // The real binary, in the middle of it all.
    let temporary = tempfile::tempdir().unwrap();
    let mut party: Spawned = party.into_spawned().await;
    let place = format!("TMPDIR={}", temporary.path().display());
    std::fs::set_permissions(
        temporary.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    party.run(&["env", &place]).await;
    let mut imap = Imap::log_in(party.door(5), party.stage.trust(), "ada", &tablet).await;
    let mail = letter(
        "ada@party.example",
        "ben@party.example",
        WORDS[26],
        WORDS[26],
    );
    for _ in 0..20 {
        let heard = imap
            .append("INBOX", "KornblumenMarke", mail.as_bytes())
            .await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
    }
    imap.say("SELECT INBOX").await;
    imap.say("SEARCH TEXT \"xylographische Suche\"").await;
    imap.begin("STORE 1:* +FLAGS (MaulbeerMarke)").await;
    imap.begin("MOVE 1:* \"Archive/Projekt Zinnober\"").await;
    party.kill();
    let log = std::fs::read(party.log()).unwrap();
    for found in [
        secrets.search_directory(party.data()).unwrap(),
        secrets.search_directory(temporary.path()).unwrap(),
        secrets.search(&party.log(), &log),
    ] {
        assert_eq!(found.leaks, [], "after a kill");
    }
    // The search itself finds what is there.
    let control = [WORDS[0].as_bytes(), tablet.as_bytes()].concat();
    assert_eq!(
        secrets.search(Path::new("control"), &control).leaks.len(),
        2
    );
}
