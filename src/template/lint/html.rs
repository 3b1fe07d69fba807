//! Just enough reading of our own HTML to look at its elements, attributes and words. Not a parser for strangers'.

/// A page taken apart.
pub(in crate::template) struct Html {
    /// Its elements in order.
    pub(in crate::template) tags: Vec<Tag>,
    /// Its words with single spaces, without markup.
    pub(in crate::template) words: String,
}

/// An opening element.
pub(in crate::template) struct Tag {
    /// Its name in lower case.
    pub(in crate::template) name: String,
    /// Its attributes, names in lower case, values unescaped.
    pub(in crate::template) attributes: Vec<(String, String)>,
}

impl Tag {
    /// An attribute's value.
    pub(in crate::template) fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Html {
    /// Takes a page apart.
    pub(in crate::template) fn read(html: &str) -> Self {
        let mut tags = Vec::new();
        let mut words = String::new();
        let mut rest = html;
        while let Some((text, tail)) = rest.split_once('<') {
            words.push_str(&unescape(text));
            words.push(' ');
            let end = tag_end(tail);
            let inside = tail.get(..end).unwrap_or_default();
            if inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
                tags.push(read_tag(inside));
            }
            rest = tail.get(end + 1..).unwrap_or_default();
        }
        words.push_str(&unescape(rest));
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { tags, words }
    }

    /// The elements of a name.
    pub(in crate::template) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Tag> {
        self.tags.iter().filter(move |tag| tag.name == name)
    }

    /// The targets of all links.
    pub(in crate::template) fn links(&self) -> impl Iterator<Item = &str> {
        self.all("a").filter_map(|tag| tag.get("href"))
    }
}

/// Where an element's `>` is, past any in quotes.
fn tag_end(tail: &str) -> usize {
    let mut quote = None;
    for (at, c) in tail.char_indices() {
        match (quote, c) {
            (None, '>') => return at,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    tail.len()
}

fn read_tag(inside: &str) -> Tag {
    let name_end = inside
        .find(|c: char| c.is_whitespace() || c == '/')
        .unwrap_or(inside.len());
    let (name, mut rest) = inside.split_at(name_end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            break;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || c == '=')
            .unwrap_or(rest.len());
        let (key, tail) = rest.split_at(end);
        let (value, tail) = match tail.trim_start().strip_prefix('=') {
            Some(tail) => read_value(tail.trim_start()),
            None => ("", tail),
        };
        attributes.push((key.to_ascii_lowercase(), unescape(value)));
        // A lone `=` names nothing; stepping over it keeps the loop moving.
        rest = if end == 0 && value.is_empty() {
            tail.get(1..).unwrap_or_default()
        } else {
            tail
        };
    }
    Tag {
        name: name.to_ascii_lowercase(),
        attributes,
    }
}

fn read_value(tail: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = tail.strip_prefix(quote) {
            return inner.split_once(quote).unwrap_or((inner, ""));
        }
    }
    tail.split_at(tail.find(char::is_whitespace).unwrap_or(tail.len()))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_a_page_apart() {
        let html = Html::read(
            "<!doctype html><P Class='a b'>One &amp; <b>two</b>\n three<br/><input type=checkbox checked value=\"x>y\">",
        );
        let names: Vec<_> = html.tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["p", "b", "br", "input"]);
        assert_eq!(html.words, "One & two three");
        assert_eq!(html.tags[0].get("class"), Some("a b"));
        assert_eq!(html.tags[3].get("checked"), Some(""));
        assert_eq!(html.tags[3].get("type"), Some("checkbox"));
        assert_eq!(html.tags[3].get("value"), Some("x>y"));
    }

    proptest! {
        #[test]
        fn reads_anything(html in "[<>=\"'/a-z &;!\n]{0,60}") {
            let _ = Html::read(&html);
        }
    }
}
