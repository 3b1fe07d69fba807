//! Mailings, the queue and the mailboxes.

use jiff::SignedDuration;

use super::*;
use crate::config::Period;
use crate::control::api::Count;
use crate::control::api::audit::Show as ShowLog;
use crate::control::api::mailbox::{Hold, Lift, List as Mailboxes, Retention};
use crate::control::api::mailing::{Approve, Cancel, List, Pause, Preview, Resume, Watch};
use crate::control::api::queue::{Drop as GiveUp, List as Queue, Retry, Show};
use crate::id::{EntryId, MailingId};
use crate::list::{Submission, Target};
use crate::mailbox::Appended;
use crate::store::{
    Bounce, BounceRecord, MailClass, MailingState, Marks, Needs, QueueRecord, Queued,
};

async fn submit(world: &World) -> MailingId {
    let config = world.rooms.config();
    let (key, list) = config.list.iter().next().expect("a list");
    let to = config.list_address(key).expect("an address");
    let message = format!(
        "From: <{}>\r\nTo: <{to}>\r\nSubject: Meeting on Friday\r\n\r\nSee you at the town hall.\r\n",
        list.from
    );
    let submission = Submission {
        list: key.as_str().into(),
        target: Target::Whole,
        reverse_path: Some(typed("cy@party.example")),
        message: message.into(),
    };
    let held = world
        .rooms
        .mailings
        .submit(&world.actor("cy"), submission)
        .await;
    held.expect("is held").id
}

#[tokio::test]
async fn a_mailing_is_seen_approved_steered_and_ended() {
    let world = World::new().await;
    world.subscribe("jo@elector.example", Some(LEEDS)).await;
    let world = world.reopen().await;
    let id = submit(&world).await;
    let digits = id.to_string()[..8].to_owned();
    let mailing = || digits.clone();
    world.am("cy");
    let (rows, _) = world.ask(&List { current: true }).await.expect("lists");
    assert_eq!((rows[0].id, rows[0].state), (id, MailingState::Held));
    assert_eq!(
        (rows[0].sender.as_str(), rows[0].counts.audience),
        ("cy", Count::Few)
    );
    let preview = Preview { mailing: mailing() };
    let (_, message, seen) = world.talk(&preview, b"").await.expect("shows");
    assert!(String::from_utf8_lossy(&message).contains("town hall"));
    let approve = |digest: Option<String>| Approve {
        mailing: mailing(),
        digest,
        anyway: false,
    };
    let own = world.ask(&approve(None)).await.expect_err("needs another");
    assert_eq!(own.class, Class::Refused);
    world.am("dee");
    let other = world
        .ask(&approve(Some("ab".repeat(32))))
        .await
        .expect_err("other bytes");
    assert!(other.why.contains("digest"), "{other}");
    let (_, approved) = world
        .ask(&approve(Some(seen.digest.clone())))
        .await
        .expect("approves");
    assert_eq!(
        (approved.state, &approved.approved_by[..]),
        (MailingState::Sending, &["dee".to_owned()][..])
    );
    world.am("eve");
    let pause = Pause { mailing: mailing() };
    assert!(world.ask(&pause).await.is_err(), "a reader may not");
    world.am("ada");
    let (_, paused) = world.ask(&pause).await.expect("an admin may stop it");
    assert_eq!(
        (paused.state, paused.counts.audience),
        (MailingState::Paused, Count::Exactly(1))
    );
    world
        .ask(&Resume { mailing: mailing() })
        .await
        .expect("goes on");
    let cancel = Cancel {
        mailing: mailing(),
        reason: Some("wrong date".into()),
    };
    let (_, ended) = world.ask(&cancel).await.expect("ends");
    assert_eq!(ended.state, MailingState::Cancelled);
    let over = world.ask(&pause).await.expect_err("is over");
    assert!(over.why.contains("cancelled"), "{over}");
    let (rows, _) = world.ask(&List { current: true }).await.expect("lists");
    assert!(rows.is_empty());
    let short = Preview {
        mailing: "3".into(),
    };
    assert_eq!(
        world.ask(&short).await.expect_err("too short").class,
        Class::Misuse
    );
    let expected = [
        "mailing submit",
        "mailing approve",
        "mailing pause",
        "mailing resume",
        "mailing cancel",
    ];
    let verbs = world.verbs().await;
    assert!(
        verbs.ends_with(
            &expected[1..]
                .iter()
                .map(|verb| (*verb).to_owned())
                .collect::<Vec<_>>()
        ),
        "{verbs:?}"
    );
}

