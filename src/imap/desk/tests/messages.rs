//! What is read of messages, and said of them.

use super::*;
use crate::mailbox::Appended;
use crate::store::{Marks, Uids};

async fn with_three(house: &House) -> Talk {
    let mut desk = house.desk();
    for subject in ["one", "two", "three"] {
        desk.append("INBOX", &[], &mail(subject)).await;
    }
    desk.say("select INBOX").await;
    desk
}

#[tokio::test]
async fn listings_are_read_without_bodies() {
    let house = House::new().await;
    with_three(&house).await;
    // No body can be opened from here on.
    crate::store::testing::spoil_first_chunks(&house.files()).await;
    let mut desk = house.desk();
    let status = "STATUS INBOX (MESSAGES UNSEEN UIDNEXT SIZE)";
    let size = mail("two").len();
    let all = 2 * size + mail("three").len();
    assert_eq!(
        desk.say(status).await[0],
        format!("* STATUS \"INBOX\" (MESSAGES 3 UNSEEN 3 UIDNEXT 4 SIZE {all})")
    );
    let opened = desk.say("select INBOX").await;
    assert!(opened.iter().any(|line| line == "* 3 EXISTS"), "{opened:?}");
    assert_eq!(
        desk.say("FETCH 2 (FLAGS UID RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE MODSEQ)")
            .await,
        [
            "* OK [HIGHESTMODSEQ 4] The last change".to_owned(),
            format!(
                "* 2 FETCH (FLAGS () UID 2 RFC822.SIZE {size} INTERNALDATE \"21-Nov-2026 12:00:00 +0000\" \
                 ENVELOPE (NIL \"two\" ((\"Ann\" NIL \"ann\" \"elsewhere.example\")) \
                 ((\"Ann\" NIL \"ann\" \"elsewhere.example\")) ((\"Ann\" NIL \"ann\" \"elsewhere.example\")) \
                 ((NIL NIL \"ada\" \"party.example\")) NIL NIL NIL NIL) \
                 BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 8 1 NIL NIL NIL NIL) MODSEQ (3))"
            ),
            "OK Done".to_owned(),
        ]
    );
    assert_eq!(
        desk.say("UID FETCH 2:* FLAGS").await,
        [
            "* 2 FETCH (UID 2 FLAGS ())",
            "* 3 FETCH (UID 3 FLAGS ())",
            "OK Done"
        ]
    );
    assert_eq!(
        desk.say("UID FETCH 9:* UID").await,
        ["* 3 FETCH (UID 3)", "OK Done"]
    );
    assert_eq!(desk.say("UID FETCH 7 UID").await, ["OK Done"]);
    assert_eq!(
        desk.end("FETCH 4 UID").await,
        "BAD There is no message of this number"
    );
    desk.say("select Drafts").await;
    assert_eq!(desk.say("FETCH 1:* UID").await, ["OK Done"]);
    assert!(desk.end("FETCH 1 UID").await.starts_with("BAD"));
}

