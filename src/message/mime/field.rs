//! Header fields: cutting a header block into fields, and reading what their values say.

use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};

use super::{Limits, MimeError};

/// A header field as it stands in the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'m> {
    name: &'m str,
    raw: &'m [u8],
}

impl std::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Field({}, ..)", self.name)
    }
}

/// A mailbox of an address field.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, decoded; empty if there is none.
    pub name: String,
    /// The address as written; empty if there is none.
    pub address: String,
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailbox(..)")
    }
}

/// A structured value with parameters, as Content-Type and Content-Disposition have.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Parameterized {
    /// The value before the parameters, in lower case (`text/plain`, `attachment`).
    pub value: String,
    /// Parameters: names in lower case, values decoded (RFC 2231).
    pub parameters: Vec<(String, String)>,
}

impl std::fmt::Debug for Parameterized {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parameterized({}, ..)", self.value)
    }
}

impl Parameterized {
    /// The media type of a part that names none (RFC 2045 §5.2).
    pub fn plain_text() -> Self {
        Self {
            value: "text/plain".to_owned(),
            parameters: Vec::new(),
        }
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl<'m> Field<'m> {
    /// The field's name as written.
    pub fn name(&self) -> &'m str {
        self.name
    }

    /// Whether the field has this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The whole field with its folds, without its final CRLF.
    pub fn raw(&self) -> &'m [u8] {
        self.raw
    }

    /// The value's octets with folds, without the final CRLF.
    pub fn raw_value(&self) -> &'m [u8] {
        let colon = self
            .raw
            .iter()
            .position(|&b| b == b':')
            .unwrap_or(self.raw.len());
        self.raw.get(colon + 1..).unwrap_or_default()
    }

    /// The value as text: unfolded, encoded words decoded, control characters gone.
    pub fn text(&self) -> String {
        text_of(self.raw_value())
    }

    /// The mailboxes of an address field; groups are flattened.
    pub fn mailboxes(&self) -> Vec<Mailbox> {
        let line = self.line();
        let value = MessageStream::new(&line).parse_address();
        let HeaderValue::Address(address) = value else {
            return Vec::new();
        };
        let mailbox = |addr: &mail_parser::Addr<'_>| Mailbox {
            name: addr.name.as_deref().unwrap_or_default().to_owned(),
            address: addr.address.as_deref().unwrap_or_default().to_owned(),
        };
        match &address {
            Address::List(list) => list.iter().map(mailbox).collect(),
            Address::Group(groups) => groups
                .iter()
                .flat_map(|group| &group.addresses)
                .map(mailbox)
                .collect(),
        }
    }

    /// The message identifiers of the value, without angle brackets.
    pub fn message_ids(&self) -> Vec<String> {
        let line = self.line();
        match MessageStream::new(&line).parse_id() {
            HeaderValue::Text(id) => vec![id.into_owned()],
            HeaderValue::TextList(ids) => ids.into_iter().map(|id| id.into_owned()).collect(),
            _ => Vec::new(),
        }
    }

    /// The value with its parameters.
    pub fn parameterized(&self) -> Parameterized {
        let line = self.line();
        let HeaderValue::ContentType(value) = MessageStream::new(&line).parse_content_type() else {
            return Parameterized::default();
        };
        let mut name = value.ctype().to_ascii_lowercase();
        if let Some(subtype) = value.subtype() {
            name.push('/');
            name.push_str(&subtype.to_ascii_lowercase());
        }
        let parameters = value.attributes().unwrap_or_default().iter();
        let parameters = parameters
            .map(|p| (p.name.to_ascii_lowercase(), p.value.clone().into_owned()))
            .collect();
        Parameterized {
            value: name,
            parameters,
        }
    }

    fn line(&self) -> Vec<u8> {
        line(self.raw_value())
    }
}

/// No honest value is longer.
const LONG_VALUE: usize = 4 * 1024;
/// Nor is an encoded word in one: 75 octets, by RFC 2047 §2.
const LONGEST_WORD: usize = 1024;

/// A value as mail-parser wants it: with a line end. For the end of an encoded word it looks through all that follows, from
/// each word anew: in a long value, a word without an end near by is none.
fn line(value: &[u8]) -> Vec<u8> {
    let mut line = [value, b"\r\n"].concat();
    if value.len() > LONG_VALUE {
        for at in memchr::memmem::find_iter(value, b"=?") {
            if !word_ends(&value[at + 2..]) {
                line[at + 1] = b'_';
            }
        }
    }
    line
}

/// Whether the encoded word that begins so has an end, or is none in any case.
fn word_ends(word: &[u8]) -> bool {
    let charset = memchr::memchr(b'?', word);
    let Some([b'?', b'q' | b'Q', b'?', text @ ..]) = charset.and_then(|at| word.get(at..)) else {
        return true;
    };
    let near = &text[..text.len().min(LONGEST_WORD)];
    memchr::memmem::find(near, b"?=").is_some()
}

/// A value as text: unfolded, encoded words decoded, control characters gone.
pub fn text_of(value: &[u8]) -> String {
    let line = line(value);
    let text = match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    };
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Where the body begins, if the header's end is here; for a message that comes in pieces. The end was not within the
/// first `searched` octets.
pub fn header_end(message: &[u8], searched: usize) -> Option<usize> {
    if message.starts_with(b"\r\n") {
        return Some(2);
    }
    let from = searched.saturating_sub(3);
    memchr::memmem::find(&message[from..], b"\r\n\r\n").map(|at| from + at + 4)
}

/// A header block's fields as they stand, each with its folds and its line end, up to the empty line. It reads any octets: a
/// line that is no field comes as it is.
pub fn raw_fields(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = header;
    std::iter::from_fn(move || {
        if rest.is_empty() || rest.starts_with(b"\r\n") || rest.starts_with(b"\n") {
            return None;
        }
        let mut ends = memchr::memchr_iter(b'\n', rest).map(|at| at + 1);
        let is_end = |end: &usize| !matches!(rest.get(*end), Some(b' ' | b'\t'));
        let end = ends.find(is_end).unwrap_or(rest.len());
        let (field, behind) = rest.split_at(end);
        rest = behind;
        Some(field)
    })
}

/// Cuts a header block into its fields and says where the body begins. A message may end after its header.
///
/// # Errors
/// [`MimeError::Field`] for a line that isn't a field, [`MimeError::HeaderTooLong`] over the limits.
pub fn split<'m>(bytes: &'m [u8], limits: &Limits) -> Result<(Vec<Field<'m>>, usize), MimeError> {
    let mut fields = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let empty = matches!(line, b"\r\n" | b"\n");
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        if (empty || !folded) && at > start {
            fields.push(field(&bytes[start..at])?);
            start = at;
        }
        at += line.len();
        if at > limits.header_bytes || fields.len() > limits.fields {
            return Err(MimeError::HeaderTooLong(limits.header_bytes));
        }
        if empty {
            return Ok((fields, at));
        }
    }
    if at > start {
        fields.push(field(&bytes[start..at])?);
    }
    Ok((fields, at))
}

fn field(raw: &[u8]) -> Result<Field<'_>, MimeError> {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    let colon = raw
        .iter()
        .position(|&b| b == b':')
        .ok_or(MimeError::Field)?;
    let name = &raw[..colon];
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return Err(MimeError::Field);
    }
    let name = std::str::from_utf8(name).map_err(|_| MimeError::Field)?;
    Ok(Field { name, raw })
}
