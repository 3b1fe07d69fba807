//! Tests of the store through its own doors.

mod folders;
mod journal;
mod logs;
mod rows;
mod traces;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::address::EmailAddress;
use crate::id::{CopyId, MailboxId, MailingId, MessageId, StaffId, SubscriberId};
use crate::vault::{IndexColumn, KeyRing, ListTag};

const BUDGET: usize = 4 * 1024 * 1024;

/// An open store in a directory of its own.
pub(super) async fn store() -> (Store, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = reopen(&directory, Vault::from_ring(KeyRing::generate())).await;
    (store, directory)
}

async fn reopen(directory: &TempDir, vault: Vault) -> Store {
    LockedStore::open(Files::in_directory(directory.path()))
        .await
        .expect("the store opens")
        .unlock(vault, BUDGET)
        .await
        .expect("the store unlocks")
}

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a fixed time")
}

fn message_record() -> MessageRecord {
    MessageRecord {
        received_at: now(),
        size: 0,
        reverse_path: Some("writer@elsewhere.example".into()),
        recipients: vec!["press@party.example".into()],
        submitted_by: None,
    }
}

async fn staff(store: &Store) -> StaffId {
    let record = StaffRecord {
        name: "ada".into(),
        addresses: vec![EmailAddress::parse("ada@party.example").expect("an address")],
        roles: vec![Role::Admin],
        mailboxes: Vec::new(),
        verifier: None,
        uid: Some(1000),
        created_at: now(),
        revoked_at: None,
        trained_until: None,
    };
    let staff = Staff::new(store.vault(), record);
    let id = staff.id;
    done(store, Change::new().then(Step::PutStaff(staff))).await;
    id
}

async fn done(store: &Store, change: Change) {
    assert_eq!(
        store.change(change).await.expect("the store writes"),
        ChangeOutcome::Done
    );
}

async fn count_entries(store: &Store, owner: impl Into<MailboxId>) -> usize {
    let kept = store.entries(owner.into(), usize::MAX).await;
    kept.expect("reads").len()
}

async fn accept(store: &Store, owner: impl Into<MailboxId>, bytes: &[u8]) -> MessageId {
    let mut writer = store.begin_body().await.expect("begins");
    for part in bytes.chunks(7001) {
        writer.write(part).await.expect("takes bytes");
    }
    let body = writer.finish();
    let id = body.id();
    let entry = Delivery::new(owner.into(), SpecialUse::Inbox, id, now());
    let message = AcceptMessage::new(store.vault(), body, message_record()).keep_in(entry);
    store.accept(message).await.expect("accepts");
    id
}

fn subscriber(store: &Store, address: &str) -> Subscriber {
    Subscriber::new(
        store.vault(),
        SubscriberRecord {
            address: EmailAddress::parse(address).expect("an address"),
            constituency: Some("E14001063".into()),
            subscriptions: vec![SubscriptionRecord {
                list: "news".into(),
                confirmed_at: now(),
                paused_until: None,
            }],
        },
    )
}

#[tokio::test]
async fn a_body_of_any_size_comes_out_as_it_went_in() {
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    let mut kept = Vec::new();
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 17] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        kept.push((accept(&store, owner, &bytes).await, bytes));
    }
    let vault = store.vault().clone();
    store.close().await;
    let store = reopen(&directory, vault).await;
    for (id, bytes) in kept {
        let read = store.body(id).read_whole(usize::MAX).await.expect("reads");
        assert!(read == bytes, "{} bytes came out changed", bytes.len());
        let record = store.message(id).await.expect("reads").expect("is there");
        assert_eq!(record.size, bytes.len() as u64);
    }
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}

#[tokio::test]
async fn a_head_that_is_known_last_stands_first() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    for size in [0, 1, CHUNK, 2 * CHUNK + 9] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let mut writer = store.begin_body().await.expect("begins");
        writer.head_comes_last();
        writer.write(&bytes).await.expect("takes bytes");
        let body = writer.finish_behind(b"the head\r\n");
        let id = body.id();
        let entry = Delivery::new(owner.into(), SpecialUse::Junk, id, now());
        let message = AcceptMessage::new(store.vault(), body, message_record());
        store.accept(message.keep_in(entry)).await.expect("accepts");
        let read = store.body(id).read_whole(usize::MAX).await.expect("reads");
        assert!(
            read == [b"the head\r\n", bytes.as_slice()].concat(),
            "{size}"
        );
        let record = store.message(id).await.expect("reads").expect("is there");
        assert_eq!(record.size, bytes.len() as u64 + 10);
    }
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}

