//! Constituencies: the built-in 650 of the United Kingdom, or the party's own list.
//!
//! A subscriber holds a [`Code`] or none ("I live abroad / prefer not to say"). This file finds the constituency that a
//! code, a name or the slug in `news+leeds-east@` means, and groups them for a `<select>`. It never sees a postcode.

use std::collections::HashMap;
use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::csv::Table;

mod code;
mod file;

pub use code::{Code, NotACode};
pub use file::{ConstituencyFileError, RowError};
use file::{LIMITS, MAX_NAME};

/// The credit that the Open Government Licence asks for wherever the built-in list is shown.
pub const CREDIT: &str =
    "Source: Office for National Statistics licensed under the Open Government Licence v.3.0";

const BUILTIN: &[u8] = include_bytes!("../../config/constituencies.csv");
const BUILTIN_WELSH: &[u8] = include_bytes!("../../config/constituencies_cy.csv");

/// Seats that kept their name and got a new code in 2024; lists made before carry the old one.
const RENUMBERED: [(&str, &str); 5] = [
    ("S14000006", "S14000107"),
    ("S14000008", "S14000108"),
    ("S14000010", "S14000109"),
    ("S14000040", "S14000110"),
    ("S14000058", "S14000111"),
];

/// One constituency.
#[derive(Clone, PartialEq, Eq)]
pub struct Constituency {
    code: Code,
    name: Box<str>,
    name_cy: Option<Box<str>>,
    group: Box<str>,
    slug: Box<str>,
}

impl Constituency {
    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Its name, in English if it has two.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its Welsh name where that differs from the English one.
    pub fn welsh_name(&self) -> Option<&str> {
        self.name_cy.as_deref()
    }

    /// The nation (or, in a party's own list, the group) it's shown under.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Whether pages and mail for it are bilingual.
    pub fn is_in_wales(&self) -> bool {
        &*self.group == "Wales"
    }

    /// The name as it stands in an address: `leeds-east` in `news+leeds-east@`.
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// The name as people choose it: `Gower / Gŵyr` where there are two.
    pub fn label(&self) -> String {
        match &self.name_cy {
            Some(welsh) => format!("{} / {welsh}", self.name),
            None => self.name.to_string(),
        }
    }
}

/// A list of constituencies, sorted by group and then by name without accents.
#[derive(Clone)]
pub struct Constituencies {
    all: Vec<Constituency>,
    by_code: HashMap<Code, usize>,
    /// Slugs of names in both languages.
    by_slug: HashMap<Box<str>, usize>,
    built_in: bool,
}

/// What somebody meant by a code, a name or a slug.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// The constituency.
    pub constituency: &'a Constituency,
    /// The old code, where one from before 2024 was given: say so, their list is old.
    pub renumbered_from: Option<Code>,
}

/// No constituency of the list is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No such code, name or slug, and none like it.
    #[error("no such constituency: give its code (E14001264), its name or its slug (leeds-east)")]
    Unknown,
    /// None, but this one is spelled nearly so.
    #[error("no such constituency; did you mean {0}?")]
    Nearly(String),
    /// A code of a constituency as it was before July 2024.
    #[error(
        "this is a constituency code from before July 2024: find the seat's new code by its name"
    )]
    OldCode,
}

impl Constituencies {
    /// The 650 constituencies of the United Kingdom since July 2024 (SI 2023/1230). Show [`CREDIT`] beside them.
    ///
    /// # Panics
    /// Never: the file is part of the program and a test reads it.
    pub fn builtin() -> Self {
        let mut list = Self::from_csv(BUILTIN).expect("the built-in list is well formed");
        let welsh = Table::open(BUILTIN_WELSH, LIMITS, &["code", "name_cy"], &["provenance"])
            .expect("the Welsh names are well formed");
        for row in welsh.rows() {
            let row = row.expect("the Welsh names are well formed");
            let code = Code::parse(row.get("code")).expect("the Welsh names have codes");
            list.set_welsh_name(code, row.get("name_cy"));
        }
        list.built_in = true;
        list
    }

    /// No constituencies: nobody is asked for one.
    pub fn none() -> Self {
        Self::index(Vec::new())
    }

    fn index(mut all: Vec<Constituency>) -> Self {
        all.sort_by(|a, b| (&a.group, &a.slug).cmp(&(&b.group, &b.slug)));
        let by_code = all
            .iter()
            .enumerate()
            .map(|(at, one)| (one.code, at))
            .collect();
        let mut by_slug: HashMap<Box<str>, usize> = HashMap::with_capacity(all.len());
        for (at, one) in all.iter().enumerate() {
            if let Some(slug) = one
                .name_cy
                .as_deref()
                .map(slug_of)
                .filter(|slug| !slug.is_empty())
            {
                by_slug.entry(slug.into()).or_insert(at);
            }
        }
        // A Welsh name never hides another seat's own name.
        by_slug.extend(
            all.iter()
                .enumerate()
                .map(|(at, one)| (one.slug.clone(), at)),
        );
        Self {
            all,
            by_code,
            by_slug,
            built_in: false,
        }
    }

