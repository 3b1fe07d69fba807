//! Reads a server's replies out of bytes as they come, with a limit on everything.
//!
//! Lenient where it harms nobody (a bare LF ends a line, control characters become spaces), strict where a mistake
//! would pair a reply with the wrong command: a code has three digits in range, and all lines have the same one.

use std::borrow::Cow;

use bytes::{Buf, BytesMut};

use crate::smtp::reply::{Enhanced, Reply};

/// Octets in a reply line. RFC 5321 §4.5.3.1.5 says 512; some servers write more.
const MAX_LINE: usize = 2_000;
/// Lines in a reply.
const MAX_LINES: usize = 100;
/// Octets of text that are kept of a reply. What goes beyond is read and forgotten: a server can't make the replies
/// to a hundred recipients fill the memory.
const MAX_KEPT: usize = 4 * 1024;

/// What came is no reply. The connection can't be used any more: nobody knows which command comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line that doesn't start with a code.
    #[error("the server wrote a line that is no SMTP reply")]
    NoCode,
    /// Lines with different codes in one reply.
    #[error("the server mixed two codes in one reply")]
    MixedCodes,
    /// Over the limits.
    #[error("the server's reply is longer than {MAX_LINES} lines or {MAX_LINE} bytes a line")]
    TooLong,
    /// A reply without a command.
    #[error("the server replied to a command that was not sent")]
    Unasked,
    /// A code that can't answer this command.
    #[error("the server's reply doesn't fit the command")]
    OutOfPlace,
}

/// The incremental reader: push bytes, take replies.
pub(super) struct ReplyParser {
    input: BytesMut,
    /// Bytes of `input` that have no LF in them.
    searched: usize,
    code: Option<u16>,
    lines: Vec<String>,
    /// Lines and octets of the reply that is being read.
    count: usize,
    kept: usize,
}

/// A server's words may name people.
impl std::fmt::Debug for ReplyParser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReplyParser({} octets)", self.input.len())
    }
}

