//! Tests of the queue through the engine's contract, with a store of its own and a clock that moves.

#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::*;
use crate::address::Domain;
use crate::delivery::classify::Fault;
use crate::delivery::parcel::Loaded;
use crate::delivery::policy::Doubt;
use crate::delivery::signing::Selectors;
use crate::id::{MailboxId, StaffId};
use crate::store::testing::{Table, blank};
use crate::store::{AcceptMessage, DsnWish, Files, LockedStore, MessageRecord, Needs, NotifyOn};
use crate::template::{Colour, Party};
use crate::vault::{KeyRing, Vault};

struct World {
    store: Store,
    clock: Clock,
    queue: MailQueue,
    sender: StaffId,
    _directory: TempDir,
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let locked = LockedStore::open(Files::in_directory(directory.path()))
        .await
        .unwrap();
    let store = locked
        .unlock(Vault::from_ring(KeyRing::generate()), 1 << 20)
        .await
        .unwrap();
    let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().unwrap());
    World {
        queue: MailQueue::new(
            store.clone(),
            clock.clone(),
            None,
            Arc::new(AlwaysWanted),
            settings(),
        ),
        store,
        clock,
        sender: StaffId::random(),
        _directory: directory,
    }
}

fn settings() -> QueueSettings {
    QueueSettings {
        schedule: Schedule::default(),
        host: "mail.party.example".into(),
        postmaster: address("postmaster@party.example"),
        templates: Arc::new(Templates::builtin(Party {
            name: "The Fair Party".into(),
            address: "12 Mill Lane, Leeds LS1 4AP".into(),
            email: "privacy@party.example".into(),
            url: "https://lists.party.example".into(),
            promoter: None,
            behalf: None,
            company: None,
            colour: Colour::parse("#0b6e4f").unwrap(),
            asks_constituency: true,
        })),
    }
}

const MAIL: &[u8] =
    b"From: Ada <ada@party.example>\r\nTo: bob@one.example\r\nSubject: Leaflets\r\n\
    Message-ID: <1@party.example>\r\n\r\nSecret plans.\r\n";

impl World {
    async fn staff_mail(&self, from: Option<&str>, to: &[&str]) {
        let recipients: Vec<_> = to.iter().map(|to| address(to).into()).collect();
        self.staff_mail_to(from, &recipients).await;
    }

    async fn staff_mail_to(&self, from: Option<&str>, recipients: &[Outsider]) {
        let mut writer = self.store.begin_body().await.unwrap();
        writer.write(MAIL).await.unwrap();
        let body = writer.finish();
        let (from, now) = (from.map(address), self.clock.now());
        let mail = StaffMail {
            message: body.id(),
            sender: self.sender,
            reverse_path: from.as_ref(),
            recipients,
            prefix: None,
            needs: Needs::default(),
            tls: Default::default(),
        };
        let steps: Vec<_> = queue_staff_mail(&Schedule::default(), &mail, now).collect();
        let record = MessageRecord {
            received_at: now,
            size: 0,
            reverse_path: None,
            recipients: Vec::new(),
            submitted_by: Some(self.sender),
        };
        let accepted = AcceptMessage::new(self.store.vault(), body, record);
        let accepted = steps.into_iter().fold(accepted, AcceptMessage::and);
        self.store.accept(accepted).await.unwrap();
    }

    async fn service_mail(&self, to: &str) {
        let steps = queue_service_mail(
            self.store.vault(),
            &Schedule::default(),
            "welcome",
            &address(to),
            MAIL,
            self.clock.now(),
        );
        let done = self.store.change(Change::new().then_all(steps)).await;
        assert_eq!(done.unwrap(), ChangeOutcome::Done);
    }

    /// With some step in the place of the audit log's.
    async fn give_up(&self, row: &Queued) -> bool {
        let now = self.clock.now();
        let act = Step::ExpireRequests(now);
        self.queue.give_up(row, None, act, now).await.unwrap()
    }

