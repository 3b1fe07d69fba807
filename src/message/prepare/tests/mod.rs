//! Every shape a mail program makes: what it becomes, and what any reader must find in it.

mod properties;
mod readers;
mod shapes;
mod texts;

use super::*;
use crate::message::inspect::inspect;
use crate::message::mime::{Limits, text};

fn parse(message: &[u8]) -> Inspection<'_> {
    inspect(message, &Limits::default()).unwrap()
}

fn leaves<'p, 'm>(part: &'p Part<'m>) -> Vec<&'p Part<'m>> {
    let mut found = Vec::new();
    part.walk(&mut |part| {
        if !part.is_multipart() {
            found.push(part);
        }
    });
    found
}

fn texts(message: &[u8], media_type: &str) -> Vec<String> {
    let mail = parse(message);
    let leaves = leaves(&mail.root);
    leaves
        .iter()
        .filter(|part| part.is(media_type))
        .map(|part| text::decode(part).unwrap())
        .collect()
}

fn well_formed(copy: &[u8]) {
    let text = String::from_utf8(copy.to_vec()).unwrap();
    assert!(text.ends_with("\r\n") && !text.contains('\0'));
    assert!(
        !text.replace("\r\n", "").contains(['\r', '\n']),
        "CRLF only"
    );
    assert!(
        text.split("\r\n").all(|line| line.len() <= 998),
        "lines of 998 at most"
    );
}
