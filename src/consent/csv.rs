//! CSV tables as people save them from a spreadsheet (RFC 4180): a header row, commas, quotes where needed.
//!
//! One line is one row: a quoted field may hold commas and doubled quotes but no line break, so that a bad row spoils
//! only itself and every error names its line. It knows nothing of what the columns mean.

use std::borrow::Cow;

/// What a file may hold before it's refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes in the file.
    pub bytes: usize,
    /// Rows below the header.
    pub rows: usize,
    /// Bytes in one line.
    pub line: usize,
}

/// What is wrong, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CsvError {
    /// The line in the file; the header is line 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: CsvProblem,
}

/// What can be wrong with a CSV file or a row of it. The messages never repeat a field: it may be personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvProblem {
    /// Over [`Limits::bytes`].
    #[error("the file is larger than {0} bytes: split it")]
    FileTooLarge(usize),
    /// Over [`Limits::rows`].
    #[error("the file has more than {0} rows: split it")]
    TooManyRows(usize),
    /// No header row.
    #[error("the file is empty: its first line names the columns {0}")]
    NoHeader(String),
    /// A required column is missing from the header.
    #[error(
        "the header has no column `{0}`: the first line names the columns {1}, separated by commas"
    )]
    MissingColumn(&'static str, String),
    /// The header has a column that isn't known.
    #[error("the header's column {0} isn't known: the columns are {1}; remove any other")]
    UnknownColumn(usize, String),
    /// The header names a column twice.
    #[error("the header names the column `{0}` twice: remove one")]
    ColumnTwice(&'static str),
    /// Not UTF-8.
    #[error("the line is not UTF-8: save the file as \"CSV UTF-8\"")]
    NotUtf8,
    /// Over [`Limits::line`].
    #[error("the line is longer than {0} bytes: shorten it")]
    LineTooLong(usize),
    /// Control characters inside a line.
    #[error("the line has a control character in it: remove it")]
    Control,
    /// A quote that opens and doesn't close in its line.
    #[error(
        "a quoted field isn't closed in this line: end it with \", and keep each row on one line"
    )]
    UnclosedQuote,
    /// A quote inside a field without quotes, or text behind a closing quote.
    #[error(
        "a quote stands inside a field: put the whole field in quotes and double the quote inside"
    )]
    StrayQuote,
    /// Fewer or more fields than columns.
    #[error(
        "the row has {found} fields and the header {expected} columns: put fields with commas in quotes"
    )]
    FieldCount {
        /// Fields in the row.
        found: usize,
        /// Columns in the header.
        expected: usize,
    },
}

/// The columns of a file: all that is needed to read its rows one at a time.
#[derive(Debug)]
pub struct Header {
    columns: Vec<&'static str>,
    line_limit: usize,
}

impl Header {
    /// Reads the first line of a file that must have the `required` columns and may have the `optional` ones, in any
    /// order.
    ///
    /// # Errors
    /// A [`CsvProblem`] if the header isn't as asked.
    pub fn read(
        line: &[u8],
        line_limit: usize,
        required: &[&'static str],
        optional: &[&'static str],
    ) -> Result<Self, CsvProblem> {
        let known: Vec<_> = required.iter().chain(optional).copied().collect();
        let names = known.join(",");
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        let columns = read_header(&split(line, line_limit)?, &known, &names)?;
        if let Some(missing) = required.iter().find(|name| !columns.contains(name)) {
            return Err(CsvProblem::MissingColumn(missing, names));
        }
        Ok(Self {
            columns,
            line_limit,
        })
    }

    /// Reads one row; `line` is its number in the file.
    ///
    /// # Errors
    /// A [`CsvError`] if the line can't be read or has too few or too many fields.
    pub fn row<'a>(&self, line: usize, bytes: &'a [u8]) -> Result<Row<'a, '_>, CsvError> {
        let fields = split(bytes, self.line_limit).map_err(|problem| CsvError { line, problem })?;
        let (found, expected) = (fields.len(), self.columns.len());
        if found != expected {
            return Err(CsvError {
                line,
                problem: CsvProblem::FieldCount { found, expected },
            });
        }
        Ok(Row {
            line,
            columns: &self.columns,
            fields,
        })
    }
}

/// A file whose header was read.
#[derive(Debug)]
pub struct Table<'a> {
    lines: Vec<(usize, &'a [u8])>,
    header: Header,
}

/// One row, with its line for error messages.
#[derive(Debug)]
pub struct Row<'a, 'c> {
    /// The line in the file.
    pub line: usize,
    columns: &'c [&'static str],
    fields: Vec<Cow<'a, str>>,
}

