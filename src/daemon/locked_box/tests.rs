//! Tests of the box for a locked vault.

use std::io::{Seek as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn boxed() -> (LockedBox, Vault, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let vault = Vault::for_tests();
    let locked = LockedBox::in_directory(directory.path());
    locked.write_key(vault.seal_to()).expect("writes");
    (locked, vault, directory)
}

async fn keep(locked: &LockedBox, text: &str) -> Result<(), LockedBoxError> {
    locked.keep(Zeroizing::new(text.as_bytes().to_vec())).await
}

async fn apply(locked: &LockedBox, vault: &Vault) -> (Applied, Vec<String>) {
    let heard = Mutex::new(Vec::new());
    let applied = locked
        .open(vault, async |withdrawal| {
            let text = String::from_utf8(withdrawal.to_vec()).expect("text");
            let effect = match text.as_str() {
                "void" => Effect::Void,
                "odd" => Effect::Unreadable,
                _ => Effect::Withdrawn,
            };
            heard.lock().expect("no panic").push(text);
            Ok(effect)
        })
        .await
        .expect("applies");
    (applied, heard.into_inner().expect("no panic"))
}

#[tokio::test]
async fn those_that_wait_are_counted_without_reading_them_again() {
    let (locked, vault, directory) = boxed();
    assert_eq!(locked.waiting(), 0);
    for count in 1..4 {
        keep(&locked, "one").await.expect("keeps");
        assert_eq!(locked.waiting(), count);
    }
    // What was counted isn't looked at any more: damage to it changes no count.
    let path = directory.path().join("locked-withdrawals");
    let kept = fs::read(&path).expect("is there");
    let file = File::options().write(true).open(&path).expect("opens");
    (&file).write_all(&[0; 4]).expect("spoils it");
    assert_eq!(locked.waiting(), 3);
    (&file).rewind().expect("goes back");
    (&file).write_all(&kept[..4]).expect("mends it");
    keep(&locked, "two").await.expect("keeps");
    assert_eq!(locked.waiting(), 4);
    apply(&locked, &vault).await;
    assert_eq!(locked.waiting(), 0);
    keep(&locked, "three").await.expect("keeps");
    assert_eq!(
        locked.waiting(),
        1,
        "another file, perhaps by the same number"
    );
    let again = LockedBox::in_directory(directory.path());
    assert_eq!(again.waiting(), 1, "after a restart");
}

#[tokio::test]
async fn what_came_while_locked_is_applied_once_in_order() {
    let (locked, vault, directory) = boxed();
    for text in ["one", "two", "three"] {
        keep(&locked, text).await.expect("keeps");
    }
    assert_eq!(locked.waiting(), 3);
    let kept = fs::read(directory.path().join("locked-withdrawals")).expect("is there");
    assert!(
        !kept.windows(3).any(|bytes| bytes == b"two"),
        "it is sealed"
    );
    let (applied, heard) = apply(&locked, &vault).await;
    assert_eq!(
        applied,
        Applied {
            applied: 3,
            ..Applied::default()
        }
    );
    assert_eq!(heard, ["one", "two", "three"]);
    let (applied, _) = apply(&locked, &vault).await;
    assert_eq!(applied, Applied::default());
}

#[tokio::test]
async fn what_named_nobody_is_no_withdrawal_and_what_is_unknown_is_kept() {
    let (locked, vault, _directory) = boxed();
    for text in ["void", "one", "odd", "void"] {
        keep(&locked, text).await.expect("keeps");
    }
    let (applied, _) = apply(&locked, &vault).await;
    let expected = Applied {
        applied: 1,
        void: 2,
        unreadable: 1,
    };
    assert_eq!(applied, expected);
    assert_eq!(locked.unreadable().len(), 1, "another version may know it");
    assert_eq!(apply(&locked, &vault).await.1, ["odd"]);
}

#[tokio::test]
async fn what_could_not_be_applied_stays() {
    let (locked, vault, _directory) = boxed();
    keep(&locked, "one").await.expect("keeps");
    let sick = AtomicBool::new(true);
    let failed = locked
        .open(&vault, async |_| {
            if sick.load(Ordering::Relaxed) {
                Err("the disk is full".into())
            } else {
                Ok(Effect::Withdrawn)
            }
        })
        .await;
    assert!(matches!(failed, Err(LockedBoxError::Apply(_))));
    assert_eq!(apply(&locked, &vault).await.1, ["one"]);
}

#[tokio::test]
async fn a_torn_frame_was_never_answered_and_is_left_out() {
    let (locked, vault, directory) = boxed();
    keep(&locked, "one").await.expect("keeps");
    let mut file = File::options()
        .append(true)
        .open(directory.path().join("locked-withdrawals"))
        .expect("opens");
    file.write_all(&[0, 0, 0, 200, 1, 2]).expect("writes");
    assert_eq!(apply(&locked, &vault).await.1, ["one"]);
}

#[tokio::test]
async fn another_vaults_box_is_kept_aside() {
    let (locked, vault, directory) = boxed();
    keep(&locked, "one").await.expect("keeps");
    locked
        .write_key(Vault::for_tests().seal_to())
        .expect("writes");
    keep(&locked, "foreign").await.expect("keeps");
    let (applied, heard) = apply(&locked, &vault).await;
    assert_eq!(
        applied,
        Applied {
            applied: 1,
            unreadable: 1,
            void: 0
        }
    );
    assert_eq!(heard, ["one"]);
    let aside = fs::read_dir(directory.path())
        .expect("reads")
        .filter_map(Result::ok)
        .any(|entry| entry.file_name().to_string_lossy().contains("unreadable"));
    assert!(aside, "nothing is thrown away");
}

#[tokio::test]
async fn the_file_has_an_end_and_a_withdrawal_a_length() {
    let (locked, _vault, directory) = boxed();
    let long = locked
        .keep(Zeroizing::new(vec![1; WITHDRAWAL_MAX + 1]))
        .await;
    assert!(matches!(long, Err(LockedBoxError::TooLong)));
    let path = directory.path().join("locked-withdrawals");
    let frame = [&1020_u32.to_be_bytes()[..], &[7; 1020]].concat();
    let many = usize::try_from(FILE_MAX).expect("fits") / frame.len();
    fs::write(&path, frame.repeat(many)).expect("fills it");
    assert!(matches!(
        keep(&locked, "one").await,
        Err(LockedBoxError::Full)
    ));
    assert_eq!(fs::metadata(&path).expect("is there").len(), FILE_MAX);
}

#[tokio::test]
async fn without_a_key_nothing_is_kept_and_it_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let locked = LockedBox::in_directory(directory.path());
    assert!(matches!(
        keep(&locked, "one").await,
        Err(LockedBoxError::Io { .. })
    ));
    assert_eq!(locked.waiting(), 0);
}

