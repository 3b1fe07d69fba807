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
        ("CREATE x/../y", "NO [CANNOT]"),
        ("CREATE ./", "NO [CANNOT]"),
        ("CREATE \" x\"", "NO [CANNOT]"),
        ("RENAME Work ..", "NO [CANNOT]"),
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

/// What stands in INBOX goes, INBOX itself stays (RFC 9051 §6.3.6).
#[tokio::test]
async fn inbox_renamed_is_emptied() {
    let house = House::new().await;
    let mut desk = house.desk();
    for subject in ["one", "two"] {
        desk.append("INBOX", &["\\Seen"], &mail(subject)).await;
    }
    assert_eq!(desk.end("RENAME inbox 2026/Old").await, "OK Done");
    assert_eq!(
        desk.say("STATUS INBOX (MESSAGES UIDNEXT)").await[0],
        r#"* STATUS "INBOX" (MESSAGES 0 UIDNEXT 3)"#
    );
    assert_eq!(
        desk.say("STATUS 2026/Old (MESSAGES UNSEEN)").await[0],
        r#"* STATUS "2026/Old" (MESSAGES 2 UNSEEN 0)"#
    );
    let again = desk.end("RENAME INBOX 2026/Old").await;
    assert!(again.starts_with("NO [ALREADYEXISTS]"), "{again}");
}

/// Each word that is said of what there is, and what it stands for.
const OFFERED: [(&str, &[&str]); 26] = [
    (
        "IMAP4rev1",
        &["CHECK", "LSUB \"\" *", "FETCH 1 RFC822.HEADER"],
    ),
    ("IMAP4rev2", &["ENABLE IMAP4rev2", "SEARCH ALL"]),
    // These two are of lines: the sessions' tests say them.
    ("SASL-IR", &[]),
    ("LITERAL+", &[]),
    ("ID", &["ID NIL", "ID (\"name\" \"x\")"]),
    ("ENABLE", &["ENABLE X-NOTHING"]),
    ("NAMESPACE", &["NAMESPACE"]),
    ("UNSELECT", &["UNSELECT", "select INBOX"]),
    ("CHILDREN", &["LIST \"\" * RETURN (CHILDREN)"]),
    ("IDLE", &["IDLE"]),
    ("UIDPLUS", &["UID EXPUNGE 9"]),
    ("MOVE", &["MOVE 3 Trash", "UID MOVE 9 Trash"]),
    (
        "LIST-EXTENDED",
        &["LIST (SUBSCRIBED) \"\" (INBOX Sent) RETURN (SUBSCRIBED)"],
    ),
    ("LIST-STATUS", &["LIST \"\" * RETURN (STATUS (MESSAGES))"]),
    (
        "SPECIAL-USE",
        &[
            "LIST (SPECIAL-USE) \"\" *",
            "LIST \"\" * RETURN (SPECIAL-USE)",
        ],
    ),
    ("STATUS=SIZE", &["STATUS INBOX (SIZE)"]),
    (
        "CONDSTORE",
        &[
            "select INBOX (CONDSTORE)",
            "FETCH 1 FLAGS (CHANGEDSINCE 1)",
            "STORE 1 (UNCHANGEDSINCE 999) +FLAGS (x)",
            "SEARCH MODSEQ 1",
            "STATUS Sent (HIGHESTMODSEQ)",
        ],
    ),
    (
        "QRESYNC",
        &[
            "ENABLE QRESYNC",
            "UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)",
            "select INBOX (QRESYNC (1 1))",
        ],
    ),
    ("ESEARCH", &["SEARCH RETURN (MIN MAX COUNT ALL) ALL"]),
    (
        "SEARCHRES",
        &["SEARCH RETURN (SAVE) ALL", "FETCH $ UID", "SEARCH $"],
    ),
    ("WITHIN", &["SEARCH YOUNGER 60", "SEARCH OLDER 60"]),
    ("BINARY", &["FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1])"]),
    // Said at the real door, for it is no command of one line.
    ("MULTIAPPEND", &[]),
    ("QUOTA", &["GETQUOTA \"\"", "GETQUOTAROOT INBOX"]),
    ("QUOTA=RES-STORAGE", &["GETQUOTA \"\""]),
    ("APPENDLIMIT", &["STATUS INBOX (APPENDLIMIT)"]),
];

