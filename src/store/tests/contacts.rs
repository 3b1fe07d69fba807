//! First contact: where a stranger's mail goes, how it leaves that folder, and what of it leaves the disk.

use super::*;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

/// A stranger's mail for somebody.
async fn mail_of(
    store: &Store,
    owner: StaffId,
    who: &str,
    proven: bool,
    bytes: &[u8],
) -> AcceptMessage {
    let mut writer = store.begin_body().await.expect("begins");
    writer.write(bytes).await.expect("takes bytes");
    let body = writer.finish();
    let delivery = Delivery::new(owner.into(), SpecialUse::Inbox, body.id(), now());
    let ask = IntakeRecord::FirstContact {
        address: address(who),
        at: now(),
        to: None,
    };
    let stranger = Stranger {
        author: contact_indexes(store.vault(), &address(who)),
        proven,
        ask: proven.then(|| Intake::new(now(), ask)),
    };
    let message = AcceptMessage::new(store.vault(), body, message_record());
    message.keep_in(delivery).of_stranger(stranger)
}

/// Takes a stranger's mail for somebody; answers the folder that it went to.
async fn take(store: &Store, owner: StaffId, who: &str, proven: bool, bytes: &[u8]) -> FolderName {
    let message = mail_of(store, owner, who, proven, bytes).await;
    let placed = store.accept(message).await.expect("is taken");
    let folders = store.folders(owner.into()).await.expect("reads").rows;
    let folder = folders.into_iter().find(|one| one.id == placed[0].folder);
    folder.expect("it stands there").record.name
}

/// So many that somebody wrote in Ann's name.
async fn take_forged(store: &Store, owner: StaffId, many: u64) {
    let mut mails = Vec::new();
    for _ in 0..many {
        mails.push(mail_of(store, owner, "ann@good.example", false, b"1").await);
    }
    store.accept_together(mails).await.expect("are taken");
}

async fn file_of(store: &Store) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store.files().database());
    let file = SqliteConnection::connect_with(&options).await;
    file.expect("opens")
}

/// As many of Ann's as were never let wait: they come as forged ones, which nobody counts, and prove themselves then.
async fn take_many(store: &Store, owner: StaffId, many: u64) {
    take_forged(store, owner, many).await;
    let ann = contact_indexes(store.vault(), &address("ann@good.example"));
    let proven = WaitingRecord {
        proven: true,
        size: 1,
    };
    let clear = [crate::vault::Clear::Bytes(ann[0].as_bytes())];
    let mut file = file_of(store).await;
    let change = file.begin_with("BEGIN IMMEDIATE").await;
    let mut change = change.expect("begins");
    let rows = sqlx::query("SELECT message_id FROM waiting").fetch_all(&mut *change);
    for row in rows.await.expect("reads") {
        let id: Vec<u8> = row.get(0);
        sqlx::query("UPDATE waiting SET sealed = $1 WHERE message_id = $2")
            .bind(record::seal(store.vault(), &id, &clear, &proven))
            .bind(&id)
            .execute(&mut *change)
            .await
            .expect("writes");
    }
    change.commit().await.expect("commits");
    file.close().await.expect("closes");
}

async fn count_in(store: &Store, owner: StaffId, name: impl Into<FolderName>) -> u64 {
    let folder = store.folder_named(owner.into(), &name.into()).await;
    folder.expect("reads").expect("is there").record.messages
}

/// Does what was left to the worker by this time; whether there was anything.
async fn work_on(store: &Store, at: Timestamp) -> bool {
    let mut worked = false;
    for work in store.due_intake(at, 10_000).await.expect("reads") {
        if let IntakeRecord::Release { author, .. } = &work.record {
            let author = author.iter().filter_map(|one| Index::from_slice(one));
            let on = Step::ReleaseOn(author.collect(), at, Box::new(work.clone()));
            let on = Change::new().require(Guard::IntakeWaits(work.id)).then(on);
            done(store, on).await;
            worked = true;
        }
    }
    worked
}

async fn asked(store: &Store) -> usize {
    store.due_intake(now(), 100).await.expect("reads").len()
}

