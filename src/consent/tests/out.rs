//! Every way out, and what holds afterwards.

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
    ring.add_index_generation(IndexColumn::Suppression)
        .expect("adds");
    let (directory, clock) = (party.directory.clone(), party.clock.clone());
    drop(party);
    let party = Party::open(directory, ring, clock, settings()).await;
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

/// A mailing to a list, with one copy for this subscriber.
async fn mailing(party: &Party, list: &str, to: &Confirmed<Subscription>) -> (MailingId, CopyId) {
    let record = MessageRecord {
        received_at: noon(),
        size: 0,
        reverse_path: None,
        recipients: Vec::new(),
        submitted_by: None,
    };
    let message = OwnMessage::new(party.store.vault(), record, b"prepared");
    let mailing = Mailing {
        id: MailingId::random(),
        message: message.id(),
        version: 0,
        record: MailingRecord {
            list: list.into(),
            sender: StaffId::random(),
            subject: "Hello".into(),
            constituencies: None,
            digest: String::new(),
            state: MailingState::Sending,
            created_at: noon(),
            second_person: false,
            approvals: Vec::new(),
            links: Vec::new(),
            expected: 1,
            morning: 1,
            released_at: Some(noon()),
            expanded_to: None,
            expanded: false,
            ended_at: None,
            counts: None,
            stopped: None,
            folded_at: None,
        },
    };
    let copy = LedgerRow {
        copy: CopyId::random(),
        mailing: mailing.id,
        subscriber: Some(to.subscriber()),
        due_at: Some(noon()),
        record: LedgerRecord {
            state: CopyState::Due,
            attempts: 0,
            since: None,
            domain: Some("elector.example".into()),
            cause: None,
            at: noon(),
        },
    };
    let ids = (mailing.id, copy.copy);
    let change = Change::new()
        .then(Step::PutMessage(message))
        .then(Step::PutMailing(mailing))
        .then(Step::PutCopies(vec![copy]));
    assert_eq!(
        party.store.change(change).await.expect("writes"),
        ChangeOutcome::Done
    );
    ids
}

#[tokio::test]
async fn the_ledger_forgets_who_left_and_a_reply_is_a_way_out() {
    let party = Party::new().await;
    let made = party
        .join("ann@elector.example", &["news", "appeals"])
        .await;
    let (_, news) = mailing(&party, "news", &made[0]).await;
    let (_, appeals) = mailing(&party, "appeals", &made[1]).await;
    let token = party
        .store
        .vault()
        .copy_token(CopyTokenKind::MessageId, news);
    let reply = |token: &str| {
        let (consent, token) = (party.consent.clone(), token.to_owned());
        async move { consent.withdraw_by_reply(&token).await.expect("answers") }
    };
    assert_eq!(reply("nonsense").await, Replied::NotOurs);
    let path = party
        .store
        .vault()
        .copy_token(CopyTokenKind::ReturnPath, news);
    assert_eq!(reply(&path).await, Replied::NotOurs);
    let question = |token: String| {
        let consent = party.consent.clone();
        async move { consent.question_by_reply(&token).await.expect("reads") }
    };
    assert!(matches!(question(path).await, Replied::NotOurs));
    assert!(matches!(
        question(token.clone()).await,
        Replied::Heard(IntakeRecord::BareStop { address: who, .. })
            if who == address("ann@elector.example")
    ));
    assert_eq!(reply(&token).await, Replied::Heard(()));
    assert_eq!(party.live_on("ann@elector.example").await, ["appeals"]);
    // She left, and even if she comes back that copy is nobody's: nobody may be told that it worked.
    assert_eq!(reply(&token).await, Replied::NobodyNow);
    party.ask("ann@elector.example", &["news"]).await;
    let back = party.one_mail("challenge").await;
    assert_eq!(party.confirm(&back.token).await.len(), 1);
    assert_eq!(reply(&token).await, Replied::NobodyNow);
    assert!(matches!(question(token).await, Replied::NobodyNow));
    let again = party.out(made[0].way_out(), Extent::AsToken);
    again.await;
    let row = party.store.copy(news).await.expect("reads").expect("there");
    assert_eq!(
        (row.subscriber, row.due_at, row.record.state),
        (None, None, CopyState::Withdrawn)
    );
    let row = party
        .store
        .copy(appeals)
        .await
        .expect("reads")
        .expect("there");
    assert_eq!(row.subscriber, Some(made[0].subscriber()));
    party.out(made[1].way_out(), Extent::AsToken).await;
    let row = party
        .store
        .copy(appeals)
        .await
        .expect("reads")
        .expect("there");
    assert_eq!((row.subscriber, row.record.domain), (None, None));
}

#[tokio::test]
async fn erasing_takes_what_came_back_for_a_persons_copies() {
    let party = Party::new().await;
    let mut came_back = Vec::new();
    for who in ["ann@elector.example", "ben@elector.example"] {
        let made = party.join(who, &["news"]).await;
        let (_, copy) = mailing(&party, "news", &made[0]).await;
        let record = MessageRecord {
            received_at: noon(),
            size: 0,
            reverse_path: None,
            recipients: Vec::new(),
            submitted_by: None,
        };
        let report = format!("Final-Recipient: rfc822; {who}\r\nStatus: 5.1.1\r\n");
        let message = OwnMessage::new(party.store.vault(), record, report.as_bytes());
        let bounce = Bounce {
            id: crate::id::EntryId::random(),
            copy,
            message: message.id(),
            record: BounceRecord {
                received_at: noon(),
            },
        };
        came_back.push(message.id());
        let change = Change::new()
            .then(Step::PutMessage(message))
            .then(Step::PutBounce(bounce));
        let done = party.store.change(change).await.expect("writes");
        assert_eq!(done, ChangeOutcome::Done);
    }
    let ann = address("ann@elector.example");
    party
        .consent
        .erase(&ann, &by("asked"))
        .await
        .expect("erases");
    let there = |id| {
        let store = party.store.clone();
        async move { store.message(id).await.expect("reads").is_some() }
    };
    assert!(!there(came_back[0]).await, "it quotes her address");
    assert!(there(came_back[1]).await, "and that of nobody else");
    let left = party.store.returned_after(None, 10).await.expect("reads");
    assert_eq!(left.rows.len(), 1);
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
