//! What goes when, and that it leaves the disk.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::message::outline::outline;
use crate::store::testing::{sealed_chunk, swift_directory};
use crate::store::{
    AcceptMessage, Delivery, Files, LockedStore, Marks, MessageRecord, OutlineRow, Store,
};
use crate::vault::Vault;

mod kept;

const BEGIN: &str = "2026-01-31T12:00:00Z";

fn keeping() -> Keeping {
    Keeping {
        mail: Span::new().months(24),
        junk: Span::new().days(30),
        trash: Span::new().days(30),
    }
}

struct Bench {
    store: Store,
    clock: Clock,
    boxes: Mailboxes,
    owner: MailboxId,
    directory: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let directory = swift_directory();
        let locked = LockedStore::open(Files::in_directory(directory.path())).await;
        let store = locked.unwrap().unlock(Vault::for_tests(), 8 << 20).await;
        let (store, clock) = (store.unwrap(), Clock::frozen(BEGIN.parse().unwrap()));
        Self {
            boxes: Mailboxes::new(store.clone(), clock.clone()),
            owner: MailboxId::from_bytes([7; 16]),
            store,
            clock,
            directory,
        }
    }

    /// Takes a mail now.
    async fn take(&self, folder: SpecialUse, header: &str, size: usize) -> MessageId {
        let mut writer = self.store.begin_body().await.unwrap();
        let mail = format!("{header}\r\n{}\r\n", "word ".repeat(size / 5));
        for piece in mail.as_bytes().chunks(10_000) {
            writer.write(piece).await.unwrap();
        }
        let body = writer.finish();
        let id = body.id();
        let at = self.clock.now();
        let record = MessageRecord {
            received_at: at,
            size: 0,
            reverse_path: None,
            recipients: Vec::new(),
            submitted_by: None,
        };
        let seen = outline(mail.as_bytes()).to_bytes();
        let vault = self.store.vault();
        let message = AcceptMessage::new(vault, body, record)
            .outlined(OutlineRow::new(vault, id, &seen))
            .keep_in(Delivery::new(self.owner, folder, id, at));
        self.store.accept(message).await.unwrap();
        id
    }

    async fn purge(&self) -> u64 {
        self.boxes.purge(self.owner, &keeping()).await.unwrap()
    }

    fn move_to(&self, at: &str) {
        let by = at
            .parse::<Timestamp>()
            .unwrap()
            .duration_since(self.clock.now());
        self.clock.advance(by).unwrap();
    }

    /// Whether these bytes stand in the database or beside it.
    fn stands(&self, piece: &[u8]) -> bool {
        let files = std::fs::read_dir(self.directory.path()).unwrap();
        files.into_iter().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
            memchr::memmem::find(&bytes, piece).is_some()
        })
    }
}

#[tokio::test]
async fn a_thread_goes_with_its_last_message_and_no_month_too_early() {
    let bench = Bench::new().await;
    bench
        .take(SpecialUse::Inbox, "Message-ID: <a@x>\r\n", 10)
        .await;
    bench
        .take(SpecialUse::Inbox, "Message-ID: <lone@x>\r\n", 10)
        .await;
    bench.take(SpecialUse::Junk, "Subject: offer\r\n", 10).await;
    bench.move_to("2026-03-03T00:00:00Z");
    assert_eq!(bench.purge().await, 1, "junk, after thirty days");
    bench.move_to("2027-05-31T12:00:00Z");
    // It names the first by a third one that isn't here.
    let answer = "Message-ID: <c@x>\r\nReferences: <a@x>\r\n\t<b@x>\r\n";
    bench.take(SpecialUse::Sent, answer, 10).await;
    bench
        .take(SpecialUse::Archive, "In-Reply-To: <b@x>\r\n", 10)
        .await;
    bench.move_to("2028-01-31T11:59:00Z");
    assert_eq!(bench.purge().await, 0);
    bench.move_to("2028-01-31T12:00:00Z");
    assert_eq!(bench.purge().await, 1, "the one that stands alone");
    bench.move_to("2029-05-31T11:59:00Z");
    assert_eq!(bench.purge().await, 0);
    let leaving = bench.boxes.leaving(bench.owner, &keeping()).await.unwrap();
    let times: Vec<String> = leaving
        .iter()
        .flat_map(|folder| &folder.messages)
        .map(|(_, at)| at.to_string())
        .collect();
    assert_eq!(times, ["2029-05-31T12:00:00Z"; 3]);
    bench.move_to("2029-05-31T12:00:00Z");
    assert_eq!(bench.purge().await, 3);
    assert_eq!(bench.purge().await, 0);
}

