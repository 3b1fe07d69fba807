//! Retries, what comes back, and what is left when it's over.

use super::*;
use crate::id::CopyId;
use crate::store::{AcceptMessage, CopyState, MessageRecord};

#[tokio::test]
async fn a_refusal_for_now_is_tried_again_and_given_up_after_three_days() {
    let world = World::new().await;
    world.people(1).await;
    let id = world.released().await;
    let busy = |_: &str| failed(Cause::AddressBusy, false);
    let mut tries = 0;
    let start = world.clock.now();
    while world.state(id).await == MailingState::Sending {
        tries += world.bring(busy).await.len();
        if let Some(next) = world.room.next_due().await.unwrap() {
            assert!(next > world.clock.now());
            world.wait(next.duration_since(world.clock.now()));
        }
        assert!(tries < 100, "it is given up some day");
    }
    let span = world.clock.now().duration_since(start);
    assert!(span >= SignedDuration::from_hours(71), "{span}");
    assert!(span <= SignedDuration::from_hours(77), "{span}");
    assert!(tries > 10);
    let progress = world.progress(id).await;
    assert_eq!(told(progress.failed), "1");
    assert!(progress.causes[0].0.contains("as long as"));
}

#[tokio::test]
async fn failures_are_counted_by_cause_and_nobody_is_removed() {
    let world = World::new().await;
    world.people(3).await;
    let id = world.released().await;
    let by = |to: &str| match to {
        "p0@d0.example" => failed(Cause::AddressDead, true),
        "p1@d1.example" => failed(Cause::OurFault(Fault::Blocked), true),
        _ => Fate::Delivered,
    };
    world.bring(by).await;
    assert_eq!(world.state(id).await, MailingState::Done);
    let progress = world.progress(id).await;
    assert_eq!(
        (told(progress.sent), told(progress.failed)),
        ("1".into(), "2".into())
    );
    let causes: Vec<_> = progress.causes.iter().map(|(why, _)| *why).collect();
    assert_eq!(
        causes,
        ["there is no such mailbox", "the other side blocks us"]
    );
    world.released().await;
    assert_eq!(
        world.bring(delivered).await.len(),
        3,
        "all are still on the list"
    );
}

#[tokio::test]
async fn what_may_have_been_taken_is_sent_again_later() {
    let world = World::new().await;
    world.people(1).await;
    let id = world.released().await;
    assert_eq!(world.bring(|_| Fate::Unknown).await.len(), 1);
    assert_eq!(world.state(id).await, MailingState::Sending);
    world.wait(SignedDuration::from_mins(6));
    assert_eq!(world.bring(delivered).await.len(), 1);
    assert_eq!(world.state(id).await, MailingState::Done);
}

#[tokio::test]
async fn a_mailing_that_was_paused_for_long_is_not_given_up_untried() {
    let world = World::new().await;
    world.people(2).await;
    let id = world.released().await;
    world.room.pause(id, &world.who("ada")).await.unwrap();
    world.wait(SignedDuration::from_hours(24 * 10));
    world.room.resume(id, &world.who("ada")).await.unwrap();
    assert_eq!(
        world.bring(|_| failed(Cause::Unknown, false)).await.len(),
        2
    );
    assert_eq!(world.state(id).await, MailingState::Sending);
    world.wait(SignedDuration::from_mins(6));
    assert_eq!(world.bring(delivered).await.len(), 2);
}

#[tokio::test]
async fn an_outcome_after_a_withdrawal_does_not_bring_the_copy_back() {
    let world = World::new().await;
    world.people(1).await;
    let id = world.released().await;
    world.expand().await;
    let parcels = world.due().await;
    assert!(load(&*parcels[0]).await.is_some());
    drop(parcels[0].clearance().await.unwrap());
    world.withdraw("p0@d0.example", "news").await;
    let late = world.attempted(failed(Cause::AddressBusy, false));
    parcels[0].settle(late).await.unwrap();
    let copy = CopyId::from_bytes(parcels[0].key());
    drop(parcels);
    let row = world.store.copy(copy).await.unwrap().unwrap();
    assert_eq!(row.record.state, CopyState::Withdrawn);
    assert_eq!(
        (row.due_at, row.subscriber, row.record.domain),
        (None, None, None)
    );
    world.expand().await;
    assert_eq!(world.state(id).await, MailingState::Done);
    assert_eq!(told(world.progress(id).await.withdrawn), "1");
}