#[tokio::test]
async fn a_strangers_mail_waits_until_its_author_is_known() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let (inbox, waits) = (SpecialUse::Inbox.into(), SpecialUse::Unconfirmed.into());
    let ann = contact_indexes(store.vault(), &address("Ann@Good.example"));
    assert_eq!(
        take(&store, owner, "ann@good.example", true, b"1").await,
        waits
    );
    assert_eq!(
        take(&store, owner, "ann@good.example", false, b"2").await,
        waits
    );
    assert_eq!(
        take(&store, owner, "bob@good.example", true, b"3").await,
        waits
    );
    assert_eq!(asked(&store).await, 2, "who proves themselves may be asked");
    done(&store, Change::new().then(Step::Meet(ann.clone(), now()))).await;
    done(&store, Change::new().then(Step::Meet(ann.clone(), now()))).await;
    let count = async |name: &FolderName| {
        let folder = store.folder_named(owner.into(), name).await;
        let folder = folder.expect("reads").expect("is there");
        folder.record.messages
    };
    assert_eq!((count(&inbox).await, count(&waits).await), (1, 2));
    assert_eq!(
        take(&store, owner, "ann@good.example", true, b"4").await,
        inbox
    );
    assert_eq!(
        take(&store, owner, "ann@good.example", false, b"5").await,
        waits
    );
    assert_eq!(asked(&store).await, 2, "a contact is not asked");
    let counts = store.count_contacts().await.expect("reads");
    assert_eq!((counts.contacts, counts.waiting), (1, 3));
    done(&store, Change::new().then(Step::EraseWaiting(ann.clone()))).await;
    done(&store, Change::new().then(Step::ForgetContact(ann.clone()))).await;
    assert_eq!((count(&inbox).await, count(&waits).await), (2, 1));
    assert!(!store.has_first_contact(&ann).await.expect("reads"));
    assert_eq!(
        take(&store, owner, "ann@good.example", true, b"6").await,
        waits
    );
    let verified = store.verify(|_, _| ()).await.expect("reads");
    assert!(verified.is_clean(), "{:?}", verified.findings);
}

/// A press brings in some, and the worker the rest, each piece durable by itself.
#[tokio::test]
async fn much_that_waits_comes_in_piece_by_piece() {
    const MANY: u64 = 250;
    let (store, directory) = store().await;
    let owner = staff(&store).await;
    take_many(&store, owner, MANY).await;
    take(
        &store,
        owner,
        "ann@good.example",
        false,
        b"claims to be hers",
    )
    .await;
    let ann = contact_indexes(store.vault(), &address("ann@good.example"));
    done(&store, Change::new().then(Step::Meet(ann.clone(), now()))).await;
    let count = async |store: &Store, name: SpecialUse| count_in(store, owner, name).await;
    assert_eq!(count(&store, SpecialUse::Inbox).await, 100);
    // A stop between two pieces.
    let vault = store.vault().clone();
    store.close().await;
    let store = reopen(&directory, vault).await;
    for expected in [200, MANY, MANY] {
        work_on(&store, now()).await;
        assert_eq!(count(&store, SpecialUse::Inbox).await, expected);
    }
    assert_eq!(count(&store, SpecialUse::Unconfirmed).await, 1);
    let left = store.due_intake(now(), 10_000).await.expect("reads");
    let left = left
        .iter()
        .any(|one| matches!(one.record, IntakeRecord::Release { .. }));
    assert!(!left, "the work is done");
    let verified = store.verify(|_, _| ()).await.expect("reads");
    assert!(verified.is_clean(), "{:?}", verified.findings);
}

/// Staff who take one mail out let the others follow, a piece at a time; the worker hears of it by itself.
#[tokio::test]
async fn what_follows_staffs_act_comes_in_piece_by_piece() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    take_many(&store, owner, 250).await;
    let count = async |name: SpecialUse| count_in(&store, owner, name).await;
    move_out(&store, owner, Uids::of([Uid(7)]), false).await;
    assert_eq!(count(SpecialUse::Archive).await, 1);
    assert_eq!(count(SpecialUse::Inbox).await, 100);
    let rings = tokio::time::timeout(std::time::Duration::from_secs(5), store.work_left());
    rings.await.expect("the worker is told");
    while work_on(&store, now()).await {}
    assert_eq!(count(SpecialUse::Inbox).await, 249);
    let verified = store.verify(|_, _| ()).await.expect("reads");
    assert!(verified.is_clean(), "{:?}", verified.findings);
}

