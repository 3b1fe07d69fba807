//! The pass over a message: it goes by in pieces of any length, and what is held of it is the header that is just being
//! read and the beginning of a line.

use super::{Node, Outline, is_listed};
use crate::message::mime::Limits;
use crate::message::mime::field::{self, Parameterized};

/// The longest header of a part that is read.
const HEADER: usize = 64 * 1024;
/// The most that is kept of a message's own fields.
const OWN_FIELDS: usize = 16 * 1024;
/// The most that is kept of a part's.
const PART_FIELDS: usize = 2 * 1024;
/// The most that is kept of all parts.
const ALL_FIELDS: usize = 64 * 1024;
/// So much of a line can be a boundary.
const LINE: usize = 256;
/// The longest boundary that is looked for (RFC 2046 allows 70).
const BOUNDARY: usize = 200;
/// How deep parts may nest, and how many there may be; what is beyond is outlined as a part without parts.
const LIMITS: Limits = Limits::STRANGERS;

/// Takes a message in, and knows its outline at the end.
pub struct Scanner {
    /// How many bytes went by, and lines.
    at: u64,
    lines: u64,
    /// The line that is coming: where it began, and its beginning.
    line_at: u64,
    line: Vec<u8>,
    /// The last byte, and how many end the line before the one that is coming: CR LF, or a bare LF.
    last: u8,
    line_end: u64,
    /// The part that is coming, and those in which it stands, the message itself first.
    frames: Vec<Frame>,
    parts: usize,
    kept: usize,
    whole: bool,
}

/// A part that hasn't ended.
#[derive(Default)]
struct Frame {
    node: Node,
    /// It is a message, and not a part of one.
    message: bool,
    /// Its header, until it is whole.
    header: Option<Vec<u8>>,
    /// How much of the header came before the line that is coming.
    header_before: usize,
    /// How many lines had gone by when its body began.
    first_line: u64,
    /// What stands between its parts, if it is a multipart that isn't closed.
    boundary: Vec<u8>,
    /// Its parts are messages if they don't say what they are (RFC 2046 §5.1.5).
    digest: bool,
}

impl Frame {
    fn begin(at: u64, message: bool) -> Self {
        Self {
            node: Node {
                header_at: at,
                body_at: at,
                ..Node::default()
            },
            message,
            header: Some(Vec::new()),
            ..Self::default()
        }
    }
}

/// The outline of a whole message.
pub fn outline(message: &[u8]) -> Outline {
    let mut scanner = Scanner::default();
    scanner.take(message);
    scanner.finish()
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            at: 0,
            lines: 0,
            line_at: 0,
            line: Vec::new(),
            last: 0,
            line_end: 0,
            frames: vec![Frame::begin(0, true)],
            parts: 1,
            kept: 0,
            whole: true,
        }
    }
}

