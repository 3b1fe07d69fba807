//! The tokenizer (WHATWG HTML §13.2.5, without what only matters for building a tree).

use std::ops::Range;

use super::entity;

/// The most attributes read of one tag; a tag with more is malformed.
const MAX_ATTRIBUTES: usize = 200;

/// An attribute: its name in lower case without NULs, its value with character references resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub name: String,
    /// The value; empty if none was given.
    pub value: String,
}

/// What a token is.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// Text with its character references resolved.
    Text(String),
    /// A start tag; a repeated attribute stands as often as it was written.
    Start {
        /// The element's name in lower case.
        name: String,
        /// Its attributes.
        attributes: Vec<Attribute>,
    },
    /// An end tag.
    End(String),
    /// The text of a raw text element (`style`, `script`, `title` ...), which is no markup.
    Raw {
        /// The element's name.
        element: String,
        /// Its text as written.
        text: String,
    },
    /// A comment's text (also `<!...>` and `<?...>`).
    Comment(String),
    /// Something that isn't ended before the text ends, and so swallows whatever is put after it.
    Unclosed,
}

/// A token and where it stands in the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Which octets it is.
    pub at: Range<usize>,
}

/// The tokens of an HTML text.
#[derive(Clone)]
pub struct Tokens<'h> {
    html: &'h str,
    at: usize,
    /// The raw text element that was just opened.
    raw: Option<String>,
}

impl<'h> Tokens<'h> {
    /// The tokens of this text.
    pub fn new(html: &'h str) -> Self {
        Self {
            html,
            at: 0,
            raw: None,
        }
    }

    fn rest(&self) -> &'h str {
        &self.html[self.at..]
    }

    fn emit(&mut self, kind: Kind, length: usize) -> Token {
        let start = self.at;
        self.at += length;
        Token {
            kind,
            at: start..self.at,
        }
    }

    fn raw_text(&mut self, element: String) -> Token {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut from = 0;
        while let Some(found) = rest[from..].find("</") {
            let name_at = from + found + 2;
            let name = bytes
                .get(name_at..name_at + element.len())
                .unwrap_or_default();
            let after = bytes.get(name_at + element.len());
            if name.eq_ignore_ascii_case(element.as_bytes())
                && after.is_none_or(|b| is_space(*b) || matches!(b, b'>' | b'/'))
            {
                let text = rest[..from + found].to_owned();
                return self.emit(Kind::Raw { element, text }, from + found);
            }
            from = name_at;
        }
        self.emit(Kind::Unclosed, rest.len())
    }

    fn markup(&mut self) -> Token {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        match bytes.get(1) {
            Some(b'!') if rest.starts_with("<!--") => self.comment(),
            Some(b'!' | b'?') => self.bogus_comment(2),
            Some(b'/') => match bytes.get(2) {
                Some(b) if b.is_ascii_alphabetic() => self.tag(true),
                Some(b'>') => self.emit(Kind::Comment(String::new()), 3),
                Some(_) => self.bogus_comment(2),
                None => self.emit(Kind::Text("</".into()), 2),
            },
            Some(b) if b.is_ascii_alphabetic() => self.tag(false),
            _ => self.emit(Kind::Text("<".into()), 1),
        }
    }

    fn comment(&mut self) -> Token {
        let body = &self.rest()[4..];
        for short in [">", "->"] {
            if body.starts_with(short) {
                return self.emit(Kind::Comment(String::new()), 4 + short.len());
            }
        }
        // "--" and then ">" or "!>", looked for step by step: each octet is read once.
        let mut from = 0;
        while let Some(found) = body[from..].find("--") {
            let at = from + found;
            let after = &body[at + 2..];
            let length = if after.starts_with('>') {
                3
            } else if after.starts_with("!>") {
                4
            } else {
                from = at + 1;
                continue;
            };
            let text = body[..at].to_owned();
            return self.emit(Kind::Comment(text), 4 + at + length);
        }
        self.emit(Kind::Unclosed, self.rest().len())
    }

    fn bogus_comment(&mut self, lead: usize) -> Token {
        let rest = self.rest();
        match rest.find('>') {
            Some(at) => self.emit(Kind::Comment(rest[lead..at].to_owned()), at + 1),
            None => self.emit(Kind::Unclosed, rest.len()),
        }
    }

    fn tag(&mut self, end: bool) -> Token {
        let rest = self.rest();
        let lead = if end { 2 } else { 1 };
        let mut scan = Scan {
            text: rest,
            at: lead,
        };
        let name = clean(scan.take_until(|b| is_space(b) || matches!(b, b'/' | b'>')));
        let Some(attributes) = scan.attributes() else {
            return self.emit(Kind::Unclosed, rest.len());
        };
        let length = scan.at;
        if end {
            return self.emit(Kind::End(name), length);
        }
        if is_raw(&name) {
            self.raw = Some(name.clone());
        }
        self.emit(Kind::Start { name, attributes }, length)
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        if self.at == self.html.len() {
            return None;
        }
        if let Some(element) = self.raw.take() {
            let token = self.raw_text(element);
            if !token.at.is_empty() {
                return Some(token);
            }
        }
        let rest = self.rest();
        if rest.starts_with('<') {
            return Some(self.markup());
        }
        let length = rest.find('<').unwrap_or(rest.len());
        Some(self.emit(Kind::Text(entity::decode(&rest[..length])), length))
    }
}