impl ReplyParser {
    pub(super) fn new() -> Self {
        Self {
            input: BytesMut::new(),
            searched: 0,
            code: None,
            lines: Vec::new(),
            count: 0,
            kept: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Whether every byte that came was part of a reply that has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.input.is_empty() && self.count == 0
    }

    /// The next whole reply; `None` if more bytes are needed.
    pub(super) fn next(&mut self) -> Option<Result<Reply, ReplyError>> {
        loop {
            let line = match self.take_line()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            match self.take_in(&line) {
                Ok(Some(reply)) => return Some(Ok(reply)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn take_line(&mut self) -> Option<Result<BytesMut, ReplyError>> {
        let Some(found) = self.input[self.searched..].iter().position(|&b| b == b'\n') else {
            self.searched = self.input.len();
            return (self.searched > MAX_LINE).then_some(Err(ReplyError::TooLong));
        };
        let end = self.searched + found;
        self.searched = 0;
        if end > MAX_LINE {
            return Some(Err(ReplyError::TooLong));
        }
        let mut line = self.input.split_to(end);
        self.input.advance(1);
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Some(Ok(line))
    }

    fn take_in(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let (code, last, text) = split(line).ok_or(ReplyError::NoCode)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyError::MixedCodes);
        }
        if self.count == MAX_LINES {
            return Err(ReplyError::TooLong);
        }
        self.code = Some(code);
        self.count += 1;
        self.kept += text.len();
        if self.kept <= MAX_KEPT {
            self.lines.push(printable(text));
        }
        if !last {
            return Ok(None);
        }
        (self.code, self.count, self.kept) = (None, 0, 0);
        let lines = std::mem::take(&mut self.lines);
        let enhanced = lines.first().and_then(|line| enhanced(code, line));
        let lines = lines
            .into_iter()
            .map(|line| Cow::Owned(without(enhanced, line)))
            .collect();
        Ok(Some(Reply::from_parts(code, enhanced, lines)))
    }
}

/// Code, whether this is the last line, text (RFC 5321 §4.2; a code alone on its line is taken too).
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let in_range = matches!(digits, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']);
    if !in_range {
        return None;
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        None => Some((code, true, rest)),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

/// The text as it can be kept and shown: UTF-8, and nothing in it that could start a new line anywhere.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The enhanced code of the first line, if its class fits the code (RFC 2034 §4).
fn enhanced(code: u16, line: &str) -> Option<Enhanced> {
    let found = Enhanced::parse(line.split_ascii_whitespace().next()?)?;
    (u16::from(found.class()) == code / 100).then_some(found)
}

/// A [`Reply`] has its enhanced code once, its lines have the text alone.
fn without(enhanced: Option<Enhanced>, line: String) -> String {
    let rest = line.split_once(' ').map_or("", |(_, rest)| rest);
    let first = line.split(' ').next().and_then(Enhanced::parse);
    match (enhanced, first) {
        (Some(code), Some(first)) if code == first => rest.to_owned(),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Vec<Reply>, ReplyError> {
        let mut parser = ReplyParser::new();
        parser.push(bytes);
        std::iter::from_fn(|| parser.next()).collect()
    }

    fn texts(reply: &Reply) -> Vec<&str> {
        reply.lines().collect()
    }

    fn one(text: &str) -> Result<Reply, ReplyError> {
        all(text.as_bytes()).map(|mut replies| replies.remove(0))
    }

    #[test]
    fn one_line_and_many() {
        let reply = one("250 2.1.0 fine\r\n").unwrap();
        assert_eq!(
            (reply.code(), reply.enhanced()),
            (250, Some(Enhanced::new(2, 1, 0)))
        );
        let reply = one("550-5.1.1 no\r\n550-such\r\n550 user\r\n").unwrap();
        assert_eq!(texts(&reply), ["no", "such", "user"]);
        let reply = one("550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1\r\n").unwrap();
        assert_eq!(texts(&reply), ["no", "such", ""]);
        assert_eq!(texts(&one("250\r\n").unwrap()), [""]);
        assert_eq!(one("250 ok\n").unwrap().code(), 250);
    }

    #[test]
    fn enhanced_codes_must_fit() {
        for text in [
            "250 5.1.1 x",
            "250 2.1 x",
            "250 2.1.1.1 x",
            "250 2.1.1111 x",
            "250 x",
            "250 2..1",
            "250 +2.1.1",
        ] {
            assert_eq!(
                one(&format!("{text}\r\n")).unwrap().enhanced(),
                None,
                "{text}"
            );
        }
        assert_eq!(
            one("421 4.7.28\r\n").unwrap().enhanced(),
            Some(Enhanced::new(4, 7, 28))
        );
    }

    #[test]
    fn what_is_no_reply() {
        for text in [
            "\r\n",
            "25\r\n",
            "hello\r\n",
            "150 x\r\n",
            "2a0 x\r\n",
            "650 x\r\n",
            "2500 x\r\n",
            "250x\r\n",
        ] {
            assert_eq!(one(text), Err(ReplyError::NoCode), "{text:?}");
        }
        assert_eq!(one("250-a\r\n550 b\r\n"), Err(ReplyError::MixedCodes));
    }

    #[test]
    fn replies_are_bounded() {
        let endless = [b'2'; MAX_LINE + 1];
        assert_eq!(all(&endless), Err(ReplyError::TooLong));
        let long = format!("250 {}\r\n", "x".repeat(MAX_LINE));
        assert_eq!(one(&long), Err(ReplyError::TooLong));
        let lines = "250-x\r\n".repeat(MAX_LINES + 1);
        assert_eq!(all(lines.as_bytes()), Err(ReplyError::TooLong));
    }

    #[test]
    fn of_a_long_reply_the_beginning_is_kept() {
        let line = format!("550-{}\r\n", "x".repeat(1_500));
        let reply = one(&format!("{}550 end\r\n", line.repeat(50))).unwrap();
        assert_eq!(reply.lines().count(), 2);
        assert_eq!(texts(&one("250 ok\r\n").unwrap()), ["ok"]);
    }

    #[test]
    fn text_can_not_leave_its_line() {
        let reply = all(b"550 a\rb\x1b[31m\0\xff\r\n").unwrap().remove(0);
        assert!(!texts(&reply)[0].contains(char::is_control));
    }

    proptest! {
        #[test]
        fn split_anywhere_it_reads_the_same(
            replies in proptest::collection::vec((200u16..600, proptest::collection::vec("[ -~]{0,20}", 1..4)), 1..5),
            size in 1usize..9,
        ) {
            let mut wire = String::new();
            for (code, lines) in &replies {
                for (at, line) in lines.iter().enumerate() {
                    let mark = if at + 1 == lines.len() { ' ' } else { '-' };
                    wire.push_str(&format!("{code}{mark}{line}\r\n"));
                }
            }
            let whole = all(wire.as_bytes()).unwrap();
            prop_assert_eq!(whole.len(), replies.len());
            let mut parser = ReplyParser::new();
            let mut split = Vec::new();
            for chunk in wire.as_bytes().chunks(size) {
                parser.push(chunk);
                while let Some(reply) = parser.next() {
                    split.push(reply.unwrap());
                }
            }
            prop_assert!(parser.is_empty());
            prop_assert_eq!(split, whole);
        }

        #[test]
        fn no_input_panics_or_grows_without_end(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let mut parser = ReplyParser::new();
            for chunk in bytes.chunks(97) {
                parser.push(chunk);
                while let Some(reply) = parser.next() {
                    match reply {
                        Ok(reply) => prop_assert!((200..600).contains(&reply.code())),
                        Err(_) => return Ok(()),
                    }
                }
                prop_assert!(parser.input.len() <= MAX_LINE + 97);
            }
        }
    }
}
