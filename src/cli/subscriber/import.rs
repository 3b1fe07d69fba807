//! `subscriber import`: two CSV files on their way to the daemon, and what it says of each row.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::ValueHint;

use crate::cli::body::open;
use crate::cli::context::{Context, Sinks, json_line};
use crate::cli::style::{Style, Tone, clean, counted};
use crate::control::Failure;
use crate::control::api::subscriber::{Import, Imported, RowVerdict};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("who_left").required(true).args(["suppressions", "no_suppressions"])))]
pub(super) struct File {
    /// The CSV file, or `-` for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Why; it stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The CSV file of those who left the old system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    suppressions: Option<PathBuf>,
    /// State that the old system has no list of those who left; it goes on the record
    #[arg(long)]
    no_suppressions: bool,
    /// Only say which rows of both files would be taken; nobody is asked and nobody is suppressed
    #[arg(long)]
    dry_run: bool,
}

/// The largest suppression file: it is held while it is sent, so that its length is known.
const SUPPRESSIONS_MAX: u64 = 256 << 20;

impl File {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let rows = open(&self.file)?;
        let left = self.suppressions.as_deref();
        let left = left.map(read_suppressions).transpose()?;
        let import = Import {
            suppression_bytes: left.as_ref().map(|bytes| bytes.len() as u64),
            dry_run: self.dry_run,
            reason: self.reason.clone(),
        };
        let left = left.unwrap_or_default();
        let mut from = io::Cursor::new(&*left).chain(rows);
        let mut show = |verdict: RowVerdict| {
            if context.json {
                context.write(&json_line(&verdict)?)
            } else {
                context.write(&verdict_line(&verdict, context.style))
            }
        };
        let sinks = Sinks {
            row: &mut show,
            body: &mut |_| Ok(()),
        };
        let imported = context.ask_into(&import, Some(&mut from), sinks)?;
        context.print(&imported, |_| imported_text(&imported, self.dry_run))
    }
}

fn read_suppressions(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, Failure> {
    let what = || format!("can't read {}", path.display());
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    open(path)?
        .take(SUPPRESSIONS_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::failed(what(), error.to_string(), "check that it is the right file")
        })?;
    if bytes.len() as u64 > SUPPRESSIONS_MAX {
        let why = format!("it has more than {SUPPRESSIONS_MAX} bytes");
        return Err(Failure::refused(what(), why, "split it"));
    }
    Ok(bytes)
}

pub(in crate::cli) fn verdict_line(verdict: &RowVerdict, style: Style) -> String {
    let line = style.paint(&format!("line {}:", verdict.line), Tone::Warning);
    format!("{line} {}\n", clean(&verdict.why))
}

pub(in crate::cli) fn imported_text(imported: &Imported, dry_run: bool) -> String {
    let would = if dry_run { "would be " } else { "" };
    let mut text = format!(
        "{} {would}taken, {} {would}refused.\n",
        counted(imported.taken, "row", "rows"),
        imported.refused,
    );
    if imported.suppressed > 0 {
        text += &format!(
            "{} from the suppression file: {}.\n",
            if dry_run {
                "Would be in force"
            } else {
                "In force"
            },
            counted(imported.suppressed, "row", "rows")
        );
    }
    if imported.outdated > 0 {
        text += &format!(
            "{}: {}, since who is named there said yes here later.\n",
            if dry_run {
                "Would not be in force"
            } else {
                "Not in force"
            },
            counted(imported.outdated, "row", "rows")
        );
    }
    if let Some(code) = &imported.code {
        text += &format!(
            "Nothing is sent until another admin agrees: hustings subscriber agree {}\nThen at most {} a day.\n",
            clean(code),
            counted(
                imported.challenges_per_day.into(),
                "challenge goes out",
                "challenges go out"
            ),
        );
    }
    text
}
