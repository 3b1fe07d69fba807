//! How an outline is written down: numbers of eight bytes, fields and parts with their length before them. Which parts
//! there may be is bounded by whoever made it, and again here.

use super::{Node, Outline};

const VERSION: u8 = 1;
/// How deep parts may nest.
const DEPTH: usize = 64;

impl Outline {
    /// As it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.whole.into()];
        write(&self.root, &mut bytes);
        bytes
    }

    /// Reads it back; `None` if these bytes are no outline, or one of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [VERSION, whole, rest @ ..] = bytes else {
            return None;
        };
        let mut rest = rest;
        let root = read(&mut rest, DEPTH)?;
        let whole = *whole == 1;
        rest.is_empty().then_some(Self { root, whole })
    }
}

fn write(node: &Node, bytes: &mut Vec<u8>) {
    let lengths = [node.fields.len() as u64, node.parts.len() as u64];
    let numbers = [node.header_at, node.body_at, node.size, node.lines];
    for number in numbers.into_iter().chain(lengths) {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&node.fields);
    for part in &node.parts {
        write(part, bytes);
    }
}

fn read(rest: &mut &[u8], depth: usize) -> Option<Node> {
    let mut number = || {
        let (bytes, behind) = rest.split_first_chunk()?;
        *rest = behind;
        Some(u64::from_be_bytes(*bytes))
    };
    let (header_at, body_at) = (number()?, number()?);
    let (size, lines) = (number()?, number()?);
    let (fields, parts) = (number()?, number()?);
    let (fields, behind) = rest.split_at_checked(usize::try_from(fields).ok()?)?;
    *rest = behind;
    let mut node = Node {
        header_at,
        body_at,
        size,
        lines,
        fields: fields.to_vec(),
        parts: Vec::new(),
    };
    if parts > 0 && depth == 0 {
        return None;
    }
    for _ in 0..parts {
        node.parts.push(read(rest, depth - 1)?);
    }
    Some(node)
}
