//! First contact: where a stranger's mail goes, how it leaves that folder, and what of it leaves the disk.

use super::*;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

/// Takes a stranger's mail for somebody; answers the folder that it went to.
async fn take(store: &Store, owner: StaffId, who: &str, proven: bool, bytes: &[u8]) -> FolderName {
    let mut writer = store.begin_body().await.expect("begins");
    writer.write(bytes).await.expect("takes bytes");
    let body = writer.finish();
    let delivery = Delivery::new(owner.into(), SpecialUse::Inbox, body.id(), now());
    let ask = IntakeRecord::FirstContact {
        address: address(who),
        at: now(),
    };
    let stranger = Stranger {
        author: contact_indexes(store.vault(), &address(who)),
        proven,
        ask: proven.then(|| Intake::new(now(), ask)),
    };
    let message = AcceptMessage::new(store.vault(), body, message_record());
    let message = message.keep_in(delivery).of_stranger(stranger);
    let placed = store.accept(message).await.expect("is taken");
    let folders = store.folders(owner.into()).await.expect("reads").rows;
    let folder = folders.into_iter().find(|one| one.id == placed[0].folder);
    folder.expect("it stands there").record.name
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
