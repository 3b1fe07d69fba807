//! What a style sheet or a `style` attribute would load.

use std::borrow::Cow;

/// Something in a style that loads or runs, or may.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Load {
    /// `url(...)`: the target.
    Url(String),
    /// `@import`, `image-set()`, `expression()` and their like, which no mail needs.
    Forbidden(&'static str),
}

/// Words that load or run something without `url(`, or name another sheet.
const FORBIDDEN: [&str; 8] = [
    "@import",
    "image-set(",
    "image(",
    "cross-fade(",
    "expression(",
    "behavior:",
    "-moz-binding",
    "src(",
];

/// What Outlook writes into each mail for its own drawings, in comments that other readers skip. It names a part of the
/// reader itself and loads nothing.
const OUTLOOKS_OWN: [&str; 2] = ["behavior:url(#default#vml)", "behavior: url(#default#vml)"];

/// Everything that the style would load. Comments and strings hide nothing: they're searched too, once as they stand and
/// once without comments, as where they begin and end depends on the reader.
pub fn loads(style: &str) -> Vec<Load> {
    let decoded = unescape(style).to_lowercase();
    let decoded = OUTLOOKS_OWN
        .iter()
        .fold(decoded, |style, own| style.replace(own, " "));
    let mut found = Vec::new();
    scan(&decoded, &mut found);
    if decoded.contains("/*") {
        scan(&without_comments(&decoded), &mut found);
    }
    found
}

fn scan(style: &str, found: &mut Vec<Load>) {
    let packed: Cow<'_, str> = if style.contains(" :") || style.contains(" (") {
        Cow::Owned(style.replace(" :", ":").replace(" (", "("))
    } else {
        Cow::Borrowed(style)
    };
    for word in FORBIDDEN {
        // `scroll-behavior:` is another property than `behavior:`.
        let mut places = packed.match_indices(word);
        if places.any(|(at, _)| word != "behavior:" || !packed[..at].ends_with('-')) {
            found.push(Load::Forbidden(word));
        }
    }
    let mut rest = style;
    while let Some(at) = rest.find("url(") {
        rest = &rest[at + 4..];
        let target = rest.trim_start();
        let target = match target.strip_prefix(['"', '\'']) {
            Some(quoted) => quoted.split(['"', '\'']).next(),
            None => target.split(')').next(),
        };
        found.push(Load::Url(target.unwrap_or_default().trim().to_owned()));
    }
}

/// Whether a style may move an element far by its margins: any that is negative or computed. Too often true, never too
/// seldom.
pub fn moves(style: &str) -> bool {
    let decoded = unescape(style).to_lowercase();
    [without_comments(&decoded), decoded].iter().any(|style| {
        style.split([';', '{', '}']).any(|declaration| {
            let (property, value) = declaration.split_once(':').unwrap_or_default();
            property.trim().starts_with("margin") && value.contains(['-', '('])
        })
    })
}

/// Resolves CSS escapes (CSS Syntax §4.3.7), in strings and outside alike.
fn unescape(style: &str) -> String {
    let mut out = String::with_capacity(style.len());
    let mut rest = style.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            if c != '\0' {
                out.push(c);
            }
            continue;
        }
        let mut code = 0_u32;
        let mut digits = 0;
        while let Some(digit) = rest
            .peek()
            .and_then(|c| c.to_digit(16))
            .filter(|_| digits < 6)
        {
            code = code * 16 + digit;
            digits += 1;
            rest.next();
        }
        if digits > 0 {
            rest.next_if(|c| c.is_ascii_whitespace());
            out.extend(char::from_u32(code).filter(|c| *c != '\0'));
        } else if let Some(c) = rest.next_if(|c| *c != '\n') {
            out.push(c);
        } else {
            rest.next();
        }
    }
    out
}

fn without_comments(style: &str) -> String {
    let mut out = String::with_capacity(style.len());
    let mut rest = style;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}
