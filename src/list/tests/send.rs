//! Who gets a copy, and who doesn't.

use super::*;
use crate::store::{Scope, Suppressed, Suppression, SuppressionReason};

#[tokio::test]
async fn everybody_on_the_list_gets_one_copy_and_the_mailing_ends() {
    let world = World::new().await;
    world.people(11).await;
    world.subscribe("other@d.example", None, &["appeals"]).await;
    let id = world.released().await;
    let left = world.bring(delivered).await;
    assert_eq!(left.len(), 11);
    assert!(tally(&left).values().all(|count| *count == 1));
    assert_eq!(world.state(id).await, MailingState::Done);
    let progress = world.progress(id).await;
    assert_eq!(told(progress.sent), "11");
    assert_eq!(progress.waiting.to_string(), "0");
    assert_eq!(world.room.counts(), (0, 0));
    assert!(world.bring(delivered).await.is_empty());
    assert!(world.store.verify(|_, _| ()).await.unwrap().is_clean());
}

#[tokio::test]
async fn the_audience_is_who_was_confirmed_before_and_may_be_written_to() {
    let world = World::new().await;
    world.subscribe("in@d.example", None, &["news"]).await;
    let mut paused = world.subscribe("paused@d.example", None, &["news"]).await;
    paused.version = 1;
    paused.record.subscriptions[0].paused_until = Some(noon() + SignedDuration::from_hours(1));
    done(
        &world.store,
        Change::new().then(Step::PutSubscriber(paused)),
    )
    .await;
    // A suppression that came in by another way than a withdrawal.
    let suppressed = world
        .subscribe("suppressed@d.example", None, &["news"])
        .await;
    let mut row = Suppression::none(suppressed.suppression_index);
    row.record.scopes.push(Suppressed {
        scope: Scope::List(world.store.vault().list_tag("news")),
        at: noon(),
        reason: SuppressionReason::Imported,
    });
    done(&world.store, Change::new().then(Step::PutSuppression(row))).await;
    world.wait(SignedDuration::from_secs(1));
    world.released().await;
    world.subscribe("at@d.example", None, &["news"]).await;
    world.wait(SignedDuration::from_secs(1));
    world.subscribe("after@d.example", None, &["news"]).await;
    let left = world.bring(delivered).await;
    assert_eq!(
        tally(&left).into_keys().collect::<Vec<_>>(),
        ["in@d.example"]
    );
}

#[tokio::test]
async fn a_narrowed_mailing_goes_to_its_constituencies_alone() {
    let world = World::new().await;
    world
        .subscribe("south@d.example", Some(LEEDS), &["news"])
        .await;
    world
        .subscribe("east@d.example", Some("E14001320"), &["news"])
        .await;
    world
        .subscribe("west@d.example", Some("E14001325"), &["news"])
        .await;
    world.people(30).await;
    let world = world.counted().await;
    let codes = [LEEDS, "E14001320"].map(|code| Code::parse(code).unwrap());
    let target = Target::Constituencies(codes.into());
    let held = world
        .submit_as("dee", "news", target, &mail("news"))
        .await
        .unwrap();
    assert_eq!(held.audience.to_string(), "2");
    world
        .room
        .approve(held.id, &world.who("ben"), None)
        .await
        .unwrap();
    let left = world.bring(delivered).await;
    let who: Vec<_> = tally(&left).into_keys().collect();
    assert_eq!(who, ["east@d.example", "south@d.example"]);
    assert_eq!(world.state(held.id).await, MailingState::Done);
}

