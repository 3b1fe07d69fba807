//! Which bytes of a message a section is. Part numbers count as RFC 9051 §6.4.5.1 says: a message that is no multipart has
//! one part, its body, and the parts of a message within a part count on from that part's number.

use std::ops::Range;

use super::{Section, Wanted};
use crate::message::outline::{Node, Outline};

/// Where a section stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place<'s> {
    /// These bytes.
    Bytes(Range<u64>),
    /// Some fields of the header that stands here.
    Fields {
        /// The header.
        header: Range<u64>,
        /// Which fields.
        names: &'s [String],
        /// All others instead.
        others: bool,
        /// It is the message's own header.
        own: bool,
    },
}

impl Place<'_> {
    /// The section's place; `None` if the message has no such part.
    pub(super) fn of<'s>(section: &'s Section, outline: &Outline) -> Option<Place<'s>> {
        let root = &outline.root;
        let part = part(root, &section.part)?;
        let own = section.part.is_empty();
        // A header or a text is that of the message itself, or of one within the part.
        let message = || if own { Some(root) } else { part.message() };
        let fields = |names, others| {
            let header = header(message()?);
            Some(Place::Fields {
                header,
                names,
                others,
                own,
            })
        };
        match &section.wanted {
            Wanted::Whole if own => Some(Place::Bytes(0..body(root).end)),
            Wanted::Whole => Some(Place::Bytes(body(part))),
            Wanted::Header => Some(Place::Bytes(header(message()?))),
            Wanted::Fields(names) => fields(names, false),
            Wanted::OtherFields(names) => fields(names, true),
            Wanted::Text => Some(Place::Bytes(body(message()?))),
            Wanted::Mime => (!own).then(|| Place::Bytes(header(part))),
        }
    }
}

/// The part of these numbers.
pub(super) fn part<'o>(root: &'o Node, numbers: &[u32]) -> Option<&'o Node> {
    let mut found = root;
    // The message or multipart whose parts the next number counts.
    let mut around = Some((root, true));
    for number in numbers {
        let (counted, is_message) = around?;
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        found = match counted.is_multipart() {
            true => counted.parts.get(at)?,
            false if at == 0 && is_message => counted,
            false => return None,
        };
        let multipart = || found.is_multipart().then_some((found, false));
        around = found
            .message()
            .map(|inner| (inner, true))
            .or_else(multipart);
    }
    Some(found)
}

pub(super) fn header(node: &Node) -> Range<u64> {
    node.header_at..node.body_at
}

pub(super) fn body(node: &Node) -> Range<u64> {
    node.body_at..node.body_at + node.size
}
