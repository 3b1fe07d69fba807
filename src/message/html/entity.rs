//! Character references, read as generously as any reader would.

use mail_parser::decoders::html::add_html_token;

/// Names that the HTML standard also reads without a semicolon, of those that could hide a link or a tag.
const BARE: [(&str, char); 8] = [
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("LT", '<'),
    ("gt", '>'),
    ("GT", '>'),
    ("quot", '"'),
    ("nbsp", '\u{A0}'),
];
/// The longest name that is looked up.
const LONGEST: usize = 32;

/// The text with its character references resolved.
pub fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let used = reference(rest, &mut out);
        if used == 0 {
            out.push('&');
        }
        rest = &rest[used.max(1)..];
    }
    out.push_str(rest);
    out
}

/// Resolves the reference that `text` begins with; gives the octets used, 0 if there is none.
fn reference(text: &str, out: &mut String) -> usize {
    let after = &text[1..];
    if let Some(number) = after.strip_prefix('#') {
        return numeric(number, out).map_or(0, |used| used + 2);
    }
    let name = after
        .bytes()
        .take(LONGEST)
        .take_while(u8::is_ascii_alphanumeric)
        .count();
    if after[name..].starts_with(';') {
        let token = &text[..name + 2];
        let mut known = String::new();
        add_html_token(&mut known, token.as_bytes(), false);
        if known != token {
            out.push_str(&known);
            return token.len();
        }
    }
    for (bare, character) in BARE {
        if after.starts_with(bare) {
            out.push(character);
            return 1 + bare.len();
        }
    }
    0
}

fn numeric(text: &str, out: &mut String) -> Option<usize> {
    let (digits, radix, lead) = match text.strip_prefix(['x', 'X']) {
        Some(hex) => (hex, 16, 1),
        None => (text, 10, 0),
    };
    let length = digits
        .bytes()
        .take_while(|b| char::from(*b).is_digit(radix))
        .count();
    if length == 0 {
        return None;
    }
    // Too big a number is U+FFFD, as is NUL.
    let code = u32::from_str_radix(&digits[..length], radix).unwrap_or(0x11_0000);
    out.push(
        char::from_u32(code)
            .filter(|c| *c != '\0')
            .unwrap_or('\u{FFFD}'),
    );
    Some(lead + length + usize::from(digits[length..].starts_with(';')))
}

/// The text as it can stand in an element or a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
