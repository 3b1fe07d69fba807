//! BODY and BODYSTRUCTURE (RFC 9051 §7.5.2) out of an outline. No part is read for it.

use super::envelope::{envelope, unfolded};
use super::parameter::{Parted, parted};
use super::{nstring, number, string};
use crate::message::outline::{Node, Outline};

/// Deeper parts are shown as if they held nothing.
const DEEPEST: usize = 64;

/// Writes the structure of a message.
pub(in crate::imap) fn structure(out: &mut Vec<u8>, outline: &Outline, full: bool) {
    part(out, &outline.root, full, DEEPEST);
}

fn part(out: &mut Vec<u8>, node: &Node, full: bool, deep: usize) {
    let content = value(node, "Content-Type").map(parted);
    let (kind, sub) = kind(node, content.as_ref(), deep);
    out.push(b'(');
    match kind.as_slice() {
        b"MULTIPART" => multipart(out, node, &sub, content.as_ref(), (full, deep)),
        _ => {
            single(out, node, (&kind, &sub), content.as_ref());
            match (kind.as_slice(), node.message().filter(|_| deep > 0)) {
                (b"MESSAGE", Some(inner)) => {
                    out.push(b' ');
                    envelope(out, &inner.fields);
                    out.push(b' ');
                    part(out, inner, full, deep - 1);
                    out.push(b' ');
                    number(out, node.lines);
                }
                (b"TEXT", _) => {
                    out.push(b' ');
                    number(out, node.lines);
                }
                _ => {}
            }
            if full {
                out.push(b' ');
                unfolded(out, value(node, "Content-MD5"));
                extension(out, node);
            }
        }
    }
    out.push(b')');
}

/// What it is. What says that it holds parts, and in which none were found, is shown as octets: a mail program would look
/// for them.
fn kind(node: &Node, content: Option<&Parted>, deep: usize) -> (Vec<u8>, Vec<u8>) {
    let said = content.map(|content| content.value.to_ascii_uppercase());
    let said = said.as_deref().and_then(|said| {
        let slash = memchr::memchr(b'/', said)?;
        let (kind, sub) = (said[..slash].trim_ascii(), said[slash + 1..].trim_ascii());
        (!kind.is_empty() && !sub.is_empty()).then(|| (kind.to_vec(), sub.to_vec()))
    });
    let of = |kind: &str, sub: &str| (kind.into(), sub.into());
    let holds = deep > 0 && !node.parts.is_empty();
    match said {
        Some((kind, sub)) if holds && node.is_multipart() == (kind == b"MULTIPART") => (kind, sub),
        // In a digest, what says nothing is a message.
        _ if holds && node.is_multipart() => of("MULTIPART", "MIXED"),
        _ if holds => of("MESSAGE", "RFC822"),
        Some((kind, sub)) if kind == b"MULTIPART" || holds_message(&kind, &sub) => {
            of("APPLICATION", "OCTET-STREAM")
        }
        Some(said) => said,
        None => of("TEXT", "PLAIN"),
    }
}

fn holds_message(kind: &[u8], sub: &[u8]) -> bool {
    kind == b"MESSAGE" && matches!(sub, b"RFC822" | b"GLOBAL")
}

fn multipart(
    out: &mut Vec<u8>,
    node: &Node,
    sub: &[u8],
    content: Option<&Parted>,
    (full, deep): (bool, usize),
) {
    for inner in &node.parts {
        part(out, inner, full, deep - 1);
    }
    out.push(b' ');
    string(out, sub);
    if full {
        out.push(b' ');
        parameters(out, content);
        extension(out, node);
    }
}

