//! Every way out, and what holds afterwards.

mod copies;
mod never;

use super::*;
use crate::id::{CopyId, MailingId};
use crate::store::{
    Bounce, BounceRecord, CopyState, IntakeRecord, LedgerRecord, LedgerRow, Mailing, MailingRecord,
    MailingState, MessageRecord, OwnMessage, Scope, Step, SuppressionReason,
};
use crate::vault::{CopyTokenKind, IndexColumn, ListTag};

pub(super) async fn scopes(party: &Party, who: &str) -> Vec<(Scope, SuppressionReason)> {
    let form = address(who).match_form();
    let index = party
        .store
        .vault()
        .index(IndexColumn::Suppression, form.as_bytes());
    let row = party.store.suppression(index).await.expect("reads");
    let scopes = row.record.scopes.into_iter();
    scopes.map(|one| (one.scope, one.reason)).collect()
}

fn tag(party: &Party, list: &str) -> Scope {
    Scope::List(party.store.vault().list_tag(list))
}

#[tokio::test]
async fn a_link_ends_one_list_and_the_last_one_ends_the_row() {
    let party = Party::new().await;
    let made = party
        .join("ann@elector.example", &["news", "appeals"])
        .await;
    let view = party
        .consent
        .withdrawal_page(made[0].way_out())
        .expect("ours");
    assert_eq!(view, WithdrawalView::List(Some(Text::english("News"))));
    assert_eq!(
        party.live_on("ann@elector.example").await.len(),
        2,
        "a GET changes nothing"
    );

    party.out(made[0].way_out(), Extent::AsToken).await;
    assert_eq!(party.live_on("ann@elector.example").await, ["appeals"]);
    let withdrawn = SuppressionReason::Withdrawn;
    assert_eq!(
        scopes(&party, "ann@elector.example").await,
        [(tag(&party, "news"), withdrawn)]
    );

    party.out(made[1].way_out(), Extent::AsToken).await;
    assert!(
        !party.holds("ann@elector.example").await,
        "the row is erased"
    );
    let gone: Vec<_> = party
        .events()
        .await
        .into_iter()
        .filter_map(|event| match event {
            ConsentEvent::Withdrawn { list, channel, .. } => Some((list, channel)),
            _ => None,
        })
        .collect();
    let page = WithdrawalChannel::Page;
    assert_eq!(gone, [("news".into(), page), ("appeals".into(), page)]);
    let suppressed = party
        .journal()
        .into_iter()
        .filter(|entry| matches!(entry, JournalEntry::Suppressed { .. }));
    assert_eq!(suppressed.count(), 2);
    assert_eq!(party.consent.stats().await.expect("counts").subscribers, 0);
}

