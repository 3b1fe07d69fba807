//! `subscriber`: for admins. What needs files or a second person has a file of its own.

mod card;
mod export;
mod import;
mod second;

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::code::CodeArg;
use super::context::Context;
use super::prompt::{self, ADDRESS_HELP};
use super::style::{Style, Tone, as_counted, clean, field, optional, time, toned};
use crate::control::Failure;
use crate::control::api::subscriber::{
    Erase, Erased, Find, Found, Share, Stats, StatsReport, Withdraw,
};

#[cfg(test)]
pub(super) use export::unseal;
#[cfg(test)]
pub(super) use import::{imported_text, verdict_line};
#[cfg(test)]
pub(super) use second::{agreed_text, refused_text, waiting_table};

/// People who subscribed; for admins alone
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: SubscriberCommand,
}

#[derive(Debug, Subcommand)]
enum SubscriberCommand {
    /// Show what is held of an address; that you looked stands in the audit log
    #[command(
        after_help = "Examples:\n  hustings subscriber find - --reason \"she rang about it\"\n  echo jo@example.org | hustings subscriber find - --json"
    )]
    Find {
        #[arg(help = ADDRESS_HELP)]
        address: String,
        /// Why; it stands in the audit log: don't name the person
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Enter a card that somebody filled in on paper or at an event, so that the address is asked
    ///
    /// It subscribes nobody: the address gets the usual "was it you?" mail, and only its link subscribes. Who is
    /// suppressed or was asked of late gets none. Keep the card: it is the evidence of what they asked for.
    #[command(
        after_help = "Examples:\n  hustings subscriber add - --list news --channel paper --asked-on 2026-11-21 --batch \"stall 7\" --age-stated"
    )]
    Add(card::Card),
    /// Ask many addresses for their consent, from a CSV file with the evidence of how they asked
    ///
    /// Columns: address, lists, channel (web, mail, paper or event), date, batch, and as needed wording or wording_sha256,
    /// constituency, language, age, source. A row without evidence, or from the electoral register, is refused with its
    /// reason; good rows are kept. A second person must agree (`subscriber agree`); then challenges go out, so many a day.
    /// It subscribes nobody, and never writes to suppressed addresses.
    ///
    /// Who left the old system comes with it: a CSV file with the column address, and if wanted lists and date. It is in
    /// force at once. To bring it alone, give a FILE that has the header line only.
    #[command(
        after_help = "Examples:\n  hustings subscriber import --dry-run --no-suppressions --reason \"stall at the fair\" rows.csv\n  hustings subscriber import --suppressions left.csv --reason \"moved from the old system\" rows.csv"
    )]
    Import(import::File),
    /// Write all subscribers, suppressions and evidence to a sealed file; a second person must agree
    ///
    /// The command waits until another admin runs `hustings subscriber agree CODE`. The file is sealed; what opens it is
    /// shown to the second person, so that neither reads it alone.
    #[command(
        after_help = "Examples:\n  hustings subscriber export --to party.sealed --reason \"move to another host\"\n  hustings subscriber open party.sealed --to party.jsonl"
    )]
    Export {
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        to: PathBuf,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        own: CodeArg,
    },
    /// Open a sealed file that `subscriber export` wrote, with the phrase that the second person has
    ///
    /// Works without the daemon. The opened file holds personal data: keep it on an encrypted disk and delete it when done.
    #[command(after_help = "Examples:\n  hustings subscriber open party.sealed --to party.jsonl")]
    Open {
        /// The sealed file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        to: PathBuf,
    },
    /// Show what waits for a second person
    #[command(after_help = "Examples:\n  hustings subscriber waiting")]
    Waiting,
    /// Agree, as the second person, to an export or import that another admin asked for
    #[command(
        after_help = "Examples:\n  hustings subscriber waiting\n  hustings subscriber agree 7f3a91c2"
    )]
    Agree {
        /// The code that `subscriber waiting` shows
        code: String,
        #[command(flatten)]
        own: CodeArg,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Refuse an export or import that waits; whoever asked for it may take it back so
    ///
    /// It is not done, and who asked is told. The rows of an import are erased; those whom its suppression file names stay
    /// suppressed.
    #[command(
        after_help = "Examples:\n  hustings subscriber waiting\n  hustings subscriber refuse 7f3a91c2 --reason \"the wrong file\""
    )]
    Refuse {
        /// The code that `subscriber waiting` shows
        code: String,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Take an address off a list, or off all, for somebody who rang or wrote
    ///
    /// At once, as if they had pressed the link themselves: a mailing that is running leaves them out from then on. The
    /// answer is the same whether or not the address was subscribed.
    #[command(
        after_help = "Examples:\n  hustings subscriber withdraw - --list news --reason \"rang on 3 May\"\n  hustings subscriber withdraw - --reason \"letter of 3 May: no more mail at all\""
    )]
    Withdraw {
        #[arg(help = ADDRESS_HELP)]
        address: String,
        /// From this list alone; from all if not given
        #[arg(long, value_name = "LIST")]
        list: Option<String>,
        /// Write there no more, not even to ask "was it you?" for 90 days; after that only if they sign up, once in 90 days
        #[arg(long, conflicts_with = "list")]
        never_again: bool,
        /// Why; it stands in the audit log: don't name the person
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Erase an address and everything about it; only a keyed hash stays, so that it is written to again only if they write
    /// or sign up themselves
    #[command(
        after_help = "Examples:\n  hustings subscriber erase - --reason \"asked by letter of 3 May\""
    )]
    Erase {
        #[arg(help = ADDRESS_HELP)]
        address: String,
        /// Why; it stands in the audit log: don't name the person
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Count subscribers by list and constituency; only admins see exact, live numbers
    #[command(
        after_help = "Examples:\n  hustings subscriber stats\n  hustings subscriber stats --constituencies --json"
    )]
    Stats {
        /// By constituency too
        #[arg(long)]
        constituencies: bool,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        SubscriberCommand::Find { address, reason } => {
            let find = Find {
                address: prompt::address(address)?,
                reason: reason.clone(),
            };
            context.print_answer(&find, found_text)
        }
        SubscriberCommand::Add(card) => {
            context.print_answer(&card.ask()?, |_, _| card::ADDED.to_owned())
        }
        SubscriberCommand::Withdraw {
            address,
            list,
            never_again,
            reason,
        } => {
            let withdraw = Withdraw {
                address: prompt::address(address)?,
                list: list.clone(),
                never_again: *never_again,
                reason: reason.clone(),
            };
            context.print_answer(&withdraw, |_, _| {
                "Done: nothing is sent there from now on, as far as was asked. It stands in the audit log.\n".to_owned()
            })
        }
        SubscriberCommand::Import(file) => file.run(context),
        SubscriberCommand::Export { to, reason, own } => export::export(to, reason, *own, context),
        SubscriberCommand::Open { file, to } => export::open_sealed(file, to),
        SubscriberCommand::Waiting => second::waiting(context),
        SubscriberCommand::Agree { code, own, yes } => second::agree(code, *own, *yes, context),
        SubscriberCommand::Refuse { code, reason, yes } => {
            second::refuse(code, reason, *yes, context)
        }
        SubscriberCommand::Erase {
            address,
            reason,
            yes,
        } => {
            let address = prompt::address(address)?;
            prompt::confirm("erase this address for good", *yes)?;
            let erase = Erase {
                address,
                reason: reason.clone(),
            };
            context.print_answer(&erase, |erased, _| erased_text(erased))
        }
        SubscriberCommand::Stats { constituencies } => stats(*constituencies, context),
    }
}