    async fn due(&self) -> Vec<Arc<dyn Parcel>> {
        self.queue.due(self.clock.now(), 100).await.unwrap()
    }

    /// The only parcel that is due, loaded.
    async fn loaded(&self) -> Arc<dyn Parcel> {
        let due = self.due().await;
        assert_eq!(due.len(), 1);
        assert!(matches!(due[0].load().await, Loaded::Ready(_)));
        due[0].clone()
    }

    fn advance(&self, minutes: i64) {
        self.clock
            .advance(SignedDuration::from_mins(minutes))
            .unwrap();
    }

    async fn settle(&self, parcel: &Arc<dyn Parcel>, fate: Fate) {
        let at = self.clock.now();
        parcel.settle(Attempted { fate, at }).await.unwrap();
    }

    async fn rows(&self) -> Vec<Queued> {
        self.store.queue_page(None, 100).await.unwrap().rows
    }

    /// The notices in the sender's INBOX.
    async fn notices(&self) -> Vec<String> {
        let mailbox = MailboxId::from(self.sender);
        let mut notices = Vec::new();
        for entry in self.store.entries(mailbox, 100).await.unwrap() {
            assert_eq!(entry.folder.as_str(), "INBOX");
            let bytes = self.store.body(entry.message).read_whole(1 << 20).await;
            notices.push(String::from_utf8(bytes.unwrap()).unwrap());
        }
        notices
    }
}

fn failed(cause: Cause, permanent: bool, said: &str) -> Fate {
    Fate::Failed {
        verdict: Verdict {
            cause,
            permanent,
            pause: None,
        },
        said: said.into(),
    }
}

fn busy() -> Fate {
    failed(Cause::AddressBusy, false, "452 4.2.2 mailbox full")
}

#[tokio::test]
async fn the_attempt_is_on_record_before_anybody_is_dialled() {
    let world = world().await;
    world
        .staff_mail(Some("ada@party.example"), &["bob@one.example"])
        .await;
    let parcel = world.loaded().await;
    let row = world.rows().await.remove(0);
    assert_eq!(row.record.attempts, 1);
    assert!(row.due_at > world.clock.now(), "a crash now backs off");
    assert!(world.due().await.is_empty());
    let next = world.queue.next_due().await.unwrap();
    assert_eq!(next, Some(row.due_at));
    // What did not take place after all is due again.
    parcel.untried().await;
    let row = world.rows().await.remove(0);
    assert_eq!((row.record.attempts, row.due_at), (0, world.clock.now()));
}

#[tokio::test]
async fn a_delivered_mail_leaves_nothing_behind() {
    let world = world().await;
    let to = ["bob@one.example", "cyd@two.example"];
    world.staff_mail(Some("ada@party.example"), &to).await;
    let message = world.rows().await[0].message;
    for parcel in world.due().await {
        assert!(world.store.message(message).await.unwrap().is_some());
        let Loaded::Ready(letter) = parcel.load().await else {
            panic!("not ready")
        };
        assert_eq!(letter.size, Some(MAIL.len() as u64));
        assert_eq!(letter.reverse_path, Some(address("ada@party.example")));
        assert!(parcel.clearance().await.is_some());
        world.settle(&parcel, Fate::Delivered).await;
    }
    assert!(world.rows().await.is_empty() && world.notices().await.is_empty());
    assert!(world.store.message(message).await.unwrap().is_none());
}

