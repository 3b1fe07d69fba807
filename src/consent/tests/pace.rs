//! Nobody is written to too often, and nothing asked for is dropped for it.

use super::*;

#[tokio::test]
async fn a_second_request_within_a_day_sends_nothing_and_answers_the_same() {
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
    assert_eq!(
        view.lists[0].key, "news",
        "the first request is what it was"
    );
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

#[tokio::test]
async fn the_mails_read_well_in_both_languages() {
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
    };
    let templates = Templates::builtin(named);
    let mut with_words = settings();
    for list in &mut with_words.lists {
        list.statement = templates.consent_statement(&list.purpose);
    }
    assert_eq!(with_words.faults(None), [], "the built-in words pass");
    let letters = TemplateLetters {
        templates: Arc::new(templates),
        from: address("office@party.example"),
        from_name: "The Fair Party".into(),
        mail_domain: with_words.mail_domain.clone(),
    };
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
