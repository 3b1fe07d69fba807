//! The real binary is killed without warning, again and again, while mail comes in: what was answered 250 is in the store
//! afterwards, once.
//!
//! A mail is tried once. If its connection dies before the reply, nobody knows what became of it: its number is never used
//! again, and it may be there once or not at all. So every number that was answered must be there exactly once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::chance::{Chance, kills, until};
use crate::support::party::Spawned;
use hustings::daemon::sandbox::peer::{Dialogue, Post, Trust};
use hustings::daemon::sandbox::stage::HOST;
use tokio::time::timeout;

const MAILS: usize = 2_000;
const SENDERS: usize = 20;
/// The most mails that a sender brings over one connection.
const EACH: usize = 40;
/// How long a sender waits for a connection: at the moment of a kill the kernel may tell a client that it is connected, and
/// nobody that the other end is gone.
const GREETING: Duration = Duration::from_secs(15);
/// How long it may take until the next mail is answered.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the senders know.
#[derive(Default)]
struct Known {
    numbers: AtomicUsize,
    answered: AtomicUsize,
    kept: Mutex<Vec<usize>>,
    unknown: Mutex<Vec<usize>>,
    refused: Mutex<Vec<(usize, String)>>,
}

/// A mail that can be told from all others, of 2 to 10 KB; every fortieth is larger than what is stored at once.
fn mail(number: usize, chance: &mut Chance) -> Vec<u8> {
    let lines = match number % 40 {
        0 => 3_000,
        _ => 25 + chance.below(100),
    };
    let mut mail = format!(
        "From: stranger@elsewhere.example\r\nTo: ada@party.example\r\nSubject: a question\r\n\
         Message-ID: <number.{number}@elsewhere.example>\r\n\r\n"
    );
    for line in 0..lines {
        mail += &format!(
            "{number}, line {line}: is the meeting on Friday still on? We would all come, I think.\r\n"
        );
    }
    (mail + "the end\r\n").into()
}

fn number(mail: &[u8]) -> usize {
    let text = std::str::from_utf8(mail).unwrap();
    let rest = text.split_once("Message-ID: <number.").expect("a number").1;
    assert!(text.ends_with("the end\r\n"), "it is whole");
    rest.split_once('@').unwrap().0.parse().unwrap()
}

/// Brings mails until its share is answered 250.
async fn send(door: SocketAddr, trust: Trust, known: Arc<Known>, mut chance: Chance) {
    let mut left = MAILS / SENDERS;
    while left > 0 {
        let connecting = Dialogue::connect_starttls(door, &trust, HOST);
        let Ok(Ok((mut dialogue, _))) = timeout(GREETING, connecting).await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        for _ in 0..=chance.below(EACH).min(left - 1) {
            let number = known.numbers.fetch_add(1, Ordering::Relaxed);
            let message = mail(number, &mut chance);
            let post = Post {
                from: "stranger@elsewhere.example",
                to: &["ada@party.example"],
                message: &message,
            };
            match dialogue.post(post).await {
                Ok(answer) if answer.code == 250 => {
                    known.kept.lock().unwrap().push(number);
                    known.answered.fetch_add(1, Ordering::Release);
                    left -= 1;
                }
                Ok(answer) => {
                    let mut refused = known.refused.lock().unwrap();
                    refused.push((number, answer.to_string()));
                    break;
                }
                Err(_) => {
                    known.unknown.lock().unwrap().push(number);
                    break;
                }
            }
        }
    }
}

/// How often each number is in the store.
async fn stored(party: &Spawned) -> HashMap<usize, usize> {
    let store = party.store().await;
    let mut counts = HashMap::new();
    for mailbox in store.mailboxes().await.unwrap() {
        for entry in store.entries(mailbox, 1_000_000).await.unwrap() {
            let body = store.body(entry.message).read_whole(1 << 20).await.unwrap();
            *counts.entry(number(&body)).or_default() += 1;
        }
    }
    store.close().await;
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_was_answered_is_there_once_however_often_it_is_killed() {
    let (mut chance, kills) = (Chance::from_environment(), kills(20));
    let mut party = Spawned::set(|_| ()).await;
    party.run(&[]).await;
    party.stage.sender().await.unwrap();
    let (known, began) = (Arc::new(Known::default()), Instant::now());
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let trust = party.stage.trust().clone();
            tokio::spawn(send(party.door(0), trust, known.clone(), chance.fork()))
        })
        .collect();

    let mut starts = Vec::new();
    for moment in chance.spread(kills, MAILS) {
        until("mail is answered", PATIENCE, || {
            known.answered.load(Ordering::Acquire) >= moment
        })
        .await;
        tokio::time::sleep(chance.up_to(Duration::from_millis(20))).await;
        party.kill();
        if chance.below(5) == 0 {
            // Once more, while it starts.
            party.launch(&[]);
            tokio::time::sleep(chance.up_to(Duration::from_millis(300))).await;
            party.kill();
        }
        let start = Instant::now();
        party.run(&[]).await;
        starts.push(start.elapsed());
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let took = began.elapsed();
    party.kill();
    party.run(&[]).await;
    party.verify().await;
    let there = party.kept().await;
    party.kill();

    let counts = stored(&party).await;
    let kept = known.kept.lock().unwrap();
    let unknown = known.unknown.lock().unwrap();
    let refused = known.refused.lock().unwrap();
    let found = unknown.iter().filter(|n| counts.contains_key(n)).count();
    starts.sort();
    println!(
        "{} answered, {} refused, {} unknown of which {found} are there; {kills} kills in {took:.1?}; a start takes {:.0?}, \
         at most {:.0?}",
        kept.len(),
        refused.len(),
        unknown.len(),
        starts[starts.len() / 2],
        starts[starts.len() - 1],
    );
    assert_eq!(*refused, [], "nobody is put off");
    assert_eq!(kept.len(), MAILS);
    let lost: Vec<_> = kept.iter().filter(|n| !counts.contains_key(n)).collect();
    assert_eq!(lost, Vec::<&usize>::new(), "answered 250 and lost");
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert_eq!(twice, [], "there more than once");
    assert_eq!(counts.len(), MAILS + found, "nothing else is there");
    assert_eq!(there, u64::try_from(counts.len()).unwrap());
}
