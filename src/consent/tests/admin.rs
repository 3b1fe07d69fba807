//! Erasure and export.

use super::*;
use crate::store::SuppressionReason;
use crate::vault::IndexColumn;

#[tokio::test]
async fn erasing_leaves_a_hash_and_a_tombstone_and_both_logs_verify() {
    let party = Party::new().await;
    let ann = address("ann@elector.example");
    party.join("ann@elector.example", &["news"]).await;
    party.pass(days(1));
    party.ask("ann@elector.example", &["appeals"]).await;
    party.work().await;
    party.ask("ann@elector.example", &["appeals"]).await;
    assert!(matches!(
        party.consent.erase(&ann, &by("")).await,
        Err(ConsentError::NoReason)
    ));
    assert!(
        party
            .consent
            .erase(&ann, &by("asked by letter"))
            .await
            .expect("erases")
    );
    assert!(
        party
            .store
            .subscriber(&ann.match_form())
            .await
            .expect("reads")
            .is_none()
    );
    assert!(
        party
            .store
            .requests_after(None, 10)
            .await
            .expect("reads")
            .rows
            .is_empty()
    );
    assert_eq!(party.store.next_intake().await.expect("reads"), None);
    party.no_mail().await;
    assert_eq!(
        party
            .store
            .challenge(&ann.match_form())
            .await
            .expect("reads")
            .version,
        0
    );
    let reasons = super::out::scopes(&party, "ann@elector.example").await;
    assert_eq!(reasons[0].1, SuppressionReason::Erased);
    assert!(
        party
            .journal()
            .iter()
            .any(|entry| matches!(entry, JournalEntry::Erased { .. }))
    );

    let events = party.events().await;
    let [ConsentEvent::Erased(tombstone)] = &events[..] else {
        panic!("a tombstone alone: {events:?}")
    };
    assert_eq!(
        (tombstone.consents.len(), tombstone.withdrawals.len()),
        (1, 0)
    );
    assert_eq!(tombstone.consents[0].confirmed_at, noon());
    for log in [crate::audit::LogKind::Audit, crate::audit::LogKind::Consent] {
        assert!(
            party
                .consent
                .verify_log(log, None)
                .await
                .expect("verifies")
                .holds()
        );
    }
}

#[tokio::test]
async fn erased_again_somebody_has_one_tombstone() {
    let party = Party::new().await;
    let ann = address("ann@elector.example");
    party.join("ann@elector.example", &["news"]).await;
    assert!(
        party
            .consent
            .erase(&ann, &by("asked by letter"))
            .await
            .expect("erases")
    );
    // Back, out, and erased again.
    let made = party.join("ann@elector.example", &["news"]).await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    assert!(
        party
            .consent
            .erase(&ann, &by("asked again"))
            .await
            .expect("erases")
    );
    let events = party.events().await;
    let [ConsentEvent::Erased(tombstone)] = &events[..] else {
        panic!("a tombstone alone: {events:?}")
    };
    assert_eq!(
        (tombstone.consents.len(), tombstone.withdrawals.len()),
        (2, 1)
    );
    let nobody = address("nobody@elector.example");
    assert!(
        !party
            .consent
            .erase(&nobody, &by("asked"))
            .await
            .expect("erases")
    );
    let again = party.consent.erase(&ann, &by("asked once more")).await;
    assert!(!again.expect("erases"), "a tombstone is nothing held");
    assert_eq!(party.events().await.len(), 1);
    assert_eq!(super::proof::acts(&party).await, ["subscriber erase"; 4]);
}

#[tokio::test]
async fn erasing_does_not_open_the_door_for_who_said_never_again() {
    let party = Party::new().await;
    let made = party.join("ann@elector.example", &["news"]).await;
    party.out(made[0].way_out(), Extent::NeverAgain).await;
    let ann = address("ann@elector.example");
    party
        .consent
        .erase(&ann, &by("asked"))
        .await
        .expect("erases");
    party.pass(days(3));
    party.ask("ann@elector.example", &["news"]).await;
    party.no_mail().await;
}