/// More than one act's worth is taken out together: none of it goes elsewhere before its turn, and what was copied stays
/// until whoever copied it takes it away.
#[tokio::test]
async fn what_is_taken_out_in_several_acts_all_gets_there() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    take_many(&store, owner, 250).await;
    let count = async |name: SpecialUse| count_in(&store, owner, name).await;
    let uids = |from: u32, to: u32| Uids::of((from..=to).map(Uid));
    move_out(&store, owner, uids(1, 60), true).await;
    while work_on(&store, now()).await {}
    assert_eq!(count(SpecialUse::Inbox).await, 0);
    move_out(&store, owner, uids(61, 120), true).await;
    copy_out(&store, owner, uids(121, 130)).await;
    assert_eq!(count(SpecialUse::Archive).await, 130);
    let later = now() + jiff::SignedDuration::from_mins(11);
    while work_on(&store, later).await {}
    assert_eq!(count(SpecialUse::Inbox).await, 120);
    assert_eq!(count(SpecialUse::Unconfirmed).await, 10, "the copied ones");
    let verified = store.verify(|_, _| ()).await.expect("reads");
    assert!(verified.is_clean(), "{:?}", verified.findings);
}

async fn between(store: &Store, owner: StaffId) -> (FolderId, FolderId) {
    let named = async |which: SpecialUse| {
        let folder = store.folder_named(owner.into(), &which.into()).await;
        folder.expect("reads").expect("is there").id
    };
    let unconfirmed = named(SpecialUse::Unconfirmed).await;
    (unconfirmed, named(SpecialUse::Archive).await)
}

async fn move_out(store: &Store, owner: StaffId, uids: Uids, goes_on: bool) {
    let (from, to) = between(store, owner).await;
    let act = FolderAct::Move {
        from,
        uids,
        to,
        at: now(),
        room: None,
        goes_on,
    };
    store.act(act).await.expect("writes").expect("is moved");
}

async fn copy_out(store: &Store, owner: StaffId, uids: Uids) {
    let (from, to) = between(store, owner).await;
    let act = FolderAct::Copy {
        from,
        uids,
        to,
        at: now(),
        room: None,
        goes_on: false,
    };
    store.act(act).await.expect("writes").expect("is copied");
}

/// So much of one author may wait, by number or by length; what others write in their name doesn't count.
#[tokio::test]
async fn one_author_fills_nothing() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let taken = async |who: &str, proven: bool, bytes: &[u8]| {
        let mail = mail_of(&store, owner, who, proven, bytes).await;
        match store.accept(mail).await {
            Ok(_) => true,
            Err(StoreError::StrangersFull) => false,
            Err(error) => panic!("{error}"),
        }
    };
    let (ann, bob) = ("ann@good.example", "bob@good.example");
    for _ in 0..3 {
        assert!(taken(ann, false, b"a forger's").await);
    }
    for n in 0..50 {
        assert!(taken(ann, true, b"1").await, "{n}");
    }
    assert!(!taken("Ann@good.example", true, b"1").await);
    assert!(taken(ann, false, b"a forger's").await);
    assert!(taken(bob, true, &vec![b'x'; 20 << 20]).await, "a long one");
    assert!(!taken(bob, true, b"1").await);
    for who in [ann, bob] {
        let author = contact_indexes(store.vault(), &address(who));
        done(&store, Change::new().then(Step::Meet(author, now()))).await;
        assert!(taken(who, true, b"1").await, "who is known has no bound");
    }
    assert_eq!(count_in(&store, owner, SpecialUse::Inbox).await, 53);
}

