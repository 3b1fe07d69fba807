//! The real binary is killed without warning, again and again, while a mailing goes out and people withdraw: it completes by
//! itself, everybody who is still there has one copy, what came twice was in flight at a kill, and nobody who was told "done"
//! gets one afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::chance::{Chance, kills, until};
use crate::support::outside::{Act, At, OutsideMta};
use crate::support::party::Spawned;
use crate::support::seed::Crowd;
use hustings::address::EmailAddress;
use hustings::control::api::mailing::{Approve, List, Preview};
use hustings::daemon::sandbox::browser::Browser;
use hustings::daemon::sandbox::inbox::Mail;
use hustings::daemon::sandbox::peer::{Dialogue, Post};
use hustings::daemon::sandbox::stage::{HOST, OFFICE};
use hustings::store::{MailingCounts, MailingState};
use hustings::vault::Vault;

const CROWD: Crowd = Crowd {
    list: "news",
    people: 5_000,
    domains: 50,
};
/// How many withdraw at random moments, and how many between the envelope of their copy and its text.
const LEAVERS: usize = 50;
const RACERS: usize = 10;
/// How long the outside lets a racer's copy wait for its 354.
const HESITATION: Duration = Duration::from_millis(400);
/// How long somebody who withdraws waits before pressing again.
const ANSWER: Duration = Duration::from_secs(5);
/// How long it may take until the next copy comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who withdraws.
#[derive(Clone)]
struct Leaver {
    address: String,
    path: String,
    /// When so many copies have come; none: as soon as their own is on its way.
    after: Option<u64>,
}

fn message() -> String {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    let words = "See you on Friday at the town hall, and bring a friend.\r\n".repeat(20);
    format!(
        "From: {OFFICE}\r\nTo: news@party.example\r\nSubject: On Friday\r\nDate: {date}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n\
         --a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>{words}</p></body></html>\r\n--a--\r\n"
    )
}

/// Ada hands the mailing in and Ben lets it go.
async fn let_go(party: &Spawned) {
    let ada = party.stage.sender().await.unwrap();
    let connecting = Dialogue::connect_secured(party.door(1), party.stage.trust(), HOST);
    let mut dialogue = connecting.await.unwrap().0;
    dialogue.command("EHLO client.example").await.unwrap();
    let answer = dialogue.log_in(ada.name, &ada.password).await.unwrap();
    assert_eq!(answer.code, 235, "{answer}");
    let message = message();
    let post = Post {
        from: &ada.address,
        to: &["news@party.example"],
        message: message.as_bytes(),
    };
    let answer = dialogue.post(post).await.unwrap();
    assert_eq!(answer.code, 250, "{answer}");
    let socket = party.stage.socket();
    let held = socket.ask(List { current: true }).await.unwrap().rows;
    let mailing = held[0].id.to_string();
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
}

/// Chooses who withdraws, and when.
fn leavers(chance: &mut Chance, vault: &Vault) -> Vec<Leaver> {
    let mut chosen = HashSet::new();
    while chosen.len() < LEAVERS + RACERS {
        chosen.insert(chance.below(CROWD.people));
    }
    let mut chosen: Vec<_> = chosen.into_iter().collect();
    chosen.sort_unstable();
    let of = |at: usize, n: usize, chance: &mut Chance| Leaver {
        address: CROWD.address(n),
        path: CROWD.way_out(vault, n),
        // So many copies are sure to come.
        after: (!at.is_multiple_of(6))
            .then(|| u64::try_from(chance.below(CROWD.people - LEAVERS - RACERS)).unwrap()),
    };
    let chosen = chosen.into_iter().enumerate();
    chosen.map(|(at, n)| of(at, n, chance)).collect()
}

