//! When a final dot may leave.

use super::*;

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
                // `kept` is read first: what becomes durable since can only make the difference smaller.
                let kept = usize::try_from(outside.counters().messages()).unwrap();
                let durable = room
                    .rows()
                    .iter()
                    .map(support::memory::Row::delivered)
                    .sum::<usize>();
                assert!(
                    kept <= durable + connections,
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
