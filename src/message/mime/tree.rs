//! The tree of a message's parts, over the message's own bytes.

use std::borrow::Cow;

use super::field::{self, Field, Parameterized};
use super::{Limits, MimeError};

/// A content transfer encoding (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEncoding {
    /// 7bit, 8bit or binary: the octets are what they are.
    Identity,
    /// quoted-printable.
    QuotedPrintable,
    /// base64.
    Base64,
    /// Anything else: the content can't be known.
    Unknown,
}

impl TransferEncoding {
    /// What a Content-Transfer-Encoding field says.
    pub fn named(value: &[u8]) -> Self {
        match value.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"7bit" | b"8bit" | b"binary" => Self::Identity,
            b"quoted-printable" => Self::QuotedPrintable,
            b"base64" => Self::Base64,
            _ => Self::Unknown,
        }
    }
}

/// What is done about what can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is an error.
    Strictly,
    /// It is left out.
    Leniently,
}

/// A part: the message itself, or one of a multipart's parts. Embedded messages (`message/*`) are leaves.
/// `Debug` shows its type, never its content.
#[derive(Clone)]
pub struct Part<'m> {
    /// The header fields as they stand.
    pub fields: Vec<Field<'m>>,
    /// The media type in lower case and its parameters; `text/plain` when none is given.
    pub content_type: Parameterized,
    /// The disposition, when one is given.
    pub disposition: Option<Parameterized>,
    /// How the body is encoded.
    pub encoding: TransferEncoding,
    /// Header and body, exactly as they stand, without the CRLF before the next boundary.
    pub raw: &'m [u8],
    /// The body, still encoded.
    pub body: &'m [u8],
    /// A multipart's parts, in their order.
    pub children: Vec<Part<'m>>,
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("content_type", &self.content_type)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}

impl<'m> Part<'m> {
    /// Reads a message. It must have CRLF line ends and no NUL.
    ///
    /// # Errors
    /// Any [`MimeError`].
    pub fn parse(message: &'m [u8], limits: &Limits) -> Result<Self, MimeError> {
        check_octets(message)?;
        let mut parts = 0;
        Self::read(message, limits, Reading::Strictly, 1, &mut parts)
    }

    /// Reads what can be read of a message that may be cut anywhere, or damaged: a part whose header can't be read is
    /// left out, and the last one may be shorter than it was. For looking alone; what is written on must be read
    /// [strictly](Part::parse).
    ///
    /// # Errors
    /// [`MimeError::Field`] or [`MimeError::HeaderTooLong`] if not even the message's own header can be read.
    pub fn parse_leniently(message: &'m [u8], limits: &Limits) -> Result<Self, MimeError> {
        let mut parts = 0;
        Self::read(message, limits, Reading::Leniently, 1, &mut parts)
    }

    fn read(
        raw: &'m [u8],
        limits: &Limits,
        reading: Reading,
        depth: usize,
        parts: &mut usize,
    ) -> Result<Self, MimeError> {
        *parts += 1;
        if *parts > limits.parts {
            return Err(MimeError::TooManyParts(limits.parts));
        }
        if depth > limits.depth {
            return Err(MimeError::TooDeep(limits.depth));
        }
        let (fields, body_at) = field::split(raw, limits)?;
        let content_type = match (content_type(&fields), reading) {
            (Ok(content_type), _) => content_type,
            // RFC 2045 §5.2: what isn't one counts for nothing.
            (Err(_), Reading::Leniently) => Parameterized::plain_text(),
            (Err(error), Reading::Strictly) => return Err(error),
        };
        let mut part = Self {
            content_type,
            disposition: find(&fields, "Content-Disposition").map(Field::parameterized),
            encoding: transfer_encoding(&fields),
            fields,
            raw,
            body: &raw[body_at..],
            children: Vec::new(),
        };
        if part.is_multipart() {
            part.children = part.read_children(limits, reading, depth, parts)?;
        }
        Ok(part)
    }

    fn read_children(
        &self,
        limits: &Limits,
        reading: Reading,
        depth: usize,
        parts: &mut usize,
    ) -> Result<Vec<Self>, MimeError> {
        let strict = reading == Reading::Strictly;
        // RFC 2045 §6.4: a multipart is never encoded as a whole.
        if strict && self.encoding != TransferEncoding::Identity {
            return Err(MimeError::TransferEncoding);
        }
        let boundary = self.content_type.get("boundary").unwrap_or_default();
        let (found, fault) = split_multipart(self.body, boundary, limits.parts);
        if let Some(fault) = fault.filter(|_| strict) {
            return Err(fault);
        }
        let mut children = Vec::new();
        for raw in found {
            match Self::read(raw, limits, reading, depth + 1, parts) {
                Ok(child) => children.push(child),
                Err(error) if strict => return Err(error),
                Err(_) => {}
            }
        }
        Ok(children)
    }

    /// Whether the part holds parts.
    pub fn is_multipart(&self) -> bool {
        self.content_type.value.starts_with("multipart/")
    }

    /// Whether the part has this media type.
    pub fn is(&self, media_type: &str) -> bool {
        self.content_type.value == media_type
    }

    /// Whether the part says that it's to be shown apart from the text.
    pub fn is_attachment(&self) -> bool {
        self.disposition
            .as_ref()
            .is_some_and(|d| d.value == "attachment")
    }

    /// Whether the part is text that a reader sees as the message itself.
    pub fn is_body_text(&self) -> bool {
        (self.is("text/plain") || self.is("text/html"))
            && !self.is_attachment()
            && self.file_name().is_none()
    }

