//! `mailbox`.

use clap::Subcommand;

use super::context::Context;
use super::style::{Style, Tone, field, optional, time, toned};
use crate::control::Failure;
use crate::control::api::mailbox::{
    Hold, Lift, List, MailboxReport, Retention, RetentionReport, Room,
};

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
    /// Show what goes when, by folder: your own mailbox, as an admin all
    ///
    /// Mail goes so long after the last of its thread (`retention.mail`, or `keep` of a role's mailbox), junk and what was
    /// thrown away so long after it was put there, unconfirmed mail after 14 days. It's erased within a day, unconfirmed
    /// mail within an hour, for good.
    #[command(
        after_help = "Examples:\n  hustings mailbox retention\n  hustings mailbox retention --json"
    )]
    Retention,
    /// Keep all of a mailbox, whatever its age, until the hold is lifted; for an access request, say
    ///
    /// Nothing of it goes by itself. Its owner, or who is let into it, can still throw mail away. A mailbox has one hold at a
    /// time: a second is refused until the first is lifted.
    #[command(
        after_help = "Examples:\n  hustings mailbox hold office --reason \"access request 4\"\n  hustings mailbox lift office --reason \"request 4 is answered\""
    )]
    Hold {
        /// The name of an account or of a role mailbox
        name: String,
        /// Why; it stands in the audit log: don't name the person
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// End a hold: what is too old goes within a day
    #[command(
        after_help = "Examples:\n  hustings mailbox lift office --reason \"request 4 is answered\""
    )]
    Lift {
        /// The name of an account or of a role mailbox
        name: String,
        /// Why; it stands in the audit log: don't name the person
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        MailboxCommand::List => context
            .print_rows(&List {}, "There is no mailbox yet.", table)
            .map(drop),
        MailboxCommand::Retention => context
            .print_rows(&Retention {}, "No mailbox holds any mail.", retention_table)
            .map(drop),
        MailboxCommand::Hold { name, reason } => {
            let hold = Hold {
                mailbox: name.clone(),
                reason: reason.clone(),
            };
            let said = "Held: nothing of it goes by itself. It stands in the audit log.\n";
            context.print_answer(&hold, |_, _| said.to_owned())
        }
        MailboxCommand::Lift { name, reason } => {
            let lift = Lift {
                mailbox: name.clone(),
                reason: reason.clone(),
            };
            let said = "Lifted: what is too old goes within a day. It stands in the audit log.\n";
            context.print_answer(&lift, |_, _| said.to_owned())
        }
    }
}

pub(super) fn retention_table(folders: &[RetentionReport], style: Style) -> String {
    let rows = folders.iter().map(|folder| {
        let reason = folder.reason.as_deref().unwrap_or("yes");
        vec![
            toned(&folder.mailbox, Tone::Strong),
            field(&folder.folder),
            field(folder.messages),
            match folder.held {
                true => field("held"),
                false => optional(folder.next_at.map(time)),
            },
            field(folder.within_month),
            optional(folder.held.then_some(reason)),
        ]
    });
    let heads = [
        "MAILBOX",
        "FOLDER",
        "MESSAGES",
        "NEXT GOES",
        "IN 30 DAYS",
        "HELD",
    ];
    style.table(&heads, rows.collect())
}

pub(super) fn table(mailboxes: &[MailboxReport], style: Style) -> String {
    let rows = mailboxes.iter().map(|mailbox| {
        let name = &mailbox.mailbox;
        vec![
            match mailbox.revoked {
                true => toned(format!("{name} (revoked)"), Tone::Quiet),
                false => toned(name, Tone::Strong),
            },
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