/// Elements whose text is no markup. (`noscript` isn't one: mail programs run no script, so its content is shown.)
fn is_raw(name: &str) -> bool {
    matches!(
        name,
        "script"
            | "style"
            | "title"
            | "textarea"
            | "xmp"
            | "iframe"
            | "noembed"
            | "noframes"
            | "plaintext"
    )
}

/// A name as browsers compare it: lower case; NULs are dropped, as old mail programs did.
fn clean(name: &str) -> String {
    name.replace('\0', "").to_ascii_lowercase()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

/// Reads the inside of one tag.
struct Scan<'h> {
    text: &'h str,
    at: usize,
}

impl<'h> Scan<'h> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take_until(&mut self, stop: impl Fn(u8) -> bool) -> &'h str {
        let start = self.at;
        while self.peek().is_some_and(|b| !stop(b)) {
            self.at += 1;
        }
        // What stops is ASCII, or all that was passed over is: either way both ends are character boundaries.
        &self.text[start..self.at]
    }

    /// Reads up to and with the closing `>`; `None` if the text ends before, or the tag is absurd.
    fn attributes(&mut self) -> Option<Vec<Attribute>> {
        let mut attributes = Vec::new();
        loop {
            self.take_until(|b| !is_space(b) && b != b'/');
            if self.peek()? == b'>' {
                self.at += 1;
                return Some(attributes);
            }
            if attributes.len() == MAX_ATTRIBUTES {
                return None;
            }
            attributes.push(self.attribute()?);
        }
    }

    fn attribute(&mut self) -> Option<Attribute> {
        let start = self.at;
        // A "=" that begins a name is part of it.
        self.at += usize::from(self.peek() == Some(b'='));
        self.take_until(|b| is_space(b) || matches!(b, b'/' | b'>' | b'='));
        let name = clean(&self.text[start..self.at]);
        self.take_until(|b| !is_space(b));
        if self.peek()? != b'=' {
            return Some(Attribute {
                name,
                value: String::new(),
            });
        }
        self.at += 1;
        self.take_until(|b| !is_space(b));
        let value = match self.peek()? {
            quote @ (b'"' | b'\'') => {
                self.at += 1;
                let value = self.take_until(|b| b == quote);
                self.peek()?;
                self.at += 1;
                value
            }
            _ => self.take_until(|b| is_space(b) || b == b'>'),
        };
        Some(Attribute {
            name,
            value: entity::decode(value).replace('\0', ""),
        })
    }
}
