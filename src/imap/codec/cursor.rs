//! The small words of the grammar (RFC 9051 §9): atoms, numbers, strings, sets of numbers. A whole command stands in
//! memory, literals too, so nothing here ever asks for more.

use std::borrow::Cow;

use super::super::command::{NumberSet, Numbers, STAR};

/// What was expected, for the `BAD` that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::imap) struct Syntax(pub(in crate::imap) &'static str);

pub(in crate::imap) type Read<T> = Result<T, Syntax>;

/// A set of numbers with more ranges than this is nobody's.
const MOST_RANGES: usize = 16_384;

/// What is left of a command.
#[derive(Debug, Clone, Copy)]
pub(in crate::imap) struct Cursor<'c> {
    rest: &'c [u8],
}

impl<'c> Cursor<'c> {
    pub(in crate::imap) fn new(rest: &'c [u8]) -> Self {
        Self { rest }
    }

    pub(in crate::imap) fn rest(&self) -> &'c [u8] {
        self.rest
    }

    pub(in crate::imap) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes this octet if it comes next.
    pub(in crate::imap) fn eat(&mut self, octet: u8) -> bool {
        let is = self.peek() == Some(octet);
        if is {
            self.rest = &self.rest[1..];
        }
        is
    }

    pub(in crate::imap) fn expect(&mut self, octet: u8, what: &'static str) -> Read<()> {
        self.eat(octet).then_some(()).ok_or(Syntax(what))
    }

    pub(in crate::imap) fn space(&mut self) -> Read<()> {
        self.expect(b' ', "A space was expected")
    }

    /// The end of the command.
    pub(in crate::imap) fn end(&self) -> Read<()> {
        if matches!(self.rest, b"" | b"\r\n") {
            return Ok(());
        }
        Err(Syntax("The command goes on where it should end"))
    }

    fn take_while(&mut self, is: impl Fn(u8) -> bool) -> &'c [u8] {
        let end = self.rest.iter().position(|octet| !is(*octet));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn take(&mut self, length: usize) -> Read<&'c [u8]> {
        let split = self.rest.split_at_checked(length);
        let (taken, rest) = split.ok_or(Syntax("A literal is shorter than it says"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A word of a command, which is plain ASCII.
    pub(in crate::imap) fn word(&mut self) -> Read<&'c str> {
        let word = self.take_while(is_atom_char);
        match std::str::from_utf8(word) {
            Ok(word) if !word.is_empty() => Ok(word),
            _ => Err(Syntax("A word was expected")),
        }
    }

    /// Takes this word, in any case, if it comes next and ends there.
    pub(in crate::imap) fn eat_word(&mut self, wanted: &str) -> bool {
        let mut ahead = *self;
        let is = matches!(ahead.word(), Ok(word) if word.eq_ignore_ascii_case(wanted));
        if is {
            *self = ahead;
        }
        is
    }

    pub(in crate::imap) fn number(&mut self) -> Read<u32> {
        u32::try_from(self.number64()?).map_err(|_| Syntax("A number is too large"))
    }

    pub(in crate::imap) fn number64(&mut self) -> Read<u64> {
        let digits = self.take_while(|octet| octet.is_ascii_digit());
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let number = text.parse::<u64>().ok();
        let number = number.filter(|number| i64::try_from(*number).is_ok());
        number.ok_or(Syntax("A number was expected"))
    }

    /// An atom with brackets, or a string.
    pub(in crate::imap) fn astring(&mut self) -> Read<Cow<'c, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => match self.take_while(|octet| is_atom_char(octet) || octet == b']') {
                b"" => Err(Syntax("A name or a string was expected")),
                atom => Ok(Cow::Borrowed(atom)),
            },
        }
    }

    /// A pattern of LIST: an atom with wildcards, or a string.
    pub(in crate::imap) fn pattern(&mut self) -> Read<Cow<'c, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => match self.take_while(|octet| is_atom_char(octet) || b"]%*".contains(&octet)) {
                b"" => Err(Syntax("A pattern was expected")),
                atom => Ok(Cow::Borrowed(atom)),
            },
        }
    }

    pub(in crate::imap) fn string(&mut self) -> Read<Cow<'c, [u8]>> {
        if self.eat(b'"') {
            self.quoted()
        } else {
            self.literal().map(Cow::Borrowed)
        }
    }

    fn quoted(&mut self) -> Read<Cow<'c, [u8]>> {
        const OPEN: Syntax = Syntax("A quoted string doesn't end");
        let plain = self.take_while(|octet| !b"\"\\\r\n\0".contains(&octet));
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.rest = &self.rest[1..];
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    let escaped = self.rest.get(1).filter(|octet| b"\"\\".contains(octet));
                    text.push(*escaped.ok_or(OPEN)?);
                    self.rest = &self.rest[2..];
                }
                None | Some(b'\r' | b'\n' | 0) => return Err(OPEN),
                Some(_) => {
                    text.extend_from_slice(
                        self.take_while(|octet| !b"\"\\\r\n\0".contains(&octet)),
                    );
                }
            }
        }
    }

    fn literal(&mut self) -> Read<&'c [u8]> {
        self.expect(b'{', "A string was expected")?;
        let length = self.number()?;
        self.eat(b'+');
        for (octet, what) in [
            (b'}', "A literal's length ends with }"),
            (b'\r', "A literal's length ends its line"),
            (b'\n', "A literal's length ends its line"),
        ] {
            self.expect(octet, what)?;
        }
        let octets = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        if octets.contains(&0) {
            return Err(Syntax("A literal holds a NUL"));
        }
        Ok(octets)
    }

    /// A set of numbers, or `$`.
    pub(in crate::imap) fn numbers(&mut self) -> Read<Numbers> {
        if self.eat(b'$') {
            return Ok(Numbers::Saved);
        }
        self.number_set().map(Numbers::Set)
    }

    pub(in crate::imap) fn number_set(&mut self) -> Read<NumberSet> {
        let mut ranges = Vec::new();
        loop {
            let first = self.set_number()?;
            let last = if self.eat(b':') {
                self.set_number()?
            } else {
                first
            };
            ranges.push((first, last));
            if ranges.len() > MOST_RANGES {
                return Err(Syntax("A set has too many ranges"));
            }
            if !self.eat(b',') {
                return Ok(NumberSet(ranges));
            }
        }
    }

    fn set_number(&mut self) -> Read<u32> {
        if self.eat(b'*') {
            return Ok(STAR);
        }
        match self.number()? {
            0 => Err(Syntax("A set holds no 0")),
            number => Ok(number),
        }
    }
}

