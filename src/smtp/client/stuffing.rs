//! Dot-stuffing (RFC 5321 §4.5.2), streaming: a message goes through in chunks of any size and is never held whole.

use bytes::{BufMut, BytesMut};

use crate::smtp::LONGEST_LINE;

/// A message that must not go out as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A CR without LF or an LF without CR. Servers differ in what they take for the end of a line then, and so, in
    /// the worst case, for the end of a message (RFC 5321 §2.3.8).
    #[error("the message has a bare CR or LF in it and can't be sent: its lines must end in CRLF")]
    BareLineEnd,
    /// A line that is longer than servers must take (RFC 5321 §4.5.3.1.6): on its way it would be cut or lost.
    #[error(
        "the message has a line of more than {LONGEST_LINE} octets and can't be sent: write it anew with shorter lines"
    )]
    LineTooLong,
}

/// Where the last chunk stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Inside,
    AfterCr,
}

/// Doubles dots at the start of lines, and refuses bare line ends and lines that are too long.
#[derive(Debug)]
pub(super) struct Stuffer {
    at: At,
    /// Octets of the line so far.
    line: usize,
}

impl Stuffer {
    pub(super) fn new() -> Self {
        Self {
            at: At::LineStart,
            line: 0,
        }
    }

    /// Appends one chunk to `out`, stuffed. After an error, nothing of the message may be ended with a dot.
    pub(super) fn push(&mut self, mut chunk: &[u8], out: &mut BytesMut) -> Result<(), BodyError> {
        out.reserve(chunk.len() + 16);
        while let Some(&first) = chunk.first() {
            if self.at == At::AfterCr {
                if first != b'\n' {
                    return Err(BodyError::BareLineEnd);
                }
                out.put_u8(b'\n');
                chunk = &chunk[1..];
                self.at = At::LineStart;
                self.line = 0;
                continue;
            }
            if self.at == At::LineStart && first == b'.' {
                out.put_u8(b'.');
            }
            let end = chunk.iter().position(|b| matches!(b, b'\r' | b'\n'));
            self.line += end.unwrap_or(chunk.len());
            if self.line > LONGEST_LINE {
                return Err(BodyError::LineTooLong);
            }
            let Some(end) = end else {
                out.put_slice(chunk);
                self.at = At::Inside;
                return Ok(());
            };
            if chunk[end] == b'\n' {
                return Err(BodyError::BareLineEnd);
            }
            out.put_slice(&chunk[..=end]);
            chunk = &chunk[end + 1..];
            self.at = At::AfterCr;
        }
        Ok(())
    }

    /// Ends the last line if it isn't ended. The dot itself is not written here: it waits for its permission.
    pub(super) fn end(&mut self, out: &mut BytesMut) -> Result<(), BodyError> {
        match self.at {
            At::AfterCr => Err(BodyError::BareLineEnd),
            At::Inside => {
                out.put_slice(b"\r\n");
                self.at = At::LineStart;
                Ok(())
            }
            At::LineStart => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn stuff(chunks: &[&[u8]]) -> Result<Vec<u8>, BodyError> {
        let (mut stuffer, mut out) = (Stuffer::new(), BytesMut::new());
        for chunk in chunks {
            stuffer.push(chunk, &mut out)?;
        }
        stuffer.end(&mut out)?;
        Ok(out.to_vec())
    }

    #[test]
    fn no_line_is_longer_than_servers_take() {
        let line = |octets| [&b".".repeat(octets)[..], b"\r\n"].concat();
        let (fits, over) = (line(998), line(999));
        assert_eq!(stuff(&[&fits, &fits]).unwrap().len(), 2 * 1001);
        assert_eq!(stuff(&[&fits, &over]), Err(BodyError::LineTooLong));
        let pieces: Vec<&[u8]> = over.chunks(100).collect();
        assert_eq!(stuff(&pieces), Err(BodyError::LineTooLong));
        assert_eq!(stuff(&[&over[..999]]), Err(BodyError::LineTooLong));
    }

    /// The receiving side, written from the RFC: takes lines until the lone dot and removes one leading dot.
    fn unstuff(wire: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut message, mut rest) = (Vec::new(), wire);
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
            let line = &rest[..end + 2];
            rest = &rest[end + 2..];
            if line == b".\r\n" {
                return (message, rest.to_vec());
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        panic!("no end of data");
    }

    #[test]
    fn odd_messages() {
        let table: &[(&[u8], &[u8])] = &[
            (b"", b""),
            (b".", b"..\r\n"),
            (b".\r\n", b"..\r\n"),
            (b"..\r\n", b"...\r\n"),
            (b"a", b"a\r\n"),
            (b"a\r\n.b\r\n", b"a\r\n..b\r\n"),
            (b"\r\n.\r\n", b"\r\n..\r\n"),
            (b"a.\r\n", b"a.\r\n"),
        ];
        for (message, wire) in table {
            assert_eq!(stuff(&[message]).unwrap(), *wire, "{message:?}");
        }
    }

    #[test]
    fn bare_line_ends_are_refused_wherever_chunks_split() {
        let bad: &[&[&[u8]]] = &[
            &[b"a\nb"],
            &[b"a\rb"],
            &[b"a\r", b"b"],
            &[b"a\r", b"\r\n"],
            &[b"a\r\r\n"],
            &[b"\n"],
            &[b"a", b"\n"],
            &[b"a\r"],
            &[b"a\r\n\n.\r\n"],
        ];
        for chunks in bad {
            assert_eq!(stuff(chunks), Err(BodyError::BareLineEnd), "{chunks:?}");
        }
        assert_eq!(
            stuff(&[b"a\r", b"\n", b".", b"b"]).unwrap(),
            b"a\r\n..b\r\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_stuffed_is_read_back_whole(
            lines in proptest::collection::vec("[.a]{0,4}", 0..12),
            splits in proptest::collection::vec(0usize..80, 0..6),
        ) {
            let message = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
            let message = message.as_bytes();
            let mut cuts: Vec<usize> = splits.into_iter().map(|at| at.min(message.len())).collect();
            cuts.extend([0, message.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &message[w[0]..w[1]]).collect();
            let mut wire = stuff(&chunks).unwrap();
            wire.extend_from_slice(b".\r\nMAIL FROM:<>\r\n");
            let (read, rest) = unstuff(&wire);
            prop_assert_eq!(read, message);
            prop_assert_eq!(rest, b"MAIL FROM:<>\r\n");
        }

        #[test]
        fn no_input_ever_ends_the_data_by_itself(bytes in proptest::collection::vec(
            prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a')], 0..40)) {
            if let Ok(wire) = stuff(&[&bytes]) {
                prop_assert!(!wire.starts_with(b".\r\n"));
                prop_assert!(!wire.windows(5).any(|w| w == b"\r\n.\r\n"));
                prop_assert!(!wire.windows(3).any(|w| w == b"\n.\n" || w == b"\r.\r"));
            }
        }
    }
}
