//! Folders: what moves into them from an older version, what leaves the disk with the last place of a message, and what
//! `verify` says of a tampered one.

use std::time::{Duration, Instant};

use super::*;
use crate::id::FolderId;

async fn inbox(store: &Store, owner: StaffId) -> Opening {
    let inbox = SpecialUse::Inbox.into();
    let folder = store.folder_named(owner.into(), &inbox).await;
    let folder = folder.expect("reads").expect("is there");
    opened(store, folder.id).await
}

async fn opened(store: &Store, id: FolderId) -> Opening {
    store
        .open_folder(id)
        .await
        .expect("reads")
        .expect("is there")
}

async fn act(store: &Store, act: FolderAct) -> ActDone {
    store.act(act).await.expect("writes").expect("is done")
}

async fn run(store: &Store, directory: &TempDir, statement: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(directory.path().join("hustings.db"))
        .foreign_keys(false);
    let mut other = SqliteConnection::connect_with(&options)
        .await
        .expect("opens");
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&mut other)
        .await
        .expect("runs");
    assert!(matches!(store.health(), Health::Well));
}

#[tokio::test]
async fn messages_of_an_older_version_move_into_folders_in_the_order_in_which_they_came() {
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    let mut messages = Vec::new();
    for size in 1..=6_usize {
        let message = OwnMessage::new(store.vault(), message_record(), &vec![b'x'; size]);
        messages.push(message.id());
        done(&store, Change::new().then(Step::PutMessage(message))).await;
    }
    let vault = store.vault().clone();
    store.close().await;
    let files = Files::in_directory(directory.path());
    let mut file = open::open_writer(&files).await.expect("opens");
    sqlx::query(
        "CREATE TABLE entry_before (id BLOB NOT NULL PRIMARY KEY, mailbox BLOB NOT NULL,
         message_id BLOB NOT NULL REFERENCES message (id), sealed BLOB NOT NULL) WITHOUT ROWID",
    )
    .execute(&mut file)
    .await
    .expect("makes the table");
    let hours = |hours| now() + jiff::SignedDuration::from_hours(hours);
    for (place, hour, folder) in [
        (0, 5, "INBOX"),
        (1, 1, "INBOX"),
        (2, 3, "INBOX"),
        (3, 2, "Junk"),
        (4, 2, "Unconfirmed"),
        (5, 4, "INBOX"),
    ] {
        let whose = (MailboxId::from(owner), messages[place]);
        mailbox::before::put_before(whose, folder, hours(hour), &mut file, &vault).await;
    }
    // One whose seal is broken isn't lost.
    sqlx::query("UPDATE entry_before SET sealed = zeroblob(80) WHERE message_id = $1")
        .bind(messages[5].as_bytes().as_slice())
        .execute(&mut file)
        .await
        .expect("edits");
    file.close().await.expect("closes");

    let store = reopen(&directory, vault.clone()).await;
    let inbox = inbox(&store, owner).await;
    let found: Vec<_> = inbox.entries.iter().map(|entry| entry.message).collect();
    assert_eq!(found, [messages[5], messages[1], messages[2], messages[0]]);
    assert_eq!(inbox.entries[1].record.kept_at, hours(1));
    assert_eq!(inbox.folder.record.bytes, 6 + 2 + 3 + 1);
    let folders = store.folders(owner.into()).await.expect("reads").rows;
    let held: u64 = folders.iter().map(|folder| folder.record.messages).sum();
    assert_eq!((folders.len(), held), (7, 6));
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
    store.close().await;
    // Once is enough.
    let store = reopen(&directory, vault).await;
    assert_eq!(count_entries(&store, owner).await, 6);
}

