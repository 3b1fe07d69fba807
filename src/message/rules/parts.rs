//! The rules for a mail's parts.

use crate::message::inspect::Inspection;
use crate::message::mime::text;
use crate::message::mime::tree::Part;

use super::content::check_html;
use super::refusal::{Hidden, Refusal};

/// Vets the content of all parts.
pub(super) fn check(mail: &Inspection<'_>, refusals: &mut Vec<Refusal>) {
    let mut parts = Vec::new();
    mail.root.walk(&mut |part| parts.push(part));
    let ids: Vec<String> = parts
        .iter()
        .filter_map(|part| part.content_id())
        .map(str::to_lowercase)
        .collect();
    let mut has_text = false;
    for part in parts {
        if let Some(hidden) = hidden(part) {
            refusals.push(Refusal::Hidden(hidden));
            has_text = true;
        } else if !part.is_multipart() {
            has_text |= part.is_body_text() && !part.body.trim_ascii().is_empty();
            check_leaf(part, &ids, refusals);
        }
    }
    if !has_text {
        refusals.push(Refusal::NoText);
    }
}

fn hidden(part: &Part<'_>) -> Option<Hidden> {
    match part.content_type.value.as_str() {
        "multipart/encrypted" => Some(Hidden::Encrypted),
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
            let kind = part.content_type.get("smime-type").unwrap_or_default();
            let signed = kind.eq_ignore_ascii_case("signed-data");
            Some(if signed {
                Hidden::OpaqueSignature
            } else {
                Hidden::Encrypted
            })
        }
        "text/x-amp-html" => Some(Hidden::Amp),
        other if other.starts_with("message/") => Some(Hidden::AttachedMessage),
        _ => None,
    }
}

fn check_leaf(part: &Part<'_>, ids: &[String], refusals: &mut Vec<Refusal>) {
    let result = if part.is("text/html") || (!part.is_body_text() && is_markup(part)) {
        text::decode(part).map(|html| check_html(&html, ids, part.is_body_text(), refusals))
    } else if part.is_body_text() {
        text::decode(part).map(|_| ())
    } else {
        part.decoded().map(|_| ())
    };
    if let Err(error) = result {
        refusals.push(error.into());
    }
}

/// Whether an attachment is HTML or SVG, by its type or by the name that a program would open it by.
fn is_markup(part: &Part<'_>) -> bool {
    let by_type = ["text/html", "application/xhtml+xml", "image/svg+xml"];
    let by_name = [".html", ".htm", ".xhtml", ".xht", ".shtml", ".svg"];
    let name = part.file_name().unwrap_or_default().to_lowercase();
    by_type.iter().any(|known| part.is(known))
        || by_name.iter().any(|end| name.trim().ends_with(end))
}
