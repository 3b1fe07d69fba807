//! The string tables: every sentence of the pages and mails by key, in both languages, with the party's own
//! sentences over the built-in ones.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

use super::builtin;
use super::party::Lang;

/// What the key of a text ends with that takes another's place where no constituency is asked for.
const BARE: &str = "_bare";

/// The sentences in both languages.
#[derive(Clone, Debug)]
pub(super) struct Strings {
    en: BTreeMap<String, String>,
    cy: BTreeMap<String, String>,
}

/// A fault in a table: its line, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StringsFault {
    pub(super) line: usize,
    pub(super) what: String,
}

impl Strings {
    /// The built-in sentences.
    pub(super) fn builtin() -> Self {
        let mut strings = Self {
            en: BTreeMap::new(),
            cy: BTreeMap::new(),
        };
        for (lang, _, text) in builtin::STRINGS {
            // A built-in table that doesn't parse would leave keys out, which the tests see.
            for entry in read(text).unwrap_or_default() {
                strings.table_mut(*lang).insert(entry.key, entry.text);
            }
        }
        strings
    }

    /// Puts a party's own table over this one. Nothing changes unless the whole table is sound.
    pub(super) fn override_with(
        &mut self,
        lang: Lang,
        text: &str,
    ) -> Result<(), Vec<StringsFault>> {
        let entries = read(text).map_err(|fault| vec![fault])?;
        let faults: Vec<_> = entries
            .iter()
            .filter_map(|entry| Some((entry.at, self.fault_of(lang, entry)?)))
            .map(|(at, what)| StringsFault {
                line: line_of(text, at),
                what,
            })
            .collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        self.table_mut(lang)
            .extend(entries.into_iter().map(|entry| (entry.key, entry.text)));
        Ok(())
    }

    /// The same where nobody is asked for a constituency: each text that speaks of one gives way to its form without. A
    /// text of the party's own stays.
    pub(super) fn without_constituencies(&self) -> Self {
        let (mut without, original) = (self.clone(), Self::builtin());
        for lang in Lang::ALL {
            for (key, bare) in self.table(lang) {
                let Some(full) = key.strip_suffix(BARE) else {
                    continue;
                };
                if self.get(lang, full) == original.get(lang, full) {
                    let table = without.table_mut(lang);
                    table.insert(full.to_owned(), bare.clone());
                }
            }
        }
        without
    }

    fn fault_of(&self, lang: Lang, entry: &Entry) -> Option<String> {
        let key = &entry.key;
        let Some(original) = self.table(lang).get(key) else {
            return Some(format!("there is no text with the key {key}"));
        };
        if entry.text.trim().is_empty() {
            return Some(format!("the text {key} is empty"));
        }
        let known = placeholders(original);
        let unknown = placeholders(&entry.text)
            .into_iter()
            .find(|name| !known.contains(name))?;
        Some(format!("the text {key} can't be filled with {{{unknown}}}"))
    }

    /// The sentence of a key as it stands, with its places unfilled.
    pub(super) fn get(&self, lang: Lang, key: &str) -> Option<&str> {
        self.table(lang).get(key).map(String::as_str)
    }

    /// Every key of a language.
    #[cfg(test)]
    pub(super) fn keys(&self, lang: Lang) -> impl Iterator<Item = &str> {
        self.table(lang).keys().map(String::as_str)
    }

    fn table(&self, lang: Lang) -> &BTreeMap<String, String> {
        match lang {
            Lang::En => &self.en,
            Lang::Cy => &self.cy,
        }
    }

    fn table_mut(&mut self, lang: Lang) -> &mut BTreeMap<String, String> {
        match lang {
            Lang::En => &mut self.en,
            Lang::Cy => &mut self.cy,
        }
    }
}

