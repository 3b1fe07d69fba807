//! What other servers take, and how fast.

use super::*;

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
