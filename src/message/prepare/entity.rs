//! MIME entities as they're written: header fields of their own making and a content of segments or parts.

use crate::message::mime::encode;
use crate::message::mime::field::Parameterized;
use crate::message::mime::tree::{Part, TransferEncoding};
use crate::message::segment::{Segment, SegmentWriter};

use super::PrepareError;

/// The widest line that may be sent, without its CRLF (RFC 5322 §2.1.1).
const LONGEST_LINE: usize = 998;

/// An entity: its MIME fields (without a blank line) and its content.
pub(super) struct Entity {
    pub(super) fields: Vec<u8>,
    pub(super) content: Content,
}

/// What an entity holds.
pub(super) enum Content {
    Leaf(Vec<Segment>),
    Multipart(String, Vec<Entity>),
}

/// Makes boundaries: from a hash over the mail, so that the same mail is always prepared alike. No encoded text can
/// hold one, as `=_` isn't quoted-printable and `=` only ends base64; an untouched part can't be written to hold a hash
/// of itself.
pub(super) struct Boundaries {
    stem: String,
    next: usize,
}

impl Boundaries {
    pub(super) fn new(mail: &[u8]) -> Self {
        let stem = encode::boundary(mail);
        Self { stem, next: 0 }
    }

    fn make(&mut self) -> String {
        self.next += 1;
        format!("{}_{}", self.stem, self.next)
    }
}

impl Entity {
    /// A multipart of this subtype.
    pub(super) fn multipart(
        subtype: &str,
        parameters: Vec<(String, String)>,
        children: Vec<Entity>,
        names: &mut Boundaries,
    ) -> Self {
        let boundary = names.make();
        let mut content_type = Parameterized {
            value: format!("multipart/{subtype}"),
            parameters,
        };
        content_type
            .parameters
            .push(("boundary".into(), boundary.clone()));
        let mut fields = Vec::new();
        encode::parameterized_field(&mut fields, "Content-Type", &content_type);
        Self {
            fields,
            content: Content::Multipart(boundary, children),
        }
    }

    /// A part untouched: its own header and body.
    ///
    /// # Errors
    /// [`PrepareError::Opaque`] if it can't be sent as it is.
    pub(super) fn untouched(raw: &[u8]) -> Result<Self, PrepareError> {
        let too_long = |line: &[u8]| line.trim_ascii_end().len() > LONGEST_LINE;
        if !raw.is_ascii() || raw.split(|&b| b == b'\n').any(too_long) {
            return Err(PrepareError::Opaque);
        }
        let blank = raw.windows(4).position(|window| window == b"\r\n\r\n");
        let header = match blank {
            _ if raw.starts_with(b"\r\n") => 0,
            Some(at) => at + 2,
            None => return Err(PrepareError::Opaque),
        };
        let (fields, body) = raw.split_at(header);
        let mut out = SegmentWriter::default();
        out.bytes
            .extend_from_slice(body.strip_prefix(b"\r\n").unwrap_or(body));
        Ok(Self {
            fields: fields.to_vec(),
            content: Content::Leaf(out.finish()),
        })
    }

    /// A message's own content untouched, as a part: only its `Content-*` fields, as they stand.
    pub(super) fn untouched_root(root: &Part<'_>) -> Result<Self, PrepareError> {
        let mut raw = Vec::with_capacity(root.raw.len());
        for field in &root.fields {
            if field.name().to_ascii_lowercase().starts_with("content-") {
                raw.extend_from_slice(field.raw());
                raw.extend_from_slice(b"\r\n");
            }
        }
        raw.extend_from_slice(b"\r\n");
        raw.extend_from_slice(root.body);
        Self::untouched(&raw)
    }

    /// An attachment: the part's octets in base64, with the headers that readers need.
    pub(super) fn attachment(part: &Part<'_>) -> Result<Self, PrepareError> {
        const KEPT: [&str; 5] = ["name", "charset", "method", "component", "type"];
        let mut content_type = part.content_type.clone();
        content_type
            .parameters
            .retain(|(name, _)| KEPT.contains(&name.as_str()));
        clean_name(&mut content_type, "name");
        let mut fields = Vec::new();
        encode::parameterized_field(&mut fields, "Content-Type", &content_type);
        fields.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n");
        if let Some(disposition) = &part.disposition {
            let value = if disposition.value == "inline" {
                "inline"
            } else {
                "attachment"
            };
            let mut kept = disposition.clone();
            kept.value = value.to_owned();
            kept.parameters.retain(|(name, _)| name == "filename");
            clean_name(&mut kept, "filename");
            encode::parameterized_field(&mut fields, "Content-Disposition", &kept);
        }
        shared_fields(part, &mut fields);
        let mut out = SegmentWriter::default();
        let fine = part.encoding == TransferEncoding::Base64 && encode::is_fine_base64(part.body);
        if fine {
            out.bytes.extend_from_slice(part.body);
        } else {
            encode::base64_lines(&mut out.bytes, &part.decoded()?);
        }
        Ok(Self {
            fields,
            content: Content::Leaf(out.finish()),
        })
    }

    /// A text: quoted-printable UTF-8 of this type. `like` is the part that its identifier comes from.
    pub(super) fn text(
        media_type: &str,
        parameters: Vec<(String, String)>,
        like: Option<&Part<'_>>,
        content: Vec<Segment>,
    ) -> Self {
        let mut content_type = Parameterized {
            value: media_type.to_owned(),
            parameters,
        };
        content_type
            .parameters
            .insert(0, ("charset".into(), "utf-8".into()));
        let mut fields = Vec::new();
        encode::parameterized_field(&mut fields, "Content-Type", &content_type);
        fields.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n");
        if let Some(part) = like {
            shared_fields(part, &mut fields);
        }
        Self {
            fields,
            content: Content::Leaf(content),
        }
    }
}

/// Identifier and description.
fn shared_fields(part: &Part<'_>, fields: &mut Vec<u8>) {
    if let Some(id) = part.content_id() {
        fields.extend_from_slice(format!("Content-ID: <{id}>\r\n").as_bytes());
    }
    if let Some(description) = part.field("Content-Description") {
        let text: String = description.text().chars().take(200).collect();
        encode::text_field(fields, "Content-Description", &text);
    }
}

/// A file name without a path, short enough for every file system.
fn clean_name(value: &mut Parameterized, name: &str) {
    for (known, text) in &mut value.parameters {
        if known == name {
            let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
            *text = encode::visible(last).chars().take(150).collect();
        }
    }
    value.parameters.retain(|(_, text)| !text.is_empty());
}

/// The segments of an entity's content.
pub(super) fn write_body(content: Content) -> Vec<Segment> {
    let mut out = SegmentWriter::default();
    write_content(content, &mut out);
    if !out.bytes.ends_with(b"\r\n") {
        out.bytes.extend_from_slice(b"\r\n");
    }
    out.finish()
}

fn write_content(content: Content, out: &mut SegmentWriter) {
    match content {
        Content::Leaf(segments) => out.extend(segments),
        Content::Multipart(boundary, children) => {
            for (at, child) in children.into_iter().enumerate() {
                // The CRLF before a boundary line belongs to that line (RFC 2046 §5.1.1).
                let lead = if at == 0 { "" } else { "\r\n" };
                out.bytes
                    .extend_from_slice(format!("{lead}--{boundary}\r\n").as_bytes());
                out.bytes.extend_from_slice(&child.fields);
                out.bytes.extend_from_slice(b"\r\n");
                write_content(child.content, out);
            }
            out.bytes
                .extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        }
    }
}
