//! `consent`: the evidence.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::audit::VerifyArgs;
use super::body::NewFile;
use super::context::{Context, Sinks};
use super::prompt::{self, ADDRESS_HELP};
use super::style::{Style, Tone, clean, counted, field, optional, time, toned};
use crate::control::Failure;
use crate::control::api::consent::{Bundle, EvidenceEvent, EvidenceText, Show, Verify};

/// Evidence: who said yes to what words, when, and when they stopped
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: ConsentCommand,
}

#[derive(Debug, Subcommand)]
enum ConsentCommand {
    /// Show the logged events of an address and the words that were shown; that you looked stands in the audit log
    #[command(
        after_help = "Examples:\n  hustings consent show - --reason \"complaint of 3 May\"\n  echo jo@example.org | hustings consent show - --json"
    )]
    Show {
        #[arg(help = ADDRESS_HELP)]
        address: String,
        /// Why; it stands in the audit log: don't name the person
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Check that the consent log is whole, and that it goes on from a checkpoint kept elsewhere
    #[command(
        after_help = "Examples:\n  hustings consent verify\n  hustings consent verify --against checkpoint-2026-05.txt"
    )]
    Verify(VerifyArgs),
    /// Write the evidence about an address to a file that proves itself: events, wordings, proofs
    #[command(
        after_help = "Examples:\n  hustings consent bundle - --to evidence.json --reason \"complaint of 3 May\""
    )]
    Bundle {
        #[arg(help = ADDRESS_HELP)]
        address: String,
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        to: PathBuf,
        /// Why; it stands in the audit log: don't name the person
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        ConsentCommand::Show { address, reason } => {
            let show = Show {
                address: prompt::address(address)?,
                reason: reason.clone(),
            };
            context
                .print_rows(
                    &show,
                    "The consent log has no event of this address.",
                    table,
                )
                .map(drop)
        }
        ConsentCommand::Verify(args) => {
            args.verdict(&context.ask(&Verify(args.request()?))?, context)
        }
        ConsentCommand::Bundle {
            address,
            to,
            reason,
        } => {
            let bundle = Bundle {
                address: prompt::address(address)?,
                reason: reason.clone(),
            };
            write_bundle(&bundle, to, context)
        }
    }
}

fn write_bundle(bundle: &Bundle, to: &std::path::Path, context: &Context) -> Result<(), Failure> {
    let mut file = NewFile::create(to)?;
    let sinks = Sinks {
        row: &mut |_| Ok(()),
        body: &mut |bytes| file.write(bytes),
    };
    let bundled = context.ask_into(bundle, None, sinks)?;
    file.finish()?;
    context.print(&bundled, |_| {
        format!(
            "Wrote {}: {}, {}, proofs up to entry {} of the log.\n",
            to.display(),
            counted(bundled.events, "event", "events"),
            counted(bundled.wordings, "wording", "wordings"),
            bundled.log_size
        )
    })
}

pub(super) fn table(events: &[EvidenceEvent], style: Style) -> String {
    let rows = events.iter().map(|event| {
        vec![
            field(event.seq),
            optional(event.at.map(time)),
            toned(&event.what, Tone::Strong),
            field(event.lists.join(", ")),
            optional(
                event
                    .wording
                    .as_ref()
                    .map(|digest| digest.chars().take(12).collect::<String>()),
            ),
        ]
    });
    let mut text = style.table(
        &["ENTRY", "AT", "EVENT", "LISTS", "WORDING"],
        rows.collect(),
    );
    for event in events {
        text += &details(event);
    }
    for one in events.iter().flat_map(|event| &event.texts) {
        text += &words(one, style);
    }
    text
}

/// Every field of an event that the table has no place for, as it was logged (law row B6): when it was asked, by which
/// channel, in which language, the stated age, batch, who entered it.
fn details(event: &EvidenceEvent) -> String {
    const IN_THE_TABLE: [&str; 5] = ["event", "list", "lists", "subject", "wording"];
    let mut text = format!("\nEntry {}\n", event.seq);
    let fields = event.event.as_object().into_iter().flatten();
    for (name, value) in fields.filter(|(name, _)| !IN_THE_TABLE.contains(&name.as_str())) {
        detail(&mut text, name, value, 1);
    }
    text
}

fn detail(text: &mut String, name: &str, value: &serde_json::Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let name = clean(&name.replace('_', " "));
    match value {
        serde_json::Value::Null => {}
        serde_json::Value::Object(inner) => {
            *text += &format!("{indent}{name}\n");
            for (name, value) in inner {
                detail(text, name, value, depth + 1);
            }
        }
        serde_json::Value::Array(all) => {
            for value in all {
                detail(text, &name, value, depth);
            }
        }
        serde_json::Value::String(said) => *text += &format!("{indent}{name}: {}\n", clean(said)),
        other => *text += &format!("{indent}{name}: {other}\n"),
    }
}

/// A text as it was shown, its lines broken where the terminal ends (as JSON it is what was signed, to the letter). They
/// are set in, so that none of them looks like one of ours.
fn words(one: &EvidenceText, style: Style) -> String {
    let what = match (one.kind.as_str(), &one.list) {
        ("notice", _) => "The privacy notice".to_owned(),
        (_, Some(list)) => format!("The statement for {list}"),
        (kind, None) => format!("The {kind}"),
    };
    let lines = one.text.lines();
    let lines: String = lines
        .map(|line| format!("  {}\n", style.prose(line, 2)))
        .collect();
    format!(
        "\n{what} ({}), first shown {}\nSHA-256 {}:\n{lines}",
        one.language,
        time(one.first_shown),
        one.sha256
    )
}