/// A body that several have is there once, and leaves the disk with the last of them.
#[tokio::test]
async fn a_body_leaves_the_disk_with_its_last_place() {
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    let message = accept(&store, owner, &vec![b'x'; 3 * CHUNK]).await;
    accept(&store, owner, b"another").await;
    let row = sqlx::query("SELECT sealed FROM chunk WHERE message_id = $1 AND idx = 1")
        .bind(message.as_bytes().as_slice())
        .fetch_one(&store.readers)
        .await;
    let sealed: Vec<u8> = row.expect("is there").get(0);
    let piece = &sealed[100..400];
    let stands = || traces::stands_in(&directory, piece);
    assert!(stands());
    let from = inbox(&store, owner).await.folder.id;
    let archive = SpecialUse::Archive.into();
    let archive = store.folder_named(owner.into(), &archive).await;
    let to = archive.expect("reads").expect("is there").id;
    let uids = || Uids::of([Uid(1)]);
    let moved = FolderAct::Move {
        from,
        uids: uids(),
        to,
        at: now(),
        room: None,
        goes_on: false,
    };
    let copied = FolderAct::Copy {
        from: to,
        uids: uids(),
        to: from,
        at: now(),
        room: None,
        goes_on: false,
    };
    act(&store, moved).await;
    act(&store, copied).await;
    assert_eq!(count_entries(&store, owner).await, 3);
    let expunge = |folder, uid| FolderAct::Expunge {
        folder,
        uids: Uids::of([uid]),
        only_deleted: false,
    };
    act(&store, expunge(to, Uid(1))).await;
    let body = store.body(message).read_whole(usize::MAX).await;
    assert_eq!(body.expect("is still somebody's").len(), 3 * CHUNK);
    act(&store, expunge(from, Uid(3))).await;
    assert_eq!(store.message(message).await.expect("reads"), None);
    let deadline = Instant::now() + Duration::from_secs(30);
    while stands() {
        assert!(Instant::now() < deadline, "the body is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count_entries(&store, owner).await, 1);
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}

#[tokio::test]
async fn a_folder_that_goes_takes_its_messages_with_it() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let message = accept(&store, owner, &vec![b'x'; 2 * CHUNK]).await;
    let from = inbox(&store, owner).await.folder.id;
    let create = FolderAct::Create {
        mailbox: owner.into(),
        name: crate::store::FolderName::parse("Old").expect("a name"),
        at: now(),
    };
    let to = act(&store, create).await.folder.expect("is made");
    let moved = FolderAct::Move {
        from,
        uids: Uids::of([Uid(1)]),
        to,
        at: now(),
        room: None,
        goes_on: false,
    };
    act(&store, moved).await;
    act(&store, FolderAct::Delete { folder: to }).await;
    assert_eq!(store.message(message).await.expect("reads"), None);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let row = sqlx::query("SELECT COUNT(*) FROM chunk").fetch_one(&store.readers);
        if row.await.expect("counts").get::<i64, _>(0) == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "the body is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}

/// A crash between the commit and the forgetting leaves nothing behind either.
#[tokio::test]
async fn what_was_being_forgotten_goes_with_the_next_start() {
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    let message = accept(&store, owner, &vec![b'x'; 2 * CHUNK]).await;
    let row = sqlx::query("SELECT sealed FROM chunk WHERE message_id = $1 AND idx = 1")
        .bind(message.as_bytes().as_slice())
        .fetch_one(&store.readers)
        .await;
    let sealed: Vec<u8> = row.expect("is there").get(0);
    let from = inbox(&store, owner).await.folder.id;
    let vault = store.vault().clone();
    store.close().await;
    let files = Files::in_directory(directory.path());
    let mut file = open::open_writer(&files).await.expect("opens");
    sqlx::query("DELETE FROM entry")
        .execute(&mut file)
        .await
        .expect("edits");
    sqlx::query("UPDATE message SET staged = 1")
        .execute(&mut file)
        .await
        .expect("edits");
    file.close().await.expect("closes");
    let store = reopen(&directory, vault).await;
    assert_eq!(store.message(message).await.expect("reads"), None);
    let count: i64 = sqlx::query("SELECT COUNT(*) FROM chunk")
        .fetch_one(&store.readers)
        .await
        .expect("counts")
        .get(0);
    assert_eq!(count, 0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while traces::stands_in(&directory, &sealed[100..400]) {
        assert!(Instant::now() < deadline, "the body is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The folder says that a message is missing, since nobody expunged it.
    let found = store.verify(|_, _| ()).await.expect("verifies").findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].table.as_str(), &found[0].row),
        ("folder", &from.to_string())
    );
}

#[tokio::test]
async fn a_folder_that_was_tampered_with_is_named() {
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    for _ in 0..3 {
        accept(&store, owner, b"x").await;
    }
    let folder = inbox(&store, owner).await.folder.id;
    let older = directory.path().join("older.db");
    run(
        &store,
        &directory,
        &format!("VACUUM INTO '{}'", older.display()),
    )
    .await;
    accept(&store, owner, b"x").await;
    let expunge = FolderAct::Expunge {
        folder,
        uids: Uids::of([Uid(1)]),
        only_deleted: false,
    };
    act(&store, expunge).await;
    for (statement, back, table) in [
        (
            "UPDATE entry SET uid = 9 WHERE uid = 2",
            "UPDATE entry SET uid = 2 WHERE uid = 9",
            "entry",
        ),
        (
            "UPDATE entry SET modseq = modseq + 1 WHERE uid = 2",
            "UPDATE entry SET modseq = modseq - 1 WHERE uid = 2",
            "entry",
        ),
    ] {
        run(&store, &directory, statement).await;
        let found = store.verify(|_, _| ()).await.expect("verifies").findings;
        assert!(
            found.iter().all(|one| one.table == table) && found.len() == 1,
            "{found:?}"
        );
        // One broken row is in nobody's way.
        assert_eq!(inbox(&store, owner).await.broken, 1);
        run(&store, &directory, back).await;
    }
    // Yesterday's row of the folder would give a UID again: it gives none, and says why.
    let attach = format!("ATTACH '{}' AS older", older.display());
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join("hustings.db"));
    let mut other = SqliteConnection::connect_with(&options)
        .await
        .expect("opens");
    for statement in [
        attach.as_str(),
        "UPDATE folder SET sealed = (SELECT sealed FROM older.folder o WHERE o.id = folder.id)",
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&mut other)
            .await
            .expect("runs");
    }
    other.close().await.expect("closes");
    let found = store.verify(|_, _| ()).await.expect("verifies").findings;
    assert!(
        found
            .iter()
            .any(|one| one.table == "folder" && one.row == folder.to_string())
    );
    accept(&store, owner, b"x").await;
    let uids: Vec<_> = inbox(&store, owner)
        .await
        .entries
        .iter()
        .map(|one| one.uid)
        .collect();
    assert_eq!(uids, [2, 3, 4, 5].map(Uid), "no UID is given twice");
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}

