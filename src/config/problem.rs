//! What is wrong with a configuration: every problem at once, each with its place and the next step.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Problems listed at once; a file that is no configuration at all would fill the screen.
const MOST_SHOWN: usize = 50;
/// Characters of a source line shown.
const LONGEST_LINE: usize = 120;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key it's about, as in `list.news.from`; empty if it's about the whole file.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// The next step.
    pub help: String,
    /// Whether it's only that this Unix user may not look.
    pub unseen: bool,
    span: Option<Range<usize>>,
}

/// A configuration that can't be used: all that is wrong with it. `Display` shows each problem with file, line, column
/// and the line itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    file: Option<String>,
    text: Arc<str>,
    problems: Vec<Problem>,
}

impl ConfigErrors {
    pub(super) fn new(file: Option<&Path>, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        problems.dedup();
        Self {
            file: file.map(|path| path.display().to_string()),
            text: text.into(),
            problems,
        }
    }

    /// The problems, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Parts what this Unix user may not look at from what is wrong, which may be nothing.
    pub fn without_unseen(mut self) -> (Vec<Problem>, Option<Self>) {
        let (unseen, wrong) = self.problems.into_iter().partition(|one| one.unseen);
        self.problems = wrong;
        let wrong = !self.problems.is_empty();
        (unseen, wrong.then_some(self))
    }

    /// Line and column of a problem, both from 1; `None` if it has no place of its own.
    pub fn place(&self, problem: &Problem) -> Option<(usize, usize)> {
        let start = problem.span.as_ref()?.start.min(self.text.len());
        let before = &self.text[..self.text.floor_char_boundary(start)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some((
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        ))
    }

    fn write_problem(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        writeln!(f, "error: {}", printable(&problem.message))?;
        let file = self.file.as_deref().unwrap_or("configuration");
        match self.place(problem) {
            None => writeln!(f, "  --> {file}")?,
            Some((line, column)) => {
                let width = line.to_string().len();
                writeln!(f, "{:width$}--> {file}:{line}:{column}", "")?;
                let (shown, carets) = self.excerpt(problem, line, column);
                writeln!(
                    f,
                    "{:width$} |\n{line} | {shown}\n{:width$} | {carets}",
                    "", ""
                )?;
            }
        }
        if !problem.key.is_empty() {
            writeln!(f, "   = key: {}", printable(&problem.key))?;
        }
        writeln!(f, "   = help: {}", printable(&problem.help))
    }

    /// The source line and the carets below it, cut to what fits on a screen.
    fn excerpt(&self, problem: &Problem, line: usize, column: usize) -> (String, String) {
        let source = self.text.lines().nth(line - 1).unwrap_or_default();
        let skip = if column > LONGEST_LINE {
            column - LONGEST_LINE / 2
        } else {
            0
        };
        let shown: String = source.chars().skip(skip).take(LONGEST_LINE).collect();
        let shown = printable(&shown);
        let span = problem.span.clone().unwrap_or_default();
        let marked = self.text.get(span).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default().chars().count();
        let before = column - 1 - skip;
        let room = shown.chars().count().saturating_sub(before);
        (
            shown.trim_end().to_owned(),
            " ".repeat(before) + &"^".repeat(marked.min(room).max(1)),
        )
    }
}

/// Without what a terminal would obey: keys and lines come from a file.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.problems.iter().take(MOST_SHOWN) {
            self.write_problem(f, problem)?;
            writeln!(f)?;
        }
        let count = self.problems.len();
        if count > MOST_SHOWN {
            writeln!(f, "… and {} more", count - MOST_SHOWN)?;
        }
        let file = self.file.as_deref().unwrap_or("the configuration");
        write!(
            f,
            "{file}: {count} {}",
            if count == 1 { "problem" } else { "problems" }
        )
    }
}

impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigErrors({} problems)", self.problems.len())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects problems, and remembers where each key stands.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: RefCell<Vec<Problem>>,
    places: RefCell<BTreeMap<String, Range<usize>>>,
    incomplete: Cell<bool>,
}

impl Problems {
    pub(super) fn remember(&self, key: &str, span: Range<usize>) {
        self.places.borrow_mut().insert(key.to_owned(), span);
    }

    /// Notes a problem at a place of the file.
    pub(super) fn add(
        &self,
        key: &str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (message, help) = (message.into(), help.into());
        self.found.borrow_mut().push(Problem {
            key: key.to_owned(),
            message,
            help,
            unseen: false,
            span,
        });
    }

    /// Notes that something can't be looked at by this Unix user.
    fn unseen(&self, key: &str, message: String, help: String) {
        self.about(key, message, help);
        if let Some(last) = self.found.borrow_mut().last_mut() {
            last.unseen = true;
        }
    }

    /// Notes a problem with a key, at its place or at that of the table it belongs to.
    pub(super) fn about(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let places = self.places.borrow();
        let mut at = key;
        let span = loop {
            match (places.get(at), at.rfind('.')) {
                (Some(span), _) => break Some(span.clone()),
                (None, Some(dot)) => at = &at[..dot],
                (None, None) => break None,
            }
        };
        self.add(key, span, message, help);
    }

    /// Notes that a value could not be read, so that an example stands in its place.
    pub(super) fn set_incomplete(&self) {
        self.incomplete.set(true);
    }

    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete.get()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.found.into_inner()
    }
}

/// A table of the configuration, as checks see it: where to report.
#[derive(Debug, Clone)]
pub(super) struct Place<'p> {
    path: String,
    problems: &'p Problems,
}

impl<'p> Place<'p> {
    pub(super) fn root(problems: &'p Problems) -> Self {
        Self {
            path: String::new(),
            problems,
        }
    }

    /// The key of something in this table.
    pub(super) fn key(&self, name: &str) -> String {
        match (self.path.is_empty(), name.is_empty()) {
            (true, _) => name.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{name}", self.path),
        }
    }

    pub(super) fn child(&self, name: &str) -> Self {
        Self {
            path: self.key(name),
            problems: self.problems,
        }
    }

    /// Reports a problem with a key of this table (`""`: the table itself).
    pub(super) fn problem(&self, name: &str, message: impl Into<String>, help: impl Into<String>) {
        self.problems.about(&self.key(name), message, help);
    }

    /// Reports that something which a key of this table names can't be looked at: a problem for the service, and for
    /// somebody who only checks none.
    pub(super) fn unseen(&self, name: &str, message: impl Into<String>, help: impl Into<String>) {
        self.problems
            .unseen(&self.key(name), message.into(), help.into());
    }

    /// Reports a problem unless `holds`.
    pub(super) fn expect(
        &self,
        holds: bool,
        name: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if !holds {
            self.problem(name, message, help);
        }
    }

    pub(super) fn problems(&self) -> &'p Problems {
        self.problems
    }
}
