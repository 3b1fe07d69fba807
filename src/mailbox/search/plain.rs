//! HTML as text while it goes by: without tags, styles and scripts, its character references resolved. A tag that ends a
//! line or a cell for a reader ends a word; one within a word doesn't.

use crate::message::html::entity;

/// The longest name of a tag that is looked at, and the longest character reference.
const LONGEST: usize = 34;
/// Tags that may stand within a word.
const INLINE: [&str; 16] = [
    "a", "abbr", "b", "big", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub",
    "sup", "u", "wbr",
];
/// What is in these isn't shown.
const HIDDEN: [&str; 2] = ["style", "script"];

/// Makes text of HTML, in pieces.
#[derive(Debug, Default)]
pub(super) struct Plain {
    state: State,
    /// The tag in which everything is hidden, until it ends.
    hidden: Option<&'static str>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    /// A `<`, and the name behind it.
    Tag(String),
    /// Behind the name.
    Attributes,
    /// A `&`, and what may be a reference behind it.
    Reference(String),
}

impl Plain {
    /// Takes the next piece, and adds its text.
    pub(super) fn take(&mut self, html: &str, out: &mut String) {
        for character in html.chars() {
            self.step(character, out);
        }
    }

    /// Adds what was left open.
    pub(super) fn finish(&mut self, out: &mut String) {
        match std::mem::take(&mut self.state) {
            State::Text | State::Attributes => {}
            State::Tag(name) if name.is_empty() => self.text("<", out),
            State::Tag(_) => {}
            State::Reference(reference) => self.text(&entity::decode(&reference), out),
        }
    }

    fn step(&mut self, character: char, out: &mut String) {
        match &mut self.state {
            State::Text => self.begin(character, out),
            State::Attributes if character == '>' => self.state = State::Text,
            State::Attributes => {}
            State::Tag(name) => {
                let begins = match self.hidden {
                    // Only its end matters.
                    Some(_) => character == '/',
                    None => character.is_ascii_alphabetic() || "/!?".contains(character),
                };
                let goes_on = character.is_ascii_alphanumeric() || character == '/';
                if name.is_empty() && !begins {
                    // "a < b"
                    self.state = State::Text;
                    self.text("<", out);
                    self.begin(character, out);
                } else if character == '>' || !(goes_on || name.is_empty()) || name.len() == LONGEST
                {
                    let name = std::mem::take(name);
                    self.end_name(&name, out);
                    self.state = match character {
                        '>' => State::Text,
                        _ => State::Attributes,
                    };
                } else {
                    name.push(character.to_ascii_lowercase());
                }
            }
            State::Reference(reference) => {
                let goes_on = character.is_ascii_alphanumeric() || character == '#';
                if goes_on && reference.len() < LONGEST {
                    reference.push(character);
                    return;
                }
                let mut reference = std::mem::take(reference);
                self.state = State::Text;
                if character == ';' {
                    reference.push(';');
                }
                self.text(&entity::decode(&reference), out);
                if character != ';' {
                    self.begin(character, out);
                }
            }
        }
    }

    fn begin(&mut self, character: char, out: &mut String) {
        match character {
            '<' => self.state = State::Tag(String::new()),
            '&' => self.state = State::Reference("&".to_owned()),
            _ if self.hidden.is_none() => out.push(character),
            _ => {}
        }
    }

    fn text(&self, text: &str, out: &mut String) {
        if self.hidden.is_none() {
            out.push_str(text);
        }
    }

    fn end_name(&mut self, name: &str, out: &mut String) {
        let (name, ends) = match name.strip_prefix('/') {
            Some(name) => (name, true),
            None => (name.trim_end_matches('/'), false),
        };
        if let Some(hidden) = self.hidden {
            if ends && name == hidden {
                self.hidden = None;
            }
            return;
        }
        if !ends {
            self.hidden = HIDDEN.into_iter().find(|hidden| *hidden == name);
        }
        if !INLINE.contains(&name) {
            out.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(html: &str, size: usize) -> String {
        let (mut plain, mut out) = (Plain::default(), String::new());
        let characters: Vec<_> = html.chars().collect();
        for piece in characters.chunks(size) {
            plain.take(&piece.iter().collect::<String>(), &mut out);
        }
        plain.finish(&mut out);
        out
    }

    #[test]
    fn what_a_reader_sees_is_the_text() {
        for (html, expected) in [
            ("<p>Hus<b>tings</b></p>", " Hustings "),
            ("one<br/>two<BR>three", "one two three"),
            (
                "a &lt;b&gt; &amp; G&#373;yl&nbsp;x",
                "a <b> & G\u{175}yl\u{a0}x",
            ),
            ("a < b && c &", "a < b && c &"),
            (
                "<style>p { color: red }</style>x<script>if (a<b) {}</SCRIPT>y",
                " x y",
            ),
            ("<!-- no --><a href=\"x>y\">z</a>", " y\">z"),
            ("&unheardof; end<", "&unheardof; end<"),
            ("cut <div cl", "cut  "),
        ] {
            for size in 1..=html.len() {
                assert_eq!(plain(html, size), expected, "{html} by {size}");
            }
        }
    }
}
