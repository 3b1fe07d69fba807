//! A prepared mailing: the bytes that all copies share, and slots for what each copy has of its own.

use aws_lc_rs::digest;
use bytes::{Buf as _, Bytes};
use jiff::Timestamp;
use mail_builder::headers::date::Date;

use super::html::entity;
use super::mime::encode::QuotedPrintable;

/// The version of the serialised form. Another form gets another number beside it: approvals bind these bytes.
const VERSION: u8 = 1;
/// The most segments that are read back: far more than any mail makes, few enough to bound memory.
const MOST_SEGMENTS: usize = 10_000;

/// What differs from copy to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The subscriber's address.
    To,
    /// The copy's Message-ID, without angle brackets.
    MessageId,
    /// The copy's date.
    Date,
    /// The page that ends the subscription.
    UnsubscribeUrl,
    /// The `mailto:` address that ends the subscription.
    UnsubscribeMailto,
}

/// Where a slot stands, and so how its value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In a header field, as it is.
    Header,
    /// In quoted-printable text, at the start of an encoded line.
    Text,
    /// In quoted-printable HTML, likewise, with its special characters as entities.
    Html,
}

/// A run of bytes, or a slot.
#[derive(Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes that every copy has.
    Bytes(Bytes),
    /// A value that each copy has of its own.
    Slot(Slot, Form),
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} octets)", bytes.len()),
            Self::Slot(slot, form) => write!(f, "Slot({slot:?}, {form:?})"),
        }
    }
}

/// A mailing made ready: header and body as segments. What is held, shown, approved (by [`Prepared::digest`]) and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub(super) header: Vec<Segment>,
    pub(super) body: Vec<Segment>,
}

/// Bytes that aren't a prepared mailing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPrepared {
    /// Another version.
    #[error(
        "the prepared mailing has form {0}, this program reads form {VERSION}: use the newer program"
    )]
    Version(u8),
    /// Damaged bytes.
    #[error("the prepared mailing is damaged: send the mail to the list again")]
    Damaged,
}

/// A value that can't stand in its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// Not an address.
    #[error(
        "a copy's recipient isn't an address that can stand in a header: correct the subscriber"
    )]
    To,
    /// Not a message identifier.
    #[error("a copy's Message-ID isn't one: it must be local@domain in visible ASCII")]
    MessageId,
    /// Not an address of a page that may be posted to (RFC 8058).
    #[error(
        "a copy's unsubscribe link isn't an https: address of at most 900 octets: correct the public address in the config"
    )]
    UnsubscribeUrl,
    /// Not a `mailto:` address.
    #[error(
        "a copy's unsubscribe address isn't a mailto: address of at most 900 octets: correct the mail domain in the config"
    )]
    UnsubscribeMailto,
}

/// The values of one copy. `Debug` shows none of them.
#[derive(Clone, Copy)]
pub struct SlotValues<'a> {
    /// The subscriber's address (addr-spec).
    pub to: &'a str,
    /// The copy's Message-ID, without angle brackets.
    pub message_id: &'a str,
    /// The copy's date.
    pub date: Timestamp,
    /// The page that ends the subscription.
    pub unsubscribe_url: &'a str,
    /// The `mailto:` address that ends the subscription.
    pub unsubscribe_mailto: &'a str,
}

impl std::fmt::Debug for SlotValues<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlotValues(..)")
    }
}

impl SlotValues<'_> {
    /// Whether every value can stand in its slot: no value can end a line, a field or an angle bracket.
    ///
    /// # Errors
    /// The [`SlotError`] of the first that can't.
    pub fn check(&self) -> Result<(), SlotError> {
        if !is_address(self.to) {
            return Err(SlotError::To);
        }
        if !is_target(self.message_id, 250) || !self.message_id.contains('@') {
            return Err(SlotError::MessageId);
        }
        // The sandbox's pages also answer on plain HTTP, on loopback alone.
        let schemes = [
            "https://",
            "http://127.0.0.1",
            "http://localhost",
            "http://[::1]",
        ];
        let url = self.unsubscribe_url;
        if !is_target(url, 900) || !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(SlotError::UnsubscribeUrl);
        }
        let mailto = self.unsubscribe_mailto;
        if !is_target(mailto, 900) || !mailto.starts_with("mailto:") {
            return Err(SlotError::UnsubscribeMailto);
        }
        Ok(())
    }

    fn text(&self, slot: Slot) -> String {
        match slot {
            Slot::To => self.to.to_owned(),
            Slot::MessageId => self.message_id.to_owned(),
            Slot::Date => Date::new(self.date.as_second()).to_rfc822(),
            Slot::UnsubscribeUrl => self.unsubscribe_url.to_owned(),
            Slot::UnsubscribeMailto => self.unsubscribe_mailto.to_owned(),
        }
    }

    /// The value as it's written at this place.
    pub(super) fn encoded(&self, slot: Slot, form: Form) -> Vec<u8> {
        let text = self.text(slot);
        let mut out = Vec::with_capacity(text.len() + 16);
        match form {
            Form::Header => out.extend_from_slice(text.as_bytes()),
            Form::Text => QuotedPrintable::value(&mut out, &text),
            Form::Html => QuotedPrintable::value(&mut out, &entity::escape(&text)),
        }
        out
    }
}

pub(super) fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let special = |c: char| c.is_whitespace() || "()<>[]:;@\\,\"".contains(c);
    text.len() <= 320
        && !local.is_empty()
        && !domain.is_empty()
        && !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
        && (quoted || !local.contains(special))
        && !domain.contains(|c: char| special(c) && !matches!(c, '[' | ']' | ':'))
}

