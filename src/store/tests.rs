//! Tests of the store through its own doors.

mod bodies;
mod commits;
mod contacts;
mod damage;
mod files;
mod folders;
mod journal;
mod logs;
mod rows;
mod traces;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::address::EmailAddress;
use crate::id::{CopyId, FolderId, MailboxId, MailingId, MessageId, StaffId, SubscriberId};
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
        passwords: Vec::new(),
        uid: Some(1000),
        created_at: now(),
        revoked_at: None,
        trained_until: None,
        grants: Vec::new(),
        second_factor: None,
    };
    let staff = Staff::new(store.vault(), record);
    let id = staff.id;
    done(store, Change::new().then(Step::PutStaff(staff))).await;
    id
}

/// What was sealed before there were second factors opens.
#[test]
fn an_account_of_old_has_no_second_factor() {
    let old = r#"{"name":"ada","addresses":["ada@party.example"],"roles":["admin"],"verifier":null,"uid":1000,
        "created_at":"2026-11-21T12:00:00Z","revoked_at":null,"trained_until":null}"#;
    let record: StaffRecord = serde_json::from_str(old).expect("reads");
    assert!(record.second_factor.is_none());
    let text = serde_json::to_string(&record).expect("writes");
    assert!(!text.contains("second_factor"), "nor does its row grow");
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
        dsn: Default::default(),
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
