//! Single acts on folders, and what a session hears of them.

use super::*;
use crate::store::testing::refuse_more_entries;

/// More than one transaction takes.
#[tokio::test]
async fn a_copy_of_many_that_has_no_room_leaves_none() {
    let (store, _directory) = store().await;
    let boxes = Mailboxes::new(store.clone(), clock());
    let mailbox = MailboxId::from(crate::id::StaffId::random());
    let folders = boxes.folders(mailbox).await.unwrap();
    let folder = |which: SpecialUse| folders.iter().find(|one| one.record.name == which.into());
    let (inbox, archive) = (folder(SpecialUse::Inbox), folder(SpecialUse::Archive));
    let (inbox, archive) = (inbox.unwrap(), archive.unwrap().id);
    let mut all = Vec::new();
    for _ in 0..1_001 {
        let mut body = boxes.begin().await.unwrap();
        body.write(b"ten octets").await.unwrap();
        all.push(Appended {
            body: body.finish(),
            outline: None,
            marks: Marks::default(),
            received_at: None,
        });
    }
    boxes.append_all(inbox, all, u64::MAX).await.unwrap();
    let uids = boxes.open(inbox.id).await.unwrap().select(&Uids::all());
    // Of ten octets, and with what is written of each besides.
    let copied = boxes.copy(inbox.id, &uids, archive, Some(1_045_043)).await;
    let full = |error| matches!(error, Err(MailboxError::Refused(ActRefusal::Full)));
    assert!(full(copied.map(drop)));
    let there = async || {
        boxes
            .open(archive)
            .await
            .unwrap()
            .select(&Uids::all())
            .len()
    };
    assert_eq!(there().await, 0);
    // The first was refused already: nothing came and went.
    let kept = store.open_folder(archive).await.unwrap().unwrap().folder;
    assert_eq!(kept.record.uid_next, Uid(1));
    boxes
        .copy(inbox.id, &uids, archive, Some(1_045_044))
        .await
        .unwrap();
    assert_eq!(there().await, 1_001);
    // Elsewhere it takes room, and here it doesn't.
    let other = MailboxId::from(crate::id::StaffId::random());
    let others = boxes.folders(other).await.unwrap()[0].id;
    let moved = boxes.move_to(archive, &uids, others, Some(522_521)).await;
    assert!(full(moved.map(drop).map_err(MailboxError::from)));
    assert_eq!(there().await, 1_001);
    boxes
        .move_to(archive, &uids, inbox.id, Some(1))
        .await
        .unwrap();
    // A tenth of a mailbox is the strangers' share of it, however much is still to come.
    let third = MailboxId::from(crate::id::StaffId::random());
    let folders = boxes.folders(third).await.unwrap();
    let folder = |which: SpecialUse| folders.iter().find(|one| one.record.name == which.into());
    let mut body = boxes.begin().await.unwrap();
    body.write(&[b'x'; 52_252 - 512]).await.unwrap();
    let waits = Appended {
        body: body.finish(),
        outline: None,
        marks: Marks::default(),
        received_at: None,
    };
    let unconfirmed = folder(SpecialUse::Unconfirmed).unwrap();
    boxes.append(unconfirmed, waits, 522_522).await.unwrap();
    let uids = boxes.open(inbox.id).await.unwrap().select(&Uids::all());
    let uids = &uids[..1_001];
    let to = folder(SpecialUse::Archive).unwrap().id;
    boxes.copy(inbox.id, uids, to, Some(522_522)).await.unwrap();
    let verified = store.verify(|_, _| ()).await.unwrap();
    assert!(verified.is_clean(), "{:?}", verified.findings);
}

