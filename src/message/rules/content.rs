//! The rules for what a mail holds.

use crate::message::html::css::{self, Load};
use crate::message::html::token::{Attribute, Kind, Tokens};
use crate::message::inspect::Inspection;
use crate::message::mime::text;
use crate::message::mime::tree::Part;

use super::refusal::{Hidden, Refusal};

/// Elements that no list mail may hold: they run, load, nest a page, ask for input, or change what links mean.
const ELEMENTS: [&str; 38] = [
    "script",
    "form",
    "input",
    "button",
    "select",
    "textarea",
    "isindex",
    "keygen",
    "iframe",
    "frame",
    "frameset",
    "noframes",
    "noembed",
    "object",
    "embed",
    "applet",
    "param",
    "link",
    "base",
    "audio",
    "video",
    "source",
    "track",
    "bgsound",
    "svg",
    "math",
    "template",
    "portal",
    "dialog",
    "layer",
    "ilayer",
    "plaintext",
    "xmp",
    "listing",
    "canvas",
    "marquee",
    "fencedframe",
    "image",
];
/// Attributes whose value is loaded when the mail is opened.
const LOADING: [&str; 15] = [
    "src",
    "background",
    "poster",
    "lowsrc",
    "dynsrc",
    "data",
    "codebase",
    "classid",
    "archive",
    "manifest",
    "icon",
    "code",
    "o:href",
    "xlink:href",
    "xml:base",
];
/// Attributes that hold several targets, or tell somebody that a link was followed. Nothing in a mail needs them.
const FORBIDDEN: [&str; 5] = ["srcset", "imagesrcset", "ping", "srcdoc", "formaction"];
/// What a link may begin with.
const SCHEMES: [&str; 6] = ["https:", "http:", "mailto:", "tel:", "sms:", "#"];
/// Pictures that may stand in the HTML itself.
const PICTURES: [&str; 5] = [
    "data:image/png",
    "data:image/jpeg",
    "data:image/jpg",
    "data:image/gif",
    "data:image/webp",
];
/// How deep conditional comments are read.
const NESTING: usize = 3;

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

/// Vets one HTML text. `ids` are the content identifiers of the mail's parts in lower case; `body` says that a
/// footer will be put into it, so that nothing may be left open.
pub fn check_html(html: &str, ids: &[String], body: bool, refusals: &mut Vec<Refusal>) {
    let mut check = Check {
        ids,
        body,
        refusals,
    };
    check.html(html, 0);
}

struct Check<'c> {
    ids: &'c [String],
    body: bool,
    refusals: &'c mut Vec<Refusal>,
}

