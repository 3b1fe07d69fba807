//! The rules for HTML.

use crate::message::html::beside;
use crate::message::html::css::{self, Load};
use crate::message::html::token::{Attribute, Kind, Tokens};

use super::refusal::Refusal;

/// Elements that no list mail may hold: they run, load, nest a page, ask for input, or change what links mean.
const ELEMENTS: [&str; 45] = [
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
    "animate",
    "animatetransform",
    "set",
    "foreignobject",
    "handler",
    "listener",
    "import",
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
const FORBIDDEN: [&str; 6] = [
    "srcset",
    "imagesrcset",
    "ping",
    "srcdoc",
    "formaction",
    "attributionsrc",
];
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
        // Bounded: a page made of mistakes mustn't cost more than its reading.
        if self.refusals.len() < super::MOST && !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    fn html(&mut self, html: &str, depth: usize) {
        for token in Tokens::new(html) {
            match token.kind {
                Kind::Start { name, attributes } => self.element(&name, &attributes),
                Kind::Raw { element, text } if element == "style" => {
                    self.style(&text);
                    if self.body && beside::draws(&text) {
                        self.refuse(Refusal::Beside);
                    }
                }
                // Some programs read what stands in a conditional comment.
                Kind::Comment(text) if text.trim_start().starts_with("[if") => {
                    let inner = text.split_once(']').map_or("", |(_, inner)| inner);
                    let inner = inner.strip_prefix('>').unwrap_or(inner);
                    let inner = match inner.rsplit_once("<!") {
                        Some((inner, end)) if end.trim().eq_ignore_ascii_case("[endif]") => inner,
                        _ => inner,
                    };
                    if depth == NESTING {
                        self.refuse(Refusal::Unclosed);
                    } else {
                        self.html(inner, depth + 1);
                    }
                }
                Kind::Comment(text) => self.instruction(&text),
                // In a body it would swallow the footer; an attachment stands alone.
                Kind::Unclosed if self.body => self.refuse(Refusal::Unclosed),
                _ => {}
            }
        }
    }

    /// Instructions that XML readers follow: a style sheet from elsewhere, entities that hide markup.
    fn instruction(&mut self, text: &str) {
        let text = text.to_ascii_lowercase();
        if text.trim_start().starts_with("xml-stylesheet") {
            self.refuse(Refusal::Element("xml-stylesheet".into()));
        }
        if !self.body && text.contains("<!entity") {
            self.refuse(Refusal::Element("ENTITY".into()));
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
        let forbidden =
            ELEMENTS.contains(&local(name)) && (self.body || !matches!(name, "svg" | "image"));
        if forbidden {
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
        } else if FORBIDDEN.contains(&name) {
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
                Load::Forbidden(word) => {
                    self.refuse(Refusal::RemoteStyle(word.trim_end_matches(['(', ':'])))
                }
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

/// An element's name without its namespace, but for what Word writes, which only Word reads.
fn local(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some(("v" | "o" | "w" | "m" | "st1", local)) if !matches!(local, "script" | "import") => {
            name
        }
        Some((_, local)) => local,
        None => name,
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
