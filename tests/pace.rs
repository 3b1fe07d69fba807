//! What a provider gets at a time: domains whose mail servers are the same are counted, paused and warmed up as one.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hustings::clock::Clock;
use hustings::delivery::destination::Limits;
use hustings::delivery::engine::{Bell, Engine, EngineSettings, Network};
use hustings::delivery::pace::{OwnPace, Pace, PaceBook, PaceSettings, Provider};
use hustings::delivery::parcel::Source;
use hustings::delivery::policy::Planner;
use hustings::delivery::route::{Ourselves, Reach, Router, StaticRoutes};
use hustings::dns::{Resolver, ResolverSettings};
use hustings::smtp::client::{Dialer, HelloName, SessionLimits, Timeouts, TlsSetup};
use hustings::store::{Files, LockedStore};
use hustings::vault::{KeyRing, Vault};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use support::memory::{Room, Row};
use support::outside::{Act, At, OutsideMta};
use support::zone::Zone;

const SERVER: &str = "mx.provider.test";

/// Some domains of one provider, and one of another.
struct World {
    zone: Zone,
    outside: OutsideMta,
    room: Arc<Room>,
    clock: Clock,
    network: Box<dyn Fn() -> Network>,
}

impl World {
    async fn new() -> Self {
        let (zone, outside) = (Zone::start().await, OutsideMta::start().await);
        for domain in ["one.test", "two.test", "three.test"] {
            zone.mx(domain, 10, SERVER).await;
        }
        zone.mx("elsewhere.test", 10, "mx.elsewhere.test").await;
        for host in [SERVER, "mx.elsewhere.test"] {
            zone.address_of(host, "127.0.0.1").await;
        }
        let (dns, port) = (zone.address(), outside.address().port());
        let network = move || Network {
            router: Router {
                resolver: Resolver::new(ResolverSettings {
                    servers: vec![dns],
                    ..ResolverSettings::default()
                })
                .unwrap(),
                secure: None,
                routes: StaticRoutes::default(),
                ourselves: Ourselves::default(),
                port,
                reach: Reach::Anywhere,
            },
            dialer: Dialer {
                hello: HelloName::parse("mail.party.example").unwrap(),
                tls: TlsSetup::new(None).unwrap(),
                timeouts: Timeouts::all(Duration::from_secs(20)),
                limits: SessionLimits::default(),
                sources: Vec::new(),
            },
            planner: Planner::default(),
        };
        let room = Room::new(200);
        room.bulk.store(true, Ordering::SeqCst);
        Self {
            zone,
            outside,
            room,
            clock: Clock::movable(),
            network: Box::new(network),
        }
    }

    fn start(&self, pace: PaceBook) -> (Engine, Bell) {
        let bell = Bell::new();
        let settings = EngineSettings {
            limits: Limits {
                each: 4,
                jobs_per_slot: 1,
                waiting: 2_000,
                waiting_each: 250,
                ..Limits::default()
            },
            rest: Duration::from_millis(50),
            pace,
            ..EngineSettings::default()
        };
        let sources: Vec<Arc<dyn Source>> = vec![self.room.clone()];
        let network = (self.network)();
        let engine = Engine::start(sources, network, self.clock.clone(), settings, bell.clone());
        (engine, bell)
    }

    /// The beginning of the next day.
    fn tomorrow(&self) -> Timestamp {
        let day = self.clock.now().to_zoned(TimeZone::UTC).date();
        let next = day.tomorrow().unwrap().to_zoned(TimeZone::UTC);
        next.unwrap().timestamp()
    }

    /// The clock stands at ten in the morning, so that no day ends meanwhile.
    fn at_ten(&self) {
        let ten = self.tomorrow() + SignedDuration::from_hours(10);
        let by = ten.duration_since(self.clock.now());
        self.clock.advance(by).unwrap();
    }
}

fn warming(first_day: u32) -> PaceSettings {
    PaceSettings {
        usual: Pace {
            first_day,
            ..Pace::default()
        },
        by: Vec::new(),
    }
}

fn delivered(rows: &[Row]) -> usize {
    rows.iter().map(Row::delivered).sum()
}

