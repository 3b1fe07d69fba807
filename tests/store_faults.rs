//! What the store does on a sick disk: a full one, a read-only one. Nothing that was accepted is lost, what can't be
//! accepted is refused as temporary, and the store takes writes again by itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use hustings::id::{MailboxId, MessageId};
use hustings::store::{
    AcceptMessage, Entry, EntryRecord, Files, Health, LockedStore, MessageRecord, Store, StoreError,
};
use hustings::vault::{KeyRing, Vault};
use jiff::Timestamp;

/// A small file system of its own, unmounted when dropped.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of this size, if this user may.
    fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            assert!(
                std::env::var_os("CI").is_none(),
                "skipped: needs root, to mount a small disk"
            );
            eprintln!("skipped: needs root, to mount a small disk");
        }
        mounted.then_some(Self { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(self.path())
            .status()
            .expect("mount runs");
        assert!(done.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

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
    let record = EntryRecord {
        folder: "INBOX".into(),
        kept_at: Timestamp::UNIX_EPOCH,
    };
    let entry = Entry::new(store.vault(), MailboxId::from_bytes([1; 16]), id, record);
    let known = MessageRecord {
        received_at: Timestamp::UNIX_EPOCH,
        size: 0,
        reverse_path: None,
        recipients: Vec::new(),
        submitted_by: None,
    };
    let message = AcceptMessage::new(store.vault(), body, known).keep_in(entry);
    store.accept(message).await.map(|()| id)
}

/// Takes the room that is left on the disk, and gives it back when dropped.
struct Ballast(PathBuf);

impl Ballast {
    fn fill(disk: &SmallDisk) -> Self {
        let path = disk.path().join("ballast");
        let mut size: usize = 64 << 20;
        let mut bytes = Vec::new();
        while size >= 512 {
            bytes.resize(bytes.len() + size, 0);
            if std::fs::write(&path, &bytes).is_err() {
                bytes.truncate(bytes.len() - size);
                size /= 2;
            }
        }
        let _ = std::fs::write(&path, &bytes);
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_for_now_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let vault = Vault::from_ring(KeyRing::generate());
    let store = open(disk.path(), &vault).await;
    let mut kept = vec![accept(&store, 10_000).await.expect("there is room")];

    let ballast = Ballast::fill(&disk);
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