#[tokio::test]
async fn who_watches_is_told_until_it_ends_and_may_go() {
    let world = World::new().await;
    let id = submit(&world).await;
    let mailing = id.to_string();
    let client = Client::connect(&world.server.socket)
        .await
        .expect("connects");
    let watch = Watch {
        mailing: mailing.clone(),
    };
    let (mut leaver, sender) = client.ask(&watch).await.expect("asks");
    assert!(leaver.next().await.is_ok(), "is told something");
    drop((leaver, sender));

    let client = Client::connect(&world.server.socket)
        .await
        .expect("connects");
    let (mut watcher, _sender) = client.ask(&watch).await.expect("asks");
    let first = loop {
        match watcher.next().await.expect("goes on") {
            Event::Row(row) => break row,
            Event::Answer(_) => panic!("it is not over"),
            _ => {}
        }
    };
    assert_eq!(first.state, MailingState::Held);
    let cancel = Cancel {
        mailing,
        reason: None,
    };
    world.ask(&cancel).await.expect("ends");
    let mut last = first.state;
    let answer = loop {
        match watcher.next().await.expect("goes on") {
            Event::Row(row) => last = row.state,
            Event::Answer(answer) => break answer,
            _ => {}
        }
    };
    assert_eq!(
        (last, answer.state),
        (MailingState::Cancelled, MailingState::Cancelled)
    );
}

async fn queue(world: &World, class: MailClass, to: &str) -> Queued {
    let store = &world.rooms.store;
    let bytes = b"From: cy@party.example\r\nSubject: Leaflets\r\n\r\nhello\r\n";
    let message = OwnMessage::new(store.vault(), record(), bytes);
    let mut mail = Queued::new(
        message.id(),
        QueueRecord {
            class,
            reverse_path: Some("cy@party.example".into()),
            recipient: typed(to),
            queued_at: noon(),
            expires_at: noon()
                .saturating_add(SignedDuration::from_hours(120))
                .expect("a time"),
            attempts: 2,
            last_failure: Some("451 4.7.1 come again".into()),
            delay_told: false,
            needs: Needs::default(),
            prefix: None,
            tls: Default::default(),
            dsn: Default::default(),
        },
    );
    mail.due_at = noon()
        .saturating_add(SignedDuration::from_hours(1))
        .expect("a time");
    done(store, Step::PutMessage(message)).await;
    done(store, Step::PutQueued(mail.clone())).await;
    mail
}

#[tokio::test]
async fn staff_see_their_own_mail_and_a_look_at_others_is_logged() {
    let world = World::new().await;
    let cy = MailClass::Staff {
        sender: world.actor("cy").id(),
    };
    let own = queue(&world, cy, "bob@one.example").await;
    let kind = "challenge".to_owned();
    let service = queue(&world, MailClass::Service { kind }, "jo@elector.example").await;
    let show = |mail: &Queued| Show {
        mail: mail.id.to_string(),
    };
    world.am("cy");
    let (rows, _) = world.ask(&Queue {}).await.expect("lists");
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].from.as_str(), rows[0].to.as_deref()),
        ("cy", Some("bob@one.example"))
    );
    world.ask(&show(&own)).await.expect("one's own");
    let other = world.ask(&show(&service)).await.expect_err("not one's own");
    assert_eq!(other.class, Class::Refused);
    assert!(world.acts().await.is_empty());

    world.am("ada");
    let (rows, _) = world.ask(&Queue {}).await.expect("lists");
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter().all(|row| row.to.is_none()),
        "a list shows no addresses"
    );
    let (_, shown) = world.ask(&show(&service)).await.expect("shows");
    assert_eq!(
        (shown.from.as_str(), shown.to.as_deref()),
        ("service", Some("jo@elector.example"))
    );
    let acts = world.acts().await;
    assert_eq!(acts[0].verb, "queue show");
    assert_eq!(
        acts[0].object.as_ref().expect("the mail").id,
        service.id.to_string()
    );
}

