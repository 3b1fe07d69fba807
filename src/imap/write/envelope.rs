//! ENVELOPE (RFC 9051 §7.5.2) out of the fields that an outline kept.

use super::{address, nstring};
use crate::message::mime::field::raw_fields;

/// The fields of an envelope, in its order.
pub(in crate::imap) const ENVELOPE: [&str; 10] = [
    "Date",
    "Subject",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "In-Reply-To",
    "Message-ID",
];
const FROM: usize = 2;
const SENDER: usize = 3;
const REPLY_TO: usize = 4;

/// Writes the envelope of the message whose listed fields these are.
pub(in crate::imap) fn envelope(out: &mut Vec<u8>, fields: &[u8]) {
    let mut values: [Option<&[u8]>; ENVELOPE.len()] = [None; ENVELOPE.len()];
    for raw in raw_fields(fields) {
        let Some(colon) = memchr::memchr(b':', raw) else {
            continue;
        };
        let name = raw[..colon].trim_ascii_end();
        let place = ENVELOPE
            .iter()
            .position(|known| known.as_bytes().eq_ignore_ascii_case(name));
        // Of several the first.
        if let Some(value) = place
            .map(|place| &mut values[place])
            .filter(|value| value.is_none())
        {
            *value = Some(raw[colon + 1..].trim_ascii());
        }
    }
    for instead in [SENDER, REPLY_TO] {
        if values[instead].is_none_or(<[u8]>::is_empty) {
            values[instead] = values[FROM];
        }
    }
    out.push(b'(');
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        if (FROM..=7).contains(&at) {
            match value {
                Some(value) => address::list(out, value),
                None => out.extend_from_slice(b"NIL"),
            }
        } else {
            unfolded(out, value);
        }
    }
    out.push(b')');
}

/// A value without its folds.
pub(super) fn unfolded(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) if memchr::memchr2(b'\r', b'\n', value).is_some() => {
            let plain: Vec<u8> = value
                .iter()
                .copied()
                .filter(|octet| !matches!(octet, b'\r' | b'\n'))
                .collect();
            nstring(out, Some(&plain));
        }
        value => nstring(out, value),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_what_the_header_says() {
        let mut out = Vec::new();
        envelope(
            &mut out,
            b"Subject: a\r\n  \"b\"\r\nFROM: Ann <a@b>\r\nTo: c@d\r\nDate: today\r\nsender:\r\nMessage-ID: <x@y>\r\nSubject: no\r\n",
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"("today" "a  \"b\"" (("Ann" NIL "a" "b")) (("Ann" NIL "a" "b")) (("Ann" NIL "a" "b")) ((NIL NIL "c" "d")) NIL NIL NIL "<x@y>")"#
        );
    }
}