#[tokio::test]
async fn a_bounce_is_counted_and_an_answer_finds_its_copy() {
    let world = World::new().await;
    world.people(2).await;
    let id = world.released().await;
    let left = world.bring(delivered).await;
    let local = left[0].from.split('@').next().unwrap();
    let token = local.strip_prefix("b+").unwrap();
    let copy = world.room.copy_of_return_path(token).unwrap();
    assert_eq!(
        world.room.copy_of_return_path(&token.to_uppercase()),
        Some(copy)
    );
    assert_eq!(world.room.copy_of_return_path("x"), None);
    for _ in 0..2 {
        let mut writer = world.store.begin_body().await.unwrap();
        writer.write(b"It didn't arrive.\r\n").await.unwrap();
        let body = writer.finish();
        let bounce = world.room.bounce(copy, body.id());
        let record = MessageRecord {
            received_at: noon(),
            size: 0,
            reverse_path: None,
            recipients: vec![],
            submitted_by: None,
        };
        let accept = AcceptMessage::new(world.store.vault(), body, record).and(bounce);
        world.store.accept(accept).await.unwrap();
    }
    assert_eq!(
        told(world.progress(id).await.bounced),
        "1",
        "one copy bounced twice"
    );

    let text = String::from_utf8(left[0].bytes.clone()).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("Message-ID:"))
        .unwrap();
    let message_id = line.split_once(": ").unwrap().1;
    assert_eq!(world.room.copy_of_message_id(message_id), Some(copy));
    assert_eq!(
        world.room.copy_of_message_id(token),
        None,
        "a return path is no Message-ID"
    );
    let elsewhere = message_id.replace("party.example", "evil.example");
    assert_eq!(world.room.copy_of_message_id(&elsewhere), None);
    for odd in ["", "<>", "@", "<@>", "<x@party.example>"] {
        assert_eq!(world.room.copy_of_message_id(odd), None, "{odd}");
    }
    let of = world.room.whose_copy(copy).await.unwrap().unwrap();
    assert_eq!((of.mailing, of.list.as_str()), (id, "news"));
    // The consent room withdraws by the same token.
    let token = message_id
        .trim_start_matches('<')
        .split('@')
        .next()
        .unwrap();
    assert!(world.consent.withdraw_by_reply(token).await.unwrap());
    let of = world.room.whose_copy(copy).await.unwrap().unwrap();
    assert_eq!(of.subscriber, None);
}

#[tokio::test]
async fn thirty_days_after_its_end_a_mailing_is_counts_alone() {
    let world = World::new().await;
    world.people(7).await;
    let id = world.released().await;
    world.bring(delivered).await;
    let before = world.progress(id).await;
    assert_eq!(world.room.fold().await.unwrap(), 0);
    world.wait(SignedDuration::from_hours(24 * 30 - 1));
    assert_eq!(world.room.fold().await.unwrap(), 0);
    world.wait(SignedDuration::from_hours(2));
    assert_eq!(world.room.fold().await.unwrap(), 1);
    assert!(
        world
            .store
            .copies_after(id, None, 10)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    assert_eq!(world.progress(id).await, before);
    assert_eq!(world.room.fold().await.unwrap(), 0);
    let world = world.crash().await;
    assert_eq!(world.progress(id).await, before);
    assert!(
        world.room.preview(id, &world.who("dee")).await.is_ok(),
        "its text stays"
    );
}

#[tokio::test]
async fn a_cancelled_mailing_is_folded_too() {
    let world = World::new().await;
    world.people(3).await;
    let id = world.released().await;
    world.room.tick().await.unwrap();
    world.room.cancel(id, &world.who("cy"), None).await.unwrap();
    world.expand().await;
    let before = world.progress(id).await;
    assert_eq!(told(before.sent), "0");
    world.wait(SignedDuration::from_hours(24 * 31));
    assert_eq!(world.room.fold().await.unwrap(), 1);
    assert_eq!(world.progress(id).await, before);
    assert!(
        world
            .store
            .copies_after(id, None, 10)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
}
