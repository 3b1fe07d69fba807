//! The text alternative of an HTML mail: its words in order, with every link spelled out.

use super::token::{Attribute, Kind, Tokens};

/// How wide a run of white space may grow: one empty line.
const MOST_LINE_ENDS: usize = 2;

/// The HTML as plain text. Line ends are `\n`; links stand after their words in angle brackets.
pub fn from_html(html: &str) -> String {
    let mut writer = Writer::default();
    for token in Tokens::new(html) {
        writer.token(&token.kind);
    }
    writer.finish()
}

/// As [`from_html`], without what stands in `<blockquote>`: mail programs put there what is answered.
pub fn unquoted(html: &str) -> String {
    let mut writer = Writer::default();
    let mut depth = 0_usize;
    for token in Tokens::new(html) {
        match &token.kind {
            Kind::Start { name, .. } if name == "blockquote" => {
                writer.token(&token.kind);
                depth += 1;
            }
            Kind::End(name) if name == "blockquote" => depth = depth.saturating_sub(1),
            kind if depth == 0 => writer.token(kind),
            _ => {}
        }
    }
    writer.finish()
}

#[derive(Default)]
struct Writer {
    out: String,
    space: bool,
    /// Line ends wanted before the next word.
    line_ends: usize,
    /// Depth of `<pre>`.
    pre: usize,
    /// Where the open link leads, and where its words begin.
    link: Option<(String, usize)>,
}

impl Writer {
    fn token(&mut self, kind: &Kind) {
        match kind {
            Kind::Text(text) => self.text(text),
            Kind::Start { name, attributes } => self.start(name, attributes),
            Kind::End(name) => self.end(name),
            Kind::Raw { .. } | Kind::Comment(_) | Kind::Unclosed => {}
        }
    }

    fn finish(self) -> String {
        let mut text = self.out.trim().to_owned();
        text.push('\n');
        text
    }

    fn text(&mut self, text: &str) {
        if self.pre > 0 {
            self.flush();
            self.out.push_str(text);
            return;
        }
        for (at, word) in text
            .split(|c: char| c.is_whitespace() && c != '\u{A0}')
            .enumerate()
        {
            self.space |= at > 0;
            if !word.is_empty() {
                self.flush();
                self.out.push_str(word);
            }
        }
    }

    fn flush(&mut self) {
        let at_start = self.out.is_empty();
        if self.line_ends > 0 && !at_start {
            let there = self.out.bytes().rev().take_while(|b| *b == b'\n').count();
            self.out.extend(std::iter::repeat_n(
                '\n',
                self.line_ends.saturating_sub(there),
            ));
        } else if self.space && !at_start && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        self.line_ends = 0;
        self.space = false;
    }

    fn start(&mut self, name: &str, attributes: &[Attribute]) {
        let get = |name: &str| {
            let found = attributes.iter().find(|attribute| attribute.name == name);
            found
                .map(|attribute| attribute.value.trim())
                .filter(|value| !value.is_empty())
        };
        self.break_before(name);
        match name {
            "a" => {
                self.finish_link();
                self.link = get("href").map(|href| (href.to_owned(), self.out.len()));
            }
            "img" => {
                if let Some(alt) = get("alt") {
                    self.text(&format!("[{alt}]"));
                }
            }
            "br" => {
                self.out.push('\n');
                self.space = false;
            }
            "li" => {
                self.flush();
                self.out.push_str("* ");
            }
            "hr" => {
                self.flush();
                self.out.push_str("----------");
                self.line_ends = MOST_LINE_ENDS;
            }
            "td" | "th" => self.space = true,
            "pre" => self.pre += 1,
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "a" => self.finish_link(),
            "pre" => self.pre = self.pre.saturating_sub(1),
            _ => {}
        }
        self.break_before(name);
    }

    fn break_before(&mut self, name: &str) {
        let wanted = match name {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" | "table"
            | "blockquote" | "pre" | "hr" => MOST_LINE_ENDS,
            "div" | "li" | "tr" | "dt" | "dd" | "section" | "article" | "header" | "footer"
            | "address" | "center" | "body" | "caption" | "figure" => 1,
            _ => 0,
        };
        self.line_ends = self.line_ends.max(wanted);
    }

    /// Writes where the link leads, unless its words say so already.
    fn finish_link(&mut self) {
        let Some((href, start)) = self.link.take() else {
            return;
        };
        let words = self.out.get(start..).unwrap_or_default().trim();
        let bare = href.strip_prefix("mailto:").unwrap_or(&href);
        if !href.starts_with('#') && words != href && words != bare {
            self.space |= !words.is_empty();
            self.flush();
            self.out.push('<');
            self.out.push_str(&href);
            self.out.push('>');
        }
    }
}
