//! How a section of the configuration is declared.
//!
//! `section!` declares a struct whose fields carry their documentation, their kind and their default or example. From
//! that one declaration come the typed struct, its reader, the annotated `hustings.toml` and `docs/config.md`, so that
//! they can't disagree.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::problem::Place;
use super::read::Reader;
use super::values::Name;

/// A value that stands behind one key.
pub(super) trait Leaf: Sized {
    /// What is expected, as in "expected …".
    const EXPECTED: &'static str;
    /// Reads it, or says what is wrong and where.
    fn read(
        value: &Spanned<DeValue<'_>>,
        bad: &mut dyn FnMut(Range<usize>, String),
    ) -> Option<Self>;
    /// Writes it as TOML.
    fn to_toml(&self) -> String;
}

/// Checks within one section; those between sections are in `check.rs`.
pub(super) trait Check {
    /// Reports what is wrong with this section's values.
    fn check(&self, _at: &Place<'_>) {}
}

/// A table of the configuration; made by `section!`.
pub(super) trait Section: Check + Sized {
    /// Its documentation, a line each.
    const DOC: &'static [&'static str];
    /// Its keys.
    fn fields() -> Vec<Field>;
    /// Reads it. What is missing or wrong is noted, and its example or default taken, so that the checks see the rest.
    fn read(from: &mut Reader<'_>) -> Self;
    /// With the examples for what is required, and the defaults for the rest.
    fn example() -> Self;
    /// Runs the checks of the sections inside.
    fn check_nested(&self, at: &Place<'_>);
}

/// One key, for the documents.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) doc: &'static [&'static str],
    pub(super) kind: Kind,
}

/// What a key takes.
#[derive(Debug)]
pub(super) enum Kind {
    /// A value that must be given; with an example.
    Required {
        expected: &'static str,
        example: String,
    },
    /// A value that may be left out; with an example.
    Optional {
        expected: &'static str,
        example: String,
    },
    /// A value with its default.
    Default {
        expected: &'static str,
        default: String,
    },
    /// A table of keys and values; with an example of both.
    Map {
        expected: &'static str,
        key: &'static str,
        example: String,
    },
    /// A table.
    Section { inner: Inner, optional: bool },
    /// Several tables: `[[name]]`.
    Tables(Inner),
    /// A table per name: `[list.news]`; with an example of a name.
    Keyed(Inner, &'static str),
}

/// What the documents need of a section inside another.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) doc: &'static [&'static str],
    pub(super) fields: Vec<Field>,
}

impl Inner {
    fn of<T: Section>() -> Self {
        Self {
            doc: T::DOC,
            fields: T::fields(),
        }
    }
}

type Doc = &'static [&'static str];

/// One constructor per kind, named like the kind in `section!`; the `PhantomData` only carries the field's type.
impl Field {
    pub(super) fn required<T: Leaf>(
        _: PhantomData<T>,
        name: &'static str,
        doc: Doc,
        text: &str,
    ) -> Self {
        let example = example_of::<T>(text).to_toml();
        Self {
            name,
            doc,
            kind: Kind::Required {
                expected: T::EXPECTED,
                example,
            },
        }
    }

    pub(super) fn optional<T: Leaf>(
        _: PhantomData<Option<T>>,
        name: &'static str,
        doc: Doc,
        text: &str,
    ) -> Self {
        let example = example_of::<T>(text).to_toml();
        Self {
            name,
            doc,
            kind: Kind::Optional {
                expected: T::EXPECTED,
                example,
            },
        }
    }

    pub(super) fn default<T: Leaf>(
        _: PhantomData<T>,
        name: &'static str,
        doc: Doc,
        value: T,
    ) -> Self {
        let default = value.to_toml();
        Self {
            name,
            doc,
            kind: Kind::Default {
                expected: T::EXPECTED,
                default,
            },
        }
    }

    pub(super) fn map<T: Leaf>(
        _: PhantomData<BTreeMap<String, T>>,
        name: &'static str,
        doc: Doc,
        (key, text): (&'static str, &str),
    ) -> Self {
        let example = example_of::<T>(text).to_toml();
        Self {
            name,
            doc,
            kind: Kind::Map {
                expected: T::EXPECTED,
                key,
                example,
            },
        }
    }

    pub(super) fn section<T: Section>(_: PhantomData<T>, name: &'static str, doc: Doc) -> Self {
        Self {
            name,
            doc,
            kind: Kind::Section {
                inner: Inner::of::<T>(),
                optional: false,
            },
        }
    }

    pub(super) fn optional_section<T: Section>(
        _: PhantomData<Option<T>>,
        name: &'static str,
        doc: Doc,
    ) -> Self {
        Self {
            name,
            doc,
            kind: Kind::Section {
                inner: Inner::of::<T>(),
                optional: true,
            },
        }
    }

    pub(super) fn tables<T: Section>(_: PhantomData<Vec<T>>, name: &'static str, doc: Doc) -> Self {
        Self {
            name,
            doc,
            kind: Kind::Tables(Inner::of::<T>()),
        }
    }

    pub(super) fn keyed<T: Section>(
        _: PhantomData<BTreeMap<Name, T>>,
        name: &'static str,
        doc: Doc,
        key: &'static str,
    ) -> Self {
        Self {
            name,
            doc,
            kind: Kind::Keyed(Inner::of::<T>(), key),
        }
    }
}

/// The value that an example in a declaration means: TOML, or else a plain text.
pub(super) fn example_of<T: Leaf>(text: &str) -> T {
    let read = |value: &Spanned<DeValue<'_>>| T::read(value, &mut |_, _| {});
    let value = DeValue::parse(text).ok().and_then(|value| read(&value));
    let text_value = || read(&Spanned::new(0..0, DeValue::String(text.into())));
    value
        .or_else(text_value)
        .expect("each example is valid: a test makes them all")
}

/// One function per kind: the example of a field.
pub(super) mod example {
    use super::{BTreeMap, Leaf, Name, Section, example_of};

