//! What is held: who sees and steers it, and how it ends without an approval.

use super::*;

#[tokio::test]
async fn a_mailing_is_found_by_its_first_digits() {
    let world = World::new().await;
    let held = world.submit("cy", "news").await;
    let dee = world.who("dee");
    let id = held.id.to_string();
    assert_eq!(world.room.find(&id[..8], &dee).await.unwrap(), held.id);
    assert_eq!(
        world.room.find(&id.to_uppercase(), &dee).await.unwrap(),
        held.id
    );
    assert!(matches!(
        world.room.find("", &dee).await,
        Err(ListError::Ambiguous)
    ));
    assert!(matches!(
        world.room.find("zzzz", &dee).await,
        Err(ListError::Unknown)
    ));
}

#[tokio::test]
async fn what_has_not_gone_out_is_seen_by_its_sender_and_by_those_who_approve() {
    let world = World::new().await;
    world.people(1).await;
    let held = world.submit("cy", "news").await;
    let digits = held.id.to_string();
    let sees = async |name: &str| {
        let who = world.who(name);
        let listed = world.room.list(false, &who).await.unwrap();
        let found = world.room.find(&digits, &who).await.is_ok();
        let preview = world.room.preview(held.id, &who).await.is_ok();
        assert_eq!(listed.len(), usize::from(found), "{name}");
        assert_eq!(found, preview, "{name}");
        found
    };
    for (name, expected) in [("cy", true), ("ben", true), ("dee", true), ("eve", false)] {
        assert_eq!(sees(name).await, expected, "{name}");
    }
    world
        .room
        .approve(held.id, &world.who("ben"), None)
        .await
        .unwrap();
    assert!(sees("eve").await, "it is in every subscriber's inbox");
}

#[tokio::test]
async fn a_sender_steers_their_own_mailings() {
    let world = World::new().await;
    world.people(1).await;
    let held = world.submit("dee", "news").await;
    let cy = world.who("cy");
    let refused = world.room.cancel(held.id, &cy, None).await;
    assert!(
        matches!(refused, Err(ListError::NotYoursToSteer)),
        "{refused:?}"
    );
    world
        .room
        .approve(held.id, &world.who("ben"), None)
        .await
        .unwrap();
    let refused = world.room.pause(held.id, &cy).await;
    assert!(
        matches!(refused, Err(ListError::NotYoursToSteer)),
        "{refused:?}"
    );
    world.room.pause(held.id, &world.who("ben")).await.unwrap();
    let refused = world.room.resume(held.id, &cy).await;
    assert!(
        matches!(refused, Err(ListError::NotYoursToSteer)),
        "{refused:?}"
    );
    let own = world.submit("cy", "news").await;
    world.room.cancel(own.id, &cy, None).await.unwrap();
}

#[tokio::test]
async fn what_was_held_too_long_or_has_no_list_any_more_is_not_approved() {
    let world = World::new().await;
    world.people(1).await;
    let held = world.submit("cy", "appeals").await;
    let configured = settings();
    let mut without = settings();
    without.lists.retain(|list| list.key != "appeals");
    world.room.reload(without).unwrap();
    let cy = world.who("cy");
    let approved = world.room.approve(held.id, &cy, None).await;
    let none = matches!(&approved, Err(ListError::NotConfigured(list)) if list == "appeals");
    assert!(
        none || matches!(approved, Err(ListError::SecondPerson)),
        "{approved:?}"
    );
    let ben = world.room.approve(held.id, &world.who("ben"), None).await;
    assert!(matches!(ben, Err(ListError::NotConfigured(_))), "{ben:?}");
    let seen = world.room.preview(held.id, &cy).await;
    assert!(matches!(seen, Err(ListError::NotConfigured(_))), "{seen:?}");
    world.room.reload(configured).unwrap();
    world.wait(jiff::SignedDuration::from_hours(24 * 14));
    let late = world.room.approve(held.id, &cy, None).await;
    assert!(matches!(late, Err(ListError::TooOld)), "{late:?}");
    assert_eq!(world.state(held.id).await, MailingState::Held);
}

#[tokio::test]
async fn a_mailing_whose_list_is_gone_pauses_and_goes_on_when_it_is_back() {
    let world = World::new().await;
    world.people(2).await;
    let id = world.released().await;
    world.expand().await;
    let configured = settings();
    let mut without = settings();
    without.lists.retain(|list| list.key != "news");
    let taken = world.due().await;
    assert_eq!(taken.len(), 2);
    world.room.reload(without).unwrap();
    // A copy that was taken before is not made any more.
    for parcel in taken {
        assert!(world.bring_one(&*parcel, delivered).await.is_none());
    }
    world.room.tick().await.unwrap();
    assert_eq!(world.state(id).await, MailingState::Paused);
    assert_eq!(world.room.current_by_list()["news"], 1);
    let why = world.room.show(id).await.unwrap().stopped.unwrap();
    assert!(why.contains("[list.news]"), "{why}");
    let acts = world.acts().await;
    assert_eq!(acts.last().unwrap(), "mailing pause");
    let ben = world.who("ben");
    let refused = world.room.resume(id, &ben).await;
    assert!(
        matches!(&refused, Err(ListError::NotConfigured(list)) if list == "news"),
        "{refused:?}"
    );
    world.room.reload(configured).unwrap();
    world.room.tick().await.unwrap();
    assert_eq!(world.state(id).await, MailingState::Paused, "not by itself");
    let resumed = world.room.resume(id, &ben).await.unwrap();
    assert_eq!(resumed.stopped, None);
    assert_eq!(world.bring(delivered).await.len(), 2);
    assert!(world.room.current_by_list().is_empty());
}

#[tokio::test]
async fn what_nobody_approved_for_a_fortnight_ends_and_its_text_goes() {
    let world = World::new().await;
    world.people(3).await;
    let world = world.counted().await;
    let held = world.submit("cy", "news").await;
    let before = world.mailbox("cy").await.len();
    world.wait(SignedDuration::from_hours(24 * 14 - 1));
    assert_eq!(world.room.end_unapproved().await.unwrap(), 0);
    world.wait(SignedDuration::from_hours(1));
    let text = world.store.mailing(held.id).await.unwrap().unwrap().message;
    assert_eq!(world.room.end_unapproved().await.unwrap(), 1);
    assert_eq!(world.room.end_unapproved().await.unwrap(), 0, "once");
    let cy = world.who("cy");
    let listed = world.room.list(false, &cy).await.unwrap();
    assert_eq!(listed[0].state, MailingState::Cancelled);
    let why = listed[0].stopped.as_deref().unwrap();
    assert!(why.contains("14 days"), "{why}");
    let seen = world.room.preview(held.id, &cy).await;
    assert!(matches!(seen, Err(ListError::Freed)), "{seen:?}");
    assert!(
        world.store.body(text).read_whole(1 << 24).await.is_err(),
        "its text is gone"
    );
    let told = world.mailbox("cy").await;
    assert_eq!(told.len(), before + 1);
    assert!(
        told.iter().any(|mail| mail.contains("Not sent:")),
        "{told:?}"
    );
    assert_eq!(world.acts().await.last().unwrap(), "mailing cancel");
    world.room.tick().await.unwrap();
    assert_eq!(world.progress(held.id).await.cancelled.to_string(), "3");
    assert!(world.room.list(true, &cy).await.unwrap().is_empty());
    assert!(world.store.verify(|_, _| ()).await.unwrap().is_clean());
}
