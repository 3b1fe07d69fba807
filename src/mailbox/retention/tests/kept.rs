//! What isn't erased yet.

use super::*;
use crate::store::testing::spoil_settings;

/// What was thrown away goes by when that was, however old it is.
#[tokio::test]
async fn what_was_thrown_away_has_a_month() {
    let bench = Bench::new().await;
    bench
        .take(SpecialUse::Inbox, "Subject: letter\r\n", 10)
        .await;
    bench.move_to("2026-03-31T12:00:00Z");
    let folders = bench.boxes.folders(bench.owner).await.unwrap();
    let [inbox, trash] = [SpecialUse::Inbox, SpecialUse::Trash].map(|which| {
        let mut folders = folders.iter();
        let found = folders.find(|one| one.record.name == which.into());
        found.unwrap().id
    });
    let moved = bench.boxes.move_to(inbox, &[Uid(1)], trash, None);
    let moved = moved.await.unwrap();
    assert_eq!(moved.placed.len(), 1);
    bench.move_to("2026-04-30T11:59:00Z");
    assert_eq!(bench.purge().await, 0);
    bench.move_to("2026-04-30T12:00:00Z");
    assert_eq!(bench.purge().await, 1);
}

#[tokio::test]
async fn a_hold_that_cant_be_read_holds() {
    let bench = Bench::new().await;
    bench
        .take(SpecialUse::Trash, "Subject: thrown away\r\n", 10)
        .await;
    bench
        .boxes
        .hold(bench.owner, "access request")
        .await
        .unwrap();
    let spoilt = spoil_settings(bench.store.files(), "mailbox-hold.").await;
    assert_eq!(spoilt, 1);
    bench.move_to("2026-06-01T12:00:00Z");
    assert_eq!(bench.purge().await, 0);
    assert!(bench.boxes.hold_of(bench.owner).await.unwrap().is_some());
    bench.boxes.lift(bench.owner).await.unwrap();
    assert_eq!(bench.purge().await, 1);
}
