//! The journal's file when it isn't as it was left.

use std::path::PathBuf;

use super::*;

fn erased(store: &Store, who: &[u8]) -> JournalEntry {
    JournalEntry::Erased {
        at: now(),
        index: store.vault().index(IndexColumn::Suppression, who),
    }
}

/// A closed store whose journal has three entries.
async fn three() -> (TempDir, Vault, Vec<JournalEntry>) {
    let (store, directory) = store().await;
    let entries: Vec<_> = [b"v1:a", b"v1:b", b"v1:c"]
        .iter()
        .map(|who| erased(&store, *who))
        .collect();
    for entry in &entries {
        done(&store, Change::new().then(Step::Journal(entry.clone()))).await;
    }
    let vault = store.vault().clone();
    store.close().await;
    (directory, vault, entries)
}

fn file(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(name)
}

fn frame_length(bytes: &[u8]) -> usize {
    4 + u32::from_be_bytes(bytes[..4].try_into().expect("four bytes")) as usize
}

#[tokio::test]
async fn a_flipped_length_puts_the_journal_aside_whole() {
    // The second frame's length: too long for anything, longer than the rest, shorter, and a little longer.
    for (byte, flip) in [(0, 0x80), (2, 0x40), (3, 0x10), (3, 0x01)] {
        let (directory, vault, _) = three().await;
        let mut bytes = std::fs::read(file(&directory, "journal")).expect("reads");
        let second = frame_length(&bytes);
        bytes[second + byte] ^= flip;
        std::fs::write(file(&directory, "journal"), &bytes).expect("writes");

        let store = reopen(&directory, vault.clone()).await;
        let aside = std::fs::read(file(&directory, "journal.damaged-1"));
        assert_eq!(aside.expect("is kept"), bytes, "{byte} {flip:x}");
        assert!(store.warnings()[0].contains("journal.damaged-1"));
        let entry = erased(&store, b"v1:d");
        done(&store, Change::new().then(Step::Journal(entry.clone()))).await;
        store.close().await;
        let store = reopen(&directory, vault).await;
        let read = read_journal(&file(&directory, "journal"), store.vault());
        assert_eq!(read.expect("reads"), [entry]);
        assert_eq!(store.warnings().len(), 1, "and no second one");
    }
}

#[tokio::test]
async fn the_last_entry_that_was_answered_is_no_half_frame() {
    let (directory, vault, _) = three().await;
    let mut bytes = std::fs::read(file(&directory, "journal")).expect("reads");
    bytes.truncate(bytes.len() - 5);
    std::fs::write(file(&directory, "journal"), &bytes).expect("writes");
    let store = reopen(&directory, vault).await;
    assert_eq!(store.warnings().len(), 1);
    let aside = std::fs::read(file(&directory, "journal.damaged-1"));
    assert_eq!(aside.expect("is kept"), bytes);
}

#[tokio::test]
async fn a_journal_that_was_cut_between_entries_is_noticed() {
    let (directory, vault, _) = three().await;
    let mut bytes = std::fs::read(file(&directory, "journal")).expect("reads");
    bytes.truncate(frame_length(&bytes));
    std::fs::write(file(&directory, "journal"), &bytes).expect("writes");
    let store = reopen(&directory, vault).await;
    assert_eq!(store.warnings().len(), 1);
    assert!(file(&directory, "journal.damaged-1").exists());
}

#[tokio::test]
async fn a_journal_that_is_gone_is_noticed_once_and_said_until_it_is_dealt_with() {
    let (directory, vault, _) = three().await;
    std::fs::remove_file(file(&directory, "journal")).expect("removes");
    for _ in 0..2 {
        let store = reopen(&directory, vault.clone()).await;
        assert_eq!(store.warnings().len(), 1, "{:?}", store.warnings());
        assert!(store.warnings()[0].contains("journal.lost-1"));
        store.close().await;
    }
    std::fs::remove_file(file(&directory, "journal.lost-1")).expect("removes");
    let store = reopen(&directory, vault).await;
    assert_eq!(store.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn an_entry_that_was_changed_is_named_and_the_others_are_read() {
    let (directory, vault, _) = three().await;
    let mut bytes = std::fs::read(file(&directory, "journal")).expect("reads");
    let second = frame_length(&bytes);
    bytes[second + 40] ^= 1;
    std::fs::write(file(&directory, "journal"), &bytes).expect("writes");
    let store = reopen(&directory, vault).await;
    let verification = store.verify(|_, _| ()).await.expect("verifies");
    let named: Vec<_> = verification
        .findings
        .iter()
        .map(|one| (one.table.as_str(), one.row.as_str()))
        .collect();
    assert_eq!(named, [("journal", "entry 1")]);
    let opened = ("journal".to_owned(), 2);
    assert!(verification.opened.contains(&opened));
}

#[tokio::test]
async fn a_link_in_the_journals_place_is_not_followed() {
    let (directory, vault, _) = three().await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    let target = elsewhere.path().join("target");
    std::fs::rename(file(&directory, "journal"), &target).expect("moves");
    std::os::unix::fs::symlink(&target, file(&directory, "journal")).expect("links");
    let locked = LockedStore::open(Files::in_directory(directory.path())).await;
    let unlocked = locked.expect("opens").unlock(vault, BUDGET).await;
    assert!(matches!(unlocked.err(), Some(StoreError::File { .. })));
}

#[tokio::test]
async fn a_change_that_met_a_conflict_leaves_the_journal_alone() {
    let (store, directory) = store().await;
    let nobody = SubscriberId::random();
    let erase = Change::new()
        .require(Guard::SubscriberAt(nobody, 1))
        .then(Step::Journal(erased(&store, b"v1:a")));
    let outcome = store.change(erase).await.expect("answers");
    assert_eq!(outcome, ChangeOutcome::Conflict);
    let read = read_journal(&file(&directory, "journal"), store.vault());
    assert_eq!(read.expect("reads"), []);
}

/// In whichever groups they are committed, what was done last stands last.
#[tokio::test]
async fn a_suppression_that_follows_a_lifting_stands_after_it() {
    let (store, directory) = store().await;
    let index = store.vault().index(IndexColumn::Suppression, b"v1:a");
    let scope = Scope::List(store.vault().list_tag("news"));
    let lifted = Change::new().then(Step::Journal(JournalEntry::Lifted {
        at: now(),
        index,
        scope,
    }));
    let again = || {
        Change::new().then(Step::Journal(JournalEntry::Suppressed {
            at: now(),
            index,
            scope,
            reason: SuppressionReason::Withdrawn,
        }))
    };
    done(&store, again()).await;
    let (one, two) = tokio::join!(store.change(lifted), store.change(again()));
    assert_eq!(
        (one.ok(), two.ok()),
        (Some(ChangeOutcome::Done), Some(ChangeOutcome::Done))
    );
    let read = read_journal(&file(&directory, "journal"), store.vault()).expect("reads");
    let last = read.last().expect("not empty");
    assert!(matches!(last, JournalEntry::Suppressed { .. }), "{read:?}");
}

/// The lifting is in the journal when the change is answered.
#[tokio::test]
async fn a_lifting_is_journalled_with_its_commit() {
    let (store, directory) = store().await;
    let index = store.vault().index(IndexColumn::Suppression, b"v1:a");
    let entry = JournalEntry::Lifted {
        at: now(),
        index,
        scope: Scope::All,
    };
    done(&store, Change::new().then(Step::Journal(entry.clone()))).await;
    let read = read_journal(&file(&directory, "journal"), store.vault());
    assert_eq!(read.expect("reads"), [entry]);
}
