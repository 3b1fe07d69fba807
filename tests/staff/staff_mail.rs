//! What staff send from their own mail programs, and where it stops.

use crate::support::party::{Party, said};
use hustings::address::EmailAddress;
use hustings::daemon::sandbox::peer::Post;
use hustings::daemon::sandbox::stage::OFFICE;
use hustings::id::{MailboxId, MessageId};
use hustings::store::Flags;

const TO_THE_LIST: &[u8] = b"From: office@party.example\r\nTo: news@party.example\r\n\
    Subject: a meeting\r\n\r\nOn Friday at seven.\r\n";

fn mail(fields: &str, to: &str) -> Vec<u8> {
    format!("{fields}\r\nTo: {to}\r\nSubject: a meeting\r\n\r\nOn Friday at seven.\r\n")
        .into_bytes()
}

const LIST: &str = "news@party.example";
const OUTSIDE: &str = "someone@elsewhere.example";
const ADA: &str = "ada@party.example";

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_mail_program_writes_to_a_list_as_the_lists_identity() {
    let party = Party::start().await;
    // What stands in From stands in the envelope.
    let held = party.submit_from(OFFICE, &[LIST], TO_THE_LIST).await;
    assert_eq!(held.code, 250, "{held}");
    assert!(held.to_string().contains("Held as mailing"), "{held}");
    let with_own_envelope = party.submit(&[LIST], TO_THE_LIST).await;
    assert_eq!(with_own_envelope.code, 250, "{with_own_envelope}");

    let own = mail("From: Ada <ada@party.example>", LIST);
    let refused = party.submit(&[LIST], &own).await;
    assert_eq!(refused.code, 550, "{refused}");
    let said = refused.to_string();
    assert!(said.contains("5.7.1"), "{said}");
    assert!(
        said.contains("choose office@party.example as sender"),
        "{said}"
    );

    // The identity writes to its list, and to nobody else.
    for to in [OUTSIDE, ADA, "news+subscribe@party.example"] {
        let office = mail("From: office@party.example", to);
        let refused = party.submit_from(OFFICE, &[to], &office).await;
        assert_eq!(refused.code, 550, "{to}: {refused}");
        assert!(refused.to_string().contains("its list alone"), "{refused}");
    }
    // What doesn't exist is said not to, whoever writes to it.
    let part = party.submit_from(OFFICE, &["news+nowhere@party.example"], TO_THE_LIST);
    let part = part.await.to_string();
    assert!(part.contains("The list has no such part"), "{part}");
    let nobody = party
        .submit_from(OFFICE, &["nolist@party.example"], TO_THE_LIST)
        .await;
    assert!(nobody.to_string().starts_with("550 5.1.1"), "{nobody}");
    let stranger = party
        .submit_from("boss@bank.example", &[LIST], TO_THE_LIST)
        .await;
    assert_eq!(stranger.code, 553, "{stranger}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mail_leaves_in_somebody_elses_name() {
    let party = Party::start().await;
    for (fields, needle) in [
        ("From: boss@bank.example", "From is not yours"),
        (
            "From: Ada <ada@party.example>, boss@bank.example",
            "From is not yours",
        ),
        (
            "From: Ada <ada@party.example>\r\nFrom: boss@bank.example",
            "one From field",
        ),
        ("From: undisclosed:;", "one From field"),
        // Other programs would show Ben.
        (
            "From: <ben@party.example>: ada@party.example",
            "one From field",
        ),
        (
            "From: ben@party.example <ada@party.example>",
            "one From field",
        ),
        (
            "From: ada@party.example\r\nSender: <ben@party.example>: ada@party.example",
            "Resent-Sender is not yours",
        ),
        ("X-Nothing: here", "one From field"),
        ("From: ben@party.example", "From is not yours"),
        ("From: office@party.example", "From is a list's identity"),
        (
            "From: ada@party.example\r\nSender: boss@bank.example",
            "Resent-Sender is not yours",
        ),
        (
            "From: ada@party.example\r\nResent-From: boss@bank.example",
            "Resent-Sender is not yours",
        ),
    ] {
        for to in [OUTSIDE, ADA] {
            let refused = party.submit(&[to], &mail(fields, to)).await;
            assert_eq!(refused.code, 550, "{fields:?} to {to}: {refused}");
            let said = refused.to_string();
            assert!(said.contains("5.7.1") && said.contains(needle), "{said}");
        }
    }
    for fields in [
        "From: Ada <ada@party.example>",
        "FROM: \"boss@bank.example\" <ADA+leaflets@Party.Example>",
        "From: ada@party.example\r\nSender: ada@party.example\r\nReply-To: press@elsewhere.example",
    ] {
        let taken = party.submit(&[OUTSIDE], &mail(fields, OUTSIDE)).await;
        assert_eq!(taken.code, 250, "{fields:?}: {taken}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_into_a_role_mailbox_writes_as_it() {
    let party = Party::start().await;
    let office = mail("From: The Office <office@party.example>", OUTSIDE);
    let refused = party.submit_from(OFFICE, &[OUTSIDE], &office).await;
    assert_eq!(refused.code, 550, "{refused}");
    let let_in = ["staff", "change", "ada", "--let-into", "office"];
    let changed = party.cli(&let_in).await;
    assert!(changed.status.success(), "{}", said(&changed));
    assert!(said(&changed).contains("office"), "{}", said(&changed));
    let taken = party.submit_from(OFFICE, &[OUTSIDE], &office).await;
    assert_eq!(taken.code, 250, "{taken}");

    let wrong = party
        .cli(&["staff", "change", "ada", "--let-into", "cellar"])
        .await;
    assert!(!wrong.status.success());
    let shut_out = ["staff", "change", "ada", "--shut-out-of", "office"];
    assert!(party.cli(&shut_out).await.status.success());
    let refused = party.submit_from(OFFICE, &[OUTSIDE], &office).await;
    assert_eq!(refused.code, 550, "{refused}");
    let log = said(&party.cli(&["audit", "show"]).await);
    for act in [
        "staff let into mailbox office",
        "staff shut out of mailbox office",
    ] {
        assert!(log.contains(act), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eleven_people_outside_are_a_list() {
    let party = Party::start().await;
    let many: Vec<String> = (1..=11)
        .map(|n| format!("p{n}@elsewhere.example"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let hidden = mail("From: Ada <ada@party.example>", "undisclosed-recipients:;");
    let ten = party.submit(&many[..10], &hidden).await;
    assert_eq!(ten.code, 250, "{ten}");
    let eleven = party.submit(&many, &hidden).await;
    assert_eq!(eleven.code, 550, "{eleven}");
    let said = eleven.to_string();
    assert!(
        said.contains("5.7.1") && said.contains("use a list"),
        "{said}"
    );
    let to = many.iter().map(|one| format!("<{one}>"));
    let to = to.collect::<Vec<_>>().join(": ");
    let groups = mail("From: Ada <ada@party.example>", &to);
    let groups = party.submit(&many[..1], &groups).await.to_string();
    assert!(groups.contains("use a list"), "{groups}");
    // Those in the house are no outsiders, and one person twice is one.
    let with_ours: Vec<&str> = many[..10].iter().copied().chain([ADA, many[0]]).collect();
    let taken = party.submit(&with_ours, &hidden).await;
    assert_eq!(taken.code, 250, "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_stands_on_a_line_of_its_own() {
    let party = Party::start().await;
    let wrong = b"From: ada@party.example\r\nTo: news@party.example\r\nCc: x@elsewhere.example\r\n\
        Subject: Re: a meeting\r\n\r\nOn Friday at seven.\r\n";
    let refused = party.submit(&[LIST], wrong).await;
    assert_eq!(refused.code, 550, "{refused}");
    assert_eq!(refused.lines.len(), 3, "{refused}");
}

const BEN: &str = "ben@party.example";

/// Somebody's mailbox.
fn mailbox_of(party: &Party, address: &str) -> MailboxId {
    let roll = party.rooms().staff.roll();
    let address = EmailAddress::parse(address).unwrap();
    roll.by_address(&address).unwrap().id.into()
}

async fn kept_in(party: &Party, mailbox: MailboxId) -> Vec<MessageId> {
    let kept = party.rooms().store.entries(mailbox, 1000).await.unwrap();
    kept.iter().map(|one| one.message).collect()
}

/// Posts a mail of so many KiB as a stranger, and gives the code.
async fn stranger_writes(party: &Party, to: &[&str], kib: usize) -> String {
    let line = format!("{}\r\n", "x".repeat(62));
    let head = "From: stranger@elsewhere.example\r\nSubject: Potholes\r\n\r\n";
    let mail = format!("{head}{}", line.repeat(kib * 16));
    let mut mx = party.mx().await;
    let post = Post {
        from: "stranger@elsewhere.example",
        to,
        message: mail.as_bytes(),
    };
    let answer = mx.post(post).await.unwrap().to_string();
    mx.quit().await;
    answer
}

/// What comes for a role is kept for the party, and reaches each who holds the role, as one body.
#[tokio::test(flavor = "multi_thread")]
async fn mail_for_a_role_reaches_whoever_holds_it() {
    let party = Party::start().await;
    let rooms = party.rooms();
    let (store, office) = (&rooms.store, rooms.store.vault().role_mailbox("office"));
    let ada = mailbox_of(&party, ADA);
    let said_yes = stranger_writes(&party, &[OFFICE], 1).await;
    assert!(said_yes.starts_with("250"), "{said_yes}");
    assert_eq!(kept_in(&party, ada).await, []);
    let ben = mailbox_of(&party, BEN);
    for name in ["ada", "ben"] {
        let let_in = ["staff", "change", name, "--let-into", "office"];
        assert!(party.cli(&let_in).await.status.success());
    }
    let said_yes = stranger_writes(&party, &[OFFICE, "ada+leaflets@party.example"], 1).await;
    assert!(said_yes.starts_with("250"), "{said_yes}");
    let hers = kept_in(&party, ada).await;
    let of_the_office = kept_in(&party, office).await;
    assert_eq!((hers.len(), of_the_office.len()), (1, 2));
    assert_eq!(hers[0], of_the_office[1], "one body");
    assert_eq!(kept_in(&party, ben).await, hers, "for both");

    // Listed without a look at the mail, and as the mail is now: its header got lines of ours.
    let boxes = hustings::mailbox::Mailboxes::new(store.clone(), party.clock.clone());
    let inbox = boxes.folders(ada).await.unwrap()[0].clone();
    assert_eq!((inbox.record.messages, inbox.record.unseen), (1, 1));
    let outlines = store.outlines(&hers).await.unwrap();
    assert_eq!(outlines.len(), 1, "it was made while the mail came");
    let outline = boxes.outlines(&hers).await.unwrap()[&hers[0]].clone();
    let subject: Vec<_> = outline.root.fields_named("subject").collect();
    assert_eq!(subject, [b"Subject: Potholes\r\n"]);
    let whole = store.body(hers[0]).read_whole(1 << 20).await.unwrap();
    let body_at = usize::try_from(outline.root.body_at).unwrap();
    assert!(whole[..body_at].ends_with(b"\r\n\r\n") && whole[body_at..].starts_with(b"xxx"));
    assert_eq!(outline.root.size, (whole.len() - body_at) as u64);
    let view = boxes.open(inbox.id).await.unwrap();
    assert_eq!(view.known()[0].flags, Flags::NONE);

    let shut_out = ["staff", "change", "ada", "--shut-out-of", "office"];
    assert!(party.cli(&shut_out).await.status.success());
    stranger_writes(&party, &[OFFICE], 1).await;
    assert_eq!(kept_in(&party, ada).await.len(), 1);
    assert_eq!(kept_in(&party, office).await.len(), 3);
}

/// A mail of staff is listed as it stands once its header was rewritten.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_among_staff_is_listed_as_it_was_rewritten() {
    let party = Party::start().await;
    let taken = party
        .submit(&[ADA], &mail("From: ada@party.example", ADA))
        .await;
    assert_eq!(taken.code, 250, "{taken}");
    let boxes = hustings::mailbox::Mailboxes::new(party.rooms().store.clone(), party.clock.clone());
    let hers = kept_in(&party, mailbox_of(&party, ADA)).await;
    let outline = boxes.outlines(&hers).await.unwrap()[&hers[0]].clone();
    assert_eq!(outline.root.fields_named("Message-ID").count(), 1);
    let whole = party.rooms().store.body(hers[0]).read_whole(1 << 20).await;
    let body = &whole.unwrap()[usize::try_from(outline.root.body_at).unwrap()..];
    assert_eq!(body, b"On Friday at seven.\r\n");
}

/// Who is full is put off; nobody else is, and a role is full when its own mailbox is, whoever holds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_is_put_off_alone() {
    let small = "mailbox_size = \"10 MiB\"".to_owned();
    let party = Party::start_with(vec![("staff", small)]).await;
    let let_in = ["staff", "change", "ada", "--let-into", "office"];
    assert!(party.cli(&let_in).await.status.success());
    for _ in 0..2 {
        let answer = stranger_writes(&party, &[ADA], 5 << 10).await;
        assert!(answer.starts_with("250"), "{answer}");
    }
    let answer = stranger_writes(&party, &[ADA], 1).await;
    assert!(answer.starts_with("452 4.2.2"), "{answer}");
    let (ada, ben) = (mailbox_of(&party, ADA), mailbox_of(&party, BEN));
    let before = kept_in(&party, ada).await.len();
    for to in [BEN, OFFICE] {
        let answer = stranger_writes(&party, &[to], 1).await;
        assert!(answer.starts_with("250"), "{to}: {answer}");
    }
    assert_eq!(kept_in(&party, ben).await.len(), 1);
    assert_eq!(kept_in(&party, ada).await.len(), before);
    let office = party.rooms().store.vault().role_mailbox("office");
    let let_in = ["staff", "change", "ben", "--let-into", "office"];
    assert!(party.cli(&let_in).await.status.success());
    for _ in 0..2 {
        let answer = stranger_writes(&party, &[OFFICE], 5 << 10).await;
        assert!(answer.starts_with("250"), "{answer}");
    }
    let answer = stranger_writes(&party, &[OFFICE], 1).await;
    assert!(answer.starts_with("452 4.2.2"), "{answer}");
    assert_eq!(kept_in(&party, office).await.len(), 3);
    let list = said(&party.cli(&["mailbox", "list"]).await);
    assert!(list.contains("(100% of 10.0 MiB)"), "{list}");

    // Something is thrown away, and she has room again.
    let rooms = party.rooms();
    let boxes = hustings::mailbox::Mailboxes::new(rooms.store.clone(), party.clock.clone());
    let inbox = boxes.folders(ada).await.unwrap()[0].id;
    let view = boxes.open(inbox).await.unwrap();
    boxes
        .expunge(inbox, &[view.known()[0].uid], false)
        .await
        .unwrap();
    let answer = stranger_writes(&party, &[ADA], 1).await;
    assert!(answer.starts_with("250"), "{answer}");
}
