//! Bodies: streamed in and out, given up, and the disk's reserve.

use super::*;

#[tokio::test]
async fn a_body_of_any_size_comes_out_as_it_went_in() {
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    let mut kept = Vec::new();
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 17] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        kept.push((accept(&store, owner, &bytes).await, bytes));
    }
    let vault = store.vault().clone();
    store.close().await;
    let store = reopen(&directory, vault).await;
    for (id, bytes) in kept {
        let read = store.body(id).read_whole(usize::MAX).await.expect("reads");
        assert!(read == bytes, "{} bytes came out changed", bytes.len());
        let record = store.message(id).await.expect("reads").expect("is there");
        assert_eq!(record.size, bytes.len() as u64);
    }
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}

#[tokio::test]
async fn a_head_that_is_known_last_stands_first() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    for size in [0, 1, CHUNK, 2 * CHUNK + 9] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let mut writer = store.begin_body().await.expect("begins");
        writer.head_comes_last();
        writer.write(&bytes).await.expect("takes bytes");
        let body = writer.finish_behind(b"the head\r\n");
        let id = body.id();
        let entry = Delivery::new(owner.into(), SpecialUse::Junk, id, now());
        let message = AcceptMessage::new(store.vault(), body, message_record());
        store.accept(message.keep_in(entry)).await.expect("accepts");
        let read = store.body(id).read_whole(usize::MAX).await.expect("reads");
        assert!(
            read == [b"the head\r\n", bytes.as_slice()].concat(),
            "{size}"
        );
        let record = store.message(id).await.expect("reads").expect("is there");
        assert_eq!(record.size, bytes.len() as u64 + 10);
    }
    assert!(store.verify(|_, _| ()).await.expect("verifies").is_clean());
}

/// A body that was cut, or is said to end earlier, is damaged and not short.
#[tokio::test]
async fn a_body_that_was_cut_does_not_look_whole() {
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    let id = accept(&store, owner, &[7; 3 * CHUNK]).await;
    let files = Files::in_directory(directory.path());
    testing::cut_bodies(&files).await;
    let whole = store.body(id).read_whole(1 << 20).await;
    assert!(matches!(whole, Err(StoreError::Cut { .. })), "{whole:.60?}");
    let end = 2 * CHUNK as u64..3 * CHUNK as u64;
    let end = store.body_range(id, end).next().await;
    assert!(matches!(end, Err(StoreError::Cut { .. })), "{end:.60?}");
    testing::end_bodies_early(&files).await;
    let whole = store.body(id).read_whole(1 << 20).await;
    assert!(matches!(whole, Err(StoreError::Seal(_))), "{whole:.60?}");
}

