//! The main job from end to end: the sandbox's own walkthrough, against the real daemon through its real doors.

use crate::support::outside::{Act, At};
use hustings::daemon::sandbox::peer::{Dialogue, Post};
use hustings::daemon::sandbox::stage::{HOST, OFFICE};
use hustings::daemon::sandbox::walkthrough::{Colours, walk};
use hustings::daemon::sandbox::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn subscribe_confirm_send_withdraw_prove() {
    let log = crate::support::party::log();
    let world = World::open(None, None).await.unwrap();
    if let Err(broken) = walk(world, Colours(false), Some(&log)).await {
        panic!(
            "{broken}\nthe log:\n{}",
            std::fs::read_to_string(log).unwrap()
        );
    }
}

/// The real binary, killed without warning: what was answered 250 is there when it comes back, once.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_was_taken_outlives_the_process() {
    let mut party = crate::support::party::Spawned::start().await;
    let connecting = Dialogue::connect_starttls(party.door(0), party.stage.trust(), HOST);
    let mut dialogue = connecting.await.unwrap().0;
    let post = Post {
        from: "stranger@elsewhere.example",
        to: &[OFFICE],
        message: b"Subject: a question\r\n\r\nIs it kept?\r\n",
    };
    for _ in 0..3 {
        assert_eq!(dialogue.post(post).await.unwrap().code, 250);
    }
    party.kill();
    party.run(&[]).await;
    assert_eq!(party.kept().await, 3);
}

/// A welcome that the other server put off is not sent to somebody who left meanwhile; nothing asks them anything either.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_ours_that_waits_is_not_sent_to_who_left() {
    const ANN: &str = "ann@elector.example";
    let party = crate::support::party::Party::start().await;
    party.sign_up(ANN, "", &["news"]).await;
    let link = party.challenge(ANN).await;
    let later = Act::Reply("451 4.7.1 come back later".to_owned());
    party.outside.for_address(At::Recipient, ANN, later);
    assert_eq!(party.press(&link).await.status, 200);
    let queued = || async {
        let rooms = party.rooms();
        rooms.store.queue_page(None, 10).await.unwrap().rows
    };
    until(async || {
        queued()
            .await
            .iter()
            .any(|row| row.record.last_failure.is_some())
    })
    .await;

    let out = party
        .cli(&["subscriber", "withdraw", ANN, "--reason", "by telephone"])
        .await;
    assert!(
        out.status.success(),
        "{}",
        crate::support::party::said(&out)
    );
    party.outside.behave();
    party
        .clock
        .advance(jiff::SignedDuration::from_hours(2))
        .unwrap();
    until(async || queued().await.is_empty()).await;
    let counts = party.rooms().queue.counts();
    assert_eq!(
        counts.get(&("welcome".to_owned(), "unwanted")),
        Some(&1),
        "{counts:?}"
    );
    assert_eq!(
        party.outside.inbox().to(ANN).len(),
        1,
        "the challenge alone"
    );
}

/// Waits until it holds.
async fn until(holds: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !holds().await {
        assert!(std::time::Instant::now() < deadline, "it doesn't come");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