impl Row<'_, '_> {
    /// The field of a column, without white space around; empty if the file has no such column.
    pub fn get(&self, column: &str) -> &str {
        let at = self.columns.iter().position(|known| *known == column);
        at.and_then(|at| self.fields.get(at))
            .map_or("", |field| field.trim())
    }
}

impl<'a> Table<'a> {
    /// Reads the header of a file that must have the `required` columns and may have the `optional` ones, in any order.
    ///
    /// # Errors
    /// A [`CsvError`] if the file is too large or its header isn't as asked.
    pub fn open(
        bytes: &'a [u8],
        limits: Limits,
        required: &[&'static str],
        optional: &[&'static str],
    ) -> Result<Self, CsvError> {
        let at = |line| move |problem| CsvError { line, problem };
        if bytes.len() > limits.bytes {
            return Err(at(1)(CsvProblem::FileTooLarge(limits.bytes)));
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut lines = bytes
            .split(|b| *b == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .enumerate()
            .map(|(at, line)| (at + 1, line))
            .filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
        let Some((line, header)) = lines.next() else {
            let known: Vec<_> = required.iter().chain(optional).copied().collect();
            return Err(at(1)(CsvProblem::NoHeader(known.join(","))));
        };
        let header = Header::read(header, limits.line, required, optional).map_err(at(line))?;
        let lines: Vec<_> = lines.take(limits.rows + 1).collect();
        if lines.len() > limits.rows {
            return Err(at(lines[limits.rows].0)(CsvProblem::TooManyRows(
                limits.rows,
            )));
        }
        Ok(Self { lines, header })
    }

    /// Rows below the header, good or bad.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Each row, or why it can't be read; empty lines are left out.
    pub fn rows(&self) -> impl Iterator<Item = Result<Row<'a, '_>, CsvError>> {
        self.lines
            .iter()
            .map(|(line, bytes)| self.header.row(*line, bytes))
    }
}

fn read_header(
    header: &[Cow<'_, str>],
    known: &[&'static str],
    names: &str,
) -> Result<Vec<&'static str>, CsvProblem> {
    let mut columns = Vec::with_capacity(known.len());
    for (at, field) in header.iter().enumerate() {
        let name = field.trim().to_ascii_lowercase();
        let Some(column) = known.iter().find(|known| **known == name) else {
            return Err(CsvProblem::UnknownColumn(at + 1, names.to_owned()));
        };
        if columns.contains(column) {
            return Err(CsvProblem::ColumnTwice(column));
        }
        columns.push(*column);
    }
    Ok(columns)
}

/// Splits one line into its fields.
fn split(line: &[u8], limit: usize) -> Result<Vec<Cow<'_, str>>, CsvProblem> {
    if line.len() > limit {
        return Err(CsvProblem::LineTooLong(limit));
    }
    let line = std::str::from_utf8(line).map_err(|_| CsvProblem::NotUtf8)?;
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err(CsvProblem::Control);
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = if rest.starts_with('"') {
            quoted(rest)?
        } else {
            plain(rest)?
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

fn plain(text: &str) -> Result<(Cow<'_, str>, &str), CsvProblem> {
    let (field, after) = text.split_at(text.find(',').unwrap_or(text.len()));
    if field.contains('"') {
        return Err(CsvProblem::StrayQuote);
    }
    Ok((Cow::Borrowed(field), after))
}

fn quoted(text: &str) -> Result<(Cow<'_, str>, &str), CsvProblem> {
    let mut field = String::new();
    let mut rest = &text[1..];
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err(CsvProblem::UnclosedQuote);
        };
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(doubled) => {
                field.push('"');
                rest = doubled;
            }
            None if after.is_empty() || after.starts_with(',') => return Ok((field.into(), after)),
            None => return Err(CsvProblem::StrayQuote),
        }
    }
}

#[cfg(test)]
mod tests;