#[tokio::test]
async fn a_body_that_nobody_accepted_leaves_nothing() {
    let (store, directory) = store().await;
    let mut writer = store.begin_body().await.expect("begins");
    writer
        .write(&vec![7; 3 * CHUNK])
        .await
        .expect("takes bytes");
    drop(writer);
    let mut second = store.begin_body().await.expect("begins");
    second
        .write(&vec![7; 3 * CHUNK])
        .await
        .expect("takes bytes");
    let vault = store.vault().clone();
    store.close().await;
    // The second body's connection was still open when the daemon stopped: only the next start can sweep it.
    drop(second);
    let store = reopen(&directory, vault).await;
    for table in ["SELECT COUNT(*) FROM message", "SELECT COUNT(*) FROM chunk"] {
        let count: i64 = sqlx::query(table)
            .fetch_one(&store.readers)
            .await
            .expect("counts")
            .get(0);
        assert_eq!(count, 0, "{table}");
    }
}

/// Strangers who begin large mails and hang up must leave neither rows nor a log as long as all that they sent.
#[tokio::test]
async fn bodies_that_were_given_up_are_gone_at_once_and_leave_a_short_log() {
    const EACH: usize = 12 * 1024 * 1024;
    let (store, _directory) = store().await;
    let bodies = (0..6).map(async |_| {
        let mut writer = store.begin_body().await.expect("begins");
        for _ in 0..EACH / CHUNK {
            writer.write(&[7; CHUNK]).await.expect("takes bytes");
        }
        writer
    });
    let bodies = futures_util::future::join_all(bodies).await;
    let log = || open::log_length(store.files());
    let coming = log();
    drop(bodies);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let chunks: i64 = sqlx::query("SELECT COUNT(*) FROM chunk")
            .fetch_one(&store.readers)
            .await
            .expect("counts")
            .get(0);
        let free = store.space().expect("is told").left;
        let on_disk = Space::of(&store.files().directory, None).expect("is told");
        if chunks == 0 && free > on_disk.left + (6 * EACH as u64) / 2 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{chunks} are left");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for (when, length) in [("coming", coming), ("gone", log())] {
        assert!(
            length < 40 << 20,
            "{when}: the log has {} MiB",
            length >> 20
        );
    }
    println!(
        "log: {} MiB while they came, {} MiB after",
        coming >> 20,
        log() >> 20
    );
    let size = |store: &Store| {
        std::fs::metadata(store.files().database())
            .expect("is there")
            .len()
    };
    let before = size(&store);
    let owner = staff(&store).await;
    for _ in 0..4 {
        accept(&store, owner, &vec![1; EACH]).await;
    }
    assert!(
        size(&store) <= before + (2 << 20),
        "free pages are used first"
    );
}

/// Mail ends before the reserve; whoever leaves doesn't.
#[tokio::test]
async fn mail_ends_before_the_reserve_and_small_writes_go_on() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let mut coming = store.begin_body().await.expect("begins");
    coming.write(&[7; CHUNK]).await.expect("takes bytes");
    let space = store.space().expect("is told");
    store.keep_free(Some(space.left + (1 << 40)));
    let refused = store.begin_body().await.err().expect("no room for mail");
    assert!(matches!(refused, StoreError::Reserved { .. }), "{refused}");
    let refused = coming.write(&[7; CHUNK]).await.expect_err("nor for more");
    assert!(matches!(refused, StoreError::Reserved { .. }), "{refused}");
    assert!(matches!(store.health(), Health::Well));
    let entry = JournalEntry::Erased {
        at: now(),
        index: store.vault().index(IndexColumn::Suppression, b"v1:a"),
    };
    done(&store, Change::new().then(Step::Journal(entry))).await;
    store.keep_free(None);
    accept(&store, owner, &[7; 3 * CHUNK]).await;
}

#[tokio::test]
async fn writes_at_the_same_time_share_a_commit() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let (_, before) = store.written();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { accept(&store, owner, &[1; 10_000]).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let (_, after) = store.written();
    assert_eq!(count_entries(&store, owner).await, 200);
    assert!(
        after - before < 100,
        "200 messages took {} commits",
        after - before
    );
}

