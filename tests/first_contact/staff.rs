//! What staff do: they write first, or take mail out of the folder.

use hustings::id::MailboxId;
use hustings::mailbox::Mailboxes;
use hustings::store::{Folder, SpecialUse, Uid, Uids};

use crate::support::imap::Imap;
use crate::support::party::Party;
use crate::world::{
    OFFICE, counts, decided, kept_of, letter, office, party, post_to, questions, write, zone,
};

async fn folder(party: &Party, mailbox: MailboxId, which: SpecialUse) -> Folder {
    let found = party
        .rooms()
        .store
        .folder_named(mailbox, &which.into())
        .await;
    found.unwrap().expect("it is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_staff_write_to_is_known() {
    let zone = zone().await;
    let party = party(&zone, "", "").await;
    // Her first one waits; the answer that a staff member writes all the same brings it in.
    write(
        &party,
        "first@good.example",
        "Auto-Submitted: auto-generated\r\n",
        "a receipt",
    )
    .await;
    assert_eq!(counts(&party).await, (0, 1));
    let from = party.sender.address.clone();
    let mail = |to: &str, more: &str| {
        format!("From: {from}\r\nTo: {to}\r\nSubject: Hello\r\n{more}\r\nHello.\r\n")
    };
    let (ann, joe) = ("first@good.example", "joe@fine.example");
    let answer = party.submit(&[ann], mail(ann, "").as_bytes()).await;
    assert_eq!(answer.code, 250, "{answer}");
    assert_eq!(counts(&party).await, (1, 0));
    // What their program answers by itself knows nobody.
    let away = mail(joe, "Auto-Submitted: auto-replied\r\n");
    assert_eq!(party.submit(&[joe], away.as_bytes()).await.code, 250);
    write(&party, joe, "Precedence: bulk\r\n", "hello").await;
    write(&party, ann, "", "hello").await;
    assert_eq!(counts(&party).await, (2, 1));
    decided(&party).await;
    assert_eq!(questions(&party), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_take_out_vouches_for_its_author() {
    let zone = zone().await;
    let party = party(&zone, "first_contact = \"challenge\"", "").await;
    let quiet = "Precedence: list\r\n";
    for n in ["one", "two", "three"] {
        write(&party, "ann@good.example", quiet, n).await;
    }
    write(&party, "bob@fine.example", quiet, "thrown away").await;
    let forged = letter("cat@good.example", "", "unproven");
    let answer = post_to(&party, "x@elsewhere.example", OFFICE, &forged).await;
    assert_eq!(answer.code, 250, "{answer}");
    assert_eq!(counts(&party).await, (0, 5));
    let rooms = party.rooms();
    let boxes = Mailboxes::new(rooms.store.clone(), party.clock.clone());
    let id = office(&party);
    let unconfirmed = folder(&party, id, SpecialUse::Unconfirmed).await;
    let [archive, trash] = [SpecialUse::Archive, SpecialUse::Trash];
    let (archive, trash) = (
        folder(&party, id, archive).await,
        folder(&party, id, trash).await,
    );
    let uids: Vec<Uid> = boxes
        .open(unconfirmed.id)
        .await
        .unwrap()
        .select(&Uids::all());
    // Copied, as a mail program without MOVE does it: the others of hers follow, the copied one stays to be removed.
    boxes
        .copy(unconfirmed.id, &uids[..1], archive.id, None)
        .await
        .unwrap();
    assert_eq!(counts(&party).await, (2, 3));
    boxes
        .expunge(unconfirmed.id, &uids[..1], false)
        .await
        .unwrap();
    // Thrown away is no word for anybody.
    boxes
        .move_to(unconfirmed.id, &uids[3..4], trash.id, None)
        .await
        .unwrap();
    assert_eq!(counts(&party).await, (2, 1));
    write(&party, "bob@fine.example", quiet, "still a stranger").await;
    write(&party, "ann@good.example", quiet, "known").await;
    assert_eq!(counts(&party).await, (3, 2));
    // The forged one is taken out: the address is known, and mail of hers must prove itself all the same.
    boxes
        .move_to(unconfirmed.id, &uids[4..5], archive.id, None)
        .await
        .unwrap();
    let answer = post_to(&party, "x@elsewhere.example", OFFICE, &forged).await;
    assert_eq!(answer.code, 250, "{answer}");
    write(&party, "cat@good.example", "", "proven").await;
    assert_eq!(counts(&party).await, (4, 2));
    assert_eq!(kept_of(&party, id).await["Archive"].len(), 2);
    let counted = rooms.consent.contacts().await.unwrap();
    assert_eq!((counted.contacts, counted.waiting), (2, 2));
    decided(&party).await;
    assert_eq!(questions(&party), Vec::<String>::new());
    let report = rooms.store.verify(|_, _| ()).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    // Forgotten, she is a stranger again.
    let forget = [
        "contact",
        "forget",
        "ann@good.example",
        "--reason",
        "another owner",
    ];
    assert!(party.cli(&forget).await.status.success());
    write(&party, "ann@good.example", quiet, "as before").await;
    assert_eq!(counts(&party).await, (4, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roles_mail_waits_and_comes_in_for_all_of_them() {
    let zone = zone().await;
    let party = party(&zone, "", "").await;
    let let_in = ["staff", "change", "ada", "--let-into", "office"];
    let output = party.cli(&let_in).await;
    assert!(output.status.success(), "{output:?}");
    let roll = party.rooms().staff.roll();
    let ada = MailboxId::from(roll.live().find(|one| one.name == "ada").unwrap().id);
    write(
        &party,
        "ann@good.example",
        "Precedence: list\r\n",
        "for all",
    )
    .await;
    let of_ada = kept_of(&party, ada).await;
    assert_eq!(
        (of_ada["Unconfirmed"].len(), counts(&party).await),
        (1, (0, 1))
    );
    let boxes = Mailboxes::new(party.rooms().store.clone(), party.clock.clone());
    let [from, to] = [SpecialUse::Unconfirmed, SpecialUse::Inbox];
    let (from, to) = (
        folder(&party, ada, from).await,
        folder(&party, ada, to).await,
    );
    boxes
        .move_to(from.id, &[Uid(1)], to.id, None)
        .await
        .unwrap();
    let of_ada = kept_of(&party, ada).await;
    assert_eq!(of_ada.keys().collect::<Vec<_>>(), ["INBOX"]);
    assert_eq!((of_ada["INBOX"].len(), counts(&party).await), (1, (1, 0)));
}

/// Whoever is let into the role does it in their mail program.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_takes_a_strangers_mail_out_in_a_mail_program() {
    let zone = zone().await;
    let party = party(&zone, "first_contact = \"challenge\"", "").await;
    let let_in = ["staff", "change", "ada", "--let-into", "office"];
    assert!(party.cli(&let_in).await.status.success());
    let quiet = "Precedence: list\r\n";
    for n in ["one", "two"] {
        write(&party, "ann@good.example", quiet, n).await;
    }
    write(&party, "bob@good.example", quiet, "nobody asked").await;
    let (door, trust) = (party.door("imaps"), party.stage.trust());
    let ada = &party.sender;
    let mut imap = Imap::log_in(door, trust, ada.name, &ada.password).await;
    imap.say("SELECT Shared/office/Unconfirmed").await;
    // Thrown away it's nobody's word for its author.
    imap.say("STORE 3 +FLAGS.SILENT \\Deleted").await;
    imap.say("EXPUNGE").await;
    assert_eq!(counts(&party).await, (0, 2));
    let moved = imap.say("MOVE 1 Shared/office").await;
    assert!(moved.end.starts_with("OK"), "{moved:?}");
    // What else waits of hers, and what she writes from now on, comes in; his doesn't.
    assert_eq!(counts(&party).await, (2, 0));
    write(&party, "ann@good.example", quiet, "again").await;
    write(&party, "bob@good.example", quiet, "nobody asked him").await;
    assert_eq!(counts(&party).await, (3, 1));
    let of_role = kept_of(&party, office(&party)).await;
    assert_eq!(of_role["Trash"].len(), 1);
}
