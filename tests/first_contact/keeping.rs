//! Mail goes when its time is over, unless its mailbox is on hold.

use hustings::id::MailboxId;
use hustings::mailbox::{Keeping, Mailboxes};
use hustings::store::{SpecialUse, Uid, Uids};
use jiff::{SignedDuration, Span, Timestamp};

use crate::support::party::{Party, link_in, said};
use crate::world::{
    OFFICE, counts, kept_of, letter, office, party, post_to, question, until, write, zone,
};

fn ada(party: &Party) -> MailboxId {
    let roll = party.rooms().staff.roll();
    roll.by_name(party.sender.name).unwrap().id.into()
}

/// A mail comes for her, and goes into her Trash.
async fn throw_away_one_of_adas(party: &Party, boxes: &Mailboxes) {
    let from = "ann@good.example";
    let mail = letter(from, "", "for Ada alone");
    let answer = post_to(party, from, &party.sender.address, &mail).await;
    assert_eq!(answer.code, 250, "{answer}");
    let folders = boxes.folders(ada(party)).await.unwrap();
    let [inbox, trash] = [SpecialUse::Inbox, SpecialUse::Trash].map(|which| {
        let found = folders.iter().find(|one| one.record.name == which.into());
        found.unwrap().id
    });
    let uids = boxes.open(inbox).await.unwrap().select(&Uids::all());
    assert_eq!(uids.len(), 1);
    boxes.move_to(inbox, &uids, trash, None).await.unwrap();
}

/// What of the office's goes when, by folder.
async fn going(party: &Party) -> Vec<serde_json::Value> {
    let shown = party.cli(&["mailbox", "retention", "--json"]).await;
    let rows = said(&shown);
    let rows = rows.lines().map(|row| serde_json::from_str(row).unwrap());
    rows.filter(|row: &serde_json::Value| row["mailbox"] == "office")
        .collect()
}

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
    let (before, month) = (party.clock.now(), SignedDuration::from_hours(24 * 30));
    boxes.move_to(inbox, &[Uid(1)], trash, None).await.unwrap();
    let rows = going(&party).await;
    let of = |folder: &str| rows.iter().find(|row| row["folder"] == folder).unwrap();
    let next_at = |folder: &str| {
        let at = of(folder)["next_at"].as_str().unwrap();
        at.parse::<Timestamp>().unwrap()
    };
    let second = SignedDuration::from_secs(1);
    let put_there = before - second..=party.clock.now();
    assert!(put_there.contains(&(next_at("Trash") - month)), "{rows:?}");
    assert!(next_at("INBOX") > before + month * 23, "{rows:?}");
    for (folder, within_month) in [("Trash", 1), ("INBOX", 0)] {
        let row = of(folder);
        assert_eq!(row["messages"], 1, "{row}");
        assert_eq!(row["within_month"], within_month, "{row}");
        assert_eq!(row["held"], false, "{row}");
    }
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
    // Twice what nobody holds goes before the second of which the first daily work has come to its end.
    for _ in 0..2 {
        throw_away_one_of_adas(&party, &boxes).await;
        let days = SignedDuration::from_hours(24 * 31);
        party.clock.advance(days).unwrap();
        let ada = ada(&party);
        until("Ada's is gone", async || {
            kept_of(&party, ada).await.is_empty()
        })
        .await;
    }
    let keeping = Keeping {
        mail: Span::new().months(24),
        junk: Span::new().days(30),
        trash: Span::new().days(30),
    };
    assert_eq!(boxes.purge(id, &keeping).await.unwrap(), 0, "it is held");
    let kept = kept_of(&party, id).await;
    assert_eq!(kept["Trash"].len(), 1, "the daily work let it be as well");
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

/// However much strangers write, the mail of those who are known has its room.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_takes_no_room_from_what_is_wanted() {
    let zone = zone().await;
    let resolver = format!("resolver = [\"{}\"]", zone.address());
    let small = "mailbox_size = \"10 MiB\"".to_owned();
    let patience = "patience = \"60s\"".to_owned();
    let party = Party::start_with(vec![
        ("delivery", resolver),
        ("incoming", patience),
        ("staff", small),
    ])
    .await;
    write(&party, "ann@good.example", "", "hello").await;
    let asked = question(&party, "ann@good.example").await;
    assert_eq!(
        party
            .press(&link_in(&asked, "/m/").unwrap())
            .await
            .status
            .as_u16(),
        200
    );
    let long = "0123456789 abcdefghij\r\n".repeat(30_000);
    let of_strangers = async |from: &str| {
        let mail = letter(from, "", &long);
        post_to(&party, from, OFFICE, &mail).await.to_string()
    };
    // Of ten MiB one is theirs, half of it for those for whom nobody vouches.
    assert!(of_strangers("x@elsewhere.example").await.starts_with("250"));
    let put_off = of_strangers("y@elsewhere.example").await;
    assert!(put_off.starts_with("452 4.2.2"), "{put_off}");
    assert!(of_strangers("bob@good.example").await.starts_with("250"));
    let put_off = of_strangers("cat@good.example").await;
    assert!(put_off.starts_with("452 4.2.2"), "{put_off}");
    assert_eq!(counts(&party).await, (1, 2));
    for _ in 0..4 {
        assert!(of_strangers("ann@good.example").await.starts_with("250"));
    }
    assert_eq!(counts(&party).await, (5, 2));
}