#[tokio::test]
async fn who_withdraws_inside_a_run_gets_nothing() {
    let world = World::new().await;
    world.people(5).await;
    let id = world.released().await;
    world.expand().await;
    let parcels = world.due().await;
    // Before the letter is made, and between the letter and its dot.
    let (first, second) = (&parcels[0], &parcels[1]);
    let whose = |parcel: &Arc<dyn Parcel>| {
        let copy = crate::id::CopyId::from_bytes(parcel.key());
        let world = &world;
        async move {
            let of = world.room.whose_copy(copy).await.unwrap().unwrap();
            let id = of.subscriber.unwrap();
            let one = world.store.subscriber_by_id(id).await.unwrap().unwrap();
            one.record.address.to_string()
        }
    };
    let gone = [whose(first).await, whose(second).await];
    world.withdraw(&gone[0], "news").await;
    assert!(matches!(first.load().await, Loaded::Gone));
    assert!(load(&**second).await.is_some());
    world.withdraw(&gone[1], "news").await;
    assert!(second.clearance().await.is_none());
    let keys = [first.key(), second.key()];
    drop(parcels);
    let left = world.bring(delivered).await;
    assert_eq!(left.len(), 3);
    assert!(gone.iter().all(|who| !tally(&left).contains_key(who)));
    assert_eq!(world.state(id).await, MailingState::Done);
    let progress = world.progress(id).await;
    assert_eq!(told(progress.withdrawn), "2");
    for key in keys {
        let copy = crate::id::CopyId::from_bytes(key);
        let row = world.store.copy(copy).await.unwrap().unwrap();
        assert_eq!((row.subscriber, row.due_at), (None, None));
    }
}

#[tokio::test]
async fn a_withdrawal_waits_for_the_dot_that_is_being_written() {
    let world = World::new().await;
    world.people(1).await;
    world.released().await;
    world.expand().await;
    let parcels = world.due().await;
    assert!(load(&*parcels[0]).await.is_some());
    let clearance = parcels[0].clearance().await.unwrap();
    let withdrawing = world.withdraw("p0@d0.example", "news");
    tokio::pin!(withdrawing);
    let soon = std::time::Duration::from_millis(100);
    let early = tokio::time::timeout(soon, &mut withdrawing).await;
    assert!(early.is_err(), "answered while the dot was being written");
    drop(clearance);
    withdrawing.await;
    let sent = world.attempted(Fate::Delivered);
    parcels[0].settle(sent).await.unwrap();
    drop(parcels);
    assert!(world.bring(delivered).await.is_empty());
}

#[tokio::test]
async fn the_next_mailing_goes_to_nobody_who_left_and_to_who_came_back() {
    let world = World::new().await;
    world.people(3).await;
    world.released().await;
    assert_eq!(world.bring(delivered).await.len(), 3);
    world.withdraw("p1@d1.example", "news").await;
    world.released().await;
    let left = world.bring(delivered).await;
    assert_eq!(
        tally(&left).into_keys().collect::<Vec<_>>(),
        ["p0@d0.example", "p2@d2.example"]
    );
}

#[tokio::test]
async fn a_repeat_is_the_same_bytes() {
    let world = World::new().await;
    world.people(1).await;
    world.released().await;
    world.expand().await;
    let parcels = world.due().await;
    let first = load(&*parcels[0]).await.unwrap();
    drop(parcels);
    world.wait(SignedDuration::from_hours(5));
    let world = world.crash().await;
    let again = load(&*world.due().await[0]).await.unwrap();
    assert!(first == again, "the copy differs after a restart");
    let (local, domain) = first.from.split_once('@').unwrap();
    assert_eq!(domain, "party.example");
    assert!(local.len() <= 64 && local.starts_with("b+"));
}

#[tokio::test]
async fn a_copy_is_offered_once_at_a_time() {
    let world = World::new().await;
    world.people(4).await;
    world.released().await;
    world.expand().await;
    let first = world.due().await;
    assert_eq!(first.len(), 4);
    assert!(world.due().await.is_empty(), "all are under way");
    let soon = world.room.next_due().await.unwrap();
    assert_eq!(
        soon,
        Some(world.clock.now()),
        "what is under way may come back"
    );
    drop(first);
    assert_eq!(world.due().await.len(), 4, "given back unsent");
}

