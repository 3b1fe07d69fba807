//! A message as it goes over the wire: lines that begin with a dot get another (RFC 1939 §3), every line ends with CRLF, and
//! of a top no more lines are sent than were asked for.

/// Stuffs a message that goes by in pieces.
#[derive(Debug)]
pub(super) struct Stuffing {
    at: At,
    in_body: bool,
    /// Lines of the body that are still wanted; all if there is no number.
    lines: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Within,
    /// Behind a CR, which may be a line's end; of an empty line, if nothing stood before it.
    Return {
        empty: bool,
    },
}

impl Stuffing {
    /// Of a whole message, or of its header and so many lines of its body.
    pub(super) fn new(lines: Option<u64>) -> Self {
        Self {
            at: At::LineStart,
            in_body: false,
            lines,
        }
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_done(&self) -> bool {
        self.in_body && self.lines == Some(0) && self.at == At::LineStart
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_done() {
            // What is no line's beginning or end goes by in one.
            let run = match self.at {
                At::Within => memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len()),
                At::LineStart | At::Return { .. } => 0,
            };
            out.extend_from_slice(&rest[..run]);
            rest = &rest[run..];
            if let Some((byte, behind)) = rest.split_first() {
                self.step(*byte, out);
                rest = behind;
            }
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (byte, self.at) {
            (b'\n', at) => {
                // An empty line ends the header.
                let empty = matches!(at, At::LineStart | At::Return { empty: true });
                // A bare LF would end the line for some programs and not for others.
                let whole: &[u8] = match at {
                    At::Return { .. } => b"\n",
                    At::LineStart | At::Within => b"\r\n",
                };
                out.extend_from_slice(whole);
                self.at = At::LineStart;
                if self.in_body {
                    self.lines = self.lines.map(|lines| lines.saturating_sub(1));
                }
                self.in_body |= empty;
            }
            (b'\r', at) => {
                out.push(b'\r');
                let empty = at == At::LineStart;
                self.at = At::Return { empty };
            }
            (b'.', At::LineStart) => {
                out.extend_from_slice(b"..");
                self.at = At::Within;
            }
            _ => {
                out.push(byte);
                self.at = At::Within;
            }
        }
    }

    /// Ends the message, with the dot on a line of its own.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        match self.at {
            At::LineStart => {}
            At::Within => out.extend_from_slice(b"\r\n"),
            At::Return { .. } => out.push(b'\n'),
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stuffed(message: &str, lines: Option<u64>, size: usize) -> String {
        let (mut stuffing, mut out) = (Stuffing::new(lines), Vec::new());
        for piece in message.as_bytes().chunks(size) {
            stuffing.take(piece, &mut out);
        }
        stuffing.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dots_are_stuffed_and_tops_are_cut() {
        let message = "A: b\r\n.c\r\n\r\n.\r\n..\r\nx.\r\n";
        for (message, lines, expected) in [
            (message, None, "A: b\r\n..c\r\n\r\n..\r\n...\r\nx.\r\n.\r\n"),
            (message, Some(0), "A: b\r\n..c\r\n\r\n.\r\n"),
            (message, Some(2), "A: b\r\n..c\r\n\r\n..\r\n...\r\n.\r\n"),
            (
                message,
                Some(99),
                "A: b\r\n..c\r\n\r\n..\r\n...\r\nx.\r\n.\r\n",
            ),
            ("", None, ".\r\n"),
            ("\r\n", Some(0), "\r\n.\r\n"),
            ("\r\na\r\n", Some(0), "\r\n.\r\n"),
            ("A: b", Some(3), "A: b\r\n.\r\n"),
            ("A: b\r", None, "A: b\r\n.\r\n"),
            ("A: b\n.\n\n.", None, "A: b\r\n..\r\n\r\n..\r\n.\r\n"),
            ("A\r.b\r\r\n.", None, "A\r.b\r\r\n..\r\n.\r\n"),
        ] {
            for size in 1..=message.len().max(1) {
                assert_eq!(
                    stuffed(message, lines, size),
                    expected,
                    "{message:?} by {size}"
                );
            }
        }
    }

    proptest! {
        /// Whatever the message is, a client finds its end where it is, and the same lines.
        #[test]
        fn it_ends_where_it_ends(message in "[a.\r\n]{0,40}", size in 1..9_usize) {
            let sent = stuffed(&message, None, size);
            let end = sent.strip_suffix(".\r\n").unwrap();
            let is_early = end.starts_with(".\r\n") || end.contains("\n.\r\n");
            prop_assert!(!is_early, "{sent:?}");
            prop_assert!(end.is_empty() || end.ends_with("\r\n"));
            let lines = end.split_inclusive("\r\n");
            let back: String = lines.map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            let whole = message.replace("\r\n", "\n").replace('\n', "\r\n");
            prop_assert!(back == whole || back.strip_suffix("\r\n") == Some(&whole) || back.strip_suffix('\n') == Some(&whole));
        }
    }
}
