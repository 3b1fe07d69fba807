//! `queue`.

use clap::Subcommand;

use super::context::Context;
use super::mailing::short;
use super::prompt;
use super::style::{Style, Tone, clean, counted, field, optional, time, toned};
use crate::control::Failure;
use crate::control::api::queue::{Drop, List, QueueReport, Retry, Show};

/// Mail that waits to go out
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// List what waits: your own mail, as an admin all
    #[command(
        after_help = "Examples:\n  hustings queue list\n  hustings queue list --json | jq -r .last_failure"
    )]
    List,
    /// Show one mail and why it waits; as an admin also whose it is, and that you looked stands in the audit log
    #[command(after_help = "Examples:\n  hustings queue show 3f9c")]
    Show {
        /// The mail, by the first digits of its id
        mail: String,
    },
    /// Try again now
    #[command(after_help = "Examples:\n  hustings queue retry 3f9c\n  hustings queue retry --all")]
    Retry {
        /// The mail, by the first digits of its id
        #[arg(required_unless_present = "all")]
        mail: Option<String>,
        /// All that waits
        #[arg(long, conflicts_with = "mail")]
        all: bool,
    },
    /// Give a mail up; its sender is told
    #[command(
        after_help = "Examples:\n  hustings queue drop 3f9c --reason \"the address is misspelt\""
    )]
    Drop {
        /// The mail, by the first digits of its id
        mail: String,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        QueueCommand::List => context
            .print_rows(&List {}, "Nothing waits.", table)
            .map(drop),
        QueueCommand::Show { mail } => {
            context.print_answer(&Show { mail: mail.clone() }, |report, _| text(report))
        }
        QueueCommand::Retry { mail, .. } => context
            .print_answer(&Retry { mail: mail.clone() }, |retried, _| {
                format!("Tried now: {}.\n", counted(retried.mails, "mail", "mails"))
            }),
        QueueCommand::Drop { mail, reason, yes } => {
            prompt::confirm(&format!("give up mail {mail}"), *yes)?;
            let ask = Drop {
                mail: mail.clone(),
                reason: reason.clone(),
            };
            context.print_answer(&ask, |_, _| {
                format!("Mail {mail} is given up; its sender is told.\n")
            })
        }
    }
}

pub(super) fn table(mails: &[QueueReport], style: Style) -> String {
    let rows = mails.iter().map(|mail| {
        vec![
            toned(short(&mail.id.to_string()), Tone::Strong),
            field(&mail.from),
            optional(mail.to.as_ref()),
            field(mail.attempts),
            field(time(mail.due_at)),
            optional(mail.last_failure.as_ref()),
        ]
    });
    style.table(
        &["MAIL", "FROM", "TO", "TRIES", "NEXT", "LAST FAILURE"],
        rows.collect(),
    )
}

pub(super) fn text(mail: &QueueReport) -> String {
    format!(
        "Mail:          {}\nFrom:          {}\nTo:            {}\nWaits since:   {}\nTries:         {}\nNext try:      {}\nGiven up at:   {}\nLast failure:  {}\n",
        mail.id,
        clean(&mail.from),
        clean(mail.to.as_deref().unwrap_or("-")),
        time(mail.queued_at),
        mail.attempts,
        time(mail.due_at),
        time(mail.expires_at),
        clean(mail.last_failure.as_deref().unwrap_or("-")),
    )
}