#[tokio::test]
async fn a_token_answers_the_same_for_whoever_it_stands_for_and_writes_as_much() {
    let party = Party::new().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    let vault = party.store.vault();
    let stranger = vault.index(IndexColumn::Suppression, b"v1:nobody@elector.example");
    let unknown = vault.withdrawal_token(vault.list_tag("news"), &stranger);
    let mut answers = Vec::new();
    for token in [made[0].way_out(), made[0].way_out(), &unknown, &unknown] {
        let before = party.store.written().0;
        let answer = party
            .consent
            .withdraw(
                &token.to_uppercase(),
                Extent::AsToken,
                WithdrawalChannel::OneClick,
            )
            .await
            .expect("withdraws");
        answers.push((answer, party.store.written().0 - before));
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    assert_eq!(party.events().await.len(), 2, "one consent, one withdrawal");
    for cut in ["", "abc", &unknown[1..]] {
        assert_eq!(party.consent.withdrawal_page(cut), None);
        let answer = party
            .consent
            .withdraw(cut, Extent::NeverAgain, WithdrawalChannel::Page)
            .await;
        assert_eq!(
            answer.expect("answers"),
            None,
            "a cut link must not say that it worked"
        );
    }
}

/// The journal never gets shorter: who has one used link must not be able to fill the disk with it.
#[tokio::test]
async fn a_link_that_is_pressed_for_ever_answers_the_same_and_stops_growing_the_journal() {
    let party = Party::new().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    let vault = party.store.vault();
    let stranger = vault.index(IndexColumn::Suppression, b"v1:nobody@elector.example");
    let unknown = vault.withdrawal_token(vault.list_tag("news"), &stranger);
    for token in [made[0].way_out(), &unknown] {
        // The first, and three more; then only what changes something.
        for (extent, grows) in [(Extent::AsToken, 4), (Extent::NeverAgain, 1)] {
            let (journal, written) = (party.journal().len(), party.store.written().0);
            for _ in 0..20 {
                party.out(token, extent).await;
            }
            assert_eq!(party.journal().len() - journal, grows, "{extent:?}");
            assert_eq!(party.store.written().0 - written, grows as u64);
        }
    }
    // Whoever came back and leaves again is written down as the first time; and "never again" rests anew the next day.
    party.pass(days(91));
    party.join("ann@elector.example", &["news"]).await;
    let before = party.journal().len();
    party.out(made[0].way_out(), Extent::AsToken).await;
    party.out(made[0].way_out(), Extent::NeverAgain).await;
    assert_eq!(party.journal().len() - before, 2);
    assert!(!party.holds("ann@elector.example").await);
    party.pass(days(2));
    party.out(made[0].way_out(), Extent::NeverAgain).await;
    assert_eq!(party.journal().len() - before, 3);
}

#[tokio::test]
async fn the_evidence_says_when_a_withdrawal_was_asked_for() {
    let party = Party::new().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    let pressed = noon() + SignedDuration::from_mins(5);
    party.pass(SignedDuration::from_hours(30));
    for at in [Some(pressed), Some(noon() + days(9))] {
        let (token, channel) = (made[0].way_out(), WithdrawalChannel::OneClick);
        let withdrawn = party
            .consent
            .withdraw_as_of(token, Extent::AsToken, channel, at)
            .await;
        assert!(withdrawn.expect("withdraws").is_some());
        if at == Some(pressed) {
            party.join("ann@elector.example", &["news"]).await;
        }
    }
    let times = party
        .events()
        .await
        .into_iter()
        .filter_map(|event| match event {
            ConsentEvent::Withdrawn { at, .. } => Some(at),
            _ => None,
        });
    let now = noon() + SignedDuration::from_hours(30);
    assert_eq!(
        times.collect::<Vec<_>>(),
        [pressed, now],
        "and never a time to come"
    );
    assert!(
        party.journal().iter().any(|entry| {
            matches!(entry, JournalEntry::Suppressed { at, .. } if *at == pressed)
        })
    );
}

#[tokio::test]
async fn a_token_works_after_erasure_and_after_coming_back() {
    let party = Party::new().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    let token = made[0].way_out().to_owned();
    party
        .consent
        .erase(&address("ann@elector.example"), &by("asked"))
        .await
        .expect("erases");
    party.out(&token, Extent::AsToken).await;
    party.join("ann@elector.example", &["news"]).await;
    assert_eq!(party.live_on("ann@elector.example").await, ["news"]);
    party.out(&token, Extent::AsToken).await;
    assert!(party.live_on("ann@elector.example").await.is_empty());
}

#[tokio::test]
async fn a_token_works_after_the_index_key_got_a_new_generation() {
    let party = Party::new().await;
    let token = party.join("ann@elector.example", &["news"]).await[0]
        .way_out()
        .to_owned();
    party.out(&token, Extent::AsToken).await;
    let mut ring = party.ring.clone();
    for column in [IndexColumn::Suppression, IndexColumn::ListTag] {
        ring.add_index_generation(column).expect("adds");
    }
    let (directory, clock) = (party.directory.clone(), party.clock.clone());
    drop(party);
    let party = Party::open(directory, ring, clock, settings()).await;
    // Her entry bears the list's old tag, and still keeps her from being asked.
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
    party.work().await;
    party.outbox().await;
    let entered = party.consent.enter_card(card, &by("stall")).await;
    entered.expect("taken");
    party.no_mail().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    assert_ne!(made[0].way_out(), token);
    assert_eq!(
        party.live_on("ann@elector.example").await,
        ["news"],
        "the old entry was lifted"
    );
    party.out(&token, Extent::AsToken).await;
    assert!(party.live_on("ann@elector.example").await.is_empty());
    assert!(!party.holds("ann@elector.example").await);
}

#[tokio::test]
async fn a_bare_stop_pauses_asks_once_and_a_button_makes_it_final() {
    let party = Party::new().await;
    let made = party
        .join("Ann@elector.example", &["news", "appeals"])
        .await;
    let stop = |who: &str| {
        let (consent, who) = (party.consent.clone(), address(who));
        async move { consent.bare_stop(who).await.expect("taken") }
    };
    stop("ann@elector.example").await;
    stop("stranger@elector.example").await;
    let mail = party.one_mail("stop").await;
    assert_eq!(mail.to, "Ann@elector.example");
    let live = party.live_on("ann@elector.example").await;
    assert!(live.is_empty(), "the letter says that all email pauses");
    let live = party
        .consent
        .still_live(made[0].subscriber(), "news")
        .await
        .expect("reads");
    assert_eq!(live, Liveness::Paused(noon() + days(7)));
    assert!(matches!(
        party.consent.depart(&made[0]).await.expect("reads"),
        Departing::Paused(_)
    ));
    stop("ann@elector.example").await;
    party.no_mail().await;
    party.pass(days(7));
    assert_eq!(
        party.live_on("ann@elector.example").await,
        ["appeals", "news"],
        "not pressed"
    );

    stop("ann@elector.example").await;
    let mail = party.one_mail("stop").await;
    assert!(party.live_on("ann@elector.example").await.is_empty());
    assert_eq!(
        party.consent.withdrawal_page(&mail.token),
        Some(WithdrawalView::All)
    );
    party.out(&mail.token, Extent::AsToken).await;
    party.pass(days(8));
    assert!(party.live_on("ann@elector.example").await.is_empty());
    assert_eq!(party.consent.stats().await.expect("counts").subscribers, 0);
}

#[tokio::test]
async fn an_author_whose_domain_vouches_leaves_all_lists_and_a_stranger_leaves_as_much_behind() {
    let party = Party::new().await;
    party
        .join("Ann@elector.example", &["news", "appeals"])
        .await;
    let mut written = Vec::new();
    for who in ["ann@elector.example", "nobody@elector.example"] {
        let before = party.store.written().0;
        let author = address(who);
        party.consent.withdraw_author(&author).await.expect("done");
        written.push(party.store.written().0 - before);
        let withdrawn = SuppressionReason::Withdrawn;
        assert_eq!(scopes(&party, who).await, [(Scope::All, withdrawn)]);
    }
    assert_eq!(written[0], written[1]);
    assert!(!party.holds("ann@elector.example").await);
    let by_mail = party.events().await.into_iter().filter(|event| {
        let channel = WithdrawalChannel::Mail;
        matches!(event, ConsentEvent::Withdrawn { channel: one, .. } if *one == channel)
    });
    assert_eq!(by_mail.count(), 2);
    party.no_mail().await;
}

#[tokio::test]
async fn staff_withdraw_for_somebody_who_rang_and_it_is_on_the_record() {
    let party = Party::new().await;
    party
        .join("ann@elector.example", &["news", "appeals"])
        .await;
    let ann = address("ann@elector.example");
    let refused = party
        .consent
        .withdraw_address(&ann, None, false, &by(" "))
        .await;
    assert!(matches!(refused, Err(ConsentError::NoReason)));
    let refused = party
        .consent
        .withdraw_address(&ann, Some("other"), false, &by("rang"))
        .await;
    assert!(matches!(refused, Err(ConsentError::UnknownList(_))));
    party
        .consent
        .withdraw_address(&ann, Some("news"), false, &by("rang"))
        .await
        .expect("done");
    assert_eq!(party.live_on("ann@elector.example").await, ["appeals"]);
    party
        .consent
        .withdraw_address(&ann, None, true, &by("rang"))
        .await
        .expect("done");
    assert!(party.live_on("ann@elector.example").await.is_empty());
    party.pass(days(3));
    party.ask("ann@elector.example", &["news"]).await;
    party.no_mail().await;
    assert_eq!(super::proof::acts(&party).await, ["subscriber withdraw"; 2]);
}