#[tokio::test]
async fn marks_are_set_and_told() {
    let house = House::new().await;
    let mut desk = with_three(&house).await;
    assert_eq!(
        desk.say("STORE 1:2 +FLAGS (\\Seen work)").await,
        [
            r"* FLAGS (\Answered \Flagged \Deleted \Seen \Draft work)",
            r"* 1 FETCH (UID 1 FLAGS (\Seen work))",
            r"* 2 FETCH (UID 2 FLAGS (\Seen work))",
            "OK Done",
        ]
    );
    assert_eq!(
        desk.say("STORE 1 -FLAGS.SILENT (\\Seen)").await,
        ["OK Done"]
    );
    assert_eq!(
        desk.say("UID STORE 1:* FLAGS (\\Draft)").await,
        [
            r"* 1 FETCH (UID 1 FLAGS (\Draft))",
            r"* 2 FETCH (UID 2 FLAGS (\Draft))",
            r"* 3 FETCH (UID 3 FLAGS (\Draft))",
            "OK Done",
        ]
    );
    assert!(
        desk.end("STORE 1 FLAGS (\\Recent)")
            .await
            .starts_with("BAD")
    );
    // With mod-sequences, also what the client did itself is told.
    let heard = desk.say("STORE 3 (UNCHANGEDSINCE 4) FLAGS (\\Seen)").await;
    assert_eq!(
        heard,
        [
            "* OK [HIGHESTMODSEQ 7] The last change",
            r"* 3 FETCH (UID 3 FLAGS (\Draft) MODSEQ (7))",
            "OK [MODIFIED 3] Done"
        ]
    );
    let heard = desk
        .say("STORE 3 (UNCHANGEDSINCE 99) +FLAGS.SILENT (\\Seen)")
        .await;
    assert_eq!(heard, ["* 3 FETCH (UID 3 MODSEQ (8))", "OK Done"]);
    assert_eq!(
        desk.say("FETCH 1:* (FLAGS) (CHANGEDSINCE 7)").await,
        [r"* 3 FETCH (FLAGS (\Seen \Draft) MODSEQ (8))", "OK Done"]
    );
}

