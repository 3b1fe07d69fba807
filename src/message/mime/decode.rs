//! Undoing a transfer encoding (RFC 2045 §6.7, §6.8) while the bytes go by, in memory that doesn't grow with them. What
//! doesn't follow the encoding is read as generously as mail programs do: nothing is an error.

use super::tree::TransferEncoding;

/// So many spaces before a line end are dropped (RFC 2045 §6.7 (3)); of more than a line may have, those that are too many
/// are content.
const SPACES: usize = 1000;

/// Undoes an encoding.
#[derive(Debug, Clone)]
pub struct Decoder(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Identity,
    Base64 { bits: u32, digits: u8 },
    QuotedPrintable { open: Vec<u8>, spaces: Vec<u8> },
}

impl Default for Decoder {
    /// Of what isn't encoded.
    fn default() -> Self {
        Self(Kind::Identity)
    }
}

impl Decoder {
    /// Undoes this encoding; `None` if nobody knows how.
    pub fn of(encoding: TransferEncoding) -> Option<Self> {
        Some(Self(match encoding {
            TransferEncoding::Identity => Kind::Identity,
            TransferEncoding::Base64 => Kind::Base64 { bits: 0, digits: 0 },
            TransferEncoding::QuotedPrintable => Kind::QuotedPrintable {
                open: Vec::new(),
                spaces: Vec::new(),
            },
            TransferEncoding::Unknown => return None,
        }))
    }

    /// Takes the next bytes, and adds what they stand for.
    pub fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Identity => out.extend_from_slice(bytes),
            Kind::Base64 { bits, digits } => {
                for byte in bytes {
                    base64_digit(*byte, bits, digits, out);
                }
            }
            Kind::QuotedPrintable { open, spaces } => {
                for byte in bytes {
                    quoted(*byte, open, spaces, out);
                }
            }
        }
    }

    /// Adds what was left open.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Identity => {}
            Kind::Base64 { bits, digits } => end_of_group(bits, digits, out),
            Kind::QuotedPrintable { open, spaces } => {
                // A soft line end may be the last thing there is.
                if !open.iter().skip(1).all(|byte| is_space(*byte)) || open == b"=" {
                    out.append(open);
                }
                open.clear();
                out.append(spaces);
            }
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// Four digits are three bytes; what is no digit is passed over (RFC 2045 §6.8).
fn base64_digit(byte: u8, bits: &mut u32, digits: &mut u8, out: &mut Vec<u8>) {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' => return end_of_group(bits, digits, out),
        _ => return,
    };
    *bits = *bits << 6 | u32::from(value);
    *digits += 1;
    if *digits == 4 {
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
        (*bits, *digits) = (0, 0);
    }
}

/// A group that padding, or the end, cuts short.
fn end_of_group(bits: &mut u32, digits: &mut u8, out: &mut Vec<u8>) {
    let whole = usize::from(digits.saturating_sub(1));
    let filled = *bits << (6 * (4 - u32::from(*digits).min(4)));
    out.extend_from_slice(&filled.to_be_bytes()[1..][..whole]);
    (*bits, *digits) = (0, 0);
}

/// `open` is an escape that began; `spaces` came last and may stand before a line end.
fn quoted(byte: u8, open: &mut Vec<u8>, spaces: &mut Vec<u8>, out: &mut Vec<u8>) {
    if !open.is_empty() {
        return escaped(byte, open, spaces, out);
    }
    match byte {
        b'=' => {
            out.append(spaces);
            open.push(byte);
        }
        b'\n' => {
            let ends_with_return = spaces.last() == Some(&b'\r');
            spaces.clear();
            out.extend_from_slice(if ends_with_return { b"\r\n" } else { b"\n" });
        }
        _ if is_space(byte) => {
            if spaces.len() == SPACES {
                out.append(spaces);
            }
            spaces.push(byte);
        }
        _ => {
            out.append(spaces);
            out.push(byte);
        }
    }
}

