//! Folders as a whole.

use super::*;

#[tokio::test]
async fn every_mailbox_has_its_special_folders() {
    let house = House::new().await;
    let mut desk = house.desk();
    let heard = desk.say("LIST \"\" *").await;
    assert_eq!(
        heard,
        [
            r#"* LIST (\HasNoChildren) "/" "INBOX""#,
            r#"* LIST (\HasNoChildren \Drafts) "/" "Drafts""#,
            r#"* LIST (\HasNoChildren \Sent) "/" "Sent""#,
            r#"* LIST (\HasNoChildren \Junk) "/" "Junk""#,
            r#"* LIST (\HasNoChildren \Trash) "/" "Trash""#,
            r#"* LIST (\HasNoChildren \Archive) "/" "Archive""#,
            r#"* LIST (\HasNoChildren) "/" "Unconfirmed""#,
            "OK Done",
        ]
    );
    assert_eq!(
        desk.say("LIST \"\" \"\"").await[0],
        r#"* LIST (\Noselect) "/" """#
    );
    assert_eq!(
        desk.say("NAMESPACE").await[0],
        r#"* NAMESPACE (("" "/")) NIL NIL"#
    );
    assert_eq!(desk.say("LIST (SPECIAL-USE) \"\" *").await.len(), 6);
}

#[tokio::test]
async fn folders_are_made_named_and_removed() {
    let house = House::new().await;
    let mut desk = house.desk();
    assert_eq!(desk.end("CREATE Work/2026/Leeds/").await, "OK Done");
    assert_eq!(
        desk.say("LIST \"\" Work*").await,
        [
            r#"* LIST (\HasChildren) "/" "Work""#,
            r#"* LIST (\HasChildren) "/" "Work/2026""#,
            r#"* LIST (\HasNoChildren) "/" "Work/2026/Leeds""#,
            "OK Done",
        ]
    );
    for (command, answer) in [
        ("CREATE Work", "NO [ALREADYEXISTS]"),
        ("CREATE inbox", "NO [ALREADYEXISTS]"),
        ("CREATE x (USE (\\Sent))", "NO [USEATTR]"),
        ("CREATE \"a//b\"", "NO [CANNOT]"),
        ("CREATE \"&AA\"", "NO [CANNOT]"),
        ("DELETE Sent", "NO [CANNOT]"),
        ("DELETE Gone", "NO [NONEXISTENT]"),
        ("RENAME Gone x", "NO [NONEXISTENT]"),
        ("RENAME Work Work/x", "NO [CANNOT]"),
        ("RENAME Work Sent", "NO [ALREADYEXISTS]"),
        ("STATUS Gone (MESSAGES)", "NO [NONEXISTENT]"),
        ("SUBSCRIBE Gone", "NO [NONEXISTENT]"),
        ("RENAME Work &ANY-ffice", "OK"),
        ("DELETE &ANY-ffice/2026", "OK"),
    ] {
        let heard = desk.end(command).await;
        assert!(heard.starts_with(answer), "{command}: {heard}");
    }
    // What only others stand in is shown, and can't be opened.
    assert_eq!(
        desk.say("LIST \"\" &ANY-*").await,
        [
            r#"* LIST (\HasChildren) "/" "&ANY-ffice""#,
            r#"* LIST (\HasNoChildren) "/" "&ANY-ffice/2026/Leeds""#,
            r#"* LIST (\Noselect \HasChildren) "/" "&ANY-ffice/2026""#,
            "OK Done",
        ]
    );
    assert!(
        desk.end("select &ANY-ffice/2026")
            .await
            .starts_with("NO [NONEXISTENT]")
    );
    desk.say("ENABLE IMAP4rev2").await;
    assert_eq!(
        desk.say("LIST \"\" \"\u{d6}ffice/%\"").await,
        [
            "* LIST (\\NonExistent \\HasChildren) \"/\" \"\u{d6}ffice/2026\"",
            "OK Done"
        ]
    );
}

