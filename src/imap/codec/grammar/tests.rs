//! What commands mean, and what is refused.

use proptest::prelude::*;

use super::*;

fn read_one(text: &str) -> Read<Command> {
    match read(format!("a1 {text}\r\n").as_bytes()) {
        Ok((tag, command)) => {
            assert_eq!(tag.0, "a1");
            Ok(command)
        }
        Err((tag, syntax)) => {
            assert!(tag.is_some(), "{text}");
            Err(syntax)
        }
    }
}

#[test]
fn commands_are_read_by_whoever_knows_their_grammar() {
    for (text, command) in [
        ("noop", Command::Noop),
        ("Capability", Command::Capability),
        ("ID (\"name\" \"x\")", Command::Id),
        ("ID NIL", Command::Id),
        ("UNSELECT", Command::Unselect),
        ("NAMESPACE", Command::Namespace),
        ("IDLE", Command::Idle),
        (
            "ENABLE QRESYNC IMAP4rev2 X-OTHER",
            Command::Enable(vec![Extension::QResync, Extension::Rev2]),
        ),
        ("UID EXPUNGE $", Command::Expunge(Some(Numbers::Saved))),
        (
            "LOGIN {3}\r\nada \"p\\\"w\"",
            Command::Login {
                user: b"ada".to_vec(),
                password: Zeroizing::new(b"p\"w".to_vec()),
            },
        ),
        (
            "UID COPY $ {5}\r\nTrash",
            Command::Transfer(Transfer {
                numbers: Numbers::Saved,
                uid: true,
                to: RawName(b"Trash".to_vec()),
                moves: false,
            }),
        ),
    ] {
        assert_eq!(read_one(text), Ok(command), "{text}");
    }
}

#[test]
fn a_select_says_what_was_known() {
    let command =
        read_one("select INBOX (QRESYNC (67890007 20050715194045000 41,43:211 (1:3 1:3)))");
    let Command::Select(select) = command.unwrap() else {
        panic!("no select")
    };
    let resync = select.resync.unwrap();
    assert!(select.condstore && !select.read_only);
    assert_eq!(
        (resync.uid_validity, resync.since),
        (67_890_007, ModSeq(20_050_715_194_045_000))
    );
    assert_eq!(resync.known, Some(NumberSet(vec![(41, 41), (43, 211)])));
}

fn labels(text: &str) -> Vec<String> {
    let Command::Fetch(fetch) = read_one(text).unwrap() else {
        panic!("no fetch")
    };
    let label = |item: &FetchItem| match item {
        FetchItem::Body(body) => body.label.clone(),
        other => format!("{other:?}"),
    };
    fetch.items.iter().map(label).collect()
}

#[test]
fn what_is_fetched_is_told_by_its_name() {
    assert_eq!(
        labels(
            "FETCH 1:* (BODY.PEEK[1.2.HEADER.FIELDS (From \"X-Y\")]<10.20> BODY[] RFC822.TEXT BINARY.SIZE[2] BODY[3.MIME])"
        ),
        [
            "BODY[1.2.HEADER.FIELDS (From X-Y)]<10>",
            "BODY[]",
            "RFC822.TEXT",
            "BINARY.SIZE[2]",
            "BODY[3.MIME]"
        ]
    );
    // What an answer repeats of a question can't end it.
    assert_eq!(
        labels(r#"FETCH 1 BODY[HEADER.FIELDS ("a)b" "c\"d\\")]"#),
        [r#"BODY[HEADER.FIELDS ("a)b" "c\"d\\")]"#]
    );
    assert_eq!(labels("FETCH $ FAST"), ["Flags", "InternalDate", "Size"]);
    assert_eq!(labels("FETCH 1 (UID UID)"), ["Uid"]);
}

#[test]
fn what_is_no_command_is_told_so() {
    for bad in [
        "",
        "x",
        "noop x",
        "FETCH 1 ()",
        "FETCH 0 FLAGS",
        "FETCH $$ FLAGS",
        "STATUS a ()",
        "FETCH 1 FLAGS (VANISHED)",
        "STARTTLS",
        "SORT (DATE) UTF-8 ALL",
        "login a",
        "COMPRESS DEFLATE",
        "SETQUOTA \"\" (STORAGE 512)",
        "GETQUOTA",
        "store 1 FLAGS",
    ] {
        assert!(read_one(bad).is_err(), "{bad}");
    }
    assert!(matches!(read(b"\r\n"), Err((None, _))));
    assert!(matches!(read(b"+a noop\r\n"), Err((None, _))));
}

proptest! {
    #[test]
    fn anything_can_be_read(text in "[a-z]{1,2} (fetch|uid|store|list|search|status|create|copy|login|enable|select|id) [ -~]{0,60}\r\n") {
        let _ = read(text.as_bytes());
    }

    #[test]
    fn any_octets_can_be_read(octets: Vec<u8>) {
        let _ = read(&octets);
    }
}

/// Programs fall back to UTF-8 only if they are told that the charset is what's wrong.
#[test]
fn a_text_in_an_unknown_charset_is_for_the_desk_to_refuse() {
    let read = |charset: &str| {
        let line = format!("a SEARCH CHARSET {charset} SUBJECT ").into_bytes();
        super::read(&[&line[..], b"\"\xfc\"\r\n"].concat())
    };
    assert!(matches!(read("LATIN1"), Ok((_, Command::Search(search))) if !search.charset));
    assert!(read("UTF-8").is_err());
}
