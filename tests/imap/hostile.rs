//! A client that means harm: memory stays bounded, others are served, and it's told clearly.

use std::time::{Duration, Instant};

use hustings::daemon::sandbox::stage::Person;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::imap::{Imap, mail};
use crate::support::party::Spawned;

/// The IMAP door among [`Spawned::ports`].
const DOOR: usize = 5;

/// The most that the daemon held in memory since [`begin`], in bytes.
fn peak(party: &Spawned) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", party.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// From now on the most is counted; what it holds now.
fn begin(party: &Spawned) -> u64 {
    std::fs::write(format!("/proc/{}/clear_refs", party.pid()), "5").unwrap();
    peak(party)
}

async fn log_in(party: &Spawned, who: &Person) -> Imap {
    let trust = party.stage.trust();
    Imap::log_in(party.door(DOOR), trust, who.name, &who.password).await
}

/// Somebody else is served, and soon.
async fn served(party: &Spawned, who: &Person) -> Duration {
    let begun = Instant::now();
    let mut imap = log_in(party, who).await;
    assert!(imap.say("select INBOX").await.end.starts_with("OK"));
    assert!(
        imap.say("FETCH 1:* (FLAGS ENVELOPE)")
            .await
            .end
            .starts_with("OK")
    );
    begun.elapsed()
}

/// Somebody else's search is answered, and soon.
async fn searched(party: &Spawned, who: &Person) -> Duration {
    let begun = Instant::now();
    let mut imap = log_in(party, who).await;
    assert!(imap.say("select INBOX").await.end.starts_with("OK"));
    for question in ["UNSEEN", "SUBJECT any", "TEXT any"] {
        let heard = imap.say(&format!("UID SEARCH {question}")).await;
        assert_eq!(heard.with("* SEARCH").len(), 1, "{heard:?}");
    }
    begun.elapsed()
}

/// How long something may take that takes so long while nothing else happens.
fn at_most(quiet: Duration) -> Duration {
    (quiet * 20).max(Duration::from_secs(30))
}

/// Answers that nobody reads are longer than what stands between two programs: their writers wait.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_keeps_nobody_from_searching() {
    let party = Spawned::start().await;
    let ada = party.stage.sender().await.unwrap();
    let ben = party.stage.approver();
    let mut imap = log_in(&party, &ada).await;
    imap.say("CREATE Many").await;
    let heard = imap.append("Many", "", &mail("one")).await;
    assert!(heard.end.starts_with("OK"), "{heard:?}");
    imap.say("select Many").await;
    for _ in 0..13 {
        let heard = imap.say("COPY 1:* Many").await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
    }
    let quiet = searched(&party, ben).await;
    let mut deaf = Vec::new();
    for _ in 0..5 {
        let mut imap = log_in(&party, &ada).await;
        assert!(imap.say("select Many").await.end.starts_with("OK"));
        for _ in 0..300 {
            imap.begin("SEARCH OR ALL TEXT x").await;
        }
        deaf.push(imap);
    }
    // Neither others, nor another program of their own: an account has one turn.
    for who in [ben, &ada, ben, &ada] {
        let took = searched(&party, who).await;
        assert!(took < at_most(quiet), "{}: {took:?}", who.name);
    }
    drop(deaf);
}

