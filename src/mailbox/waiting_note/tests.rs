//! Who is told of mail that waits, when, and what the note says.

use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::store::{AcceptMessage, Files, LockedStore, Store, Uids, hold_setting};
use crate::template::{Colour, Party};
use crate::vault::Vault;

struct Bench {
    store: Store,
    clock: Clock,
    boxes: Mailboxes,
    ada: Reader,
    _directory: TempDir,
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let locked = LockedStore::open(Files::in_directory(directory.path())).await;
        let store = locked.unwrap().unlock(Vault::for_tests(), 8 << 20).await;
        let store = store.unwrap();
        let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
        Self {
            boxes: Mailboxes::new(store.clone(), clock.clone()),
            ada: Reader {
                mailbox: MailboxId::from_bytes([7; 16]),
                address: address("ada@party.example"),
            },
            store,
            clock,
            _directory: directory,
        }
    }

    async fn comes(&self, folder: SpecialUse) {
        let mut writer = self.store.begin_body().await.unwrap();
        writer
            .write(b"Subject: hello\r\n\r\nhello\r\n")
            .await
            .unwrap();
        let body = writer.finish();
        let record = MessageRecord {
            received_at: self.clock.now(),
            size: 0,
            reverse_path: None,
            recipients: Vec::new(),
            submitted_by: None,
        };
        let delivery = Delivery::new(self.ada.mailbox, folder, body.id(), self.clock.now());
        let message = AcceptMessage::new(self.store.vault(), body, record).keep_in(delivery);
        self.store.accept(message).await.unwrap();
    }

    async fn tell(&self, tongues: Tongues) -> usize {
        let templates = Templates::builtin(Party {
            name: "The Fair Party".into(),
            address: "12 Mill Lane, Leeds LS1 4AP".into(),
            email: "privacy@party.example".into(),
            url: "https://lists.party.example".into(),
            promoter: None,
            behalf: None,
            company: None,
            colour: Colour::parse("#0b6e4f").unwrap(),
            asks_constituency: true,
        });
        let terms = NoteTerms {
            templates: &templates,
            tongues,
            from: &address("postmaster@party.example"),
            domain: &Domain::parse("party.example").unwrap(),
        };
        let readers = [self.ada.clone()];
        self.boxes.tell_of_waiting(&readers, &terms).await.unwrap()
    }

    async fn told(&self) -> usize {
        self.tell(Tongues::English).await
    }

    fn pass(&self, hours: i64) {
        let hours = jiff::SignedDuration::from_hours(hours);
        self.clock.advance(hours).unwrap();
    }

    /// The newest message of the INBOX.
    async fn note(&self) -> String {
        let opening = self.opened(SpecialUse::Inbox).await;
        let newest = opening.entries.iter().max_by_key(|entry| entry.uid);
        let newest = newest.unwrap();
        let body = self.store.body(newest.message).read_whole(1 << 20).await;
        let text = String::from_utf8(body.unwrap()).unwrap();
        text.replace("=\r\n", "")
    }

    async fn opened(&self, which: SpecialUse) -> Opening {
        let name = FolderName::from(which);
        let folder = self.store.folder_named(self.ada.mailbox, &name).await;
        let id = folder.unwrap().unwrap().id;
        self.store.open_folder(id).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_note_comes_once_a_day_and_only_of_news() {
    let bench = Bench::new().await;
    bench.comes(SpecialUse::Inbox).await;
    assert_eq!(bench.told().await, 0, "nothing waits");
    bench.comes(SpecialUse::Unconfirmed).await;
    assert_eq!(bench.told().await, 1);
    let note = bench.note().await;
    assert!(note.contains("To: <ada@party.example>"), "{note}");
    assert!(note.contains("Auto-Submitted: auto-generated"), "{note}");
    for words in ["1 mail waits", "2026-12-05", "POP3", "IMAP"] {
        assert!(note.contains(words), "{words}: {note}");
    }
    assert!(!note.contains("Mae "), "{note}");
    bench.comes(SpecialUse::Unconfirmed).await;
    bench.pass(11);
    assert_eq!(bench.told().await, 0, "it's the same day");
    bench.pass(24);
    assert_eq!(bench.tell(Tongues::Both).await, 1);
    let note = bench.note().await;
    for words in ["2 mails wait", "2026-12-05", "Mae 2 neges"] {
        assert!(note.contains(words), "{words}: {note}");
    }
    bench.pass(24);
    assert_eq!(bench.told().await, 0, "nothing is new");
    // What is new and gone again is no news.
    bench.comes(SpecialUse::Unconfirmed).await;
    let opening = bench.opened(SpecialUse::Unconfirmed).await;
    let newest = opening.entries.iter().map(|entry| entry.uid).max();
    let id = opening.folder.id;
    bench
        .boxes
        .expunge(id, &[newest.unwrap()], false)
        .await
        .unwrap();
    assert_eq!(bench.told().await, 0);
    bench.comes(SpecialUse::Unconfirmed).await;
    assert_eq!(bench.told().await, 1);
    // Once all is gone nothing is said.
    let all: Vec<_> = bench.boxes.open(id).await.unwrap().select(&Uids::all());
    bench.boxes.expunge(id, &all, false).await.unwrap();
    bench.pass(24);
    assert_eq!(bench.told().await, 0);
}

#[tokio::test]
async fn of_a_mailbox_on_hold_no_day_is_told() {
    let bench = Bench::new().await;
    bench.comes(SpecialUse::Unconfirmed).await;
    let hold = Step::PutSetting(Setting {
        name: hold_setting(bench.ada.mailbox).into(),
        value: Zeroizing::new(b"{}".to_vec()),
    });
    let _ = bench.store.change(Change::new().then(hold)).await.unwrap();
    assert_eq!(bench.told().await, 1);
    let note = bench.note().await;
    assert!(
        note.contains("on hold") && !note.contains("2026-12-05"),
        "{note}"
    );
}
