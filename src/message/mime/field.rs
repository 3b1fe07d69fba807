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
        let line = self.line();
        let text = match MessageStream::new(&line).parse_unstructured() {
            HeaderValue::Text(text) => text.into_owned(),
            _ => String::new(),
        };
        text.chars().filter(|c| !c.is_control()).collect()
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

    /// The value as mail-parser wants it: with a line end.
    fn line(&self) -> Vec<u8> {
        let mut line = self.raw_value().to_vec();
        line.extend_from_slice(b"\r\n");
        line
    }
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
