//! The process dies at any step.

use super::*;

#[tokio::test]
async fn a_held_mailing_is_still_held() {
    let world = World::new().await;
    let held = world.submit("cy", "news").await;
    let world = world.crash().await;
    assert_eq!(world.state(held.id).await, MailingState::Held);
    assert_eq!(world.room.counts(), (1, 0));
}

#[tokio::test]
async fn a_page_is_never_written_twice_whenever_it_dies() {
    let world = World::new().await;
    world.people(11).await;
    let id = world.released().await;
    let mut world = world;
    let mut left = Vec::new();
    for _ in 0..30 {
        world.room.tick().await.unwrap();
        world = world.crash().await;
        for parcel in world.due().await {
            left.extend(world.bring_one(&*parcel, delivered).await);
        }
        world = world.crash().await;
    }
    world.expand().await;
    assert_eq!(left.len(), 11);
    assert!(tally(&left).values().all(|count| *count == 1));
    assert_eq!(world.state(id).await, MailingState::Done);
    assert_eq!(
        world
            .store
            .copies_after(id, None, 100)
            .await
            .unwrap()
            .rows
            .len(),
        11
    );
}

#[tokio::test]
async fn a_repeated_page_makes_no_second_row() {
    let world = World::new().await;
    world.people(5).await;
    let id = world.released().await;
    world.expand().await;
    assert_eq!(world.bring(delivered).await.len(), 5);
    // The checkpoint is lost, as if an older row had come back.
    let mut mailing = world.store.mailing(id).await.unwrap().unwrap();
    mailing.record.state = MailingState::Sending;
    (mailing.record.expanded, mailing.record.expanded_to) = (false, None);
    (mailing.record.counts, mailing.record.ended_at) = (None, None);
    done(&world.store, Change::new().then(Step::PutMailing(mailing))).await;
    let world = world.crash().await;
    world.expand().await;
    assert!(world.bring(delivered).await.is_empty());
    assert_eq!(
        world
            .store
            .copies_after(id, None, 100)
            .await
            .unwrap()
            .rows
            .len(),
        5
    );
}

#[tokio::test]
async fn dying_at_each_step_of_each_copy_leaves_everybody_with_one() {
    let mut world = World::new().await;
    world.people(8).await;
    let id = world.released().await;
    world.expand().await;
    let mut left = Vec::new();
    let mut unknown = 0;
    for step in 0..24 {
        world.room.tick().await.unwrap();
        let parcels = world.due().await;
        let Some(parcel) = parcels.first() else { break };
        match step % 3 {
            // After the letter was made.
            0 => assert!(load(&**parcel).await.is_some()),
            // After the dot left, before its outcome was written: this one may come twice.
            1 => {
                left.extend(load(&**parcel).await);
                assert!(parcel.clearance().await.is_some());
                unknown += 1;
            }
            // After the outcome was written.
            _ => left.extend(world.bring_one(&**parcel, delivered).await),
        }
        drop(parcels);
        world = world.crash().await;
    }
    left.extend(world.bring(delivered).await);
    assert_eq!(world.state(id).await, MailingState::Done);
    let tally = tally(&left);
    assert_eq!(tally.len(), 8);
    assert_eq!(
        left.len(),
        8 + unknown,
        "only what was in flight comes twice"
    );
    assert_eq!(told(world.progress(id).await.sent), "8");
}

#[tokio::test]
async fn counts_are_read_again_after_a_restart() {
    let world = World::new().await;
    world.people(7).await;
    let id = world.released().await;
    world.room.tick().await.unwrap();
    let parcels = world.due().await;
    world.bring_one(&*parcels[0], delivered).await.unwrap();
    world
        .bring_one(&*parcels[1], |_| failed(Cause::AddressDead, true))
        .await
        .unwrap();
    drop(parcels);
    let before = world.progress(id).await;
    let world = world.crash().await;
    let after = world.progress(id).await;
    assert_eq!((before.sent, before.failed), (after.sent, after.failed));
    assert_eq!(told(after.sent), "1");
    assert_eq!(after.causes[0].0, "there is no such mailbox");
    assert_eq!(after.waiting, before.waiting);
}