#[tokio::test]
async fn what_was_subscribed_to_is_told() {
    let house = House::new().await;
    let mut desk = house.desk();
    for command in ["CREATE a/b", "UNSUBSCRIBE a", "UNSUBSCRIBE Junk"] {
        assert_eq!(desk.end(command).await, "OK Done");
    }
    let heard = desk.say("LSUB \"\" *").await.join("\n");
    assert!(
        heard.contains("\"a/b\"") && !heard.contains("\"a\"") && !heard.contains("Junk"),
        "{heard}"
    );
    assert_eq!(
        desk.say("LSUB \"\" a%").await,
        [r#"* LSUB (\Noselect) "/" "a""#, "OK Done"]
    );
    assert_eq!(desk.say("LIST (SUBSCRIBED) \"\" a").await, ["OK Done"]);
    assert_eq!(
        desk.say("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" a").await,
        [
            r#"* LIST (\HasChildren) "/" "a" ("CHILDINFO" ("SUBSCRIBED"))"#,
            "OK Done"
        ]
    );
    assert_eq!(
        desk.say("LIST \"\" (a Junk) RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN))")
            .await,
        [
            r#"* LIST (\HasNoChildren \Junk) "/" "Junk""#,
            "* STATUS \"Junk\" (MESSAGES 0 UNSEEN 0)",
            r#"* LIST (\HasChildren) "/" "a""#,
            "* STATUS \"a\" (MESSAGES 0 UNSEEN 0)",
            "OK Done",
        ]
    );
}

#[tokio::test]
async fn a_folder_is_opened_and_left() {
    let house = House::new().await;
    let mut desk = house.desk();
    for (flags, subject) in [(&["\\Seen", "work"][..], "one"), (&["\\Deleted"], "two")] {
        let heard = desk.append("INBOX", flags, &mail(subject)).await;
        assert!(heard.starts_with("OK [APPENDUID "), "{heard}");
    }
    let heard = desk.say("select inbox").await;
    let validity = heard
        .iter()
        .find(|line| line.contains("UIDVALIDITY"))
        .unwrap();
    assert_eq!(
        heard[0],
        r"* FLAGS (\Answered \Flagged \Deleted \Seen \Draft work)"
    );
    assert_eq!(
        heard[1],
        r"* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft work \*)] These stay"
    );
    assert_eq!(
        heard[2..5],
        [
            "* 2 EXISTS",
            "* 0 RECENT",
            "* OK [UNSEEN 2] The first unread"
        ]
    );
    assert_eq!(
        heard[6..],
        [
            "* OK [UIDNEXT 3] The next",
            "* OK [HIGHESTMODSEQ 3] The last change",
            "OK [READ-WRITE] Done"
        ]
    );
    let status = desk
        .say("STATUS INBOX (MESSAGES UIDNEXT UNSEEN DELETED SIZE HIGHESTMODSEQ)")
        .await;
    let size = mail("one").len() * 2;
    assert_eq!(
        status[0],
        format!(
            "* STATUS \"INBOX\" (MESSAGES 2 UIDNEXT 3 UNSEEN 1 DELETED 1 SIZE {size} HIGHESTMODSEQ 3)"
        )
    );
    // Opened to be read, nothing can be changed.
    let heard = desk.say("EXAMINE INBOX").await;
    assert_eq!(heard[0], "* OK [CLOSED] The other folder is left");
    assert!(
        heard.contains(validity)
            && heard.contains(&"* OK [PERMANENTFLAGS ()] These stay".to_owned())
    );
    for command in ["STORE 1 FLAGS ()", "EXPUNGE", "MOVE 1 Trash"] {
        assert!(
            desk.end(command).await.starts_with("NO [READ-ONLY]"),
            "{command}"
        );
    }
    assert_eq!(desk.end("CLOSE").await, "OK Done");
    for command in [
        "CLOSE",
        "UNSELECT",
        "FETCH 1 FLAGS",
        "EXPUNGE",
        "COPY 1 Trash",
    ] {
        assert!(
            desk.end(command).await.starts_with("BAD No folder"),
            "{command}"
        );
    }
    desk.say("select INBOX").await;
    assert_eq!(desk.end("CLOSE").await, "OK Done");
    assert_eq!(
        desk.say("STATUS INBOX (MESSAGES)").await[0],
        "* STATUS \"INBOX\" (MESSAGES 1)"
    );
    assert!(
        desk.end("select Gone")
            .await
            .starts_with("NO [NONEXISTENT]")
    );
    // A folder that is removed while it is open is left.
    desk.say("CREATE x").await;
    desk.say("select x").await;
    assert_eq!(
        desk.say("DELETE x").await,
        ["* OK [CLOSED] The folder is gone", "OK Done"]
    );
}
