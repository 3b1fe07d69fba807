//! A crash between any two steps loses nothing that was answered, and no final dot leaves after a withdrawal's answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::store::testing::{Table, flip};

#[tokio::test]
async fn a_crash_between_any_two_steps_loses_nothing() {
    let mut party = Party::new().await;
    party.ask("ann@elector.example", &["news"]).await;
    party = party.crash().await;
    party.work().await;
    party = party.crash().await;
    let mail = party.one_mail("challenge").await;
    party = party.crash().await;
    party.no_mail().await;
    let made = party.confirm(&mail.token).await;
    party = party.crash().await;
    assert_eq!(party.live_on("ann@elector.example").await, ["news"]);
    assert_eq!(party.one_mail("welcome").await.token, made[0].way_out());
    party
        .consent
        .bare_stop(address("ann@elector.example"))
        .await
        .expect("taken");
    party = party.crash().await;
    party.one_mail("stop").await;
    party = party.crash().await;
    assert!(party.live_on("ann@elector.example").await.is_empty());
    party.out(made[0].way_out(), Extent::AsToken).await;
    party = party.crash().await;
    party.pass(days(8));
    assert!(party.live_on("ann@elector.example").await.is_empty());
    assert_eq!(party.events().await.len(), 2);
    let log = crate::audit::LogKind::Consent;
    assert!(
        party
            .consent
            .verify_log(log, None)
            .await
            .expect("verifies")
            .holds()
    );
}