#[tokio::test]
async fn one_bad_write_does_not_take_its_group_along() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let good: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut writer = store.begin_body().await.expect("begins");
                writer
                    .write(b"Subject: x\r\n\r\n")
                    .await
                    .expect("takes bytes");
                let body = writer.finish();
                // Every fifth entry is of a message that isn't there: the foreign key refuses it.
                let message = if number % 5 == 0 {
                    MessageId::random()
                } else {
                    body.id()
                };
                let entry = Delivery::new(owner.into(), SpecialUse::Inbox, message, now());
                let message = AcceptMessage::new(store.vault(), body, message_record());
                store.accept(message.keep_in(entry)).await.is_ok()
            })
        })
        .collect();
    let mut accepted = 0;
    for task in good {
        accepted += u64::from(task.await.expect("no panic"));
    }
    assert_eq!(accepted, 16);
    assert_eq!(count_entries(&store, owner).await, 16);
    assert!(matches!(store.health(), Health::Well));
}

#[tokio::test]
async fn a_change_whose_guard_fails_does_nothing() {
    let (store, _directory) = store().await;
    let person = subscriber(&store, "Nye.Bevan@Example.org");
    let form = person.record.address.match_form();
    let join = || {
        Change::new()
            .require(Guard::NoSubscriber(person.address_index))
            .then(Step::PutSubscriber(person.clone()))
    };
    assert_eq!(
        store.change(join()).await.expect("writes"),
        ChangeOutcome::Done
    );
    assert_eq!(
        store.change(join()).await.expect("writes"),
        ChangeOutcome::Conflict
    );
    let found = store
        .subscriber(&form)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!((found.version, found.id), (1, person.id));
    assert_eq!(found.record.address.as_str(), "Nye.Bevan@example.org");

    let stale = Change::new()
        .require(Guard::SubscriberAt(found.id, 0))
        .then(Step::RemoveSubscriber(found.id));
    assert_eq!(
        store.change(stale).await.expect("writes"),
        ChangeOutcome::Conflict
    );
    let fresh = Change::new()
        .require(Guard::SubscriberAt(found.id, 1))
        .then(Step::RemoveSubscriber(found.id));
    assert_eq!(
        store.change(fresh).await.expect("writes"),
        ChangeOutcome::Done
    );
    assert!(store.subscriber(&form).await.expect("reads").is_none());
}

#[tokio::test]
async fn two_changes_of_one_row_in_one_group_see_each_other() {
    let (store, _directory) = store().await;
    let person = subscriber(&store, "a@example.org");
    done(
        &store,
        Change::new().then(Step::PutSubscriber(person.clone())),
    )
    .await;
    let read = store
        .subscriber_by_id(person.id)
        .await
        .expect("reads")
        .expect("is there");
    let change = |store: Store| {
        let read = read.clone();
        async move {
            let change = Change::new()
                .require(Guard::SubscriberAt(read.id, read.version))
                .then(Step::PutSubscriber(read));
            store.change(change).await.expect("writes")
        }
    };
    let (one, two) = tokio::join!(change(store.clone()), change(store.clone()));
    assert_ne!(
        one, two,
        "exactly one of two changes from the same reading is made"
    );
}

#[tokio::test]
async fn suppressions_outlive_their_subscriber_and_stand_in_the_journal() {
    let (store, _directory) = store().await;
    let person = subscriber(&store, "leaver@example.org");
    let scope = Scope::List(store.vault().list_tag("news"));
    let mut suppression = Suppression::none(person.suppression_index);
    suppression.record.scopes.push(Suppressed {
        scope,
        at: now(),
        reason: SuppressionReason::Withdrawn,
    });
    let entry = JournalEntry::Suppressed {
        at: now(),
        index: person.suppression_index,
        scope,
        reason: SuppressionReason::Withdrawn,
    };
    done(
        &store,
        Change::new().then(Step::PutSubscriber(person.clone())),
    )
    .await;
    let leave = Change::new()
        .require(Guard::SuppressionAt(person.suppression_index, 0))
        .then(Step::RemoveSubscriber(person.id))
        .then(Step::PutSuppression(suppression))
        .then(Step::Journal(entry.clone()));
    done(&store, leave).await;

    let index = store.vault().index(
        IndexColumn::Suppression,
        EmailAddress::parse("LEAVER@example.org")
            .expect("an address")
            .match_form()
            .as_bytes(),
    );
    let kept = store.suppression(index).await.expect("reads");
    assert!(kept.record.forbids(scope));
    assert!(!kept.record.forbids(Scope::List(ListTag([9; 4]))));
    let journal = read_journal(&store.files().journal(), store.vault()).expect("reads");
    assert_eq!(journal, vec![entry]);
}