impl Scanner {
    /// Takes the next bytes of the message.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).map(|at| at + 1);
            let (piece, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind;
            self.hold(piece);
            self.at += piece.len() as u64;
            let before = match piece {
                [.., before, _] => *before,
                _ => self.last,
            };
            self.last = piece.last().copied().unwrap_or(self.last);
            if end.is_some() {
                self.end_line(if before == b'\r' { 2 } else { 1 });
            }
        }
    }

    fn hold(&mut self, piece: &[u8]) {
        let room = LINE - self.line.len().min(LINE);
        self.line.extend_from_slice(&piece[..piece.len().min(room)]);
        if let Some(header) = self.frames.last_mut().and_then(|top| top.header.as_mut()) {
            let room = HEADER - header.len().min(HEADER);
            header.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }

    /// A line has come, with so many bytes at its end.
    fn end_line(&mut self, line_end: u64) {
        self.lines += 1;
        let line = std::mem::take(&mut self.line);
        let began = std::mem::replace(&mut self.line_at, self.at);
        let before = std::mem::replace(&mut self.line_end, line_end);
        if let Some((place, last)) = self.boundary_in(&line) {
            self.cross(place, last, (began, before));
        } else if let Some(top) = self.frames.last_mut() {
            match &top.header {
                Some(_) if matches!(&*line, b"\r\n" | b"\n") => self.end_header(),
                Some(header) => top.header_before = header.len(),
                None => {}
            }
        }
        // Its room is used again.
        if self.line.capacity() == 0 {
            self.line = line;
            self.line.clear();
        }
    }

    /// Which open multipart's boundary line this is, and whether it's the closing one.
    fn boundary_in(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.strip_prefix(b"--")?;
        let open = self.frames.iter().enumerate().rev();
        open.filter(|(_, frame)| !frame.boundary.is_empty())
            .find_map(|(place, frame)| {
                let behind = rest.strip_prefix(frame.boundary.as_slice())?;
                match behind.trim_ascii_end() {
                    b"" => Some((place, false)),
                    b"--" => Some((place, true)),
                    _ => None,
                }
            })
    }

    /// A boundary line of the multipart at this place: the part before it ends, and the next begins.
    fn cross(&mut self, place: usize, last: bool, (began, line_end): (u64, u64)) {
        if let Some(top) = self.frames.last_mut() {
            let before = top.header_before;
            if let Some(header) = &mut top.header {
                header.truncate(before);
            }
        }
        self.close_behind(place, began, Some(line_end));
        if last {
            self.frames[place].boundary.clear();
        } else if self.parts < LIMITS.parts {
            self.parts += 1;
            self.frames.push(Frame::begin(self.at, false));
        }
    }

    /// Ends all parts within the one at this place. The line end before a boundary line, of so many bytes, belongs to that line.
    fn close_behind(&mut self, place: usize, end: u64, at_boundary: Option<u64>) {
        while self.frames.len() > place + 1 {
            if self.frames.last().is_some_and(|top| top.header.is_some()) {
                self.read_header(end);
            }
            if let Some(node) = self.close_last(end, at_boundary)
                && let Some(around) = self.frames.last_mut()
            {
                around.node.parts.push(node);
            }
        }
    }

    fn close_last(&mut self, end: u64, at_boundary: Option<u64>) -> Option<Node> {
        let mut frame = self.frames.pop()?;
        let whole = end.saturating_sub(frame.node.body_at);
        frame.node.size = whole - at_boundary.map_or(0, |line_end| line_end.min(whole));
        // A boundary line was counted already, and the line end before it is none of the part's.
        let beyond = 2 * u64::from(at_boundary.is_some());
        frame.node.lines = (self.lines - frame.first_line).saturating_sub(beyond);
        Some(frame.node)
    }

    /// The empty line behind a header: the body begins.
    fn end_header(&mut self) {
        self.read_header(self.at);
        let Some(top) = self.frames.last() else {
            return;
        };
        let kind = content_type(&top.node.fields);
        let around = self.frames.len().checked_sub(2);
        let in_digest = around.is_some_and(|at| self.frames[at].digest) && !top.message;
        let value = kind.as_ref().map(|kind| kind.value.as_str());
        let holds_message = match value {
            Some(value) => matches!(value, "message/rfc822" | "message/global"),
            None => in_digest,
        };
        let deep = self.frames.len() >= LIMITS.depth || self.parts >= LIMITS.parts;
        if deep {
            return;
        }
        if holds_message {
            self.parts += 1;
            self.frames.push(Frame::begin(self.at, true));
        } else if let Some(kind) = kind.filter(|kind| kind.value.starts_with("multipart/")) {
            let boundary = kind.get("boundary").unwrap_or_default();
            if let Some(top) = self.frames.last_mut()
                && boundary.len() <= BOUNDARY
            {
                top.boundary = boundary.as_bytes().to_vec();
                top.digest = kind.value == "multipart/digest";
            }
        }
    }

    /// Keeps what is wanted of the header that came.
    fn read_header(&mut self, body_at: u64) {
        let lines = self.lines;
        let Some(top) = self.frames.last_mut() else {
            return;
        };
        let Some(header) = top.header.take() else {
            return;
        };
        (top.node.body_at, top.first_line) = (body_at, lines);
        let most = match top.message {
            true => OWN_FIELDS,
            false => PART_FIELDS,
        };
        // The message itself is the first, and always has its share.
        let left = (ALL_FIELDS + OWN_FIELDS)
            .saturating_sub(self.kept)
            .min(most);
        let (fields, all) = wanted(&header, top.message, left);
        top.node.fields = fields;
        self.kept += top.node.fields.len();
        if self.frames.len() == 1 {
            self.whole = all && header.len() < HEADER;
        }
    }

    /// The outline, now that the message has ended.
    pub fn finish(mut self) -> Outline {
        self.close_behind(0, self.at, None);
        if self.frames[0].header.is_some() {
            self.read_header(self.at);
        }
        let root = self.close_last(self.at, None).unwrap_or_default();
        Outline {
            root,
            whole: self.whole,
        }
    }
}

impl Outline {
    /// The outline of the same message with another header, of which this is the whole, its empty line too.
    pub fn behind(mut self, header: &[u8]) -> Self {
        let length = header.len() as u64;
        let was = self.root.body_at;
        let (fields, all) = wanted(header, true, OWN_FIELDS);
        (self.root.fields, self.whole) = (fields, all);
        shift(&mut self.root, was, length);
        self.root.header_at = 0;
        self
    }
}

fn shift(node: &mut Node, was: u64, is: u64) {
    node.header_at = (node.header_at + is).saturating_sub(was);
    node.body_at = (node.body_at + is).saturating_sub(was);
    for part in &mut node.parts {
        shift(part, was, is);
    }
}

/// The fields that are kept, and whether none was left out for its length.
fn wanted(header: &[u8], of_message: bool, most: usize) -> (Vec<u8>, bool) {
    let (mut kept, mut all) = (Vec::new(), true);
    for raw in field::raw_fields(header) {
        let colon = raw.iter().position(|byte| *byte == b':');
        let name = colon.and_then(|at| std::str::from_utf8(&raw[..at]).ok());
        let Some(name) = name.map(str::trim_end) else {
            continue;
        };
        let about_content =
            name.len() > 8 && name.as_bytes()[..8].eq_ignore_ascii_case(b"content-");
        let wanted = match of_message {
            true => is_listed(name),
            false => about_content,
        };
        if wanted && kept.len() + raw.len() <= most {
            kept.extend_from_slice(raw);
        } else {
            all &= !wanted;
        }
    }
    (kept, all)
}

fn content_type(fields: &[u8]) -> Option<Parameterized> {
    let raw = field::raw_fields(fields).find(|raw| super::is_named(raw, "Content-Type"))?;
    let (fields, _) = field::split(raw, &LIMITS).ok()?;
    Some(fields.first()?.parameterized())
}
