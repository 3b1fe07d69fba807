//! Signing up: form, challenge, button, evidence.

use super::*;
use crate::store::Channel;

#[tokio::test]
async fn a_stranger_subscribes() {
    let party = Party::new().await;
    party.ask("Ann@Elector.example", &["news", "appeals"]).await;
    assert_eq!(party.events().await, [], "asking is no evidence");
    let mail = party.one_mail("challenge").await;
    assert_eq!(mail.to, "Ann@elector.example");
    let view = party
        .consent
        .open_request(&mail.token)
        .await
        .expect("reads")
        .expect("waits");
    assert_eq!(view.full_form, None);
    assert_eq!(view.constituency, Some(code("E14001063")));
    let shown = party.consent.wording("news", Lang::En).expect("in force");
    assert_eq!(view.lists[0].statement.as_deref(), Some(&*shown.text));
    assert_eq!(
        party.live_on("ann@elector.example").await,
        [""; 0],
        "a GET changes nothing"
    );

    party.pass(days(2));
    let made = party.confirm(&mail.token.to_uppercase()).await;
    assert_eq!(
        made.iter().map(|one| one.list()).collect::<Vec<_>>(),
        ["news", "appeals"]
    );
    assert_eq!(made[0].address().as_str(), "Ann@elector.example");
    assert_eq!(
        party.live_on("ann@elector.example").await,
        ["appeals", "news"]
    );

    let events = party.events().await;
    let ConsentEvent::Confirmed(event) = &events[0] else {
        panic!("a consent")
    };
    assert_eq!(event.wording, shown.digest.to_string());
    assert_eq!((event.channel, event.stated_age), (Channel::Web, Some(16)));
    assert_eq!(
        (event.asked_at, event.confirmed_at),
        (noon(), party.clock.now())
    );
    let json = serde_json::to_string(&events).expect("JSON");
    assert!(
        !json.contains("elector") && !json.contains("E14001063"),
        "{json}"
    );

    let welcome = party.one_mail("welcome").await;
    assert_eq!(welcome.token, made[0].way_out());
    let stats = party.consent.stats().await.expect("counts");
    assert_eq!(
        (stats.subscribers, stats.on_list("news"), stats.pending),
        (1, 1, 0)
    );
    assert_eq!(stats.on_list_in("news", &["E14001063".into()]), 1);
    assert_eq!(stats.on_list_in("news", &["E14001064".into()]), 0);
}

/// Knows one domain, and one person of it.
pub(super) struct OneParty;

impl OwnAddresses for OneParty {
    fn is_no_persons(&self, address: &EmailAddress) -> bool {
        address.domain().as_str() == "party.example" && address.local() != "ada"
    }
}

#[tokio::test]
async fn nobody_is_asked_at_an_address_that_is_no_persons() {
    let party = Party::new().await;
    party.consent.know_own(Arc::new(OneParty));
    party.ask("news@party.example", &["news"]).await;
    party.no_mail().await;
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
    for who in ["ada@party.example", "news@other.example"] {
        party.ask(who, &["news"]).await;
        assert_eq!(party.one_mail("challenge").await.to, who);
    }
}

#[tokio::test]
async fn a_link_works_once_and_a_stranger_link_never() {
    let party = Party::new().await;
    party.ask("ann@elector.example", &["news"]).await;
    let mail = party.one_mail("challenge").await;
    party.confirm(&mail.token).await;
    party.pass(SignedDuration::from_mins(60));
    for token in [&*mail.token, "", "x", &"a".repeat(52)] {
        assert_eq!(
            party.consent.open_request(token).await.expect("reads"),
            None
        );
        let again = party
            .consent
            .confirm(token, party.choice())
            .await
            .expect("answers");
        assert_eq!(again, ConfirmOutcome::LinkUnknown);
    }
    assert_eq!(party.events().await.len(), 1);
}

