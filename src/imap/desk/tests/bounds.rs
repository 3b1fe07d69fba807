//! What a session may take of what all share.

use std::future::{Future, pending};
use std::time::{Duration, Instant};

use super::*;
use crate::imap::desk::batch::Reading;
use crate::imap::desk::body::Part;
use crate::store::{CHUNK, Uid, Uids};

/// Where nobody listens.
#[derive(Default)]
struct Deaf(Vec<u8>);

impl Sink for Deaf {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    async fn relieve(&mut self) -> io::Result<()> {
        pending().await
    }
}

fn read(command: &str) -> Command {
    let read = grammar::read(format!("a {command}\r\n").as_bytes());
    read.unwrap_or_else(|_| panic!("{command}")).1
}

/// Whether it ends soon.
async fn ends<F: Future>(future: F) -> bool {
    let ended = tokio::time::timeout(Duration::from_secs(5), future).await;
    ended.is_ok()
}

#[tokio::test]
async fn whoever_does_not_listen_keeps_nobody_from_searching() {
    let house = House::new().await;
    let searches = Arc::new(Semaphore::new(1));
    let mut desks = [house.desk_in(&searches), house.desk_in(&searches)];
    for desk in &mut desks {
        desk.say("select INBOX").await;
    }
    let [deaf, other] = &mut desks;
    let (tag, mut nowhere) = (Tag("a".to_owned()), Deaf::default());
    let answer = deaf.0.run(&tag, read("SEARCH TEXT x"), &mut nowhere);
    tokio::pin!(answer);
    tokio::select! {
        _ = &mut answer => panic!("somebody listened"),
        ended = async {
            // Until it writes.
            tokio::time::sleep(Duration::from_millis(200)).await;
            ends(other.say("SEARCH TEXT x")).await
        } => assert!(ended, "a turn is held while nobody listens"),
    }
}

/// One who searches on and on waits for themselves, and only where messages are opened.
#[tokio::test]
async fn an_account_searches_one_after_the_other() {
    let house = House::new().await;
    let (all, own) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(1)));
    let mut desk = house.desk();
    desk.0.turns = Turns::new(all.clone(), Some(own.clone()));
    let mut other = house.desk_in(&all);
    for desk in [&mut desk, &mut other] {
        desk.say("select INBOX").await;
    }
    let busy = own.acquire_owned().await.unwrap();
    assert!(ends(desk.say("UID SEARCH UNSEEN LARGER 1")).await);
    assert!(ends(other.say("SEARCH TEXT x")).await);
    let soon = Duration::from_millis(200);
    for command in ["SEARCH TEXT x", "SEARCH NOT SENTON 1-Jan-2026"] {
        let answer = tokio::time::timeout(soon, desk.say(command)).await;
        assert!(answer.is_err(), "{command}");
    }
    drop(busy);
    assert!(ends(desk.say("SEARCH TEXT x")).await);
}