#[tokio::test]
async fn what_was_brought_in_by_hand_has_a_month() {
    let bench = Bench::new().await;
    let folders = bench.boxes.folders(bench.owner).await.unwrap();
    let archive = folders
        .iter()
        .find(|one| one.record.name == SpecialUse::Archive.into());
    let mut writer = bench.store.begin_body().await.unwrap();
    writer.write(b"Subject: old\r\n\r\nold\r\n").await.unwrap();
    let appended = super::super::Appended {
        body: writer.finish(),
        outline: None,
        marks: Marks::default(),
        received_at: Some("2015-01-01T00:00:00Z".parse().unwrap()),
    };
    let appending = bench.boxes.append(archive.unwrap(), appended, 1 << 20);
    appending.await.unwrap();
    bench.move_to("2026-03-02T11:00:00Z");
    assert_eq!(bench.purge().await, 0);
    bench.move_to("2026-03-02T12:00:00Z");
    assert_eq!(bench.purge().await, 1);
}

#[tokio::test]
async fn a_hold_keeps_all_of_it_and_what_goes_leaves_the_disk() {
    let bench = Bench::new().await;
    let large = bench
        .take(SpecialUse::Trash, "Subject: thrown away\r\n", 200_000)
        .await;
    for n in 0..1_200 {
        bench
            .take(SpecialUse::Trash, &format!("Subject: {n}\r\n"), 50)
            .await;
    }
    let sealed = sealed_chunk(bench.store.files(), large, 1).await;
    let piece = &sealed[100..400];
    assert!(bench.stands(piece));
    bench.move_to("2026-04-01T12:00:00Z");
    let reason = "access request 4";
    bench.boxes.hold(bench.owner, reason).await.unwrap();
    assert_eq!(bench.purge().await, 0);
    let held = bench.boxes.hold_of(bench.owner).await.unwrap().unwrap();
    assert_eq!(
        (held.reason.as_str(), held.since),
        (reason, bench.clock.now())
    );
    bench.boxes.lift(bench.owner).await.unwrap();
    assert_eq!(bench.boxes.hold_of(bench.owner).await.unwrap(), None);
    assert_eq!(bench.purge().await, 1_201);
    let deadline = Instant::now() + Duration::from_secs(30);
    while bench.stands(piece) {
        assert!(Instant::now() < deadline, "the body is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let verified = bench.store.verify(|_, _| ()).await.unwrap();
    assert!(verified.is_clean(), "{:?}", verified.findings);
}

/// The fourteen days end for nobody who is on hold.
#[tokio::test]
async fn a_hold_keeps_what_waits_as_well() {
    let bench = Bench::new().await;
    bench
        .take(SpecialUse::Unconfirmed, "Subject: hello\r\n", 10)
        .await;
    bench.move_to("2026-02-14T12:00:00Z");
    bench
        .boxes
        .hold(bench.owner, "access request")
        .await
        .unwrap();
    assert_eq!(bench.boxes.expire_unconfirmed().await.unwrap(), 0);
    let kept = async || bench.store.entries(bench.owner, 10).await.unwrap().len();
    assert_eq!(kept().await, 1, "it is there");
    bench.boxes.lift(bench.owner).await.unwrap();
    assert_eq!(bench.boxes.expire_unconfirmed().await.unwrap(), 1);
    assert_eq!(kept().await, 0);
}

/// Who planned before the hold was set erases nothing after it.
#[tokio::test]
async fn a_hold_that_is_set_meanwhile_holds() {
    let bench = Bench::new().await;
    for folder in [SpecialUse::Trash, SpecialUse::Unconfirmed] {
        bench.take(folder, "Subject: hello\r\n", 10).await;
    }
    let planned_at = bench.clock.now();
    let planned = bench.boxes.leaving(bench.owner, &keeping()).await.unwrap();
    assert_eq!(planned.len(), 2);
    bench
        .boxes
        .hold(bench.owner, "access request")
        .await
        .unwrap();
    let let_go = async || {
        let mut erased = 0;
        for folder in &planned {
            let uids: Vec<Uid> = folder.messages.iter().map(|(uid, _)| *uid).collect();
            let let_go = bench.boxes.let_go(folder.folder, &uids, planned_at);
            erased += let_go.await.unwrap();
        }
        erased
    };
    assert_eq!(let_go().await, 0);
    bench.boxes.lift(bench.owner).await.unwrap();
    assert_eq!(let_go().await, 2);
}

/// Mail programs throw a folder away by putting it into Trash.
#[tokio::test]
async fn a_folder_that_was_thrown_away_goes_a_month_later() {
    let bench = Bench::new().await;
    let boxes = &bench.boxes;
    let old = FolderName::parse("Old").unwrap();
    let old = boxes.create(bench.owner, old).await.unwrap();
    bench.take(SpecialUse::Inbox, "Subject: a\r\n", 10).await;
    let find = async |id| {
        let all = boxes.folders(bench.owner).await.unwrap();
        all.into_iter().find(|one| one.id == id).unwrap()
    };
    let inbox = boxes.folders(bench.owner).await.unwrap()[0].id;
    let moved = boxes.move_to(inbox, &[Uid(1)], old, None).await.unwrap();
    assert_eq!(moved.placed.len(), 1);
    bench.move_to("2026-06-01T12:00:00Z");
    assert_eq!(bench.purge().await, 0, "correspondence");
    let thrown = FolderName::parse("Trash/Old").unwrap();
    boxes.rename(&find(old).await, thrown).await.unwrap();
    bench.move_to("2026-07-01T11:59:00Z");
    assert_eq!(bench.purge().await, 0);
    bench.move_to("2026-07-01T12:00:00Z");
    assert_eq!(bench.purge().await, 1);
}

/// Who brings a folder back out of Trash has a month with it, and loses nothing to who planned before.
#[tokio::test]
async fn a_folder_that_was_rescued_stays() {
    let bench = Bench::new().await;
    let boxes = &bench.boxes;
    let name = |text: &str| FolderName::parse(text).unwrap();
    let old = boxes.create(bench.owner, name("Old")).await.unwrap();
    bench.take(SpecialUse::Inbox, "Subject: a\r\n", 10).await;
    let inbox = boxes.folders(bench.owner).await.unwrap()[0].id;
    boxes.move_to(inbox, &[Uid(1)], old, None).await.unwrap();
    let rename = async |to: &str| {
        let all = boxes.folders(bench.owner).await.unwrap();
        let folder = all.into_iter().find(|one| one.id == old).unwrap();
        boxes.rename(&folder, name(to)).await.unwrap();
    };
    bench.move_to("2028-01-15T12:00:00Z");
    rename("Trash/Old").await;
    bench.move_to("2028-02-10T12:00:00Z");
    assert_eq!(bench.purge().await, 0);
    let planned_at = bench.clock.now();
    rename("Old").await;
    let let_go = boxes.let_go(old, &[Uid(1)], planned_at);
    assert_eq!(let_go.await.unwrap(), 0);
    bench.move_to("2028-03-11T11:59:00Z");
    assert_eq!(
        bench.purge().await,
        0,
        "its letters are old, its name is not"
    );
    bench.move_to("2028-03-11T12:00:00Z");
    assert_eq!(bench.purge().await, 1);
}
