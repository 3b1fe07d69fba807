//! The main job from end to end: the sandbox's own walkthrough, against the real daemon through its real doors.

#![allow(clippy::unwrap_used)]

mod support;

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
