//! xtext (RFC 3461 §4): how a parameter of MAIL or RCPT carries what would break its syntax.

/// Visible ASCII but for what the coding itself uses.
fn is_plain(octet: u8) -> bool {
    octet.is_ascii_graphic() && octet != b'+' && octet != b'='
}

/// Writes text as xtext.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if is_plain(octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("+{octet:02X}"));
        }
    }
    out
}

/// Reads xtext; nothing if it isn't any, or stands for more than visible ASCII and spaces.
pub fn decode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let octet = match octet {
            b'+' => hex(octets.next()?)? << 4 | hex(octets.next()?)?,
            octet if is_plain(octet) => octet,
            _ => return None,
        };
        if !octet.is_ascii_graphic() && octet != b' ' {
            return None;
        }
        out.push(char::from(octet));
    }
    Some(out)
}

/// Upper case alone, as the RFC has it.
fn hex(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_read_strictly() {
        assert_eq!(decode("QQ314159+2Bx+20y").as_deref(), Some("QQ314159+x y"));
        for bad in ["+", "+2", "+2b", "a=b", "a b", "é", "+0A", "+00", "+FF"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "[ -~]{0,60}") {
            let written = encode(&text);
            prop_assert!(written.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'='));
            prop_assert_eq!(decode(&written), Some(text));
        }
    }
}
