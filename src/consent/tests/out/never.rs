//! Never again, and coming back.

use super::*;

#[tokio::test]
async fn coming_back_lifts_that_list_alone() {
    let party = Party::new().await;
    let made = party
        .join("ann@elector.example", &["news", "appeals"])
        .await;
    party.out(made[0].way_out(), Extent::AllLists).await;
    let withdrawn = SuppressionReason::Withdrawn;
    assert_eq!(
        scopes(&party, "ann@elector.example").await,
        [(Scope::All, withdrawn)]
    );
    party.pass(days(2));
    party.join("ann@elector.example", &["news"]).await;
    assert_eq!(party.live_on("ann@elector.example").await, ["news"]);
    let left = scopes(&party, "ann@elector.example").await;
    assert_eq!(left, [(tag(&party, "appeals"), withdrawn)]);
    let journal = party.journal();
    let lifted = journal
        .iter()
        .rposition(|entry| matches!(entry, JournalEntry::Lifted { .. }));
    let again = journal.iter().rposition(|entry| {
        matches!(entry, JournalEntry::Suppressed { scope, .. } if *scope == tag(&party, "appeals"))
    });
    assert!(lifted.is_some() && lifted < again, "{journal:?}");
}

#[tokio::test]
async fn never_again_stops_even_challenges_and_voids_what_waits() {
    let party = Party::new().await;
    party.ask("ann@elector.example", &["news"]).await;
    let mail = party.one_mail("challenge").await;
    assert_eq!(
        party.consent.withdrawal_page(&mail.never),
        Some(WithdrawalView::All)
    );
    party.out(&mail.never, Extent::NeverAgain).await;
    assert!(
        party
            .consent
            .open_request(&mail.token)
            .await
            .expect("reads")
            .is_none()
    );
    let outcome = party
        .consent
        .confirm(&mail.token, party.choice())
        .await
        .expect("answers");
    assert_eq!(outcome, ConfirmOutcome::LinkUnknown);
    assert!(
        party
            .store
            .requests_after(None, 10)
            .await
            .expect("reads")
            .rows
            .is_empty()
    );
    party.pass(days(89));
    party.ask("ann@elector.example", &["news"]).await;
    party.no_mail().await;

    // A challenge that is still queued is dropped, and so is what the worker has not seen.
    party.ask("ben@elector.example", &["news"]).await;
    party.work().await;
    party.pass(days(2));
    party.ask("ben@elector.example", &["news"]).await;
    let vault = party.store.vault();
    let form = address("ben@elector.example").match_form();
    let index = vault.index(IndexColumn::Suppression, form.as_bytes());
    let never = vault.withdrawal_token(ListTag::ALL, &index);
    party.out(&never, Extent::NeverAgain).await;
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
    party.no_mail().await;
    let departing = party
        .consent
        .depart_mail("challenge", &address("ben@elector.example"))
        .await;
    assert!(matches!(departing.expect("reads"), Departing::Gone));
    // Nor does mail of other rooms go there.
    let depart = async |who: &str| {
        let who = address(who);
        let departing = party.consent.depart_mail("tls-report", &who).await;
        departing.expect("reads")
    };
    let departing = depart("ben@elector.example").await;
    assert!(matches!(departing, Departing::Gone));
    let departing = depart("cat@elector.example").await;
    assert!(matches!(departing, Departing::Go(_)));
}

#[tokio::test]
async fn who_said_never_again_may_sign_up_after_a_rest() {
    let ann = "ann@elector.example";
    let party = Party::new().await;
    party.ask(ann, &["news"]).await;
    let first = party.one_mail("challenge").await;
    party.out(&first.never, Extent::NeverAgain).await;
    party.pass(days(91));
    party.ask(ann, &["news"]).await;
    party.one_mail("challenge").await;
    // One, whoever types the address however often.
    for _ in 0..8 {
        party.pass(days(11));
        party.ask(ann, &["news"]).await;
        party.no_mail().await;
    }
    party.pass(days(3));
    party.ask(ann, &["news"]).await;
    let third = party.one_mail("challenge").await;
    // Said anew, it rests anew.
    party.out(&third.never, Extent::NeverAgain).await;
    party.pass(days(89));
    party.ask(ann, &["news"]).await;
    party.no_mail().await;
    party.pass(days(2));
    party.ask(ann, &["news"]).await;
    let fourth = party.one_mail("challenge").await;
    let outcome = party.consent.confirm(&fourth.token, party.choice()).await;
    assert!(matches!(
        outcome.expect("answers"),
        ConfirmOutcome::Subscribed(_)
    ));
    assert_eq!(party.live_on(ann).await, ["news"]);
}

#[tokio::test]
async fn leaving_a_list_does_not_stop_a_challenge_that_is_asked_for() {
    let party = Party::new().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    party.out(made[0].way_out(), Extent::AllLists).await;
    party.ask("ann@elector.example", &["news"]).await;
    party.one_mail("challenge").await;
}
