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
