//! The main job from end to end: the sandbox's own walkthrough, against the real daemon through its real doors.

#![allow(clippy::unwrap_used)]

mod support;

use hustings::daemon::sandbox::peer::{Dialogue, Post};
use hustings::daemon::sandbox::stage::{HOST, OFFICE};
use hustings::daemon::sandbox::walkthrough::{Colours, walk};
use hustings::daemon::sandbox::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn subscribe_confirm_send_withdraw_prove() {
    let log = support::party::log();
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
    let mut party = support::party::Spawned::start().await;
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