#[tokio::test]
async fn a_look_that_began_before_an_outcome_does_not_offer_the_copy_again() {
    let world = World::new().await;
    world.people(1).await;
    world.released().await;
    world.expand().await;
    let parcels = world.due().await;
    let row = {
        let copy = crate::id::CopyId::from_bytes(parcels[0].key());
        world.store.copy(copy).await.unwrap().unwrap()
    };
    let running = world.room.all_running().remove(0);
    // A look begins and reads the row as due; then the outcome is written and the parcel goes.
    running.begin_look(noon());
    world.bring_one(&*parcels[0], delivered).await.unwrap();
    drop(parcels);
    assert!(!running.is_free(&row.copy));
    running.begin_look(noon());
    assert!(
        running.is_free(&row.copy),
        "a later look reads the outcome itself"
    );
    assert!(world.due().await.is_empty());
}

#[tokio::test]
async fn mailings_are_sent_side_by_side() {
    let world = World::new().await;
    for n in 0..6 {
        let who = format!("p{n}@d.example");
        world.subscribe(&who, None, &["news", "appeals"]).await;
    }
    world.wait(SignedDuration::from_secs(1));
    world.released().await;
    let other = world.submit("cy", "appeals").await;
    world
        .room
        .approve(other.id, &world.who("cy"), None)
        .await
        .unwrap();
    world.room.tick().await.unwrap();
    let parcels = world.due().await;
    let mut lists = Vec::new();
    for parcel in &parcels {
        let copy = crate::id::CopyId::from_bytes(parcel.key());
        lists.push(world.room.whose_copy(copy).await.unwrap().unwrap().list);
    }
    assert!(lists.iter().any(|list| list == "news"), "{lists:?}");
    assert!(lists.iter().any(|list| list == "appeals"), "{lists:?}");
}

#[tokio::test]
async fn pause_resume_and_cancel_hold_at_the_dot() {
    let world = World::new().await;
    world.people(6).await;
    let id = world.released().await;
    world.expand().await;
    let parcels = world.due().await;
    assert!(load(&*parcels[0]).await.is_some());
    assert!(
        world.room.pause(id, &world.who("eve")).await.is_err(),
        "readers don't steer"
    );
    world.room.pause(id, &world.who("cy")).await.unwrap();
    assert!(parcels[0].clearance().await.is_none());
    assert!(matches!(parcels[1].load().await, Loaded::NotNow));
    drop(parcels);
    assert!(world.due().await.is_empty());
    assert_eq!(world.room.next_due().await.unwrap(), None);
    assert!(world.bring(delivered).await.is_empty());
    let world = world.crash().await;
    assert!(
        world.bring(delivered).await.is_empty(),
        "paused over a restart"
    );
    world.room.resume(id, &world.who("ada")).await.unwrap();
    let parcels = world.due().await;
    let left = world.bring_one(&*parcels[0], delivered).await;
    assert!(left.is_some());
    assert!(load(&*parcels[1]).await.is_some());
    world
        .room
        .cancel(id, &world.who("dee"), Some("wrong date"))
        .await
        .unwrap();
    assert!(parcels[1].clearance().await.is_none());
    assert!(matches!(parcels[2].load().await, Loaded::Gone));
    drop(parcels);
    assert!(world.bring(delivered).await.is_empty());
    let progress = world.progress(id).await;
    assert_eq!(progress.state, MailingState::Cancelled);
    assert_eq!(told(progress.sent), "1");
    let resumed = world.room.resume(id, &world.who("cy")).await;
    assert!(
        matches!(resumed, Err(ListError::State { .. })),
        "{resumed:?}"
    );
    let acts = world.acts().await;
    assert_eq!(
        acts[2..],
        ["mailing pause", "mailing resume", "mailing cancel"]
    );
}