/// Who comes over many connections at once gets no more than one after the other: of an author's share, and of a folder's.
#[tokio::test]
async fn what_comes_at_once_is_counted_together() {
    const LIMIT: u64 = 27_000;
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let taken = async |mails: Vec<AcceptMessage>| {
        let outcomes = mails.into_iter().map(|mail| store.accept(mail));
        let outcomes = futures_util::future::join_all(outcomes).await;
        let full = |one: &Result<_, StoreError>| matches!(one, Err(StoreError::StrangersFull));
        assert!(outcomes.iter().all(|one| one.is_ok() || full(one)));
        outcomes.iter().filter(|one| one.is_ok()).count()
    };
    let mut of_ann = Vec::new();
    for _ in 0..60 {
        of_ann.push(mail_of(&store, owner, "ann@good.example", true, b"1").await);
    }
    assert_eq!(taken(of_ann).await, 50);
    let mut junk = Vec::new();
    for _ in 0..10 {
        let mut writer = store.begin_body().await.expect("begins");
        writer.write(&[b'x'; 300]).await.expect("takes bytes");
        let body = writer.finish();
        let delivery = Delivery::new(owner.into(), SpecialUse::Junk, body.id(), now());
        let room = StrangersRoom {
            limit: LIMIT,
            own: vec![owner.into()],
            proven: false,
        };
        let message = AcceptMessage::new(store.vault(), body, message_record());
        junk.push(message.keep_in(delivery).within(room));
    }
    assert_eq!(taken(junk).await, 4);
    assert_eq!(count_in(&store, owner, SpecialUse::Junk).await, 4);
}

/// However much others wrote in somebody's name: one transaction looks at some of it, and the worker at the rest.
#[tokio::test]
async fn forgeries_hold_nobody_up() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    for _ in 0..3 {
        take_forged(&store, owner, 500).await;
    }
    take(&store, owner, "ann@good.example", true, b"hers").await;
    let ann = contact_indexes(store.vault(), &address("ann@good.example"));
    let work = async || {
        let due = store.due_intake(now(), 10_000).await.expect("reads");
        let release = |one: &&Intake| matches!(one.record, IntakeRecord::Release { .. });
        due.iter().filter(release).count()
    };
    done(&store, Change::new().then(Step::Meet(ann.clone(), now()))).await;
    assert_eq!(work().await, 1, "the rest");
    while work_on(&store, now()).await {}
    assert_eq!(count_in(&store, owner, SpecialUse::Inbox).await, 1);
    // Nor does an erasure leave any of it.
    done(&store, Change::new().then(Step::EraseWaiting(ann.clone()))).await;
    assert_eq!(count_in(&store, owner, SpecialUse::Unconfirmed).await, 0);
    assert!(!store.waits(&ann).await.expect("reads"));
}

/// Who has the file and no key makes nobody a contact by putting another's name to what waits.
#[tokio::test]
async fn a_name_that_we_did_not_seal_is_not_vouched_for() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    take(&store, owner, "ann@good.example", true, b"1").await;
    let index = |who: &str| contact_indexes(store.vault(), &address(who));
    let (ann, mallory) = (index("ann@good.example"), index("mallory@bad.example"));
    let mut file = file_of(&store).await;
    sqlx::query("UPDATE waiting SET address_index = $1")
        .bind(mallory[0].as_bytes().as_slice())
        .execute(&mut file)
        .await
        .expect("writes");
    file.close().await.expect("closes");
    move_out(&store, owner, Uids::of([Uid(1)]), false).await;
    assert_eq!(count_in(&store, owner, SpecialUse::Archive).await, 1);
    for who in [ann, mallory] {
        assert!(!store.is_contact(&who).await.expect("reads"));
    }
}

