//! An address field as it stands (RFC 5322 §3.4): names keep their encoded words, since it's the mail program that shows
//! them. What is damaged is read as far as it goes.

use super::nstring;

/// More addresses of one field aren't listed.
const MOST: usize = 1000;

/// Writes an address field's value as a list of addresses, or `NIL` if there is none in it.
pub(super) fn list(out: &mut Vec<u8>, value: &[u8]) {
    let begin = out.len();
    out.push(b'(');
    let mut reader = Reader {
        rest: value,
        in_group: false,
    };
    for _ in 0..MOST {
        if !reader.next(out) {
            break;
        }
    }
    reader.end_group(out);
    if out.len() == begin + 1 {
        out.truncate(begin);
        out.extend_from_slice(b"NIL");
    } else {
        out.push(b')');
    }
}

struct Reader<'v> {
    rest: &'v [u8],
    in_group: bool,
}

/// What stands before the next sign that ends something.
#[derive(Default)]
struct Seen {
    /// Words, with a space between two that stood apart.
    words: Vec<u8>,
    /// The last comment.
    comment: Vec<u8>,
    /// Where the `@` is in the words.
    at: Option<usize>,
}

impl Reader<'_> {
    /// Writes the next address, or a group's beginning or end; `false` at the end.
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        let mut seen = Seen::default();
        loop {
            match self.sign(&mut seen) {
                None => return seen.write(out),
                Some(b',') => {
                    if seen.write(out) {
                        return true;
                    }
                    seen = Seen::default();
                }
                Some(b':') => {
                    self.end_group(out);
                    self.in_group = true;
                    address(out, None, None, Some(&seen.words), None);
                    return true;
                }
                Some(b';') => {
                    // What stood before it comes first.
                    seen.write(out);
                    self.end_group(out);
                    return true;
                }
                Some(b'<') => {
                    let mut inner = Seen::default();
                    // A route (RFC 5322 §4.4) ends with a colon.
                    while let Some(b':' | b',') = self.sign(&mut inner) {
                        inner = Seen::default();
                    }
                    inner.name(Some(seen.words).filter(|words| !words.is_empty()));
                    inner.write_angle(out);
                    self.skip_rest();
                    return true;
                }
                Some(_) => {}
            }
        }
    }

    /// Each group that begins ends, and nothing else does.
    fn end_group(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.in_group) {
            address(out, None, None, None, None);
        }
    }

    /// Reads words up to the next sign: `,` `:` `;` `<` `>`, or the end.
    fn sign(&mut self, seen: &mut Seen) -> Option<u8> {
        let mut apart = false;
        while let Some((octet, rest)) = self.rest.split_first() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' => {
                    apart = true;
                    self.rest = rest;
                }
                b',' | b':' | b';' | b'<' | b'>' => {
                    self.rest = rest;
                    return Some(*octet);
                }
                b'(' => {
                    self.rest = rest;
                    self.comment(&mut seen.comment);
                    apart = true;
                }
                _ => {
                    let joined = matches!(octet, b'@' | b'.') || seen.is_open();
                    if std::mem::take(&mut apart) && !joined && !seen.words.is_empty() {
                        seen.words.push(b' ');
                    }
                    self.word(*octet, rest, seen);
                }
            }
        }
        None
    }

    fn word<'r>(&mut self, octet: u8, rest: &'r [u8], seen: &mut Seen)
    where
        Self: 'r,
    {
        let taken = match octet {
            b'"' => 1 + quoted(rest, &mut seen.words),
            b'[' => {
                // A literal domain keeps its brackets.
                let end = memchr::memchr(b']', rest).map_or(rest.len(), |end| end + 1);
                seen.words.push(b'[');
                seen.words.extend_from_slice(&rest[..end]);
                1 + end
            }
            b'@' => {
                seen.at = Some(seen.words.len());
                seen.words.push(b'@');
                1
            }
            b'\\' => {
                seen.words.extend(rest.first());
                1 + rest.len().min(1)
            }
            _ => {
                let ends = |octet: &u8| b" \t\r\n,:;<>(\"[@\\".contains(octet);
                let end = rest.iter().position(ends).unwrap_or(rest.len());
                seen.words.push(octet);
                seen.words.extend_from_slice(&rest[..end]);
                1 + end
            }
        };
        self.rest = &self.rest[taken.min(self.rest.len())..];
    }

    /// Reads a comment; they nest, but not as words.
    fn comment(&mut self, comment: &mut Vec<u8>) {
        comment.clear();
        let mut depth = 1;
        while let Some((octet, rest)) = self.rest.split_first() {
            self.rest = rest;
            match octet {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => {
                    if let Some((escaped, rest)) = self.rest.split_first() {
                        comment.push(*escaped);
                        self.rest = rest;
                    }
                    continue;
                }
                b'\r' | b'\n' => continue,
                _ => {}
            }
            if depth == 0 {
                return;
            }
            comment.push(*octet);
        }
    }

    /// Behind an address in angles nothing is looked at but its end.
    fn skip_rest(&mut self) {
        let mut rest = Seen::default();
        loop {
            let before = self.rest;
            match self.sign(&mut rest) {
                None | Some(b',') => return,
                Some(b';') => {
                    self.rest = before;
                    // Only the end of the group is left.
                    let end = memchr::memchr(b';', before).unwrap_or(before.len());
                    self.rest = &before[end..];
                    return;
                }
                Some(_) => {}
            }
        }
    }
}

