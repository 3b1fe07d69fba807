//! Looking, counting, cards, erasing, evidence and lists.

use super::*;
use crate::audit::canonical;
use crate::consent::{ConfirmedEvent, ConsentEvent, Lang};
use crate::control::api::Count;
use crate::control::api::consent::{Bundle, Show};
use crate::control::api::list::Show as ShowLists;
use crate::control::api::subscriber::{Add, CardChannel, Erase, Find, Stats};
use crate::store::{Channel, IntakeRecord, NewEvent};

fn find(address: &str) -> Find {
    Find {
        address: address.into(),
        reason: Some("she rang".into()),
    }
}

#[tokio::test]
async fn a_look_at_an_address_is_logged_with_its_reason() {
    let world = World::new().await;
    world.subscribe("Jo@elector.example", Some(LEEDS)).await;
    let (_, found) = world
        .ask(&find(" jo@elector.example "))
        .await
        .expect("finds");
    let subscriber = found.subscriber.expect("is subscribed");
    assert_eq!(
        subscriber.address, "Jo@elector.example",
        "as its owner spelt it"
    );
    let seat = world.rooms.consent.settings().constituencies;
    let seat = seat
        .find(LEEDS)
        .expect("is there")
        .constituency
        .name()
        .to_owned();
    assert_eq!(subscriber.constituency, Some(seat));
    assert_eq!(
        subscriber.subscriptions.keys().collect::<Vec<_>>(),
        ["news"]
    );
    let (_, none) = world
        .ask(&find("nobody@elector.example"))
        .await
        .expect("finds");
    assert!(none.subscriber.is_none() && none.suppressed.is_empty());

    let show = Show {
        address: "jo@elector.example".into(),
        reason: None,
    };
    world.ask(&show).await.expect("shows");
    let acts = world.acts().await;
    let said: Vec<_> = acts
        .iter()
        .map(|act| (act.verb.as_str(), act.reason.as_deref().unwrap_or_default()))
        .collect();
    let expected = [
        ("subscriber find", "she rang"),
        ("subscriber find", "she rang"),
        ("consent show", NO_REASON),
    ];
    assert_eq!(said, expected);
    let ada = world.actor("ada").id().to_string();
    assert!(
        acts.iter()
            .all(|act| act.actor == ada && act.object.is_some())
    );

    let bad = world.ask(&find("not an address")).await.expect_err("none");
    assert_eq!(bad.class, Class::Misuse);
    assert_eq!(world.acts().await.len(), 3);
}

#[tokio::test]
async fn nobody_but_admins_sees_an_address() {
    let world = World::new().await;
    world.subscribe("jo@elector.example", None).await;
    for name in ["cy", "dee", "eve", "nobody"] {
        world.am(name);
        let refused = world
            .ask(&find("jo@elector.example"))
            .await
            .expect_err("refused");
        assert_eq!(refused.class, Class::Refused, "{name}");
        let show = Show {
            address: "jo@elector.example".into(),
            reason: None,
        };
        assert!(world.ask(&show).await.is_err(), "{name}");
        let bundle = Bundle {
            address: "jo@elector.example".into(),
            reason: "asked".into(),
        };
        assert!(world.ask(&bundle).await.is_err(), "{name}");
        let erase = Erase {
            address: "jo@elector.example".into(),
            reason: "asked".into(),
        };
        assert!(world.ask(&erase).await.is_err(), "{name}");
    }
    assert!(world.acts().await.is_empty());
}