/// A folder that has given out all its numbers refuses what is for it, and nothing else that is committed together.
#[tokio::test]
async fn a_folder_without_numbers_is_in_nobodys_way() {
    let (store, _directory) = store().await;
    let (owner, other) = (staff(&store).await, MailboxId::from_bytes([9; 16]));
    accept(&store, owner, b"the last").await;
    let mut file = file_of(&store).await;
    sqlx::query("UPDATE entry SET uid = 4294967294")
        .execute(&mut file)
        .await
        .expect("writes");
    file.close().await.expect("closes");
    let mail = async |to: MailboxId| {
        let mut writer = store.begin_body().await.expect("begins");
        writer.write(b"1").await.expect("takes bytes");
        let body = writer.finish();
        let delivery = Delivery::new(to, SpecialUse::Inbox, body.id(), now());
        AcceptMessage::new(store.vault(), body, message_record()).keep_in(delivery)
    };
    let mut mails = Vec::new();
    for n in 0..20 {
        let to = if n == 7 { owner.into() } else { other };
        mails.push(store.accept(mail(to).await));
    }
    // Of several that belong together one is for it.
    let both = vec![mail(other).await, mail(owner.into()).await];
    let groups = || {
        let counters = &store.writer.shared.counters;
        counters.groups.load(std::sync::atomic::Ordering::Relaxed)
    };
    let before = groups();
    let mails = futures_util::future::join_all(mails);
    let (outcomes, both) = futures_util::future::join(mails, store.accept_together(both)).await;
    assert!(matches!(both, Err(StoreError::NoFolder)), "{both:?}");
    for (n, outcome) in outcomes.iter().enumerate() {
        let refused = matches!(outcome, Err(StoreError::NoFolder));
        assert_eq!(refused, n == 7, "{n}: {outcome:?}");
    }
    assert!(groups() - before < 10, "no group fell apart");
    assert_eq!(count_entries(&store, other).await, 19);
}

/// What was left to be brought in ends with the contact: who was erased writes as a stranger again.
#[tokio::test]
async fn an_erased_contact_brings_nothing_in_any_more() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    take_many(&store, owner, 120).await;
    let ann = contact_indexes(store.vault(), &address("ann@good.example"));
    done(&store, Change::new().then(Step::Meet(ann.clone(), now()))).await;
    done(&store, Change::new().then(Step::ForgetContact(ann.clone()))).await;
    let due = store.due_intake(now(), 10_000).await.expect("reads");
    let work = due
        .iter()
        .find(|one| matches!(one.record, IntakeRecord::Release { .. }));
    let work = work.expect("there is more").clone();
    let on = Step::ReleaseOn(ann, now(), Box::new(work));
    done(&store, Change::new().then(on)).await;
    let inbox = store
        .folder_named(owner.into(), &SpecialUse::Inbox.into())
        .await;
    assert_eq!(
        inbox.expect("reads").expect("is there").record.messages,
        100
    );
    let left = store.due_intake(now(), 10_000).await.expect("reads");
    assert!(
        left.iter()
            .all(|one| !matches!(one.record, IntakeRecord::Release { .. }))
    );
}

/// What stands in a folder that doesn't open stays there, and nobody tries again and again.
#[tokio::test]
async fn what_cant_be_brought_in_leaves_no_work() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    take_many(&store, owner, 102).await;
    let waits = SpecialUse::Unconfirmed.into();
    let waits = store.folder_named(owner.into(), &waits).await;
    let waits = waits.expect("reads").expect("is there").id;
    let table = testing::Table::Folder;
    testing::flip(store.files(), table, Some(waits.as_bytes())).await;
    let ann = contact_indexes(store.vault(), &address("ann@good.example"));
    done(&store, Change::new().then(Step::Meet(ann, now()))).await;
    // Each piece has its turn, once.
    for _ in 0..2 {
        work_on(&store, now()).await;
    }
    assert!(!work_on(&store, now()).await);
}

/// Who has the file and no key makes nobody a contact; and what they spoilt is made anew.
#[tokio::test]
async fn a_row_that_we_did_not_seal_is_no_contact() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let ann = contact_indexes(store.vault(), &address("ann@good.example"));
    let (inbox, waits) = (SpecialUse::Inbox.into(), SpecialUse::Unconfirmed.into());
    done(&store, Change::new().then(Step::Meet(ann.clone(), now()))).await;
    assert!(store.is_contact(&ann).await.expect("reads"));
    testing::blank(store.files(), testing::Table::Contact, None).await;
    assert!(!store.is_contact(&ann).await.expect("reads"));
    let folder = take(&store, owner, "ann@good.example", true, b"1").await;
    assert_eq!(folder, waits);
    done(&store, Change::new().then(Step::Meet(ann.clone(), now()))).await;
    assert!(store.is_contact(&ann).await.expect("reads"));
    let folder = take(&store, owner, "ann@good.example", true, b"2").await;
    assert_eq!(folder, inbox);
}