#[tokio::test]
async fn what_may_pass_is_tried_again_ever_later_and_said_once() {
    let world = world().await;
    world
        .staff_mail(Some("ada@party.example"), &["bob@one.example"])
        .await;
    let mut waits = Vec::new();
    for _ in 0..7 {
        let parcel = world.loaded().await;
        world.settle(&parcel, busy()).await;
        let row = world.rows().await.remove(0);
        assert_eq!(
            row.record.last_failure.as_deref(),
            Some("address-busy: 452 4.2.2 mailbox full")
        );
        let wait = row.due_at.duration_since(world.clock.now());
        waits.push(wait);
        world.clock.advance(wait).unwrap();
    }
    assert!(
        waits[..6].windows(2).all(|pair| pair[0] < pair[1]),
        "{waits:?}"
    );
    let notices = world.notices().await;
    assert_eq!(notices.len(), 1, "one notice after four hours");
    let notice = &notices[0];
    for part in [
        "Action: delayed",
        "Status: 4.2.2",
        "Will-Retry-Until: Thu, 26 Nov 2026",
    ] {
        assert!(notice.contains(part), "{part} is not in\n{notice}");
    }
    // The end of five days.
    world.advance(6 * 24 * 60);
    let parcel = world.loaded().await;
    world.settle(&parcel, busy()).await;
    assert!(world.rows().await.is_empty());
    let last = world.notices().await;
    let last = last.iter().find(|text| text.contains("Action: failed"));
    assert!(last.is_some_and(|text| text.contains("Status: 4.2.2")));
}

#[tokio::test]
async fn a_refused_staff_mail_comes_back_to_its_sender_alone() {
    let world = world().await;
    world
        .staff_mail(Some("ada@party.example"), &["bob@one.example"])
        .await;
    let message = world.rows().await[0].message;
    let parcel = world.loaded().await;
    let said = "550 5.1.1 no such user";
    world
        .settle(&parcel, failed(Cause::AddressDead, true, said))
        .await;
    assert!(world.rows().await.is_empty());
    assert!(world.store.message(message).await.unwrap().is_none());
    let notices = world.notices().await;
    assert_eq!(notices.len(), 1);
    for part in [
        "To: <ada@party.example>",
        "From: \"Mail Delivery\" <postmaster@party.example>",
        "Auto-Submitted: auto-replied",
        "Final-Recipient: rfc822; bob@one.example",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user",
        "Subject: Leaflets",
    ] {
        assert!(
            notices[0].contains(part),
            "{part} is not in\n{}",
            notices[0]
        );
    }
    assert!(!notices[0].contains("Secret plans"));
}

/// What a sender said of their mail is what they know it by.
#[tokio::test]
async fn a_notice_names_what_the_sender_called_it() {
    let world = world().await;
    let to = |name: &str, notify| Outsider {
        address: address(name),
        dsn: DsnWish {
            notify,
            envelope_id: Some("rally-7".into()),
            original_recipient: Some("rfc822;robert@old.example".into()),
            ..DsnWish::default()
        },
    };
    let (bob, cy) = ("bob@one.example", "cy@one.example");
    let recipients = [to(bob, None), to(cy, Some(NotifyOn::default()))];
    world
        .staff_mail_to(Some("ada@party.example"), &recipients)
        .await;
    for parcel in world.due().await {
        assert!(matches!(parcel.load().await, Loaded::Ready(_)));
        let dead = failed(Cause::AddressDead, true, "550 5.1.1 no such user");
        world.settle(&parcel, dead).await;
    }
    let notices = world.notices().await;
    assert_eq!(notices.len(), 1, "of one she wants to hear nothing");
    for field in [
        "Original-Envelope-Id: rally-7\r\n",
        "Original-Recipient: rfc822;robert@old.example\r\n",
        "Final-Recipient: rfc822; bob@one.example\r\n",
    ] {
        assert!(notices[0].contains(field), "{field}: {}", notices[0]);
    }
}

#[tokio::test]
async fn no_tls_is_told_early_and_once() {
    let world = world().await;
    world
        .staff_mail(Some("ada@party.example"), &["bob@one.example"])
        .await;
    let no_tls = || failed(Cause::NoTls, false, "4.7.10 no encryption (STARTTLS)");
    for (minutes, expected) in [(0, 0), (20, 1), (60, 1), (300, 1)] {
        world.advance(minutes);
        let parcel = world.loaded().await;
        world.settle(&parcel, no_tls()).await;
        assert_eq!(
            world.notices().await.len(),
            expected,
            "after {minutes} more"
        );
    }
    let notice = world.notices().await.remove(0);
    assert!(notice.contains("Action: delayed") && notice.contains("Status: 4.7.10"));
    assert!(notice.contains("does not encrypt") && !notice.contains("Diagnostic-Code"));
}