/// As many octets as wildcards and names that nearly fit can cost.
#[tokio::test]
async fn patterns_cost_little() {
    let house = House::new().await;
    let mut desk = house.desk();
    for number in 0..4 {
        let name = format!("{}{number}", "a".repeat(250));
        assert_eq!(desk.end(&format!("CREATE {name}")).await, "OK Done");
    }
    let many = vec!["%"; 3000].join(" ");
    assert!(grammar::read(format!("a LIST \"\" ({many})\r\n").as_bytes()).is_err());
    // Millions of steps; each of them tried would take minutes.
    let begun = Instant::now();
    let long = format!("LIST \"\" *{}b", "%".repeat(120_000));
    let heard = desk.end(&long).await;
    assert!(heard.starts_with("NO [LIMIT]"), "{heard}");
    let steps = format!("LIST \"\" *a%a%{}b", "a".repeat(120));
    assert_eq!(desk.end(&steps).await, "OK Done");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn what_is_read_ahead_is_bounded() {
    let house = House::new().await;
    let mut desk = house.desk();
    desk.0.account.room.set(1 << 30);
    let pad = "x".repeat(60_000);
    for _ in 0..12 {
        desk.append("INBOX", &[], &format!("X-Pad: {pad}\r\n\r\nbody\r\n"))
            .await;
    }
    desk.say("select INBOX").await;
    let selected = desk.0.selected.as_ref().unwrap();
    for items in [
        "BODY.PEEK[HEADER.FIELDS (X-Pad)]",
        "BODY.PEEK[HEADER.FIELDS (X-Pad)]<0.10>",
        "BODY.PEEK[TEXT]",
    ] {
        let Command::Fetch(fetch) = read(&format!("FETCH 1:* {items}")) else {
            panic!("no FETCH");
        };
        let all = Uids::of((1..=12).map(Uid));
        let reading = Reading::begin(&desk.0.account, selected.view.id(), all, Arc::new(fetch));
        let batch = reading.end().await.unwrap();
        let parts = batch.parts.values().flat_map(|parts| parts.values());
        let held: usize = parts.map(Part::held).sum();
        assert!(held <= 4 * CHUNK, "{items}: {held}");
        assert!(!batch.parts.is_empty(), "{items}");
    }
}

/// Many tiny messages hold what they are, and not a chunk each; large ones are refused before they hold much.
#[tokio::test]
async fn messages_of_one_append_hold_what_they_are() {
    let house = House::new().await;
    let mut desk = house.desk();
    desk.0.account.room.set(1 << 30);
    let inbox = RawName(b"INBOX".to_vec());
    for (size, most) in [(10, 60), (60_000, 17)] {
        desk.0.append_to(&inbox).await.unwrap();
        let mut whole = 0;
        for _ in 0..40 {
            match desk.add(&[], &"x".repeat(size)).await {
                Ok(()) => whole += 1,
                Err(no) => {
                    let no = String::from_utf8(no.tagged(&Tag("a".to_owned()))).unwrap();
                    assert!(no.starts_with("a NO [LIMIT]"), "{no}");
                    break;
                }
            }
        }
        // Of the 64 chunks that there are, others have the rest.
        let mut others = house.mailboxes.held();
        let left = if size == 10 { 62 } else { 46 };
        assert!(others.hold(left * CHUNK).is_ok(), "{size}");
        assert!(whole <= most, "{whole} messages of {size} octets");
        desk.0.forget_append();
    }
}

/// Numbers of messages are few ranges, however many messages there are.
#[tokio::test]
async fn numbers_in_a_search_cost_little() {
    let house = House::new().await;
    let mut desk = house.desk();
    for number in 0..8 {
        let flags: &[&str] = if number % 2 == 0 { &["\\Deleted"] } else { &[] };
        desk.append("INBOX", flags, &mail("a")).await;
    }
    desk.say("select INBOX").await;
    desk.say("EXPUNGE").await;
    for (command, found) in [
        ("UID SEARCH 1:*", "* SEARCH 2 4 6 8"),
        ("UID SEARCH 2:3", "* SEARCH 4 6"),
        ("SEARCH UID 3:6", "* SEARCH 2 3"),
        ("UID SEARCH *", "* SEARCH 8"),
        ("UID SEARCH UID 9:*", "* SEARCH 8"),
        ("UID SEARCH NOT 4:2", "* SEARCH 2"),
    ] {
        assert_eq!(desk.say(command).await[0], found, "{command}");
        let Command::Search(search) = read(command) else {
            panic!("no SEARCH");
        };
        let selected = desk.0.selected.as_ref().unwrap();
        assert_eq!(selected.ranges(&search.criterion), 1, "{command}");
    }
    assert!(desk.end("SEARCH 2:5").await.starts_with("BAD"));
}

/// Copies of copies: few octets may be many messages, and each costs who opens the folder.
#[tokio::test]
async fn messages_are_not_without_number() {
    for (room, answer, most) in [
        (100_000, "NO [OVERQUOTA]", 128),
        (1 << 30, "NO [LIMIT]", 2048),
    ] {
        let house = House::new().await;
        let mut desk = house.desk();
        desk.0.account.room.set(room);
        desk.append("INBOX", &[], "x").await;
        desk.say("select INBOX").await;
        let mut last = String::new();
        for _ in 0..13 {
            last = desk.end("COPY 1:* INBOX").await;
            if last.starts_with("NO") {
                break;
            }
        }
        assert!(last.starts_with(answer), "{last}");
        let known = desk.0.selected.as_ref().unwrap().view.known().len();
        assert!((most..=4_000).contains(&known), "{known}");
    }
}

/// Who takes what is written, and remembers how much it was at once.
#[derive(Default)]
struct Narrow {
    held: Vec<u8>,
    most: usize,
}

impl Sink for Narrow {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    async fn relieve(&mut self) -> io::Result<()> {
        self.most = self.most.max(self.held.len());
        self.held.clear();
        Ok(())
    }
}

#[tokio::test]
async fn news_of_many_messages_is_not_held_at_once() {
    let house = House::new().await;
    let (mut one, mut other) = (house.desk(), house.desk());
    for _ in 0..50 {
        one.append("INBOX", &["\\Deleted"], "x").await;
    }
    other.say("select INBOX").await;
    one.say("select INBOX").await;
    one.say("EXPUNGE").await;
    let (tag, mut out) = (Tag("a".to_owned()), Narrow::default());
    assert!(other.0.run(&tag, Command::Noop, &mut out).await.is_ok());
    assert!(out.most < 50, "{}", out.most);
}

/// What is appended lies on the disk before it's anybody's: it counts among all that comes in, until it's given up.
#[tokio::test]
async fn what_is_appended_counts_among_what_comes_in() {
    let house = House::new().await;
    house.under_way.set(100, 60);
    let (mut one, mut other) = (house.desk(), house.desk());
    let inbox = RawName(b"INBOX".to_vec());
    one.0.append_to(&inbox).await.unwrap();
    one.add(&[], &"x".repeat(60)).await.unwrap();
    let heard = other.append("INBOX", &[], &"x".repeat(60)).await;
    assert!(heard.starts_with("a NO [UNAVAILABLE]"), "{heard}");
    other.0.forget_append();
    one.0.forget_append();
    let heard = other.append("INBOX", &[], &"x".repeat(60)).await;
    assert!(heard.starts_with("OK"), "{heard}");
    let heard = one.append("INBOX", &[], &"x".repeat(60)).await;
    assert!(heard.starts_with("OK"), "{heard}");
}