/// Nobody who looks at a folder is woken because something of it was copied elsewhere.
#[tokio::test]
async fn a_copy_leaves_the_folder_alone_where_its_original_stands() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    accept(&store, owner, b"x").await;
    let from = inbox(&store, owner).await.folder.id;
    let archive = SpecialUse::Archive.into();
    let archive = store.folder_named(owner.into(), &archive).await;
    let to = archive.expect("reads").expect("is there").id;
    // Sealed anew, the same row is another one.
    let row = async |id: FolderId| -> Vec<u8> {
        let row = sqlx::query("SELECT sealed FROM folder WHERE id = $1")
            .bind(id.as_bytes().as_slice())
            .fetch_one(&store.readers)
            .await;
        row.expect("is there").get(0)
    };
    let before = (row(from).await, row(to).await);
    let copied = FolderAct::Copy {
        from,
        uids: Uids::all(),
        to,
        at: now(),
        room: None,
        goes_on: false,
    };
    assert_eq!(act(&store, copied).await.placed.len(), 1);
    let after = (row(from).await, row(to).await);
    assert!(before.0 == after.0, "the source's row");
    assert!(before.1 != after.1, "the other's row");
}

/// In a mailbox that several people have, what leaves it goes into its Trash as well: if that numbers no more, nothing is done.
#[tokio::test]
async fn what_cant_be_thrown_away_is_not_copied_either() {
    let (store, _directory) = store().await;
    let role = MailboxId::from_bytes([9; 16]);
    let owner = staff(&store).await;
    let other = accept(&store, owner, b"of the other").await;
    accept(&store, role, b"kept").await;
    accept(&store, role, b"thrown away").await;
    let named = async |mailbox: MailboxId, which: SpecialUse| {
        let found = store.folder_named(mailbox, &which.into()).await;
        found.expect("reads").expect("is there").id
    };
    let from = named(role, SpecialUse::Inbox).await;
    let discard = FolderAct::Discard {
        folder: from,
        uids: Uids::of([Uid(2)]),
        only_deleted: false,
        at: now(),
    };
    act(&store, discard).await;
    let trash = named(role, SpecialUse::Trash).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store.files().database());
    let file = SqliteConnection::connect_with(&options).await;
    let mut file = file.expect("opens");
    sqlx::query("UPDATE entry SET uid = 4294967294 WHERE folder_id = $1")
        .bind(trash.as_bytes().as_slice())
        .execute(&mut file)
        .await
        .expect("writes");
    file.close().await.expect("closes");
    let take_away = FolderAct::TakeAway {
        from,
        uids: Uids::of([Uid(1)]),
        to: named(owner.into(), SpecialUse::Inbox).await,
        at: now(),
        room: None,
        goes_on: false,
    };
    let refused = store.act(take_away).await.expect("writes");
    assert_eq!(refused, Err(ActRefusal::TooManyMessages));
    let there: Vec<_> = inbox(&store, owner).await.entries;
    let there: Vec<_> = there.iter().map(|entry| entry.message).collect();
    assert_eq!(there, [other]);
}