#[tokio::test]
async fn few_are_counted_for_admins_alone() {
    let world = World::new().await;
    for n in 0..4 {
        world
            .subscribe(&format!("a{n}@elector.example"), Some(LEEDS))
            .await;
    }
    for n in 0..7 {
        world
            .subscribe(&format!("b{n}@elector.example"), Some(ALDERSHOT))
            .await;
    }
    for n in 0..9 {
        world
            .subscribe(&format!("c{n}@elector.example"), None)
            .await;
    }
    let world = world.reopen().await;
    let stats = Stats {
        constituencies: true,
    };
    let (rows, report) = world.ask(&stats).await.expect("counts");
    let numbers: Vec<_> = rows.iter().map(|row| row.subscribed).collect();
    let exactly = |numbers: [u64; 4]| numbers.map(Count::Exactly);
    assert_eq!(numbers, exactly([20, 7, 4, 9]), "{rows:?}");
    assert_eq!((report.suppressed, report.counted_at), (Some(0), None));

    world.am("eve");
    let (rows, report) = world.ask(&stats).await.expect("counts");
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.constituency.as_deref(), row.subscribed))
        .collect();
    let expected = [
        (None, Count::Exactly(20)),
        (Some("abroad or not said"), Count::Exactly(5)),
    ];
    assert_eq!(shown, expected, "the 4 can't be worked out");
    assert_eq!(
        (report.subscribers, report.pending, report.suppressed),
        (Count::Exactly(20), None, None)
    );
    assert_eq!(report.counted_at, Some(noon()), "at the last start");

    let (lists, _) = world.ask(&ShowLists { list: None }).await.expect("lists");
    assert_eq!(
        (lists[0].list.as_str(), lists[0].subscribed),
        ("news", Count::Exactly(20))
    );
    assert_eq!(lists[0].approval, "second-person");
    let none = ShowLists {
        list: Some("none".into()),
    };
    let none = world.ask(&none).await.expect_err("no such list");
    assert!(none.next.contains("list show"), "{none}");
}

#[tokio::test]
async fn a_list_with_few_is_few_to_who_is_no_admin() {
    let world = World::new().await;
    world.subscribe("jo@elector.example", None).await;
    let world = world.reopen().await;
    let show = ShowLists {
        list: Some("news".into()),
    };
    let (lists, _) = world.ask(&show).await.expect("lists");
    assert_eq!(lists[0].subscribed, Count::Exactly(1));
    world.am("cy");
    let (lists, _) = world.ask(&show).await.expect("lists");
    assert_eq!(lists[0].subscribed, Count::Few);
}

fn card() -> Add {
    Add {
        address: "jo@elector.example".into(),
        lists: vec!["news".into()],
        constituency: Some("aldershot".into()),
        channel: CardChannel::Event,
        asked_on: "2026-11-21".into(),
        batch: "stall 7".into(),
        age_stated: true,
        language: "en".into(),
    }
}

#[tokio::test]
async fn a_card_waits_to_be_asked_and_subscribes_nobody() {
    let world = World::new().await;
    world.ask(&card()).await.expect("takes");
    let work = world
        .rooms
        .store
        .intake_after(None, 10)
        .await
        .expect("reads");
    let [one] = &work.rows[..] else {
        panic!("one card")
    };
    let IntakeRecord::SignUp { asked } = &one.record else {
        panic!("a sign-up")
    };
    assert_eq!(asked.constituency.as_deref(), Some(ALDERSHOT));
    assert_eq!(asked.batch.as_deref(), Some("stall 7"));
    assert_eq!(asked.asked_at.to_string(), "2026-11-21T00:00:00Z");
    assert_eq!(world.verbs().await, ["subscriber add"]);
    assert_eq!(
        world
            .rooms
            .consent
            .stats()
            .await
            .expect("counts")
            .subscribers,
        0
    );

    let cases = [
        (
            // The words in force were first shown on the 21st.
            Add {
                asked_on: "2026-11-20".into(),
                ..card()
            },
            "first shown after that day",
        ),
        (
            Add {
                lists: vec!["none".into()],
                ..card()
            },
            "list",
        ),
        (
            Add {
                asked_on: "20/11/2026".into(),
                ..card()
            },
            "no date",
        ),
        (
            Add {
                asked_on: "2027-01-01".into(),
                ..card()
            },
            "future",
        ),
        (
            Add {
                constituency: Some("Atlantis".into()),
                ..card()
            },
            "constituency",
        ),
        (
            Add {
                batch: String::new(),
                ..card()
            },
            "batch",
        ),
    ];
    for (wrong, why) in cases {
        let failure = world.ask(&wrong).await.expect_err(why);
        // What isn't there is a refusal, what can't be read misuse: 1 and 2 as exit status.
        let class = match why {
            "list" | "constituency" => Class::Refused,
            _ => Class::Misuse,
        };
        assert_eq!(failure.class, class, "{failure}");
        assert!(failure.why.contains(why), "{failure} should say {why}");
    }
    assert_eq!(world.verbs().await, ["subscriber add"]);
}

