//! Writing MIME: quoted-printable around slots, base64 in lines, header fields.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_builder::headers::Header as _;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::text::Text;

use super::field::Parameterized;

/// The widest encoded line (RFC 2045 §6.7 and §6.8), without its CRLF.
const LINE: usize = 76;

/// Encodes text as quoted-printable, in pieces, keeping track of the column.
///
/// The output is also its own *relaxed* DKIM form (no tabs, no two spaces in a row, no white space before a line end),
/// so that a copy's body can be hashed as it is. A `.` or `From ` at a line's start is escaped too: nothing on the way
/// needs to stuff or quote it.
#[derive(Debug, Default, Clone)]
pub struct QuotedPrintable {
    column: usize,
    after_space: bool,
}

impl QuotedPrintable {
    /// Appends text. `\n` is a line end.
    pub fn text(&mut self, out: &mut Vec<u8>, text: &str) {
        let bytes = text.as_bytes();
        for (at, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' {
                out.extend_from_slice(b"\r\n");
                self.column = 0;
                self.after_space = false;
                continue;
            }
            let rest = &bytes[at..];
            let literal = match byte {
                b' ' => !self.after_space && !matches!(rest.get(1), None | Some(b'\n')),
                b'.' => self.column != 0,
                b'F' => self.column != 0 || !rest.starts_with(b"From "),
                b'=' => false,
                _ => byte.is_ascii_graphic(),
            };
            self.make_room(out, if literal { 1 } else { 3 });
            // The soft line end may just have put this octet at a line's start.
            if literal && !(self.column == 0 && (byte == b'.' || rest.starts_with(b"From "))) {
                out.push(byte);
                self.column += 1;
            } else {
                out.extend_from_slice(escape(byte).as_bytes());
                self.column += 3;
            }
            self.after_space = literal && byte == b' ';
        }
    }

    /// Moves to the start of an encoded line, so that a value of any length may be put in here.
    pub fn to_line_start(&mut self, out: &mut Vec<u8>) {
        if self.column > 0 {
            self.soft_line_end(out);
        }
    }

    /// Ends the encoded line that a value left open.
    pub fn after_value(&mut self, out: &mut Vec<u8>) {
        self.soft_line_end(out);
    }

    /// Appends a value that begins at a line's start and is followed by [`QuotedPrintable::after_value`]. White space is
    /// escaped, so the line has none at its ends.
    pub fn value(out: &mut Vec<u8>, value: &str) {
        let mut line = Self::default();
        for part in value.split_inclusive(' ') {
            let (word, space) = match part.strip_suffix(' ') {
                Some(word) => (word, true),
                None => (part, false),
            };
            line.text(out, word);
            if space {
                line.make_room(out, 3);
                out.extend_from_slice(b"=20");
                line.column += 3;
            }
        }
    }

    fn make_room(&mut self, out: &mut Vec<u8>, octets: usize) {
        // One column stays free for the "=" of a soft line end.
        if self.column + octets > LINE - 1 {
            self.soft_line_end(out);
        }
    }

    fn soft_line_end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"=\r\n");
        self.column = 0;
        self.after_space = false;
    }
}

fn escape(byte: u8) -> String {
    format!("={byte:02X}")
}

/// Appends octets as base64 in lines, each with its CRLF.
pub fn base64_lines(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(LINE / 4 * 3) {
        out.extend_from_slice(STANDARD.encode(chunk).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Whether a base64 body may stay as it is: full lines of at most 76, padded only at its end.
pub fn is_fine_base64(body: &[u8]) -> bool {
    let body = body.strip_suffix(b"\r\n").unwrap_or(body);
    let mut lines = body.split(|&b| b == b'\n').peekable();
    while let Some(line) = lines.next() {
        let last = lines.peek().is_none();
        let text = if last {
            line
        } else {
            line.strip_suffix(b"\r").unwrap_or(b"")
        };
        let end = text.iter().position(|&b| b == b'=').unwrap_or(text.len());
        let padding = text.len() - end;
        let good = text.len() % 4 == 0
            && (1..=LINE).contains(&text.len())
            && padding <= if last { 2 } else { 0 }
            && text[end..].iter().all(|&b| b == b'=')
            && text[..end]
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
        if !good {
            return false;
        }
    }
    true
}

/// Appends a field of unstructured text, encoded (RFC 2047) where needed, folded, with its CRLF.
pub fn text_field(out: &mut Vec<u8>, name: &str, text: &str) {
    start(out, name);
    Text::new(visible(text)).write_header(out, name.len() + 2);
}

/// Appends a field with one mailbox. The address must be an addr-spec: it is written as it is.
pub fn mailbox_field(out: &mut Vec<u8>, name: &str, display_name: &str, address: &str) {
    start(out, name);
    let display_name = visible(display_name);
    let display_name = (!display_name.is_empty()).then_some(display_name);
    Address::new_address(display_name, visible(address)).write_header(out, name.len() + 2);
}

/// Appends a field whose value has parameters (RFC 2231), folded, with its CRLF.
pub fn parameterized_field(out: &mut Vec<u8>, name: &str, value: &Parameterized) {
    start(out, name);
    let mut written = ContentType::new(value.value.as_str());
    for (parameter, text) in &value.parameters {
        written = written.attribute(parameter.as_str(), visible(text));
    }
    written.write_header(out, name.len() + 2);
}

fn start(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
}

/// A boundary from a hash over what it delimits, so that the same mail is always written alike. Neither quoted-printable
/// nor base64 holds `=_`, and nothing can be written to hold a hash of itself.
pub(crate) fn boundary(of: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, of);
    let hex = hash.as_ref()[..12].iter().map(|byte| format!("{byte:02x}"));
    format!("=_{}", hex.collect::<String>())
}

/// Text without control characters and line separators: nothing in it can end a header line.
pub(crate) fn visible(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                ' '
            } else {
                c
            }
        })
        .collect();
    text.trim().to_owned()
}