#[tokio::test]
async fn what_is_offered_is_there() {
    let house = House::new().await;
    let mut desk = house.desk();
    for subject in ["one", "two", "three"] {
        desk.append("INBOX", &[], &mail(subject)).await;
    }
    desk.say("select INBOX").await;
    let offered = crate::imap::session::capabilities_after(10_000);
    let words: Vec<&str> = offered.split_whitespace().collect();
    let names = words
        .iter()
        .map(|word| word.strip_suffix("=10000").unwrap_or(word));
    let known: Vec<&str> = OFFERED.iter().map(|(word, _)| *word).collect();
    assert_eq!(names.collect::<Vec<_>>(), known, "each is in the table");
    for (word, commands) in OFFERED {
        for command in commands {
            let heard = desk.end(command).await;
            let done = ["OK", "+ Idling"];
            let is_done = done.iter().any(|done| heard.starts_with(done));
            assert!(is_done, "{word}: {command}: {heard}");
        }
    }
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
        status[1],
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

#[tokio::test]
async fn names_are_known_in_every_way_of_writing() {
    let house = House::new().await;
    let mut desk = house.desk();
    desk.say("ENABLE IMAP4rev2").await;
    desk.say("CREATE \"Cafe\u{301}\"").await;
    let heard = desk.say("LIST \"\" \"Cafe\u{301}\"").await;
    assert_eq!(heard[0], "* LIST (\\HasNoChildren) \"/\" \"Caf\u{e9}\"");
}

/// What is refused leaves nothing behind.
#[tokio::test]
async fn no_parents_are_made_for_what_is_refused() {
    let house = House::new().await;
    let mut desk = house.desk();
    for command in ["CREATE a/b", "DELETE a", "CREATE x"] {
        assert_eq!(desk.end(command).await, "OK Done");
    }
    for command in [
        "RENAME Drafts new/Drafts",
        "RENAME x a/b",
        "CREATE a/b",
        "RENAME x x/y/z",
    ] {
        let heard = desk.end(command).await;
        assert!(heard.starts_with("NO ["), "{command}: {heard}");
    }
    let heard = desk.say("LIST \"\" (a new x/y)").await;
    assert_eq!(
        heard,
        [r#"* LIST (\NonExistent \HasChildren) "/" "a""#, "OK Done"]
    );
}

#[tokio::test]
async fn the_size_that_is_taken_is_told_by_status() {
    let house = House::new().await;
    let mut desk = house.desk();
    assert_eq!(
        desk.say("STATUS inbox (MESSAGES APPENDLIMIT)").await[0],
        "* STATUS \"INBOX\" (MESSAGES 0 APPENDLIMIT 10000)"
    );
    assert_eq!(
        desk.say("LIST \"\" INBOX RETURN (STATUS (APPENDLIMIT))")
            .await[1],
        "* STATUS \"INBOX\" (APPENDLIMIT 10000)"
    );
}

#[tokio::test]
async fn a_folder_says_when_it_takes_no_more_keywords() {
    let house = House::new().await;
    let mut desk = house.desk();
    let all: Vec<String> = (0..64).map(|number| format!("k{number}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    desk.append("INBOX", &all, &mail("a")).await;
    let heard = desk.say("select INBOX").await;
    assert!(heard[1].ends_with(" k9)] These stay"), "{}", heard[1]);
}

/// A name in which folders stand, and which is none: it was deleted, or its folder is.
#[tokio::test]
async fn a_name_that_is_only_a_parent_is_renamed_with_what_stands_in_it() {
    let house = House::new().await;
    let mut desk = house.desk();
    for command in [
        "CREATE a/b/c",
        "CREATE a/d",
        "CREATE z",
        "CREATE taken/b",
        "DELETE a",
        "DELETE taken",
    ] {
        assert_eq!(desk.end(command).await, "OK Done", "{command}");
    }
    desk.append("a/d", &[], &mail("one")).await;
    let heard = desk.end("DELETE a").await;
    assert!(
        heard.starts_with("NO [HASCHILDREN]") && heard.contains("delete or rename these"),
        "{heard}"
    );
    let long = format!("RENAME a {}", "x".repeat(253));
    for (command, answer) in [
        ("RENAME a z", "NO [ALREADYEXISTS]"),
        ("RENAME a a/x", "NO [CANNOT]"),
        ("RENAME a taken", "NO [ALREADYEXISTS]"),
        (long.as_str(), "NO [CANNOT]"),
        ("RENAME b x", "NO [NONEXISTENT]"),
        ("DELETE b", "NO [NONEXISTENT]"),
        ("select a", "NO [NONEXISTENT]"),
        ("RENAME a new/name", "OK Done"),
        ("RENAME a x", "NO [NONEXISTENT]"),
    ] {
        let heard = desk.end(command).await;
        assert!(heard.starts_with(answer), "{command}: {heard}");
    }
    assert_eq!(
        desk.say("LIST \"\" new*").await,
        [
            r#"* LIST (\HasChildren) "/" "new""#,
            r#"* LIST (\HasChildren) "/" "new/name/b""#,
            r#"* LIST (\HasNoChildren) "/" "new/name/b/c""#,
            r#"* LIST (\HasNoChildren) "/" "new/name/d""#,
            r#"* LIST (\Noselect \HasChildren) "/" "new/name""#,
            "OK Done",
        ]
    );
    assert!(
        desk.say("select new/name/d")
            .await
            .contains(&"* 1 EXISTS".to_owned())
    );
    // With the last of them it's gone.
    for command in [
        "DELETE new/name/b/c",
        "DELETE new/name/b",
        "DELETE new/name/d",
    ] {
        assert_eq!(desk.end(command).await, "OK Done", "{command}");
    }
    assert!(
        desk.end("DELETE new/name")
            .await
            .starts_with("NO [NONEXISTENT]")
    );
}
