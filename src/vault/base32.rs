//! RFC 4648 base 32 without padding: letters and the digits 2 to 7, so that a mail system that changes the case of
//! letters breaks nothing. Strict when read: one text for one value.

use zeroize::Zeroize;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Writes bytes as lower-case base 32.
pub(crate) fn encode(bytes: &[u8]) -> String {
    // The capacity is exact: a grown string would leave a copy of a secret behind.
    let mut text = String::with_capacity(encoded_len(bytes.len()));
    let mut bits = 0_u16;
    let mut held = 0;
    for &byte in bytes {
        bits = (bits << 8) | u16::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(digit(bits >> held));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(digit(bits << (5 - held)));
    }
    text
}

/// How many digits `len` bytes take.
pub(super) const fn encoded_len(len: usize) -> usize {
    (len * 8).div_ceil(5)
}

fn digit(bits: u16) -> char {
    char::from(ALPHABET[usize::from(bits & 31)])
}

/// Reads exactly `N` bytes, in either case; `None` for any other length, for other characters, or if the bits that
/// the last digit has to spare aren't zero.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != encoded_len(N) {
        return None;
    }
    let mut bytes = [0; N];
    let mut filled = 0;
    let mut bits = 0_u16;
    let mut held = 0;
    for character in text.bytes() {
        let Some(value) = value(character) else {
            bytes.zeroize();
            return None;
        };
        bits = (bits << 5) | u16::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes[filled] = u8::try_from(bits >> held).ok()?;
            filled += 1;
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0 && filled == N).then_some(bytes)
}

fn value(character: u8) -> Option<u8> {
    match character.to_ascii_lowercase() {
        letter @ b'a'..=b'z' => Some(letter - b'a'),
        number @ b'2'..=b'7' => Some(number - b'2' + 26),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 4648 section 10.
    #[test]
    fn the_vectors_of_the_rfc_hold() {
        assert_eq!(encode(b""), "");
        assert_eq!(encode(b"f"), "my");
        assert_eq!(encode(b"fo"), "mzxq");
        assert_eq!(encode(b"foo"), "mzxw6");
        assert_eq!(encode(b"foob"), "mzxw6yq");
        assert_eq!(encode(b"fooba"), "mzxw6ytb");
        assert_eq!(encode(b"foobar"), "mzxw6ytboi");
        assert_eq!(decode::<6>("MZXW6ytboi"), Some(*b"foobar"));
        assert_eq!(decode::<0>(""), Some([]));
    }

    #[test]
    fn what_is_not_the_one_text_is_refused() {
        for bad in [
            "mzxw6", "mzxw6yt", "mzxw6yr", "mzxw6y=", "mzxw6y1", "mzxw6y0", "mzxw6é", " zxw6yq",
        ] {
            assert_eq!(decode::<4>(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(bytes: [u8; 33], upper: bool) {
            let text = encode(&bytes);
            let text = if upper { text.to_ascii_uppercase() } else { text };
            prop_assert_eq!(decode::<33>(&text), Some(bytes));
        }

        #[test]
        fn one_value_has_one_text(text in "[a-z2-7]{7}") {
            if let Some(bytes) = decode::<4>(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = decode::<16>(&text);
        }
    }
}
