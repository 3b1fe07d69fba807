//! Rows that don't open, servers that put off, clocks that go back: nobody else is held up by them.

use super::*;
use crate::store::testing::{Table, blank, first};

#[tokio::test]
async fn thousands_that_are_put_off_keep_nobody_else_waiting() {
    let world = World::new().await;
    world.people(30).await;
    world.released().await;
    let busy = |to: &str| match to.ends_with("@d0.example") {
        true => failed(Cause::AddressBusy, false),
        false => Fate::Delivered,
    };
    // Ten wait for d0, far more than stand ahead of sending here.
    let left = world.bring(busy).await;
    let elsewhere = left.iter().filter(|one| !one.to.ends_with("@d0.example"));
    assert_eq!(elsewhere.count(), 20);
}

#[tokio::test]
async fn a_due_row_that_does_not_open_keeps_no_mailing_from_its_end() {
    let world = World::new().await;
    world.people(3).await;
    let id = world.released().await;
    world.expand().await;
    let files = world.store.files();
    let one = first(files, Table::Ledger).await;
    assert_eq!(blank(files, Table::Ledger, Some(&one)).await, 1);
    assert_eq!(world.bring(delivered).await.len(), 2);
    assert_eq!(world.state(id).await, MailingState::Done);
}

#[tokio::test]
async fn an_account_that_does_not_open_makes_no_rule_weaker() {
    let world = World::new().await;
    world.people(1).await;
    let held = world.submit("ada", "news").await;
    let ben = world.who("ben").id();
    let files = world.store.files();
    assert_eq!(blank(files, Table::Staff, Some(ben.as_bytes())).await, 1);
    let world = world.crash().await;
    let own = world.room.approve(held.id, &world.who("ada"), None).await;
    assert!(matches!(own, Err(ListError::SecondPerson)), "{own:?}");
}

#[tokio::test]
async fn a_clock_set_back_a_day_ends_a_rest_and_hides_no_retry() {
    let world = World::new().await;
    world.people(3).await;
    let id = world.released().await;
    world.expand().await;
    let running = world.room.all_running().remove(0);
    running.rest(world.clock.now());
    assert!(running.resting_until(world.clock.now()).is_some());
    let yesterday = world.clock.now() - SignedDuration::from_hours(24);
    assert_eq!(running.resting_until(yesterday), None);

    world.wait(SignedDuration::from_secs(11));
    assert_eq!(
        world
            .bring(|_| failed(Cause::AddressBusy, false))
            .await
            .len(),
        3
    );
    // What falls due between a look and the question when to look next is not overlooked.
    let seen = running.seen_until(world.clock.now());
    assert_eq!(seen, world.clock.now());
    world.wait(SignedDuration::from_hours(24));
    let next = world.room.next_due().await.unwrap().unwrap();
    assert!(next < world.clock.now(), "{next}");
    assert_eq!(running.seen_until(yesterday), yesterday);
    assert_eq!(world.bring(delivered).await.len(), 3);
    assert_eq!(world.state(id).await, MailingState::Done);
}
