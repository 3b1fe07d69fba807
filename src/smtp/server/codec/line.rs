//! Command lines.

use super::{Fault, plain_run};

/// What the octets that have come so far begin with.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::smtp::server) enum Line<'i> {
    /// Not yet a whole line.
    Partial,
    /// A line without its CRLF, and how many octets it took with it.
    Whole(&'i [u8], usize),
    /// A line that is no line.
    Broken(Fault),
    /// A line longer than `limit`.
    TooLong,
}

/// Looks for the line at the start of `input`; it may have `limit` octets with its CRLF. The answer is the same
/// however the octets come in: the first thing wrong decides.
pub(in crate::smtp::server) fn take_line(input: &[u8], limit: usize) -> Line<'_> {
    let end = plain_run(input);
    if end + 2 > limit {
        return Line::TooLong;
    }
    match input.get(end..) {
        None | Some([] | [b'\r']) => Line::Partial,
        Some([b'\r', b'\n', ..]) => Line::Whole(&input[..end], end + 2),
        Some([0, ..]) => Line::Broken(Fault::Nul),
        Some(_) => Line::Broken(Fault::BareLineEnd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(take_line(b"NOOP\r\nQUIT", 512), Line::Whole(b"NOOP", 6));
        assert_eq!(take_line(b"\r\n", 512), Line::Whole(b"", 2));
        for partial in [&b""[..], b"NOOP", b"NOOP\r"] {
            assert_eq!(take_line(partial, 512), Line::Partial);
        }
        for bare in [
            &b"NOOP\n"[..],
            b"NOOP\rX",
            b"\n",
            b"NO\rOP\r\n",
            b"NOOP\r\r\n",
        ] {
            assert_eq!(take_line(bare, 512), Line::Broken(Fault::BareLineEnd));
        }
        assert_eq!(take_line(b"NO\0OP\r\n", 512), Line::Broken(Fault::Nul));
    }

    #[test]
    fn a_line_of_512_octets_is_the_longest() {
        let longest = [&vec![b'x'; 510][..], b"\r\n"].concat();
        assert_eq!(take_line(&longest, 512), Line::Whole(&longest[..510], 512));
        assert_eq!(take_line(&vec![b'x'; 511], 512), Line::TooLong);
        assert_eq!(take_line(&[b'x'; 510], 512), Line::Partial);
    }
}
