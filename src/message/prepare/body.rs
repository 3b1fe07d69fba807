//! Which parts are kept how, and where the footer goes.

use crate::message::footer::Footer;
use crate::message::html::plain;
use crate::message::mime::encode::QuotedPrintable;
use crate::message::mime::text;
use crate::message::mime::tree::Part;
use crate::message::segment::{Form, Segment, SegmentWriter};

use super::PrepareError;
use super::entity::{Boundaries, Entity};
use super::page::split_html;

/// A signature longer than this isn't one: the footer then goes after it.
const SIGNATURE_LINES: usize = 12;
/// What parts a footer from a text that the sender wrote.
const RULE: &str = "----------";

/// The whole content, with its footer.
pub(super) fn root(
    part: &Part<'_>,
    footer: &Footer,
    names: &mut Boundaries,
) -> Result<Entity, PrepareError> {
    let mut builder = Builder { footer, names };
    if is_opaque(part) || is_message(part) {
        let children = vec![Entity::untouched_root(part)?, builder.footer_alone()];
        return Ok(Entity::multipart(
            "mixed",
            Vec::new(),
            children,
            builder.names,
        ));
    }
    if has_body(part) || part.is_multipart() {
        return builder.entity(part, true, false);
    }
    let children = vec![Entity::attachment(part)?, builder.footer_alone()];
    Ok(Entity::multipart(
        "mixed",
        Vec::new(),
        children,
        builder.names,
    ))
}

/// Parts that mustn't be touched, as a signature or a cipher is over their bytes.
fn is_opaque(part: &Part<'_>) -> bool {
    matches!(
        part.content_type.value.as_str(),
        "multipart/signed"
            | "multipart/encrypted"
            | "application/pkcs7-mime"
            | "application/x-pkcs7-mime"
    )
}

fn is_message(part: &Part<'_>) -> bool {
    part.content_type.value.starts_with("message/")
}

/// Whether a reader sees text of this part as the mail itself.
fn has_body(part: &Part<'_>) -> bool {
    part.is_body_text() || is_opaque(part) || part.children.iter().any(has_body)
}

struct Builder<'b> {
    footer: &'b Footer,
    names: &'b mut Boundaries,
}