/// A mail as long as they may be, in one line, searched by as many at once as may.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_mail_is_searched_in_little_memory() {
    let party = Spawned::start().await;
    let ada = party.stage.sender().await.unwrap();
    let ben = party.stage.approver();
    let head = "From: ann@elsewhere.example\r\nSubject: a film\r\nMIME-Version: 1.0\r\n\
                Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let long = [head.as_bytes(), &b"aGVsbG8g".repeat(2 << 20), b"\r\n"].concat();
    let mut programs = Vec::new();
    for who in [&ada, ben] {
        let mut imap = log_in(&party, who).await;
        let heard = imap.append("INBOX", "", &long).await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
        for _ in 0..2 {
            let mut imap = log_in(&party, who).await;
            assert!(imap.say("select INBOX").await.end.starts_with("OK"));
            programs.push(imap);
        }
    }
    drop(long);
    let before = begin(&party);
    let mut searching = Vec::new();
    for mut imap in programs {
        searching.push(tokio::spawn(async move {
            for (what, found) in [("nothing like it", ""), ("hello hello", " 1")] {
                let heard = imap.say(&format!("SEARCH BODY \"{what}\"")).await;
                assert_eq!(heard.with("* SEARCH"), [format!("* SEARCH{found}")]);
            }
        }));
    }
    for one in searching {
        one.await.unwrap();
    }
    let more = peak(&party).saturating_sub(before);
    println!("{} KiB more in memory than before", more / 1024);
    assert!(more < 16 << 20, "{more} bytes more");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_hears_of_it() {
    let party = Spawned::start().await;
    let ada = party.stage.sender().await.unwrap();
    let mut imap = log_in(&party, &ada).await;
    let long = [mail("long"), b"word ".repeat(40_000)].concat();
    for number in 0..40 {
        let message = if number % 4 == 0 {
            long.clone()
        } else {
            mail(&format!("m{number}"))
        };
        assert!(
            imap.append("INBOX", "", &message)
                .await
                .end
                .starts_with("OK")
        );
    }
    // Somebody who reads their own mail meanwhile, and looks for some of it.
    let ben = party.stage.approver();
    let mut imap = log_in(&party, ben).await;
    for number in 0..40 {
        let heard = imap.append("INBOX", "", &mail(&format!("b{number}"))).await;
        assert!(heard.end.starts_with("OK"), "{heard:?}");
    }
    let quiet = served(&party, ben).await + searched(&party, ben).await;
    let before = begin(&party);
    let trust = party.stage.trust();

    // Handshakes that never end, and strangers that never finish what they say.
    let mut half_open = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(party.door(DOOR)).await.unwrap();
        stream
            .write_all(b"\x16\x03\x01\x02\x00\x01\x00")
            .await
            .unwrap();
        half_open.push(stream);
    }
    let mut strangers = Vec::new();
    for _ in 0..20 {
        let mut stranger = Imap::connect(party.door(DOOR), trust).await;
        stranger.send(b"a LOGIN {4000+}\r\nhalf").await;
        strangers.push(stranger);
    }
    served(&party, ben).await;

    // What is too long is refused before it comes.
    let mut stranger = Imap::connect(party.door(DOOR), trust).await;
    stranger.send(b"a LOGIN {1000000000}\r\n").await;
    assert!(
        stranger
            .response()
            .await
            .unwrap()
            .starts_with("a BAD [TOOBIG]")
    );
    stranger.send(b"a LOGIN {1000000000+}\r\n").await;
    let last = stranger.last_words().await;
    assert!(
        last.starts_with("a BAD [TOOBIG]") && last.contains("* BYE"),
        "{last}"
    );

    let mut imap = log_in(&party, &ada).await;
    let heard = imap.say("APPEND INBOX {1000000000}").await;
    assert!(heard.end.starts_with("NO [TOOBIG]"), "{heard:?}");
    let heard = imap
        .say(&format!(
            "SEARCH {}ALL{}",
            "(".repeat(10_000),
            ")".repeat(10_000)
        ))
        .await;
    assert!(heard.end.starts_with("BAD"), "{heard:?}");
    imap.say("select INBOX").await;
    let heard = imap
        .say(&format!("FETCH {} FLAGS", vec!["1"; 40_000].join(",")))
        .await;
    assert!(heard.end.starts_with("OK"), "{}", heard.end);
    assert_eq!(heard.lines.len(), 1);
    imap.send(&[b"b NOOP ".as_slice(), &[b'x'; 1 << 20]].concat())
        .await;
    let last = imap.last_words().await;
    assert!(
        last.contains("b BAD [TOOBIG]") && last.contains("* BYE"),
        "{last}"
    );

    // One that searches for everything, over and over, and listens; and those that never listen.
    let mut greedy = log_in(&party, &ada).await;
    assert!(greedy.say("select INBOX").await.end.starts_with("OK"));
    let greedy = tokio::spawn(async move {
        loop {
            let heard = greedy.say("SEARCH NOT TEXT \"nothing like it\"").await;
            assert!(heard.end.starts_with("OK"), "{heard:?}");
        }
    });
    let mut deaf = Vec::new();
    for _ in 0..10 {
        let mut imap = log_in(&party, &ada).await;
        assert!(imap.say("select INBOX").await.end.starts_with("OK"));
        for _ in 0..50 {
            imap.begin("SEARCH NOT TEXT \"nothing like it\"").await;
            imap.begin("FETCH 1:* BODY.PEEK[]").await;
        }
        deaf.push(imap);
    }
    for _ in 0..3 {
        let took = served(&party, ben).await + searched(&party, ben).await;
        assert!(took < at_most(quiet), "{took:?}");
    }
    assert!(!greedy.is_finished(), "who reads is answered all the time");
    greedy.abort();
    let more = peak(&party).saturating_sub(before);
    println!("{} KiB more in memory than before", more / 1024);
    assert!(more < 64 << 20, "{more} bytes more");
    drop((half_open, strangers, deaf));
    served(&party, ben).await;
}