/// A damaged folder of one keeps nobody's mail from the others, and what stands in it is still known to wait.
#[tokio::test]
async fn a_damaged_folder_is_passed_over() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let ann = contact_indexes(store.vault(), &address("ann@good.example"));
    for bytes in [b"1", b"2"] {
        take(&store, owner, "ann@good.example", true, bytes).await;
    }
    let named = async |name: &FolderName| {
        let folder = store.folder_named(owner.into(), name).await;
        folder.expect("reads").expect("is there")
    };
    let waits = named(&SpecialUse::Unconfirmed.into()).await.id;
    let create = FolderAct::Create {
        mailbox: owner.into(),
        name: FolderName::parse("Unsure").expect("a name"),
        at: now(),
    };
    let unsure = store.act(create).await.expect("writes").expect("is made");
    let unsure = unsure.folder.expect("is made");
    // One of them stands there as well.
    let copy =
        "INSERT INTO entry SELECT $1, uid, modseq, message_id, sealed FROM entry WHERE uid = 1";
    let mut file = file_of(&store).await;
    sqlx::query(copy)
        .bind(unsure.as_bytes().as_slice())
        .execute(&mut file)
        .await
        .expect("writes");
    file.close().await.expect("closes");
    testing::flip(
        store.files(),
        testing::Table::Folder,
        Some(unsure.as_bytes()),
    )
    .await;
    done(&store, Change::new().then(Step::Meet(ann.clone(), now()))).await;
    assert_eq!(named(&SpecialUse::Inbox.into()).await.record.messages, 2);
    let left = store.open_folder(waits).await.expect("reads");
    assert_eq!(left.expect("is there").entries, []);
    assert!(store.waits(&ann).await.expect("reads"), "perhaps there");
}

#[tokio::test]
async fn an_erasure_leaves_a_held_mailbox_alone() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let ann = contact_indexes(store.vault(), &address("ann@good.example"));
    take(&store, owner, "ann@good.example", true, b"1").await;
    let hold = Setting {
        name: hold_setting(owner.into()).into(),
        value: zeroize::Zeroizing::new(b"{}".to_vec()),
    };
    done(&store, Change::new().then(Step::PutSetting(hold))).await;
    let erase = async || done(&store, Change::new().then(Step::EraseWaiting(ann.clone()))).await;
    erase().await;
    assert_eq!(count_entries(&store, owner).await, 1);
    assert!(store.waits(&ann).await.expect("reads"));
    let lift = Step::RemoveSetting(hold_setting(owner.into()).into());
    done(&store, Change::new().then(lift)).await;
    erase().await;
    assert_eq!(count_entries(&store, owner).await, 0);
    assert!(!store.waits(&ann).await.expect("reads"));
}

/// What is put below Junk or Trash was thrown away: that is no word for anybody. Any other folder is one, wherever it stands.
#[tokio::test]
async fn a_folder_in_the_bin_vouches_for_nobody() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    for (who, folder, vouches) in [
        ("ann@good.example", "Junk/2026", false),
        ("ann@good.example", "Trash/a/b", false),
        ("ann@good.example", "Junkyard", true),
        ("bob@good.example", "Unconfirmed/Later", true),
    ] {
        take(&store, owner, who, true, b"1").await;
        let create = FolderAct::Create {
            mailbox: owner.into(),
            name: FolderName::parse(folder).expect("a name"),
            at: now(),
        };
        let to = store.act(create).await.expect("writes").expect("is made");
        let waits = SpecialUse::Unconfirmed.into();
        let from = store.folder_named(owner.into(), &waits).await;
        let moved = FolderAct::Move {
            from: from.expect("reads").expect("is there").id,
            uids: Uids::all(),
            to: to.folder.expect("is made"),
            at: now(),
            room: None,
            goes_on: false,
        };
        store.act(moved).await.expect("writes").expect("is moved");
        let author = contact_indexes(store.vault(), &address(who));
        let met = store.is_contact(&author).await.expect("reads");
        assert_eq!(met, vouches, "{folder}");
    }
}