impl Builder<'_> {
    /// A part below the root. `footer`: its body gets the footer; `alternative`: it's one of several forms of a text.
    fn entity(
        &mut self,
        part: &Part<'_>,
        footer: bool,
        alternative: bool,
    ) -> Result<Entity, PrepareError> {
        if is_opaque(part) || is_message(part) {
            let entity = Entity::untouched(part.raw)?;
            if !footer || !is_opaque(part) {
                return Ok(entity);
            }
            let children = vec![entity, self.footer_alone()];
            return Ok(Entity::multipart("mixed", Vec::new(), children, self.names));
        }
        match part.content_type.value.as_str() {
            "multipart/alternative" => self.alternative(part, footer),
            "multipart/related" => self.related(part, footer, alternative),
            other if other.starts_with("multipart/") => self.mixed(part, footer, alternative),
            "text/plain" if part.is_body_text() => self.plain(part, footer),
            "text/html" if part.is_body_text() => self.html(part, footer, alternative),
            _ => Entity::attachment(part),
        }
    }

    fn alternative(&mut self, part: &Part<'_>, footer: bool) -> Result<Entity, PrepareError> {
        let is_text = |child: &&Part<'_>| child.is("text/plain") && child.is_body_text();
        // Some programs send an empty text beside the HTML.
        let empty = |child: &Part<'_>| text::decode(child).is_ok_and(|text| text.trim().is_empty());
        let html = part.children.iter().find_map(first_html);
        let replace = html.is_some() && part.children.iter().filter(is_text).all(empty);
        let (mut children, mut beside) = (Vec::new(), Vec::new());
        if let Some(html) = html.filter(|_| replace) {
            let html = text::decode(html)?;
            children.push(self.plain_text(&plain::from_html(&html), footer, Vec::new(), None));
        }
        for child in &part.children {
            if replace && is_text(&child) {
                continue;
            }
            let entity = self.entity(child, footer && has_body(child), true)?;
            match footer && stands_beside(part, child) {
                true => beside.push(entity),
                false => children.push(entity),
            }
        }
        if footer && !part.children.iter().any(has_body) {
            let whole = Entity::multipart("alternative", Vec::new(), children, self.names);
            let children = vec![whole, self.footer_alone()];
            return Ok(Entity::multipart("mixed", Vec::new(), children, self.names));
        }
        let whole = Entity::multipart("alternative", Vec::new(), children, self.names);
        if beside.is_empty() {
            return Ok(whole);
        }
        beside.insert(0, whole);
        Ok(Entity::multipart("mixed", Vec::new(), beside, self.names))
    }

    fn related(
        &mut self,
        part: &Part<'_>,
        footer: bool,
        alternative: bool,
    ) -> Result<Entity, PrepareError> {
        let start = part
            .content_type
            .get("start")
            .map(|id| id.trim_matches(['<', '>']));
        let at = part
            .children
            .iter()
            .position(|child| start.is_some() && child.content_id() == start);
        let at = at.unwrap_or(0);
        if !part.children.get(at).is_some_and(has_body) {
            return self.mixed(part, footer, alternative);
        }
        let mut children = Vec::new();
        let mut kind = String::new();
        for (index, child) in part.children.iter().enumerate() {
            if index == at {
                let wrapped = child.is("text/html") && footer && !alternative;
                let mut forms = child.children.iter();
                kind = if wrapped {
                    "multipart/alternative".into()
                } else if footer && forms.any(|form| stands_beside(child, form)) {
                    "multipart/mixed".into()
                } else {
                    child.content_type.value.clone()
                };
                // The root stands first, so that no start parameter is needed.
                children.insert(0, self.entity(child, footer, alternative)?);
            } else {
                children.push(self.entity(child, false, true)?);
            }
        }
        Ok(Entity::multipart(
            "related",
            vec![("type".into(), kind)],
            children,
            self.names,
        ))
    }

    /// `multipart/mixed`, and what is to be treated like it (RFC 2046 §5.1.7).
    fn mixed(
        &mut self,
        part: &Part<'_>,
        footer: bool,
        alternative: bool,
    ) -> Result<Entity, PrepareError> {
        let last = part.children.iter().rposition(has_body).filter(|_| footer);
        let mut children = Vec::new();
        for (index, child) in part.children.iter().enumerate() {
            let chosen = last == Some(index);
            if chosen && is_opaque(child) {
                children.push(Entity::untouched(child.raw)?);
                children.push(self.footer_alone());
            } else {
                children.push(self.entity(child, chosen, alternative)?);
            }
        }
        if footer && last.is_none() {
            children.push(self.footer_alone());
        }
        Ok(Entity::multipart("mixed", Vec::new(), children, self.names))
    }

    fn plain(&mut self, part: &Part<'_>, footer: bool) -> Result<Entity, PrepareError> {
        let mut parameters = Vec::new();
        let lower = |name: &str| part.content_type.get(name).map(str::to_ascii_lowercase);
        if lower("format").as_deref() == Some("flowed") {
            parameters.push(("format".to_owned(), "flowed".to_owned()));
            if lower("delsp").as_deref() == Some("yes") {
                parameters.push(("delsp".to_owned(), "yes".to_owned()));
            }
        }
        Ok(self.plain_text(&text::decode(part)?, footer, parameters, Some(part)))
    }

    fn plain_text(
        &self,
        text: &str,
        footer: bool,
        parameters: Vec<(String, String)>,
        like: Option<&Part<'_>>,
    ) -> Entity {
        let flowed = !parameters.is_empty();
        let mut out = SegmentWriter::default();
        let mut qp = QuotedPrintable::default();
        if footer {
            let (before, signature) = cut_signature(text);
            qp.text(&mut out.bytes, &closed(before, flowed));
            qp.text(&mut out.bytes, &format!("\n{RULE}\n"));
            self.footer
                .text()
                .write(&mut qp, &mut out, Form::Text, flowed);
            qp.text(&mut out.bytes, "\n");
            if !signature.is_empty() {
                qp.text(&mut out.bytes, "\n");
                qp.text(&mut out.bytes, &ended(signature));
            }
        } else {
            qp.text(&mut out.bytes, &ended(text));
        }
        Entity::text("text/plain", parameters, like, out.finish())
    }

    fn html(
        &mut self,
        part: &Part<'_>,
        footer: bool,
        alternative: bool,
    ) -> Result<Entity, PrepareError> {
        let html = text::decode(part)?;
        if alternative || !footer {
            return Ok(Entity::text(
                "text/html",
                Vec::new(),
                Some(part),
                self.html_segments(&html, footer),
            ));
        }
        let children = vec![
            self.plain_text(&plain::from_html(&html), true, Vec::new(), None),
            Entity::text(
                "text/html",
                Vec::new(),
                None,
                self.html_segments(&html, true),
            ),
        ];
        Ok(Entity::multipart(
            "alternative",
            Vec::new(),
            children,
            self.names,
        ))
    }

    fn html_segments(&self, html: &str, footer: bool) -> Vec<Segment> {
        let split = split_html(html);
        let mut out = SegmentWriter::default();
        let mut qp = QuotedPrintable::default();
        qp.text(&mut out.bytes, &split.before);
        if footer {
            qp.text(&mut out.bytes, &format!("{}\n", split.closing));
            self.footer
                .html()
                .write(&mut qp, &mut out, Form::Html, false);
            qp.text(&mut out.bytes, "\n");
        }
        qp.text(&mut out.bytes, &ended(&split.after));
        out.finish()
    }

    /// The footer as a part of its own, for a content that mustn't be touched.
    fn footer_alone(&mut self) -> Entity {
        let mut text = SegmentWriter::default();
        let mut qp = QuotedPrintable::default();
        qp.text(&mut text.bytes, &format!("{RULE}\n"));
        self.footer
            .text()
            .write(&mut qp, &mut text, Form::Text, false);
        qp.text(&mut text.bytes, "\n");
        let children = vec![
            Entity::text("text/plain", Vec::new(), None, text.finish()),
            Entity::text(
                "text/html",
                Vec::new(),
                None,
                self.html_segments("<body></body>", true),
            ),
        ];
        Entity::multipart("alternative", Vec::new(), children, self.names)
    }
}