#[tokio::test]
async fn an_export_needs_two_and_carries_who_left_and_the_evidence() {
    let party = Party::new().await;
    party.join("ann@elector.example", &["news"]).await;
    let made = party.join("ben@elector.example", &["news"]).await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    let ada = by("moving host");
    assert!(matches!(
        party.consent.export(&ada, ada.staff).await,
        Err(ConsentError::SecondPerson)
    ));
    for reason in ["", "two\nlines", &"x".repeat(501)] {
        assert!(
            party
                .consent
                .export(&by(reason), second().staff)
                .await
                .is_err()
        );
    }
    let mut export = party
        .consent
        .export(&ada, second().staff)
        .await
        .expect("begins");
    let mut lines = Vec::new();
    while let Some(some) = export.next().await.expect("reads") {
        lines.extend(some);
    }
    let text = String::from_utf8(lines).expect("text");
    let rows: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let kinds: Vec<_> = rows
        .iter()
        .map(|row| row["line"].as_str().expect("a line"))
        .collect();
    let expected = [
        "export",
        "subscriber",
        "suppression",
        "event",
        "event",
        "event",
        "wording",
        "wording",
        "end",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(rows[1]["address"], "ann@elector.example");
    assert!(!text.contains("ben@"), "who left is a hash");
    assert_eq!(rows[8]["subscribers"], 1);
    assert_eq!(super::proof::acts(&party).await, ["subscriber export"]);
}

#[test]
fn small_counts_are_masked() {
    let steps: [(u64, &str); 14] = [
        (0, "<5"),
        (4, "<5"),
        (5, "5"),
        (9, "5"),
        (12, "10"),
        (99, "95"),
        (100, "100"),
        (109, "100"),
        (999, "990"),
        (1_000, "1000"),
        (1_099, "1000"),
        (1_100, "1100"),
        (12_999, "12000"),
        (u64::MAX, "18000000000000000000"),
    ];
    for (count, shown) in steps {
        assert_eq!(MaskedCount::masked(count).to_string(), shown, "{count}");
        assert_eq!(MaskedCount::of(count, true), MaskedCount::Exact(count));
    }
    assert_eq!(MaskedCount::of(2, true).to_string(), "2");
    assert_eq!(
        serde_json::to_string(&[MaskedCount::masked(3), MaskedCount::masked(7)]).expect("JSON"),
        r#"["<5",5]"#
    );
}

#[tokio::test]
async fn what_happens_in_a_day_changes_no_count_of_that_day() {
    let party = Party::new().await;
    let mut made = Vec::new();
    for n in 0..5 {
        let who = format!("n{n}@elector.example");
        made.extend(party.join(&who, &["news"]).await);
    }
    let party = party.crash().await;
    let morning = party.consent.morning_stats();
    assert_eq!(morning.subscribers, 5);
    party.join("target@elector.example", &["news"]).await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    party.out(made[1].way_out(), Extent::AsToken).await;
    assert_eq!(party.consent.count("news", None), 4);
    assert_eq!(party.consent.morning_stats(), morning);
    assert_eq!(party.consent.morning_count("news", None), 5);
    party.pass(days(1));
    // Counted at the hour: what comes after it and before the first look isn't in it.
    party.out(made[2].way_out(), Extent::AsToken).await;
    assert_eq!(party.consent.morning_count("news", None), 4);
    assert_eq!(party.consent.count("news", None), 3);
}

#[tokio::test]
async fn counts_are_the_same_after_a_restart() {
    let party = Party::new().await;
    for n in 0..4 {
        party
            .join(&format!("n{n}@elector.example"), &["news", "appeals"])
            .await;
    }
    let made = party.join("out@elector.example", &["news"]).await;
    party.out(made[0].way_out(), Extent::AsToken).await;
    let before = party.consent.stats().await.expect("counts");
    assert_eq!((before.subscribers, before.suppressed), (4, 1));
    let party = party.crash().await;
    assert_eq!(party.consent.stats().await.expect("counts"), before);
    assert_eq!(party.consent.count("news", None), 4);
    assert_eq!(party.consent.count("news", Some(&["E14001063".into()])), 4);
}

/// What is sealed goes from the files too, not only from the tables: whoever gets the key one day must find nothing.
#[tokio::test]
async fn what_was_erased_stands_nowhere_in_the_files() {
    let party = Party::new().await;
    party.join("ann@elector.example", &["news"]).await;
    party.join("ben@elector.example", &["news"]).await;
    let ann = address("ann@elector.example");
    let id = party.store.subscriber(&ann.match_form()).await;
    let id = id.expect("reads").expect("is there").id;
    let files = Files::in_directory(party.directory.path());
    let sealed = crate::store::testing::sealed_of(&files, id).await;
    let stand = || {
        let read = |name: &str| std::fs::read(party.directory.path().join(name));
        ["hustings.db", "hustings.db-wal"].into_iter().any(|name| {
            let file = read(name).unwrap_or_default();
            let within = |one: &Vec<u8>| file.windows(one.len()).any(|window| window == one);
            sealed.iter().any(within)
        })
    };
    assert!(stand());
    party
        .consent
        .erase(&ann, &by("asked"))
        .await
        .expect("erases");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while stand() {
        assert!(std::time::Instant::now() < deadline, "it is still there");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_tombstone_stands_for_what_older_keys_indexed() {
    let party = Party::new().await;
    party.join("ann@elector.example", &["news"]).await;
    let mut ring = party.ring.clone();
    ring.add_index_generation(IndexColumn::EvidenceSubject)
        .expect("adds");
    let (directory, clock) = (party.directory.clone(), party.clock.clone());
    party.store.close().await;
    drop(party);
    let party = Party::open(directory, ring, clock, settings()).await;
    let ann = address("ann@elector.example");
    party
        .consent
        .erase(&ann, &by("asked"))
        .await
        .expect("erases");
    let verification = party.store.verify(|_, _| ()).await.expect("verifies");
    assert_eq!(verification.findings, []);
}
