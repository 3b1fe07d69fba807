//! `key`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::body::NewFile;
use super::context::Context;
use super::prompt;
use crate::control::Failure;
use crate::control::api::key::Backup;
use crate::control::api::service::Status;

/// Keys
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Print the recovery sheet: what must survive the loss of this host, on paper
    ///
    /// Whoever has the sheet and the database can read everything. Print it, keep it away from the host, and leave no file.
    #[command(
        after_help = "Examples:\n  hustings key backup | lp\n  hustings key backup --to /media/stick/sheet.txt"
    )]
    Backup {
        /// Write it to this file instead; it must not exist
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        to: Option<PathBuf>,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let KeyCommand::Backup { to, reason } = &args.command;
    let status = context.ask(&Status {})?;
    let backup = Backup {
        passphrase: if status.key.starts_with("passphrase") {
            Some(prompt::passphrase("Passphrase:")?)
        } else {
            None
        },
        reason: reason.clone(),
    };
    let sheet = context.ask(&backup)?;
    match to {
        None => context.print(&sheet, |_| sheet.text.reveal().to_owned()),
        Some(path) => {
            let mut file = NewFile::create(path)?;
            file.write(sheet.text.reveal().as_bytes())?;
            file.finish()
        }
    }
}
