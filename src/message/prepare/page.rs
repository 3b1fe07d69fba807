//! Where the footer goes in a page of HTML.

use std::ops::Range;

use crate::message::html::token::{Attribute, Kind, Tokens};

use super::frame::Frame;

/// HTML cut in two.
pub(super) struct SplitHtml {
    /// What stands before the footer.
    pub(super) before: String,
    /// End tags for what the sender left open, so that the footer isn't inside it.
    pub(super) closing: String,
    /// What stands after it.
    pub(super) after: String,
}

/// How many open elements are kept track of, as browsers do; a page that nests deeper is closed that far.
const DEEPEST: usize = 512;

/// Cuts HTML where the footer goes: before the last `</body>`, else before the last `</html>`, else at its end; at its
/// end, too, when more is shown after those, so that nothing comes after the footer. Charset declarations are left out
/// (the text is UTF-8 now), and the page's own two elements can't hide what stands in them.
pub(super) fn split_html(html: &str) -> SplitHtml {
    let (mut body_end, mut html_end) = (None, None);
    let mut edits = Vec::new();
    let frame = Frame::of(html);
    for token in Tokens::new(html) {
        let end = body_end.or(html_end).is_some();
        match &token.kind {
            Kind::Start { name, attributes } if name == "meta" && is_charset(attributes) => {
                edits.push((token.at, String::new()));
            }
            Kind::End(name) if name == "body" => body_end = Some(token.at.start),
            Kind::End(name) if name == "html" => html_end = Some(token.at.start),
            kind if end && is_shown(kind) => (body_end, html_end) = (None, None),
            _ => {}
        }
    }
    edits.extend(frame.edits(html));
    edits.sort_by_key(|(at, _)| at.start);
    let at = body_end.or(html_end).unwrap_or(html.len());
    SplitHtml {
        before: edited(html, 0..at, &edits) + &frame.missing(),
        closing: closing_tags(&html[..at]),
        after: edited(html, at..html.len(), &edits),
    }
}

/// Whether a reader may see something of it, or of its rules.
fn is_shown(kind: &Kind) -> bool {
    match kind {
        Kind::Text(text) => !text.trim().is_empty(),
        Kind::Comment(text) => text.trim_start().starts_with("[if"),
        Kind::End(_) => false,
        Kind::Start { .. } | Kind::Raw { .. } | Kind::Unclosed => true,
    }
}

fn is_charset(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| match attribute.name.as_str() {
            "charset" => true,
            "http-equiv" => attribute.value.trim().eq_ignore_ascii_case("content-type"),
            _ => false,
        })
}

/// The range of the text with these edits.
fn edited(html: &str, range: Range<usize>, edits: &[(Range<usize>, String)]) -> String {
    let mut text = String::with_capacity(range.len());
    let mut start = range.start;
    let inside = |at: &Range<usize>| at.start >= range.start && at.end <= range.end;
    for (at, new) in edits.iter().filter(|(at, _)| inside(at)) {
        text.push_str(&html[start..at.start]);
        text.push_str(new);
        start = at.end;
    }
    text.push_str(&html[start..range.end]);
    text
}

/// End tags for the elements that this beginning of a page may leave open. Where elements overlap, browsers take some up
/// again after their parent's end (HTML §13.2.4.3), so those are ended once more; an end tag too many does nothing.
fn closing_tags(html: &str) -> String {
    let mut open: Vec<String> = Vec::new();
    let mut strays: Vec<String> = Vec::new();
    for token in Tokens::new(html) {
        match token.kind {
            Kind::Start { name, .. } if !is_void(&name) => {
                let known = if open.len() < DEEPEST {
                    &mut open
                } else {
                    &mut strays
                };
                known.push(name);
            }
            Kind::End(name) => {
                if let Some(at) = ended(&open, &name) {
                    let passed = open.drain(at..).skip(1);
                    strays.extend(passed.filter(|name| !ends_by_itself(name)));
                }
            }
            _ => {}
        }
    }
    let strays: String = end_tags(&strays).collect();
    let open: String = end_tags(&open).collect();
    format!("{strays}{open}{strays}")
}

fn end_tags(names: &[String]) -> impl Iterator<Item = String> {
    let names = names.iter().rev().filter(|name| needs_end(name));
    names.map(|name| format!("</{name}>"))
}

/// Which open element an end tag ends: none outside of the table that it stands in.
fn ended(open: &[String], name: &str) -> Option<usize> {
    let at = open.iter().rposition(|known| known == name)?;
    let tabular = |name: &str| matches!(name, "table" | "caption" | "td" | "th");
    let fenced = match name {
        "table" | "caption" | "td" | "th" | "tr" | "tbody" | "thead" | "tfoot" | "colgroup" => {
            open[at + 1..].iter().any(|inner| inner == "table")
        }
        _ => open[at + 1..].iter().any(|inner| tabular(inner)),
    };
    (!fenced).then_some(at)
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Elements that end with their parent, whatever stands in them.
fn ends_by_itself(name: &str) -> bool {
    matches!(name, "p" | "li" | "dt" | "dd" | "option" | "optgroup") || !needs_end(name)
}

/// Elements that would hold the footer until their end tag.
fn needs_end(name: &str) -> bool {
    !matches!(
        name,
        "html"
            | "head"
            | "body"
            | "p"
            | "tr"
            | "td"
            | "th"
            | "thead"
            | "tbody"
            | "tfoot"
            | "colgroup"
            | "caption"
    ) && name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':'))
}
