//! `contact`.

use clap::Subcommand;

use super::context::Context;
use super::prompt::{self, ADDRESS_HELP};
use super::style::Style;
use crate::control::Failure;
use crate::control::api::contact::{Counts, Forget, Forgotten, List};

/// People outside who are known to have written themselves; for admins alone
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: ContactCommand,
}

#[derive(Debug, Subcommand)]
enum ContactCommand {
    /// Count contacts and the mail of strangers that waits; who they are can't be listed
    ///
    /// Mail of somebody who never wrote before waits in the folder Unconfirmed. Who presses the button in the mail that
    /// asks them, whose mail staff take out of that folder, or whom staff write to, is a contact from then on. Only a
    /// keyed hash of the address is kept.
    #[command(after_help = "Examples:\n  hustings contact list\n  hustings contact list --json")]
    List,
    /// Forget that an address is a contact: its next mail waits again, and its owner is asked
    #[command(
        after_help = "Examples:\n  hustings contact forget - --reason \"the address has a new owner\""
    )]
    Forget {
        #[arg(help = ADDRESS_HELP)]
        address: String,
        /// Why; it stands in the audit log: don't name the person
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        ContactCommand::List => context.print_answer(&List {}, counts_text),
        ContactCommand::Forget { address, reason } => {
            let forget = Forget {
                address: prompt::address(address)?,
                reason: reason.clone(),
            };
            context.print_answer(&forget, |forgotten, _| forgotten_text(forgotten))
        }
    }
}

pub(super) fn counts_text(counts: &Counts, _: Style) -> String {
    format!(
        "Contacts: {}\nWaiting:  {} (mails of strangers in folders Unconfirmed)\nAsked:    {} (within 14 days)\n",
        counts.contacts, counts.waiting, counts.asked
    )
}

fn forgotten_text(forgotten: &Forgotten) -> String {
    let said = match forgotten.held {
        true => "Forgotten: the next mail of this address waits in Unconfirmed.",
        false => "Nothing was kept of this address.",
    };
    format!("{said}\n")
}
