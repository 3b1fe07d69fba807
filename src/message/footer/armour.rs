//! The look of the HTML footer, which no style of the sender's can change (law row G2). Every element carries its own
//! style with `!important`, which stands above every rule of every style sheet; what a sheet could still do to the page
//! around it is [`super::super::prepare`]'s to hold and the rules' to refuse.

use crate::message::html::entity::escape;
use crate::message::html::token::{Attribute, Kind, Tokens};
use crate::template::Colour;

use super::FooterError;

/// Text on its paper: 16:1.
const INK: &str = "#1f1f1f";
const PAPER: &str = "#ffffff";
/// A link, unless the template names a colour that can be read on the paper: 10:1.
const LINK: &str = "#0b3d91";
/// The least contrast of text (WCAG 2.2, 1.4.3).
const CONTRAST: f64 = 4.5;
/// What an element keeps beside its style. No class or id: a sheet has less to take hold of.
const KEPT: [&str; 4] = ["href", "lang", "title", "colspan"];

/// How a footer's element is laid out; none for those that a footer may not hold.
fn display(name: &str) -> Option<&'static str> {
    Some(match name {
        "div" | "p" | "address" | "blockquote" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul"
        | "ol" | "hr" => "block",
        "li" => "list-item",
        "table" => "table",
        "tbody" => "table-row-group",
        "tr" => "table-row",
        "td" | "th" => "table-cell",
        // High enough for a finger.
        "a" => "inline-block",
        "span" | "strong" | "b" | "em" | "i" | "u" | "small" | "bdi" | "abbr" => "inline",
        _ => return None,
    })
}

/// The footer in a block of its own, each of its elements with its own look.
///
/// # Errors
/// [`FooterError::Element`].
pub(super) fn armour(html: &str) -> Result<String, FooterError> {
    let mut out = format!("<div style=\"{}\">\n", block());
    for token in Tokens::new(html) {
        match &token.kind {
            Kind::Start { name, .. } if matches!(name.as_str(), "br" | "wbr") => {
                out.push_str(&format!("<{name}>"));
            }
            Kind::Start { name, attributes } => start(&mut out, name, attributes)?,
            Kind::Comment(_) => {}
            _ => out.push_str(&html[token.at]),
        }
    }
    out.push_str("\n</div>\n");
    Ok(out)
}

fn start(out: &mut String, name: &str, attributes: &[Attribute]) -> Result<(), FooterError> {
    let display = display(name).ok_or_else(|| {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        FooterError::Element(letters.take(20).collect())
    })?;
    out.push('<');
    out.push_str(name);
    for kept in KEPT {
        if let Some(found) = attributes.iter().find(|known| known.name == kept) {
            out.push_str(&format!(" {kept}=\"{}\"", escape(&found.value)));
        }
    }
    let own = attributes.iter().find(|known| known.name == "style");
    let style = style(name, display, own.map_or("", |own| &own.value));
    out.push_str(&format!(" style=\"{style}\">"));
    Ok(())
}

/// The block around all of it: above whatever else stands on the page, and never narrower than can be read.
fn block() -> String {
    format!(
        "{};position:relative!important;z-index:2147483647!important;clear:both!important;min-width:240px!important;\
         margin:24px 0 0!important;padding:16px!important;border-top:1px solid #767676!important",
        style("div", "block", "")
    )
}