#[tokio::test]
async fn what_comes_after_a_crash_is_not_spoilt_by_half_a_frame() {
    let (locked, vault, directory) = boxed();
    keep(&locked, "one").await.expect("keeps");
    let path = directory.path().join("locked-withdrawals");
    let mut file = File::options().append(true).open(&path).expect("opens");
    file.write_all(&[0, 0, 0, 200, 1, 2]).expect("writes");
    let locked = LockedBox::in_directory(directory.path());
    keep(&locked, "two").await.expect("keeps");
    assert_eq!(apply(&locked, &vault).await.1, ["one", "two"]);
    assert!(locked.unreadable().is_empty());
}

#[tokio::test]
async fn what_could_not_be_read_is_tried_at_each_unlock_and_applied_once() {
    let (locked, vault, _directory) = boxed();
    let other = Vault::for_tests();
    keep(&locked, "ours").await.expect("keeps");
    locked.write_key(other.seal_to()).expect("writes");
    keep(&locked, "foreign").await.expect("keeps");
    assert_eq!(apply(&locked, &vault).await.1, ["ours"]);
    assert_eq!(locked.unreadable().len(), 1);
    let (applied, heard) = apply(&locked, &vault).await;
    assert_eq!((applied.unreadable, heard.len()), (1, 0), "still closed");
    assert_eq!(locked.unreadable().len(), 1);
    assert_eq!(apply(&locked, &other).await.1, ["foreign"]);
    assert!(locked.unreadable().is_empty());
}

#[tokio::test]
async fn a_damaged_file_loses_nothing_that_can_still_be_read() {
    let (locked, vault, directory) = boxed();
    keep(&locked, "before").await.expect("keeps");
    let path = directory.path().join("locked-withdrawals");
    let mut file = File::options().append(true).open(&path).expect("opens");
    file.write_all(&[0xff; 100]).expect("writes");
    let locked = LockedBox::in_directory(directory.path());
    keep(&locked, "after").await.expect("keeps");
    let (applied, heard) = apply(&locked, &vault).await;
    assert_eq!(heard, ["before", "after"]);
    assert_eq!(applied.unreadable, 1);
    assert_eq!(locked.unreadable().len(), 1, "the rest is kept");
}