/// What was copied before the rest could not be goes again, but never the last place of a message.
#[tokio::test]
async fn a_copy_that_is_taken_back_loses_nothing() {
    let world = World::new().await;
    let owner = MailboxId::from_bytes([7; 16]);
    let inbox = world.boxes.folders(owner).await.unwrap()[0].clone();
    let mut all = Vec::new();
    for _ in 0..1_001 {
        all.push(Appended {
            outline: None,
            body: world.store.begin_body().await.unwrap().finish(),
            marks: Marks::default(),
            received_at: None,
        });
    }
    let placed = world.boxes.append_all(&inbox, all, 1 << 30).await.unwrap();
    let uids: Vec<Uid> = placed.iter().map(|placed| placed.uid).collect();
    let to = world.folders[1];
    let there = async || world.boxes.open(to).await.unwrap().select(&Uids::all());
    let copied = world.boxes.copy(inbox.id, &uids[..3], to, None).await;
    let copied = copied.unwrap().placed;
    // Meanwhile somebody removes one of them where it stood.
    let removed = world.boxes.expunge(inbox.id, &uids[1..2], false).await;
    removed.unwrap();
    world.boxes.take_back(inbox.id, to, &copied).await;
    assert_eq!(there().await, [copied[1].1.uid]);
    // The second piece finds no place.
    refuse_more_entries(world.store.files(), 2_000).await;
    let failed = world.boxes.copy(inbox.id, &uids, to, None).await;
    assert!(matches!(failed, Err(MailboxError::Store(_))), "{failed:?}");
    assert_eq!(there().await, [copied[1].1.uid]);
    assert_eq!(world.store.verify(|_, _| ()).await.unwrap().findings, []);
}

#[tokio::test]
async fn folders_are_made_renamed_and_removed() {
    let (store, _directory) = store().await;
    let boxes = Mailboxes::new(store.clone(), clock());
    let (ada, ben) = (MailboxId::random(), MailboxId::random());
    let names = async |mailbox| {
        let folders = boxes.folders(mailbox).await.unwrap();
        let names = folders
            .iter()
            .map(|one| one.record.name.as_str().to_owned());
        names.collect::<Vec<_>>()
    };
    let special = SpecialUse::ALL.map(SpecialUse::name);
    assert_eq!(names(ada).await, special);
    let work = boxes.create(ada, name("Work")).await.unwrap();
    boxes.create(ada, name("Work/Leaflets/2026")).await.unwrap();
    boxes.create(ada, name("Workers")).await.unwrap();
    boxes.create(ben, name("Work")).await.unwrap();
    let refused = |error: MailboxError| match error {
        MailboxError::Refused(refusal) => refusal,
        error => panic!("{error}"),
    };
    let again = boxes.create(ada, name("Work")).await.unwrap_err();
    assert_eq!(refused(again), ActRefusal::NameTaken);

    let find = async |id| {
        boxes
            .folders(ada)
            .await
            .unwrap()
            .into_iter()
            .find(|one| one.id == id)
    };
    let folder = find(work).await.unwrap();
    for (to, why) in [
        ("Workers", ActRefusal::NameTaken),
        ("Work/Old", ActRefusal::IntoItself),
        (&*"x".repeat(250), ActRefusal::NameTooLong),
    ] {
        let error = boxes.rename(&folder, name(to)).await.unwrap_err();
        assert_eq!(refused(error), why, "{to}");
    }
    boxes.rename(&folder, name("Done/Work")).await.unwrap();
    let own = |names: Vec<String>| names[special.len()..].to_vec();
    assert_eq!(
        own(names(ada).await),
        ["Done/Work", "Done/Work/Leaflets/2026", "Workers"]
    );
    assert_eq!(own(names(ben).await), ["Work"]);
    let renamed = find(work).await.unwrap();
    assert_eq!(renamed.record.uid_validity, folder.record.uid_validity);

    // A name that comes back is another folder.
    boxes.delete(work).await.unwrap();
    let anew = boxes.create(ada, name("Done/Work")).await.unwrap();
    let anew = find(anew).await.unwrap();
    assert!(anew.record.uid_validity > folder.record.uid_validity);
    let gone = boxes.open(work).await.err().unwrap();
    assert_eq!(refused(gone), ActRefusal::NoFolder);
    let inbox = boxes.folders(ada).await.unwrap()[0].clone();
    let error = boxes.delete(inbox.id).await.unwrap_err();
    assert_eq!(refused(error), ActRefusal::Special);
    assert_eq!(FolderName::parse("a//b"), Err(NotAName::EmptyLevel));
    assert_eq!(store.verify(|_, _| ()).await.unwrap().findings, []);
}

