//! Nobody is written to too often, and nothing asked for is dropped for it.

use super::*;

#[tokio::test]
async fn a_second_request_within_a_day_sends_nothing_and_is_in_the_first_ones_link() {
    let party = Party::new().await;
    party.ask("ann@elector.example", &["news"]).await;
    let first = party.one_mail("challenge").await;
    for hours in [1, 20] {
        party.pass(SignedDuration::from_hours(hours));
        party.ask("ann@elector.example", &["appeals"]).await;
        party.no_mail().await;
    }
    let view = party
        .consent
        .open_request(&first.token)
        .await
        .expect("reads")
        .expect("waits");
    let asked: Vec<_> = view.lists.iter().map(|list| &*list.key).collect();
    assert_eq!(asked, ["news", "appeals"]);
    assert_eq!(view.full_form, Some(Heard::Again));
    // Who had the page of the first request open saw one list: its button is not a consent to both, nor to one.
    let outcome = party.consent.confirm(
        &first.token,
        Confirmation {
            shown: None,
            age_stated: false,
            ..party.choice()
        },
    );
    let refused = outcome.await.expect("answers");
    assert!(matches!(refused, ConfirmOutcome::Refused(_)), "{refused:?}");
    party.pass(SignedDuration::from_hours(3));
    party.ask("ann@elector.example", &["appeals"]).await;
    let next = party.one_mail("challenge").await;
    assert!(
        party
            .consent
            .open_request(&first.token)
            .await
            .expect("reads")
            .is_none()
    );
    assert!(
        party
            .consent
            .open_request(&next.token)
            .await
            .expect("reads")
            .is_some()
    );
}

#[tokio::test]
async fn a_strangers_sign_up_keeps_nobody_from_their_own() {
    let party = Party::new().await;
    party.ask("ann@elector.example", &["news"]).await;
    let mail = party.one_mail("challenge").await;
    party.pass(SignedDuration::from_secs(1));
    let mut own = party.form("Ann@elector.example", &["appeals"]);
    own.constituency = Some(code("W07000112"));
    party.consent.sign_up(own).await.expect("taken");
    party.no_mail().await;
    let view = party.consent.open_request(&mail.token).await;
    let view = view.expect("reads").expect("waits");
    assert_eq!(
        view.constituency,
        Some(code("W07000112")),
        "what was said last"
    );
    party.tick(&mail.token, &["appeals"]).await;
    assert_eq!(party.live_on("ann@elector.example").await, ["appeals"]);
    let ConsentEvent::Confirmed(event) = &party.events().await[0] else {
        panic!("a consent")
    };
    let shown = party
        .consent
        .wording("appeals", Lang::En)
        .expect("in force");
    assert_eq!(event.wording, shown.digest.to_string());
    assert_eq!(event.asked_at, party.clock.now());
}

#[tokio::test]
async fn however_often_an_address_is_signed_up_it_gets_one_mail_a_day() {
    let party = Party::new().await;
    for n in 0..50 {
        let lists: &[&str] = if n % 2 == 0 {
            &["news"]
        } else {
            &["appeals", "news"]
        };
        let mut form = party.form("ann@elector.example", lists);
        form.constituency = (n % 3 == 0).then(|| code("W07000112"));
        party.consent.sign_up(form).await.expect("taken");
        party.work().await;
    }
    assert_eq!(party.outbox().await.len(), 1);
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
    // After an answer of ours that was no challenge, what else is asked for comes the next day, and once.
    party.join("ben@elector.example", &["news"]).await;
    party.ask("ben@elector.example", &["news"]).await;
    party.one_mail("already").await;
    for _ in 0..20 {
        party.ask("ben@elector.example", &["appeals"]).await;
        party.no_mail().await;
    }
    party.pass(days(1));
    assert_eq!(party.one_mail("challenge").await.to, "ben@elector.example");
    party.no_mail().await;
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
}

#[tokio::test]
async fn signing_up_again_with_another_constituency_corrects_it() {
    let party = Party::new().await;
    let first = party.join("ann@elector.example", &["news"]).await;
    let mut form = party.form("ann@elector.example", &["news"]);
    form.constituency = Some(code("W07000112"));
    party.consent.sign_up(form).await.expect("taken");
    let mail = party.one_mail("challenge").await;
    let choice = Confirmation {
        constituency: SeatChoice::AsAsked,
        ..party.choice()
    };
    let done = party.consent.confirm(&mail.token, choice).await;
    let ConfirmOutcome::Subscribed(made) = done.expect("confirms") else {
        panic!("subscribed")
    };
    assert_eq!(made[0].constituency(), Some(code("W07000112")));
    assert_eq!(made[0].confirmed_at(), first[0].confirmed_at());
    assert_eq!(party.events().await.len(), 2, "the evidence says so");
    let stats = party.consent.stats().await.expect("counts");
    assert_eq!(stats.on_list_in("news", &["E14001063".into()]), 0);
    assert_eq!(stats.on_list_in("news", &["W07000112".into()]), 1);
    // Without a constituency it's the sign-up of somebody who is subscribed, and changes nothing.
    party.outbox().await;
    let mut form = party.form("ann@elector.example", &["news"]);
    form.constituency = None;
    party.consent.sign_up(form).await.expect("taken");
    party.one_mail("already").await;
}