pub(in crate::imap) fn is_atom_char(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_in_all_their_forms() {
        for (text, string, rest) in [
            ("abc def", "abc", " def"),
            ("a]b)", "a]b", ")"),
            ("\"\" x", "", " x"),
            ("\"a b\"", "a b", ""),
            (r#""a\"b\\c"x"#, "a\"b\\c", "x"),
            ("{3}\r\na\r\nb", "a\r\n", "b"),
            ("{3+}\r\nabc)", "abc", ")"),
        ] {
            let mut cursor = Cursor::new(text.as_bytes());
            assert_eq!(*cursor.astring().unwrap(), *string.as_bytes(), "{text}");
            assert_eq!(cursor.rest(), rest.as_bytes());
        }
        for bad in [
            "",
            "\"a",
            "\"a\\b\"",
            "\"a\r\n\"",
            "{4}\r\nabc",
            "{3\r\nabc",
            "{3}abc",
            "(",
            "{1}\r\n\0",
        ] {
            assert!(Cursor::new(bad.as_bytes()).astring().is_err(), "{bad}");
        }
    }

    #[test]
    fn sets_are_read() {
        let read = |text: &str| Cursor::new(text.as_bytes()).numbers();
        assert_eq!(read("$ x").unwrap(), Numbers::Saved);
        let set = NumberSet(vec![(1, 1), (7, 3), (9, STAR), (STAR, STAR)]);
        assert_eq!(read("1,7:3,9:*,* x").unwrap(), Numbers::Set(set));
        for bad in ["", "0", "1,", "1:", ",1", "4294967296", "a"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"1,".repeat(MOST_RANGES + 1)).is_err());
    }
}