#[tokio::test]
async fn a_damaged_row_of_one_person_stops_nobody_else() {
    let party = Party::new().await;
    party.join("ann@elector.example", &["news"]).await;
    let ben = party.join("ben@elector.example", &["news"]).await;
    party.ask("carl@elector.example", &["news"]).await;
    party.ask("dora@elector.example", &["news"]).await;
    let ann = address("ann@elector.example").match_form();
    let ann = party
        .store
        .subscriber(&ann)
        .await
        .expect("reads")
        .expect("there")
        .id;
    let (directory, ring, clock) = (
        party.directory.clone(),
        party.ring.clone(),
        party.clock.clone(),
    );
    party.store.close().await;
    drop(party);
    let files = Files::in_directory(directory.path());
    flip(&files, Table::Subscriber, Some(ann.as_bytes())).await;
    flip(&files, Table::Intake, None).await;

    let party = Party::open(directory, ring, clock, settings()).await;
    assert_eq!(party.consent.count("news", None), 1);
    let audience = party
        .consent
        .audience("news", None, 10)
        .await
        .expect("reads");
    assert_eq!(audience.subscriptions, ben);
    party.one_mail("challenge").await;
    // Whose row is damaged can still leave.
    let vault = party.store.vault();
    let form = address("ann@elector.example").match_form();
    let index = vault.index(crate::vault::IndexColumn::Suppression, form.as_bytes());
    let token = vault.withdrawal_token(vault.list_tag("news"), &index);
    party.out(&token, Extent::AsToken).await;
    assert_eq!(
        super::out::scopes(&party, "ann@elector.example")
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn a_damaged_suppression_keeps_nobody_from_leaving_and_holds_nothing_up() {
    let party = Party::new().await;
    let made = party
        .join("ann@elector.example", &["news", "appeals"])
        .await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    party.pass(days(2));
    party.ask("ann@elector.example", &["news"]).await;
    party.ask("ben@elector.example", &["news"]).await;
    let ring = party.ring.clone();
    let (directory, clock) = (party.directory.clone(), party.clock.clone());
    party.store.close().await;
    drop(party);
    flip(
        &Files::in_directory(directory.path()),
        Table::Suppression,
        None,
    )
    .await;

    let party = Party::open(directory, ring, clock, settings()).await;
    assert_eq!(party.one_mail("challenge").await.to, "ben@elector.example");
    let audience = party.consent.audience("appeals", None, 10).await;
    assert_eq!(
        audience.expect("reads").subscriptions,
        [],
        "in doubt, silence"
    );
    party.out(made[1].way_out(), Extent::NeverAgain).await;
    assert!(!party.holds("ann@elector.example").await);
    assert!(
        party
            .consent
            .erase(&address("ann@elector.example"), &by("asked"))
            .await
            .is_ok()
    );
}

/// Senders hand over copies all the time while everybody withdraws, some of them twice at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_final_dot_leaves_after_a_withdrawal_was_answered() {
    const PEOPLE: usize = 24;
    let party = Party::new().await;
    let mut made = Vec::new();
    for n in 0..PEOPLE {
        made.extend(party.join(&format!("n{n}@x{n}.example"), &["news"]).await);
    }
    let made = Arc::new(made);
    let answered: Arc<Vec<AtomicBool>> =
        Arc::new((0..PEOPLE).map(|_| AtomicBool::new(false)).collect());
    let (late, dots) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    for sender in 0..6 {
        let (consent, made, answered) = (party.consent.clone(), made.clone(), answered.clone());
        let (late, dots, stop) = (late.clone(), dots.clone(), stop.clone());
        senders.push(tokio::spawn(async move {
            let mut at = sender;
            while !stop.load(Ordering::Relaxed) {
                at = (at * 7 + 3) % PEOPLE;
                if let Departing::Go(place) = consent.depart(&made[at]).await.expect("reads") {
                    // The write of the dot takes a moment; what matters is when it ends.
                    tokio::time::sleep(std::time::Duration::from_micros(300)).await;
                    dots.fetch_add(1, Ordering::Relaxed);
                    late.fetch_add(
                        answered[at].load(Ordering::SeqCst).into(),
                        Ordering::Relaxed,
                    );
                    drop(place);
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    let many = async {
        while dots.load(Ordering::Relaxed) <= 50 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), many)
        .await
        .expect("copies leave");
    let mut leaving = Vec::new();
    for twice in 0..PEOPLE * 2 {
        let (consent, made, answered) = (party.consent.clone(), made.clone(), answered.clone());
        leaving.push(tokio::spawn(async move {
            let n = twice / 2;
            tokio::time::sleep(std::time::Duration::from_millis((n * 3) as u64)).await;
            consent
                .withdraw(
                    made[n].way_out(),
                    Extent::AsToken,
                    WithdrawalChannel::OneClick,
                )
                .await
                .expect("withdraws");
            answered[n].store(true, Ordering::SeqCst);
        }));
    }
    for one in leaving {
        one.await.expect("no panic");
    }
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    stop.store(true, Ordering::Relaxed);
    for one in senders {
        one.await.expect("no panic");
    }
    assert!(dots.load(Ordering::Relaxed) > 50, "copies did leave");
    assert_eq!(
        late.load(Ordering::Relaxed),
        0,
        "a dot left after an answer"
    );
    assert!(party.consent.gate().is_empty());
    let withdrawn = party.events().await.len() - PEOPLE;
    assert_eq!(withdrawn, PEOPLE, "each withdrew once");
}

/// The button and the way out are pressed at the same moment, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn confirming_and_leaving_at_once_ends_as_one_after_the_other() {
    let party = Party::new().await;
    for n in 0..20 {
        let who = format!("n{n}@elector.example");
        party.ask(&who, &["news"]).await;
        let mail = party.one_mail("challenge").await;
        let confirm = {
            let (consent, choice) = (party.consent.clone(), party.choice());
            let token = mail.token.clone();
            tokio::spawn(async move { consent.confirm(&token, choice).await })
        };
        let leave = {
            let (consent, token) = (party.consent.clone(), mail.never.clone());
            tokio::spawn(async move {
                consent
                    .withdraw(&token, Extent::NeverAgain, WithdrawalChannel::Page)
                    .await
            })
        };
        let _ = confirm.await.expect("no panic").expect("answers");
        leave.await.expect("no panic").expect("answers");
        party.outbox().await;
        // Leaving comes last, or the link was void already.
        assert!(party.live_on(&who).await.is_empty(), "{n}");
        assert!(!party.holds(&who).await, "{n}");
    }
    assert_eq!(party.consent.stats().await.expect("counts").subscribers, 0);
}
