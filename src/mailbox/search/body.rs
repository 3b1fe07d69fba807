//! The text of one message: fields decoded, bodies of text parts decoded, while they go by and as far as the answer hangs on
//! them. What is attached and no text stays closed.

use encoding_rs::{Decoder as Charset, Encoding, UTF_8};
use jiff::civil::Date;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::plain::Plain;
use super::test::{Asked, Facts, Query, Scope};
use super::words::Passing;
use crate::id::MessageId;
use crate::mailbox::room::Mailboxes;
use crate::message::mime::Limits;
use crate::message::mime::decode::Decoder;
use crate::message::mime::field::{self, Parameterized};
use crate::message::mime::tree::TransferEncoding;
use crate::message::outline::{Node, Outline, is_listed};
use crate::store::StoreError;

/// So much of one field is looked at.
const FIELD: usize = 64 * 1024;

/// One message that is looked through.
pub(super) struct Looking<'l> {
    boxes: &'l Mailboxes,
    query: &'l Query,
    facts: Facts<'l>,
    message: MessageId,
    outline: &'l Outline,
    longest: usize,
}

/// What a piece of text is.
#[derive(Clone, Copy)]
enum Whose<'w> {
    /// A field of the message's own header, by its name.
    Field(&'w str),
    /// Something in its body.
    Body,
}

impl<'l> Looking<'l> {
    pub(super) fn new(
        boxes: &'l Mailboxes,
        query: &'l Query,
        facts: Facts<'l>,
        message: MessageId,
        outline: &'l Outline,
    ) -> Self {
        let lengths = query.asked.iter().map(|asked| asked.needle.len());
        Self {
            boxes,
            query,
            facts,
            message,
            outline,
            longest: lengths.max().unwrap_or_default(),
        }
    }

    /// Whether it's what is asked for.
    pub(super) async fn answer(&mut self) -> Result<bool, StoreError> {
        self.look_at_outline();
        if let Some(answer) = self.decided() {
            return Ok(answer);
        }
        self.look_at_header().await?;
        if let Some(answer) = self.decided() {
            return Ok(answer);
        }
        let outline = self.outline;
        self.look_at_body(&outline.root).await?;
        if self.decided().is_none() {
            self.settle(|_| true);
        }
        Ok(self.decided().unwrap_or(false))
    }

    fn decided(&self) -> Option<bool> {
        self.facts.answer(&self.query.test)
    }

    /// What wasn't found up to now isn't there, where this is so.
    fn settle(&mut self, is_over: impl Fn(&Asked) -> bool) {
        for (asked, answer) in self.query.asked.iter().zip(&mut self.facts.answers) {
            if answer.is_none() && is_over(asked) {
                *answer = Some(false);
            }
        }
    }

    fn look_at_outline(&mut self) {
        let outline = self.outline;
        self.look_at_fields(&outline.root.fields);
        if !outline.whole {
            return;
        }
        self.facts.sent.get_or_insert(None);
        self.settle(|asked| matches!(&asked.scope, Scope::Field(name) if is_listed(name)));
    }

    fn look_at_fields(&mut self, fields: &[u8]) {
        for raw in field::raw_fields(fields) {
            self.look_at_field(raw, false);
        }
    }

    /// A field; of the message's own header, or of one within its body.
    fn look_at_field(&mut self, raw: &[u8], within: bool) {
        let Some(colon) = raw.iter().position(|byte| *byte == b':') else {
            return;
        };
        let name = String::from_utf8_lossy(raw[..colon].trim_ascii_end());
        let value = raw[colon + 1..].trim_ascii_end();
        let text = field::text_of(value);
        if within {
            self.look_at_text(Whose::Body, &format!("{name}: {text}"));
            return;
        }
        if self.facts.sent.is_none() && name.eq_ignore_ascii_case("Date") {
            self.facts.sent = Some(day_of(value));
        }
        self.look_at_text(Whose::Field(&name), text.trim_start());
    }

    /// A whole text.
    fn look_at_text(&mut self, whose: Whose<'_>, text: &str) {
        let mut passing = Passing::new(self.longest);
        // A field's name is text of the header, but none of the field.
        if let Whose::Field(name) = whose {
            let whole = format!("{name}: {text}");
            let mut passing = Passing::new(self.longest);
            self.find(passing.take(&whole), |scope| {
                matches!(scope, Scope::Everything)
            });
        }
        self.find(passing.take(text), |scope| match (scope, whose) {
            (Scope::Field(asked), Whose::Field(name)) => asked.eq_ignore_ascii_case(name),
            (Scope::Field(_), Whose::Body) => false,
            (Scope::Body, whose) => matches!(whose, Whose::Body),
            (Scope::Everything, _) => true,
        });
    }

    fn find(&mut self, folded: &[u8], is_there: impl Fn(&Scope) -> bool) {
        for (asked, answer) in self.query.asked.iter().zip(&mut self.facts.answers) {
            if answer.is_none() && is_there(&asked.scope) && asked.needle.is_in(folded) {
                *answer = Some(true);
            }
        }
    }