    pub(in crate::config) fn required<T: Leaf>(text: &str) -> T {
        example_of(text)
    }
    pub(in crate::config) fn optional<T: Leaf>(_: &str) -> Option<T> {
        None
    }
    pub(in crate::config) fn default<T: Leaf>(value: T) -> T {
        value
    }
    pub(in crate::config) fn map<T: Leaf>(_: (&str, &str)) -> BTreeMap<String, T> {
        BTreeMap::new()
    }
    pub(in crate::config) fn section<T: Section>() -> T {
        T::example()
    }
    pub(in crate::config) fn optional_section<T: Section>() -> Option<T> {
        None
    }
    pub(in crate::config) fn tables<T: Section>() -> Vec<T> {
        vec![T::example()]
    }
    pub(in crate::config) fn keyed<T: Section>(key: &str) -> BTreeMap<Name, T> {
        let name = Name::parse(key).expect("each example is valid: a test makes them all");
        BTreeMap::from([(name, T::example())])
    }
}

/// One function per kind: the checks of what is inside a field.
pub(super) mod nested {
    use super::{BTreeMap, Leaf, Name, Place, Section};

    pub(in crate::config) fn required<T: Leaf>(_: &T, _: &Place<'_>) {}
    pub(in crate::config) fn optional<T: Leaf>(_: &Option<T>, _: &Place<'_>) {}
    pub(in crate::config) fn default<T: Leaf>(_: &T, _: &Place<'_>) {}
    pub(in crate::config) fn map<T: Leaf>(_: &BTreeMap<String, T>, _: &Place<'_>) {}
    pub(in crate::config) fn section<T: Section>(value: &T, at: &Place<'_>) {
        value.check(at);
        value.check_nested(at);
    }
    pub(in crate::config) fn optional_section<T: Section>(value: &Option<T>, at: &Place<'_>) {
        value.iter().for_each(|value| section(value, at));
    }
    pub(in crate::config) fn tables<T: Section>(values: &[T], at: &Place<'_>) {
        values
            .iter()
            .enumerate()
            .for_each(|(n, value)| section(value, &at.child(&n.to_string())));
    }
    pub(in crate::config) fn keyed<T: Section>(values: &BTreeMap<Name, T>, at: &Place<'_>) {
        values
            .iter()
            .for_each(|(name, value)| section(value, &at.child(name.as_str())));
    }
}

/// Declares a section: `field: Type = kind(argument)`, where the kind is one of
/// - `required("example")`, `optional("example")` (for `Option`), `default(value)`: one value;
/// - `map(("key", "example"))`: keys chosen by the admin, one value each;
/// - `section()`, `optional_section()`, `tables()` (`[[name]]`), `keyed("example name")`: sections inside.
macro_rules! section {
    ($(#[doc = $doc:literal])* pub struct $name:ident {
        $($(#[doc = $field_doc:literal])* $field:ident: $type:ty = $kind:ident($($arg:expr)?)),* $(,)?
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $type,)*
        }

        impl $crate::config::declare::Section for $name {
            const DOC: &'static [&'static str] = &[$($doc),*];

            fn fields() -> Vec<$crate::config::declare::Field> {
                vec![$($crate::config::declare::Field::$kind(
                    std::marker::PhantomData::<$type>,
                    stringify!($field),
                    &[$($field_doc),*],
                    $($arg)?
                )),*]
            }

            fn read(from: &mut $crate::config::read::Reader<'_>) -> Self {
                $(let $field: $type = from.$kind(stringify!($field), $($arg)?);)*
                from.finish(&[$(stringify!($field)),*]);
                Self { $($field),* }
            }

            fn example() -> Self {
                Self { $($field: $crate::config::declare::example::$kind($($arg)?)),* }
            }

            fn check_nested(&self, at: &$crate::config::problem::Place<'_>) {
                $($crate::config::declare::nested::$kind(&self.$field, &at.child(stringify!($field)));)*
            }
        }
    };
}

pub(super) use section;