/// Copies a quoted string without its quotes and escapes; answers how many octets it took, the closing quote too.
fn quoted(rest: &[u8], words: &mut Vec<u8>) -> usize {
    let mut at = 0;
    while let Some(octet) = rest.get(at) {
        at += 1;
        match octet {
            b'"' => return at,
            b'\\' => {
                words.extend(rest.get(at));
                at += 1;
            }
            b'\r' | b'\n' => {}
            octet => words.push(*octet),
        }
    }
    at
}

impl Seen {
    /// The next word belongs to the last one without a space: `a . b @ c`.
    fn is_open(&self) -> bool {
        matches!(self.words.last(), Some(b'@' | b'.')) && self.at.is_some()
    }

    fn name(&mut self, name: Option<Vec<u8>>) {
        if let Some(name) = name {
            self.comment = name;
        }
    }

    /// Writes a bare address; `false` if nothing was there.
    fn write(&self, out: &mut Vec<u8>) -> bool {
        if self.words.is_empty() && self.comment.is_empty() {
            return false;
        }
        self.write_angle(out);
        true
    }

    fn write_angle(&self, out: &mut Vec<u8>) {
        let name = Some(self.comment.as_slice()).filter(|name| !name.is_empty());
        match self.at {
            Some(at) => {
                let (local, host) = (&self.words[..at], &self.words[at + 1..]);
                address(out, name, None, Some(local), Some(host));
            }
            // Without a host it would be read as a group.
            None => address(out, name, None, Some(&self.words), Some(b"")),
        }
    }
}

