//! Who may let a mailing go.

use super::*;
use crate::consent::MaskedCount;
use crate::message::inspect::inspect;
use crate::message::mime::{Limits, text};
use crate::staff::{AccountChanges, CodeAsked, CodeError, CodeRule, NewFactor, NotAllowed};
use crate::store::{GrantRecord, Guard};

mod held;
mod links;

const ANYWAY: Approving<'static> = Approving {
    digest: None,
    despite: Despite::Dns,
    code: None,
};

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

/// A grant that was narrowed, or a training that ended, since it was written; an approver's own as well.
#[tokio::test]
async fn who_may_send_no_longer_lets_no_mailing_of_theirs_go() {
    let mut world = World::new().await;
    world.people(1).await;
    let held = world.submit("cy", "appeals").await;
    let sent = world.submit("cy", "appeals").await;
    let cy = world.who("cy");
    world.room.approve(sent.id, &cy, None).await.unwrap();
    world.room.pause(sent.id, &cy).await.unwrap();
    let granted = |only: &str| GrantRecord {
        role: Role::Sender,
        until: noon() + SignedDuration::from_hours(48),
        list: Some("appeals".into()),
        constituencies: vec![only.into()],
        given_at: noon(),
    };
    for (narrowed, approves) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut all = world.store.staff().await.unwrap().rows;
        let cy = all.iter_mut().find(|one| one.record.name == "cy").unwrap();
        cy.record.roles = match narrowed {
            true => vec![Role::Reader],
            false => vec![Role::Sender],
        };
        cy.record.roles.extend(approves.then_some(Role::Approver));
        cy.record.grants = narrowed.then(|| granted("E14001327")).into_iter().collect();
        cy.record.trained_until = (!narrowed).then(|| noon() - SignedDuration::from_secs(1));
        done(&world.store, Change::new().then(Step::PutStaff(cy.clone()))).await;
        world = world.crash().await;
        let cy = world.who("cy");
        let expected = match narrowed {
            true => NotAllowed::BeyondGrant { name: "cy".into() },
            false => NotAllowed::Training,
        };
        let refused = [
            world.room.approve(held.id, &cy, None).await,
            world.room.resume(sent.id, &cy).await,
        ];
        for refused in refused {
            let said = refused.unwrap_err();
            assert!(
                matches!(&said, ListError::NotAllowed(why) if *why == expected),
                "{said:?}"
            );
        }
        // Stopping always goes.
        if !narrowed && approves {
            world.room.cancel(held.id, &cy, None).await.unwrap();
            return;
        }
    }
}

/// While DNS is looked at, ben is made no approver any more.
struct Demoting(StaffRoom);

impl std::fmt::Debug for Demoting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Demoting")
    }
}

impl Standing for Demoting {
    fn red<'a>(
        &'a self,
        _: &'a Domain,
    ) -> std::pin::Pin<Box<dyn Future<Output = Vec<NotInOrder>> + Send + 'a>> {
        Box::pin(async {
            let dee = self.0.roll().by_name("dee").unwrap().id;
            let dee = self.0.actor(dee).unwrap();
            let changes = AccountChanges {
                add_roles: vec![Role::Reader],
                remove_roles: vec![Role::Approver],
                ..AccountChanges::default()
            };
            let change = self.0.change(dee.admin().unwrap(), "ben", &changes, None);
            change.await.unwrap();
            Vec::new()
        })
    }
}

#[tokio::test]
async fn who_is_no_approver_any_more_when_dns_has_answered_lets_nothing_go() {
    let world = World::new().await;
    world.people(1).await;
    let held = world.submit("cy", "news").await;
    let mut slow = settings();
    slow.standing = Arc::new(Demoting(world.room.staff().clone()));
    world.room.reload(slow).unwrap();
    let refused = world.room.approve(held.id, &world.who("ben"), None).await;
    let role = |why: &NotAllowed| matches!(why, NotAllowed::Role { .. });
    assert!(
        matches!(&refused, Err(ListError::NotAllowed(why)) if role(why)),
        "{refused:?}"
    );
    assert_eq!(world.state(held.id).await, MailingState::Held);
    assert!(world.bring(delivered).await.is_empty());
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
    let linked = world
        .room
        .decide_by_link(&link, Decision::Approve, None)
        .await;
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
        let refused = world
            .room
            .decide_by_link(&link, Decision::Approve, None)
            .await;
        assert!(matches!(refused, Err(ListError::Dns(_))), "{refused:?}");
    }
    assert_eq!(world.state(held.id).await, MailingState::Held);
    assert_eq!(world.acts().await, ["mailing submit"]);

    let despite = world.room.approve_with(held.id, &ben, ANYWAY);
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
    let despite = world.room.approve_with(held.id, &ben, ANYWAY);
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