fn single(out: &mut Vec<u8>, node: &Node, (kind, sub): (&[u8], &[u8]), content: Option<&Parted>) {
    string(out, kind);
    out.push(b' ');
    string(out, sub);
    out.push(b' ');
    match content {
        Some(_) => parameters(out, content),
        // RFC 2045 §5.2
        None if kind == b"TEXT" => out.extend_from_slice(b"(\"CHARSET\" \"US-ASCII\")"),
        None => out.extend_from_slice(b"NIL"),
    }
    for name in ["Content-ID", "Content-Description"] {
        out.push(b' ');
        unfolded(out, value(node, name));
    }
    out.push(b' ');
    let encoding = value(node, "Content-Transfer-Encoding").map(|value| parted(value).value);
    let encoding = encoding.filter(|encoding| !encoding.is_empty());
    string(
        out,
        &encoding
            .unwrap_or_else(|| b"7BIT".to_vec())
            .to_ascii_uppercase(),
    );
    out.push(b' ');
    number(out, node.size);
}

fn parameters(out: &mut Vec<u8>, parted: Option<&Parted>) {
    let Some(parted) = parted.filter(|parted| !parted.parameters.is_empty()) else {
        return out.extend_from_slice(b"NIL");
    };
    for (at, (name, value)) in parted.parameters.iter().enumerate() {
        out.push(if at == 0 { b'(' } else { b' ' });
        string(out, &name.to_ascii_uppercase());
        out.push(b' ');
        string(out, value);
    }
    out.push(b')');
}

/// Disposition, language and location.
fn extension(out: &mut Vec<u8>, node: &Node) {
    out.push(b' ');
    let disposition = value(node, "Content-Disposition").map(parted);
    match disposition.filter(|disposition| !disposition.value.is_empty()) {
        Some(disposition) => {
            out.push(b'(');
            string(out, &disposition.value.to_ascii_uppercase());
            out.push(b' ');
            parameters(out, Some(&disposition));
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    match value(node, "Content-Language") {
        Some(languages) => {
            out.push(b'(');
            for (at, language) in languages.split(|octet| *octet == b',').enumerate() {
                if at > 0 {
                    out.push(b' ');
                }
                string(out, language.trim_ascii());
            }
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    nstring(out, value(node, "Content-Location").map(<[u8]>::trim_ascii));
}

/// The value of the first field of this name.
fn value<'n>(node: &'n Node, name: &str) -> Option<&'n [u8]> {
    let raw = node.fields_named(name).next()?;
    let colon = memchr::memchr(b':', raw)?;
    Some(raw[colon + 1..].trim_ascii())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::message::outline::outline;

    fn shown(message: &str, full: bool) -> String {
        let mut out = Vec::new();
        structure(&mut out, &outline(message.as_bytes()), full);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plain_message_is_one_part() {
        assert_eq!(
            shown("Subject: x\r\n\r\na\r\nb\r\n", false),
            r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 6 2)"#
        );
        assert_eq!(
            shown(
                "Content-Type: image/png; name=\"a b.png\"\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <i>\r\nContent-Disposition: attachment; filename=x\r\nContent-Language: en, cy\r\n\r\nAAAA",
                true
            ),
            r#"("IMAGE" "PNG" ("NAME" "a b.png") "<i>" NIL "BASE64" 4 NIL ("ATTACHMENT" ("FILENAME" "x")) ("en" "cy") NIL)"#
        );
    }

    #[test]
    fn parts_stand_in_their_multipart() {
        let message = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n\
                       Content-Type: message/rfc822\r\n\r\nSubject: in\r\nFrom: a@b\r\n\r\nx\r\n\r\n--b--\r\n";
        assert_eq!(
            shown(message, true),
            concat!(
                r#"(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 5 0 NIL NIL NIL NIL)"#,
                r#"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 29 (NIL "in" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL) "#,
                r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 3 1 NIL NIL NIL NIL) 4 NIL NIL NIL NIL)"#,
                r#" "MIXED" ("BOUNDARY" "b") NIL NIL NIL)"#
            )
        );
    }

    #[test]
    fn what_holds_no_parts_is_shown_as_octets() {
        for kind in ["multipart/mixed; boundary=none", "multipart/mixed"] {
            let message = format!("Content-Type: {kind}\r\n\r\nx");
            assert!(shown(&message, false).starts_with("(\"APPLICATION\" \"OCTET-STREAM\""));
        }
        assert!(shown("Content-Type: nonsense\r\n\r\nx", true).starts_with("(\"TEXT\" \"PLAIN\""));
    }
}