/// Who was away for very long compares all UIDs instead.
#[tokio::test]
async fn what_left_long_ago_is_forgotten_and_said_to_be() {
    let directory = super::super::testing::swift_directory();
    let store = super::reopen(&directory, Vault::for_tests()).await;
    let owner = staff(&store).await;
    accept(&store, owner, b"x").await;
    let folder = inbox(&store, owner).await.folder.id;
    for number in 1..=2100_u32 {
        let copy = FolderAct::Move {
            from: folder,
            uids: Uids::of([Uid(number)]),
            to: folder,
            at: now(),
            room: None,
            goes_on: false,
        };
        act(&store, copy).await;
    }
    let opening = inbox(&store, owner).await;
    assert_eq!(opening.entries[0].uid, Uid(2101));
    let record = opening.folder.record;
    assert!(
        (1500..=2000).contains(&record.expunged_rows),
        "{}",
        record.expunged_rows
    );
    let vanished = async |since: u64| {
        let changes = store.changes_since(folder, ModSeq(since)).await;
        changes.expect("reads").expect("is there").vanished
    };
    assert_eq!(vanished(record.forgot_until.0 - 1).await, None);
    let known = vanished(record.forgot_until.0).await.expect("is known");
    assert_eq!(known.ranges().len(), 1);
    assert!(known.contains(Uid(2100)) && !known.contains(Uid(2101)));
}

/// What a mail program was told since the copy was made must not be taken for what comes now.
#[tokio::test]
async fn after_a_restore_every_folder_is_another_one() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    accept(&store, owner, b"a").await;
    let validities = async || {
        let folders = store.folders(owner.into()).await.expect("reads").rows;
        let each = folders.iter().map(|one| one.record.uid_validity);
        each.collect::<std::collections::BTreeSet<u32>>()
    };
    let before = validities().await;
    store.raise_uid_validity(now()).await.expect("raises");
    let after = validities().await;
    assert_eq!((before.len(), after.len()), (7, 7));
    assert!(after.first() > before.last(), "{before:?} {after:?}");
    let inbox = store
        .folder_named(owner.into(), &SpecialUse::Inbox.into())
        .await;
    let inbox = inbox.expect("reads").expect("is there");
    let changes = store
        .changes_since(inbox.id, ModSeq(1))
        .await
        .expect("reads");
    assert_eq!(
        changes.expect("is there").vanished,
        None,
        "nothing is known of before"
    );
    let verified = store.verify(|_, _| ()).await.expect("reads");
    assert!(verified.is_clean(), "{:?}", verified.findings);
}

/// However much stands in a folder that goes: others have their turn in between.
#[tokio::test]
async fn a_large_folder_goes_in_pieces() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    accept(&store, owner, b"x").await;
    let from = inbox(&store, owner).await.folder.id;
    let clock = crate::clock::Clock::frozen(now());
    let boxes = crate::mailbox::Mailboxes::new(store.clone(), clock);
    let name = |text| crate::store::FolderName::parse(text).expect("a name");
    let old = boxes
        .create(owner.into(), name("Old"))
        .await
        .expect("makes");
    let copy = async |from, uids| {
        let (to, at, room) = (old, now(), None);
        act(
            &store,
            FolderAct::Copy {
                from,
                uids,
                to,
                at,
                room,
                goes_on: false,
            },
        )
        .await;
    };
    copy(from, Uids::of([Uid(1)])).await;
    for _ in 0..11 {
        copy(old, Uids::all()).await;
    }
    copy(old, Uids::of((1..=452).map(Uid))).await;
    let there = store.open_folder(old).await.expect("reads");
    assert_eq!(there.expect("is there").entries.len(), 2_500);
    let writes = || {
        let counters = &store.writer.shared.counters;
        counters.writes.load(std::sync::atomic::Ordering::Relaxed)
    };
    let before = writes();
    boxes.delete(old).await.expect("goes");
    assert_eq!(writes() - before, 4, "three pieces and the folder");
    assert!(store.open_folder(old).await.expect("reads").is_none());
    assert_eq!(count_entries(&store, owner).await, 1);
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}