#[tokio::test]
async fn each_cause_is_told_in_words_of_its_own() {
    let causes = [
        (Cause::AddressDead, "does not exist"),
        (Cause::AddressBusy, "the mailbox is full"),
        (Cause::NoTls, "does not encrypt"),
        (
            Cause::Unproven(Doubt::Certificate),
            "its certificate does not match",
        ),
        (Cause::Unproven(Doubt::NotInPolicy), "not among them"),
        (Cause::Unproven(Doubt::Tlsa), "in DNS (DANE)"),
        (Cause::Unproven(Doubt::Dnssec), "not signed"),
        (Cause::Unproven(Doubt::RequireTls), "asked for REQUIRETLS"),
        (Cause::OurFault(Fault::Blocked), "takes no mail from this"),
        (
            Cause::OurFault(Fault::Authentication),
            "that this mail is ours",
        ),
        (
            Cause::OurFault(Fault::Content),
            "Change it and send it again",
        ),
        (Cause::OurFault(Fault::Rate), "no more mail from us"),
        (Cause::Automatic, "did not say clearly"),
        (Cause::Unknown, "did not say clearly"),
    ];
    for (cause, words) in causes {
        let world = world().await;
        world
            .staff_mail(Some("ada@party.example"), &["bob@one.example"])
            .await;
        let parcel = world.loaded().await;
        let fate = failed(cause, true, "550 5.0.0 no");
        world.settle(&parcel, fate).await;
        let notice = world.notices().await.remove(0);
        let flat = notice.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{words} is not in\n{notice}");
        assert!(flat.contains("Subject: Not delivered: Leaflets"));
    }
}

#[tokio::test]
async fn nobody_is_told_about_service_mail_or_the_null_path() {
    let world = world().await;
    let dead = || failed(Cause::AddressDead, true, "550 5.1.1 no");
    world.service_mail("bob@one.example").await;
    let parcel = world.loaded().await;
    world.settle(&parcel, dead()).await;
    world.service_mail("bob@one.example").await;
    world.settle(&world.loaded().await, Fate::Delivered).await;
    world.service_mail("bob@one.example").await;
    world.advance(3 * 24 * 60 + 1);
    world.settle(&world.loaded().await, busy()).await;
    world.staff_mail(None, &["bob@one.example"]).await;
    world.settle(&world.loaded().await, dead()).await;
    assert!(world.rows().await.is_empty() && world.notices().await.is_empty());
    let counts = world.queue.counts();
    let count = |outcome| counts.get(&("welcome".to_owned(), outcome)).copied();
    let expected = (Some(1), Some(1), Some(1));
    assert_eq!(
        (count("failed"), count("delivered"), count("expired")),
        expected
    );
}

#[tokio::test]
async fn doubt_is_tried_again() {
    let world = world().await;
    world.service_mail("bob@one.example").await;
    world.settle(&world.loaded().await, Fate::Unknown).await;
    let row = world.rows().await.remove(0);
    assert!(row.due_at > world.clock.now());
    assert!(
        row.record
            .last_failure
            .unwrap()
            .starts_with("unknown: 4.4.2")
    );
}

#[tokio::test]
async fn a_dropped_mail_is_not_sent_and_does_not_come_back() {
    let world = world().await;
    world
        .staff_mail(Some("ada@party.example"), &["bob@one.example"])
        .await;
    let (early, parcel) = (world.due().await.remove(0), world.loaded().await);
    let row = world.rows().await.remove(0);
    assert!(world.give_up(&row).await);
    assert!(!world.give_up(&row).await);
    let told = world.notices().await.len();
    assert_eq!(told, 1, "its sender is told once");
    assert!(matches!(early.load().await, Loaded::Gone));
    assert!(parcel.clearance().await.is_none());
    parcel.untried().await;
    world.settle(&parcel, busy()).await;
    let dead = failed(Cause::OurFault(Fault::Content), true, "554 5.6.0 no");
    world.settle(&parcel, dead).await;
    assert!(world.rows().await.is_empty());
    assert_eq!(world.notices().await.len(), told);
}

