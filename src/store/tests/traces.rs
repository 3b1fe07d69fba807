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
    let soon = async |step: Step| {
        let begun = Instant::now();
        done(&store, Change::new().then(step)).await;
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(8), "{took:?}");
    };
    soon(Step::RemoveSubscriber(person.id)).await;
    for n in 0..20 {
        let another = subscriber(&store, &format!("reader{n}@example.org"));
        soon(Step::PutSubscriber(another)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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

/// Whoever stops right after something was erased leaves none of it behind either.
#[tokio::test]
async fn what_was_just_erased_is_gone_after_a_stop() {
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    let long: Vec<_> = (0..3).map(|_| vec![b'x'; 200 * CHUNK]).collect();
    for bytes in &long {
        accept(&store, owner, bytes).await;
    }
    let inbox = store
        .folder_named(owner.into(), &SpecialUse::Inbox.into())
        .await;
    let inbox = inbox.expect("reads").expect("is there").id;
    let expunge = FolderAct::Expunge {
        folder: inbox,
        uids: Uids::all(),
        only_deleted: false,
    };
    store.act(expunge).await.expect("writes").expect("is done");
    store.close().await;
    let files = Files::in_directory(directory.path());
    let mut file = open::open_writer(&files).await.expect("opens");
    for table in ["chunk", "message"] {
        let count = format!("SELECT COUNT(*) FROM {table}");
        let count = sqlx::query(sqlx::AssertSqlSafe(count)).fetch_one(&mut file);
        assert_eq!(count.await.expect("counts").get::<i64, _>(0), 0, "{table}");
    }
}