#[tokio::test]
async fn messages_are_copied_moved_and_expunged() {
    let house = House::new().await;
    let mut desk = with_three(&house).await;
    let heard = desk.end("COPY 1,3 Archive").await;
    assert!(
        heard.starts_with("OK [COPYUID ") && heard.ends_with(" 1,3 1:2] Done"),
        "{heard}"
    );
    let heard = desk.say("UID MOVE 1 Trash").await;
    assert!(
        heard[0].starts_with("* OK [COPYUID ") && heard[0].ends_with(" 1 1] Moved"),
        "{heard:?}"
    );
    assert_eq!(heard[1..], ["* 1 EXPUNGE", "OK Done"]);
    assert!(desk.end("COPY 1 Gone").await.starts_with("NO [TRYCREATE]"));
    desk.say("STORE 1:2 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(desk.say("UID EXPUNGE 3").await, ["* 2 EXPUNGE", "OK Done"]);
    assert_eq!(desk.say("EXPUNGE").await, ["* 1 EXPUNGE", "OK Done"]);
    assert_eq!(
        desk.say("STATUS Archive (MESSAGES)").await[0],
        "* STATUS \"Archive\" (MESSAGES 2)"
    );
    // With QRESYNC by their UIDs.
    desk.say("ENABLE QRESYNC").await;
    desk.say("select Archive").await;
    house
        .desk()
        .append("Archive", &["\\Deleted"], &mail("four"))
        .await;
    // What has just come is told first, and goes with the next.
    assert_eq!(desk.say("EXPUNGE").await, ["* 3 EXISTS", "OK Done"]);
    let heard = desk.say("EXPUNGE").await;
    assert_eq!(heard[0], "* VANISHED 3");
    assert!(heard[1].starts_with("OK [HIGHESTMODSEQ "), "{heard:?}");
    // RFC 6851 §4.4
    let heard = desk.say("MOVE 1:2 Trash").await;
    let last = desk.0.selected.as_ref().unwrap().view.told();
    let done = format!("OK [HIGHESTMODSEQ {last}] Done");
    assert_eq!(heard[1..], ["* VANISHED 1:2", &done]);
    assert_eq!(desk.say("UID MOVE 1:2 Trash").await, ["OK Done"]);
}

#[tokio::test]
async fn a_message_is_appended_or_refused_for_a_reason() {
    let house = House::new().await;
    let mut desk = house.desk();
    desk.say("select INBOX").await;
    assert!(
        desk.append("INBOX", &["\\Seen", "x"], &mail("a"))
            .await
            .starts_with("OK [APPENDUID ")
    );
    assert_eq!(
        desk.say("FETCH 1 FLAGS").await[0],
        r"* 1 FETCH (FLAGS (\Seen x))"
    );
    for (folder, flags, message, answer) in [
        ("Gone", &[][..], "x", "a NO [TRYCREATE]"),
        ("INBOX", &["\\Recent"], "x", "a BAD"),
        ("INBOX", &[], "x\0y", "a BAD"),
        ("INBOX", &[], &"x".repeat(100_000), "a NO [OVERQUOTA]"),
    ] {
        let heard = desk.append(folder, flags, message).await;
        assert!(heard.starts_with(answer), "{heard}");
    }
    assert!(
        desk.0.append.is_some()
            && desk.say("STATUS INBOX (MESSAGES)").await[0].contains("MESSAGES 1")
    );
}

#[tokio::test]
async fn what_has_no_room_is_copied_wholly_or_not_at_all() {
    let house = House::new().await;
    let mut desk = house.desk();
    for _ in 0..6 {
        let heard = desk.append("INBOX", &[], &"x".repeat(8_397)).await;
        assert!(heard.starts_with("OK"), "{heard}");
    }
    desk.say("select INBOX").await;
    let heard = desk.end("COPY 1:6 Archive").await;
    assert!(heard.starts_with("NO [OVERQUOTA]"), "{heard}");
    let there = "STATUS Archive (MESSAGES)";
    assert_eq!(
        desk.say(there).await[0],
        "* STATUS \"Archive\" (MESSAGES 0)"
    );
    // What is moved is there once.
    let heard = desk.end("MOVE 6 Archive").await;
    assert!(heard.starts_with("OK"), "{heard}");
    let heard = desk.end("COPY 1:5 Archive").await;
    assert!(heard.starts_with("OK [COPYUID"), "{heard}");
    let heard = desk.end("MOVE 1:5 Trash").await;
    assert!(heard.starts_with("OK"), "{heard}");
    assert_eq!(
        desk.say(there).await[0],
        "* STATUS \"Archive\" (MESSAGES 6)"
    );
    // 97,999 of 100,000 octets are taken, with what is written of each: each of these would fit alone.
    let several = desk
        .append_all("Archive", &["x".repeat(600), "y".repeat(600)])
        .await;
    assert!(several.starts_with("a NO [OVERQUOTA]"), "{several}");
    assert_eq!(
        desk.say(there).await[0],
        "* STATUS \"Archive\" (MESSAGES 6)"
    );
    let several = desk
        .append_all("Archive", &["x".repeat(400), "y".repeat(400)])
        .await;
    assert!(several.starts_with("OK [APPENDUID"), "{several}");
}

#[tokio::test]
async fn parts_are_read_and_what_was_read_is_marked() {
    let house = House::new().await;
    let mut desk = with_three(&house).await;
    let whole = mail("one");
    assert_eq!(
        desk.say("FETCH 1 (BODY.PEEK[] RFC822.HEADER BODY.PEEK[HEADER.FIELDS (Subject X)] BODY.PEEK[2] BODY.PEEK[]<5.4>)")
            .await
            .join("\r\n"),
        format!(
            "* 1 FETCH (BODY[] {{{}}}\r\n{whole} RFC822.HEADER {{{}}}\r\n{} BODY[HEADER.FIELDS (Subject X)] {{16}}\r\n\
             Subject: one\r\n\r\n BODY[2] NIL BODY[]<5> {{4}}\r\n Ann)\r\nOK Done",
            whole.len(),
            whole.len() - 8,
            &whole[..whole.len() - 8]
        )
    );
    assert_eq!(desk.say("FETCH 1 FLAGS").await[0], "* 1 FETCH (FLAGS ())");
    let heard = desk.say("FETCH 1 (BODY[TEXT])").await.join("\r\n");
    assert_eq!(
        heard,
        "* 1 FETCH (BODY[TEXT] {8}\r\nHello.\r\n FLAGS (\\Seen))\r\nOK Done"
    );
    let heard = desk
        .say("UID FETCH 1:2 (BINARY[1] BINARY.SIZE[1])")
        .await
        .join("\r\n");
    assert!(
        heard.starts_with(
            "* 1 FETCH (UID 1 BINARY[1] ~{8}\r\nHello.\r\n BINARY.SIZE[1] 8)\r\n* 2 FETCH"
        ),
        "{heard}"
    );
    assert!(
        heard.contains("BINARY.SIZE[1] 8 FLAGS (\\Seen))"),
        "{heard}"
    );
    desk.append("INBOX", &[], "Content-Transfer-Encoding: x-odd\r\n\r\nx")
        .await;
    let heard = desk.say("FETCH 4 BINARY.PEEK[1]").await;
    assert!(heard[1].starts_with("NO [UNKNOWN-CTE]"), "{heard:?}");
}

#[tokio::test]
async fn messages_are_found_and_remembered() {
    let house = House::new().await;
    let mut desk = with_three(&house).await;
    desk.say("STORE 2 +FLAGS.SILENT (\\Seen)").await;
    desk.say("ENABLE CONDSTORE").await;
    for (command, answer) in [
        ("SEARCH ALL", "* SEARCH 1 2 3"),
        ("UID SEARCH UNSEEN SUBJECT T", "* SEARCH 3"),
        ("SEARCH TEXT nothing", "* SEARCH"),
        ("SEARCH MODSEQ 5", "* SEARCH 2 (MODSEQ 5)"),
        (
            "SEARCH RETURN (MIN MAX COUNT) ALL",
            "* ESEARCH (TAG \"a\") MIN 1 MAX 3 COUNT 3",
        ),
        (
            "UID SEARCH RETURN (ALL) NOT 2",
            "* ESEARCH (TAG \"a\") UID ALL 1,3",
        ),
        ("SEARCH RETURN (COUNT) NEW", "* ESEARCH (TAG \"a\") COUNT 0"),
        ("SEARCH RETURN () FROM nobody", "* ESEARCH (TAG \"a\")"),
        ("SEARCH YOUNGER 60", "* SEARCH 1 2 3"),
    ] {
        assert_eq!(desk.say(command).await, [answer, "OK Done"], "{command}");
    }
    assert_eq!(desk.say("SEARCH RETURN (SAVE) UNSEEN").await, ["OK Done"]);
    assert_eq!(
        desk.say("FETCH $ UID").await,
        ["* 1 FETCH (UID 1)", "* 3 FETCH (UID 3)", "OK Done"]
    );
    assert_eq!(desk.say("SEARCH SEEN $").await[0], "* SEARCH");
    desk.say("SEARCH RETURN (SAVE MAX) ALL").await;
    desk.say("UID STORE $ +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(desk.say("UID EXPUNGE $").await, ["* 3 EXPUNGE", "OK Done"]);
    assert_eq!(desk.say("FETCH $ UID").await, ["OK Done"]);
    assert!(
        desk.end("SEARCH CHARSET LATIN1 ALL")
            .await
            .starts_with("NO [BADCHARSET (US-ASCII UTF-8)]")
    );
    assert!(desk.end("SEARCH 9").await.starts_with("BAD"));
    desk.say("ENABLE IMAP4rev2").await;
    assert_eq!(
        desk.say("SEARCH ALL").await[0],
        "* ESEARCH (TAG \"a\") ALL 1:2"
    );
}

/// A stranger's mail may have an outline of 80 KiB: it is listed, and not held with 255 others.
#[tokio::test]
async fn a_long_outline_is_read_alone() {
    let house = House::new().await;
    let mut desk = house.desk();
    let fields = "Content-Language: en, cy, gd, ga, kw, fr, de, es, it, pt, nl, da\r\n".repeat(4);
    let parts = format!("--b\r\n{fields}\r\nx\r\n").repeat(30);
    let long = format!(
        "Subject: long\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n"
    );
    for mail in [&*mail("one"), &long, &mail("three")] {
        let heard = desk.append("INBOX", &[], mail).await;
        assert!(heard.starts_with("OK"), "{heard}");
    }
    desk.say("select INBOX").await;
    let heard = desk.say("FETCH 1:* (ENVELOPE BODYSTRUCTURE)").await;
    assert_eq!(heard.len(), 4);
    assert!(
        heard[1].contains("\"long\"") && heard[1].contains("\"MIXED\""),
        "{}",
        heard[1]
    );
    let heard = desk.say("FETCH 2 BODY[HEADER.FIELDS (SUBJECT)]").await;
    assert!(heard.concat().contains("Subject: long"), "{heard:?}");
    assert_eq!(desk.end("SEARCH HEADER Subject long").await, "OK Done");
    let boxes = &house.mailboxes;
    let inbox = boxes.folders(house.mailbox).await.unwrap()[0].id;
    let entries = boxes.entries(inbox, &Uids::all()).await.unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| entry.message).collect();
    assert_eq!(boxes.outlines(&ids).await.unwrap().len(), 2);
    let outline = boxes.outline(ids[1]).await.unwrap().unwrap();
    assert!(outline.to_bytes().len() > 6_000);
    assert_eq!(outline.root.parts.len(), 30);
}

/// Who can't write can still read.
#[tokio::test]
async fn mail_is_read_though_nothing_can_be_written() {
    let house = House::new().await;
    let mut desk = with_three(&house).await;
    crate::store::testing::delete_outlines(&house.files()).await;
    crate::store::testing::refuse_entries(&house.files()).await;
    assert_eq!(
        desk.say("FETCH 1 BODY[TEXT]").await,
        ["* 1 FETCH (BODY[TEXT] {8}", "Hello.", ")", "OK Done"]
    );
    let heard = desk.say("UID FETCH 1:* ENVELOPE").await;
    assert_eq!(heard.len(), 4, "{heard:?}");
    let heard = desk.end("STORE 1 +FLAGS (\\Seen)").await;
    assert!(heard.starts_with("NO [UNAVAILABLE]"), "{heard}");
}

/// Else a program would take it for gone, and forget it.
#[tokio::test]
async fn a_damaged_message_is_not_said_to_be_gone() {
    let house = House::new().await;
    let mut desk = with_three(&house).await;
    crate::store::testing::delete_outlines(&house.files()).await;
    crate::store::testing::spoil_first_chunks(&house.files()).await;
    for command in [
        "FETCH 1 ENVELOPE",
        "UID FETCH 1 ENVELOPE",
        "FETCH 1:3 BODY[TEXT]",
    ] {
        let heard = desk.end(command).await;
        assert!(heard.starts_with("NO [CORRUPTION]"), "{command}: {heard}");
    }
    // Nor to have been read.
    assert_eq!(desk.say("FETCH 1 FLAGS").await[0], "* 1 FETCH (FLAGS ())");
    assert_eq!(desk.end("UID FETCH 7 ENVELOPE").await, "OK Done");
}

/// To as many people as a large meeting has: nobody is left out of an answer to all.
#[tokio::test]
async fn an_envelope_has_fields_that_are_too_long_to_be_kept() {
    let house = House::new().await;
    let mut desk = house.desk();
    desk.0.account.room.set(1 << 20);
    let people: Vec<_> = (0..800)
        .map(|number| format!("member{number}@party.example"))
        .collect();
    let message = format!(
        "From: ann@elsewhere.example\r\nTo: {}\r\nCc: ben@party.example\r\nX-Pad: {}\r\n\r\nx\r\n",
        people.join(",\r\n "),
        "y".repeat(100_000)
    );
    desk.append("INBOX", &[], &message).await;
    desk.say("select INBOX").await;
    let heard = desk.say("FETCH 1 ENVELOPE").await[0].clone();
    assert_eq!(heard.matches("\"member").count(), 800);
    assert!(
        heard.contains("((NIL NIL \"ben\" \"party.example\"))"),
        "{heard:.80}"
    );
}

/// RFC 7162 §3.2.4
#[tokio::test]
async fn whoever_asked_for_changes_hears_uid_and_change_of_what_is_read() {
    for enabled in ["QRESYNC", "CONDSTORE"] {
        let house = House::new().await;
        let mut desk = with_three(&house).await;
        desk.say(&format!("ENABLE {enabled}")).await;
        let heard = desk.say("FETCH 1 BODY[TEXT]").await.join("\r\n");
        assert_eq!(
            heard,
            "* 1 FETCH (BODY[TEXT] {8}\r\nHello.\r\n FLAGS (\\Seen) MODSEQ (5) UID 1)\r\nOK Done",
            "{enabled}"
        );
    }
}

/// Short ones are read beside their entries, longer ones chunk by chunk; and some places in between are empty.
#[tokio::test]
async fn messages_of_all_lengths_are_read_whole() {
    let house = House::new().await;
    let mut desk = house.desk();
    let mails: Vec<String> = (0..30_usize)
        .map(|n| {
            // One is longer than a chunk; together they don't fill the mailbox.
            let lines = if n == 8 { 1_330 } else { n % 3 };
            mail(&format!("number {n}"))
                + &format!("line of mail {n:02} and more of that; ends here soon\r\n").repeat(lines)
        })
        .collect();
    for mail in &mails {
        let kept = desk.append("INBOX", &[], mail).await;
        assert!(kept.starts_with("OK "), "{kept}");
    }
    desk.say("select INBOX").await;
    let marked = desk.say("STORE 3,4,20:25 +FLAGS (\\Deleted)").await;
    assert_eq!(marked.len(), 9, "{marked:?}");
    let left = desk.say("EXPUNGE").await;
    assert_eq!(left.len(), 9, "{left:?}");
    let gone = [2, 3, 19, 20, 21, 22, 23, 24];
    let left = (0..mails.len()).filter(|n| !gone.contains(n));
    let mut expected = Vec::new();
    for (place, n) in left.enumerate() {
        let (number, uid, mail) = (place + 1, n + 1, &mails[n]);
        let all = format!(
            "* {number} FETCH (UID {uid} BODY[] {{{}}}\r\n{mail} BODY[]<8> {{12}}\r\n{})\r\n",
            mail.len(),
            &mail[8..20],
        );
        expected.extend(lines(all.as_bytes()));
    }
    expected.push("OK Done".to_owned());
    let heard = desk
        .say("UID FETCH 1:* (BODY.PEEK[] BODY.PEEK[]<8.12>)")
        .await;
    let differs = heard
        .iter()
        .zip(&expected)
        .find(|(one, other)| one != other);
    assert_eq!((differs, heard.len()), (None, expected.len()));
}

/// What is moved is done piece by piece: a client hears where those are that were moved before it could not go on.
#[tokio::test]
async fn what_was_moved_before_it_failed_is_told() {
    let house = House::new().await;
    let boxes = &house.mailboxes;
    let inbox = boxes.folders(house.mailbox).await.unwrap().remove(0);
    let mut all = Vec::new();
    for _ in 0..1_001 {
        all.push(Appended {
            body: boxes.begin().await.unwrap().finish(),
            outline: None,
            marks: Marks::default(),
            received_at: None,
        });
    }
    boxes.append_all(&inbox, all, u64::MAX).await.unwrap();
    crate::store::testing::refuse_entries_from(&house.files(), 1_001).await;
    let mut desk = house.desk();
    desk.0.account.room.set(1 << 30);
    desk.say("ENABLE QRESYNC").await;
    desk.say("select INBOX").await;
    let heard = desk.say("MOVE 1:* Archive").await;
    assert!(
        heard[0].starts_with("* OK [COPYUID ") && heard[0].ends_with(" 1:1000 1:1000] Moved"),
        "{heard:?}"
    );
    assert_eq!(heard[1], "* VANISHED 1:1000");
    assert!(heard[2].starts_with("NO [UNAVAILABLE]"), "{heard:?}");
}
