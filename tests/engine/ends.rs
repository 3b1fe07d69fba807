//! Pauses, stops and kills.

use super::*;

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
    assert!(post.engine.stop(Duration::from_secs(60)).await);
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
    let leaves = || room.in_doubt.load(Ordering::SeqCst) > 0;
    until("a dot leaves", PATIENCE, leaves).await;
    let begun = std::time::Instant::now();
    assert!(!post.engine.stop(Duration::from_millis(500)).await);
    // Shorter than the network itself waits.
    assert!(begun.elapsed() < Duration::from_secs(15));
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
    let missing = || {
        room.rows()
            .iter()
            .filter(|row| row.delivered() == 0)
            .count()
    };
    let (mut left, mut longer, begun) = (missing(), 1, std::time::Instant::now());
    while left > 0 {
        let post = start(&room, outside.address(), settings(connections, 2));
        lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let life = Duration::from_millis(30 + (lot >> 33) % 250);
        tokio::time::sleep(life * longer).await;
        drop(post);
        kills += 1;
        // Let what was cut off arrive or not before the next life begins.
        let closed = || outside.counters().open() == 0;
        until("all connections are closed", PATIENCE, closed).await;
        // A slow machine gets nothing done in so short a life.
        let now = missing();
        longer = if now == left { longer * 2 } else { 1 };
        left = now;
        assert!(begun.elapsed() < PATIENCE, "it never ends");
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
