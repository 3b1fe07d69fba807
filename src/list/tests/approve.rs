//! Who may let a mailing go.

use super::*;
use crate::consent::MaskedCount;
use crate::message::inspect::inspect;
use crate::message::mime::{Limits, text};
use crate::store::Guard;

/// The token of the link in somebody's newest notice.
async fn token(world: &World, name: &str) -> String {
    let mails = world.mailbox(name).await;
    let words: Vec<String> = mails
        .iter()
        .map(|mail| {
            text::decode(&inspect(mail.as_bytes(), &Limits::default()).unwrap().root).unwrap()
        })
        .collect();
    let link = words
        .iter()
        .find_map(|words| words.split("/a/").nth(1))
        .unwrap();
    link.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn the_sender_is_never_the_second_person() {
    let world = World::new().await;
    world.people(1).await;
    let held = world.submit("ada", "news").await;
    let own = world.room.approve(held.id, &world.who("ada"), None).await;
    assert!(matches!(own, Err(ListError::SecondPerson)), "{own:?}");
    for other in ["cy", "dee", "eve"] {
        let refused = world.room.approve(held.id, &world.who(other), None).await;
        assert!(matches!(refused, Err(ListError::NotAllowed(_))), "{other}");
    }
    assert!(
        world
            .mailbox("ada")
            .await
            .iter()
            .all(|mail| !mail.contains("/a/"))
    );
    assert!(world.bring(delivered).await.is_empty());
    let info = world
        .room
        .approve(held.id, &world.who("ben"), None)
        .await
        .unwrap();
    assert_eq!(info.state, MailingState::Sending);
    assert_eq!(info.approved_by, ["ben"]);
    assert_eq!(world.acts().await, ["mailing submit", "mailing approve"]);
    let again = world.room.approve(held.id, &world.who("ben"), None).await;
    assert!(matches!(again, Err(ListError::State { .. })));
}

#[tokio::test]
async fn while_there_are_not_two_approvers_the_sender_approves() {
    let world = World::new().await;
    let mut all = world.store.staff().await.unwrap().rows;
    let ben = all.iter_mut().find(|one| one.record.name == "ben").unwrap();
    ben.record.revoked_at = Some(noon());
    let before = world.submit("cy", "news").await;
    done(
        &world.store,
        Change::new().then(Step::PutStaff(ben.clone())),
    )
    .await;
    let world = world.crash().await;
    let held = world.submit("cy", "news").await;
    assert!(!held.second_person);
    assert_eq!(
        world.mailbox("ada").await.len(),
        1,
        "only the first asked for approval"
    );
    let strange = world.room.approve(held.id, &world.who("eve"), None).await;
    assert!(matches!(strange, Err(ListError::NotYours)));
    world
        .room
        .approve(held.id, &world.who("cy"), None)
        .await
        .unwrap();
    // What was held for a second person still needs one, though an approver went.
    let still = world.room.approve(before.id, &world.who("cy"), None).await;
    assert!(matches!(still, Err(ListError::SecondPerson)));
    world
        .room
        .approve(before.id, &world.who("ada"), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_list_may_leave_approval_to_its_senders() {
    let world = World::new().await;
    let held = world.submit("cy", "appeals").await;
    assert!(!held.second_person);
    assert!(world.mailbox("ben").await.is_empty());
    world
        .room
        .approve(held.id, &world.who("cy"), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_link_shows_and_then_approves_once() {
    let world = World::new().await;
    world.people(1).await;
    let held = world.submit("ada", "news").await;
    assert_eq!(world.mailbox("ada").await.len(), 1, "a preview and no link");
    let token = token(&world, "ben").await;
    for _ in 0..2 {
        let view = world.room.approval_page(&token).await.unwrap().unwrap();
        assert_eq!(view.sender, "ada");
        assert!(view.reading.text.contains("See you at the town hall."));
        assert_eq!(
            world.state(held.id).await,
            MailingState::Held,
            "a look changes nothing"
        );
    }
    let other = format!("{}a", &token[..token.len() - 1]);
    let other = if other == token {
        format!("{}q", &token[..token.len() - 1])
    } else {
        other
    };
    for wrong in ["", "x", &other] {
        assert!(world.room.approval_page(wrong).await.unwrap().is_none());
        let refused = world.room.decide_by_link(wrong, Decision::Approve).await;
        assert!(matches!(refused, Err(ListError::Link)));
    }
    let info = world
        .room
        .decide_by_link(&token, Decision::Approve)
        .await
        .unwrap();
    assert_eq!(info.approved_by, ["ben"]);
    let again = world.room.decide_by_link(&token, Decision::Approve).await;
    assert!(matches!(again, Err(ListError::Link)));
    assert!(world.room.approval_page(&token).await.unwrap().is_none());
    assert_eq!(world.bring(delivered).await.len(), 1);
}

#[tokio::test]
async fn a_link_outlives_a_restart_and_ends_after_a_week() {
    let world = World::new().await;
    let held = world.submit("cy", "news").await;
    let ben = token(&world, "ben").await;
    let world = world.crash().await;
    assert!(world.room.approval_page(&ben).await.unwrap().is_some());
    world.wait(SignedDuration::from_hours(24 * 7));
    assert!(world.room.approval_page(&ben).await.unwrap().is_none());
    assert_eq!(world.state(held.id).await, MailingState::Held);
}

#[tokio::test]
async fn an_approver_may_refuse_by_link() {
    let world = World::new().await;
    let held = world.submit("cy", "news").await;
    let (ada, ben) = (token(&world, "ada").await, token(&world, "ben").await);
    world
        .room
        .decide_by_link(&ada, Decision::Refuse)
        .await
        .unwrap();
    assert_eq!(world.state(held.id).await, MailingState::Cancelled);
    let late = world.room.decide_by_link(&ben, Decision::Approve).await;
    assert!(matches!(late, Err(ListError::Link)));
    assert_eq!(world.acts().await, ["mailing submit", "mailing refuse"]);
}

#[tokio::test]
async fn nothing_but_what_was_seen_is_approved() {
    let world = World::new().await;
    let held = world.submit("cy", "news").await;
    let ben = world.who("ben");
    let wrong = world
        .room
        .approve(held.id, &ben, Some(&"0".repeat(64)))
        .await;
    assert!(matches!(wrong, Err(ListError::Digest)));
    // The row comes to name other bytes than those that were held.
    let link = token(&world, "ben").await;
    let mut mailing = world.store.mailing(held.id).await.unwrap().unwrap();
    let digest = mailing.record.digest.clone();
    mailing.record.digest = "0".repeat(64);
    let change = Change::new()
        .require(Guard::MailingAt(mailing.id, mailing.version))
        .then(Step::PutMailing(mailing));
    done(&world.store, change).await;
    let world = world.crash().await;
    let ben = world.who("ben");
    let refused = world.room.approve(held.id, &ben, None).await;
    assert!(matches!(refused, Err(ListError::Damaged)), "{refused:?}");
    let seen = world.room.approve(held.id, &ben, Some(&digest)).await;
    assert!(matches!(seen, Err(ListError::Digest)));
    let linked = world.room.decide_by_link(&link, Decision::Approve).await;
    assert!(
        matches!(linked, Err(ListError::Link)),
        "the link was bound to the bytes"
    );
    assert!(matches!(
        world.room.preview(held.id, &world.who("dee")).await,
        Err(ListError::Damaged)
    ));
    assert_eq!(world.state(held.id).await, MailingState::Held);
}

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
async fn the_page_of_a_link_says_that_the_list_is_gone_and_nothing_is_approved() {
    let world = World::new().await;
    world.people(1).await;
    let held = world.submit("cy", "news").await;
    let token = token(&world, "ben").await;
    let page = world.room.approval_page(&token).await.unwrap().unwrap();
    assert!(page.configured);
    let mut without = settings();
    without.lists.retain(|list| list.key != "news");
    world.room.reload(without).unwrap();
    let page = world.room.approval_page(&token).await.unwrap().unwrap();
    assert!(!page.configured);
    let refused = world.room.decide_by_link(&token, Decision::Approve).await;
    assert!(
        matches!(refused, Err(ListError::NotConfigured(_))),
        "{refused:?}"
    );
    assert_eq!(world.state(held.id).await, MailingState::Held);
    let decided = world.room.decide_by_link(&token, Decision::Refuse).await;
    assert_eq!(decided.unwrap().state, MailingState::Cancelled);
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

#[tokio::test]
async fn what_large_receivers_would_refuse_is_held_back_unless_somebody_says_so() {
    let world = World::new().await;
    world.people(1).await;
    let red = NotInOrder {
        topic: "SPF",
        said: "party.example: there is none".into(),
    };
    let mut bad = settings();
    bad.standing = Arc::new(Red(vec![red.clone(), red]));
    world.room.reload(bad).unwrap();
    let held = world.submit("cy", "news").await;
    let ben = world.who("ben");
    let refused = world.room.approve(held.id, &ben, None).await;
    let Err(ListError::Dns(why)) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(why.len(), 2);
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("SPF (party.example: there is none)") && said.contains("--anyway"));
    // A link is refused as well, and not spent.
    let link = token(&world, "ben").await;
    for _ in 0..2 {
        let refused = world.room.decide_by_link(&link, Decision::Approve).await;
        assert!(matches!(refused, Err(ListError::Dns(_))), "{refused:?}");
    }
    assert_eq!(world.state(held.id).await, MailingState::Held);
    assert_eq!(world.acts().await, ["mailing submit"]);

    let despite = world
        .room
        .approve_despite(held.id, &ben, None, Despite::Dns);
    assert_eq!(despite.await.unwrap().state, MailingState::Sending);
    let events = world
        .store
        .events(crate::audit::LogKind::Audit, 0, 100)
        .await
        .unwrap();
    let last = events.last().unwrap().event.as_ref().unwrap();
    let act: crate::audit::Act = serde_json::from_slice(&last.1).unwrap();
    assert_eq!(act.verb, "mailing approve");
    assert_eq!(act.reason.unwrap(), "anyway: DNS is not in order (SPF)");

    // In order, there is nothing to say.
    world.room.reload(settings()).unwrap();
    let held = world.submit("cy", "news").await;
    let despite = world
        .room
        .approve_despite(held.id, &ben, None, Despite::Dns);
    assert_eq!(despite.await.unwrap().state, MailingState::Sending);
    let events = world
        .store
        .events(crate::audit::LogKind::Audit, 0, 100)
        .await
        .unwrap();
    let last = events.last().unwrap().event.as_ref().unwrap();
    let act: crate::audit::Act = serde_json::from_slice(&last.1).unwrap();
    assert_eq!((act.verb.as_str(), act.reason), ("mailing approve", None));
}

#[tokio::test]
async fn whoever_approves_sees_which_part_and_who_is_there_now() {
    let world = World::new().await;
    for n in 0..3 {
        world
            .subscribe(&person(n), Some("E14001063"), &["news"])
            .await;
    }
    // The counts in memory are made anew from what is stored.
    let world = world.crash().await;
    let part = Target::Constituencies(vec![Code::parse("E14001063").unwrap()]);
    let held = world
        .submit_as("ada", "news", part, &mail("news"))
        .await
        .unwrap();
    let link = token(&world, "ben").await;
    let text = world.mailbox("ben").await.concat();
    assert!(text.contains("Constituencies: Aldershot"), "{text}");
    let page = world.room.approval_page(&link).await.unwrap().unwrap();
    assert_eq!(page.constituencies.as_deref(), Some("Aldershot"));
    let admin = world.who("dee");
    let count = || async { world.room.progress(held.id, &admin).await.unwrap() };
    assert_eq!(count().await.waiting, MaskedCount::Exact(3));
    for n in 0..3 {
        world.withdraw(&person(n), "news").await;
        let left = MaskedCount::Exact(2 - n as u64);
        let now = count().await;
        assert_eq!((now.audience, now.waiting), (left, left));
    }
}
