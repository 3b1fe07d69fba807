//! What is read of messages, and said of them.

use super::*;

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
    let mut desk = with_three(&house).await;
    let size = mail("two").len();
    assert_eq!(
        desk.say("FETCH 2 (FLAGS UID RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE MODSEQ)")
            .await,
        [
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
    assert_eq!(heard, ["OK [MODIFIED 3] Done"]);
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
    assert_eq!(
        desk.say("MOVE 1:2 Trash").await[1..],
        ["* VANISHED 1:2", "OK Done"]
    );
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
