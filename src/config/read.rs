//! Reading the sections from TOML: every problem is noted, and reading goes on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declare::{Leaf, Section, example_of};
use super::problem::{Place, Problems};
use super::values::Name;

/// Reads one table.
pub(super) struct Reader<'t> {
    table: &'t DeTable<'t>,
    at: Place<'t>,
    span: Option<Range<usize>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(table: &'t DeTable<'t>, at: Place<'t>, span: Option<Range<usize>>) -> Self {
        Self { table, at, span }
    }

    fn problems(&self) -> &'t Problems {
        self.at.problems()
    }

    /// The value of a key; where it stands is remembered for later checks.
    fn value(&self, name: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        let value = self.table.get(name)?;
        self.problems().remember(&self.at.key(name), value.span());
        Some(value)
    }

    fn missing(&self, name: &str, message: String, help: String) {
        self.problems()
            .add(&self.at.key(name), self.span.clone(), message, help);
        self.problems().set_incomplete();
    }

    fn leaf<T: Leaf>(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<T> {
        let read = T::read(value, &mut |span, wrong| {
            let message = format!("`{name}`: {wrong}");
            let help = format!("write {}", T::EXPECTED);
            self.problems()
                .add(&self.at.key(name), Some(span), message, help);
        });
        if read.is_none() {
            self.problems().set_incomplete();
        }
        read
    }

    pub(super) fn required<T: Leaf>(&mut self, name: &str, example: &str) -> T {
        let value = self.value(name);
        if value.is_none() {
            let shown = example_of::<T>(example).to_toml();
            let message = format!("`{name}` is missing: expected {}", T::EXPECTED);
            self.missing(
                name,
                message,
                format!("add it, for instance: {name} = {shown}"),
            );
        }
        value
            .and_then(|value| self.leaf(name, value))
            .unwrap_or_else(|| example_of(example))
    }

    pub(super) fn optional<T: Leaf>(&mut self, name: &str, _example: &str) -> Option<T> {
        self.value(name).and_then(|value| self.leaf(name, value))
    }

    pub(super) fn default<T: Leaf>(&mut self, name: &str, default: T) -> T {
        self.value(name)
            .and_then(|value| self.leaf(name, value))
            .unwrap_or(default)
    }

    pub(super) fn map<T: Leaf>(
        &mut self,
        name: &str,
        _example: (&str, &str),
    ) -> BTreeMap<String, T> {
        let Some((table, at)) = self.table_of(name) else {
            return BTreeMap::new();
        };
        let inner = Reader::new(table, at, None);
        let read = |key: &str| Some((key.to_owned(), inner.leaf(key, inner.value(key)?)?));
        table.keys().filter_map(|key| read(key.get_ref())).collect()
    }

    pub(super) fn section<T: Section>(&mut self, name: &str) -> T {
        match self.table_of(name) {
            Some((table, at)) => read_section(table, at, self.value(name).map(Spanned::span)),
            // Without a place of its own: what it lacks is reported where it should have stood.
            None => read_section(&DeTable::new(), self.at.child(name), self.span.clone()),
        }
    }

    pub(super) fn optional_section<T: Section>(&mut self, name: &str) -> Option<T> {
        let (table, at) = self.table_of(name)?;
        Some(read_section(table, at, self.value(name).map(Spanned::span)))
    }

    pub(super) fn tables<T: Section>(&mut self, name: &str) -> Vec<T> {
        let Some(value) = self.value(name) else {
            return Vec::new();
        };
        let at = self.at.child(name);
        let wanted = format!("a table [[{}]] for each", at.key(""));
        let Some(array) = value.get_ref().as_array() else {
            self.not_a_table(name, value, &wanted);
            return Vec::new();
        };
        let read = |(n, item): (usize, &Spanned<DeValue<'_>>)| {
            let at = at.child(&n.to_string());
            self.problems().remember(&at.key(""), item.span());
            let Some(table) = item.get_ref().as_table() else {
                self.not_a_table(name, item, &wanted);
                return None;
            };
            Some(read_section(table, at, Some(item.span())))
        };
        array.iter().enumerate().filter_map(read).collect()
    }

    pub(super) fn keyed<T: Section>(&mut self, name: &str, example: &str) -> BTreeMap<Name, T> {
        let Some((table, at)) = self.table_of(name) else {
            if !self.table.contains_key(name) {
                let message =
                    format!("`{name}` is missing: expected at least one table [{name}.{example}]");
                let help = format!(
                    "add a table such as [{name}.{example}]; the annotated hustings.toml shows its keys"
                );
                self.missing(name, message, help);
            }
            return BTreeMap::new();
        };
        table
            .iter()
            .filter_map(|(key, value)| self.keyed_one(&at, key, value))
            .collect()
    }

    fn keyed_one<T: Section>(
        &self,
        at: &Place<'t>,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<(Name, T)> {
        let at = at.child(key.get_ref());
        self.problems().remember(&at.key(""), value.span());
        let name = Name::parse(key.get_ref()).map_err(|error| {
            let message = format!(
                "`{}` can't name a table here: {error}",
                key.get_ref().escape_debug()
            );
            self.problems().add(
                &at.key(""),
                Some(key.span()),
                message,
                "choose another name",
            );
            self.problems().set_incomplete();
        });
        let Some(table) = value.get_ref().as_table() else {
            self.not_a_table(key.get_ref(), value, &format!("a table [{}]", at.key("")));
            return None;
        };
        let section = read_section(table, at, Some(value.span()));
        Some((name.ok()?, section))
    }

    /// The table behind a key, if the key is there; one that is no table is noted.
    fn table_of(&self, name: &str) -> Option<(&'t DeTable<'t>, Place<'t>)> {
        let value = self.value(name)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.not_a_table(name, value, &format!("a table [{}]", self.at.key(name)));
        }
        Some((table?, self.at.child(name)))
    }

    fn not_a_table(&self, name: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let message = format!(
            "`{name}` is {}: expected {wanted}",
            type_of(value.get_ref())
        );
        let help = format!("write {wanted}, with its keys below");
        self.problems()
            .add(&self.at.key(name), Some(value.span()), message, help);
        self.problems().set_incomplete();
    }

    /// Reports keys that no section has, with the nearest that it has.
    pub(super) fn finish(&self, known: &[&str]) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let distance = |known: &&&str| strsim::osa_distance(name, known);
            let nearest = known
                .iter()
                .min_by_key(distance)
                .filter(|near| distance(near) <= name.len().max(3) / 2);
            let help = match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("remove it; the keys here are: {}", known.join(", ")),
            };
            let message = format!("`{name}` isn't a known key");
            self.problems()
                .add(&self.at.key(name), Some(key.span()), message, help);
        }
    }
}

fn read_section<T: Section>(table: &DeTable<'_>, at: Place<'_>, span: Option<Range<usize>>) -> T {
    let section = T::read(&mut Reader::new(table, at.clone(), span));
    section.check(&at);
    section
}

/// What a TOML value is, in words.
pub(super) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with decimals",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
