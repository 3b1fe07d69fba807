//! `queue`.

use clap::Subcommand;

use super::context::Context;
use super::mailing::short;
use super::prompt;
use super::style::{Style, Tone, clean, counted, field, optional, time, toned};
use crate::control::Failure;
use crate::control::api::queue::{Drop, List, ProviderReport, Providers, QueueReport, Retry, Show};

/// Mail that waits to go out
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// List what waits: your own mail, as an admin all, and how each provider stands
    #[command(
        after_help = "Examples:\n  hustings queue list\n  hustings queue list --json | jq -r .last_failure"
    )]
    List,
    /// Show how each provider stands: connections, what waits, today's share, why it is left alone
    #[command(
        after_help = "Examples:\n  hustings queue providers\n  hustings queue providers --json | jq 'select(.paused_until)'"
    )]
    Providers,
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
        QueueCommand::List => {
            let seen = context.print_rows(&List {}, "Nothing waits.", table)?;
            context.print_beside(|style| providers(&seen, style))
        }
        QueueCommand::Providers => {
            let seen = context.ask(&List {})?;
            for provider in &seen.providers {
                context.print(provider, |_| String::new())?;
            }
            context.print_beside(|style| match seen.providers.is_empty() {
                true => "No mail waits for a provider, and none is held up.\n".to_owned(),
                false => providers(&seen, style).trim_start().to_owned(),
            })
        }
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

/// The providers, in a table of their own; nothing if there's nothing to say of any.
pub(super) fn providers(seen: &Providers, style: Style) -> String {
    if seen.providers.is_empty() {
        return String::new();
    }
    let rows = seen.providers.iter().map(|provider| {
        let allowed = provider.copies_allowed;
        vec![
            toned(
                provider.provider.as_deref().unwrap_or("another"),
                Tone::Strong,
            ),
            field(provider.connections),
            field(provider.waiting),
            field(match allowed {
                Some(allowed) => format!("{} of {allowed}", provider.copies_today),
                None => provider.copies_today.to_string(),
            }),
            field(standing(provider)),
        ]
    });
    let table = style.table(
        &["PROVIDER", "CONNECTIONS", "WAITING", "COPIES TODAY", "WHY"],
        rows.collect(),
    );
    format!("\n{table}")
}

/// Why mail waits for it.
fn standing(provider: &ProviderReport) -> String {
    match (provider.paused_until, &provider.said) {
        (Some(until), Some(said)) => format!("left alone until {}: {said}", time(until)),
        (Some(until), None) => format!("left alone until {}", time(until)),
        _ if provider.is_spent() => "today's share is sent; goes on at 00:00 UTC".to_owned(),
        _ => "-".to_owned(),
    }
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