/// A frame can't be written, and what is there ends with half of one: that what comes next is readable all the same.
#[tokio::test]
async fn after_a_failed_write_the_end_is_looked_at_again() {
    let (locked, vault, directory) = boxed();
    keep(&locked, "one").await.expect("keeps");
    let path = directory.path().join("locked-withdrawals");
    let mut bytes = fs::read(&path).expect("reads");
    fs::remove_file(&path).expect("removes");
    fs::create_dir(&path).expect("nothing can be appended to it");
    assert!(keep(&locked, "lost").await.is_err());
    assert!(!locked.appending().named, "its directory is synced again");
    fs::remove_dir(&path).expect("removes");
    bytes.extend_from_slice(&[0, 0, 0, 200, 1, 2]);
    fs::write(&path, bytes).expect("writes");
    keep(&locked, "two").await.expect("keeps");
    assert_eq!(apply(&locked, &vault).await.1, ["one", "two"]);
    assert!(locked.unreadable().is_empty());
}

#[tokio::test]
async fn what_an_unlock_took_and_did_not_finish_is_applied_at_the_next() {
    let (locked, vault, directory) = boxed();
    keep(&locked, "before").await.expect("keeps");
    locked.take().expect("takes");
    // The process died here.
    let locked = LockedBox::in_directory(directory.path());
    keep(&locked, "after").await.expect("keeps");
    assert_eq!(locked.waiting(), 2);
    assert_eq!(apply(&locked, &vault).await.1, ["before", "after"]);
    assert_eq!(locked.waiting(), 0);
    assert_eq!(apply(&locked, &vault).await.0, Applied::default());
}

#[tokio::test]
async fn what_is_no_withdrawal_is_put_aside_and_the_others_applied() {
    let (locked, vault, _directory) = boxed();
    for text in ["one", "rubbish", "three"] {
        keep(&locked, text).await.expect("keeps");
    }
    let heard = Mutex::new(0);
    let applied = locked
        .open(&vault, async |withdrawal| match &withdrawal[..] {
            b"rubbish" => Ok(Effect::Unreadable),
            _ => {
                *heard.lock().expect("no panic") += 1;
                Ok(Effect::Withdrawn)
            }
        })
        .await
        .expect("rubbish bars nobody");
    assert_eq!((applied.applied, applied.unreadable), (2, 1));
    assert_eq!(locked.unreadable().len(), 1);
    assert_eq!(locked.waiting(), 0);
}

/// Whatever is acknowledged while the vault is being unlocked takes effect once: kept, it is applied; or the rooms take it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_comes_during_an_unlock_is_lost() {
    for round in 0..5 {
        let (locked, vault, _directory) = boxed();
        let posting = (0..4).map(|poster| {
            let locked = locked.clone();
            tokio::spawn(async move {
                let (mut kept, mut taken_by_rooms) = (Vec::new(), 0_u64);
                // Until well behind the end of the unlock.
                for number in 0.. {
                    let text = format!("{poster}.{number}");
                    match keep(&locked, &text).await {
                        Ok(()) => kept.push(text),
                        Err(LockedBoxError::Opened) => taken_by_rooms += 1,
                        Err(error) => panic!("{error}"),
                    }
                    if taken_by_rooms > 3 {
                        break;
                    }
                }
                kept
            })
        });
        let posting: Vec<_> = posting.collect();
        let mut heard = Vec::new();
        let slowly = async |locked: &LockedBox, heard: &mut Vec<String>| {
            let some = Mutex::new(Vec::new());
            let applied = locked
                .open(&vault, async |withdrawal| {
                    tokio::task::yield_now().await;
                    let text = String::from_utf8(withdrawal.to_vec()).expect("text");
                    some.lock().expect("no panic").push(text);
                    Ok(Effect::Withdrawn)
                })
                .await;
            applied.expect("applies");
            heard.append(&mut some.into_inner().expect("no panic"));
        };
        while heard.len() < 20 * (round + 1) {
            slowly(&locked, &mut heard).await;
            tokio::task::yield_now().await;
        }
        // A hand-over that comes to nothing keeps going on.
        drop(locked.hand_over());
        slowly(&locked, &mut heard).await;
        let handing = locked.hand_over();
        slowly(&locked, &mut heard).await;
        handing.opened();
        let mut kept = Vec::new();
        for posted in posting {
            kept.append(&mut posted.await.expect("posts"));
        }
        kept.sort();
        heard.sort();
        assert_eq!(heard, kept);
        assert_eq!(locked.waiting(), 0);
    }
}