#[tokio::test]
async fn a_torn_journal_frame_is_cut_off_and_the_rest_stays() {
    let (store, directory) = store().await;
    let index = store.vault().index(IndexColumn::Suppression, b"v1:x");
    let entry = |at: &str| JournalEntry::Erased {
        at: at.parse().expect("a time"),
        index,
    };
    let entries = [entry("2026-11-21T12:00:00Z"), entry("2026-11-22T12:00:00Z")];
    done(
        &store,
        Change::new().then(Step::Journal(entries[0].clone())),
    )
    .await;
    let (vault, path) = (store.vault().clone(), store.files().journal());
    store.close().await;
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes.extend_from_slice(&[0, 0, 0, 200, 1, 2, 3]);
    std::fs::write(&path, bytes).expect("writes");
    let store = reopen(&directory, vault).await;
    done(
        &store,
        Change::new().then(Step::Journal(entries[1].clone())),
    )
    .await;
    assert_eq!(read_journal(&path, store.vault()).expect("reads"), entries);
}

fn event(log: crate::audit::LogKind, text: &str, subject: Option<Index>) -> Step {
    Step::Append(NewEvent {
        log,
        subject,
        event: text.as_bytes().to_vec(),
    })
}

#[tokio::test]
async fn an_erased_event_leaves_a_tree_that_verifies() {
    use crate::audit::LogKind::Consent;
    let (store, _directory) = store().await;
    let subject = store
        .vault()
        .index(IndexColumn::EvidenceSubject, b"v1:a@example.org");
    let other = store
        .vault()
        .index(IndexColumn::EvidenceSubject, b"v1:b@example.org");
    for (text, who) in [
        ("confirmed a", subject),
        ("confirmed b", other),
        ("withdrew a", subject),
    ] {
        done(&store, Change::new().then(event(Consent, text, Some(who)))).await;
    }
    assert_eq!(store.evidence_of(&subject).await.expect("reads").len(), 2);
    let tombstone = serde_json::json!({"event": "erased", "subject": subject}).to_string();
    let erase = Change::new().then(Step::EraseEvidence(subject)).then(event(
        Consent,
        &tombstone,
        Some(subject),
    ));
    done(&store, erase).await;
    let left = store.evidence_of(&subject).await.expect("reads");
    assert_eq!(left.iter().filter(|event| event.event.is_none()).count(), 2);
    let verification = store.verify(|_, _| ()).await.expect("verifies");
    assert_eq!(verification.findings, vec![]);
    assert_eq!(store.log_head(Consent).await.expect("reads").size(), 4);
}

/// A mailing on its way.
fn sending(message: MessageId) -> Mailing {
    Mailing {
        id: MailingId::random(),
        message,
        version: 0,
        record: MailingRecord {
            list: "news".into(),
            sender: StaffId::random(),
            subject: "May".into(),
            constituencies: None,
            digest: String::new(),
            state: MailingState::Sending,
            created_at: now(),
            second_person: false,
            approvals: vec![],
            links: vec![],
            expected: 1,
            morning: 1,
            released_at: Some(now()),
            expanded_to: None,
            expanded: false,
            ended_at: None,
            counts: None,
            stopped: None,
            folded_at: None,
        },
    }
}

/// A copy of it that is due.
fn due_copy(mailing: &Mailing, to: SubscriberId) -> LedgerRow {
    LedgerRow {
        copy: CopyId::random(),
        mailing: mailing.id,
        subscriber: Some(to),
        due_at: Some(now()),
        record: LedgerRecord {
            state: CopyState::Due,
            attempts: 0,
            since: None,
            domain: Some("example.org".into()),
            cause: None,
            at: now(),
        },
    }
}