/// Of bodies of one chunk and of many, with a short first chunk and without.
#[tokio::test]
async fn a_piece_of_a_body_is_what_stands_there() {
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    let mut kept = Vec::new();
    for (head, size) in [
        (0, 9),
        (5_000, 1),
        (0, 3 * CHUNK + 9),
        (70, 2 * CHUNK),
        (5_000, 2 * CHUNK + 1),
    ] {
        let bytes: Vec<u8> = (0..head + size).map(|at| (at % 251) as u8).collect();
        let id = match head {
            0 => accept(&store, owner, &bytes).await,
            _ => {
                let mut writer = store.begin_body().await.expect("begins");
                writer.head_comes_last();
                writer.write(&bytes[head..]).await.expect("takes bytes");
                let body = writer.finish_behind(&bytes[..head]);
                let id = body.id();
                let entry = Delivery::new(owner.into(), SpecialUse::Junk, id, now());
                let message = AcceptMessage::new(store.vault(), body, message_record());
                store.accept(message.keep_in(entry)).await.expect("accepts");
                id
            }
        };
        kept.push((id, bytes));
    }
    for (id, bytes) in &kept {
        let edges = [
            0,
            1,
            69,
            70,
            71,
            5_000,
            CHUNK - 1,
            CHUNK,
            CHUNK + 70,
            2 * CHUNK + 5_000,
            bytes.len(),
        ];
        let within = edges.iter().filter(|edge| **edge <= bytes.len());
        for start in within.clone() {
            for end in within.clone().filter(|end| *end >= start) {
                let mut reader = store.body_range(*id, *start as u64..*end as u64);
                for _ in 0..2 {
                    let mut read = Vec::new();
                    while let Some(piece) = reader.next().await.expect("reads") {
                        read.extend_from_slice(&piece);
                    }
                    assert!(
                        read == bytes[*start..*end],
                        "{start}..{end} of {}",
                        bytes.len()
                    );
                    reader.rewind();
                }
            }
        }
        let length = bytes.len() as u64;
        for beyond in [length..length + 1, length + CHUNK as u64..u64::MAX] {
            let beyond = store.body_range(*id, beyond).next().await;
            assert!(matches!(beyond, Err(StoreError::Cut { .. })), "{beyond:?}");
        }
    }
    // Nothing else is opened: what is damaged elsewhere is in nobody's way.
    let (id, bytes) = &kept[2];
    testing::spoil_first_chunks(&Files::in_directory(directory.path())).await;
    let mut reader = store.body_range(*id, 2 * CHUNK as u64..3 * CHUNK as u64);
    let piece = reader.next().await.expect("reads").expect("is there");
    assert!(piece == bytes[2 * CHUNK..3 * CHUNK]);
    assert!(store.body_range(*id, 0..1).next().await.is_err());
}

#[tokio::test]
async fn a_body_that_nobody_accepted_leaves_nothing() {
    let (store, directory) = store().await;
    let mut writer = store.begin_body().await.expect("begins");
    writer
        .write(&vec![7; 3 * CHUNK])
        .await
        .expect("takes bytes");
    drop(writer);
    let mut second = store.begin_body().await.expect("begins");
    second
        .write(&vec![7; 3 * CHUNK])
        .await
        .expect("takes bytes");
    let vault = store.vault().clone();
    store.close().await;
    // The second body's connection was still open when the daemon stopped: only the next start can sweep it.
    drop(second);
    let store = reopen(&directory, vault).await;
    for table in ["SELECT COUNT(*) FROM message", "SELECT COUNT(*) FROM chunk"] {
        let count: i64 = sqlx::query(table)
            .fetch_one(&store.readers)
            .await
            .expect("counts")
            .get(0);
        assert_eq!(count, 0, "{table}");
    }
}

/// Strangers who begin large mails and hang up must leave neither rows nor a log as long as all that they sent.
#[tokio::test]
async fn bodies_that_were_given_up_are_gone_at_once_and_leave_a_short_log() {
    const EACH: usize = 12 * 1024 * 1024;
    let (store, _directory) = store().await;
    let bodies = (0..6).map(async |_| {
        let mut writer = store.begin_body().await.expect("begins");
        for _ in 0..EACH / CHUNK {
            writer.write(&[7; CHUNK]).await.expect("takes bytes");
        }
        writer
    });
    let bodies = futures_util::future::join_all(bodies).await;
    let log = || open::log_length(store.files());
    let coming = log();
    drop(bodies);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let chunks: i64 = sqlx::query("SELECT COUNT(*) FROM chunk")
            .fetch_one(&store.readers)
            .await
            .expect("counts")
            .get(0);
        let free = store.space().expect("is told").left;
        let on_disk = Space::of(&store.files().directory, None).expect("is told");
        if chunks == 0 && free > on_disk.left + (6 * EACH as u64) / 2 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{chunks} are left");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for (when, length) in [("coming", coming), ("gone", log())] {
        assert!(
            length < 40 << 20,
            "{when}: the log has {} MiB",
            length >> 20
        );
    }
    println!(
        "log: {} MiB while they came, {} MiB after",
        coming >> 20,
        log() >> 20
    );
    let size = |store: &Store| {
        std::fs::metadata(store.files().database())
            .expect("is there")
            .len()
    };
    let before = size(&store);
    let owner = staff(&store).await;
    for _ in 0..4 {
        accept(&store, owner, &vec![1; EACH]).await;
    }
    assert!(
        size(&store) <= before + (2 << 20),
        "free pages are used first"
    );
}

