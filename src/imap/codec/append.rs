//! APPEND up to each of its messages (RFC 9051 §6.3.12, RFC 3502, RFC 3516): the messages themselves aren't read here.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::cursor::{Cursor, Read, Syntax};
use super::frame::{announced, is_tag};
use crate::imap::command::{AppendHead, RawName, Tag};

/// More marks than this are nobody's.
const MOST_FLAGS: usize = 100;

const FLAG: Syntax = Syntax("A flag has a letter that no flag may have: they are plain ASCII");

/// An APPEND whose first message comes next.
#[derive(Debug, PartialEq)]
pub(in crate::imap) struct Begun {
    pub(in crate::imap) tag: Tag,
    pub(in crate::imap) name: RawName,
    pub(in crate::imap) head: AppendHead,
}

/// Whether a command that isn't whole yet is an APPEND.
pub(super) fn is_append(held: &[u8]) -> bool {
    let mut words = held.splitn(3, |octet| *octet == b' ');
    let second = words.nth(1);
    second.is_some_and(|word| word.eq_ignore_ascii_case(b"append"))
}

/// Reads one up to the literal at its end. `None` if that literal is the folder's name.
pub(super) fn begin(held: &[u8]) -> Read<Option<Begun>> {
    let mut cursor = Cursor::new(held);
    let tag = cursor.word()?;
    if !is_tag(tag) {
        return Err(Syntax("A tag was expected"));
    }
    cursor.space()?;
    cursor.word()?;
    cursor.space()?;
    // The name's own literal, which has not come.
    let line_at = memchr::memrchr(b'\n', &held[..held.len() - 1]).map_or(0, |at| at + 1);
    let literal_at = announced(&held[line_at..]).map(|literal| line_at + literal.at);
    if literal_at == Some(held.len() - cursor.rest().len()) {
        return Ok(None);
    }
    let name = RawName(cursor.astring()?.into_owned());
    let head = head(&mut cursor)?;
    Ok(Some(Begun {
        tag: Tag(tag.to_owned()),
        name,
        head,
    }))
}

/// Reads the line before another message.
pub(super) fn more(line: &[u8]) -> Read<AppendHead> {
    head(&mut Cursor::new(line))
}

fn head(cursor: &mut Cursor<'_>) -> Read<AppendHead> {
    cursor.space()?;
    let mut flags = Vec::new();
    if cursor.peek() == Some(b'(') {
        flags = flag_list(cursor)?;
        cursor.space()?;
    }
    let mut date = None;
    if cursor.peek() == Some(b'"') {
        date = Some(date_time(cursor)?);
        cursor.space()?;
    }
    let literal = announced(cursor.rest()).filter(|literal| literal.at == 0);
    let literal = literal.ok_or(Syntax("A message as a literal was expected"))?;
    Ok(AppendHead {
        flags,
        date,
        size: literal.size,
        binary: literal.binary,
        sync: literal.sync,
    })
}

fn flag_list(cursor: &mut Cursor<'_>) -> Read<Vec<String>> {
    cursor.expect(b'(', "Flags stand in parentheses")?;
    let mut flags = Vec::new();
    while !cursor.eat(b')') {
        if !flags.is_empty() {
            cursor.space()?;
        }
        let system = cursor.eat(b'\\');
        let word = cursor.word();
        if cursor.peek().is_some_and(|octet| !octet.is_ascii()) {
            return Err(FLAG);
        }
        let word = word?;
        flags.push(if system {
            format!("\\{word}")
        } else {
            word.to_owned()
        });
        if flags.len() > MOST_FLAGS {
            return Err(Syntax("There are too many flags"));
        }
    }
    Ok(flags)
}

/// `"17-Jul-1996 02:44:25 -0700"`
fn date_time(cursor: &mut Cursor<'_>) -> Read<Timestamp> {
    const WHAT: Syntax = Syntax("A date was expected, as in \"17-Jul-1996 02:44:25 -0700\"");
    let text = cursor.string()?;
    let text = std::str::from_utf8(&text).map_err(|_| WHAT)?;
    read_date_time(text).ok_or(WHAT)
}

fn read_date_time(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.trim_start().split_once(' ')?;
    let (time, zone) = rest.split_once(' ')?;
    let date = read_date(date)?;
    let mut parts = time.split(':').map(two_digits);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    // A leap second is the one before it.
    let time = Time::new(hour, minute, second.min(59), 0).ok()?;
    let (sign, digits) = zone.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = i64::from(two_digits(hours)?) * 60 + i64::from(two_digits(minutes)?);
    let local = Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?;
    let at = local
        .checked_sub(SignedDuration::from_mins(sign * minutes))
        .ok()?;
    // A date is written with four digits.
    (Offset::UTC.to_datetime(at).year() >= 1).then_some(at)
}

/// `17-Jul-1996`
pub(in crate::imap) fn read_date(text: &str) -> Option<Date> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let mut parts = text.splitn(3, '-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if day.len() > 2 || year.len() != 4 || !digits(day) || !digits(year) {
        return None;
    }
    let is = |known: &&str| known.eq_ignore_ascii_case(month);
    let month = i8::try_from(MONTHS.iter().position(is)? + 1).ok()?;
    Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()
}

fn two_digits(text: &str) -> Option<i8> {
    let fits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_announced_with_marks_and_date() {
        let begun =
            begin(b"a7 append \"My Mail\" (\\Seen work) \"17-Jul-1996 02:44:25 -0700\" {310}\r\n");
        let begun = begun.unwrap().unwrap();
        assert_eq!(
            (begun.tag.0.as_str(), begun.name.0.as_slice()),
            ("a7", &b"My Mail"[..])
        );
        let head = begun.head;
        assert_eq!(head.flags, ["\\Seen", "work"]);
        assert_eq!(head.date.unwrap().to_string(), "1996-07-17T09:44:25Z");
        assert_eq!((head.size, head.sync, head.binary), (310, true, false));

        let begun = begin(b"a APPEND {5+}\r\nInbox ~{7+}\r\n").unwrap().unwrap();
        assert_eq!(begun.name.0, b"Inbox");
        assert_eq!(
            (begun.head.size, begun.head.sync, begun.head.binary),
            (7, false, true)
        );

        assert_eq!(begin(b"a append {5}\r\n"), Ok(None));
        let next = more(b" () \" 1-Feb-2026 00:00:00 +0000\" {9}\r\n").unwrap();
        assert_eq!(
            (next.size, next.date.unwrap().as_second()),
            (9, 1_769_904_000)
        );
        for bad in [
            &b"a append x {5\r\n"[..],
            b"a append x (\\Seen {5}\r\n",
            b"a append x \"31-Feb-2026 00:00:00 +0000\" {5}\r\n",
            b"a append x \"1-Feb-2026 00:00:00\" {5}\r\n",
            b"a append x y {5}\r\n",
            b"a append x \"01-Jan-0001 00:00:00 +0100\" {5}\r\n",
            b"a append x \"31-Dec-0000 00:00:00 +0000\" {5}\r\n",
        ] {
            assert!(begin(bad).is_err(), "{bad:?}");
        }
        for flag in ["pwysig\u{f4}l", "\u{f4}l", "\\S\u{eb}en"] {
            let line = format!("a append x ({flag} work) {{5}}\r\n");
            assert_eq!(begin(line.as_bytes()), Err(FLAG), "{flag}");
        }
    }
}
