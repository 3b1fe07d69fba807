//! How the walkthrough is told: a line a step with a tick, and below it what was seen. Colours on a terminal alone.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

/// The longest line of a transcript; more is cut.
const WIDEST: usize = 110;
/// How wide what is told is, and how far in the lines below a step are.
const COLUMNS: usize = 80;
const INDENT: usize = 6;

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours(pub bool);

impl Colours {
    /// On a terminal, unless `NO_COLOR` says otherwise.
    pub fn detect() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(!unwanted && io::stdout().is_terminal())
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(in crate::daemon::sandbox) fn strong(self, text: &str) -> String {
        self.paint(text, "1")
    }

    pub(in crate::daemon::sandbox) fn dim(self, text: &str) -> String {
        self.paint(text, "2")
    }
}

/// Tells the steps.
pub(super) struct Teller {
    colours: Colours,
    number: u32,
    began: Instant,
    seen: Vec<String>,
}

impl Teller {
    pub(super) fn new(colours: Colours) -> Self {
        Self {
            colours,
            number: 0,
            began: Instant::now(),
            seen: Vec::new(),
        }
    }

    /// Something that was seen.
    pub(super) fn saw(&mut self, line: impl AsRef<str>) {
        self.seen.push(cut(line.as_ref()));
    }

    /// A transcript.
    pub(super) fn saw_all<S: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = S>) {
        lines.into_iter().for_each(|line| self.saw(line));
    }

    /// A step begins.
    pub(super) fn begin(&mut self) {
        self.number += 1;
        self.began = Instant::now();
        self.seen.clear();
    }

    /// It ended well.
    pub(super) fn held(&mut self, title: &str) {
        let tick = self.colours.paint("✓", "32;1");
        self.tell(&tick, title);
    }

    /// It did not.
    pub(super) fn broke(&mut self, title: &str, why: &str) {
        let cross = self.colours.paint("✗", "31;1");
        self.tell(&cross, title);
        for part in broken(&cut(why)) {
            let part = self.colours.paint(&part, "31");
            self.print(&format!("{:INDENT$}{part}\n", ""));
        }
    }

    fn tell(&self, mark: &str, title: &str) {
        let took = format!("{:.1} s", self.began.elapsed().as_secs_f32());
        let title = self.colours.strong(title);
        let mut text = format!(
            "{mark} {:>2}  {title}  {}\n",
            self.number,
            self.colours.dim(&took)
        );
        for line in &self.seen {
            for part in broken(line) {
                text += &format!("{:INDENT$}{}\n", "", self.colours.dim(&part));
            }
        }
        self.print(&text);
    }

    /// A line between steps.
    pub(super) fn say(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    fn print(&self, text: &str) {
        // A reader that has gone changes nothing of what is being tried.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
}

fn cut(line: &str) -> String {
    let clean: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match clean.char_indices().nth(WIDEST) {
        Some((at, _)) => format!("{}…", &clean[..at]),
        None => clean,
    }
}

/// A line in parts that fit; the parts behind the first are set in.
fn broken(line: &str) -> Vec<String> {
    let room = COLUMNS - INDENT - 2;
    let all: Vec<char> = line.chars().collect();
    if all.len() <= room + 2 {
        return vec![line.to_owned()];
    }
    let mut parts = Vec::new();
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let most = if parts.is_empty() { room + 2 } else { room };
        let (mut here, _) = rest.split_at(most.min(rest.len()));
        // At a space, if there is one not too far back.
        if here.len() < rest.len()
            && let Some(space) = here.iter().rposition(|one| *one == ' ')
            && space > room / 2
        {
            here = &here[..=space];
        }
        let text: String = here.iter().collect();
        let set_in = if parts.is_empty() { "" } else { "  " };
        parts.push(format!("{set_in}{}", text.trim_end()));
        rest = &rest[here.len()..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_cleaned() {
        assert_eq!(cut("a\x1b[1m\nb"), "a [1m b");
        assert_eq!(cut(&"é".repeat(200)).chars().count(), WIDEST + 1);
        assert_eq!(Colours(false).strong("x"), "x");
        let line = cut(&"word ".repeat(40));
        let parts = broken(&line);
        assert!(parts.len() > 1);
        assert!(
            parts
                .iter()
                .all(|one| one.chars().count() + INDENT <= COLUMNS)
        );
        assert_eq!(
            broken(&"x".repeat(111)).concat().replace(' ', ""),
            "x".repeat(111)
        );
    }
}