async fn waits(view: &mut View) -> bool {
    let soon = std::time::Duration::from_secs(20);
    let heard = tokio::time::timeout(soon, view.wait()).await;
    heard.expect("hears of it")
}

/// Somebody waits for each folder's changes; none is missed, and a folder that goes says so.
#[tokio::test]
async fn who_waits_hears_of_each_change() {
    let mut world = World::new().await;
    let mut idle = world.boxes.open(world.folders[0]).await.unwrap();
    for count in 1..4 {
        world.append(0, Flags::NONE).await;
        assert!(waits(&mut idle).await);
        idle.catch_up().await.unwrap().unwrap();
        assert_eq!(idle.known().len(), count);
    }
    let own = world.boxes.create(MailboxId::random(), name("Own")).await;
    let own = own.unwrap();
    let mut idle = world.boxes.open(own).await.unwrap();
    world.boxes.delete(own).await.unwrap();
    assert!(!waits(&mut idle).await);
    assert_eq!(idle.catch_up().await.unwrap(), None);
}

/// A message without an outline gets it when it's first listed.
#[tokio::test]
async fn outlines_are_made_once() {
    let mut world = World::new().await;
    world.append(0, Flags::NONE).await;
    let message = *world.ever.first().unwrap();
    let gone = MessageId::random();
    assert_eq!(world.store.outlines(&[message]).await.unwrap().len(), 0);
    assert_eq!(world.boxes.outlines(&[message]).await.unwrap().len(), 0);
    assert_eq!(world.boxes.outline(gone).await.unwrap(), None);
    let made = world.boxes.outline(message).await.unwrap().unwrap();
    let found = world.boxes.outlines(&[message, gone]).await.unwrap();
    assert_eq!((found.len(), &found[&message]), (1, &made));
    let subject: Vec<_> = made.root.fields_named("Subject").collect();
    assert_eq!(subject, [b"Subject: x\r\n"]);
    assert_eq!(made.root.size, 3);
    assert_eq!(
        world.store.outlines(&[message, gone]).await.unwrap().len(),
        1
    );
    let inbox = world.views[0].id();
    world.catch_up(0).await;
    let all = world.pick(0, u16::MAX);
    world.boxes.expunge(inbox, &all, false).await.unwrap();
    assert_eq!(world.store.outlines(&[message]).await.unwrap().len(), 0);
    assert_eq!(world.store.verify(|_, _| ()).await.unwrap().findings, []);
}

/// A folder whose row is damaged is made anew once, and a maildrop is no other folder meanwhile.
#[tokio::test]
async fn a_damaged_folder_is_made_anew_and_no_other_is_taken_for_it() {
    let mut world = World::new().await;
    let owner = MailboxId::from_bytes([7; 16]);
    world.append(0, Flags::NONE).await;
    let (store, boxes) = (world.store.clone(), world.boxes.clone());
    let all = boxes.folders(owner).await.unwrap();
    for special in SpecialUse::ALL {
        let find = |all: &[Folder]| {
            let found = all.iter().find(|one| one.record.name == special.into());
            found.unwrap().clone()
        };
        let before = find(&all);
        flip(store.files(), Table::Folder, Some(before.id.as_bytes())).await;
        if special == SpecialUse::Inbox {
            let maildrop = boxes.maildrop(owner).await.unwrap();
            assert_eq!(maildrop.messages.len(), 1, "the mail of INBOX");
        }
        let after = boxes.named(owner, &special.into()).await.unwrap().unwrap();
        assert_eq!(after.id, before.id);
        assert!(after.record.uid_validity > before.record.uid_validity);
        assert_eq!(after.record.messages, before.record.messages);
        // It stands on the disk: nobody begins again.
        let again = find(&boxes.folders(owner).await.unwrap());
        assert_eq!(again.record, after.record);
    }
    assert!(store.verify(|_, _| ()).await.unwrap().is_clean());
}