/// Whether a form of a text leaves the alternatives for a place after them: one that can't carry the footer, such as an
/// invitation (`text/calendar`). Among the others it would be what some programs show, as the last form that they know is
/// the best (RFC 2046 §5.1.4), and the mail would be without imprint and way out.
fn stands_beside(alternative: &Part<'_>, child: &Part<'_>) -> bool {
    alternative.is("multipart/alternative")
        && !has_body(child)
        && alternative.children.iter().any(has_body)
}

fn first_html<'p, 'm>(part: &'p Part<'m>) -> Option<&'p Part<'m>> {
    if part.is("text/html") && part.is_body_text() {
        return Some(part);
    }
    part.children
        .iter()
        .filter(|_| !is_opaque(part))
        .find_map(first_html)
}

/// The text up to its signature separator (RFC 3676 §4.3), and the rest from there. Mail programs grey out or hide what
/// follows the separator, which an imprint mustn't be (law row G2), so the footer goes before it.
fn cut_signature(text: &str) -> (&str, &str) {
    if text.contains("-----BEGIN PGP SIGNED MESSAGE-----") {
        return (text, "");
    }
    let Some(at) = text.rfind("\n-- \n").map(|at| at + 1) else {
        return (text, "");
    };
    let (before, signature) = text.split_at(at);
    if signature.lines().count() > SIGNATURE_LINES {
        (text, "")
    } else {
        (before, signature)
    }
}

/// A text that ends in a line of its own. In flowed text its last line mustn't flow into the next.
fn closed(text: &str, flowed: bool) -> String {
    let text = text.trim_end_matches('\n');
    let text = if flowed && !text.ends_with("\n-- ") {
        text.trim_end_matches(' ')
    } else {
        text
    };
    format!("{text}\n")
}

/// A text that ends in exactly the line ends it has, and one at least.
fn ended(text: &str) -> String {
    if text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}\n")
    }
}
