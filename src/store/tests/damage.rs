//! Rows that were touched behind the store's back.

use super::*;

#[tokio::test]
async fn verify_names_exactly_the_row_that_was_touched() {
    use crate::audit::LogKind::{Audit, Consent};
    let cases = [
        ("subscriber", "UPDATE subscriber SET version = version + 1"),
        (
            "subscriber",
            "UPDATE subscriber SET sealed = substr(sealed, 1, 40) || x'00' || substr(sealed, 42)",
        ),
        (
            "entry",
            "UPDATE entry SET sealed = zeroblob(length(sealed))",
        ),
        ("chunk", "UPDATE chunk SET last = 0"),
        ("message", "DELETE FROM chunk"),
        ("staff", "UPDATE staff SET version = 7"),
        (
            "log_leaf",
            "UPDATE log_leaf SET sealed = x'0102' WHERE log = 2",
        ),
        (
            "log_leaf",
            "UPDATE log_leaf SET sealed = NULL WHERE log = 1 AND seq = 0",
        ),
        (
            "log_leaf",
            "UPDATE log_leaf SET sealed = NULL WHERE log = 2",
        ),
        ("log_leaf", "DELETE FROM log_leaf WHERE log = 1 AND seq = 0"),
        ("log_head", "DELETE FROM log_leaf WHERE log = 1 AND seq = 1"),
    ];
    for (table, sql) in cases {
        let (store, directory) = store().await;
        let owner = staff(&store).await;
        accept(&store, owner, b"Subject: secret\r\n\r\nbody\r\n").await;
        let person = subscriber(&store, "a@example.org");
        let change = Change::new()
            .then(Step::PutSubscriber(person))
            .then(event(Audit, "one", None))
            .then(event(Audit, "two", None))
            .then(event(Consent, "three", None));
        done(&store, change).await;
        assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
        let vault = store.vault().clone();
        store.close().await;
        tamper(&directory, sql).await;
        let store = reopen(&directory, vault).await;
        let verification = store.verify(|_, _| ()).await.expect("verifies");
        assert!(!verification.is_clean(), "{sql} was not noticed");
        let tables: Vec<_> = verification
            .findings
            .iter()
            .map(|one| one.table.as_str())
            .collect();
        assert!(
            tables.contains(&table),
            "{sql}: {:?}",
            verification.findings
        );
        let related = |found: &str| {
            found == table
                || (table.starts_with("log_") && found.starts_with("log_"))
                || (table == "chunk" && found == "message")
        };
        assert!(
            tables.iter().all(|found| related(found)),
            "{sql}: {:?}",
            verification.findings
        );
    }
}

/// A broken row of each must not keep the others' mail from going out.
#[tokio::test]
async fn what_is_due_leaves_out_what_does_not_open() {
    let (store, _directory) = store().await;
    let mut change = Change::new();
    let mut queued = Vec::new();
    for n in 0..3 {
        let body = OwnMessage::new(store.vault(), message_record(), b"hello");
        let row = Queued::new(body.id(), queue_record(n));
        change = change.then(Step::PutMessage(body));
        queued.push(row.id);
        change = change.then(Step::PutQueued(row));
    }
    done(&store, change).await;
    assert_eq!(store.due_mail(now(), 10).await.expect("reads").len(), 3);
    let broken = queued.remove(1);
    break_row(&store, "queue", "id", broken.as_bytes()).await;
    let first = store.due_mail(now(), 2).await.expect("reads");
    assert_eq!(first.len(), 2, "a broken row takes nobody's place");
    let due = store.due_mail(now(), 10).await.expect("reads the others");
    let mut ids: Vec<_> = due.iter().map(|row| row.id).collect();
    ids.sort();
    queued.sort();
    assert_eq!(ids, queued);
    let found = store.verify(|_, _| ()).await.expect("verifies").findings;
    assert!(found.iter().any(|one| one.table == "queue"), "{found:?}");
}

#[tokio::test]
async fn due_copies_leave_out_what_does_not_open() {
    let (store, _directory) = store().await;
    let body = OwnMessage::new(store.vault(), message_record(), b"prepared");
    let mailing = sending(body.id());
    let rows: Vec<_> = (0..3)
        .map(|_| due_copy(&mailing, SubscriberId::random()))
        .collect();
    let release = Change::new()
        .then(Step::PutMessage(body))
        .then(Step::PutMailing(mailing.clone()))
        .then(Step::PutCopies(rows.clone()));
    done(&store, release).await;
    break_row(&store, "ledger", "copy_id", rows[1].copy.as_bytes()).await;
    let due = store.due_copies(mailing.id, now(), 10).await;
    let due = due.expect("reads the others");
    assert_eq!(due.len(), 2);
    assert!(due.iter().all(|row| row.copy != rows[1].copy));
}
