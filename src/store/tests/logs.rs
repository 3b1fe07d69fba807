//! The logs when their rows were edited behind the store's back.

use super::*;
use crate::audit::Checkpoint;
use crate::audit::LogKind::{Audit, Consent};

/// Runs SQL on the open store's file.
async fn behind(store: &Store, sql: &'static str) {
    let mut connection = open::open_writer(store.files()).await.expect("opens");
    sqlx::query(sql)
        .execute(&mut connection)
        .await
        .expect("runs");
    connection.close().await.expect("closes");
}

async fn log(store: &Store, texts: &[&str]) {
    for text in texts {
        done(store, Change::new().then(event(Consent, text, None))).await;
    }
}

#[tokio::test]
async fn no_head_keeps_an_event_out() {
    let cases = [
        "DELETE FROM log_head",
        "UPDATE log_head SET size = 0, frontier = zeroblob(8)",
        "UPDATE log_head SET frontier = x'00'",
        "UPDATE log_head SET size = 9223372036854775807",
        "DELETE FROM log_leaf WHERE seq = 1",
    ];
    for sql in cases {
        let (store, _directory) = store().await;
        log(&store, &["one", "two", "three"]).await;
        behind(&store, sql).await;
        if sql.contains("log_leaf") {
            behind(&store, "DELETE FROM log_head").await;
        }
        log(&store, &["four", "five"]).await;
        let head = store.log_head(Consent).await.expect("reads");
        assert_eq!(head.size(), 5, "{sql}");
        let found = store.verify(|_, _| ()).await.expect("verifies");
        assert_eq!(
            found.is_clean(),
            !sql.contains("log_leaf"),
            "{sql}: {:?}",
            found.findings
        );
    }
}

#[tokio::test]
async fn a_cut_end_leaves_a_gap_that_shows() {
    let (store, _directory) = store().await;
    log(&store, &["one", "two", "three"]).await;
    behind(&store, "DELETE FROM log_leaf WHERE seq = 2").await;
    log(&store, &["four"]).await;
    let found = store.verify(|_, _| ()).await.expect("verifies").findings;
    assert!(found.iter().any(|one| one.row == "consent/2"), "{found:?}");
}

/// What is appended while it looks is no finding.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_grows_meanwhile_is_sound() {
    let (store, _directory) = store().await;
    log(&store, &["one"]).await;
    let growing = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                log(&store, &["another"]).await;
            }
        }
    });
    let looking = async {
        for _ in 0..20 {
            let found = store.verify(|_, _| ()).await.expect("verifies").findings;
            assert_eq!(found, []);
        }
    };
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), looking).await;
    growing.abort();
    ended.expect("ends");
}

/// Signs a log as the rooms do.
async fn sign(store: &Store) -> Result<(), StoreError> {
    let head = store.sound_head(Consent).await?;
    let signed = Checkpoint::of(Consent, &head, now()).sign(store.vault().checkpoint_key());
    let text = signed.to_string();
    let kept = StoredCheckpoint {
        log: Consent,
        size: head.size(),
        text: text.clone(),
    };
    let change = Change::new()
        .then(Step::PutCheckpoint(kept))
        .then(Step::Journal(JournalEntry::Checkpoint { at: now(), text }));
    done(store, change).await;
    Ok(())
}

#[tokio::test]
async fn a_file_from_before_is_not_signed_however_long_it_gets() {
    let (store, directory) = store().await;
    log(&store, &["one", "two"]).await;
    sign(&store).await.expect("signs");
    let (vault, database) = (store.vault().clone(), store.files().database());
    store.close().await;
    let yesterday = std::fs::read(&database).expect("reads");
    let store = reopen(&directory, vault.clone()).await;
    log(&store, &["three", "four"]).await;
    sign(&store).await.expect("signs");
    store.close().await;
    std::fs::write(&database, yesterday).expect("writes");

    let store = reopen(&directory, vault).await;
    for more in ["three, otherwise", "four, otherwise", "five"] {
        let refused = sign(&store).await;
        let unsound = matches!(refused, Err(StoreError::Unsound { log: "consent", .. }));
        assert!(unsound, "{refused:?}");
        assert_eq!(store.warnings().len(), 1);
        log(&store, &[more]).await;
    }
    assert!(sign(&store).await.is_err());
    assert!(
        store.sound_head(Audit).await.is_ok(),
        "the other log is as it was"
    );
}

#[tokio::test]
async fn a_log_whose_entry_was_changed_is_not_signed() {
    for sql in [
        "UPDATE log_leaf SET leaf = zeroblob(32) WHERE seq = 0",
        "DELETE FROM log_leaf WHERE seq = 0",
        "DELETE FROM log_head",
    ] {
        let (store, directory) = store().await;
        log(&store, &["one", "two"]).await;
        sign(&store).await.expect("signs");
        let vault = store.vault().clone();
        store.close().await;
        let store = reopen(&directory, vault).await;
        behind(&store, sql).await;
        let refused = sign(&store).await;
        assert!(matches!(refused, Err(StoreError::Unsound { .. })), "{sql}");
    }
}

#[tokio::test]
async fn a_blank_event_needs_the_tombstone_of_that_person() {
    let (store, _directory) = store().await;
    let index = |who: &[u8]| store.vault().index(IndexColumn::EvidenceSubject, who);
    let (one, old, other) = (index(b"v1:a"), index(b"v0:a"), index(b"v1:b"));
    for subject in [one, old, other] {
        done(
            &store,
            Change::new().then(event(Consent, "yes", Some(subject))),
        )
        .await;
    }
    let tombstone = serde_json::json!({"event": "erased", "subject": one, "formerly": [old]});
    let erase = Change::new()
        .then(Step::EraseEvidence(one))
        .then(Step::EraseEvidence(old))
        .then(event(Consent, &tombstone.to_string(), Some(one)));
    done(&store, erase).await;
    let found = store.verify(|_, _| ()).await.expect("verifies").findings;
    assert_eq!(found, []);
    done(&store, Change::new().then(Step::EraseEvidence(other))).await;
    let found = store.verify(|_, _| ()).await.expect("verifies").findings;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].row, "consent/2");
}