/// An act of several pieces says of all of them what was done.
#[tokio::test]
async fn an_act_of_several_pieces_is_told_whole() {
    const MANY: usize = 1_100;
    let world = World::new().await;
    let owner = MailboxId::from_bytes([7; 16]);
    let inbox = world.boxes.folders(owner).await.unwrap()[0].clone();
    let mut all = Vec::new();
    for _ in 0..MANY {
        all.push(Appended {
            outline: None,
            body: world.store.begin_body().await.unwrap().finish(),
            marks: Marks::default(),
            received_at: None,
        });
    }
    let placed = world.boxes.append_all(&inbox, all, 1 << 30).await.unwrap();
    let uids: Vec<Uid> = placed.iter().map(|placed| placed.uid).collect();
    let marking = Marking {
        change: MarkChange::Add,
        marks: Flags::SEEN.into(),
        unchanged_since: Some(ModSeq(0)),
    };
    let done = world.boxes.mark(inbox.id, &uids, &marking).await.unwrap();
    assert_eq!((done.kept_back.len(), done.marked.len()), (MANY, 0));
    let moving = world.boxes.move_to(inbox.id, &uids, world.folders[1], None);
    let done = moving.await.unwrap();
    let from: Vec<Uid> = done.placed.iter().map(|(uid, _)| *uid).collect();
    assert_eq!((from, done.expunged), (uids.clone(), Uids::of(uids)));
}

/// What is refused in the middle leaves nothing of what came before it.
#[tokio::test]
async fn several_are_appended_together_or_not_at_all() {
    let world = World::new().await;
    let owner = MailboxId::from_bytes([7; 16]);
    let inbox = world.boxes.folders(owner).await.unwrap()[0].clone();
    let two = async || {
        let mut all = Vec::new();
        for _ in 0..2 {
            all.push(Appended {
                outline: None,
                body: world.store.begin_body().await.unwrap().finish(),
                marks: Marks::default(),
                received_at: None,
            });
        }
        world.boxes.append_all(&inbox, all, 1 << 20).await
    };
    refuse_more_entries(world.store.files(), 3).await;
    assert_eq!(two().await.unwrap().len(), 2);
    assert!(two().await.is_err());
    let folders = world.boxes.folders(owner).await.unwrap();
    assert_eq!(folders[0].record.messages, 2);
}

/// However many are appended at once, a mailbox holds no more than it may.
#[tokio::test]
async fn what_comes_at_once_has_room_together() {
    let world = World::new().await;
    let owner = MailboxId::from_bytes([7; 16]);
    let inbox = world.boxes.folders(owner).await.unwrap()[0].clone();
    let one = async || {
        let mut body = world.store.begin_body().await.unwrap();
        body.write(&[b'x'; 488]).await.unwrap();
        let appended = Appended {
            outline: None,
            body: body.finish(),
            marks: Marks::default(),
            received_at: None,
        };
        // With what is written of each besides, there's room for two.
        world.boxes.append(&inbox, appended, 2_500).await
    };
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    let (taken, refused): (Vec<_>, Vec<_>) = [a, b, c, d].into_iter().partition(Result::is_ok);
    assert_eq!((taken.len(), refused.len()), (2, 2));
    let full = |error: MailboxError| matches!(error, MailboxError::Refused(ActRefusal::Full));
    assert!(refused.into_iter().all(|one| full(one.unwrap_err())));
    let folders = world.boxes.folders(owner).await.unwrap();
    assert_eq!(folders[0].record.messages, 2);
}
