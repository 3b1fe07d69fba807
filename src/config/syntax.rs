//! Where a broken text was broken: a parser notices an unclosed bracket or quote lines behind it. This knows as much of
//! TOML as that takes, and nothing of the keys.

use std::ops::Range;

/// What was open where the parser gave up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// Where it was opened.
    pub(super) at: Range<usize>,
    /// The key whose value it stands in.
    pub(super) key: String,
}

/// What was opened in an earlier line and is still open at this place; the innermost.
pub(super) fn opened_before(text: &str, place: usize) -> Option<Opened> {
    let place = text.floor_char_boundary(place.min(text.len()));
    let mut walk = Walk::default();
    let mut rest = &text[..place];
    while !rest.is_empty() {
        rest = &rest[walk.step(rest, place - rest.len())..];
    }
    let at = walk.open.pop()?;
    let earlier = text.get(at.end..place)?.contains('\n');
    earlier.then(|| Opened {
        at,
        key: walk.key(),
    })
}

/// How far the text was read: what is open, and in which key.
#[derive(Default)]
struct Walk<'t> {
    open: Vec<Range<usize>>,
    table: &'t str,
    name: &'t str,
    within_line: bool,
}

impl<'t> Walk<'t> {
    /// Reads what stands at the start of `rest`; says how many bytes it has.
    fn step(&mut self, rest: &'t str, at: usize) -> usize {
        let line = rest.lines().next().unwrap_or_default();
        if !self.within_line && self.open.is_empty() {
            self.within_line = true;
            let line = line.trim();
            if let Some(header) = line.strip_prefix('[') {
                self.table = header.split(']').next().unwrap_or_default();
                self.table = self.table.trim_matches(['[', ' ', '\t']);
                self.name = "";
                return rest.find('\n').unwrap_or(rest.len());
            }
            self.name = line.split('=').next().unwrap_or_default().trim();
        }
        for quote in ["\"\"\"", "'''", "\"", "'"] {
            if rest.starts_with(quote) {
                return self.text(rest, quote, at);
            }
        }
        let first = rest.chars().next().map_or(1, char::len_utf8);
        match rest.as_bytes().first() {
            Some(b'#') => return line.len().max(1),
            Some(b'\n') => self.within_line = false,
            Some(b'[' | b'{') => self.open.push(at..at + 1),
            Some(b']' | b'}') => drop(self.open.pop()),
            _ => {}
        }
        first
    }

    /// Steps over a quoted text. One of a line ends with it; one of many that doesn't end is open.
    fn text(&mut self, rest: &str, quote: &str, at: usize) -> usize {
        let (mut end, whole) = (quote.len(), rest.len());
        while end < whole {
            let here = &rest[end..];
            if here.starts_with(quote) {
                return end + quote.len();
            }
            if here.starts_with('\n') && quote.len() == 1 {
                return end;
            }
            let escape = here.starts_with('\\') && quote.starts_with('"');
            let characters = here.chars().take(if escape { 2 } else { 1 });
            end += characters.map(char::len_utf8).sum::<usize>();
        }
        if quote.len() > 1 {
            self.open.push(at..at + quote.len());
        }
        whole
    }

    fn key(&self) -> String {
        match self.table {
            "" => self.name.to_owned(),
            table => format!("{table}.{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_open_is_found_with_its_key() {
        for (text, key, at) in [
            ("a = [\"x\"\nb = 1\n", "a", 4),
            ("x = 1\n[p.q]\na = [\"#]\", ']' # ]\n, 1\n", "p.q.a", 16),
            ("[p]\na = \"\"\"x\ny\n", "p.a", 8),
            ("a = { b = [\n1\n", "a", 10),
        ] {
            let opened = opened_before(text, text.len()).expect(text);
            assert_eq!((opened.key.as_str(), opened.at.start), (key, at), "{text}");
        }
        for text in [
            "",
            "a = [1\n]\n",
            "[p\n",
            "a = \"x\nb = 1\n",
            "a = [1",
            "]]\n}\n",
        ] {
            assert_eq!(opened_before(text, text.len()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_walked(text in "[\\[\\]{}\"'#=\\\\ \na-cé]{0,60}", place in 0usize..90) {
            let _ = opened_before(&text, place);
        }
    }
}
