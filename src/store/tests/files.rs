//! Whose the files are, and what isn't a store.

use super::*;

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
