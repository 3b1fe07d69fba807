//! A client that means harm: memory stays bounded, others are served, and it's told clearly.

use std::time::{Duration, Instant};

use hustings::daemon::sandbox::stage::Person;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::imap::{Imap, mail};
use crate::support::party::Spawned;

/// The IMAP door among [`Spawned::ports`].
const DOOR: usize = 5;

/// What the daemon holds in memory, in bytes.
fn held(party: &Spawned) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", party.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
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
    served(&party, &ada).await;
    let before = held(&party);
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
    served(&party, &ada).await;

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
    let heard = imap
        .say(&format!("FETCH {} FLAGS", vec!["1"; 40_000].join(",")))
        .await;
    assert!(
        heard.end.starts_with("OK") || heard.end.starts_with("BAD"),
        "{heard:?}"
    );
    imap.send(&[b"b NOOP ".as_slice(), &[b'x'; 1 << 20]].concat())
        .await;
    let last = imap.last_words().await;
    assert!(
        last.contains("b BAD [TOOBIG]") && last.contains("* BYE"),
        "{last}"
    );

    // Those that search for everything, and never listen, over and over.
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
        let took = served(&party, &ada).await;
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    let more = held(&party).saturating_sub(before);
    println!("{} KiB more in memory than before", more / 1024);
    assert!(more < 64 << 20, "{more} bytes more");
    drop((half_open, strangers, deaf));
    served(&party, &ada).await;
}