    /// The file name given, by either header.
    pub fn file_name(&self) -> Option<&str> {
        let disposition = self.disposition.as_ref().and_then(|d| d.get("filename"));
        disposition
            .or_else(|| self.content_type.get("name"))
            .filter(|name| !name.is_empty())
    }

    /// The part's first field of this name.
    pub fn field(&self, name: &str) -> Option<&Field<'m>> {
        find(&self.fields, name)
    }

    /// The content identifier without its angle brackets.
    pub fn content_id(&self) -> Option<&'m str> {
        let value = self.field("Content-ID")?.raw_value().trim_ascii();
        let value = std::str::from_utf8(value).ok()?;
        let id = value.strip_prefix('<')?.strip_suffix('>')?;
        let plain = !id.is_empty()
            && id.len() <= 250
            && id
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'));
        plain.then_some(id)
    }

    /// The body with its transfer encoding undone.
    ///
    /// # Errors
    /// [`MimeError::TransferEncoding`] when it's unknown or the body doesn't follow it.
    pub fn decoded(&self) -> Result<Cow<'m, [u8]>, MimeError> {
        use mail_parser::decoders::{base64::base64_decode, quoted_printable};
        match self.encoding {
            TransferEncoding::Identity => Ok(Cow::Borrowed(self.body)),
            TransferEncoding::Base64 => base64_decode(self.body)
                .map(Cow::Owned)
                .ok_or(MimeError::TransferEncoding),
            TransferEncoding::QuotedPrintable => {
                quoted_printable::quoted_printable_decode(self.body)
                    .map(Cow::Owned)
                    .ok_or(MimeError::TransferEncoding)
            }
            TransferEncoding::Unknown => Err(MimeError::TransferEncoding),
        }
    }

    /// This part and all below it, parents first.
    pub fn walk<'p>(&'p self, visit: &mut impl FnMut(&'p Part<'m>)) {
        visit(self);
        for child in &self.children {
            child.walk(visit);
        }
    }
}

fn find<'f, 'm>(fields: &'f [Field<'m>], name: &str) -> Option<&'f Field<'m>> {
    fields.iter().find(|field| field.is(name))
}

fn content_type(fields: &[Field<'_>]) -> Result<Parameterized, MimeError> {
    let Some(field) = find(fields, "Content-Type") else {
        return Ok(Parameterized::plain_text());
    };
    let content_type = field.parameterized();
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match content_type.value.split_once('/') {
        Some((main, sub)) if token(main) && token(sub) && content_type.value.len() <= 127 => {
            Ok(content_type)
        }
        _ => Err(MimeError::Field),
    }
}

fn transfer_encoding(fields: &[Field<'_>]) -> TransferEncoding {
    let field = find(fields, "Content-Transfer-Encoding");
    field.map_or(TransferEncoding::Identity, |field| {
        TransferEncoding::named(field.raw_value())
    })
}

/// Whether mail-parser may read this message whole. Its 0.11 line opens embedded messages within embedded messages
/// without a limit, and dropping what it read then overflows the stack: three megabytes suffice. Whoever calls
/// `MessageParser::parse` on a stranger's mail asks this first.
///
/// # Errors
/// [`MimeError::TooDeep`] when the message names more embedded messages than could be harmless.
pub fn check_for_mail_parser(message: &[u8], limits: &Limits) -> Result<(), MimeError> {
    // What can open a message within a message: message/rfc822, message/global and multipart/digest.
    let words: [&[u8]; 3] = [b"rfc822", b"global", b"digest"];
    let found = message
        .windows(6)
        .filter(|window| words.iter().any(|word| window.eq_ignore_ascii_case(word)))
        .take(limits.parts + 1)
        .count();
    if found > limits.parts {
        Err(MimeError::TooDeep(limits.depth))
    } else {
        Ok(())
    }
}

/// The line ends and octets that every later step relies on (RFC 5321 §2.3.8, RFC 5322 §2.3).
fn check_octets(message: &[u8]) -> Result<(), MimeError> {
    let mut before = 0;
    for &byte in message {
        match byte {
            0 => return Err(MimeError::Nul),
            b'\n' if before != b'\r' => return Err(MimeError::BareLineEnd),
            _ if before == b'\r' && byte != b'\n' => return Err(MimeError::BareLineEnd),
            _ => before = byte,
        }
    }
    if before == b'\r' {
        Err(MimeError::BareLineEnd)
    } else {
        Ok(())
    }
}

/// The parts between a multipart's boundary lines (RFC 2046 §5.1.1), and what is wrong with them. A multipart that isn't
/// closed ends with its body.
fn split_multipart<'m>(
    body: &'m [u8],
    boundary: &str,
    most: usize,
) -> (Vec<&'m [u8]>, Option<MimeError>) {
    let mut parts = Vec::new();
    if boundary.is_empty() || boundary.len() > 200 {
        return (parts, Some(MimeError::Boundary));
    }
    let mut start: Option<usize> = None;
    let mut at = 0_usize;
    for line in body.split_inclusive(|&b| b == b'\n') {
        if let Some(last) = delimiter(line, boundary.as_bytes()) {
            if let Some(start) = start {
                // The CRLF before a boundary line belongs to that line.
                parts.push(&body[start..at.saturating_sub(2).max(start)]);
            }
            if parts.len() > most {
                return (parts, Some(MimeError::TooManyParts(most)));
            }
            if last {
                return (parts, None);
            }
            start = Some(at + line.len());
        }
        at += line.len();
    }
    let Some(start) = start else {
        return (parts, Some(MimeError::Boundary));
    };
    parts.push(&body[start..]);
    (parts, None)
}

/// Whether a line is a boundary line, and if so, whether it's the closing one.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line
        .strip_prefix(b"--")?
        .strip_prefix(boundary)?
        .trim_ascii_end();
    match rest {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}