/// Staff know whose mail they take out, and not who else wrote under that name.
#[tokio::test]
async fn what_staff_take_out_brings_no_forgery_in() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    for (proven, bytes) in [(true, b"1"), (true, b"2"), (false, b"3")] {
        take(&store, owner, "ann@good.example", proven, bytes).await;
    }
    let folder = async |which: SpecialUse| {
        let found = store.folder_named(owner.into(), &which.into()).await;
        found.expect("reads").expect("is there")
    };
    let create = FolderAct::Create {
        mailbox: owner.into(),
        name: FolderName::parse("Kept").expect("a name"),
        at: now(),
    };
    let kept = store.act(create).await.expect("writes").expect("is made");
    let moved = FolderAct::Move {
        from: folder(SpecialUse::Unconfirmed).await.id,
        uids: Uids::of([Uid(1)]),
        to: kept.folder.expect("is made"),
        at: now(),
        room: None,
        goes_on: false,
    };
    store.act(moved).await.expect("writes").expect("is moved");
    assert_eq!(folder(SpecialUse::Inbox).await.record.messages, 1);
    assert_eq!(folder(SpecialUse::Unconfirmed).await.record.messages, 1);
}

/// What strangers leave has a share of its own: it takes no room from others, and who can be asked has half of it.
#[tokio::test]
async fn strangers_fill_no_mailbox() {
    const LIMIT: u64 = 27_000;
    let (store, _directory) = store().await;
    let (ada, ben) = (
        MailboxId::from_bytes([1; 16]),
        MailboxId::from_bytes([2; 16]),
    );
    // For one recipient, or for a role, whose own mailbox comes first.
    let take = async |folder: SpecialUse, proven: bool, keepers: &[MailboxId]| {
        let mut writer = store.begin_body().await.expect("begins");
        writer.write(&[b'x'; 300]).await.expect("takes bytes");
        let body = writer.finish();
        let id = body.id();
        let mut message = AcceptMessage::new(store.vault(), body, message_record());
        for mailbox in keepers {
            message = message.keep_in(Delivery::new(*mailbox, folder, id, now()));
        }
        if folder == SpecialUse::Inbox {
            message = message.of_stranger(Stranger {
                author: contact_indexes(store.vault(), &address("ann@good.example")),
                proven,
                ask: None,
            });
        }
        let room = StrangersRoom {
            limit: LIMIT,
            own: vec![keepers[0]],
            proven,
        };
        store
            .accept(message.within(room))
            .await
            .map(|placed| placed.len())
    };
    let full = |taken: &Result<usize, StoreError>| matches!(taken, Err(StoreError::StrangersFull));
    let inbox = SpecialUse::Inbox;
    for (folder, proven, fit) in [
        (inbox, false, 2),
        (inbox, true, 2),
        (SpecialUse::Junk, false, 4),
    ] {
        for _ in 0..fit {
            assert_eq!(take(folder, proven, &[ada]).await.expect("has room"), 1);
        }
        let taken = take(folder, proven, &[ada]).await;
        assert!(full(&taken), "{folder:?} {proven}: {taken:?}");
    }
    // Of a role's mail she gets no copy; nor does anybody while the role's own mailbox is full.
    let role = MailboxId::from_bytes([3; 16]);
    assert_eq!(take(inbox, true, &[role, ada]).await.expect("has room"), 1);
    let taken = take(inbox, true, &[ada, ben]).await;
    assert!(full(&taken), "{taken:?}");
    let size = async |mailbox| store.mailbox_size(mailbox, LIMIT).await.expect("reads");
    assert_eq!(size(ada).await, 2 * 548, "what is beyond the share");
    assert_eq!((size(role).await, size(ben).await), (0, 0));
    // Who is refused is not half there.
    let counts = store.count_contacts().await.expect("reads");
    assert_eq!(counts.waiting, 5);
    let ann = contact_indexes(store.vault(), &address("ann@good.example"));
    done(&store, Change::new().then(Step::Meet(ann, now()))).await;
    // Who is known pays for no stranger.
    for _ in 0..5 {
        assert_eq!(take(inbox, true, &[ada]).await.expect("is known"), 1);
    }
    assert!(store.verify(|_, _| ()).await.expect("reads").is_clean());
}