impl Check<'_> {
    fn refuse(&mut self, refusal: Refusal) {
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    fn html(&mut self, html: &str, depth: usize) {
        for token in Tokens::new(html) {
            match token.kind {
                Kind::Start { name, attributes } => self.element(&name, &attributes),
                Kind::Raw { element, text } if element == "style" => self.style(&text),
                // Some programs read what stands in a conditional comment.
                Kind::Comment(text) if text.trim_start().starts_with("[if") => {
                    let inner = text.split_once(']').map_or("", |(_, inner)| inner);
                    let inner = inner.strip_prefix('>').unwrap_or(inner);
                    let inner = inner.rsplit_once("<!").map_or(inner, |(inner, _)| inner);
                    if depth == NESTING {
                        self.refuse(Refusal::Unclosed);
                    } else {
                        self.html(inner, depth + 1);
                    }
                }
                // In a body it would swallow the footer; an attachment stands alone.
                Kind::Unclosed if self.body => self.refuse(Refusal::Unclosed),
                _ => {}
            }
        }
    }

    fn element(&mut self, name: &str, attributes: &[Attribute]) {
        let get = |name: &str| {
            attributes
                .iter()
                .find(|a| a.name == name)
                .map(|a| a.value.trim())
        };
        // In an attached SVG the outer element is what it is; inside a body it's refused.
        let forbidden = ELEMENTS.contains(&name) && (self.body || !matches!(name, "svg" | "image"));
        if forbidden
            || name.contains(':') && ["script", "import"].iter().any(|end| name.ends_with(end))
        {
            self.refuse(Refusal::Element(shown(name)));
        }
        if name == "meta" {
            let http = get("http-equiv").map(str::to_ascii_lowercase);
            let known = [
                "content-type",
                "content-language",
                "x-ua-compatible",
                "content-style-type",
            ];
            if http.is_some_and(|http| !known.contains(&http.as_str())) {
                self.refuse(Refusal::Element("meta http-equiv".into()));
            }
        }
        let pixel = ["width", "height"].iter().all(|side| {
            get(side).is_some_and(|size| matches!(size.trim_end_matches("px"), "0" | "1"))
        });
        for attribute in attributes {
            self.attribute(name, attribute, pixel);
        }
    }

    fn attribute(&mut self, element: &str, attribute: &Attribute, pixel: bool) {
        let name = attribute.name.as_str();
        // On links, and on the shapes that Word draws buttons with, it only leads somewhere.
        let leads = matches!(element, "a" | "area") || element.starts_with("v:");
        if name.len() > 2 && name.starts_with("on") {
            self.refuse(Refusal::Script {
                element: shown(element),
                attribute: shown(name),
            });
        } else if FORBIDDEN.contains(&name) && !attribute.value.trim().is_empty() {
            self.refuse(Refusal::Remote {
                element: shown(element),
            });
        } else if name == "href" && leads {
            self.link(&attribute.value);
        } else if LOADING.contains(&name) || name == "href" {
            self.loaded(element, &attribute.value, pixel);
        } else if name == "style" {
            self.style(&attribute.value);
        } else if !matches!(
            name,
            "alt" | "title" | "content" | "summary" | "value" | "aria-label"
        ) {
            self.presentation(&attribute.value);
        }
    }

    fn link(&mut self, target: &str) {
        let target = squeeze(target);
        let allowed = target.is_empty() || SCHEMES.iter().any(|scheme| target.starts_with(scheme));
        if !allowed {
            self.refuse(Refusal::Link);
        }
    }

    fn loaded(&mut self, element: &str, target: &str, pixel: bool) {
        match self.source(target) {
            Source::Inside => {}
            Source::Missing => self.refuse(Refusal::MissingPart {
                element: shown(element),
            }),
            Source::Remote if pixel => self.refuse(Refusal::TrackingPixel),
            Source::Remote => self.refuse(Refusal::Remote {
                element: shown(element),
            }),
        }
    }

    fn style(&mut self, style: &str) {
        for load in css::loads(style) {
            match load {
                Load::Forbidden(word) => self.refuse(Refusal::RemoteStyle(word)),
                Load::Url(target) => match self.source(&target) {
                    Source::Inside => {}
                    Source::Missing => self.refuse(Refusal::MissingPart {
                        element: "style".into(),
                    }),
                    Source::Remote => self.refuse(Refusal::RemoteStyle("a font or picture")),
                },
            }
        }
    }

    /// Attributes that stand for a style in SVG and VML (`fill="url(...)"`).
    fn presentation(&mut self, value: &str) {
        if value.contains('(') || value.contains('\\') {
            self.style(value);
        }
    }

    fn source(&self, target: &str) -> Source {
        let target = squeeze(target);
        if target.is_empty() || target.starts_with('#') {
            return Source::Inside;
        }
        if let Some(id) = target.strip_prefix("cid:") {
            let id = percent_decoded(id);
            return if self.ids.contains(&id) {
                Source::Inside
            } else {
                Source::Missing
            };
        }
        let picture = PICTURES.iter().any(|start| {
            target
                .strip_prefix(start)
                .is_some_and(|after| after.starts_with([';', ',']))
        });
        if picture {
            Source::Inside
        } else {
            Source::Remote
        }
    }
}

enum Source {
    Inside,
    Missing,
    Remote,
}

/// A target as a reader takes it: without white space and controls, in lower case.
fn squeeze(target: &str) -> String {
    let kept = target
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control());
    kept.collect::<String>().to_lowercase()
}

/// Percent-encoding undone, as RFC 2392 asks of `cid:` links; what isn't UTF-8 then matches no part.
fn percent_decoded(id: &str) -> String {
    let bytes = id.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(|_| byte == b'%') {
            Some(code) => {
                out.push(code.to_ascii_lowercase());
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// A name from the mail as it may stand in an error: short, and nothing but letters, digits and hyphens.
fn shown(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | ':'))
        .take(20)
        .collect()
}
