//! What the store does on a sick disk: one that mail filled up, a full one, a read-only one. Nothing that was accepted is
//! lost, what can't be accepted is refused as temporary, and the store takes writes again by itself.

use std::path::Path;

use crate::support::disk::{Ballast, SmallDisk};
use hustings::id::{MailboxId, MessageId};
use hustings::store::{
    AcceptMessage, Change, ChangeOutcome, Delivery, Files, Health, JournalEntry, LockedStore,
    MessageRecord, Scope, SpecialUse, Step, Store, StoreError, Suppressed, Suppression,
    SuppressionReason,
};
use hustings::vault::{IndexColumn, KeyRing, Vault};
use jiff::Timestamp;

async fn open(path: &Path, vault: &Vault) -> Store {
    let locked = LockedStore::open(Files::in_directory(path))
        .await
        .expect("opens");
    locked
        .unlock(vault.clone(), 1 << 20)
        .await
        .expect("unlocks")
}

async fn accept(store: &Store, size: usize) -> Result<MessageId, StoreError> {
    let mut writer = store.begin_body().await?;
    writer.write(&vec![b'x'; size]).await?;
    let body = writer.finish();
    let id = body.id();
    let mailbox = MailboxId::from_bytes([1; 16]);
    let delivery = Delivery::new(mailbox, SpecialUse::Inbox, id, Timestamp::UNIX_EPOCH);
    let known = MessageRecord {
        received_at: Timestamp::UNIX_EPOCH,
        size: 0,
        reverse_path: None,
        recipients: Vec::new(),
        submitted_by: None,
    };
    let message = AcceptMessage::new(store.vault(), body, known).keep_in(delivery);
    store.accept(message).await.map(|_| id)
}

#[tokio::test]
async fn a_full_disk_refuses_for_now_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let vault = Vault::from_ring(KeyRing::generate());
    let store = open(disk.path(), &vault).await;
    // Without a reserve, so that mail fills it to the last byte.
    store.keep_free(Some(0));
    let mut kept = vec![accept(&store, 10_000).await.expect("there is room")];

    let ballast = Ballast::fill(disk.path());
    let mut refused = 0;
    for _ in 0..200 {
        match accept(&store, 100_000).await {
            Ok(id) => kept.push(id),
            Err(error) => {
                assert!(error.is_temporary(), "{error}");
                assert!(matches!(error, StoreError::Full), "{error}");
                refused += 1;
                break;
            }
        }
    }
    assert_eq!(refused, 1, "the disk never got full");
    assert!(matches!(store.health(), Health::Refusing(StoreError::Full)));
    // What is small enough goes on, and says nothing of the next mail.
    let change = store
        .change(Change::new())
        .await
        .expect("nothing is written");
    assert_eq!(change, ChangeOutcome::Done);
    assert!(matches!(store.health(), Health::Refusing(StoreError::Full)));

    drop(ballast);
    kept.push(accept(&store, 10_000).await.expect("there is room again"));
    assert!(matches!(store.health(), Health::Well));
    store.close().await;

    let store = open(disk.path(), &vault).await;
    for id in kept {
        store
            .body(id)
            .read_whole(1 << 20)
            .await
            .expect("what was accepted is there");
    }
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}

/// Mail and half-sent mail fill a disk up to its reserve, and everybody can still leave.
#[tokio::test]
async fn mail_fills_no_disk_so_far_that_a_withdrawal_has_no_room() {
    let Some(disk) = SmallDisk::mount("96m") else {
        return;
    };
    let vault = Vault::from_ring(KeyRing::generate());
    let store = open(disk.path(), &vault).await;
    let space = || store.space().expect("the system tells");
    let mut half_sent = Vec::new();
    let refused = 'full: loop {
        if let Err(error) = accept(&store, 3 << 20).await {
            break error;
        }
        // More of them would wait for the byte budget.
        if half_sent.len() == 4 {
            continue;
        }
        let mut writer = store.begin_body().await.expect("begins");
        for _ in 0..48 {
            if let Err(error) = writer.write(&[7; 64 * 1024]).await {
                break 'full error;
            }
        }
        half_sent.push(writer);
    };
    assert!(matches!(refused, StoreError::Reserved { .. }), "{refused}");
    assert!(matches!(store.health(), Health::Well));
    let left = space();
    println!("{} of {} MiB are left", left.left >> 20, left.reserve >> 20);
    assert!(left.left > left.reserve / 2, "{left:?}");
    for number in 0..2_000_u32 {
        let leaves = withdrawal(&vault, number);
        let done = store.change(leaves).await;
        assert_eq!(done.expect("has room"), ChangeOutcome::Done);
    }
    // What was half sent is given up, and makes room for mail.
    drop(half_sent);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while accept(&store, 1 << 20).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "{:?}", space());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// What a withdrawal writes: a suppression, and the journal.
fn withdrawal(vault: &Vault, number: u32) -> Change {
    let index = vault.index(IndexColumn::Suppression, &number.to_be_bytes());
    let (scope, reason) = (Scope::All, SuppressionReason::Withdrawn);
    let at = Timestamp::UNIX_EPOCH;
    let mut row = Suppression::none(index);
    row.record.scopes.push(Suppressed { scope, at, reason });
    Change::new()
        .then(Step::PutSuppression(row))
        .then(Step::Journal(JournalEntry::Suppressed {
            at,
            index,
            scope,
            reason,
        }))
}

#[tokio::test]
async fn a_disk_that_turns_read_only_refuses_for_now() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let vault = Vault::from_ring(KeyRing::generate());
    let store = open(disk.path(), &vault).await;
    let kept = accept(&store, 10_000).await.expect("the disk is writable");
    store.close().await;

    disk.remount("ro");
    let error = LockedStore::open(Files::in_directory(disk.path()))
        .await
        .err();
    let error = error.expect("a read-only disk takes no writes");
    assert!(
        error.is_temporary() && error.to_string().contains("read-only"),
        "{error}"
    );

    disk.remount("rw");
    let store = open(disk.path(), &vault).await;
    store
        .body(kept)
        .read_whole(1 << 20)
        .await
        .expect("what was accepted is there");
}
