//! The delivery engine against an outside server that does what servers do.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hustings::address::{Domain, EmailAddress};
use hustings::clock::Clock;
use hustings::config::Config;
use hustings::daemon::sandbox::inbox::{Inbox, InboxLimits};
use hustings::daemon::sandbox::outside::{Manners, Outside};
use hustings::daemon::settings::Settings;
use hustings::delivery::classify::{Cause, Fault};
use hustings::delivery::destination::Limits;
use hustings::delivery::engine::{Bell, Engine, EngineSettings, Network};
use hustings::delivery::parcel::Source;
use hustings::delivery::policy::Planner;
use hustings::delivery::queue::{AlwaysWanted, MailQueue, QueueSettings, queue_service_mail};
use hustings::delivery::route::{Ourselves, Reach, Router, StaticRoutes};
use hustings::delivery::schedule::Schedule;
use hustings::delivery::signing::{Selectors, Signing};
use hustings::dns::{Resolver, ResolverSettings};
use hustings::smtp::client::{Dialer, HelloName, SessionLimits, Timeouts, TlsSetup};
use hustings::store::{Change, ChangeOutcome, Files, LockedStore, Store};
use hustings::vault::{KeyRing, Vault};
use jiff::SignedDuration;
use support::memory::Room;
use support::outside::{Act, At, OutsideMta, self_made};
use tokio::net::TcpListener;

fn network(routes: &[(&str, SocketAddr)], each: Duration) -> Network {
    let routes: Vec<_> = routes
        .iter()
        .map(|(domain, to)| (*domain, to.to_string()))
        .collect();
    Network {
        router: Router {
            resolver: Resolver::new(ResolverSettings {
                servers: vec!["127.0.0.1:9".parse().unwrap()],
                ..ResolverSettings::default()
            })
            .unwrap(),
            secure: None,
            routes: StaticRoutes::parse(routes.iter().map(|(k, v)| (*k, v.as_str()))).unwrap(),
            ourselves: Ourselves::default(),
            port: 25,
            reach: Reach::Anywhere,
        },
        dialer: Dialer {
            hello: HelloName::parse("mail.party.example").unwrap(),
            tls: TlsSetup::new(None).unwrap(),
            timeouts: Timeouts::all(each),
            limits: SessionLimits::default(),
            sources: Vec::new(),
        },
        planner: Planner::default(),
    }
}

fn settings(total: usize, each: usize) -> EngineSettings {
    EngineSettings {
        limits: Limits {
            total,
            each,
            jobs_per_slot: 5,
            waiting: 2_000,
            waiting_each: 250,
            ..Limits::default()
        },
        rest: Duration::from_millis(50),
        ..EngineSettings::default()
    }
}

struct Post {
    engine: Engine,
    room: Arc<Room>,
    clock: Clock,
    bell: Bell,
}

/// An engine for this room that sends everything to one place.
fn start(room: &Arc<Room>, to: SocketAddr, settings: EngineSettings) -> Post {
    start_with(
        room,
        network(&[("*", to)], Duration::from_secs(20)),
        settings,
    )
}

fn start_with(room: &Arc<Room>, network: Network, settings: EngineSettings) -> Post {
    let (clock, bell) = (Clock::movable(), Bell::new());
    let sources: Vec<Arc<dyn Source>> = vec![room.clone()];
    Post {
        engine: Engine::start(sources, network, clock.clone(), settings, bell.clone()),
        room: room.clone(),
        clock,
        bell,
    }
}

/// How often each recipient got a mail.
fn received(outside: &Outside) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mail in outside.inbox().all() {
        for to in &mail.recipients {
            *counts.entry(to.clone()).or_default() += 1;
        }
    }
    counts
}