/// Everything that decides whether an element is seen. `all` is for what isn't named here; the few plain declarations in
/// front are for programs that skip those with `!important`.
fn style(name: &str, display: &str, own: &str) -> String {
    let (colour, line) = match name {
        "a" => (readable(own).unwrap_or(LINK), "underline"),
        _ => (INK, "none"),
    };
    let font = match name {
        "strong" | "b" | "th" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
            "700 16px/1.5 sans-serif"
        }
        "em" | "i" => "italic 400 16px/1.5 sans-serif",
        _ => "400 16px/1.5 sans-serif",
    };
    let (margin, padding) = match name {
        "p" | "address" | "blockquote" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
            ("0 0 12px", "0")
        }
        "ul" | "ol" => ("0 0 12px", "0 0 0 24px"),
        "a" => ("0", "10px 0"),
        "td" | "th" => ("0", "0 12px 0 0"),
        _ => ("0", "0"),
    };
    let end = match name {
        "a" => ";cursor:pointer!important;outline:revert!important",
        "hr" => ";border-top:1px solid #767676!important",
        _ => "",
    };
    let firm = [
        ("all", "initial"),
        ("display", display),
        ("visibility", "visible"),
        ("opacity", "1"),
        ("position", "static"),
        ("float", "none"),
        ("width", "auto"),
        ("height", "auto"),
        ("max-width", "none"),
        ("max-height", "none"),
        ("overflow", "visible"),
        ("clip-path", "none"),
        ("transform", "none"),
        ("filter", "none"),
        ("animation", "none"),
        ("transition", "none"),
        ("direction", "ltr"),
        ("unicode-bidi", "normal"),
        ("text-indent", "0"),
        ("letter-spacing", "normal"),
        ("text-align", "left"),
        ("text-decoration", line),
        ("color", colour),
        ("-webkit-text-fill-color", colour),
        ("background", PAPER),
        // A generic family: a sheet may call any font by any other name, but not these.
        ("font", font),
        ("margin", margin),
        ("padding", padding),
    ];
    let firm = firm.map(|(property, value)| format!("{property}:{value}!important"));
    format!(
        "color:{colour};background:{PAPER};font:{font};margin:{margin};padding:{padding};{}{end}",
        firm.join(";")
    )
}

/// The colour that a style names, if it can be read on the paper.
fn readable(style: &str) -> Option<&str> {
    let declarations = style.split(';').filter_map(|one| one.split_once(':'));
    let named = declarations
        .filter(|(property, _)| property.trim().eq_ignore_ascii_case("color"))
        .map(|(_, value)| value.trim())
        .next_back()?;
    let colour = Colour::parse(named).ok()?;
    (colour.contrast(Colour::WHITE) >= CONTRAST).then_some(named)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_element_carries_its_own_look() {
        let html = "<p class=x id=y hidden style='color:#fff'>One<br>two <!-- c --><a href=\"u\" style=\"color:#5b2a86\">out</a> \
                    <a href=v style=\"color:#eeeeee\">no</a></p>";
        let armoured = armour(html).unwrap();
        let mut seen = 0;
        for token in Tokens::new(&armoured) {
            let Kind::Start { name, attributes } = token.kind else {
                continue;
            };
            if name == "br" {
                continue;
            }
            seen += 1;
            let names: Vec<_> = attributes.iter().map(|one| one.name.as_str()).collect();
            assert!(
                names.iter().all(|one| ["href", "style"].contains(one)),
                "{names:?}"
            );
            let style = &attributes.last().unwrap().value;
            for firm in [
                "all:initial",
                "display:",
                "visibility:visible",
                "opacity:1",
                ";color:#",
                "-webkit-text-fill-color:#",
                "background:#ffffff",
                "font:",
            ] {
                let at = style.rfind(firm).unwrap();
                let value = style[at..].trim_start_matches(';');
                let value = value.split(';').next().unwrap();
                assert!(value.ends_with("!important"), "{name}: {value}");
            }
            let colour = style
                .split(';')
                .next()
                .unwrap()
                .trim_start_matches("color:");
            assert_eq!(readable(&format!("color:{colour}")), Some(colour));
        }
        assert_eq!(seen, 4, "{armoured}");
        assert!(armoured.contains("color:#5b2a86!important") && !armoured.contains("#eeeeee"));
    }

    #[test]
    fn no_value_ends_its_attribute() {
        let html = "<a href=\"u?a&amp;b\" title='\"><p style=\"display:none'>out</a>";
        let armoured = armour(html).unwrap();
        let starts = Tokens::new(&armoured).filter_map(|token| match token.kind {
            Kind::Start { name, attributes } => Some((name, attributes)),
            _ => None,
        });
        let starts: Vec<_> = starts.collect();
        let names: Vec<_> = starts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["div", "a"], "{armoured}");
        let values: Vec<_> = starts[1].1.iter().map(|one| &*one.value).collect();
        assert_eq!(values[..2], ["u?a&b", "\"><p style=\"display:none"]);
    }

    #[test]
    fn what_has_no_known_look_is_refused() {
        let refused = armour("<p><video></video></p>");
        assert_eq!(refused, Err(FooterError::Element("video".into())));
    }
}
