//! The annotated configuration file and the reference, written from the declarations.

use std::fmt::Write;

use super::Config;
use super::declare::{Field, Inner, Kind, Section};

const TOML_HEAD: &str = "\
# The configuration of Hustings, with every key there is.
# Lines that start with `# ` explain; lines that start with `#` and a key show its default or an example:
# remove the `#` to set it. Keys without `#` must be set.
";

const REFERENCE_HEAD: &str = "\
# Configuration

Every key of `hustings.toml`. The file `config/hustings.toml` has the same, ready to be filled in.
Both are written from the code: run `UPDATE=1 cargo test --lib config::tests::documents` after a change there.
";

/// Characters in a line of the annotated file.
const WIDTH: usize = 100;

/// The annotated `hustings.toml`: parses as it stands, with examples for what must be given.
pub fn annotated_toml() -> String {
    let mut text = TOML_HEAD.to_owned();
    text.push('\n');
    comment(&mut text, Config::DOC);
    text.push('\n');
    table(&mut text, "", &Config::fields(), false);
    text
}

fn comment(text: &mut String, doc: &[&str]) {
    let all = doc
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ");
    let mut line = String::from("#");
    for word in all.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// A table's values, then the tables inside it, as TOML wants; `off` if the whole table is only shown.
fn table(text: &mut String, path: &str, fields: &[Field], off: bool) {
    for field in fields {
        let (value, shown) = match &field.kind {
            Kind::Required { example, .. } => (example, off),
            Kind::Optional { example, .. }
            | Kind::Default {
                default: example, ..
            } => (example, true),
            _ => continue,
        };
        comment(text, field.doc);
        let _ = writeln!(
            text,
            "{}{} = {value}",
            if shown { "#" } else { "" },
            field.name
        );
    }
    for field in fields {
        let path = if path.is_empty() {
            field.name.to_owned()
        } else {
            format!("{path}.{}", field.name)
        };
        match &field.kind {
            Kind::Section { inner, optional } => {
                head(text, &format!("[{path}]"), inner.doc, off || *optional);
                table(text, &path, &inner.fields, off || *optional);
            }
            Kind::Tables(inner) => {
                head(text, &format!("[[{path}]]"), inner.doc, off);
                table(text, &path, &inner.fields, off);
            }
            Kind::Keyed(inner, key) => {
                let path = format!("{path}.{key}");
                head(text, &format!("[{path}]"), inner.doc, off);
                table(text, &path, &inner.fields, off);
            }
            Kind::Map { key, example, .. } => {
                head(text, &format!("[{path}]"), field.doc, off);
                let _ = writeln!(text, "#\"{key}\" = {example}");
            }
            _ => {}
        }
    }
}

fn head(text: &mut String, name: &str, doc: &[&str], off: bool) {
    text.push('\n');
    comment(text, doc);
    let _ = writeln!(text, "{}{name}", if off { "#" } else { "" });
}

/// The reference, `docs/config.md`.
pub fn reference() -> String {
    let mut text = REFERENCE_HEAD.to_owned();
    text.push_str("\n## Top of the file\n\n");
    reference_table(
        &mut text,
        "",
        &Inner {
            doc: Config::DOC,
            fields: Config::fields(),
        },
    );
    text
}

fn reference_table(text: &mut String, path: &str, inner: &Inner) {
    text.push_str(&joined(inner.doc));
    text.push_str("\n\n");
    for field in &inner.fields {
        let what = match &field.kind {
            Kind::Required { expected, example } => {
                format!("{expected}; **must be set**, e.g. `{example}`")
            }
            Kind::Optional { expected, example } => {
                format!("{expected}; not set by default, e.g. `{example}`")
            }
            Kind::Default { expected, default } => format!("{expected}; default `{default}`"),
            _ => continue,
        };
        let _ = writeln!(
            text,
            "- **`{}`**: {}\n  ({what})",
            field.name,
            joined(field.doc)
        );
    }
    for field in &inner.fields {
        let path = if path.is_empty() {
            field.name.to_owned()
        } else {
            format!("{path}.{}", field.name)
        };
        match &field.kind {
            Kind::Section { inner, optional } => {
                let note = if *optional { ", may be left out" } else { "" };
                let _ = writeln!(text, "\n## `[{path}]`{note}\n");
                reference_table(text, &path, inner);
            }
            Kind::Tables(inner) => {
                let _ = writeln!(text, "\n## `[[{path}]]`, any number\n");
                reference_table(text, &path, inner);
            }
            Kind::Keyed(inner, key) => {
                let _ = writeln!(
                    text,
                    "\n## `[{path}.NAME]`, any number, e.g. `[{path}.{key}]`\n"
                );
                reference_table(text, &format!("{path}.NAME"), inner);
            }
            Kind::Map {
                expected,
                key,
                example,
            } => {
                let _ = writeln!(
                    text,
                    "\n## `[{path}]`, may be left out\n\n{}\n",
                    joined(field.doc)
                );
                let _ = writeln!(
                    text,
                    "- **any key**: {expected}; e.g. `\"{key}\" = {example}`"
                );
            }
            _ => {}
        }
    }
}

fn joined(doc: &[&str]) -> String {
    doc.iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ")
}
