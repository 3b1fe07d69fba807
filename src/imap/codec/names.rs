//! Folder names on the wire: modified UTF-7 (RFC 3501 §5.1.3) until a client has enabled IMAP4rev2, then UTF-8.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const CODER: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A name as text. What is no modified UTF-7, or no UTF-8, is none.
pub(in crate::imap) fn decode(raw: &[u8], utf8: bool) -> Option<String> {
    let text = std::str::from_utf8(raw).ok()?;
    // Some programs send UTF-8 without asking.
    if utf8 || !text.is_ascii() {
        return Some(text.to_owned());
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        let (shifted, behind) = rest[at + 1..].split_once('-')?;
        if shifted.is_empty() {
            decoded.push('&');
        } else {
            decoded.push_str(&unshift(shifted)?);
        }
        rest = behind;
    }
    decoded.push_str(rest);
    Some(decoded)
}

fn unshift(shifted: &str) -> Option<String> {
    let bytes = CODER.decode(shifted).ok()?;
    let (units, []) = bytes.as_chunks::<2>() else {
        return None;
    };
    let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
    String::from_utf16(&units).ok()
}

/// A name as it's written to a client.
pub(in crate::imap) fn encode(name: &str, utf8: bool) -> String {
    if utf8 || (name.is_ascii() && !name.contains('&')) {
        return name.to_owned();
    }
    let mut encoded = String::with_capacity(name.len() * 2);
    let mut units: Vec<u8> = Vec::new();
    for c in name.chars() {
        if c.is_ascii() {
            shift(&mut units, &mut encoded);
            encoded.push(c);
            if c == '&' {
                encoded.push('-');
            }
        } else {
            let mut pair = [0; 2];
            let coded = c.encode_utf16(&mut pair);
            units.extend(coded.iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    shift(&mut units, &mut encoded);
    encoded
}

fn shift(units: &mut Vec<u8>, encoded: &mut String) {
    if !units.is_empty() {
        encoded.push('&');
        CODER.encode_string(&*units, encoded);
        encoded.push('-');
        units.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_written_as_the_standard_says() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("a & b", "a &- b"),
            (
                "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}",
                "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
            ),
            ("T\u{e2}n", "T&AOI-n"),
            ("\u{1f4ec}", "&2D3c7A-"),
        ] {
            assert_eq!(encode(name, false), wire);
            assert_eq!(decode(wire.as_bytes(), false).as_deref(), Some(name));
            assert_eq!(encode(name, true), name);
            assert_eq!(decode(name.as_bytes(), true).as_deref(), Some(name));
        }
        for bad in [&b"&"[..], b"&AOI", b"&A-", b"&2D0-", b"&AO*-", b"\xff"] {
            assert_eq!(decode(bad, false), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(name: String) {
            prop_assert_eq!(decode(encode(&name, false).as_bytes(), false), Some(name));
        }

        #[test]
        fn anything_can_be_read(raw: Vec<u8>) {
            let _ = decode(&raw, false);
        }
    }
}