#[tokio::test]
async fn a_ledger_row_loses_its_person_and_a_late_outcome_does_not_bring_them_back() {
    let (store, _directory) = store().await;
    let person = subscriber(&store, "reader@example.org");
    let body = OwnMessage::new(store.vault(), message_record(), b"prepared");
    let mailing = sending(body.id());
    let row = due_copy(&mailing, person.id);
    let record = row.record.clone();
    let again = LedgerRow {
        copy: CopyId::random(),
        ..row.clone()
    };
    let release = Change::new()
        .then(Step::PutMessage(body))
        .then(Step::PutMailing(mailing.clone()))
        .then(Step::PutCopies(vec![row.clone()]))
        .then(Step::PutCopies(vec![again]));
    done(&store, release).await;
    let due = store
        .due_copies(mailing.id, now(), 10)
        .await
        .expect("reads");
    assert_eq!(due, vec![row.clone()], "expanding twice makes one copy");

    done(
        &store,
        Change::new().then(Step::UnlinkCopies(person.id, None, now())),
    )
    .await;
    assert!(
        store
            .due_copies(mailing.id, now(), 10)
            .await
            .expect("reads")
            .is_empty()
    );
    let sent = LedgerRecord {
        state: CopyState::Sent,
        ..record
    };
    let outcome = RecordOutcomes {
        copy: row.copy,
        due_at: Some(now()),
        record: sent,
    };
    store.record_outcome(outcome).await.expect("records");
    let row = store
        .copy(row.copy)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(
        (row.subscriber, row.due_at, row.record.domain),
        (None, None, None)
    );
    assert_eq!(row.record.state, CopyState::Sent);
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}

/// Runs SQL behind the store's back, as somebody with the file would.
async fn tamper(directory: &TempDir, sql: &'static str) {
    let path = directory.path().join("hustings.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .expect("opens");
    let changed = sqlx::query(sql)
        .execute(&mut connection)
        .await
        .expect("runs");
    assert_eq!(changed.rows_affected(), 1, "{sql}");
    connection.close().await.expect("closes");
}

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

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let (_store, directory) = store().await;
    let second = LockedStore::open(Files::in_directory(directory.path())).await;
    assert!(matches!(second.err(), Some(StoreError::InUse(_))));
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let (store, directory) = store().await;
    store.close().await;
    drop(store);
    tamper(
        &directory,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99, 'later', 1, x'00', 0)",
    )
    .await;
    let opened = LockedStore::open(Files::in_directory(directory.path())).await;
    assert!(matches!(
        opened.err(),
        Some(StoreError::Newer { found: 99, .. })
    ));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("hustings.db");
    std::fs::write(&path, vec![b'x'; 9000]).expect("writes");
    let opened = LockedStore::open(Files::in_directory(directory.path())).await;
    assert!(matches!(opened.err(), Some(StoreError::Damaged(_))));
    assert_eq!(std::fs::read(&path).expect("reads"), vec![b'x'; 9000]);
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

fn queue_record(n: usize) -> QueueRecord {
    QueueRecord {
        class: MailClass::Service {
            kind: "welcome".into(),
        },
        reverse_path: None,
        recipient: EmailAddress::parse(&format!("reader{n}@example.org")).expect("an address"),
        queued_at: now(),
        expires_at: now(),
        attempts: 0,
        last_failure: None,
        delay_told: false,
        needs: Needs::default(),
        prefix: None,
        tls: Default::default(),
    }
}

/// Flips a byte of a sealed value.
async fn break_row(store: &Store, table: &str, key: &str, id: &[u8]) {
    let mut connection = open::open_writer(store.files()).await.expect("opens");
    let sql = format!("SELECT sealed FROM {table} WHERE {key} = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id);
    let row = row.fetch_one(&mut connection).await.expect("is there");
    let mut sealed: Vec<u8> = row.get(0);
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    let sql = format!("UPDATE {table} SET sealed = $1 WHERE {key} = $2");
    let update = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(sealed).bind(id);
    update.execute(&mut connection).await.expect("writes");
    connection.close().await.expect("closes");
}

#[tokio::test]
async fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    let store = LockedStore::open(Files::in_directory(directory.path())).await;
    let vault = Vault::from_ring(KeyRing::generate());
    let store = store.expect("opens").unlock(vault, 1 << 20).await;
    let _store = store.expect("unlocks");
    let mut seen = 0;
    for entry in std::fs::read_dir(directory.path()).expect("reads") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
        seen += 1;
    }
    assert!(seen >= 3, "database, journal and lock: {seen}");
}