#[tokio::test]
async fn that_an_admin_has_others_mail_tried_is_logged_and_ones_own_is_not() {
    let world = World::new().await;
    let of = |name| MailClass::Staff {
        sender: world.actor(name).id(),
    };
    let own = queue(&world, of("ada"), "bob@one.example").await;
    let other = queue(&world, of("cy"), "bob@two.example").await;
    for mail in [&own, &other] {
        let retry = Retry {
            mail: Some(mail.id.to_string()),
        };
        let (_, retried) = world.ask(&retry).await.expect("tries");
        assert_eq!(retried.mails, 1);
    }
    let acts = world.acts().await;
    let [act] = &acts[..] else {
        panic!("one act: {acts:?}")
    };
    assert_eq!(act.verb, "queue retry");
    assert_eq!(act.actor, world.actor("ada").id().to_string());
    let object = act.object.as_ref().expect("the mail");
    assert_eq!(object.id, other.id.to_string());
}

#[tokio::test]
async fn mail_is_tried_now_or_given_up_and_its_sender_told() {
    let world = World::new().await;
    let cy = world.actor("cy").id();
    let mail = queue(&world, MailClass::Staff { sender: cy }, "bob@one.example").await;
    let kind = "challenge".to_owned();
    let service = queue(&world, MailClass::Service { kind }, "jo@elector.example").await;
    world.am("cy");
    let (_, retried) = world.ask(&Retry { mail: None }).await.expect("tries");
    assert_eq!(retried.mails, 1, "one's own alone");
    assert!(world.acts().await.is_empty(), "nobody's but their own");
    let due = world.rooms.store.due_mail(noon(), 10).await.expect("reads");
    assert_eq!(
        (due.len(), due[0].id, due[0].record.attempts),
        (1, mail.id, 2)
    );
    world.am("ada");
    let (_, retried) = world.ask(&Retry { mail: None }).await.expect("tries");
    assert_eq!(retried.mails, 1, "what is due already is not counted");

    let drop = |mail: &Queued| GiveUp {
        mail: mail.id.to_string(),
        reason: Some("misspelt".into()),
    };
    world.am("cy");
    assert!(world.ask(&drop(&mail)).await.is_err(), "admins alone");
    world.am("ada");
    world.ask(&drop(&mail)).await.expect("gives up");
    world.ask(&drop(&service)).await.expect("gives up");
    let gone = world.ask(&drop(&mail)).await.expect_err("is gone");
    assert!(gone.next.contains("queue list"), "{gone}");
    assert!(world.ask(&Queue {}).await.expect("lists").0.is_empty());
    let verbs = ["queue retry", "queue drop", "queue drop"];
    assert_eq!(world.verbs().await, verbs);
    let told = world
        .rooms
        .store
        .entries(MailboxId::from(cy), 10)
        .await
        .expect("reads");
    let [notice] = &told[..] else {
        panic!("one notice")
    };
    let text = world
        .rooms
        .store
        .body(notice.message)
        .read_whole(1 << 16)
        .await
        .expect("reads");
    let text = String::from_utf8(text).expect("text");
    for part in [
        "multipart/report",
        "Action: failed",
        "bob@one.example",
        "misspelt",
        "Leaflets",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn a_mailbox_is_counted_for_its_owner_and_all_for_admins() {
    let world = World::new().await;
    let cy = MailboxId::from(world.actor("cy").id());
    let later = noon()
        .saturating_add(SignedDuration::from_hours(1))
        .expect("a time");
    world.keep(cy, "INBOX", noon(), 100).await;
    world.keep(cy, "INBOX", later, 70_000).await;
    world.keep(cy, "Unconfirmed", noon(), 5).await;
    let config = world.rooms.config();
    let role = config.mailbox.keys().next().expect("a mailbox").to_string();
    world
        .keep(
            world.rooms.store.vault().role_mailbox(&role),
            "INBOX",
            noon(),
            7,
        )
        .await;
    world.keep(MailboxId::random(), "INBOX", noon(), 9).await;
    let back = OwnMessage::new(world.rooms.store.vault(), record(), b"came back");
    let bounce = Bounce {
        id: EntryId::random(),
        copy: crate::id::CopyId::random(),
        message: back.id(),
        record: BounceRecord { received_at: later },
    };
    done(&world.rooms.store, Step::PutMessage(back)).await;
    done(&world.rooms.store, Step::PutBounce(bounce)).await;

    world.am("cy");
    let (rows, _) = world.ask(&Mailboxes {}).await.expect("lists");
    let seen: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.mailbox.as_str(),
                row.folder.as_str(),
                row.messages,
                row.bytes,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [("cy", "INBOX", 2, 70_100), ("cy", "Unconfirmed", 1, 5)]
    );
    assert_eq!(rows[0].newest_at, Some(later));
    world.am("ada");
    let (rows, _) = world.ask(&Mailboxes {}).await.expect("lists");
    let sum = |name: &str| {
        let own = rows.iter().filter(|row| row.mailbox == name);
        own.map(|row| row.messages).sum::<u64>()
    };
    assert_eq!(
        (sum("cy"), sum(&role), sum("bounced"), sum("eve")),
        (3, 1, 1, 0)
    );
    let total: u64 = rows.iter().map(|row| row.messages).sum();
    assert_eq!(total, 6, "also what is in a mailbox of nobody");
    let ada = world.actor("ada");
    let (admin, staff) = (ada.admin().expect("is one"), &world.rooms.staff);
    staff.revoke(admin, "cy", None).await.expect("revokes");
    let (rows, _) = world.ask(&Mailboxes {}).await.expect("lists");
    assert!(rows.iter().any(|row| row.mailbox == "cy"), "its mail stays");
    for row in rows {
        assert_eq!(row.revoked, row.mailbox == "cy", "{row:?}");
    }
}

#[tokio::test]
async fn each_mailbox_is_kept_for_as_long_as_is_set_for_it() {
    let world = World::new().await;
    let mut config = Config::example();
    let office = config.mailbox.values_mut().next().expect("one");
    office.keep = Some(Period::months(3));
    config.retention.mail = Period::months(18);
    config.retention.junk = Period::days(8);
    config.retention.trash = Period::days(9);
    let checks = Checks::new(&config).expect("a resolver");
    let today = noon().to_zoned(jiff::tz::TimeZone::UTC).date();
    let settings = Settings::new(config, today).expect("is sound");
    world.rooms.reload(&settings, checks);
    let name = settings.config.mailbox.keys().next().expect("one");
    let office = world.rooms.store.vault().role_mailbox(name.as_str());
    let eve = MailboxId::from(world.actor("eve").id());
    for (mailbox, months) in [(office, 3), (eve, 18)] {
        let keeping = world.rooms.keeping(mailbox);
        assert_eq!(keeping.mail.get_months(), months);
        assert_eq!((keeping.junk.get_days(), keeping.trash.get_days()), (8, 9));
    }
}

/// Whose mailbox it is sees that it's held, and an admin why.
#[tokio::test]
async fn why_mail_is_held_is_shown_to_admins() {
    let world = World::new().await;
    let boxes = &world.rooms.mailboxes;
    let eve = MailboxId::from(world.actor("eve").id());
    let inbox = boxes.folders(eve).await.expect("reads")[0].clone();
    let mut writer = boxes.begin().await.expect("begins");
    writer
        .write(b"Subject: x\r\n\r\nx\r\n")
        .await
        .expect("takes");
    let mail = Appended {
        body: writer.finish(),
        outline: None,
        marks: Marks::default(),
        received_at: None,
    };
    let placed = boxes.append_all(&inbox, vec![mail], u64::MAX).await;
    assert_eq!(placed.expect("is kept").len(), 1);
    let hold = Hold {
        mailbox: "eve".into(),
        reason: "access request 4".into(),
    };
    world.ask(&hold).await.expect("holds");
    let reason = async |name| {
        world.am(name);
        let (rows, _) = world.ask(&Retention {}).await.expect("lists");
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert!(rows[0].held && rows[0].mailbox == "eve", "{rows:?}");
        rows[0].reason.clone()
    };
    assert_eq!(reason("eve").await, None);
    assert_eq!(reason("ben").await.as_deref(), Some("access request 4"));
    world.am("dee");
    let (rows, _) = world.ask(&Retention {}).await.expect("lists");
    assert!(rows.is_empty(), "others see nothing of it: {rows:?}");
}

/// A watch lasts as long as the mailing, and not longer than who watches may.
#[tokio::test]
async fn who_is_revoked_watches_no_longer() {
    let world = World::new().await;
    let id = submit(&world).await;
    world.am("dee");
    let client = Client::connect(&world.server.socket)
        .await
        .expect("connects");
    let watch = Watch {
        mailing: id.to_string(),
    };
    let (mut watcher, _sender) = client.ask(&watch).await.expect("asks");
    assert!(watcher.next().await.is_ok(), "is told something");
    let ada = world.actor("ada");
    let (admin, staff) = (ada.admin().expect("is one"), &world.rooms.staff);
    staff.revoke(admin, "dee", None).await.expect("revokes");
    let ends = async {
        loop {
            if let Err(error) = watcher.next().await {
                break error.into_failure();
            }
        }
    };
    let patience = std::time::Duration::from_secs(20);
    let ended = tokio::time::timeout(patience, ends).await;
    let ended = ended.expect("it ends by itself");
    assert!(ended.why.contains("dee is revoked"), "{ended}");
}

/// Else the second would take the place of the first, and one lift would end both.
#[tokio::test]
async fn a_mailbox_is_held_once_and_lifted_once() {
    let world = World::new().await;
    let hold = |request: u8| Hold {
        mailbox: "eve".into(),
        reason: format!("access request {request}"),
    };
    let lift = Lift {
        mailbox: "eve".into(),
        reason: "answered".into(),
    };
    let early = world.ask(&lift).await.expect_err("nothing is held");
    assert!(early.why.contains("isn't on hold"), "{early}");
    world.ask(&hold(4)).await.expect("holds");
    let twice = world.ask(&hold(5)).await.expect_err("one stands");
    assert_eq!(twice.class, Class::Refused);
    assert!(twice.why.contains("access request 4"), "{twice}");
    assert_eq!(world.verbs().await, ["mailbox hold"]);
    world.ask(&lift).await.expect("lifts");
    assert!(world.ask(&lift).await.is_err(), "it was lifted");
    world.ask(&hold(5)).await.expect("holds anew");
    let verbs = ["mailbox hold", "mailbox lift", "mailbox hold"];
    assert_eq!(world.verbs().await, verbs);
}

/// The log has numbers; whoever reads it is told names.
#[tokio::test]
async fn the_log_names_the_role_whose_mailbox_was_held() {
    let world = World::new().await;
    let config = world.rooms.config();
    let role = config.mailbox.keys().next().expect("one").to_string();
    let hold = Hold {
        mailbox: role.clone(),
        reason: "access request 4".into(),
    };
    world.ask(&hold).await.expect("holds");
    let show = ShowLog {
        from: None,
        limit: 1,
    };
    let (rows, _) = world.ask(&show).await.expect("shows");
    assert_eq!(rows[0].object, Some(format!("mailbox {role}")));
}

#[tokio::test]
async fn a_hold_takes_a_reason() {
    let world = World::new().await;
    let hold = Hold {
        mailbox: "ada".into(),
        reason: " \n".into(),
    };
    let refused = world.ask(&hold).await.expect_err("it is blank");
    assert_eq!(refused.class, Class::Misuse);
    assert!(world.verbs().await.is_empty(), "nothing was done");
}