    fn set_welsh_name(&mut self, code: Code, name: &str) {
        let Some(&at) = self.by_code.get(&code) else {
            return;
        };
        self.by_slug.entry(slug_of(name).into()).or_insert(at);
        if *name != *self.all[at].name {
            self.all[at].name_cy = Some(name.into());
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether this is the built-in list, so that [`CREDIT`] is due.
    pub fn is_builtin(&self) -> bool {
        self.built_in
    }

    /// All, sorted by group and name.
    pub fn iter(&self) -> impl Iterator<Item = &Constituency> {
        self.all.iter()
    }

    /// All by group, for a `<select>` with an `<optgroup>` each.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &[Constituency])> {
        self.all
            .chunk_by(|a, b| a.group == b.group)
            .map(|group| (&*group[0].group, group))
    }

    /// The constituency of exactly this code.
    pub fn get(&self, code: Code) -> Option<&Constituency> {
        self.by_code.get(&code).map(|at| &self.all[*at])
    }

    /// The constituency of this slug, as it stands in `news+leeds-east@`.
    pub fn by_slug(&self, slug: &str) -> Option<&Constituency> {
        self.by_slug
            .get(slug.to_ascii_lowercase().as_str())
            .map(|at| &self.all[*at])
    }

    /// The constituency of this English or Welsh name; case, accents, hyphens and punctuation don't matter.
    pub fn by_name(&self, name: &str) -> Option<&Constituency> {
        (name.len() <= 4 * MAX_NAME).then(|| self.by_slug(&slug_of(name)))?
    }

    /// What somebody means who writes a code, a name or a slug.
    ///
    /// # Errors
    /// [`NotFound`], with the nearest name if there is one.
    pub fn find(&self, text: &str) -> Result<Found<'_>, NotFound> {
        let text = text.trim();
        let exact = |constituency| Found {
            constituency,
            renumbered_from: None,
        };
        let code = Code::parse(text).ok();
        if let Some(code) = code {
            if let Some(found) = self.get(code) {
                return Ok(exact(found));
            }
            if let Some(found) = self.renumbered(code) {
                return Ok(Found {
                    constituency: found,
                    renumbered_from: Some(code),
                });
            }
        }
        if let Some(found) = self.by_name(text) {
            return Ok(exact(found));
        }
        Err(match code {
            Some(code) if self.built_in && is_ons_code(code.as_str()) => NotFound::OldCode,
            _ => self
                .nearest(text)
                .map_or(NotFound::Unknown, |one| NotFound::Nearly(one.label())),
        })
    }

    fn renumbered(&self, code: Code) -> Option<&Constituency> {
        let (_, new) = RENUMBERED.iter().find(|(old, _)| *old == code.as_str())?;
        self.get(Code::parse(new).ok()?).filter(|_| self.built_in)
    }

    fn nearest(&self, text: &str) -> Option<&Constituency> {
        if text.len() > 4 * MAX_NAME {
            return None;
        }
        let slug = slug_of(text);
        let distance = |one: &Constituency| strsim::osa_distance(&slug, &one.slug);
        let (distance, nearest) = self
            .all
            .iter()
            .map(|one| (distance(one), one))
            .min_by_key(|(d, _)| *d)?;
        (distance <= slug.len() / 4).then_some(nearest)
    }
}

/// Whether this looks like a code of the Office for National Statistics for a Westminster seat of any year.
fn is_ons_code(code: &str) -> bool {
    let series = ["E14", "W07", "S14", "N05", "N06"];
    code.len() == 9
        && code.get(..3).is_some_and(|start| series.contains(&start))
        && code.bytes().skip(3).all(|b| b.is_ascii_digit())
}

/// A name as it can stand in an address: lower-case ASCII letters and digits, one hyphen for all between, accents and
/// apostrophes dropped.
fn slug_of(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    let spelled = name.replace('&', " and ");
    for c in spelled
        .nfd()
        .filter(|c| !is_combining_mark(*c) && !matches!(c, '\'' | '\u{2019}'))
    {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

impl fmt::Debug for Constituency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Constituency(..)")
    }
}

impl fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Found(..)")
    }
}

impl fmt::Debug for Constituencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Constituencies({})", self.all.len())
    }
}

#[cfg(test)]
mod tests;