#[tokio::test]
async fn sharing_anothers_fate_counts_as_an_attempt() {
    let world = world().await;
    world.service_mail("bob@one.example").await;
    let parcel = world.due().await.remove(0);
    let at = world.clock.now();
    parcel
        .settle_unloaded(Attempted { fate: busy(), at })
        .await
        .unwrap();
    let row = world.rows().await.remove(0);
    assert_eq!(row.record.attempts, 1);
    assert!(row.due_at > at);
}

#[tokio::test]
async fn a_pause_that_was_asked_for_is_kept() {
    let world = world().await;
    world.service_mail("bob@one.example").await;
    let mut fate = failed(Cause::OurFault(Fault::Rate), false, "421 4.7.28 slow");
    if let Fate::Failed { verdict, .. } = &mut fate {
        verdict.pause = Some(SignedDuration::from_mins(30));
    }
    world.settle(&world.loaded().await, fate).await;
    let wait = world.rows().await[0]
        .due_at
        .duration_since(world.clock.now());
    assert_eq!(wait, SignedDuration::from_mins(30));
}

#[tokio::test]
async fn mail_is_signed_when_it_is_sent_first() {
    let world = world().await;
    let selectors = Selectors {
        rsa: "r1".into(),
        ed25519: "e1".into(),
    };
    let domains = [Domain::parse("party.example").unwrap()];
    let signing = Signing::open(&world.store, &domains, &selectors, world.clock.now())
        .await
        .unwrap();
    let queue = MailQueue::new(
        world.store.clone(),
        world.clock.clone(),
        Some(Arc::new(signing)),
        Arc::new(AlwaysWanted),
        settings(),
    );
    world.service_mail("bob@one.example").await;
    let parcel = queue.due(world.clock.now(), 10).await.unwrap().remove(0);
    let Loaded::Ready(letter) = parcel.load().await else {
        panic!("not ready")
    };
    let MailBytes::Stored { prefix, body } = letter.bytes else {
        panic!("made anew")
    };
    let fields = String::from_utf8(prefix.to_vec()).unwrap();
    assert!(
        fields.contains("s=r1-service1;") && fields.contains("s=e1-service1;"),
        "{fields}"
    );
    assert!(fields.contains("d=party.example;"));
    assert_eq!(letter.size, Some((fields.len() + MAIL.len()) as u64));
    assert_eq!(body.read_whole(1 << 20).await.unwrap(), MAIL);
    assert_eq!(
        world.rows().await[0].record.prefix.as_deref(),
        Some(&*fields)
    );
}

#[tokio::test]
async fn a_mail_whose_stored_message_is_lost_is_given_up_and_its_sender_told() {
    for table in [Table::Message, Table::Chunk] {
        let mut world = world().await;
        let selectors = Selectors {
            rsa: "r1".into(),
            ed25519: "e1".into(),
        };
        let domains = [Domain::parse("party.example").unwrap()];
        let signing = Signing::open(&world.store, &domains, &selectors, world.clock.now())
            .await
            .unwrap();
        world.queue = MailQueue::new(
            world.store.clone(),
            world.clock.clone(),
            Some(Arc::new(signing)),
            Arc::new(AlwaysWanted),
            settings(),
        );
        world
            .staff_mail(Some("ada@party.example"), &["bob@one.example"])
            .await;
        assert_ne!(blank(world.store.files(), table, None).await, 0);
        let due = world.due().await;
        assert!(matches!(due[0].load().await, Loaded::Gone), "{table:?}");
        assert!(world.rows().await.is_empty(), "{table:?}");
        let notices = world.notices().await;
        assert_eq!(notices.len(), 1, "{table:?}");
        assert!(notices[0].contains("5.6.0"), "{table:?}: {}", notices[0]);
    }
}
