//! LIST in all its forms (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154), STATUS (RFC 7889 and RFC 9208 have items for it), and CREATE with
//! a use: imap-codec knows the plain ones alone.

use super::cursor::{Cursor, Read, Syntax};
use crate::imap::command::{Command, List, RawName, StatusItem};

/// More patterns than this are nobody's.
const MOST_PATTERNS: usize = 50;
/// And more of what STATUS tells.
const MOST_ITEMS: usize = 20;

/// What stands behind `LIST`.
pub(super) fn list(cursor: &mut Cursor<'_>) -> Read<Command> {
    let mut list = List::default();
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        words(cursor, |word, _| select_option(&mut list, word))?;
        cursor.space()?;
    }
    list.reference = cursor.astring()?.into_owned();
    cursor.space()?;
    if cursor.eat(b'(') {
        list.extended = true;
        loop {
            list.patterns.push(cursor.pattern()?.into_owned());
            if cursor.eat(b')') {
                break;
            }
            cursor.space()?;
            if list.patterns.len() >= MOST_PATTERNS {
                return Err(Syntax("There are too many patterns"));
            }
        }
    } else {
        list.patterns.push(cursor.pattern()?.into_owned());
    }
    if cursor.eat(b' ') {
        if !cursor.eat_word("RETURN") {
            return Err(Syntax("RETURN was expected"));
        }
        list.extended = true;
        cursor.space()?;
        words(cursor, |word, cursor| {
            return_option(&mut list, word, cursor)
        })?;
    }
    cursor.end()?;
    if list.recursive && !list.only_subscribed && !list.only_special {
        return Err(Syntax("RECURSIVEMATCH stands beside another option"));
    }
    Ok(Command::List(list))
}

/// Words in parentheses.
fn words<'c>(
    cursor: &mut Cursor<'c>,
    mut each: impl FnMut(&'c str, &mut Cursor<'c>) -> Read<()>,
) -> Read<()> {
    cursor.expect(b'(', "Options stand in parentheses")?;
    let mut first = true;
    while !cursor.eat(b')') {
        if !std::mem::take(&mut first) {
            cursor.space()?;
        }
        let word = cursor.word()?;
        each(word, cursor)?;
    }
    Ok(())
}

fn select_option(list: &mut List, word: &str) -> Read<()> {
    match word.to_ascii_uppercase().as_str() {
        "SUBSCRIBED" => list.only_subscribed = true,
        "SPECIAL-USE" => list.only_special = true,
        "RECURSIVEMATCH" => list.recursive = true,
        // There are none elsewhere.
        "REMOTE" => {}
        _ => return Err(Syntax("This selection option isn't known")),
    }
    // What was selected by is told (RFC 5258 §3.1).
    list.tell_subscribed |= list.only_subscribed;
    Ok(())
}

fn return_option<'c>(list: &mut List, word: &str, cursor: &mut Cursor<'c>) -> Read<()> {
    match word.to_ascii_uppercase().as_str() {
        "SUBSCRIBED" => list.tell_subscribed = true,
        // These are always told.
        "CHILDREN" | "SPECIAL-USE" => {}
        "STATUS" => {
            cursor.space()?;
            list.status = status_items(cursor)?;
        }
        _ => return Err(Syntax("This return option isn't known")),
    }
    Ok(())
}

/// What stands behind `STATUS`.
pub(super) fn status(cursor: &mut Cursor<'_>) -> Read<Command> {
    cursor.space()?;
    let name = RawName(cursor.astring()?.into_owned());
    cursor.space()?;
    let items = status_items(cursor)?;
    cursor.end()?;
    Ok(Command::Status { name, items })
}

fn status_items(cursor: &mut Cursor<'_>) -> Read<Vec<StatusItem>> {
    let mut items = Vec::new();
    words(cursor, |word, _| {
        items.push(status_item(word)?);
        Ok(())
    })?;
    if items.is_empty() || items.len() > MOST_ITEMS {
        return Err(Syntax("STATUS is asked for something"));
    }
    Ok(items)
}

fn status_item(word: &str) -> Read<StatusItem> {
    match word.to_ascii_uppercase().as_str() {
        "MESSAGES" => Ok(StatusItem::Messages),
        "RECENT" => Ok(StatusItem::Recent),
        "UIDNEXT" => Ok(StatusItem::UidNext),
        "UIDVALIDITY" => Ok(StatusItem::UidValidity),
        "UNSEEN" => Ok(StatusItem::Unseen),
        "DELETED" => Ok(StatusItem::Deleted),
        "SIZE" => Ok(StatusItem::Size),
        "HIGHESTMODSEQ" => Ok(StatusItem::HighestModSeq),
        "APPENDLIMIT" => Ok(StatusItem::AppendLimit),
        "DELETED-STORAGE" => Ok(StatusItem::DeletedStorage),
        _ => Err(Syntax("This status item isn't known")),
    }
}

/// What stands behind `CREATE`.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Read<Command> {
    cursor.space()?;
    let name = RawName(cursor.astring()?.into_owned());
    let mut special = false;
    if cursor.eat(b' ') {
        cursor.expect(b'(', "Options stand in parentheses")?;
        if !cursor.eat_word("USE") {
            return Err(Syntax("This option isn't known"));
        }
        cursor.space()?;
        cursor.expect(b'(', "Uses stand in parentheses")?;
        while !cursor.eat(b')') {
            if std::mem::replace(&mut special, true) {
                cursor.space()?;
            }
            cursor.expect(b'\\', "A use begins with a backslash")?;
            cursor.word()?;
        }
        cursor.expect(b')', "Options end with a parenthesis")?;
    }
    cursor.end()?;
    Ok(Command::Create { name, special })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Read<List> {
        match list(&mut Cursor::new(text.as_bytes()))? {
            Command::List(list) => Ok(list),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_forms_are_read() {
        let plain = read(" \"\" *\r\n").unwrap();
        assert!(!plain.extended && plain.patterns == [b"*"] && plain.reference.is_empty());
        let long = read(
            " (SUBSCRIBED RECURSIVEMATCH) \"a/\" (\"%\" INBOX) RETURN (CHILDREN SPECIAL-USE STATUS (MESSAGES SIZE))\r\n",
        )
        .unwrap();
        assert!(long.extended && long.only_subscribed && long.recursive && long.tell_subscribed);
        assert_eq!(long.patterns, [&b"%"[..], b"INBOX"]);
        assert_eq!(long.status, [StatusItem::Messages, StatusItem::Size]);
        assert!(read(" () \"\" % RETURN ()").is_ok());
        for bad in [
            "",
            " \"\"",
            " (RECURSIVEMATCH) \"\" *",
            " (X) \"\" *",
            " \"\" * RETURN (X)",
            " \"\" * RETURN",
            " \"\" * X",
            " \"\" () ",
            " \"\" (a  b)",
            " \"\" * RETURN (STATUS ())",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_is_made_with_or_without_a_use() {
        let read = |text: &str| create(&mut Cursor::new(text.as_bytes()));
        let made = |special| Command::Create {
            name: RawName(b"a".to_vec()),
            special,
        };
        assert_eq!(read(" a\r\n"), Ok(made(false)));
        assert_eq!(read(" a (USE (\\Sent \\All))\r\n"), Ok(made(true)));
        for bad in [
            " a (USE \\Sent)",
            " a (X (\\Sent))",
            " a (USE (\\Sent)",
            " a b",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
