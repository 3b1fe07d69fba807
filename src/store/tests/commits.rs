//! The writer's groups and the guards of changes.

use super::*;

#[tokio::test]
async fn writes_at_the_same_time_share_a_commit() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let (_, before) = store.written();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { accept(&store, owner, &[1; 10_000]).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let (_, after) = store.written();
    assert_eq!(count_entries(&store, owner).await, 200);
    assert!(
        after - before < 100,
        "200 messages took {} commits",
        after - before
    );
}

#[tokio::test]
async fn one_bad_write_does_not_take_its_group_along() {
    let (store, _directory) = store().await;
    let owner = staff(&store).await;
    let good: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut writer = store.begin_body().await.expect("begins");
                writer
                    .write(b"Subject: x\r\n\r\n")
                    .await
                    .expect("takes bytes");
                let body = writer.finish();
                // Every fifth entry is of a message that isn't there: the foreign key refuses it.
                let message = if number % 5 == 0 {
                    MessageId::random()
                } else {
                    body.id()
                };
                let entry = Delivery::new(owner.into(), SpecialUse::Inbox, message, now());
                let message = AcceptMessage::new(store.vault(), body, message_record());
                store.accept(message.keep_in(entry)).await.is_ok()
            })
        })
        .collect();
    let mut accepted = 0;
    for task in good {
        accepted += u64::from(task.await.expect("no panic"));
    }
    assert_eq!(accepted, 16);
    assert_eq!(count_entries(&store, owner).await, 16);
    assert!(matches!(store.health(), Health::Well));
}

#[tokio::test]
async fn a_change_whose_guard_fails_does_nothing() {
    let (store, _directory) = store().await;
    let person = subscriber(&store, "Nye.Bevan@Example.org");
    let form = person.record.address.match_form();
    let join = || {
        Change::new()
            .require(Guard::NoSubscriber(person.address_index))
            .then(Step::PutSubscriber(person.clone()))
    };
    assert_eq!(
        store.change(join()).await.expect("writes"),
        ChangeOutcome::Done
    );
    assert_eq!(
        store.change(join()).await.expect("writes"),
        ChangeOutcome::Conflict
    );
    let found = store
        .subscriber(&form)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!((found.version, found.id), (1, person.id));
    assert_eq!(found.record.address.as_str(), "Nye.Bevan@example.org");

    let stale = Change::new()
        .require(Guard::SubscriberAt(found.id, 0))
        .then(Step::RemoveSubscriber(found.id));
    assert_eq!(
        store.change(stale).await.expect("writes"),
        ChangeOutcome::Conflict
    );
    let fresh = Change::new()
        .require(Guard::SubscriberAt(found.id, 1))
        .then(Step::RemoveSubscriber(found.id));
    assert_eq!(
        store.change(fresh).await.expect("writes"),
        ChangeOutcome::Done
    );
    assert!(store.subscriber(&form).await.expect("reads").is_none());
}

#[tokio::test]
async fn two_changes_of_one_row_in_one_group_see_each_other() {
    let (store, _directory) = store().await;
    let person = subscriber(&store, "a@example.org");
    done(
        &store,
        Change::new().then(Step::PutSubscriber(person.clone())),
    )
    .await;
    let read = store
        .subscriber_by_id(person.id)
        .await
        .expect("reads")
        .expect("is there");
    let change = |store: Store| {
        let read = read.clone();
        async move {
            let change = Change::new()
                .require(Guard::SubscriberAt(read.id, read.version))
                .then(Step::PutSubscriber(read));
            store.change(change).await.expect("writes")
        }
    };
    let (one, two) = tokio::join!(change(store.clone()), change(store.clone()));
    assert_ne!(
        one, two,
        "exactly one of two changes from the same reading is made"
    );
}
