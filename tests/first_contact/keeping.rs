//! Mail goes when its time is over, unless its mailbox is on hold.

use hustings::mailbox::{Keeping, Mailboxes};
use hustings::store::{SpecialUse, Uid};
use jiff::{SignedDuration, Span};

use crate::support::party::said;
use crate::world::{kept_of, office, party, until, write, zone};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_thrown_away_goes_after_a_month_unless_it_is_held() {
    let zone = zone().await;
    let party = party(&zone, "first_contact = \"deliver\"", "").await;
    write(&party, "ann@good.example", "", "thrown away").await;
    write(&party, "bob@good.example", "", "kept").await;
    let (rooms, id) = (party.rooms(), office(&party));
    let boxes = Mailboxes::new(rooms.store.clone(), party.clock.clone());
    let folders = boxes.folders(id).await.unwrap();
    let folder = |which: SpecialUse| {
        let found = folders.iter().find(|one| one.record.name == which.into());
        found.unwrap().id
    };
    let (inbox, trash) = (folder(SpecialUse::Inbox), folder(SpecialUse::Trash));
    boxes.move_to(inbox, &[Uid(1)], trash).await.unwrap();
    let shown = party.cli(&["mailbox", "retention"]).await;
    let row = |name: &str| {
        let shown = said(&shown);
        let row = shown.lines().find(|line| line.contains(name));
        row.unwrap_or_default().to_owned()
    };
    assert!(row("Trash").contains("office"), "{}", said(&shown));
    assert!(row("INBOX").contains("office"));
    let hold = ["mailbox", "hold", "office", "--reason", "access request 4"];
    assert!(party.cli(&hold).await.status.success());
    let nobody = ["mailbox", "hold", "nobody", "--reason", "access request 4"];
    assert_eq!(party.cli(&nobody).await.status.code(), Some(1));
    party
        .clock
        .advance(SignedDuration::from_hours(24 * 31))
        .unwrap();
    let keeping = Keeping {
        mail: Span::new().months(24),
        junk: Span::new().days(30),
        trash: Span::new().days(30),
    };
    assert_eq!(boxes.purge(id, &keeping).await.unwrap(), 0, "it is held");
    let shown = said(&party.cli(&["mailbox", "retention"]).await);
    assert!(shown.contains("access request 4"), "{shown}");
    let lift = ["mailbox", "lift", "office", "--reason", "answered"];
    assert!(party.cli(&lift).await.status.success());
    party.clock.advance(SignedDuration::from_hours(25)).unwrap();
    until("it is gone", async || {
        !kept_of(&party, id).await.contains_key("Trash")
    })
    .await;
    assert_eq!(kept_of(&party, id).await["INBOX"].len(), 1);
    let log = said(&party.cli(&["audit", "show"]).await);
    assert!(
        log.contains("mailbox hold") && log.contains("mailbox lift"),
        "{log}"
    );
}
