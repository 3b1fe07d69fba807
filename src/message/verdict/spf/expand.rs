//! Macros in SPF records (RFC 7208 §7): read strictly, expanded into names.

use std::fmt::Write as _;
use std::net::IpAddr;

/// The longest name; longer ones lose labels from the left (RFC 7208 §7.3).
const LONGEST_NAME: usize = 253;
/// Letters outside of explanations.
const LETTERS: &str = "slodiphv";
const DELIMITERS: &str = ".-+,/_=";

/// A text with macros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Macro(Macro),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Macro {
    letter: char,
    escaped: bool,
    keep: Option<usize>,
    reversed: bool,
    delimiters: String,
}

/// What the macros stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    /// `local@domain`.
    pub(super) sender: (&'a str, &'a str),
    pub(super) domain: &'a str,
    pub(super) ip: IpAddr,
    pub(super) helo: &'a str,
    /// A name of the address that leads back to it.
    pub(super) validated: Option<&'a str>,
}

impl Template {
    /// A macro-string: any number of parts.
    pub(super) fn text(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c != '%' {
                if !c.is_ascii_graphic() {
                    return None;
                }
                plain.push(c);
                continue;
            }
            let kind = rest.chars().next()?;
            rest = &rest[kind.len_utf8()..];
            match kind {
                '%' => plain.push('%'),
                '_' => plain.push(' '),
                '-' => plain.push_str("%20"),
                '{' => {
                    let (inner, after) = rest.split_once('}')?;
                    if !plain.is_empty() {
                        parts.push(Part::Plain(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Macro(Macro::read(inner)?));
                    rest = after;
                }
                _ => return None,
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Plain(plain));
        }
        Some(Self(parts))
    }

    /// A domain-spec: a macro-string that ends in a macro or in a label that can be a top-level domain.
    pub(super) fn domain(text: &str) -> Option<Self> {
        let template = Self::text(text)?;
        let ends_in_macro =
            text.ends_with('}') || ["%%", "%_", "%-"].iter().any(|end| text.ends_with(end));
        let plain_end = || {
            let text = text.strip_suffix('.').unwrap_or(text);
            let (_, label) = text.rsplit_once('.')?;
            is_top_label(label).then_some(())
        };
        (ends_in_macro || plain_end().is_some()).then_some(template)
    }

    /// Whether the address's validated name is asked for.
    pub(super) fn asks_for_name(&self) -> bool {
        self.0
            .iter()
            .any(|part| matches!(part, Part::Macro(found) if found.letter == 'p'))
    }

    /// The name that it stands for: without a dot at its end, no longer than names are.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(text) => out.push_str(text),
                Part::Macro(found) => out.push_str(&found.expand(values)),
            }
        }
        let mut name = out.strip_suffix('.').unwrap_or(&out);
        while name.len() > LONGEST_NAME {
            match name.split_once('.') {
                Some((_, shorter)) => name = shorter,
                None => break,
            }
        }
        name.to_owned()
    }
}

/// `*alphanum ALPHA *alphanum`, or with hyphens inside.
fn is_top_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let alphanumeric = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && !bytes.iter().all(u8::is_ascii_digit)
}

impl Macro {
    fn read(inner: &str) -> Option<Self> {
        let given = inner.chars().next()?;
        let letter = given.to_ascii_lowercase();
        if !LETTERS.contains(letter) {
            return None;
        }
        let rest = &inner[1..];
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, rest) = rest.split_at(digits);
        let keep = match digits {
            "" => None,
            _ => Some(digits.parse().ok().filter(|keep| *keep > 0)?),
        };
        let reversed = rest.starts_with(['r', 'R']);
        let delimiters = &rest[usize::from(reversed)..];
        delimiters
            .chars()
            .all(|c| DELIMITERS.contains(c))
            .then(|| Self {
                letter,
                escaped: given.is_ascii_uppercase(),
                keep,
                reversed,
                delimiters: match delimiters {
                    "" => ".".to_owned(),
                    _ => delimiters.to_owned(),
                },
            })
    }

    fn expand(&self, values: &Values<'_>) -> String {
        let value = value(self.letter, values);
        let mut parts: Vec<&str> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.reversed {
            parts.reverse();
        }
        let from = self.keep.map_or(0, |keep| parts.len().saturating_sub(keep));
        let text = parts[from..].join(".");
        if self.escaped { escape(&text) } else { text }
    }
}

fn value(letter: char, values: &Values<'_>) -> String {
    let (local, domain) = values.sender;
    match letter {
        's' => format!("{local}@{domain}"),
        'l' => local.to_owned(),
        'o' => domain.to_owned(),
        'd' => values.domain.to_owned(),
        'i' => dotted(values.ip),
        'p' => values.validated.unwrap_or("unknown").to_owned(),
        'v' if values.ip.is_ipv4() => "in-addr".to_owned(),
        'v' => "ip6".to_owned(),
        _ => values.helo.to_owned(),
    }
}

/// An address with a dot between its octets, or its nibbles.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let mut out = String::with_capacity(63);
            for (n, octet) in v6.octets().iter().enumerate() {
                let dot = if n == 0 { "" } else { "." };
                let _ = write!(out, "{dot}{:x}.{:x}", octet >> 4, octet & 15);
            }
            out
        }
    }
}

/// RFC 3986 §2.3: all but unreserved characters.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