async fn hasty_world() -> (OutsideMta, Arc<Room>, Post) {
    let (outside, room) = (OutsideMta::start().await, Room::new(200));
    let network = network(&[("*", outside.address())], Duration::from_secs(1));
    let post = start_with(&room, network, settings(4, 1));
    (outside, room, post)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_parcels_to_twenty_destinations_arrive_once_each() {
    let (outside, room) = (OutsideMta::start().await, Room::new(2_000));
    for n in 0..1_000 {
        room.post(&format!("r{n}@d{}.example", n % 20));
    }
    let post = start(&room, outside.address(), settings(10, 2));
    room.all_settled().await;
    let counts = received(&outside);
    assert_eq!(counts.len(), 1_000);
    assert!(counts.values().all(|count| *count == 1));
    assert!(
        room.rows()
            .iter()
            .all(|row| row.delivered() == 1 && row.loads == 1)
    );
    let connections = outside.counters().connections();
    assert!(
        connections <= 60,
        "{connections} connections for 20 destinations"
    );
    let status = post.engine.status();
    assert_eq!(
        (status.delivered, status.failed, status.unsettled),
        (1_000, 0, 0)
    );
    assert!(post.engine.stop(Duration::from_secs(5)).await);
    assert_eq!(outside.counters().plaintext(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_later_goes_out_over_the_parked_connection() {
    let (outside, room) = (OutsideMta::start().await, Room::new(200));
    let post = start(&room, outside.address(), settings(4, 2));
    for n in 0..5 {
        room.post(&format!("r{n}@one.example"));
        post.bell.wake();
        room.all_settled().await;
    }
    assert_eq!(outside.counters().connections(), 1);
    assert_eq!(outside.inbox().count(), 5);
    assert_eq!(post.engine.status().parked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_connection_that_the_server_closed_costs_nobody_an_attempt() {
    let (outside, room) = (OutsideMta::start().await, Room::new(200));
    let post = start(&room, outside.address(), settings(4, 1));
    room.post("a@one.example");
    post.bell.wake();
    room.all_settled().await;
    // It answers the next MAIL with an end, once.
    outside.next(1, At::Mail, Act::Close);
    room.post("b@one.example");
    post.bell.wake();
    room.all_settled().await;
    let row = room.row("b@one.example");
    assert_eq!((row.delivered(), row.fates.len(), row.loads), (1, 1, 1));
    assert_eq!(outside.counters().connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_is_one_persons_matter() {
    let (outside, room, post) = hasty_world().await;
    let refuse =
        |to, line: &str| outside.for_address(At::Recipient, to, Act::Reply(line.to_owned()));
    refuse(
        "dead@one.example",
        "550 5.1.1 <dead@one.example> no such user",
    );
    refuse("full@one.example", "452 4.2.2 mailbox full");
    refuse(
        "grey@one.example",
        "450 4.7.1 greylisted, come back in 5 minutes",
    );
    for to in ["a", "dead", "b", "full", "c", "grey", "d"] {
        room.post(&format!("{to}@one.example"));
    }
    post.bell.wake();
    room.all_settled().await;
    assert_eq!(
        room.row("dead@one.example").failure(),
        Some((Cause::AddressDead, true))
    );
    assert_eq!(
        room.row("full@one.example").failure(),
        Some((Cause::AddressBusy, false))
    );
    assert!(matches!(
        room.row("grey@one.example").failure(),
        Some((_, false))
    ));
    assert_eq!(outside.inbox().count(), 4);
    assert_eq!(outside.counters().connections(), 1);
    // An hour later the greylisted one and the full one come again.
    outside.behave();
    post.clock.advance(SignedDuration::from_mins(61)).unwrap();
    room.until(|rows| rows.iter().filter(|row| row.delivered() == 1).count() == 6)
        .await;
    assert_eq!(room.row("dead@one.example").loads, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_and_a_broken_conversation_have_their_causes() {
    let (outside, room, post) = hasty_world().await;
    let temporary = Some((Cause::Unknown, false));
    let table = [
        (At::Mail, Act::Reply("451 4.3.0 not now".into()), temporary),
        (At::Data, Act::Reply("554 5.6.0 no".into()), None),
        (
            At::Dot,
            Act::Reply("554 5.7.1 this looks like spam".into()),
            None,
        ),
        (
            At::Greeting,
            Act::Reply("554 5.1.1 no such host".into()),
            temporary,
        ),
        (At::Greeting, Act::Stall, temporary),
        (At::Hello, Act::Close, temporary),
        (At::Mail, Act::Stall, temporary),
        (At::Recipient, Act::Close, temporary),
        (At::Data, Act::SayAndClose("garbage\r\n".into()), temporary),
    ];
    for (at, act, expected) in table {
        outside.behave();
        outside.always(at, act.clone());
        let to = format!("{}@{}.example", room.rows().len(), room.rows().len());
        room.post(&to);
        post.bell.wake();
        room.all_settled().await;
        let row = room.row(&to);
        let failure = row.failure();
        assert!(failure.is_some(), "{at:?} {act:?}: {:?}", row.fates);
        if expected.is_some() {
            assert_eq!(failure, expected, "{at:?} {act:?}");
        } else {
            assert!(failure.unwrap().1, "{at:?} {act:?} is for good");
        }
        assert_eq!(row.fates.len(), 1);
    }
    assert_eq!(outside.inbox().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_to_the_final_dot_is_doubt() {
    let (outside, room, post) = hasty_world().await;
    for (n, (at, act, kept)) in [
        (At::Dot, Act::Close, 0),
        (At::Kept, Act::Close, 1),
        (At::Kept, Act::Stall, 2),
    ]
    .into_iter()
    .enumerate()
    {
        outside.behave();
        outside.always(at, act);
        let to = format!("{n}@d{n}.example");
        room.post(&to);
        post.bell.wake();
        room.all_settled().await;
        assert!(room.row(&to).is_unknown(), "{:?}", room.row(&to).fates);
        assert_eq!(outside.inbox().count(), kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tls_is_a_cause_of_its_own_and_all_who_wait_share_it() {
    let (outside, room, post) = hasty_world().await;
    for (n, act) in [None, Some(Act::Stall), Some(Act::Close)]
        .into_iter()
        .enumerate()
    {
        outside.behave();
        match act {
            None => outside.without_starttls(),
            Some(act) => outside.always(At::Handshake, act),
        }
        let before = outside.counters().connections();
        for k in 0..100 {
            room.post(&format!("r{k}@d{n}.example"));
        }
        post.bell.wake();
        room.all_settled().await;
        let tried = outside.counters().connections() - before;
        assert_eq!(tried, 1, "one attempt speaks for all who wait");
    }
    for row in room.rows() {
        assert_eq!(row.failure(), Some((Cause::NoTls, false)));
    }
    assert_eq!(
        (outside.counters().plaintext(), outside.inbox().count()),
        (0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_a_large_message_whole() {
    let (outside, room) = (OutsideMta::start().await, Room::new(3 << 20));
    outside.always(At::Read, Act::Wait(Duration::from_millis(1)));
    let _post = start(&room, outside.address(), settings(4, 2));
    room.post("a@one.example");
    room.post("b@one.example");
    _post.bell.wake();
    room.all_settled().await;
    assert_eq!(outside.inbox().count(), 2);
    assert!(
        outside
            .inbox()
            .all()
            .iter()
            .all(|mail| mail.message().len() > 3_000_000)
    );
}

/// Takes two connections, turns the others away.
struct TwoAtATime(AtomicUsize);

impl Manners for TwoAtATime {
    fn at(&self, at: At, _: &str) -> Act {
        if at == At::Greeting && self.0.fetch_add(1, Ordering::SeqCst) >= 2 {
            return Act::SayAndClose("421 4.7.0 too many connections\r\n".into());
        }
        Act::GoOn
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_fails_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outside = Outside::start(
        listener,
        self_made("outside.example").0,
        Inbox::new(InboxLimits::default()),
        Clock::movable(),
        TwoAtATime(AtomicUsize::new(0)),
    )
    .unwrap();
    let room = Room::new(500);
    for n in 0..200 {
        room.post(&format!("r{n}@one.example"));
    }
    room.slow_disk.store(2_000, Ordering::SeqCst);
    let _post = start(&room, outside.address(), settings(8, 4));
    room.until(|rows| rows.iter().all(|row| row.delivered() == 1))
        .await;
    assert!(room.rows().iter().all(|row| row.failure().is_none()));
    assert!(received(&outside).values().all(|count| *count == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_destination_holds_up_no_live_one() {
    let (outside, dead) = (OutsideMta::start().await, OutsideMta::start().await);
    dead.always(At::Greeting, Act::Stall);
    let room = Room::new(500);
    for n in 0..3_000 {
        room.post(&format!("r{n}@dead.example"));
    }
    for n in 0..300 {
        room.post(&format!("r{n}@live.example"));
    }
    let routes = [("dead.example", dead.address()), ("*", outside.address())];
    let network = network(&routes, Duration::from_secs(30));
    let _post = start_with(&room, network, settings(4, 4));
    room.until(|rows| rows.iter().filter(|row| row.delivered() == 1).count() == 300)
        .await;
    assert_eq!(outside.inbox().count(), 300);
    assert!(dead.counters().connections() <= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_heeded_by_all_who_wait() {
    let (outside, room, post) = hasty_world().await;
    outside.refuse(At::Mail, "421 4.7.28 unusual rate of mail, slow down");
    for n in 0..100 {
        room.post(&format!("r{n}@one.example"));
    }
    post.bell.wake();
    room.all_settled().await;
    for row in room.rows() {
        assert_eq!(row.failure(), Some((Cause::OurFault(Fault::Rate), false)));
    }
    assert_eq!(outside.counters().connections(), 1);
    outside.behave();
    room.post("other@two.example");
    room.post("same@one.example");
    post.bell.wake();
    room.until(|_| !outside.inbox().to("other@two.example").is_empty())
        .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(
        room.row("same@one.example").fates.is_empty(),
        "it is left alone for ten minutes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_dot_waits_for_the_last_outcome() {
    for connections in [1, 3] {
        let (outside, room) = (OutsideMta::start().await, Room::new(1_000));
        room.slow_disk.store(3_000, Ordering::SeqCst);
        for n in 0..300 {
            room.post(&format!("r{n}@one.example"));
        }
        let _post = start(&room, outside.address(), settings(connections, connections));
        let watch = async {
            loop {
                // A message that the outside has kept, and whose outcome isn't durable: at most one for each connection.
                let durable = room
                    .rows()
                    .iter()
                    .map(support::memory::Row::delivered)
                    .sum::<usize>();
                let kept = usize::try_from(outside.counters().messages()).unwrap();
                // `durable` was read first: what was settled since can only make this smaller than the truth.
                assert!(
                    kept <= durable + 2 * connections + 3,
                    "{kept} kept, {durable} durable"
                );
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = room.all_settled() => {}
            () = watch => {}
        }
        let most = room.most_in_doubt.load(Ordering::SeqCst);
        assert_eq!(
            usize::try_from(most).unwrap(),
            connections,
            "permissions without a durable outcome"
        );
        assert_eq!(outside.inbox().count(), 300);
        assert!(outside.counters().connections() <= connections as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_clearance_nothing_leaves() {
    let (outside, room) = (OutsideMta::start().await, Room::new(40_000));
    room.withdrawn
        .lock()
        .unwrap()
        .extend(["r3@one.example".into(), "r7@one.example".into()]);
    for n in 0..20 {
        room.post(&format!("r{n}@one.example"));
    }
    let _post = start(&room, outside.address(), settings(2, 1));
    room.until(|rows| rows.iter().filter(|row| row.delivered() == 1).count() == 18)
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let counts = received(&outside);
    assert!(!counts.contains_key("r3@one.example") && !counts.contains_key("r7@one.example"));
    assert_eq!(counts.values().sum::<usize>(), 18);
    assert!(
        room.row("r3@one.example").fates.is_empty(),
        "what was called back isn't settled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clearance_that_is_taken_back_closes_the_connection_without_the_dot() {
    let (outside, room) = (OutsideMta::start().await, Room::new(40_000));
    room.withdraws_at_the_dot
        .lock()
        .unwrap()
        .push("r5@one.example".into());
    for n in 0..20 {
        room.post(&format!("r{n}@one.example"));
    }
    let _post = start(&room, outside.address(), settings(1, 1));
    room.until(|rows| rows.iter().filter(|row| row.delivered() == 1).count() == 19)
        .await;
    let counts = received(&outside);
    assert!(!counts.contains_key("r5@one.example"));
    assert!(room.row("r5@one.example").fates.is_empty());
    assert!(
        outside.counters().connections() >= 2,
        "the one that was open at the withdrawal is gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_store_stops_every_dot_until_it_is_well() {
    let (outside, room) = (OutsideMta::start().await, Room::new(1_000));
    room.slow_disk.store(1_000, Ordering::SeqCst);
    for n in 0..400 {
        room.post(&format!("r{n}@d{}.example", n % 4));
    }
    let post = start(&room, outside.address(), settings(4, 1));
    room.until(|rows| rows.iter().filter(|row| row.delivered() == 1).count() > 40)
        .await;
    room.sick.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (kept, durable) = (
        outside.inbox().count(),
        room.rows()
            .iter()
            .filter(|row| row.delivered() == 1)
            .count() as u64,
    );
    assert!(kept <= durable + 4, "{kept} kept, {durable} durable");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(
        outside.inbox().count(),
        kept,
        "nothing leaves while the store is sick"
    );
    assert!(post.engine.status().unsettled > 0);
    room.sick.store(false, Ordering::SeqCst);
    room.until(|rows| rows.iter().all(|row| row.delivered() == 1))
        .await;
    assert!(
        received(&outside).values().all(|count| *count == 1),
        "nobody gets two"
    );
    assert_eq!(post.engine.status().unsettled, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_room_is_asked_again() {
    let (outside, room) = (OutsideMta::start().await, Room::new(1_000));
    room.paused.store(true, Ordering::SeqCst);
    room.post("a@one.example");
    let _post = start(&room, outside.address(), settings(4, 1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(outside.counters().connections(), 0);
    room.paused.store(false, Ordering::SeqCst);
    room.all_settled().await;
    assert_eq!(outside.inbox().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_writes_down_what_left_and_begins_nothing() {
    let (outside, room) = (OutsideMta::start().await, Room::new(1_000));
    room.slow_disk.store(5_000, Ordering::SeqCst);
    outside.always(At::Dot, Act::Wait(Duration::from_millis(20)));
    for n in 0..500 {
        room.post(&format!("r{n}@d{}.example", n % 5));
    }
    let post = start(&room, outside.address(), settings(5, 1));
    room.until(|rows| rows.iter().filter(|row| row.delivered() == 1).count() > 30)
        .await;
    assert!(post.engine.stop(Duration::from_secs(5)).await);
    let durable = post
        .room
        .rows()
        .iter()
        .filter(|row| row.delivered() == 1)
        .count() as u64;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        outside.inbox().count(),
        durable,
        "each dot that left has its outcome on record"
    );
    assert!(durable < 500);
    assert!(
        post.room
            .rows()
            .iter()
            .all(|row| row.failure().is_none() && !row.is_unknown())
    );
    // A stalled far end does not keep it from stopping.
    outside.behave();
    outside.always(At::Dot, Act::Stall);
    let post = start(&room, outside.address(), settings(5, 1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = std::time::Instant::now();
    assert!(!post.engine.stop(Duration::from_millis(500)).await);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_each_copy_arrives_and_few_arrive_twice() {
    let (outside, room) = (OutsideMta::start().await, Room::new(2_000));
    room.slow_disk.store(2_000, Ordering::SeqCst);
    for n in 0..1_500 {
        room.post(&format!("r{n}@d{}.example", n % 7));
    }
    let (connections, mut kills) = (6, 0);
    let mut lot = 12_345_u64;
    while room.rows().iter().any(|row| row.delivered() == 0) {
        let post = start(&room, outside.address(), settings(connections, 2));
        lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let life = Duration::from_millis(30 + (lot >> 33) % 250);
        tokio::time::sleep(life).await;
        drop(post);
        kills += 1;
        // Let what was cut off arrive or not before the next life begins.
        while outside.counters().open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(kills < 300, "it never ends");
    }
    let counts = received(&outside);
    assert_eq!(counts.len(), 1_500, "each copy was delivered");
    let twice: usize = counts.values().map(|count| count - 1).sum();
    assert!(
        twice <= kills * connections,
        "{twice} duplicates over {kills} kills"
    );
    eprintln!("{kills} kills, {twice} duplicates");
}

async fn store(directory: &std::path::Path, vault: &Vault) -> Store {
    let locked = LockedStore::open(Files::in_directory(directory))
        .await
        .unwrap();
    locked.unlock(vault.clone(), 4 << 20).await.unwrap()
}

async fn queue(store: &Store, clock: &Clock) -> MailQueue {
    let selectors = Selectors {
        rsa: "r1".into(),
        ed25519: "e1".into(),
    };
    let domains = [Domain::parse("party.example").unwrap()];
    let signing = Signing::open(store, &domains, &selectors, clock.now())
        .await
        .unwrap();
    let party = Settings::new(Config::example(), jiff::civil::date(2026, 11, 1)).unwrap();
    let settings = QueueSettings {
        schedule: Schedule::default(),
        host: "mail.party.example".into(),
        postmaster: EmailAddress::parse("postmaster@party.example").unwrap(),
        templates: party.templates,
    };
    MailQueue::new(
        store.clone(),
        clock.clone(),
        Some(Arc::new(signing)),
        Arc::new(AlwaysWanted),
        settings,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_on_disk_outlives_kills_and_goes_out_signed() {
    let (outside, directory) = (OutsideMta::start().await, tempfile::tempdir().unwrap());
    let (vault, clock) = (Vault::from_ring(KeyRing::generate()), Clock::movable());
    let mut store = store(directory.path(), &vault).await;
    for n in 0..120 {
        let to = EmailAddress::parse(&format!("r{n}@d{}.example", n % 3)).unwrap();
        let mail = format!("From: p@party.example\r\nTo: {to}\r\n\r\n.hello\r\n");
        let schedule = Schedule::default();
        let steps = queue_service_mail(
            &vault,
            &schedule,
            "welcome",
            &to,
            mail.as_bytes(),
            clock.now(),
        );
        let changed = store.change(Change::new().then_all(steps)).await.unwrap();
        assert_eq!(changed, ChangeOutcome::Done);
    }
    let mut kills = 0;
    while store.next_mail().await.unwrap().is_some() {
        let sources: Vec<Arc<dyn Source>> = vec![Arc::new(queue(&store, &clock).await)];
        let network = network(&[("*", outside.address())], Duration::from_secs(20));
        let engine = Engine::start(sources, network, clock.clone(), settings(3, 1), Bell::new());
        tokio::time::sleep(Duration::from_millis(40 + 35 * (kills % 7))).await;
        drop(engine);
        store.close().await;
        kills += 1;
        assert!(kills < 200, "it never ends");
        // What had begun is due again later.
        clock.advance(SignedDuration::from_mins(20)).unwrap();
        store = self::store(directory.path(), &vault).await;
    }
    let counts = received(&outside);
    assert_eq!(counts.len(), 120);
    let twice: usize = counts.values().map(|count| count - 1).sum();
    assert!(
        twice as u64 <= kills * 3,
        "{twice} duplicates over {kills} kills"
    );
    for mail in outside.inbox().all() {
        let text = String::from_utf8(mail.message()).unwrap();
        assert!(
            text.starts_with("DKIM-Signature: v=1; a=rsa-sha256;"),
            "{text}"
        );
        assert_eq!(text.matches("DKIM-Signature:").count(), 2);
        assert!(text.ends_with("\r\n\r\n.hello\r\n"));
    }
}
