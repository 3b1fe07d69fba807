//! `key`.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use zeroize::Zeroizing;

use super::Global;
use super::body::{NewFile, read_small};
use super::code::CodeArg;
use super::context::Context;
use super::{init, prompt};
use crate::config::{Config, KeySource};
use crate::control::api::key::Backup;
use crate::control::api::service::Status;
use crate::control::{Class, Failure};
use crate::daemon::key_restore;
use crate::vault::{RecoverySheet, check_passphrase};

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
        #[command(flatten)]
        code: CodeArg,
    },
    /// Put the root key back from the recovery sheet, when its file, credential or passphrase is lost
    ///
    /// Stop the service first, and run it as root on the host where the database is. The key goes to where the configuration
    /// says that it comes from; where that is a passphrase, a new one is asked for and a new sheet made. It stands in the
    /// audit log. Type the sheet's numbered lines and its last line into a file in memory (/dev/shm), and delete it afterwards.
    #[command(
        after_help = "Examples:\n  hustings key restore /dev/shm/sheet.txt\n  hustings key restore - < /media/stick/sheet.txt"
    )]
    Restore {
        /// The text of the sheet; `-` is standard input
        #[arg(value_hint = ValueHint::FilePath)]
        sheet: PathBuf,
        /// Bind the credential to this machine's TPM
        #[arg(long)]
        tpm: bool,
        /// Where the key comes from a passphrase: write the new sheet to this file, which must not exist
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        sheet_to: Option<PathBuf>,
    },
}

pub(super) fn run(args: &Args, global: &Global, context: &Context) -> Result<(), Failure> {
    init::guard_memory();
    match &args.command {
        KeyCommand::Backup { to, reason, code } => {
            backup(to.as_deref(), reason.as_deref(), *code, context)
        }
        KeyCommand::Restore {
            sheet,
            tpm,
            sheet_to,
        } => restore(sheet, *tpm, sheet_to.as_deref(), global, context),
    }
}

fn restore(
    sheet: &Path,
    tpm: bool,
    sheet_to: Option<&Path>,
    global: &Global,
    context: &Context,
) -> Result<(), Failure> {
    let what = "can't restore the root key";
    let config = Config::load_without_files(&global.config).map_err(|errors| {
        Failure::failed(what, errors.to_string(), "put the configuration back first")
    })?;
    // Before the key is another: afterwards there would be nowhere for the new sheet.
    let sheet_to = match config.key.source {
        KeySource::Passphrase => sheet_to.map(NewFile::create).transpose()?,
        KeySource::Credential | KeySource::File => None,
    };
    let text = Zeroizing::new(read_small(sheet)?);
    let sheet = RecoverySheet::parse(&text)
        .map_err(|error| Failure::from_error(Class::Refused, what, &error))?;
    let passphrase = match config.key.source {
        KeySource::Passphrase => Some(prompt::new_passphrase(|text| {
            check_passphrase(text).map_err(|error| error.to_string())
        })?),
        KeySource::Credential | KeySource::File => None,
    };
    let credential = PathBuf::from(init::CREDENTIALS).join(&config.key.credential);
    let restored = context.run(async {
        key_restore::restore(&config, &sheet, passphrase.as_ref(), &credential, tpm)
            .await
            .map_err(|error| Failure::from_error(Class::Failed, what, &error))
    })?;
    if rustix::process::geteuid().is_root()
        && let Some((uid, gid)) = crate::daemon::init::known_service_user()
    {
        init::give_all(&config, uid, gid)?;
    }
    if let Some(sheet) = restored.sheet {
        init::println_note("The old recovery sheet opens nothing any more: destroy it.");
        init::hand_over(&sheet, sheet_to, context.style)?;
    }
    restored.logged.map_err(|error| {
        Failure::failed(
            "the root key is back, but the audit log doesn't say so",
            error.to_string(),
            "write it down by hand, delete the file with the sheet, mend what is said above and start the service",
        )
    })?;
    context.write("The root key is back. Start the service, and delete the file with the sheet.\n")
}

fn backup(
    to: Option<&Path>,
    reason: Option<&str>,
    code: CodeArg,
    context: &Context,
) -> Result<(), Failure> {
    // Before anything is asked or given: afterwards there would be nowhere for the sheet.
    let file = to.map(NewFile::create).transpose()?;
    let status = context.ask(&Status {})?;
    let backup = Backup {
        passphrase: if status.key.starts_with("passphrase") {
            Some(prompt::passphrase("Passphrase:")?)
        } else {
            None
        },
        reason: reason.map(str::to_owned),
    };
    code.read(context)?;
    let sheet = context.ask(&backup)?;
    match file {
        None => context.print(&sheet, |_| sheet.text.reveal().to_owned()),
        Some(mut file) => {
            file.write(sheet.text.reveal().as_bytes())?;
            file.finish()
        }
    }
}
