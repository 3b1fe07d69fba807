//! Tests of the keeper.

use super::*;
use crate::store::{Change, ChangeOutcome, Setting, Step};

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

async fn nothing(_: Store, _: Zeroizing<Vec<u8>>) -> Result<Effect, String> {
    Ok(Effect::Withdrawn)
}

/// A data directory whose root key lies in a file beside it.
async fn installation() -> (tempfile::TempDir, KeySource) {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    fs::create_dir(&data).expect("makes a directory");
    let key = RootKey::generate();
    let path = directory.path().join("root.key");
    key.create_key_file(&path, &data).expect("writes the key");
    create_ring(&data, &key, None)
        .await
        .expect("makes the ring");
    (directory, KeySource::KeyFile(path))
}

async fn keeper(directory: &tempfile::TempDir, source: &KeySource) -> Keeper {
    let data = directory.path().join("data");
    Keeper::open(&data, directory.path(), source.clone(), 1 << 20)
        .await
        .expect("opens")
}

#[tokio::test]
async fn a_key_file_opens_the_vault_at_once_and_a_mark_keeps_it_locked() {
    let (directory, source) = installation().await;
    let first = keeper(&directory, &source).await;
    assert!(!first.waits_for_unlock());
    assert_eq!(first.state(), LockState::Locked);
    let opened = first.unlock(None, nothing).await.expect("unlocks");
    assert_eq!(first.state(), LockState::Unlocked);
    assert!(matches!(
        first.unlock(None, nothing).await,
        Err(KeeperError::Busy)
    ));
    first.lock().expect("leaves a mark");
    assert_eq!(first.state(), LockState::Stopping);
    opened.store.close().await;
    drop(first);
    let next = keeper(&directory, &source).await;
    assert!(next.waits_for_unlock(), "the mark is heeded");
    next.unlock(None, nothing)
        .await
        .expect("unlocks")
        .store
        .close()
        .await;
    drop(next);
    assert!(
        !keeper(&directory, &source).await.waits_for_unlock(),
        "the mark is gone"
    );
}

#[tokio::test]
async fn a_wrong_key_leaves_it_locked_and_the_right_one_still_opens_it() {
    let (directory, source) = installation().await;
    let right = fs::read(directory.path().join("root.key")).expect("reads");
    let path = directory.path().join("root.key");
    fs::remove_file(&path).expect("removes");
    RootKey::generate()
        .create_key_file(&path, &directory.path().join("data"))
        .expect("writes");
    let keeper = keeper(&directory, &source).await;
    let wrong = keeper.unlock(None, nothing).await;
    assert!(matches!(
        wrong,
        Err(KeeperError::Unlock(UnlockError::WrongKey))
    ));
    assert_eq!(keeper.state(), LockState::Locked);
    fs::remove_file(&path).expect("removes");
    fs::write(&path, right).expect("writes");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o400);
    fs::set_permissions(&path, mode).expect("sets the mode");
    keeper.unlock(None, nothing).await.expect("unlocks");
}

#[tokio::test]
async fn a_passphrase_is_asked_for_and_a_restart_remembers_how_it_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    fs::create_dir(&data).expect("makes a directory");
    let params = PassphraseParams::generate();
    let key = RootKey::from_passphrase("five random words on paper", &params).expect("derives");
    create_ring(&data, &key, Some(params))
        .await
        .expect("makes the ring");
    let keeper = keeper(&directory, &KeySource::Passphrase).await;
    assert!(keeper.waits_for_unlock());
    let none = keeper.unlock(None, nothing).await;
    assert!(matches!(none, Err(KeeperError::PassphraseNeeded)));
    let wrong = secret("five random words on stone");
    let wrong = keeper.unlock(Some(&wrong), nothing).await;
    assert!(matches!(
        wrong,
        Err(KeeperError::Unlock(UnlockError::WrongKey))
    ));
    let right = secret("five random words on paper");
    let opened = keeper.unlock(Some(&right), nothing).await.expect("unlocks");
    let sheet = keeper
        .recovery_sheet(opened.store.vault(), Some(&right))
        .await;
    assert!(sheet.expect("a sheet").matches(opened.store.vault().ring()));
    let wrong = secret("another passphrase altogether");
    let sheet = keeper
        .recovery_sheet(opened.store.vault(), Some(&wrong))
        .await;
    assert!(
        sheet.is_err(),
        "a sheet with a wrong root key would be worth nothing"
    );
}

#[tokio::test]
async fn what_came_while_locked_is_in_the_store_when_the_vault_is_open() {
    let (directory, source) = installation().await;
    let first = keeper(&directory, &source).await;
    first
        .unlock(None, nothing)
        .await
        .expect("unlocks")
        .store
        .close()
        .await;
    drop(first);
    let keeper = keeper(&directory, &source).await;
    let token = Zeroizing::new(b"a token".to_vec());
    keeper.locked_box().keep(token).await.expect("keeps");
    let failed = keeper
        .unlock(None, async |_, _| Err("the disk is full".to_owned()))
        .await;
    assert!(matches!(failed, Err(KeeperError::LockedBox(_))));
    assert_eq!(keeper.state(), LockState::Locked);
    let opened = keeper
        .unlock(
            None,
            async |store: Store, withdrawal: Zeroizing<Vec<u8>>| {
                let setting = Setting {
                    name: "test".into(),
                    value: withdrawal,
                };
                match store
                    .change(Change::new().then(Step::PutSetting(setting)))
                    .await
                {
                    Ok(ChangeOutcome::Done) => Ok(Effect::Withdrawn),
                    other => Err(format!("{other:?}")),
                }
            },
        )
        .await
        .expect("unlocks");
    assert_eq!(
        opened.applied,
        Applied {
            applied: 1,
            ..Applied::default()
        }
    );
    let kept = opened
        .store
        .setting("test")
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(&**kept, b"a token");
}

#[tokio::test]
async fn a_directory_without_keys_is_told_to_be_set_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let opened = Keeper::open(
        directory.path(),
        directory.path(),
        KeySource::Passphrase,
        1 << 20,
    )
    .await;
    assert!(matches!(opened, Err(KeeperError::NotSetUp)));
}
