//! Approving by a link, and with a second factor.

use super::*;

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
        let refused = world
            .room
            .decide_by_link(wrong, Decision::Approve, None)
            .await;
        assert!(matches!(refused, Err(ListError::Link)));
    }
    let info = world
        .room
        .decide_by_link(&token, Decision::Approve, None)
        .await
        .unwrap();
    assert_eq!(info.approved_by, ["ben"]);
    let again = world
        .room
        .decide_by_link(&token, Decision::Approve, None)
        .await;
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
        .decide_by_link(&ada, Decision::Refuse, None)
        .await
        .unwrap();
    assert_eq!(world.state(held.id).await, MailingState::Cancelled);
    let late = world
        .room
        .decide_by_link(&ben, Decision::Approve, None)
        .await;
    assert!(matches!(late, Err(ListError::Link)));
    assert_eq!(world.acts().await, ["mailing submit", "mailing refuse"]);
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
    // The page itself hears it through the door's own port.
    let shown = crate::web::Approvals::look(&world.room, &token).await;
    assert!(!shown.unwrap().unwrap().configured);
    let refused = world
        .room
        .decide_by_link(&token, Decision::Approve, None)
        .await;
    assert!(
        matches!(refused, Err(ListError::NotConfigured(_))),
        "{refused:?}"
    );
    assert_eq!(world.state(held.id).await, MailingState::Held);
    let decided = world
        .room
        .decide_by_link(&token, Decision::Refuse, None)
        .await;
    assert_eq!(decided.unwrap().state, MailingState::Cancelled);
}

/// Whoever only got hold of the link lets nothing go; and whoever wants it stopped is not held up.
#[tokio::test]
async fn an_approver_with_a_second_factor_proves_it() {
    let world = World::new().await;
    world.people(1).await;
    let ben = world.who("ben");
    let staff = world.room.staff().clone();
    let new = NewFactor {
        name: "ben",
        replaces: false,
        code: None,
        reason: None,
    };
    let secret = staff.begin_factor(&ben, new).await.unwrap();
    let code = secret.code_at(world.clock.now());
    staff.confirm_factor(&ben, "ben", &code).await.unwrap();
    let held = world.submit("ada", "news").await;
    let link = token(&world, "ben").await;
    let view = world.room.approval_page(&link).await.unwrap().unwrap();
    assert_eq!(view.asked, CodeAsked::Code);
    let with = |code| Approving {
        digest: None,
        despite: Despite::Nothing,
        code,
    };
    for (code, error) in [
        (None, CodeError::Needed),
        (Some(code.as_str()), CodeError::Used),
        (Some("12345"), CodeError::NoCode),
    ] {
        let link = world
            .room
            .decide_by_link(&link, Decision::Approve, code)
            .await;
        let typed = world.room.approve_with(held.id, &ben, with(code)).await;
        for refused in [link, typed] {
            match refused {
                Err(ListError::Code(why)) => assert_eq!(why, error),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(world.bring(delivered).await.is_empty());
    world.clock.advance(SignedDuration::from_secs(30)).unwrap();
    let code = secret.code_at(world.clock.now());
    let own = world
        .room
        .approve_with(held.id, &world.who("ada"), with(Some(&code)))
        .await;
    assert!(matches!(own, Err(ListError::SecondPerson)));
    let approved = world
        .room
        .decide_by_link(&link, Decision::Approve, Some(&code))
        .await
        .unwrap();
    assert_eq!(approved.approved_by, ["ben"]);
    let next = world.submit("ada", "news").await;
    let refused = world.room.approve(next.id, &ben, None).await;
    assert!(matches!(refused, Err(ListError::Code(CodeError::Needed))));
}

/// A refusal stops something: it takes the link alone.
#[tokio::test]
async fn who_refuses_gives_no_code() {
    let world = World::new().await;
    world.people(1).await;
    let staff = world.room.staff().clone();
    staff.ask_codes(CodeRule::Required);
    let held = world.submit("ada", "news").await;
    let link = token(&world, "ben").await;
    let view = world.room.approval_page(&link).await.unwrap().unwrap();
    assert_eq!(view.asked, CodeAsked::Factor);
    let approved = world.room.approve(held.id, &world.who("ben"), None).await;
    assert!(matches!(
        approved,
        Err(ListError::Code(CodeError::NotEnrolled(_)))
    ));
    let refused = world
        .room
        .decide_by_link(&link, Decision::Refuse, None)
        .await
        .unwrap();
    assert_eq!(refused.state, MailingState::Cancelled);
}
