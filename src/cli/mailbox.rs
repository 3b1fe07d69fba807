//! `mailbox`.

use clap::Subcommand;

use super::context::Context;
use super::style::{Style, Tone, field, optional, time, toned};
use crate::control::Failure;
use crate::control::api::mailbox::{List, MailboxReport, Room};

/// Mailboxes
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: MailboxCommand,
}

#[derive(Debug, Subcommand)]
enum MailboxCommand {
    /// List mailboxes and how much they hold: your own, as an admin all
    #[command(after_help = "Examples:\n  hustings mailbox list")]
    List,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let MailboxCommand::List = args.command;
    context
        .print_rows(&List {}, "There is no mailbox yet.", table)
        .map(drop)
}

pub(super) fn table(mailboxes: &[MailboxReport], style: Style) -> String {
    let rows = mailboxes.iter().map(|mailbox| {
        vec![
            toned(&mailbox.mailbox, Tone::Strong),
            field(&mailbox.folder),
            field(mailbox.messages),
            field(bytes(mailbox.bytes)),
            optional(mailbox.newest_at.map(time)),
            optional(mailbox.room.map(room)),
        ]
    });
    style.table(
        &["MAILBOX", "FOLDER", "MESSAGES", "SIZE", "NEWEST", "IN ALL"],
        rows.collect(),
    )
}

/// How full a mailbox is.
fn room(room: Room) -> String {
    let percent = u128::from(room.used) * 100 / u128::from(room.limit.max(1));
    format!("{} ({percent}% of {})", bytes(room.used), bytes(room.limit))
}

/// A number of bytes for people.
fn bytes(count: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, size)| count >= *size) {
        // Tenths, without a detour through floats.
        Some((unit, size)) => format!("{}.{} {unit}", count / size, count % size * 10 / size),
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_says_how_full_it_is() {
        let limit = 2 << 30;
        for (used, text) in [
            (0, "0 B (0% of 2.0 GiB)"),
            (1 << 30, "1.0 GiB (50% of 2.0 GiB)"),
            (3 << 30, "3.0 GiB (150% of 2.0 GiB)"),
        ] {
            assert_eq!(room(Room { used, limit }), text);
        }
    }

    #[test]
    fn sizes_have_a_unit_and_one_decimal() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