pub(super) fn is_target(text: &str, most: usize) -> bool {
    !text.is_empty()
        && text.len() <= most
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b'\\'))
}

impl Prepared {
    /// What an approval is bound to: a hash over all bytes and slots. Slots can't be mistaken for bytes, as each segment
    /// stands with its kind and length.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"hustings prepared mailing\0");
        self.write(&mut |bytes| hash.update(bytes));
        let mut out = [0; 32];
        out.copy_from_slice(hash.finish().as_ref());
        out
    }

    /// The mailing's bytes, to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size() + 1024);
        self.write(&mut |bytes| out.extend_from_slice(bytes));
        out
    }

    fn write(&self, sink: &mut impl FnMut(&[u8])) {
        sink(&[VERSION]);
        for segments in [&self.header, &self.body] {
            sink(&length(segments.len()));
            for segment in segments {
                match segment {
                    Segment::Bytes(bytes) => {
                        sink(&[0]);
                        sink(&length(bytes.len()));
                        sink(bytes);
                    }
                    Segment::Slot(slot, form) => sink(&[1, slot_code(*slot), form_code(*form)]),
                }
            }
        }
    }

    /// Reads a mailing back without copying its bytes.
    ///
    /// # Errors
    /// [`NotPrepared`].
    pub fn from_bytes(mut bytes: Bytes) -> Result<Self, NotPrepared> {
        match bytes.try_get_u8() {
            Ok(VERSION) => {}
            Ok(other) => return Err(NotPrepared::Version(other)),
            Err(_) => return Err(NotPrepared::Damaged),
        }
        let header = read_segments(&mut bytes).ok_or(NotPrepared::Damaged)?;
        let body = read_segments(&mut bytes).ok_or(NotPrepared::Damaged)?;
        if bytes.is_empty() {
            Ok(Self { header, body })
        } else {
            Err(NotPrepared::Damaged)
        }
    }

    /// How many octets all copies share.
    pub fn size(&self) -> usize {
        let segments = self.header.iter().chain(&self.body);
        segments
            .map(|s| {
                if let Segment::Bytes(bytes) = s {
                    bytes.len()
                } else {
                    0
                }
            })
            .sum()
    }

    /// The copy with these values, unsigned: shared bytes are shared, not copied.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn personalise(&self, values: &SlotValues<'_>) -> Result<Vec<Bytes>, SlotError> {
        values.check()?;
        let blank = [Segment::Bytes(Bytes::from_static(b"\r\n"))];
        let segments = self.header.iter().chain(&blank).chain(&self.body);
        Ok(segments
            .map(|segment| match segment {
                Segment::Bytes(bytes) => bytes.clone(),
                Segment::Slot(slot, form) => values.encoded(*slot, *form).into(),
            })
            .collect())
    }
}

fn length(length: usize) -> [u8; 4] {
    // A message is at most some tens of megabytes: the limit is checked where it's accepted.
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn read_segments(bytes: &mut Bytes) -> Option<Vec<Segment>> {
    let count = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    if count > MOST_SEGMENTS {
        return None;
    }
    (0..count).map(|_| read_segment(bytes)).collect()
}

fn read_segment(bytes: &mut Bytes) -> Option<Segment> {
    match bytes.try_get_u8().ok()? {
        0 => {
            let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
            (length <= bytes.len()).then(|| Segment::Bytes(bytes.split_to(length)))
        }
        1 => {
            let (slot, form) = (bytes.try_get_u8().ok()?, bytes.try_get_u8().ok()?);
            let slot = ALL_SLOTS
                .into_iter()
                .find(|known| slot_code(*known) == slot)?;
            let form = ALL_FORMS
                .into_iter()
                .find(|known| form_code(*known) == form)?;
            Some(Segment::Slot(slot, form))
        }
        _ => None,
    }
}

/// Every slot.
pub(super) const ALL_SLOTS: [Slot; 5] = [
    Slot::To,
    Slot::MessageId,
    Slot::Date,
    Slot::UnsubscribeUrl,
    Slot::UnsubscribeMailto,
];
const ALL_FORMS: [Form; 3] = [Form::Header, Form::Text, Form::Html];

const fn slot_code(slot: Slot) -> u8 {
    match slot {
        Slot::To => 1,
        Slot::MessageId => 2,
        Slot::Date => 3,
        Slot::UnsubscribeUrl => 4,
        Slot::UnsubscribeMailto => 5,
    }
}

const fn form_code(form: Form) -> u8 {
    match form {
        Form::Header => 1,
        Form::Text => 2,
        Form::Html => 3,
    }
}

/// Collects bytes and slots into segments.
#[derive(Default)]
pub(super) struct SegmentWriter {
    segments: Vec<Segment>,
    /// The bytes since the last slot.
    pub(super) bytes: Vec<u8>,
}

impl SegmentWriter {
    /// Puts a slot after what was written.
    pub(super) fn slot(&mut self, slot: Slot, form: Form) {
        self.end_bytes();
        self.segments.push(Segment::Slot(slot, form));
    }

    /// Appends segments.
    pub(super) fn extend(&mut self, segments: Vec<Segment>) {
        for segment in segments {
            match segment {
                Segment::Bytes(bytes) => self.bytes.extend_from_slice(&bytes),
                Segment::Slot(slot, form) => self.slot(slot, form),
            }
        }
    }

    fn end_bytes(&mut self) {
        if !self.bytes.is_empty() {
            self.segments
                .push(Segment::Bytes(std::mem::take(&mut self.bytes).into()));
        }
    }

    /// The segments.
    pub(super) fn finish(mut self) -> Vec<Segment> {
        self.end_bytes();
        self.segments
    }
}
