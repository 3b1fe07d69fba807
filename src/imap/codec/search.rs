//! SEARCH (RFC 9051 §6.4.4) with what imap-codec lacks: RETURN (RFC 4731), `$` (RFC 5182), OLDER and YOUNGER (RFC 5032).

use super::append::read_date;
use super::cursor::{Cursor, Read, Syntax};
use crate::imap::command::{Command, Criterion, Search, SearchReturn};
use crate::mailbox::search::{Day, Key};
use crate::store::{Flags, Keyword, ModSeq};

/// How deep questions may nest, and how many there may be.
const DEPTH: usize = 32;
const KEYS: usize = 500;

/// What stands behind `SEARCH`.
pub(super) fn search(cursor: &mut Cursor<'_>, uid: bool) -> Read<Command> {
    let mut wanted = None;
    let mut ahead = *cursor;
    if ahead.eat(b' ') && ahead.eat_word("RETURN") {
        ahead.space()?;
        wanted = Some(options(&mut ahead)?);
        *cursor = ahead;
    }
    cursor.space()?;
    let mut charset = true;
    if cursor.eat_word("CHARSET") {
        cursor.space()?;
        let name = cursor.astring()?;
        charset = [&b"UTF-8"[..], b"US-ASCII"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        cursor.space()?;
    }
    if !charset {
        // Nobody can tell what the rest says; it's refused for its charset, whatever it is.
        return Ok(Command::Search(Search {
            uid,
            charset,
            wanted,
            criterion: Criterion::Every(Vec::new()),
            by_modseq: false,
        }));
    }
    let mut reader = Reader {
        keys: 0,
        by_modseq: false,
    };
    let criterion = reader.keys(cursor, DEPTH)?;
    cursor.end()?;
    Ok(Command::Search(Search {
        uid,
        charset,
        wanted,
        criterion,
        by_modseq: reader.by_modseq,
    }))
}

fn options(cursor: &mut Cursor<'_>) -> Read<SearchReturn> {
    let mut wanted = SearchReturn::default();
    cursor.expect(b'(', "Options stand in parentheses")?;
    let mut first = true;
    while !cursor.eat(b')') {
        if !std::mem::take(&mut first) {
            cursor.space()?;
        }
        match cursor.word()?.to_ascii_uppercase().as_str() {
            "MIN" => wanted.min = true,
            "MAX" => wanted.max = true,
            "ALL" => wanted.all = true,
            "COUNT" => wanted.count = true,
            "SAVE" => wanted.save = true,
            _ => return Err(Syntax("This return option isn't known")),
        }
    }
    // Nothing asked for means all.
    wanted.all |= wanted == SearchReturn::default();
    Ok(wanted)
}

struct Reader {
    keys: usize,
    by_modseq: bool,
}

impl Reader {
    fn text(&self, cursor: &mut Cursor<'_>) -> Read<String> {
        let text = cursor.astring()?;
        let text = std::str::from_utf8(&text);
        let text = text.map_err(|_| Syntax("A text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    /// Several keys, all of which have to be so.
    fn keys(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Read<Criterion> {
        let mut all = vec![self.key(cursor, depth)?];
        while cursor.eat(b' ') {
            all.push(self.key(cursor, depth)?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Criterion::Every(all),
        })
    }

    fn key(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Read<Criterion> {
        let Some(below) = depth.checked_sub(1) else {
            return Err(Syntax("The search nests too deep"));
        };
        self.keys += 1;
        if self.keys > KEYS {
            return Err(Syntax("The search has too many keys"));
        }
        match cursor.peek() {
            Some(b'(') => {
                cursor.eat(b'(');
                let inner = self.keys(cursor, below)?;
                cursor.expect(b')', "A parenthesis isn't closed")?;
                Ok(inner)
            }
            Some(b'$' | b'*' | b'0'..=b'9') => Ok(Criterion::Numbers(cursor.numbers()?, false)),
            _ => self.named(cursor, below),
        }
    }

    fn named(&mut self, cursor: &mut Cursor<'_>, below: usize) -> Read<Criterion> {
        let name = cursor.word()?.to_ascii_uppercase();
        if let Some(key) = plain(&name) {
            return Ok(key);
        }
        cursor.space()?;
        let key = match name.as_str() {
            "NOT" => return Ok(not(self.key(cursor, below)?)),
            "OR" => {
                let one = self.key(cursor, below)?;
                cursor.space()?;
                return Ok(Criterion::Any(vec![one, self.key(cursor, below)?]));
            }
            "UID" => return Ok(Criterion::Numbers(cursor.numbers()?, true)),
            "KEYWORD" => keyword(cursor)?,
            "UNKEYWORD" => return Ok(not(Criterion::Key(keyword(cursor)?))),
            "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => Key::Header {
                text: self.text(cursor)?,
                name,
            },
            "HEADER" => {
                let name = self.text(cursor)?;
                cursor.space()?;
                let text = self.text(cursor)?;
                Key::Header { name, text }
            }
            "BODY" => Key::Body(self.text(cursor)?),
            "TEXT" => Key::Text(self.text(cursor)?),
            "LARGER" => Key::Larger(cursor.number64()?),
            "SMALLER" => Key::Smaller(cursor.number64()?),
            "OLDER" => Key::Older(interval(cursor)?),
            "YOUNGER" => Key::Younger(interval(cursor)?),
            "BEFORE" => Key::Received(Day::Before(date(cursor)?)),
            "ON" => Key::Received(Day::On(date(cursor)?)),
            "SINCE" => Key::Received(Day::Since(date(cursor)?)),
            "SENTBEFORE" => Key::Sent(Day::Before(date(cursor)?)),
            "SENTON" => Key::Sent(Day::On(date(cursor)?)),
            "SENTSINCE" => Key::Sent(Day::Since(date(cursor)?)),
            "MODSEQ" => {
                self.by_modseq = true;
                modseq(cursor)?
            }
            _ => return Err(Syntax("This search key isn't known")),
        };
        Ok(Criterion::Key(key))
    }
}

fn not(criterion: Criterion) -> Criterion {
    Criterion::Not(Box::new(criterion))
}

/// Keys without an argument. Nothing is ever recent here.
fn plain(name: &str) -> Option<Criterion> {
    let flag = |flag| Some(Criterion::Key(Key::Flags(flag)));
    let unset = |flag| Some(not(Criterion::Key(Key::Flags(flag))));
    match name {
        "ALL" | "OLD" => Some(Criterion::Key(Key::All)),
        "RECENT" | "NEW" => Some(not(Criterion::Key(Key::All))),
        "ANSWERED" => flag(Flags::ANSWERED),
        "DELETED" => flag(Flags::DELETED),
        "DRAFT" => flag(Flags::DRAFT),
        "FLAGGED" => flag(Flags::FLAGGED),
        "SEEN" => flag(Flags::SEEN),
        "UNANSWERED" => unset(Flags::ANSWERED),
        "UNDELETED" => unset(Flags::DELETED),
        "UNDRAFT" => unset(Flags::DRAFT),
        "UNFLAGGED" => unset(Flags::FLAGGED),
        "UNSEEN" => unset(Flags::SEEN),
        _ => None,
    }
}

fn keyword(cursor: &mut Cursor<'_>) -> Read<Key> {
    let word = cursor.word()?;
    let keyword = Keyword::parse(word).map_err(|_| Syntax("A keyword was expected"))?;
    Ok(Key::Keyword(keyword))
}

fn interval(cursor: &mut Cursor<'_>) -> Read<u32> {
    match cursor.number()? {
        0 => Err(Syntax("An interval is not 0")),
        seconds => Ok(seconds),
    }
}

fn date(cursor: &mut Cursor<'_>) -> Read<jiff::civil::Date> {
    let text = cursor.astring()?;
    let text = std::str::from_utf8(&text).ok();
    text.and_then(read_date)
        .ok_or(Syntax("A date was expected, as in 1-Feb-1994"))
}

/// With the name of a flag's own number before it or without: a message has one number for all of its marks.
fn modseq(cursor: &mut Cursor<'_>) -> Read<Key> {
    if cursor.peek() == Some(b'"') {
        cursor.string()?;
        cursor.space()?;
        if !["priv", "shared", "all"]
            .iter()
            .any(|kind| cursor.eat_word(kind))
        {
            return Err(Syntax("priv, shared or all was expected"));
        }
        cursor.space()?;
    }
    Ok(Key::ModSeq(ModSeq(cursor.number64()?)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::imap::command::{NumberSet, Numbers};

    fn read(text: &str) -> Read<Search> {
        match search(&mut Cursor::new(format!(" {text}\r\n").as_bytes()), true)? {
            Command::Search(search) => Ok(search),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn questions_are_read() {
        let key = Criterion::Key;
        let found =
            read("RETURN (MIN SAVE) CHARSET UTF-8 OR (SEEN 1:3) NOT SUBJECT {2}\r\n\u{e9} UID $")
                .unwrap();
        let wanted = SearchReturn {
            min: true,
            save: true,
            ..SearchReturn::default()
        };
        assert_eq!(
            (found.wanted, found.charset, found.uid),
            (Some(wanted), true, true)
        );
        let subject = Key::Header {
            name: "SUBJECT".into(),
            text: "\u{e9}".into(),
        };
        let numbers = Criterion::Numbers(Numbers::Set(NumberSet(vec![(1, 3)])), false);
        let either = vec![
            Criterion::Every(vec![key(Key::Flags(Flags::SEEN)), numbers]),
            not(key(subject)),
        ];
        assert_eq!(
            found.criterion,
            Criterion::Every(vec![
                Criterion::Any(either),
                Criterion::Numbers(Numbers::Saved, true)
            ])
        );
        for (text, wanted) in [
            ("OLDER 60", Key::Older(60)),
            ("LARGER 5000000000", Key::Larger(5_000_000_000)),
            (
                "SENTON \"1-Feb-1994\"",
                Key::Sent(Day::On(read_date("1-Feb-1994").unwrap())),
            ),
            ("modseq \"/flags/\\\\draft\" all 7", Key::ModSeq(ModSeq(7))),
            (
                "HEADER \"X-Y\" \"\"",
                Key::Header {
                    name: "X-Y".into(),
                    text: String::new(),
                },
            ),
        ] {
            let found = read(text).unwrap();
            assert_eq!(found.criterion, key(wanted), "{text}");
            assert_eq!(found.by_modseq, text.starts_with("modseq"));
        }
        assert_eq!(
            read("RETURN () ALL").unwrap().wanted,
            Some(SearchReturn::ALL)
        );
        assert!(!read("CHARSET LATIN1 ALL").unwrap().charset);
        // In another charset anything may stand anywhere.
        for text in [
            &b" CHARSET ISO-8859-1 SUBJECT caf\xe9\r\n"[..],
            b" CHARSET ISO-8859-1 SUBJECT \"caf\xe9\"\r\n",
            b" CHARSET ISO-8859-1 SUBJECT {4}\r\ncaf\xe9\r\n",
            b" CHARSET ISO-8859-1 HEADER caf\xe9 \"\" OR\r\n",
        ] {
            let found = search(&mut Cursor::new(text), false);
            assert!(
                matches!(&found, Ok(Command::Search(search)) if !search.charset),
                "{found:?}"
            );
        }
    }

    #[test]
    fn what_is_no_question_is_told_so() {
        let deep = format!("{}ALL{}", "(".repeat(10_000), ")".repeat(10_000));
        let many = "ALL ".repeat(600) + "ALL";
        for bad in [
            "",
            "X",
            "SUBJECT",
            "ON today",
            "OLDER 0",
            "(ALL",
            "ALL)",
            "RETURN (X) ALL",
            "RETURN ALL",
            "OR ALL",
            "KEYWORD \\Seen",
            "0",
            "NOT",
            "MODSEQ \"/flags/x\" 7",
            &deep,
            &many,
            &"NOT ".repeat(1000),
        ] {
            assert!(read(bad).is_err(), "{bad:.60}");
        }
    }
}