#[tokio::test]
async fn after_three_unanswered_there_is_silence_and_an_answer_resets() {
    let party = Party::new().await;
    for _ in 0..3 {
        party.ask("ann@elector.example", &["news"]).await;
        party.one_mail("challenge").await;
        party.pass(days(2));
    }
    for _ in 0..8 {
        party.ask("ann@elector.example", &["news"]).await;
        party.consent.expire().await.expect("expires");
        party.no_mail().await;
        party.pass(days(10));
    }
    party.pass(days(10));
    party.ask("ann@elector.example", &["news"]).await;
    let mail = party.one_mail("challenge").await;
    party.confirm(&mail.token).await;
    party.outbox().await;
    party.ask("ann@elector.example", &["appeals"]).await;
    party.one_mail("challenge").await;
}

#[tokio::test]
async fn who_is_subscribed_hears_so_as_often_as_others_are_challenged() {
    let party = Party::new().await;
    party.join("ann@elector.example", &["news"]).await;
    party.ask("ann@elector.example", &["news"]).await;
    let mail = party.one_mail("already").await;
    party.ask("ann@elector.example", &["news"]).await;
    party.no_mail().await;
    party.out(&mail.token, Extent::AsToken).await;
    assert!(party.live_on("ann@elector.example").await.is_empty());
}

#[tokio::test]
async fn a_busy_domain_is_delayed_and_nothing_is_dropped() {
    let mut settings = settings();
    settings.limits.per_domain_hour = 2;
    let party = Party::with(settings).await;
    for n in 0..5 {
        party.ask(&format!("n{n}@big.example"), &["news"]).await;
    }
    party.ask("ann@small.example", &["news"]).await;
    party.work().await;
    assert_eq!(party.outbox().await.len(), 3);
    let mut later = 0;
    for _ in 0..3 {
        party.pass(SignedDuration::from_hours(1));
        party.work().await;
        let sent = party.outbox().await.len();
        assert!(sent <= 2, "{sent}");
        later += sent;
    }
    assert_eq!(later, 3);
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
}

#[tokio::test]
async fn a_letter_that_can_not_be_written_waits() {
    struct Broken;
    impl Letters for Broken {
        fn write(&self, letter: &Letter, _: &Envelope<'_>) -> Result<Vec<u8>, LetterError> {
            Err(LetterError {
                kind: letter.kind(),
                why: "line 3".into(),
            })
        }
    }
    let party = Party::new().await;
    party
        .consent
        .reload(settings(), Arc::new(Broken))
        .await
        .expect("reloads");
    party.ask("ann@elector.example", &["news"]).await;
    party.no_mail().await;
    party
        .consent
        .reload(settings(), Arc::new(Plain))
        .await
        .expect("reloads");
    party.pass(SignedDuration::from_mins(6));
    let mail = party.one_mail("challenge").await;
    party
        .consent
        .reload(settings(), Arc::new(Broken))
        .await
        .expect("reloads");
    let refused = party.consent.confirm(&mail.token, party.choice()).await;
    assert!(matches!(refused, Err(ConsentError::Letter(_))));
    assert!(party.live_on("ann@elector.example").await.is_empty());
    party
        .consent
        .reload(settings(), Arc::new(Plain))
        .await
        .expect("reloads");
    party.confirm(&mail.token).await;
}

#[tokio::test]
async fn the_worker_wakes_for_what_came_and_for_what_is_due() {
    let party = Party::new().await;
    let worker = party.worker.clone();
    let running = tokio::spawn(async move { worker.run().await });
    for (who, span) in [("ann@elector.example", 0), ("ben@elector.example", 2)] {
        party.pass(SignedDuration::from_hours(span));
        party.ask(who, &["news"]).await;
        let mut sent = Vec::new();
        for _ in 0..500 {
            sent = party.outbox().await;
            if !sent.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(sent.len(), 1, "{who}");
    }
    running.abort();
}

/// The letters as they are, from this address, and settings with their words.
pub(super) fn real_letters(from: &str) -> (ConsentSettings, TemplateLetters) {
    use crate::template::{Colour, Party as Named, Templates};
    let named = Named {
        name: "The Fair Party".into(),
        address: "1 High Street, Leeds LS1 1AA".into(),
        email: "privacy@party.example".into(),
        url: "https://lists.party.example".into(),
        promoter: None,
        behalf: None,
        company: None,
        colour: Colour::INK,
        asks_constituency: true,
    };
    let templates = Templates::builtin(named);
    let mut with_words = settings();
    for list in &mut with_words.lists {
        list.statement = templates.consent_statement(&list.purpose);
    }
    assert_eq!(with_words.faults(None), [], "the built-in words pass");
    let letters = TemplateLetters {
        templates: Arc::new(templates),
        from: address(from),
        from_name: "The Fair Party".into(),
        mail_domain: with_words.mail_domain.clone(),
    };
    (with_words, letters)
}

#[tokio::test]
async fn the_mails_read_well_in_both_languages() {
    let (with_words, letters) = real_letters("office@party.example");
    let party = Party::new().await;
    party
        .consent
        .reload(with_words, Arc::new(letters))
        .await
        .expect("reloads");
    party
        .consent
        .sign_up(SignUpForm {
            constituency: Some(code("W07000112")),
            ..party.form("ann@elector.example", &["news"])
        })
        .await
        .expect("taken");
    party.work().await;
    let page = party.store.queue_page(None, 10).await.expect("reads");
    let body = party
        .store
        .body(page.rows[0].message)
        .read_whole(100_000)
        .await;
    let text = String::from_utf8(body.expect("reads")).expect("text");
    for part in [
        "Auto-Submitted: auto-generated",
        "To: ",
        "From: ",
        "@party.example>",
        "multipart/alternative",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().all(|line| line.len() < 998));
}