#[tokio::test]
async fn who_is_erased_is_suppressed_and_the_log_says_by_whom() {
    let world = World::new().await;
    world.subscribe("jo@elector.example", None).await;
    let erase = |reason: &str| Erase {
        address: "jo@elector.example".into(),
        reason: reason.into(),
    };
    let no_reason = world.ask(&erase(" ")).await.expect_err("why?");
    assert_eq!(no_reason.class, Class::Misuse);
    let (_, erased) = world.ask(&erase("asked by letter")).await.expect("erases");
    assert!(erased.held && erased.suppressed);
    let (_, again) = world.ask(&erase("asked again")).await.expect("erases");
    assert!(again.suppressed);
    let (_, found) = world.ask(&find("jo@elector.example")).await.expect("finds");
    assert_eq!(found.suppressed, ["everything"]);
    assert!(found.subscriber.is_none());
    let expected = ["subscriber erase", "subscriber erase", "subscriber find"];
    assert_eq!(world.verbs().await, expected);
}

#[tokio::test]
async fn a_bundle_proves_itself_up_to_a_size_of_the_log() {
    let world = World::new().await;
    world.subscribe("jo@elector.example", None).await;
    let erase = Erase {
        address: "jo@elector.example".into(),
        reason: "asked".into(),
    };
    // Withdrawn by a suppression, so that there is an event.
    let vault = world.rooms.store.vault();
    let form = typed("jo@elector.example").match_form();
    let index = vault.index(crate::vault::IndexColumn::Suppression, form.as_bytes());
    let token = vault.withdrawal_token(vault.list_tag("news"), &index);
    world
        .rooms
        .consent
        .withdraw(
            &token,
            crate::consent::Extent::AsToken,
            crate::consent::WithdrawalChannel::Page,
        )
        .await
        .expect("withdraws");
    let show = Show {
        address: "jo@elector.example".into(),
        reason: None,
    };
    let (events, _) = world.ask(&show).await.expect("shows");
    assert_eq!(
        (events[0].what.as_str(), &events[0].lists[..]),
        ("withdrawn", &["news".to_owned()][..])
    );
    assert_eq!(events[0].event["event"], "withdrawn");
    let bundle = Bundle {
        address: "jo@elector.example".into(),
        reason: "complaint".into(),
    };
    let (_, body, bundled) = world.talk(&bundle, b"").await.expect("bundles");
    assert_eq!((bundled.events, bundled.log_size), (1, 1));
    let text: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(text["address"], "jo@elector.example");
    world.ask(&erase).await.expect("erases");
    let expected = ["consent show", "consent bundle", "subscriber erase"];
    assert_eq!(world.verbs().await, expected);
    let (events, _) = world.ask(&show).await.expect("shows");
    assert_eq!(events.last().expect("a tombstone").what, "erased");
}

#[tokio::test]
async fn the_words_that_were_shown_are_shown_once_each() {
    let world = World::new().await;
    let consent = &world.rooms.consent;
    let shown = consent.wording("news", Lang::En).expect("in force");
    let notice = consent.notice(Lang::En);
    let form = typed("jo@elector.example").match_form();
    let vault = world.rooms.store.vault();
    let subject = vault.index(crate::vault::IndexColumn::EvidenceSubject, form.as_bytes());
    for _ in 0..2 {
        let event = ConsentEvent::Confirmed(ConfirmedEvent {
            subject,
            list: "news".into(),
            channel: Channel::Web,
            wording: shown.digest.to_string(),
            language: "en".into(),
            notice: notice.digest.to_string(),
            asked_at: noon(),
            confirmed_at: noon(),
            token: "ab".into(),
            stated_age: Some(16),
            batch: None,
            entered_by: None,
            origin: None,
        });
        let event = NewEvent {
            log: LogKind::Consent,
            subject: Some(subject),
            event: canonical(&event).expect("canonical"),
        };
        done(&world.rooms.store, Step::Append(event)).await;
    }
    let show = Show {
        address: "jo@elector.example".into(),
        reason: None,
    };
    let (events, _) = world.ask(&show).await.expect("shows");
    let texts = |at: usize| {
        let all = events[at].texts.iter();
        let mut all: Vec<_> = all
            .map(|one| (one.kind.as_str(), one.text.as_str()))
            .collect();
        all.sort_unstable();
        all
    };
    let expected = [
        ("consent", shown.text.as_str()),
        ("notice", notice.text.as_str()),
    ];
    assert_eq!(texts(0), expected);
    assert_eq!(texts(1), [], "the same words need no second showing");
}
