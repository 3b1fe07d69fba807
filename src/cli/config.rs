//! `config`.

use clap::Subcommand;

use super::Global;
use super::context::Context;
use crate::control::Failure;
use crate::control::api::service::Reload;

/// The configuration
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Have the running service read its configuration and certificates again
    #[command(after_help = "Examples:\n  hustings config check && hustings config reload")]
    Reload,
}

pub(super) fn run(args: &Args, _: &Global, context: &Context) -> Result<(), Failure> {
    match &args.command {
        ConfigCommand::Reload => context.print_answer(&Reload {}, |reloaded, _| {
            if reloaded.needs_restart.is_empty() {
                return "The configuration is in force.\n".into();
            }
            format!(
                "The configuration is in force, but for what needs a restart: {}\n",
                reloaded.needs_restart.join(", ")
            )
        }),
    }
}
