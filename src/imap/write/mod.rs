//! What is sent: our own writer, for what is sealed beside a message goes out without becoming anybody's types on the way.
//! All of it appends to a buffer; strings that hold what no quoted string may hold go out as literals.
//!
//! | file | its job |
//! |---|---|
//! | `envelope` | ENVELOPE out of an outline's fields |
//! | `address` | an address field as it stands, cut into its parts |
//! | `structure` | BODY and BODYSTRUCTURE |
//! | `parameter` | a field with parameters as it stands, cut into its parts |

mod address;
mod envelope;
mod parameter;
mod structure;

pub(super) use envelope::{ENVELOPE, envelope};
pub(super) use structure::structure;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::codec::names;
use crate::store::{Flags, Keyword, Marks};

/// A quoted string longer than this goes out as a literal.
const QUOTED: usize = 1024;

pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A string.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    let plain = |octet: &u8| matches!(octet, b' '..=b'~' | b'\t');
    if text.len() > QUOTED || !text.iter().all(plain) {
        out.push(b'{');
        number(out, text.len() as u64);
        out.extend_from_slice(b"}\r\n");
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    if memchr::memchr2(b'"', b'\\', text).is_none() {
        out.extend_from_slice(text);
    } else {
        for octet in text {
            if matches!(octet, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*octet);
        }
    }
    out.push(b'"');
}

/// A string, or `NIL`.
pub(super) fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// A folder's name. It has no control characters, so it can always be quoted.
pub(super) fn name(out: &mut Vec<u8>, folder: &str, utf8: bool) {
    let coded = names::encode(folder, utf8);
    out.push(b'"');
    for octet in coded.bytes() {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(octet);
    }
    out.push(b'"');
}

const SYSTEM: [(Flags, &str); 5] = [
    (Flags::ANSWERED, "\\Answered"),
    (Flags::FLAGGED, "\\Flagged"),
    (Flags::DELETED, "\\Deleted"),
    (Flags::SEEN, "\\Seen"),
    (Flags::DRAFT, "\\Draft"),
];

/// `(\Seen work)`
pub(super) fn marks(out: &mut Vec<u8>, marks: &Marks) {
    flag_list(out, marks.flags, marks.keywords.iter(), false);
}

/// Flags and keywords in parentheses; with `\*` behind them where others may be made.
pub(super) fn flag_list<'k>(
    out: &mut Vec<u8>,
    flags: Flags,
    keywords: impl Iterator<Item = &'k Keyword>,
    any: bool,
) {
    let begin = out.len();
    for (flag, text) in SYSTEM {
        if flags.has(flag) {
            out.push(b' ');
            out.extend_from_slice(text.as_bytes());
        }
    }
    for keyword in keywords {
        out.push(b' ');
        out.extend_from_slice(keyword.as_str().as_bytes());
    }
    if any {
        out.extend_from_slice(b" \\*");
    }
    match out.get_mut(begin) {
        Some(first) => *first = b'(',
        None => out.push(b'('),
    }
    out.push(b')');
}

/// The system flag of this name.
pub(super) fn system_flag(text: &str) -> Option<Flags> {
    let mut all = SYSTEM.iter();
    let found = all.find(|(_, name)| name.eq_ignore_ascii_case(text));
    found.map(|(flag, _)| *flag)
}

/// Ascending numbers as a set: `1:3,7`.
pub(super) fn set(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>) {
    let mut numbers = numbers.into_iter().peekable();
    let mut first = true;
    while let Some(begin) = numbers.next() {
        let mut end = begin;
        while let Some(next) = numbers.next_if(|next| end.checked_add(1) == Some(*next)) {
            end = next;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        number(out, begin.into());
        if end > begin {
            out.push(b':');
            number(out, end.into());
        }
    }
}

/// `"17-Jul-1996 02:44:25 +0000"`
pub(super) fn date(out: &mut Vec<u8>, at: Timestamp) {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let at = at.to_zoned(TimeZone::UTC);
    let month = usize::try_from(at.month()).unwrap_or(1);
    let month = MONTHS.get(month.saturating_sub(1)).unwrap_or(&"Jan");
    let text = format!(
        "\"{:02}-{month}-{:04} {:02}:{:02}:{:02} +0000\"",
        at.day(),
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    );
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_go_out_as_they_can() {
        for (text, wire) in [
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("\u{e9}", "{2}\r\n\u{e9}"),
            ("a\r\n b", "{5}\r\na\r\n b"),
        ] {
            assert_eq!(written(|out| string(out, text.as_bytes())), wire);
        }
        assert_eq!(written(|out| nstring(out, None)), "NIL");
        assert!(written(|out| string(out, &[b'x'; 1025])).starts_with("{1025}\r\n"));
    }

    #[test]
    fn sets_are_short() {
        let written = |numbers: &[u32]| written(|out| set(out, numbers.iter().copied()));
        assert_eq!(written(&[]), "");
        assert_eq!(written(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(written(&[u32::MAX - 1, u32::MAX]), "4294967294:4294967295");
    }

    #[test]
    fn flags_stand_in_parentheses() {
        let keywords = [Keyword::parse("work").unwrap()];
        let list = |flags, keywords: &[Keyword], any| {
            written(|out| flag_list(out, flags, keywords.iter(), any))
        };
        assert_eq!(list(Flags::NONE, &[], false), "()");
        assert_eq!(list(Flags::NONE, &[], true), "(\\*)");
        let two = Flags::SEEN.with(Flags::ANSWERED);
        assert_eq!(list(two, &keywords, true), "(\\Answered \\Seen work \\*)");
        assert_eq!(system_flag("\\seen"), Some(Flags::SEEN));
        assert_eq!(system_flag("\\Recent"), None);
    }

    #[test]
    fn dates_and_numbers_are_written() {
        let at = "1996-07-07T09:04:05.9Z".parse().unwrap();
        assert_eq!(
            written(|out| date(out, at)),
            "\"07-Jul-1996 09:04:05 +0000\""
        );
        for n in [0, 9, 10, u64::MAX] {
            assert_eq!(written(|out| number(out, n)), n.to_string());
        }
    }
}
