//! Reading a list of constituencies from CSV, and saying what is wrong with each bad row.

use std::collections::HashMap;
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::{Code, Constituencies, Constituency, NotACode, slug_of};
use crate::config::ConstituencySource;
use crate::consent::csv::{CsvError, Limits, Row, Table};

/// A party's own file: far more rows than any parliament has seats.
pub(super) const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    rows: 10_000,
    line: 1_000,
};
/// Characters in a name or a group; the longest official name has 40.
pub(super) const MAX_NAME: usize = 40;
/// Bytes in a slug: with a list's name and a plus before it, it must fit into a local part.
const MAX_SLUG: usize = 43;
/// What `news+…@` means already.
const RESERVED_SLUGS: [&str; 2] = ["subscribe", "unsubscribe"];

/// A party's own file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConstituencyFileError {
    /// The file can't be read.
    #[error("can't read the constituency file {path}: {source}; check its path and permissions")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Rows are wrong: all of them are named, and none is used, since a list with holes would orphan subscribers.
    #[error("the constituency file has {} bad {}:\n{}", .0.len(), if .0.len() == 1 { "row" } else { "rows" }, lines(.0))]
    Rows(Vec<RowError>),
}

/// One bad row of a constituency file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// It's no CSV.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// Its code isn't one.
    #[error("line {0}: {NotACode}")]
    Code(usize),
    /// Its name or group is empty or too long.
    #[error("line {0}: the {1} must have 1 to {MAX_NAME} characters")]
    Text(usize, &'static str),
    /// Its name has no letter or digit that could stand in an address.
    #[error("line {0}: the name has no Latin letter or digit, so no address could name it")]
    Slug(usize),
    /// Its name would make an address that means something else.
    #[error(
        "line {0}: the name can't be used: an address such as news+subscribe@ means something else"
    )]
    Reserved(usize),
    /// Code or name is on an earlier line.
    #[error("line {0}: the same {1} stands on line {2}: remove one")]
    Twice(usize, &'static str, usize),
    /// There's no row at all.
    #[error("line 1: no rows below the header: add one row per constituency")]
    Empty,
}

fn lines(errors: &[RowError]) -> String {
    errors
        .iter()
        .map(|error| format!("  {error}"))
        .collect::<Vec<_>>()
        .join("\n")
}

impl Constituencies {
    /// The list that the configuration asks for; `None` if nobody is asked for a constituency.
    ///
    /// # Errors
    /// [`ConstituencyFileError`]; every bad row is named.
    pub fn from_config(source: &ConstituencySource) -> Result<Option<Self>, ConstituencyFileError> {
        match source {
            ConstituencySource::BuiltIn => Ok(Some(Self::builtin())),
            ConstituencySource::None => Ok(None),
            ConstituencySource::File(path) => Self::load(path).map(Some),
        }
    }

    /// The party's own list from its file.
    ///
    /// # Errors
    /// [`ConstituencyFileError`]; every bad row is named.
    pub fn load(path: &Path) -> Result<Self, ConstituencyFileError> {
        let bytes = read_limited(path).map_err(|source| ConstituencyFileError::Unreadable {
            path: path.display().to_string(),
            source,
        })?;
        Self::from_csv(&bytes)
    }

    /// A list in CSV with the columns `code`, `name`, `nation` and, if wanted, `name_cy`.
    ///
    /// # Errors
    /// [`ConstituencyFileError::Rows`], naming every bad row.
    pub fn from_csv(bytes: &[u8]) -> Result<Self, ConstituencyFileError> {
        let table = Table::open(bytes, LIMITS, &["code", "name", "nation"], &["name_cy"])
            .map_err(|error| ConstituencyFileError::Rows(vec![error.into()]))?;
        let mut rows = Vec::with_capacity(table.len());
        let mut errors = Vec::new();
        let mut seen = HashMap::new();
        for row in table.rows() {
            match row
                .map_err(RowError::Csv)
                .and_then(|row| read_row(&row, &mut seen))
            {
                Ok(constituency) => rows.push(constituency),
                Err(error) => errors.push(error),
            }
        }
        if rows.is_empty() && errors.is_empty() {
            errors.push(RowError::Empty);
        }
        if errors.is_empty() {
            Ok(Self::index(rows))
        } else {
            Err(ConstituencyFileError::Rows(errors))
        }
    }
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let limit = LIMITS.bytes as u64 + 1;
    std::fs::File::open(path)?
        .take(limit)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What was seen so far, to find what stands in a list twice: the kind of key, the key, and its line.
type Seen = HashMap<(&'static str, String), usize>;

fn read_row(row: &Row<'_, '_>, seen: &mut Seen) -> Result<Constituency, RowError> {
    let code = Code::parse(row.get("code")).map_err(|_| RowError::Code(row.line))?;
    let text = |column: &'static str| {
        let text = row.get(column);
        let fits = !text.is_empty() && text.chars().count() <= MAX_NAME;
        if fits {
            Ok(text.nfc().collect::<String>())
        } else {
            Err(RowError::Text(row.line, column))
        }
    };
    let (name, group) = (text("name")?, text("nation")?);
    let name_cy = if row.get("name_cy").is_empty() {
        None
    } else {
        Some(text("name_cy")?)
    };
    let slug = slug_of(&name);
    if slug.len() > MAX_SLUG {
        return Err(RowError::Text(row.line, "name"));
    }
    if RESERVED_SLUGS.contains(&slug.as_str()) {
        return Err(RowError::Reserved(row.line));
    }
    if slug.is_empty() {
        return Err(RowError::Slug(row.line));
    }
    for (kind, key) in [("code", code.to_string()), ("name", slug.clone())] {
        if let Some(earlier) = seen.insert((kind, key), row.line) {
            return Err(RowError::Twice(row.line, kind, earlier));
        }
    }
    Ok(Constituency {
        code,
        name_cy: name_cy.filter(|welsh| *welsh != name).map(Into::into),
        name: name.into(),
        group: group.into(),
        slug: slug.into(),
    })
}
