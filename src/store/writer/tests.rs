//! The writer over a journal or a database that fails it.

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::store::journal::{JournalEntry, Mark};
use crate::store::setting::Setting;
use crate::store::{Files, LockedStore, Step, StoreError};
use crate::vault::{Index, IndexColumn, KeyRing, Vault};

struct Bench {
    handle: Handle,
    directory: TempDir,
    vault: Vault,
}

/// A writer over a store of its own; `spoil` says whether the journal can't be written.
async fn bench(spoil: bool) -> Bench {
    let directory = tempfile::tempdir().expect("a directory");
    let files = Files::in_directory(directory.path());
    let locked = LockedStore::open(files.clone()).await.expect("opens");
    locked.close().await.expect("closes");
    let vault = Vault::from_ring(KeyRing::generate());
    let mut journal = Journal::open(&files.journal(), &vault, Mark::default())
        .await
        .expect("opens");
    if spoil {
        journal.spoil();
    }
    let connection = open::open_writer(&files).await.expect("opens");
    let (handle, _) = Writer::start(files, vault.clone(), journal, connection, Arc::default());
    Bench {
        handle,
        directory,
        vault,
    }
}

impl Bench {
    fn withdrawal(&self) -> Change {
        let index: Index = self.vault.index(IndexColumn::Suppression, b"v1:a");
        Change::new().then(Step::Journal(JournalEntry::Erased {
            at: Timestamp::UNIX_EPOCH,
            index,
        }))
    }

    fn other() -> Change {
        let value = zeroize::Zeroizing::new(vec![1]);
        Change::new().then(Step::PutSetting(Setting {
            name: "other".into(),
            value,
        }))
    }
}

#[tokio::test]
async fn while_the_journal_cant_be_written_nothing_else_is() {
    let bench = bench(true).await;
    // Nothing is known of it until it is needed.
    assert!(bench.handle.write(Bench::other()).await.is_ok());
    let refused = bench.handle.write(bench.withdrawal()).await;
    assert!(matches!(refused, Err(StoreError::Sick(_))), "{refused:?}");
    let refused = bench.handle.write(Bench::other()).await;
    assert!(matches!(refused, Err(StoreError::Sick(_))), "{refused:?}");
    let health = bench.handle.shared.health.load();
    assert!(matches!(**health, Health::Refusing(StoreError::Sick(_))));
}

#[tokio::test]
async fn a_journal_that_failed_is_measured_before_it_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    let vault = Vault::from_ring(KeyRing::generate());
    let index = vault.index(IndexColumn::Suppression, b"v1:a");
    let entry = || {
        vec![JournalEntry::Erased {
            at: Timestamp::UNIX_EPOCH,
            index,
        }]
    };
    let opened = Journal::open(&path, &vault, Mark::default()).await;
    let mut journal = opened.expect("opens");
    journal.append(entry()).await.expect("appends");
    journal.spoil();
    assert!(journal.append(entry()).await.is_err());
    // What the failed write left there.
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes.extend_from_slice(&[0, 0, 0, 200, 1, 2, 3]);
    std::fs::write(&path, bytes).expect("writes");
    let mark = journal.append(Vec::new()).await.expect("goes on");
    assert_eq!(
        mark.map(|mark| mark.frames),
        Some(2),
        "it must be proven to be written"
    );
    journal.append(entry()).await.expect("appends");
    let read = crate::store::read_journal(&path, &vault).expect("whole");
    assert_eq!(read[1], JournalEntry::Resumed);
    assert_eq!(read.len(), 3);
}

#[tokio::test]
async fn after_a_rollback_that_failed_the_connection_is_a_new_one() {
    let bench = bench(false).await;
    let files = Files::in_directory(bench.directory.path());
    let mut behind = open::open_writer(&files).await.expect("opens");
    // SQLite itself ends the transaction then, so that ours can't be rolled back.
    sqlx::query(
        "CREATE TRIGGER refuses BEFORE INSERT ON setting WHEN NEW.name = 'other'
         BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
    )
    .execute(&mut behind)
    .await
    .expect("runs");
    assert!(bench.handle.write(Bench::other()).await.is_err());
    sqlx::query("DROP TRIGGER refuses")
        .execute(&mut behind)
        .await
        .expect("runs");
    assert!(bench.handle.write(Bench::other()).await.is_ok());
    let reopened = &bench.handle.shared.counters.reopened;
    assert_eq!(reopened.load(Ordering::Relaxed), 1);
}
