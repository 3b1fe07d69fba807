//! The set as a zone file, to be put into one or typed over from.

use std::fmt::Write as _;

use super::{Act, Wanted};

/// The records as lines of a zone file. What isn't in the party's hands stands as a comment.
pub fn zone_file(all: &[Wanted]) -> String {
    let mut text = String::new();
    let mut of = None;
    for wanted in all {
        let whose = wanted
            .domain
            .as_ref()
            .map_or("this host", |domain| domain.as_str());
        if of != Some(whose) {
            let _ = writeln!(text, "{}; {whose}", if of.is_some() { "\n" } else { "" });
            of = Some(whose);
        }
        let line = wanted.line();
        let note = wanted.note.as_deref().unwrap_or_default();
        let _ = match wanted.act {
            Act::Publish => writeln!(text, "{line}"),
            Act::Keep => writeln!(text, "; {note}:\n{line}"),
            Act::AskProvider => writeln!(text, "; {note}:\n; {line}"),
            Act::Remove => writeln!(text, "; {note}: {}. {}", wanted.name, wanted.data.kind()),
        };
    }
    text
}
