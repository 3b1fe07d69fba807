//! The octets behind BDAT (RFC 3030): counted, not marked. They are checked for bare line ends like those of DATA,
//! because the next server on their way may find an end in them.

use super::{Fault, plain_run};

/// Line ends over all chunks of one message: a CRLF may be cut in two by the end of a chunk.
#[derive(Debug, Default)]
pub(in crate::smtp::server) struct LineEnds {
    after_cr: bool,
    line: usize,
    longest: usize,
}

impl LineEnds {
    /// The longest line so far, in octets without CRLF.
    pub(in crate::smtp::server) fn longest_line(&self) -> usize {
        self.longest.max(self.line)
    }

    /// Checks the next octets of the message.
    pub(in crate::smtp::server) fn check(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(&octet) = octets.get(at) {
            match (self.after_cr, octet) {
                (true, b'\n') => {
                    self.longest = self.longest_line();
                    (self.after_cr, self.line) = (false, 0);
                    at += 1;
                }
                (true, _) | (false, b'\n') => return Err(Fault::BareLineEnd),
                (false, 0) => return Err(Fault::Nul),
                (false, b'\r') => {
                    self.after_cr = true;
                    at += 1;
                }
                (false, _) => {
                    let run = plain_run(&octets[at..]);
                    self.line += run;
                    at += run;
                }
            }
        }
        Ok(())
    }

    /// Checks that the message may end here.
    pub(in crate::smtp::server) fn finish(&self) -> Result<(), Fault> {
        if self.after_cr {
            Err(Fault::BareLineEnd)
        } else {
            Ok(())
        }
    }
}

/// One chunk on its way in.
#[derive(Debug)]
pub(in crate::smtp::server) struct Chunk {
    /// Octets still to come.
    pub(in crate::smtp::server) left: u64,
    /// Octets in all.
    pub(in crate::smtp::server) size: u64,
    /// Whether the message ends with it.
    pub(in crate::smtp::server) last: bool,
}

impl Chunk {
    /// Takes what of `input` belongs to the chunk.
    pub(in crate::smtp::server) fn take<'i>(&mut self, input: &'i [u8]) -> &'i [u8] {
        let length = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        self.left -= length as u64;
        &input[..length]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pieces: &[&[u8]]) -> Result<(), Fault> {
        let mut ends = LineEnds::default();
        pieces.iter().try_for_each(|piece| ends.check(piece))?;
        ends.finish()
    }

    #[test]
    fn line_ends_come_in_pairs_even_across_chunks() {
        for good in [
            &[&b"a\r\n.\r\nb"[..]][..],
            &[b"a\r", b"\nb\r\n"],
            &[b"", b".\r\n", b""],
        ] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for bare in [
            &[&b"a\n.\n"[..]][..],
            &[b"a\r", b"b"],
            &[b"a\r"],
            &[b"a", b"\nb"],
            &[b"\r\r\n"],
        ] {
            assert_eq!(check(bare), Err(Fault::BareLineEnd), "{bare:?}");
        }
        assert_eq!(check(&[b"a\0b"]), Err(Fault::Nul));
    }

    #[test]
    fn a_chunk_takes_no_octet_too_many() {
        let mut chunk = Chunk {
            left: 5,
            size: 5,
            last: true,
        };
        assert_eq!(chunk.take(b"abc"), b"abc");
        assert_eq!(chunk.take(b"deNOOP\r\n"), b"de");
        assert_eq!(chunk.take(b"NOOP\r\n"), b"");
    }

    proptest! {
        #[test]
        fn any_split_is_checked_alike(text in "[a\r\n\0]{0,20}", cut in 0usize..20) {
            let text = text.as_bytes();
            let (one, two) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(check(&[one, two]), check(&[text]));
        }
    }
}