#[tokio::test]
async fn the_button_pressed_twice_is_answered_alike_and_done_once() {
    let party = Party::new().await;
    party.ask("ann@elector.example", &["news", "appeals"]).await;
    let mail = party.one_mail("challenge").await;
    let posts = (0..4).map(|_| party.consent.confirm(&mail.token, party.choice()));
    for outcome in futures_util::future::join_all(posts).await {
        let ConfirmOutcome::Subscribed(made) = outcome.expect("answers") else {
            panic!("subscribed")
        };
        assert_eq!(made.len(), 2);
    }
    assert_eq!(party.events().await.len(), 2, "a consent for each list");
    let welcome = party.one_mail("welcome").await;
    party.pass(SignedDuration::from_mins(59));
    let again = mail.token.to_uppercase();
    let again = party.consent.confirmed_again(&again).await;
    assert_eq!(again.expect("reads").expect("is known").len(), 2);
    // It says what is: who left since isn't told otherwise.
    party.out(&welcome.token, Extent::AllLists).await;
    let left = party.consent.confirm(&mail.token, party.choice()).await;
    assert_eq!(left.expect("answers"), ConfirmOutcome::LinkUnknown);
    assert_eq!(
        party.consent.confirmed_again("x").await.expect("reads"),
        None
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_said_and_nothing_is_kept() {
    let party = Party::new().await;
    let good = party.form("ann@elector.example", &["news"]);
    let wrong = |change: fn(&mut SignUpForm)| {
        let mut form = good.clone();
        change(&mut form);
        form
    };
    let cases: [(SignUpForm, FormProblem); 5] = [
        (wrong(|form| form.lists.clear()), FormProblem::ListsMissing),
        (
            wrong(|form| form.lists = vec!["other".into()]),
            FormProblem::ListsUnknown,
        ),
        (
            wrong(|form| form.age_stated = false),
            FormProblem::AgeMissing,
        ),
        (
            wrong(|form| form.constituency = Some(code("E99999999"))),
            FormProblem::ConstituencyUnknown,
        ),
        (
            wrong(|form| form.shown = FormVersion("old".into())),
            FormProblem::WordingChanged,
        ),
    ];
    for (form, problem) in cases {
        match party.consent.sign_up(form).await {
            Err(ConsentError::Form(problems)) => assert_eq!(problems, [problem]),
            other => panic!("{problem:?} was not found: {other:?}"),
        }
    }
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
    party
        .consent
        .sign_up(wrong(|form| form.constituency = None))
        .await
        .expect("may be left out");
}

#[tokio::test]
async fn the_page_lets_constituency_and_lists_be_mended() {
    let party = Party::new().await;
    party.ask("ann@elector.example", &["news", "appeals"]).await;
    let mail = party.one_mail("challenge").await;
    let refused = [
        (
            Confirmation {
                lists: Some(Vec::new()),
                ..party.choice()
            },
            FormProblem::ListsMissing,
        ),
        (
            Confirmation {
                constituency: SeatChoice::Now(Some(code("E99999999"))),
                ..party.choice()
            },
            FormProblem::ConstituencyUnknown,
        ),
    ];
    for (choice, problem) in refused {
        let outcome = party
            .consent
            .confirm(&mail.token, choice)
            .await
            .expect("answers");
        assert_eq!(outcome, ConfirmOutcome::Refused(vec![problem]));
    }
    let choice = Confirmation {
        lists: Some(vec!["appeals".into(), "never-asked".into()]),
        constituency: SeatChoice::Now(Some(code("W07000112"))),
        ..party.choice()
    };
    let ConfirmOutcome::Subscribed(made) = party
        .consent
        .confirm(&mail.token, choice)
        .await
        .expect("confirms")
    else {
        panic!("subscribed")
    };
    assert_eq!(made.len(), 1);
    assert_eq!(
        (made[0].list(), made[0].constituency()),
        ("appeals", Some(code("W07000112")))
    );
}

#[tokio::test]
async fn a_mail_to_subscribe_opens_the_full_form_whose_post_is_the_consent() {
    let party = Party::new().await;
    let unknown = party
        .consent
        .subscribe_by_mail(address("ann@elector.example"), "other")
        .await;
    assert!(matches!(unknown, Err(ConsentError::UnknownList(_))));
    party
        .consent
        .subscribe_by_mail(address("ann@elector.example"), "news")
        .await
        .expect("taken");
    let mail = party.one_mail("challenge").await;
    let view = party
        .consent
        .open_request(&mail.token)
        .await
        .expect("reads")
        .expect("waits");
    assert!(view.full_form == Some(Heard::Mail) && view.lists[0].statement.is_none());
    let ticked = Some(vec!["news".into()]);
    let cases = [
        (
            Confirmation {
                lists: None,
                ..party.choice()
            },
            FormProblem::ListsMissing,
        ),
        (
            Confirmation {
                lists: ticked.clone(),
                age_stated: false,
                ..party.choice()
            },
            FormProblem::AgeMissing,
        ),
        (
            Confirmation {
                lists: ticked.clone(),
                shown: None,
                ..party.choice()
            },
            FormProblem::WordingChanged,
        ),
    ];
    for (choice, problem) in cases {
        let outcome = party
            .consent
            .confirm(&mail.token, choice)
            .await
            .expect("answers");
        assert_eq!(outcome, ConfirmOutcome::Refused(vec![problem]));
    }
    let choice = Confirmation {
        lists: ticked,
        ..party.choice()
    };
    let outcome = party
        .consent
        .confirm(&mail.token, choice)
        .await
        .expect("confirms");
    assert!(matches!(outcome, ConfirmOutcome::Subscribed(made) if made.len() == 1));
    let ConsentEvent::Confirmed(event) = &party.events().await[0] else {
        panic!("a consent")
    };
    let shown = party.consent.wording("news", Lang::En).expect("in force");
    assert_eq!(event.wording, shown.digest.to_string());
    assert_eq!((event.channel, event.stated_age), (Channel::Mail, Some(16)));
}

#[tokio::test]
async fn a_second_sign_up_adds_to_the_first() {
    let party = Party::new().await;
    let first = party.join("ann@elector.example", &["news"]).await;
    party.pass(days(3));
    let second = party.join("ANN@elector.example", &["appeals"]).await;
    assert_eq!(first[0].subscriber(), second[0].subscriber());
    assert_eq!(
        party.live_on("ann@elector.example").await,
        ["appeals", "news"]
    );
    let again = party
        .consent
        .subscription(first[0].subscriber(), "news")
        .await
        .expect("reads");
    assert_eq!(
        again.expect("still there").confirmed_at(),
        first[0].confirmed_at()
    );
    assert_eq!(party.consent.stats().await.expect("counts").subscribers, 1);
}

#[tokio::test]
async fn an_unconfirmed_request_is_gone_after_seven_days_and_a_count_stays() {
    let party = Party::new().await;
    party.ask("ann@elector.example", &["news"]).await;
    let mail = party.one_mail("challenge").await;
    party.pass(days(7) - SignedDuration::from_secs(1));
    assert_eq!(party.consent.expire().await.expect("expires"), 0);
    assert!(
        party
            .consent
            .open_request(&mail.token)
            .await
            .expect("reads")
            .is_some()
    );
    party.pass(SignedDuration::from_secs(1));
    assert!(
        party
            .consent
            .open_request(&mail.token)
            .await
            .expect("reads")
            .is_none()
    );
    assert_eq!(party.consent.expire().await.expect("expires"), 1);
    let stats = party.consent.stats().await.expect("counts");
    assert_eq!((stats.pending, stats.expired, stats.subscribers), (0, 1, 0));
    assert!(
        party
            .store
            .requests_after(None, 10)
            .await
            .expect("reads")
            .rows
            .is_empty()
    );
    assert_eq!(party.consent.expire().await.expect("expires"), 0);
    assert_eq!(party.consent.stats().await.expect("counts").expired, 1);
}

#[tokio::test]
async fn a_reload_keeps_new_words_and_refuses_bad_ones() {
    let party = Party::new().await;
    let old = party.consent.wording("news", Lang::En).expect("in force");
    party.ask("ann@elector.example", &["news"]).await;
    let mail = party.one_mail("challenge").await;
    let mut bad = settings();
    bad.lists[0].statement = Text::english("Send me things.");
    bad.minimum_age = 12;
    match party.consent.reload(bad, Arc::new(Plain)).await {
        Err(ConsentError::Settings(faults)) => assert_eq!(faults.len(), 5, "{faults:?}"),
        other => panic!("refused: {other:?}"),
    }
    assert_eq!(party.consent.wording("news", Lang::En), Some(old.clone()));
    let stale = party.form("ben@elector.example", &["news"]);
    let mut new = settings();
    new.lists[0].statement.en.push_str(" By post, too.");
    party
        .consent
        .reload(new, Arc::new(Plain))
        .await
        .expect("reloads");
    let shown = party.consent.wording("news", Lang::En).expect("in force");
    assert_ne!(shown.digest, old.digest);
    for one in [&old, &shown] {
        let kept = party.store.wording(&one.digest.0).await.expect("reads");
        assert_eq!(kept.expect("kept").text, one.text);
    }
    assert!(matches!(
        party.consent.sign_up(stale).await,
        Err(ConsentError::Form(_))
    ));
    // Who ticked the old words consented to those.
    party.confirm(&mail.token).await;
    let ConsentEvent::Confirmed(event) = &party.events().await[0] else {
        panic!("a consent")
    };
    assert_eq!(event.wording, old.digest.to_string());
}
