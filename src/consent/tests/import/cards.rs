//! Cards: a sign-up on paper.

use super::*;

#[tokio::test]
async fn a_card_is_a_sign_up_with_its_batch() {
    let party = Party::new().await;
    let card = Card {
        address: address("ann@elector.example"),
        lists: vec!["news".into()],
        constituency: None,
        language: Lang::En,
        age_stated: true,
        at_event: true,
        batch: "stall 7".into(),
        filled_in: noon(),
    };
    party.pass(days(3));
    let cases = [
        (
            Card {
                batch: " ".into(),
                ..card.clone()
            },
            FormProblem::BatchMissing,
        ),
        (
            Card {
                batch: "from bob@x.example".into(),
                ..card.clone()
            },
            FormProblem::BatchAddress,
        ),
        (
            Card {
                batch: "Electoral roll 2025".into(),
                ..card.clone()
            },
            FormProblem::BatchRegister,
        ),
        (
            // The words in force were first shown at noon: another text stood on a card of the day before.
            Card {
                filled_in: noon() - days(1),
                ..card.clone()
            },
            FormProblem::BeforeWording,
        ),
        (
            Card {
                lists: Vec::new(),
                ..card.clone()
            },
            FormProblem::ListsMissing,
        ),
        (
            Card {
                filled_in: noon() + days(4),
                ..card.clone()
            },
            FormProblem::DateInFuture,
        ),
    ];
    for (wrong, problem) in cases {
        match party.consent.enter_card(wrong, &by("stall")).await {
            Err(ConsentError::Form(problems)) => assert_eq!(problems, [problem]),
            other => panic!("{problem:?}: {other:?}"),
        }
    }
    party
        .consent
        .enter_card(card.clone(), &by("stall"))
        .await
        .expect("taken");
    let mail = party.one_mail("challenge").await;
    let made = party.confirm(&mail.token).await;
    party.outbox().await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    party.pass(days(2));
    party
        .consent
        .enter_card(card, &by("stall"))
        .await
        .expect("taken");
    party.no_mail().await;
}

#[tokio::test]
async fn a_card_without_a_stated_age_leads_to_the_full_form() {
    let party = Party::new().await;
    let card = Card {
        address: address("ann@elector.example"),
        lists: vec!["news".into()],
        constituency: None,
        language: Lang::En,
        age_stated: false,
        at_event: true,
        batch: "stall 7".into(),
        filled_in: noon(),
    };
    party.pass(days(3));
    let entered = party.consent.enter_card(card, &by("stall")).await;
    entered.expect("taken");
    let mail = party.one_mail("challenge").await;
    let view = party.consent.open_request(&mail.token).await;
    let view = view.expect("reads").expect("waits");
    assert_eq!(view.full_form, Some(Heard::Card));
    party.tick(&mail.token, &["news", "appeals"]).await;
    let origins = party.events().await.into_iter().map(|event| match event {
        ConsentEvent::Confirmed(one) => {
            assert_eq!(
                (one.channel, one.asked_at),
                (Channel::Web, noon() + days(3))
            );
            assert_eq!((one.stated_age, one.batch), (Some(16), None));
            one.origin.map(|origin| (origin.channel, origin.stated_age))
        }
        other => panic!("{other:?}"),
    });
    // The card said nothing of the other list.
    let card = Some((Channel::Event, None));
    assert_eq!(origins.collect::<Vec<_>>(), [card, None]);
}