/// Fills the `{places}` of a sentence. What `value` doesn't know is an error with its name.
pub(super) fn fill(
    sentence: &str,
    mut value: impl FnMut(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(sentence.len() + 32);
    let mut rest = sentence;
    while let Some((before, name, after)) = next_place(rest) {
        out.push_str(before);
        out.push_str(&value(name).ok_or_else(|| name.to_owned())?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The names of a sentence's places.
pub(super) fn placeholders(sentence: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut rest = sentence;
    while let Some((_, name, after)) = next_place(rest) {
        names.insert(name);
        rest = after;
    }
    names
}

/// What stands before the next `{place}`, its name, and what follows.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, tail) = text.split_once('{')?;
    let (name, after) = tail.split_once('}')?;
    Some((before, name, after))
}

struct Entry {
    key: String,
    text: String,
    /// Where its key stands in the file, in bytes.
    at: usize,
}

fn read(text: &str) -> Result<Vec<Entry>, StringsFault> {
    let table = DeTable::parse(text).map_err(|e| StringsFault {
        line: line_of(text, e.span().map_or(0, |span| span.start)),
        what: e.message().to_owned(),
    })?;
    let mut entries = Vec::new();
    flatten(text, "", table.get_ref(), &mut entries)?;
    Ok(entries)
}

fn flatten(
    source: &str,
    prefix: &str,
    table: &DeTable<'_>,
    entries: &mut Vec<Entry>,
) -> Result<(), StringsFault> {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        let at = name.span().start;
        match value.get_ref() {
            DeValue::String(text) => entries.push(Entry {
                key,
                text: text.to_string(),
                at,
            }),
            DeValue::Table(inner) => flatten(source, &format!("{key}."), inner, entries)?,
            _ => {
                let what = format!("the value of {key} must be a text");
                return Err(StringsFault {
                    line: line_of(source, at),
                    what,
                });
            }
        }
    }
    Ok(())
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_tables_hold_the_same_keys_with_the_same_places() {
        let strings = Strings::builtin();
        let keys: Vec<_> = strings.keys(Lang::En).collect();
        assert!(keys.len() > 200);
        assert_eq!(keys, strings.keys(Lang::Cy).collect::<Vec<_>>());
        for key in keys {
            let (en, cy) = (strings.get(Lang::En, key), strings.get(Lang::Cy, key));
            let (en, cy) = (en.expect("a text"), cy.expect("a text"));
            assert_eq!(placeholders(en), placeholders(cy), "{key}");
            assert!(!en.trim().is_empty() && !cy.trim().is_empty(), "{key}");
        }
    }

    #[test]
    fn fills_places_and_names_the_unknown_one() {
        let value = |name: &str| (name == "a").then(|| "{b}".to_owned());
        assert_eq!(fill("x {a} y {a}", value), Ok("x {b} y {b}".to_owned()));
        assert_eq!(fill("x {c}", value), Err("c".to_owned()));
        assert_eq!(fill("x { y", value), Ok("x { y".to_owned()));
    }

    #[test]
    fn an_override_changes_its_keys_alone() {
        let mut strings = Strings::builtin();
        let lead = strings
            .get(Lang::En, "signup.lead")
            .expect("a text")
            .to_owned();
        strings
            .override_with(Lang::En, "signup.button = \"Count me in\"\n")
            .expect("sound");
        assert_eq!(strings.get(Lang::En, "signup.button"), Some("Count me in"));
        assert_eq!(strings.get(Lang::En, "signup.lead"), Some(lead.as_str()));
        assert_eq!(strings.get(Lang::Cy, "signup.button"), Some("Cofrestru"));
    }

    #[test]
    fn a_faulty_override_is_named_by_line_and_changes_nothing() {
        for (text, line, part) in [
            (
                "[signup]\nbutton = \"Yes\"\nbutten = \"Yes\"\n",
                3,
                "signup.butten",
            ),
            ("[signup]\nbutton = 7\n", 2, "must be a text"),
            ("[signup]\nbutton = \"\"\n", 2, "empty"),
            ("[signup]\n\nbutton = \"Hello {name}\"\n", 3, "{name}"),
            ("[signup]\nbutton = \"Yes\n", 2, ""),
        ] {
            let mut strings = Strings::builtin();
            let faults = strings.override_with(Lang::En, text).expect_err(text);
            assert_eq!(faults[0].line, line, "{text}");
            assert!(faults[0].what.contains(part), "{text}: {}", faults[0].what);
            assert_eq!(strings.get(Lang::En, "signup.button"), Some("Sign up"));
        }
    }

    proptest! {
        #[test]
        fn filling_never_panics(sentence in ".{0,80}") {
            let _ = fill(&sentence, |_| Some("x".to_owned()));
        }
    }
}
