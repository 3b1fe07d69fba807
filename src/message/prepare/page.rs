//! Where the footer goes in a page of HTML.

use crate::message::html::token::{Kind, Tokens};

/// HTML cut in two.
pub(super) struct SplitHtml {
    /// What stands before the footer.
    pub(super) before: String,
    /// End tags for what the sender left open, so that the footer isn't inside it.
    pub(super) closing: String,
    /// What stands after it.
    pub(super) after: String,
}

/// Cuts HTML where the footer goes: before the last `</body>`, else before the last `</html>`, else at its end. Charset
/// declarations are left out: the text is UTF-8 now.
pub(super) fn split_html(html: &str) -> SplitHtml {
    let mut open: Vec<String> = Vec::new();
    let mut place: Option<(bool, usize, Vec<String>)> = None;
    let mut charsets = Vec::new();
    for token in Tokens::new(html) {
        match token.kind {
            Kind::Start { name, attributes } => {
                let has = |wanted: &str, value: &str| {
                    let mut found = attributes.iter().filter(|a| a.name == wanted);
                    found.any(|a| value.is_empty() || a.value.trim().eq_ignore_ascii_case(value))
                };
                if name == "meta" && (has("charset", "") || has("http-equiv", "content-type")) {
                    charsets.push(token.at.clone());
                }
                if !is_void(&name) {
                    open.push(name);
                }
            }
            Kind::End(name) => {
                let body = name == "body";
                if body || name == "html" && !matches!(place, Some((true, ..))) {
                    place = Some((body, token.at.start, open.clone()));
                }
                if let Some(at) = open.iter().rposition(|known| *known == name) {
                    open.truncate(at);
                }
            }
            _ => {}
        }
    }
    let (_, at, open) = place.unwrap_or((false, html.len(), open));
    let closing = open
        .iter()
        .rev()
        .filter(|name| needs_end(name))
        .map(|name| format!("</{name}>"))
        .collect();
    let without = |from: usize, to: usize| {
        let mut text = String::with_capacity(to - from);
        let mut start = from;
        for cut in charsets
            .iter()
            .filter(|cut| cut.start >= from && cut.end <= to)
        {
            text.push_str(&html[start..cut.start]);
            start = cut.end;
        }
        text.push_str(&html[start..to]);
        text
    };
    SplitHtml {
        before: without(0, at),
        closing,
        after: without(at, html.len()),
    }
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
