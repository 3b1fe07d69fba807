//! `store`.

use clap::Subcommand;

use super::context::Context;
use super::style::{Style, Tone, counted, field};
use crate::control::Failure;
use crate::control::api::store::Verify;
use crate::store::Verification;

/// Check the database
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Open every sealed value and name the rows that are broken; it changes nothing
    #[command(
        after_help = "Examples:\n  hustings store verify\n  hustings store verify --json | jq .findings"
    )]
    Verify,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let StoreCommand::Verify = args.command;
    let verification = context.ask(&Verify {})?;
    context.print(&verification, |style| text(&verification, style))?;
    if verification.is_clean() {
        return Ok(());
    }
    let broken = verification.findings.len() as u64 + verification.unnamed;
    Err(Failure::failed(
        "the store is not whole",
        counted(broken, "row is broken", "rows are broken"),
        "keep a copy of the file as it is; docs/operations.md says what each table means, and how to put back a copy from before",
    ))
}

pub(super) fn text(verification: &Verification, style: Style) -> String {
    let opened = verification
        .opened
        .iter()
        .map(|(table, rows)| vec![field(table), field(rows)])
        .collect();
    let mut text = style.table(&["TABLE", "OPENED"], opened);
    if verification.is_clean() {
        text += &format!("\n{}\n", style.paint("Every value opens.", Tone::Good));
        return text;
    }
    let broken = verification
        .findings
        .iter()
        .map(|finding| {
            vec![
                field(&finding.table),
                field(&finding.row),
                field(&finding.what),
            ]
        })
        .collect();
    text += "\n";
    text += &style.table(&["TABLE", "BROKEN ROW", "WHAT"], broken);
    if verification.unnamed > 0 {
        text += &format!("and {} more\n", verification.unnamed);
    }
    text
}
