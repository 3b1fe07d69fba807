//! Where the footer goes in a page of HTML.

use std::ops::Range;

use crate::message::html::token::{Attribute, Kind, Tokens};

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

/// Cuts HTML where the footer goes: before the last `</body>`, else before the last `</html>`, else at its end. Charset
/// declarations are left out: the text is UTF-8 now.
pub(super) fn split_html(html: &str) -> SplitHtml {
    let (mut body_end, mut html_end) = (None, None);
    let mut charsets = Vec::new();
    for token in Tokens::new(html) {
        match token.kind {
            Kind::Start { name, attributes } if name == "meta" && is_charset(&attributes) => {
                charsets.push(token.at);
            }
            Kind::End(name) if name == "body" => body_end = Some(token.at.start),
            Kind::End(name) if name == "html" => html_end = Some(token.at.start),
            _ => {}
        }
    }
    let at = body_end.or(html_end).unwrap_or(html.len());
    SplitHtml {
        before: without(html, 0..at, &charsets),
        closing: closing_tags(&html[..at]),
        after: without(html, at..html.len(), &charsets),
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

/// The range of the text without these cuts.
fn without(html: &str, range: Range<usize>, cuts: &[Range<usize>]) -> String {
    let mut text = String::with_capacity(range.len());
    let mut start = range.start;
    for cut in cuts
        .iter()
        .filter(|cut| cut.start >= range.start && cut.end <= range.end)
    {
        text.push_str(&html[start..cut.start]);
        start = cut.end;
    }
    text.push_str(&html[start..range.end]);
    text
}

/// End tags for the elements that this beginning of a page leaves open.
fn closing_tags(html: &str) -> String {
    let mut open: Vec<String> = Vec::new();
    for token in Tokens::new(html) {
        match token.kind {
            Kind::Start { name, .. } if !is_void(&name) && open.len() < DEEPEST => open.push(name),
            Kind::End(name) => {
                if let Some(at) = open.iter().rposition(|known| *known == name) {
                    open.truncate(at);
                }
            }
            _ => {}
        }
    }
    let open = open.iter().rev().filter(|name| needs_end(name));
    open.map(|name| format!("</{name}>")).collect()
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

/// Elements that end only by their end tag, and so would hold the footer.
fn needs_end(name: &str) -> bool {
    !matches!(
        name,
        "html"
            | "head"
            | "body"
            | "p"
            | "li"
            | "dt"
            | "dd"
            | "tr"
            | "td"
            | "th"
            | "thead"
            | "tbody"
            | "tfoot"
            | "option"
            | "optgroup"
            | "colgroup"
            | "caption"
    ) && name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':'))
}