fn stats(constituencies: bool, context: &Context) -> Result<(), Failure> {
    let none = "There is no list yet.";
    let report = context.print_rows(&Stats { constituencies }, none, shares_table)?;
    context.print(&report, |style| format!("\n{}", stats_text(&report, style)))
}

pub(super) fn found_text(found: &Found, style: Style) -> String {
    let mut text = String::new();
    match &found.subscriber {
        None => text += "No subscriber has this address.\n",
        Some(subscriber) => {
            text += &format!("Address:       {}\n", clean(&subscriber.address));
            let constituency = subscriber.constituency.as_deref().unwrap_or("-");
            text += &format!("Constituency:  {}\n", clean(constituency));
            let rows = subscriber.subscriptions.iter().map(|(list, at)| {
                vec![
                    toned(list, Tone::Strong),
                    field(time(*at)),
                    optional(subscriber.paused.get(list).map(|until| time(*until))),
                ]
            });
            text += "\n";
            text += &style.table(&["LIST", "CONFIRMED", "PAUSED UNTIL"], rows.collect());
        }
    }
    if let Some(until) = found.pending_until {
        text += &format!(
            "A sign-up waits for its confirmation until {}.\n",
            time(until)
        );
    }
    if !found.suppressed.is_empty() {
        text += &format!("Suppressed for: {}\n", clean(&found.suppressed.join(", ")));
    }
    text
}

fn erased_text(erased: &Erased) -> String {
    let held = if erased.held {
        "Erased."
    } else {
        "Nothing was held of this address."
    };
    let stays = if erased.suppressed {
        " A keyed hash stays, so that it is written to again only if they write or sign up themselves."
    } else {
        ""
    };
    let on_hold = if erased.on_hold {
        "\nMail of theirs waits in a mailbox on hold, and stays as long as the hold: lift it (hustings mailbox lift), and \
         erase again."
    } else {
        ""
    };
    format!("{held}{stays}{on_hold}\n")
}

pub(super) fn shares_table(shares: &[Share], style: Style) -> String {
    let rows = shares.iter().map(|share| {
        vec![
            field(&share.list),
            optional(share.constituency.as_ref()),
            field(share.subscribed),
        ]
    });
    style.table(&["LIST", "CONSTITUENCY", "SUBSCRIBED"], rows.collect())
}

fn stats_text(report: &StatsReport, _: Style) -> String {
    let mut text = format!("Subscribers: {}\n", report.subscribers);
    for (name, count) in [
        ("Pending:    ", report.pending),
        ("Expired:    ", report.expired),
        ("Suppressed: ", report.suppressed),
    ] {
        if let Some(count) = count {
            text += &format!("{name} {count}\n");
        }
    }
    if let Some(counted_at) = report.counted_at {
        text += &as_counted(counted_at);
    }
    text
}
