//! How things look: colours where a terminal watches, tables as wide as it is, and nothing that a stranger wrote reaches
//! the terminal as a control sequence.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};

/// A number of things, in the singular if it's one.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColourChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a text says, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Quiet,
    Good,
    Warning,
    Bad,
}

/// How to write for whoever watches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) colour: bool,
    /// Columns; none writes each row on one line.
    pub(super) width: Option<u16>,
}

impl Style {
    /// For standard output as it is.
    pub(super) fn detect(choice: ColourChoice) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self {
            colour: wants_colour(choice, terminal),
            width: terminal.then(|| Table::new().width().unwrap_or(80)),
        }
    }

    /// A text in a tone.
    pub(super) fn paint(self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
        };
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Running text behind a label of so many columns; where nobody watches, the lines are as on a usual terminal.
    pub(super) fn prose(self, text: &str, label: usize) -> String {
        let width = usize::from(self.width.unwrap_or(80));
        set(&clean(text), label, label, width.max(label + 20))
    }

    /// A table of these rows.
    pub(super) fn table(self, head: &[&str], rows: Vec<Vec<Field>>) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        match self.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic);
                table.set_width(width);
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(
            head.iter()
                .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
        );
        for row in rows {
            table.add_row(row.into_iter().map(Field::cell));
        }
        if let Some(first) = table.column_mut(0) {
            first.set_padding((0, 1));
        }
        table.trim_fmt() + "\n"
    }
}

fn wants_colour(choice: ColourChoice, terminal: bool) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto => terminal && !no_color && !dumb,
    }
}

/// Whether errors, which go to standard error, are coloured.
pub(super) fn error_style(choice: ColourChoice) -> Style {
    Style {
        colour: wants_colour(choice, std::io::stderr().is_terminal()),
        width: None,
    }
}

/// A field of a table.
pub(super) struct Field {
    text: String,
    tone: Tone,
}

impl Field {
    fn cell(self) -> Cell {
        let cell = Cell::new(self.text);
        match self.tone {
            Tone::Plain => cell,
            Tone::Strong => cell.add_attribute(Attribute::Bold),
            Tone::Quiet => cell.add_attribute(Attribute::Dim),
            Tone::Good => cell.fg(Color::Green),
            Tone::Warning => cell.fg(Color::Yellow),
            Tone::Bad => cell.fg(Color::Red),
        }
    }
}

/// A plain field.
pub(super) fn field(text: impl std::fmt::Display) -> Field {
    toned(text, Tone::Plain)
}

/// A field in a tone.
pub(super) fn toned(text: impl std::fmt::Display, tone: Tone) -> Field {
    Field {
        text: clean(&text.to_string()),
        tone,
    }
}

/// A field that may be empty.
pub(super) fn optional(text: Option<impl std::fmt::Display>) -> Field {
    match text {
        Some(text) => field(text),
        None => toned("-", Tone::Quiet),
    }
}

/// A text on one line, without anything that a terminal would obey or that turns the reading direction.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|one| if harmful(one) { '\u{fffd}' } else { one })
        .collect()
}

/// A text of several lines, cleaned alike.
pub(super) fn clean_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|one| {
            if harmful(one) && !matches!(one, '\n' | '\t') {
                '\u{fffd}'
            } else {
                one
            }
        })
        .collect()
}

fn harmful(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A time for people: to the second, in UTC.
pub(super) fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Said under numbers that are not those of now, which who isn't an admin isn't shown.
pub(super) fn as_counted(at: jiff::Timestamp) -> String {
    format!(
        "As counted at {}, anew each day at 04:00 UTC, and rounded down (<5 is fewer than five, or none); \
         admins see the numbers of now.\n",
        time(at)
    )
}

/// How long lines of running text are.
const LINE: usize = 78;

/// Running text in lines that no terminal breaks inside a word.
pub(super) fn wrapped(text: &str) -> String {
    set(text, 0, 0, LINE)
}

/// Running text whose first line begins `used` columns in, and the others `indent`, up to `width`. A word that is longer
/// stays whole: it may be an address to be copied.
fn set(text: &str, used: usize, indent: usize, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut length = used;
    for (n, word) in text.split_whitespace().enumerate() {
        let next = word.chars().count();
        if n > 0 && length + 1 + next > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            length = indent;
        } else if n > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        assert_eq!(clean("a\x1b[31mb\r\nc"), "a\u{fffd}[31mb\u{fffd}\u{fffd}c");
        assert_eq!(clean("\u{202e}txt.exe"), "\u{fffd}txt.exe");
        assert_eq!(clean_lines("a\r\nb\tc\x07"), "a\nb\tc\u{fffd}");
        assert_eq!(clean("Ynys Môn"), "Ynys Môn");
    }

    #[test]
    fn colour_follows_the_choice_then_the_terminal() {
        assert!(wants_colour(ColourChoice::Always, false));
        assert!(!wants_colour(ColourChoice::Never, true));
        assert!(!wants_colour(ColourChoice::Auto, false));
    }

    #[test]
    fn a_table_fits_its_width() {
        let style = Style {
            colour: false,
            width: Some(40),
        };
        let long = "a rather long reason that has to be wrapped";
        let table = style.table(&["NAME", "WHY"], vec![vec![field("ada"), field(long)]]);
        assert!(
            table.lines().all(|line| line.chars().count() <= 40),
            "{table}"
        );
        assert!(table.lines().count() > 2);
        let wide = Style {
            colour: false,
            width: None,
        };
        let table = wide.table(&["NAME", "WHY"], vec![vec![field("ada"), field(long)]]);
        assert_eq!(table.lines().count(), 2, "{table}");
    }

    #[test]
    fn prose_is_set_in_below_its_label() {
        for (width, fits) in [(None, 80), (Some(50), 50)] {
            let style = Style {
                colour: false,
                width,
            };
            let set = style.prose(&"protects the file ".repeat(12), 13);
            let mut lines = set.lines();
            assert!(lines.next().is_some_and(|first| first.len() + 13 <= fits));
            assert!(
                lines.clone().count() > 2
                    && lines.all(|line| line.len() <= fits && line.starts_with(&" ".repeat(13)))
            );
        }
    }

    #[test]
    fn running_text_is_not_broken_inside_a_word() {
        let text = "a passphrase protects ".repeat(20);
        let out = wrapped(&text);
        assert!(out.lines().count() > 3 && out.lines().all(|line| line.chars().count() <= LINE));
        assert_eq!(out.replace('\n', " "), text.trim());
    }
}
