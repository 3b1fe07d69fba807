//! The page's own two elements, `html` and `body`: a style on them, or a rule for them, could hide, clip or move all that
//! stands in them, and so the footer (law row G2). Their own style then says that it doesn't.

use std::ops::Range;

use crate::message::html::css;
use crate::message::html::entity::escape;
use crate::message::html::token::{Attribute, Kind, Tokens};

/// What keeps all of a page in sight; the colours, letters and distances stay the sender's.
const HOLD: &str = "display:block!important;visibility:visible!important;opacity:1!important;position:static!important;\
    float:none!important;overflow:visible!important;clip:auto!important;clip-path:none!important;mask:none!important;\
    -webkit-mask:none!important;transform:none!important;translate:none!important;rotate:none!important;\
    scale:none!important;offset:none!important;perspective:none!important;zoom:1!important;filter:none!important;\
    mix-blend-mode:normal!important;contain:none!important;content-visibility:visible!important;columns:auto!important;\
    animation:none!important;transition:none!important;scroll-snap-type:none!important;touch-action:auto!important";
/// Where a margin could move the page out of sight.
const NEAR: &str = ";margin:0!important";

/// What is known of a page's frame.
pub(super) struct Frame {
    sheets: bool,
    html: bool,
    body: bool,
    hold: String,
}

impl Frame {
    pub(super) fn of(html: &str) -> Self {
        let mut frame = Self {
            sheets: false,
            html: false,
            body: false,
            hold: HOLD.into(),
        };
        let mut moves = false;
        for token in Tokens::new(html) {
            match token.kind {
                Kind::Raw { element, text } if element == "style" => {
                    frame.sheets = true;
                    moves |= css::moves(&text);
                }
                Kind::Start { name, attributes } if is_frame(&name) => {
                    frame.html |= name == "html";
                    frame.body |= name == "body";
                    moves |= own(&attributes).is_some_and(css::moves);
                }
                _ => {}
            }
        }
        if moves {
            frame.hold.push_str(NEAR);
        }
        frame
    }

    /// The start tags that need another style.
    pub(super) fn edits(&self, html: &str) -> Vec<(Range<usize>, String)> {
        let mut edits = Vec::new();
        for token in Tokens::new(html) {
            let Kind::Start { name, attributes } = token.kind else {
                continue;
            };
            let hides = |one: &Attribute| is_hiding(&one.name) || one.name == "style";
            if is_frame(&name) && (self.sheets || attributes.iter().any(hides)) {
                edits.push((token.at, self.tag(&name, &attributes)));
            }
        }
        edits
    }

    /// Tags for what the page leaves to the reader, to be put before the footer: readers take their attributes (HTML
    /// §13.2.6.4.7).
    pub(super) fn missing(&self) -> String {
        let names = [("html", self.html), ("body", self.body)];
        let missing = names.iter().filter(|(_, there)| self.sheets && !there);
        missing
            .map(|(name, _)| format!("<{name} style=\"{}\">", self.hold))
            .collect()
    }

    fn tag(&self, name: &str, attributes: &[Attribute]) -> String {
        let mut tag = format!("<{name}");
        let mut seen: Vec<&str> = vec!["style"];
        for one in attributes {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':');
            let good = !one.name.is_empty() && one.name.bytes().all(plain);
            if good && !is_hiding(&one.name) && !seen.contains(&one.name.as_str()) {
                seen.push(&one.name);
                tag.push_str(&format!(" {}=\"{}\"", one.name, escape(&one.value)));
            }
        }
        let own = own(attributes).map(meek).unwrap_or_default();
        tag.push_str(&format!(" style=\"{};{}\">", self.hold, escape(&own)));
        tag
    }
}

fn is_frame(name: &str) -> bool {
    matches!(name, "html" | "body")
}

fn is_hiding(attribute: &str) -> bool {
    matches!(attribute, "hidden" | "inert" | "popover")
}

fn own(attributes: &[Attribute]) -> Option<&str> {
    let style = attributes.iter().find(|one| one.name == "style");
    style.map(|style| style.value.as_str())
}

/// A style without its `!important`s: it stands after ours.
fn meek(style: &str) -> String {
    let declarations = style.split(';');
    let meek = declarations.map(|one| one.split('!').next().unwrap_or_default());
    meek.collect::<Vec<_>>().join(";")
}