/// Behind a `=`: two hexadecimal digits, or a soft line end with spaces before it. Otherwise it stood for itself.
fn escaped(byte: u8, open: &mut Vec<u8>, spaces: &mut Vec<u8>, out: &mut Vec<u8>) {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    let blank = open.iter().skip(1).all(|byte| is_space(*byte));
    match (open.as_slice(), byte) {
        (_, b'\n') if blank => open.clear(),
        (_, _) if blank && is_space(byte) && open.len() < SPACES => open.push(byte),
        ([_], _) if hex(byte).is_some() => open.push(byte),
        ([_, first], _) if let (Some(high), Some(low)) = (hex(*first), hex(byte)) => {
            out.push((high << 4 | low).to_be_bytes()[3]);
            open.clear();
        }
        _ => {
            let first = open.remove(0);
            out.push(first);
            for byte in std::mem::take(open).into_iter().chain([byte]) {
                quoted(byte, open, spaces, out);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;
    use crate::message::mime::encode::{QuotedPrintable, base64_lines};

    fn decode(encoding: TransferEncoding, bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut decoder, mut out) = (Decoder::of(encoding).unwrap(), Vec::new());
        for piece in bytes.chunks(size) {
            decoder.take(piece, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn what_is_encoded_comes_out_and_what_is_damaged_as_far_as_it_goes() {
        use TransferEncoding::{Base64, Identity, QuotedPrintable};
        for (encoding, text, expected) in [
            (Identity, "a=3D\r\n", "a=3D\r\n"),
            (Base64, "aGVs\r\nbG8=\r\n", "hello"),
            (Base64, "aGVsbG8", "hello"),
            // Two that were put behind each other, and what is no digit.
            (Base64, "aGVsbG8=*!aGVsbG8=", "hellohello"),
            (Base64, "a", ""),
            (Base64, "====", ""),
            (
                QuotedPrintable,
                "caf=C3=a9 =\r\nau lait  \r\n",
                "café au lait\r\n",
            ),
            (
                QuotedPrintable,
                "soft= \t\r\nline\nbare \nend ",
                "softline\nbare\nend ",
            ),
            (QuotedPrintable, "=zz=4=3D==41=", "=zz=4==A="),
            (QuotedPrintable, "100% = all = \r\n", "100% = all "),
            (QuotedPrintable, "end=\r", "end"),
            (QuotedPrintable, "a\rb", "a\rb"),
        ] {
            for size in 1..=text.len() {
                let out = decode(encoding, text.as_bytes(), size);
                assert_eq!(
                    String::from_utf8(out).unwrap(),
                    expected,
                    "{text:?} by {size}"
                );
            }
        }
        assert!(Decoder::of(TransferEncoding::Unknown).is_none());
    }

    #[test]
    fn no_line_makes_it_hold_much() {
        let spaces = " ".repeat(100_000);
        let out = decode(TransferEncoding::QuotedPrintable, spaces.as_bytes(), 999);
        assert_eq!(out.len(), spaces.len());
        let escape = format!("={spaces}x");
        let out = decode(TransferEncoding::QuotedPrintable, escape.as_bytes(), 999);
        assert_eq!(out, escape.as_bytes());
    }

    proptest! {
        #[test]
        fn base64_comes_back(bytes: Vec<u8>, size in 1..90_usize) {
            let mut text = Vec::new();
            base64_lines(&mut text, &bytes);
            prop_assert_eq!(&decode(TransferEncoding::Base64, &text, size), &bytes);
            let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
            prop_assert_eq!(decode(TransferEncoding::Base64, text.as_bytes(), size), bytes);
        }

        #[test]
        fn quoted_printable_comes_back(text: String, size in 1..90_usize) {
            let text = text.replace('\r', "");
            let mut quoted = Vec::new();
            QuotedPrintable::default().text(&mut quoted, &text);
            let out = decode(TransferEncoding::QuotedPrintable, &quoted, size);
            prop_assert_eq!(String::from_utf8(out).unwrap(), text.replace('\n', "\r\n"));
        }

        #[test]
        fn any_bytes_decode_alike_in_any_pieces(bytes in "[=0-9A-Fa-f \t\r\nxyz+/]{0,80}", size in 1..20_usize) {
            for encoding in [TransferEncoding::Base64, TransferEncoding::QuotedPrintable] {
                let bytes = bytes.as_bytes();
                prop_assert_eq!(decode(encoding, bytes, size), decode(encoding, bytes, bytes.len().max(1)));
            }
        }
    }
}