/// Delivered, or put off until this or later.
fn is_over(row: &Row, until: Timestamp) -> bool {
    row.delivered() == 1 || row.due.is_some_and(|due| due >= until)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_sends_a_provider_its_share_and_the_rest_on_other_days() {
    let world = World::new().await;
    world.at_ten();
    for n in 0..60 {
        let domain = ["one.test", "two.test", "three.test"][n % 3];
        world.room.post(&format!("r{n}@{domain}"));
    }
    let directory = tempfile::tempdir().unwrap();
    let store = LockedStore::open(Files::in_directory(directory.path()));
    let store = store
        .await
        .unwrap()
        .unlock(Vault::from_ring(KeyRing::generate()), 1 << 20);
    let store = store.await.unwrap();
    let book = PaceBook::load(&store, warming(20)).await;
    let (engine, bell) = world.start(book);
    // Nearly midnight: what is put off is due then, but for the moment that the counting took.
    let midnight = world.tomorrow() - SignedDuration::from_secs(5);
    let room = &world.room;
    room.until(|rows| rows.iter().all(|row| is_over(row, midnight)))
        .await;
    let rows = room.rows();
    // The first of each domain was on its way before anybody knew whose servers they were; and what gave way to others may
    // have been put off with the rest.
    let sent = delivered(&rows);
    assert!((12..=23).contains(&sent), "{sent}");
    assert!(
        rows.iter().all(|row| row.fates.len() == row.delivered()),
        "no attempt is counted"
    );

    // Letters go on, and so does mail to others.
    room.post("letter@one.test");
    room.post("r@elsewhere.test");
    bell.wake();
    room.until(|rows| rows[60..].iter().all(|row| row.delivered() == 1))
        .await;
    assert!(delivered(&room.rows()) - 2 <= 23);

    // A restart doesn't begin the day again.
    let view = engine.view();
    let spent = |status: &hustings::delivery::engine::PaceStatus| status.allowed_today == Some(20);
    assert!(view.paces().iter().any(spent), "{:?}", view.paces());
    assert!(engine.stop(Duration::from_secs(60)).await);
    for n in 0..5 {
        room.post(&format!("late{n}@two.test"));
    }
    let book = PaceBook::load(&store, warming(20)).await;
    let (engine, bell) = world.start(book);
    room.until(|rows| rows[62..].iter().all(|row| is_over(row, midnight)))
        .await;
    assert!(delivered(&room.rows()) <= 2 + 25);

    // The next day takes twice as many, the ones after that the rest.
    for _ in 0..3 {
        let before = delivered(&room.rows());
        world.clock.advance(SignedDuration::from_hours(24)).unwrap();
        bell.wake();
        let midnight = world.tomorrow() - SignedDuration::from_secs(5);
        room.until(|rows| rows.iter().all(|row| is_over(row, midnight)))
            .await;
        assert!(delivered(&room.rows()) - before <= 43);
    }
    assert_eq!(delivered(&room.rows()), 67);
    assert!(engine.stop(Duration::from_secs(60)).await);
    assert!(world.outside.inbox().all().len() == 67);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_for_which_there_is_no_room_have_a_minute_each() {
    let world = World::new().await;
    world.at_ten();
    let room = &world.room;
    let pace = PaceSettings {
        usual: Pace {
            per_minute: 60,
            ..Pace::default()
        },
        by: Vec::new(),
    };
    room.post("first@one.test");
    let (engine, bell) = world.start(PaceBook::fleeting(pace));
    room.until(|rows| delivered(rows) == 1).await;
    for n in 0..400 {
        room.post(&format!("r{n}@one.test"));
    }
    let now = world.clock.now();
    bell.wake();
    let put_off = |rows: &[Row]| -> Vec<Timestamp> {
        let dues = rows.iter().filter_map(|row| row.due);
        dues.filter(|due| *due > now).collect()
    };
    // There is room for 250; a few were sent in the first seconds' share.
    room.until(|rows| put_off(rows).len() >= 140).await;
    let mut dues = put_off(&room.rows());
    dues.sort();
    let minutes = |due: &Timestamp| due.duration_since(now).as_secs() / 60;
    assert!(
        dues.first().is_some_and(|due| minutes(due) >= 3),
        "{dues:?}"
    );
    assert!(dues.last().is_some_and(|due| minutes(due) <= 7), "{dues:?}");
    assert!(dues.windows(2).all(|two| two[0] < two[1]), "each its own");
    assert!(engine.stop(Duration::from_secs(60)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_and_not_sent_takes_nothing_of_the_share() {
    let world = World::new().await;
    world.at_ten();
    let room = &world.room;
    room.post("first@one.test");
    let (engine, bell) = world.start(PaceBook::fleeting(warming(5)));
    room.until(|rows| delivered(rows) == 1).await;
    // The mailing is paused: its copies are asked for, and none leaves.
    room.paused.store(true, Ordering::SeqCst);
    for n in 0..20 {
        let domain = ["one.test", "two.test"][n % 2];
        room.post(&format!("r{n}@{domain}"));
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    while room.asked_in_vain.load(Ordering::SeqCst) < 20 {
        assert!(Instant::now() < deadline, "not all are asked for");
        bell.wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    room.paused.store(false, Ordering::SeqCst);
    let midnight = world.tomorrow() - SignedDuration::from_secs(5);
    let deadline = Instant::now() + Duration::from_secs(120);
    while !room.rows().iter().all(|row| is_over(row, midnight)) {
        assert!(Instant::now() < deadline, "some neither go nor wait");
        bell.wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(delivered(&room.rows()), 5);
    assert!(engine.stop(Duration::from_secs(60)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_says_slow_down_speaks_for_all_its_domains() {
    let world = World::new().await;
    world.at_ten();
    let slow = Act::Reply("421 4.7.28 Our system has detected an unusual rate".to_owned());
    world
        .outside
        .for_address(At::Recipient, "first@one.test", slow);
    world.room.post("first@one.test");
    let (engine, bell) = world.start(PaceBook::fleeting(PaceSettings::default()));
    let began = world.clock.now();
    let room = &world.room;
    room.until(|rows| rows[0].failure().is_some()).await;
    // The answer stands in the ledger a moment before it holds the provider up.
    let deadline = Instant::now() + Duration::from_secs(120);
    while !engine
        .view()
        .paces()
        .iter()
        .any(|one| one.paused_until.is_some())
    {
        assert!(Instant::now() < deadline, "no pause");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for n in 0..20 {
        let domain = ["one.test", "two.test"][n % 2];
        room.post(&format!("r{n}@{domain}"));
    }
    // Whose domain it is, is known by those that had mail before; the others find it out, and wait too.
    room.post("letter@two.test");
    room.post("r@elsewhere.test");
    bell.wake();
    let pause = began + SignedDuration::from_mins(9);
    room.until(|rows| {
        rows[1..22]
            .iter()
            .all(|row| row.due.is_some_and(|due| due >= pause))
            && rows[22].delivered() == 1
    })
    .await;
    let status = engine.view().paces();
    let paused = status.iter().find(|status| status.paused_until.is_some());
    let said = paused.unwrap().said.clone().unwrap();
    assert!(
        said.contains("4.7.28") && !said.contains("one.test"),
        "{said}"
    );
    let rows = room.rows();
    assert_eq!(delivered(&rows), 1);
    // It was said of one person's copy, and stands beside nobody else's mail.
    let waits: Vec<_> = rows.iter().filter_map(|row| row.put_off.clone()).collect();
    assert!(!waits.is_empty() && waits.iter().all(|said| !said.contains("4.7.28")));
    drop(engine);

    // A refusal for good is one domain's own.
    let no = Act::Reply("550 5.7.1 blocked by our administrator's rule".to_owned());
    let world = World::new().await;
    world
        .outside
        .for_address(At::Recipient, "first@one.test", no);
    world.room.post("first@one.test");
    world.room.post("other@two.test");
    let (engine, bell) = world.start(PaceBook::fleeting(PaceSettings::default()));
    world.room.until(|rows| rows[0].failure().is_some()).await;
    world.room.post("r@two.test");
    bell.wake();
    world
        .room
        .until(|rows| rows[1..].iter().all(|row| row.delivered() == 1))
        .await;
    assert!(engine.stop(Duration::from_secs(60)).await);
}

/// Each try costs a person their copy: the first refusal of what proves our mail to be ours ends the others' tries for a while.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_believe_our_signatures_is_left_alone() {
    for reply in [
        "550 5.7.515 Access denied, sending domain does not meet the required authentication level",
        "450 4.7.27 Your email has been rate limited because SPF didn't pass",
    ] {
        let world = World::new().await;
        world.at_ten();
        let room = &world.room;
        for n in 0..30 {
            let (domain, no) = (
                ["one.test", "two.test"][n % 2],
                Act::Reply(reply.to_owned()),
            );
            let address = format!("r{n}@{domain}");
            world.outside.for_address(At::Recipient, &address, no);
            room.post(&address);
        }
        room.post("r@elsewhere.test");
        let book = PaceBook::fleeting(PaceSettings::default());
        let (engine, bell) = world.start(book.clone());
        bell.wake();
        let soon = world.clock.now() + SignedDuration::from_mins(9);
        let waits = |row: &Row| row.due.is_some_and(|due| due >= soon);
        room.until(|rows| {
            let others = rows[..30].iter().all(|row| waits(row) || row.due.is_none());
            others && rows[30].delivered() == 1
        })
        .await;
        let paces = engine.view().paces();
        let paused = paces.iter().find(|one| one.paused_until.is_some()).unwrap();
        // Over the connections that were open at the first word: four for each domain.
        let refused = usize::try_from(paused.sent_today).unwrap();
        assert!((1..=8).contains(&refused), "{paused:?} for {reply}");
        assert_eq!(paused.waiting, 30 - refused, "{paused:?}");
        assert!(engine.stop(Duration::from_secs(60)).await);
    }
}

/// A restart is no reason to come back sooner.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlives_a_restart() {
    let world = World::new().await;
    world.at_ten();
    let slow = Act::Reply("421 4.7.28 Our system has detected an unusual rate".to_owned());
    world
        .outside
        .for_address(At::Recipient, "first@one.test", slow);
    let room = &world.room;
    room.post("first@one.test");
    let book = PaceBook::fleeting(PaceSettings::default());
    let (engine, _) = world.start(book.clone());
    room.until(|rows| rows[0].failure().is_some()).await;
    let deadline = Instant::now() + Duration::from_secs(120);
    while engine
        .view()
        .paces()
        .iter()
        .all(|one| one.paused_until.is_none())
    {
        assert!(Instant::now() < deadline, "no pause");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(engine.stop(Duration::from_secs(60)).await);

    let (engine, bell) = world.start(book);
    let paces = engine.view().paces();
    assert!(
        paces.iter().any(|one| one.paused_until.is_some()),
        "{paces:?}"
    );
    room.post("second@two.test");
    room.post("r@elsewhere.test");
    bell.wake();
    let soon = world.clock.now() + SignedDuration::from_mins(8);
    room.until(|rows| rows[1].due.is_some_and(|due| due >= soon) && rows[2].delivered() == 1)
        .await;
    assert_eq!(room.rows()[1].delivered(), 0);
    assert!(engine.stop(Duration::from_secs(60)).await);
}

/// A domain can name anybody's servers. What its own says is said for itself.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_pauses_a_provider_by_naming_its_servers() {
    let world = World::new().await;
    world.at_ten();
    let zone = &world.zone;
    zone.address_of("aspmx.google.com", "127.0.0.1").await;
    zone.address_of("dead.google.com", "127.0.0.2").await;
    zone.address_of("mx.evil.test", "127.0.0.1").await;
    zone.mx("honest.test", 10, "aspmx.google.com").await;
    // Behind its own, and before it where nobody answers.
    zone.mx("evil.test", 10, "mx.evil.test").await;
    zone.mx("evil.test", 20, "aspmx.google.com").await;
    zone.mx("worse.test", 10, "dead.google.com").await;
    zone.mx("worse.test", 20, "mx.evil.test").await;
    let slow = "451 4.7.606 Access denied, banned sending IP";
    for address in ["r@evil.test", "r@worse.test"] {
        let slow = Act::Reply(slow.to_owned());
        world.outside.for_address(At::Recipient, address, slow);
        world.room.post(address);
    }
    let book = PaceBook::fleeting(warming(1_000));
    let (engine, bell) = world.start(book.clone());
    let room = &world.room;
    room.until(|rows| rows.iter().all(|row| row.failure().is_some()))
        .await;
    room.post("letter@honest.test");
    room.post("r@honest.test");
    bell.wake();
    room.until(|rows| rows[2..].iter().all(|row| row.delivered() == 1))
        .await;
    let google = Provider::of(["aspmx.google.com"]).unwrap();
    assert!(!book.today(&google, world.clock.now()).0.warned);
    // One that says so itself is heard, for all its domains.
    let slow = Act::Reply(slow.to_owned());
    world
        .outside
        .for_address(At::Recipient, "r2@honest.test", slow);
    room.post("r2@honest.test");
    bell.wake();
    room.until(|rows| rows[4].failure().is_some()).await;
    assert!(book.today(&google, world.clock.now()).0.warned);
    assert!(engine.stop(Duration::from_secs(60)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_domains_of_a_provider_share_its_connections() {
    let world = World::new().await;
    for n in 0..300 {
        let domain = ["one.test", "two.test", "three.test"][n % 3];
        world.room.post(&format!("r{n}@{domain}"));
    }
    let pace = PaceSettings {
        usual: Pace::default(),
        by: vec![(
            "provider.test".into(),
            OwnPace {
                connections: Some(2),
                ..OwnPace::default()
            },
        )],
    };
    let (engine, _bell) = world.start(PaceBook::fleeting(pace));
    let (room, mut most) = (&world.room, 0);
    let watched = async {
        loop {
            let paces = engine.view().paces();
            most = most.max(paces.iter().map(|pace| pace.busy).max().unwrap_or(0));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = room.all_settled() => {}
        () = watched => {}
    }
    assert_eq!(delivered(&room.rows()), 300);
    // One that has just found out whose servers they are gives its slot back.
    assert!((1..=5).contains(&most), "{most}");
    assert!(engine.stop(Duration::from_secs(60)).await);
}
