//! Subjects that pretend to be an answer or a forwarded mail.

/// What mail programs of the languages met in the UK and its neighbours put before the subject of an answer or a
/// forwarded mail, in lower case.
const PREFIXES: [&str; 37] = [
    "re",
    "fw",
    "fwd", // English and most others
    "atb",
    "yml",
    "ateb",
    "ymlaen", // Welsh
    "aw",
    "wg",
    "antwort", // German
    "tr",
    "réf",
    "ref", // French
    "rv",
    "res",
    "enc", // Spanish, Portuguese
    "r",
    "i",
    "rif", // Italian
    "antw",
    "doorst", // Dutch
    "sv",
    "vb",
    "vs",
    "vl", // Swedish, Danish, Finnish
    "odp",
    "pd", // Polish
    "vá",
    "továbbítás", // Hungarian
    "ynt",
    "ilt",
    "i̇lt", // Turkish
    "απ",
    "πρθ", // Greek
    "回复",
    "转发",
    "回覆", // Chinese
];

/// Whether the subject begins like an answer's or a forwarded mail's: `Re:`, `FWD :`, `Re[2]:`, `AW: `, `[news] Re:`.
///
/// This holds whatever In-Reply-To says: a subscriber never got the mail that is answered, so that on a list every such
/// subject misleads (law rows C5, section 4).
pub fn is_fake_reply(subject: &str) -> bool {
    let mut rest = subject.trim_start();
    // A tag in brackets may come first.
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|tag| tag.split_once(']')) {
        rest = after.trim_start();
    }
    let Some((prefix, _)) = rest.split_once([':', '：', '﹕', '꞉']) else {
        return false;
    };
    let prefix = prefix.trim_end();
    let word = match prefix.split_once(['[', '(', '^', '*']) {
        Some((word, count))
            if count
                .trim_end_matches([')', ']'])
                .bytes()
                .all(|b| b.is_ascii_digit()) =>
        {
            word
        }
        _ => prefix,
    };
    let word: String = word
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| !is_hidden(*c))
        .map(latin)
        .collect();
    PREFIXES.contains(&word.as_str())
}

/// Characters that take no space and would split a word unseen.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}'
        )
}

/// The Latin letter that a Cyrillic or full-width one looks like.
fn latin(c: char) -> char {
    match c {
        'е' => 'e',
        'ԝ' => 'w',
        'ѕ' => 's',
        'і' => 'i',
        'ｒ' => 'r',
        'ｅ' => 'e',
        'ｆ' => 'f',
        'ｗ' => 'w',
        'ｄ' => 'd',
        _ => c,
    }
}