/// Mail ends before the reserve; whoever leaves doesn't.
#[tokio::test]
async fn mail_ends_before_the_reserve_and_small_writes_go_on() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let mut coming = store.begin_body().await.expect("begins");
    coming.write(&[7; CHUNK]).await.expect("takes bytes");
    let space = store.space().expect("is told");
    store.keep_free(Some(space.left + (1 << 40)));
    let refused = store.begin_body().await.err().expect("no room for mail");
    assert!(matches!(refused, StoreError::Reserved { .. }), "{refused}");
    let refused = coming.write(&[7; CHUNK]).await.expect_err("nor for more");
    assert!(matches!(refused, StoreError::Reserved { .. }), "{refused}");
    assert!(matches!(store.health(), Health::Well));
    let entry = JournalEntry::Erased {
        at: now(),
        index: store.vault().index(IndexColumn::Suppression, b"v1:a"),
    };
    done(&store, Change::new().then(Step::Journal(entry))).await;
    store.keep_free(None);
    accept(&store, owner, &[7; 3 * CHUNK]).await;
}

/// What came back, or was delivered, goes as what was somebody's: not in the transaction of others if it's long.
#[tokio::test]
async fn a_long_mail_leaves_the_queue_in_pieces() {
    let (store, directory) = store().await;
    let vault = store.vault().clone();
    let make =
        |chunks: usize| OwnMessage::new(&vault, message_record(), &vec![b'x'; chunks * CHUNK]);
    let (mut queued, mut back) = (Vec::new(), Vec::new());
    for chunks in [2, 20] {
        let (sent, returned) = (make(chunks), make(chunks));
        let record = QueueRecord {
            class: MailClass::Service {
                kind: "test".into(),
            },
            reverse_path: None,
            recipient: EmailAddress::parse("ann@elsewhere.example").expect("an address"),
            queued_at: now(),
            expires_at: now(),
            attempts: 0,
            last_failure: None,
            delay_told: false,
            needs: Needs::default(),
            prefix: None,
            tls: TlsWish::default(),
            dsn: DsnWish::default(),
        };
        let row = Queued::new(sent.id(), record);
        let bounce = Bounce {
            id: crate::id::EntryId::random(),
            copy: CopyId::random(),
            message: returned.id(),
            record: BounceRecord { received_at: now() },
        };
        queued.push((row.id, sent.id()));
        back.push(returned.id());
        let put = Change::new()
            .then(Step::PutMessage(sent))
            .then(Step::PutMessage(returned))
            .then(Step::PutQueued(row))
            .then(Step::PutBounce(bounce));
        done(&store, put).await;
    }
    store.close().await;
    let mut file = open::open_writer(&Files::in_directory(directory.path()))
        .await
        .expect("opens");
    let mut tx = writer::Tx::new(&mut file, &vault);
    for (row, _) in &queued {
        queue::remove(*row, &mut tx).await.expect("removes");
    }
    bounce::remove_stray_bounces(10, &mut tx)
        .await
        .expect("removes");
    let mut freed = std::mem::take(&mut tx.after.freed);
    let mut long = vec![queued[1].1, back[1]];
    freed.sort();
    long.sort();
    assert_eq!(freed, long, "these go afterwards");
    let left = sqlx::query("SELECT COUNT(*) FROM chunk").fetch_one(&mut file);
    assert_eq!(left.await.expect("counts").get::<i64, _>(0), 40);
    file.close().await.expect("closes");
    let store = reopen(&directory, vault).await;
    let verified = store.verify(|_, _| ()).await.expect("verifies");
    assert!(verified.is_clean(), "{:?}", verified.findings);
    let left = sqlx::query("SELECT COUNT(*) FROM chunk").fetch_one(&store.readers);
    assert_eq!(left.await.expect("counts").get::<i64, _>(0), 0);
}