    async fn look_at_header(&mut self) -> Result<(), StoreError> {
        let outline = self.outline;
        self.look_at_stored_header(&outline.root, false).await?;
        self.facts.sent.get_or_insert(None);
        self.settle(|asked| matches!(asked.scope, Scope::Field(_)));
        Ok(())
    }

    async fn look_at_stored_header(&mut self, node: &Node, within: bool) -> Result<(), StoreError> {
        let range = node.header_at..node.body_at;
        let mut reader = self.boxes.store.body_range(self.message, range);
        let mut fields = Fields::default();
        while let Some(piece) = reader.next().await? {
            fields.take(&piece, |raw| self.look_at_field(raw, within));
        }
        fields.finish(|raw| self.look_at_field(raw, within));
        Ok(())
    }

    /// All texts within a part, and the headers of those that it holds.
    async fn look_at_body(&mut self, node: &Node) -> Result<(), StoreError> {
        if node.parts.is_empty() {
            return self.look_at_leaf(node).await;
        }
        for part in &node.parts {
            self.look_at_stored_header(part, true).await?;
            if self.decided().is_some() {
                return Ok(());
            }
            Box::pin(self.look_at_body(part)).await?;
            if self.decided().is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn look_at_leaf(&mut self, node: &Node) -> Result<(), StoreError> {
        let kind = content_type(node);
        if !kind.value.starts_with("text/") {
            return Ok(());
        }
        let encoding = self
            .boxes
            .encoding(self.message, self.outline, node)
            .await?;
        let mut text = Text::of(&kind, encoding);
        let range = node.body_at..node.body_at + node.size;
        let mut reader = self.boxes.store.body_range(self.message, range);
        let mut passing = Passing::new(self.longest);
        loop {
            let piece = reader.next().await?;
            let text = text.take(piece.as_deref());
            let in_body = |scope: &Scope| !matches!(scope, Scope::Field(_));
            self.find(passing.take(&text), in_body);
            if piece.is_none() || self.decided().is_some() {
                return Ok(());
            }
        }
    }
}

/// What a part says it is; plain text if it doesn't (RFC 2045 §5.2).
fn content_type(node: &Node) -> Parameterized {
    let raw = node.fields_named("Content-Type").next();
    let fields = raw.and_then(|raw| field::split(raw, &Limits::STRANGERS).ok());
    let field = fields.and_then(|(fields, _)| fields.first().map(field::Field::parameterized));
    field
        .filter(|kind| kind.value.contains('/'))
        .unwrap_or_else(Parameterized::plain_text)
}

/// The day that a Date field names, in its own zone.
fn day_of(value: &[u8]) -> Option<Date> {
    let line = [value, b"\r\n"].concat();
    let HeaderValue::DateTime(date) = MessageStream::new(&line).parse_date() else {
        return None;
    };
    let month = i8::try_from(date.month).ok()?;
    let day = i8::try_from(date.day).ok()?;
    Date::new(i16::try_from(date.year).ok()?, month, day).ok()
}

/// A part's bytes as text.
struct Text {
    decoder: Decoder,
    charset: Charset,
    plain: Option<Plain>,
}

impl Text {
    /// What nobody knows how to decode is read as it stands.
    fn of(kind: &Parameterized, encoding: TransferEncoding) -> Self {
        let label = kind.get("charset").unwrap_or_default().trim();
        let charset = match label.eq_ignore_ascii_case("us-ascii") {
            // What calls itself ASCII and isn't, is UTF-8 more often than anything else.
            true => UTF_8,
            false => Encoding::for_label(label.as_bytes()).unwrap_or(UTF_8),
        };
        Self {
            decoder: Decoder::of(encoding).unwrap_or_default(),
            charset: charset.new_decoder(),
            plain: (kind.value == "text/html").then(Plain::default),
        }
    }

    /// The text of the next bytes; of what was left open, at the end.
    fn take(&mut self, piece: Option<&[u8]>) -> String {
        let mut bytes = Vec::new();
        match piece {
            Some(piece) => self.decoder.take(piece, &mut bytes),
            None => self.decoder.finish(&mut bytes),
        }
        let most = self.charset.max_utf8_buffer_length(bytes.len());
        let mut text = String::with_capacity(most.unwrap_or_default());
        let _ = self
            .charset
            .decode_to_string(&bytes, &mut text, piece.is_none());
        let Some(plain) = &mut self.plain else {
            return text;
        };
        let mut shown = String::with_capacity(text.len());
        plain.take(&text, &mut shown);
        if piece.is_none() {
            plain.finish(&mut shown);
        }
        shown
    }
}

/// A header that goes by, field by field.
#[derive(Default)]
struct Fields {
    held: Vec<u8>,
    /// The last byte was a line's end.
    line_ended: bool,
}

impl Fields {
    fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let folded = matches!(line.first(), Some(b' ' | b'\t'));
            if self.line_ended && !folded {
                each(&self.held);
                self.held.clear();
            }
            let room = FIELD - self.held.len().min(FIELD);
            self.held.extend_from_slice(&line[..line.len().min(room)]);
            self.line_ended = line.ends_with(b"\n");
        }
    }

    fn finish(&mut self, mut each: impl FnMut(&[u8])) {
        if !self.held.is_empty() {
            each(&self.held);
        }
    }
}
