//! `list`.

use clap::Subcommand;

use super::context::Context;
use super::style::{Style, Tone, as_counted, field, toned};
use crate::control::Failure;
use crate::control::api::list::{ListReport, Show};

/// Lists
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: ListCommand,
}

#[derive(Debug, Subcommand)]
enum ListCommand {
    /// Show the lists: their addresses, rules and sizes
    ///
    /// Lists are made in the configuration. A size under five is shown to admins alone.
    #[command(after_help = "Examples:\n  hustings list show\n  hustings list show news --json")]
    Show {
        /// Only this list
        list: Option<String>,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let ListCommand::Show { list } = &args.command;
    let show = Show { list: list.clone() };
    context
        .print_rows(
            &show,
            "There is no list; add one to the configuration, as in [list.news]",
            table,
        )
        .map(drop)
}

pub(super) fn table(lists: &[ListReport], style: Style) -> String {
    let rows = lists.iter().map(|list| {
        vec![
            toned(&list.list, Tone::Strong),
            field(&list.title),
            field(&list.address),
            field(&list.from),
            field(&list.approval),
            toned(
                if list.open { "open" } else { "closed" },
                if list.open { Tone::Good } else { Tone::Quiet },
            ),
            field(list.subscribed),
        ]
    });
    let table = style.table(
        &[
            "LIST",
            "TITLE",
            "SEND TO",
            "FROM",
            "APPROVAL",
            "SIGN-UP",
            "SUBSCRIBED",
        ],
        rows.collect(),
    );
    match lists.iter().find_map(|list| list.counted_at) {
        Some(counted_at) => table + "\n" + &as_counted(counted_at),
        None => table,
    }
}