/// Presses the mail program's button until the answer is there. Says when that was.
async fn leave(browser: &Browser, path: &str) -> Instant {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let press = browser.post(path, &[("List-Unsubscribe", "One-Click")]);
        // At the moment of a kill the kernel may tell nobody that the other end is gone.
        let pressed = tokio::time::timeout(ANSWER, press).await;
        if pressed.is_ok_and(|page| page.is_ok_and(|page| page.status == 200)) {
            return Instant::now();
        }
        assert!(Instant::now() < deadline, "nobody answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for the moment of a withdrawal, and withdraws. Says when it was done.
async fn leave_in_time(outside: Arc<OutsideMta>, browser: Browser, leaver: Leaver) -> Instant {
    let comes = || match leaver.after {
        Some(after) => outside.counters().messages() >= after,
        None => seen(&outside, &leaver.address).is_some(),
    };
    until("a withdrawal's moment", 10 * PATIENCE, comes).await;
    leave(&browser, &leaver.path).await
}

/// When the last DATA for an address came.
fn seen(outside: &OutsideMta, address: &str) -> Option<Instant> {
    let data = outside.times_of(At::Data, address);
    data.last().copied()
}

/// How the killing went.
struct Killed {
    /// Connections that were open at the kills.
    open: u64,
    /// How long the starts took.
    starts: Vec<Duration>,
}

async fn kill_often(
    party: &mut Spawned,
    outside: &OutsideMta,
    moments: &[usize],
    chance: &mut Chance,
) -> Killed {
    let mut killed = Killed {
        open: 0,
        starts: Vec::new(),
    };
    for moment in moments {
        let moment = u64::try_from(*moment).unwrap();
        until("copies come", PATIENCE, || {
            outside.counters().messages() >= moment
        })
        .await;
        tokio::time::sleep(chance.up_to(Duration::from_millis(20))).await;
        kill(party, outside, &mut killed);
        if chance.below(5) == 0 {
            // Once more, while it starts.
            party.launch(&[]);
            tokio::time::sleep(chance.up_to(Duration::from_millis(300))).await;
            kill(party, outside, &mut killed);
        }
        let start = Instant::now();
        party.run(&[]).await;
        killed.starts.push(start.elapsed());
    }
    killed.starts.sort();
    killed
}

fn kill(party: &mut Spawned, outside: &OutsideMta, killed: &mut Killed) {
    let counters = outside.counters();
    let (open, before) = (counters.open(), counters.connections());
    party.kill();
    // Also those that came between the look and the kill.
    killed.open += open + (counters.connections() - before);
}

/// What the store says of the mailing in the end. Who withdrew is in it no more.
async fn ended(party: &Spawned, leavers: &[Leaver]) -> (MailingState, MailingCounts) {
    let store = party.store().await;
    for Leaver { address, .. } in leavers {
        let form = EmailAddress::parse(address).unwrap().match_form();
        let found = store.subscriber(&form).await.unwrap();
        assert!(found.is_none(), "{address} withdrew and is still there");
    }
    let mailings = store.mailings().await.unwrap();
    assert_eq!(mailings.len(), 1);
    store.close().await;
    let record = &mailings[0].record;
    (record.state, record.counts.clone().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_completes_with_one_copy_each_however_often_it_is_killed() {
    let (mut chance, kills) = (Chance::from_environment(), kills(20));
    let sink = OutsideMta::sink(64 << 10).await;
    let mut party = Spawned::set_before(sink, |_| ()).await;
    let store = party.store().await;
    CROWD.seed(&store, party.stage.config().clone()).await;
    let leavers = leavers(&mut chance, store.vault());
    store.close().await;
    let outside = party.outside.clone();
    outside.note_times();
    for racer in leavers.iter().filter(|leaver| leaver.after.is_none()) {
        outside.for_address(At::Data, &racer.address, Act::Wait(HESITATION));
    }
    party.run(&[]).await;
    let_go(&party).await;
    let began = Instant::now();
    let browser = Browser::secured(party.door(3), HOST, party.stage.trust().clone());
    let leaving: Vec<_> = leavers
        .iter()
        .map(|leaver| {
            let leaving = leave_in_time(outside.clone(), browser.clone(), leaver.clone());
            tokio::spawn(leaving)
        })
        .collect();
    let moments = chance.spread(kills, CROWD.people * 19 / 20);
    let killed = kill_often(&mut party, &outside, &moments, &mut chance).await;
    let deadline = Instant::now() + 3 * PATIENCE;
    while !party
        .stage
        .socket()
        .ask(List { current: true })
        .await
        .unwrap()
        .rows
        .is_empty()
    {
        assert!(Instant::now() < deadline, "the mailing doesn't end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = began.elapsed();
    let mut done = HashMap::new();
    for (leaver, leaving) in leavers.iter().zip(leaving) {
        done.insert(leaver.address.clone(), leaving.await.unwrap());
    }
    party.verify().await;
    party.kill();

    let mut copies: HashMap<String, Vec<Arc<Mail>>> = HashMap::new();
    for mail in outside.inbox().all() {
        assert_eq!(mail.recipients.len(), 1);
        copies
            .entry(mail.recipients[0].clone())
            .or_default()
            .push(mail);
    }
    let twice: usize = copies.values().map(|mails| mails.len() - 1).sum();
    let spared = done.keys().filter(|who| !copies.contains_key(*who)).count();
    let (state, counts) = ended(&party, &leavers).await;
    println!(
        "{} got a copy, {twice} of them twice, {} connections were open at the kills; {spared} of {} who withdrew got none; \
         {counts:?}; {kills} kills in {took:.1?}; a start takes {:.0?}, at most {:.0?}",
        copies.len(),
        killed.open,
        done.len(),
        killed.starts[killed.starts.len() / 2],
        killed.starts[killed.starts.len() - 1],
    );
    for n in 0..CROWD.people {
        let address = CROWD.address(n);
        let stays = !done.contains_key(&address);
        assert!(
            !stays || copies.contains_key(&address),
            "{address} has no copy"
        );
    }
    assert!(
        u64::try_from(twice).unwrap() <= killed.open,
        "{twice} came twice"
    );
    // The next dot leaves a connection only once the last outcome is on the disk: of each, one copy at most is sent again.
    let mut again: HashMap<u64, usize> = HashMap::new();
    for repeated in copies.values().flat_map(|mails| &mails[..mails.len() - 1]) {
        *again.entry(repeated.connection).or_default() += 1;
    }
    let most = again.values().copied().max().unwrap_or(0);
    assert!(most <= 1, "{most} copies of one connection came twice");
    for (address, mails) in &copies {
        let same = mails
            .iter()
            .all(|mail| mail.message() == mails[0].message());
        assert!(same, "a repeat to {address} is another text");
        let Some(done) = done.get(address) else {
            continue;
        };
        // The text leaves after the 354, for which a racer's copy waits.
        let racer = leavers
            .iter()
            .any(|one| one.address == *address && one.after.is_none());
        let wait = if racer { HESITATION } else { Duration::ZERO };
        for dot in outside.times_of(At::Dot, address) {
            let data = outside.times_of(At::Data, address);
            let data = data.iter().rfind(|data| **data <= dot).unwrap();
            assert!(
                *data + wait <= *done,
                "{address} got a copy after the page said done"
            );
        }
    }
    assert_eq!(state, MailingState::Done);
    assert_eq!((counts.failed, counts.cancelled), (0, 0));
    // Who withdrew before the mailing came to them stands in no count; whose copy had arrived when its outcome was lost in a
    // kill, and who withdrew then, stands among the withdrawn.
    let [people, got, spared] = [CROWD.people, copies.len(), spared].map(|n| n as u64);
    assert!(counts.sent <= got && got <= counts.sent + counts.withdrawn);
    assert!(people - spared <= counts.sent + counts.withdrawn);
    assert!(counts.sent + counts.withdrawn <= people);
}
