//! What was erased stands nowhere on the disk.

use std::time::{Duration, Instant};

use super::*;

pub(super) fn stands_in(directory: &TempDir, bytes: &[u8]) -> bool {
    ["hustings.db", "hustings.db-wal"].iter().any(|name| {
        let file = std::fs::read(directory.path().join(name)).unwrap_or_default();
        file.windows(bytes.len()).any(|window| window == bytes)
    })
}

async fn sealed_of(store: &Store, id: SubscriberId) -> Vec<u8> {
    let row = sqlx::query("SELECT sealed FROM subscriber WHERE id = $1")
        .bind(id.as_bytes().as_slice())
        .fetch_one(&store.readers)
        .await;
    row.expect("is there").get(0)
}

#[tokio::test]
async fn a_sealed_row_leaves_the_disk_once_it_is_erased() {
    let (store, directory) = store().await;
    let people: Vec<_> = (0..40)
        .map(|n| subscriber(&store, &format!("reader{n}@example.org")))
        .collect();
    for person in &people {
        done(
            &store,
            Change::new().then(Step::PutSubscriber(person.clone())),
        )
        .await;
    }
    for person in &people[..2] {
        let sealed = sealed_of(&store, person.id).await;
        assert!(stands_in(&directory, &sealed));
        let gone = Change::new().then(Step::RemoveSubscriber(person.id));
        done(&store, gone).await;
        let deadline = Instant::now() + Duration::from_secs(30);
        while stands_in(&directory, &sealed) {
            assert!(Instant::now() < deadline, "the sealed row is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A reader that holds on to the old pages keeps nobody's write waiting.
#[tokio::test]
async fn a_reader_holds_up_no_write() {
    let (store, _directory) = store().await;
    let person = subscriber(&store, "reader@example.org");
    done(
        &store,
        Change::new().then(Step::PutSubscriber(person.clone())),
    )
    .await;
    let mut reading = store.readers.begin().await.expect("begins");
    let _ = sqlx::query("SELECT COUNT(*) FROM subscriber")
        .fetch_one(&mut *reading)
        .await
        .expect("reads");
    let begun = Instant::now();
    done(
        &store,
        Change::new().then(Step::RemoveSubscriber(person.id)),
    )
    .await;
    for n in 0..20 {
        let another = subscriber(&store, &format!("reader{n}@example.org"));
        done(&store, Change::new().then(Step::PutSubscriber(another))).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    drop(reading);
}

#[tokio::test]
async fn a_store_that_was_closed_has_no_write_ahead_log() {
    let (store, directory) = store().await;
    let person = subscriber(&store, "reader@example.org");
    done(
        &store,
        Change::new().then(Step::PutSubscriber(person.clone())),
    )
    .await;
    sealed_of(&store, person.id).await;
    store.close().await;
    let log = std::fs::metadata(directory.path().join("hustings.db-wal"));
    assert!(log.map_or(true, |about| about.len() == 0));
}
