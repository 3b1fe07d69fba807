//! The footer of every list mail: who sent it, the imprint, why it came, the right to object, the way out (law rows
//! C2, C4, G1-G3). It can't be left out, and it's never a picture.

mod armour;
mod default;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use default::FooterText;

use super::mime::encode::QuotedPrintable;
use super::rules;
use super::segment::{Form, SegmentWriter, Slot};

/// The characters that a marker stands between: private use, so no text that means something holds them.
const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';
/// The longest footer, in octets, of either kind.
const LONGEST: usize = 32 * 1024;

/// Why a footer can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FooterError {
    /// A marker that stands for no slot.
    #[error(
        "the footer holds a private use character (U+E000 or U+E001): take it out of the template"
    )]
    Marker,
    /// No way out.
    #[error("the footer's {0} has no unsubscribe link: put it back into the template")]
    NoWayOut(&'static str),
    /// No imprint.
    #[error(
        "the footer's {0} doesn't hold the imprint as the config has it: put it back into the template"
    )]
    NoImprint(&'static str),
    /// Too long.
    #[error("the footer's {0} is longer than {LONGEST} octets: shorten the template")]
    TooLong(&'static str),
    /// An element whose look nobody would know.
    #[error(
        "the footer's HTML has <{0}>, which can't be kept readable whatever stands above it: use paragraphs, links, lists and \
         bold words"
    )]
    Element(String),
    /// HTML that no list mail may hold.
    #[error("the footer's HTML can't be sent: {0}")]
    Html(rules::Refusal),
}

impl Slot {
    /// What stands for the slot in a rendered text. Survives HTML escaping.
    pub fn marker(self) -> String {
        format!("{OPEN}{}{CLOSE}", self.key())
    }

    const fn key(self) -> char {
        match self {
            Self::To => 't',
            Self::MessageId => 'm',
            Self::Date => 'd',
            Self::UnsubscribeUrl => 'u',
            Self::UnsubscribeMailto => 'a',
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Slot(Slot),
}

/// A rendered text with slots in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

impl Template {
    /// Reads a rendered text in which [`Slot::marker`]s stand for slots. White space at line ends goes.
    ///
    /// # Errors
    /// [`FooterError::Marker`].
    pub fn new(rendered: &str) -> Result<Self, FooterError> {
        let lines: Vec<&str> = rendered.lines().map(str::trim_end).collect();
        let text = lines.join("\n");
        let mut pieces = Vec::new();
        let mut rest = text.trim_matches('\n');
        while let Some((before, after)) = rest.split_once(OPEN) {
            let (key, after) = after.split_once(CLOSE).ok_or(FooterError::Marker)?;
            let slot = super::segment::ALL_SLOTS.into_iter().find(|slot| {
                let mut known = [0; 4];
                slot.key().encode_utf8(&mut known) == key
            });
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Slot(slot.ok_or(FooterError::Marker)?));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let stray =
            |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains([OPEN, CLOSE]));
        if pieces.iter().any(stray) {
            Err(FooterError::Marker)
        } else {
            Ok(Self(pieces))
        }
    }

    /// Whether the template has this slot.
    pub fn has(&self, slot: Slot) -> bool {
        self.0.contains(&Piece::Slot(slot))
    }

    /// The text with `[...]` for slots, white space folded, to look for words in.
    fn words(&self) -> String {
        let text: String = self
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Slot(_) => "[...]",
            })
            .collect();
        fold(&text)
    }

    /// The same with each element's look its own.
    fn armoured(&self) -> Result<Self, FooterError> {
        let markup: String = self
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Slot(slot) => slot.marker(),
            })
            .collect();
        Self::new(&armour::armour(&markup)?)
    }

    fn len(&self) -> usize {
        self.0
            .iter()
            .map(|piece| {
                if let Piece::Text(text) = piece {
                    text.len()
                } else {
                    0
                }
            })
            .sum()
    }

    /// Appends the template to quoted-printable text.
    pub(super) fn write(
        &self,
        qp: &mut QuotedPrintable,
        out: &mut SegmentWriter,
        form: Form,
        flowed: bool,
    ) {
        let mut line_start = true;
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => {
                    let stuffed = if flowed {
                        stuff(text, line_start)
                    } else {
                        text.clone()
                    };
                    qp.text(&mut out.bytes, &stuffed);
                    line_start = if text.is_empty() {
                        line_start
                    } else {
                        text.ends_with('\n')
                    };
                }
                Piece::Slot(slot) => {
                    // A value of any length is right here: it has encoded lines of its own.
                    qp.to_line_start(&mut out.bytes);
                    out.slot(*slot, form);
                    qp.after_value(&mut out.bytes);
                    line_start = false;
                }
            }
        }
    }
}

/// Space-stuffing (RFC 3676 §4.4): lines that begin with a space, `>` or `From ` get a space before.
pub(super) fn stuff(text: &str, line_start: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let begins = at > 0 || line_start;
        if begins && (line.starts_with([' ', '>']) || line.starts_with("From ")) {
            out.push(' ');
        }
        out.push_str(line);
    }
    out
}

fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A list's footer, in both its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    text: Template,
    html: Template,
}

impl Footer {
    /// A footer from rendered templates. Both must hold the unsubscribe link and the imprint's words; the HTML must pass
    /// the rules for list mail.
    ///
    /// # Errors
    /// [`FooterError`].
    pub fn new(text: Template, html: Template, imprint: &str) -> Result<Self, FooterError> {
        for (template, name) in [(&text, "text"), (&html, "HTML")] {
            if template.len() > LONGEST {
                return Err(FooterError::TooLong(name));
            }
            if !template.has(Slot::UnsubscribeUrl) {
                return Err(FooterError::NoWayOut(name));
            }
        }
        let imprint = fold(imprint);
        let markup: String = html
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                // A link's target, as far as the rules can tell.
                Piece::Slot(_) => "https://slot.invalid/",
            })
            .collect();
        let shown = fold(&super::html::plain::from_html(&markup));
        if imprint.is_empty() || !text.words().contains(&imprint) {
            return Err(FooterError::NoImprint("text"));
        }
        if !shown.contains(&imprint) {
            return Err(FooterError::NoImprint("HTML"));
        }
        let mut refusals = Vec::new();
        rules::check_html(&markup, &[], true, &mut refusals);
        match refusals.into_iter().next() {
            Some(refusal) => Err(FooterError::Html(refusal)),
            None => Ok(Self {
                text,
                html: html.armoured()?,
            }),
        }
    }

    /// The footer for text.
    pub fn text(&self) -> &Template {
        &self.text
    }

    /// The footer for HTML.
    pub fn html(&self) -> &Template {
        &self.html
    }
}