fn address(
    out: &mut Vec<u8>,
    name: Option<&[u8]>,
    route: Option<&[u8]>,
    mailbox: Option<&[u8]>,
    host: Option<&[u8]>,
) {
    out.push(b'(');
    for (at, part) in [name, route, mailbox, host].into_iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        nstring(out, part);
    }
    out.push(b')');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &str) -> String {
        let mut out = Vec::new();
        list(&mut out, value.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_are_cut_into_their_parts() {
        for (value, wire) in [
            ("", "NIL"),
            (" ,, ", "NIL"),
            ("a@b.example", r#"((NIL NIL "a" "b.example"))"#),
            ("Ann Other <a.o@b>", r#"(("Ann Other" NIL "a.o" "b"))"#),
            (
                r#""Other, \"Ann\"" <a@b>, c@d"#,
                r#"(("Other, \"Ann\"" NIL "a" "b")(NIL NIL "c" "d"))"#,
            ),
            ("a@b (Ann (x) Other)", r#"(("Ann (x) Other" NIL "a" "b"))"#),
            (
                "=?utf-8?q?J=C3=B6?= <j@b>",
                r#"(("=?utf-8?q?J=C3=B6?=" NIL "j" "b"))"#,
            ),
            (
                "Us: a@b, C <c@d>; , e@f",
                r#"((NIL NIL "Us" NIL)(NIL NIL "a" "b")("C" NIL "c" "d")(NIL NIL NIL NIL)(NIL NIL "e" "f"))"#,
            ),
            ("Nobody:;", r#"((NIL NIL "Nobody" NIL)(NIL NIL NIL NIL))"#),
            (
                "mailto:a@b",
                r#"((NIL NIL "mailto" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))"#,
            ),
            ("a@b; c@d", r#"((NIL NIL "a" "b")(NIL NIL "c" "d"))"#),
            (
                "A: B: c@d;",
                r#"((NIL NIL "A" NIL)(NIL NIL NIL NIL)(NIL NIL "B" NIL)(NIL NIL "c" "d")(NIL NIL NIL NIL))"#,
            ),
            ("<@x,@y:a@b>", r#"((NIL NIL "a" "b"))"#),
            ("<>", r#"((NIL NIL "" ""))"#),
            ("root", r#"((NIL NIL "root" ""))"#),
            ("a @ b . c", r#"((NIL NIL "a" "b.c"))"#),
            ("\"a b\"@[192.0.2.1]", r#"((NIL NIL "a b" "[192.0.2.1]"))"#),
            ("A\r\n B <a@b>", r#"(("A B" NIL "a" "b"))"#),
        ] {
            assert_eq!(written(value), wire, "{value}");
        }
    }

    /// Reads a string or `NIL`, which is nothing.
    fn read_nstring<'w>(wire: &mut &'w str) -> Option<Option<&'w str>> {
        if let Some(rest) = wire.strip_prefix("NIL") {
            *wire = rest;
            return Some(None);
        }
        let (text, rest) = match wire.strip_prefix('{') {
            Some(literal) => {
                let (length, behind) = literal.split_once("}\r\n")?;
                behind.split_at_checked(length.parse().ok()?)?
            }
            None => {
                let quoted = wire.strip_prefix('"')?;
                let mut escaped = false;
                let end = quoted.find(|sign| {
                    let ends = sign == '"' && !escaped;
                    escaped = sign == '\\' && !escaped;
                    ends
                })?;
                (&quoted[..end], &quoted[end + 1..])
            }
        };
        *wire = rest;
        Some(Some(text))
    }

    /// Reads a list of addresses to its end, in which groups begin and end in turn.
    fn read_list(mut wire: &str) -> Option<()> {
        let mut in_group = false;
        wire = wire.strip_prefix('(')?;
        while let Some(rest) = wire.strip_prefix('(') {
            wire = rest;
            let mut parts = Vec::new();
            for end in [" ", " ", " ", ")"] {
                parts.push(read_nstring(&mut wire)?);
                wire = wire.strip_prefix(end)?;
            }
            match (parts[2], parts[3]) {
                (Some(_), Some(_)) => {}
                (Some(_), None) if !in_group => in_group = true,
                (None, None) if in_group => in_group = false,
                _ => return None,
            }
        }
        (wire == ")" && !in_group).then_some(())
    }

    proptest! {
        #[test]
        fn anything_is_written(value in "[a-b,:;<>()\"@.\\\\\\[\\] \r\n\u{e9}]{0,40}") {
            let wire = written(&value);
            prop_assert!(wire == "NIL" || read_list(&wire).is_some(), "{}", wire);
        }
    }

    #[test]
    fn what_is_cut_off_is_still_a_list() {
        let wire = written(&format!("Us: {}", "a@b,".repeat(2 * MOST)));
        assert!(read_list(&wire).is_some() && wire.matches("\"b\"").count() == MOST - 1);
    }
}