#[tokio::test]
async fn a_bare_stop_puts_a_copy_off_until_it_is_decided() {
    let world = World::new().await;
    let mut one = world.subscribe("a@d.example", None, &["news"]).await;
    world.wait(SignedDuration::from_secs(1));
    world.released().await;
    world.expand().await;
    one.version = 1;
    let until = world.clock.now() + SignedDuration::from_hours(2);
    one.record.subscriptions[0].paused_until = Some(until);
    done(
        &world.store,
        Change::new().then(Step::PutSubscriber(one.clone())),
    )
    .await;
    assert!(world.bring(delivered).await.is_empty());
    assert_eq!(world.room.next_due().await.unwrap(), Some(until));
    world.wait(SignedDuration::from_hours(2));
    assert_eq!(world.bring(delivered).await.len(), 1);
    // A pause that ends after the copy's time: it is never sent.
    let id = world.released().await;
    world.expand().await;
    one.version = 2;
    let until = world.clock.now() + SignedDuration::from_hours(24 * 7);
    one.record.subscriptions[0].paused_until = Some(until);
    done(&world.store, Change::new().then(Step::PutSubscriber(one))).await;
    assert!(world.bring(delivered).await.is_empty());
    assert_eq!(world.state(id).await, MailingState::Done);
    let progress = world.progress(id).await;
    assert_eq!(told(progress.failed), "1");
}

/// The person's "stop" shows that nobody was read and no letter made: making one would have put the copy off until it
/// is decided.
#[tokio::test]
async fn a_copy_that_shares_anothers_fate_is_put_off_without_being_made() {
    let world = World::new().await;
    let mut one = world.subscribe("a@d.example", None, &["news"]).await;
    world.wait(SignedDuration::from_secs(1));
    let id = world.released().await;
    world.expand().await;
    let parcel = world.due().await.remove(0);
    one.version = 1;
    let until = world.clock.now() + SignedDuration::from_hours(2);
    one.record.subscriptions[0].paused_until = Some(until);
    done(&world.store, Change::new().then(Step::PutSubscriber(one))).await;
    let fate = failed(Cause::NoTls, false);
    let settled = parcel.settle_unloaded(world.attempted(fate)).await;
    settled.unwrap();
    drop(parcel);
    assert!(world.due().await.is_empty());
    let next = world.room.next_due().await.unwrap().unwrap();
    assert!(world.clock.now() < next && next < until, "{next}");

    // While the mailing rests it is nobody's attempt.
    world.wait(next.duration_since(world.clock.now()));
    let parcel = world.due().await.remove(0);
    world.room.pause(id, &world.who("cy")).await.unwrap();
    let fate = failed(Cause::NoTls, true);
    let settled = parcel.settle_unloaded(world.attempted(fate)).await;
    settled.unwrap();
    assert_eq!(told(world.progress(id).await.failed), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counts_tell_of_no_state_that_is_not() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let world = World::new().await;
    world.subscribe("a@d.example", None, &["news"]).await;
    let world = world.counted().await;
    for _ in 0..15 {
        world.wait(SignedDuration::from_secs(1));
        let id = world.released().await;
        let over = std::sync::Arc::new(AtomicBool::new(false));
        let (room, dee, stop) = (world.room.clone(), world.who("dee"), over.clone());
        let (looking, looked) = tokio::sync::oneshot::channel::<()>();
        let watching = tokio::spawn(async move {
            let mut looking = Some(looking);
            while !stop.load(Ordering::Relaxed) {
                let seen = room.progress(id, &dee).await.unwrap();
                assert_eq!(seen.audience.to_string(), "1", "{seen:?}");
                assert_eq!(told(seen.withdrawn), "0", "{seen:?}");
                if let Some(looking) = looking.take() {
                    looking.send(()).unwrap();
                }
            }
        });
        looked.await.unwrap();
        assert_eq!(world.bring(delivered).await.len(), 1);
        while world.state(id).await != MailingState::Done {
            world.expand().await;
        }
        over.store(true, Ordering::Relaxed);
        watching.await.unwrap();
    }
}
