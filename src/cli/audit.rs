//! `audit`: the log of privileged acts.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::body::{NewFile, read_small};
use super::context::Context;
use super::style::{Style, Tone, clean, clean_lines, counted, field, optional, time, toned};
use crate::audit::cut_out;
use crate::control::Failure;
use crate::control::api::audit::{AuditEntry, LogVerdict, Show, Verify};

/// The log of privileged acts: who did what, when and why
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Show entries, the newest if not told from where
    #[command(
        after_help = "Examples:\n  hustings audit show\n  hustings audit show --from 0 --limit 1000 --json"
    )]
    Show {
        /// From this entry on
        #[arg(long, value_name = "ENTRY")]
        from: Option<u64>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u64,
    },
    /// Check that the audit log is whole, and that it goes on from a checkpoint kept elsewhere
    ///
    /// Prints the signed checkpoint of the log as it stands. Keep it where root of this host can't reach: only that shows
    /// later that the log was neither cut nor rewritten.
    #[command(
        after_help = "Examples:\n  hustings audit verify\n  hustings audit verify --against checkpoint-2026-05.txt"
    )]
    Verify(VerifyArgs),
}

/// How to verify a log.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// A signed checkpoint that was kept elsewhere, or what this command printed then; `-` reads standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    against: Option<PathBuf>,
    /// The public key from the recovery sheet of the checkpoint's time, if it isn't the vault's any more
    #[arg(long, value_name = "HEX", requires = "against")]
    public_key: Option<String>,
    /// Write the signed checkpoint to a file of its own as well; it must not exist
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint_to: Option<PathBuf>,
}

/// The checkpoint in a file that may hold what this command printed, for people or as JSON, or a mail.
fn checkpoint_in(text: &str) -> String {
    let json = serde_json::from_str::<serde_json::Value>(text).ok();
    let field = json
        .as_ref()
        .and_then(|json| json.get("checkpoint")?.as_str());
    let text = field.unwrap_or(text);
    // What holds none is judged, and named, by whoever reads checkpoints.
    cut_out(text).unwrap_or_else(|| text.to_owned())
}

impl VerifyArgs {
    pub(super) fn request(&self) -> Result<Verify, Failure> {
        Ok(Verify {
            against: self
                .against
                .as_deref()
                .map(|file| read_small(file).map(|text| checkpoint_in(&text)))
                .transpose()?,
            public_key: self.public_key.clone(),
        })
    }

    /// Prints a verdict and keeps its checkpoint; a verdict that doesn't hold is a failure.
    pub(super) fn verdict(&self, verdict: &LogVerdict, context: &Context) -> Result<(), Failure> {
        print_verdict(verdict, context)?;
        let Some(path) = &self.checkpoint_to else {
            return Ok(());
        };
        let mut file = NewFile::create(path)?;
        file.write(verdict.checkpoint.as_bytes())?;
        file.finish()
    }
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        AuditCommand::Show { from, limit } => {
            let show = Show {
                from: *from,
                limit: *limit,
            };
            context
                .print_rows(&show, "There is no entry there.", table)
                .map(drop)
        }
        AuditCommand::Verify(args) => args.verdict(&context.ask(&args.request()?)?, context),
    }
}

fn print_verdict(verdict: &LogVerdict, context: &Context) -> Result<(), Failure> {
    context.print(verdict, |style| verdict_text(verdict, style))?;
    if verdict.holds {
        return Ok(());
    }
    Err(Failure::failed(
        format!("the {} log does not hold", clean(&verdict.log)),
        "it is not as it was written",
        "keep the database and the checkpoint as they are, and find out who had access",
    ))
}

pub(super) fn verdict_text(verdict: &LogVerdict, style: Style) -> String {
    let (word, tone) = if verdict.holds {
        ("holds", Tone::Good)
    } else {
        ("does not hold", Tone::Bad)
    };
    let mut text = format!(
        "The {} log {}: {}, {} of them erased.\n",
        clean(&verdict.log),
        style.paint(word, tone),
        counted(verdict.size, "entry", "entries"),
        verdict.erased
    );
    if let Some(against) = &verdict.against {
        text += &format!("Against the checkpoint: {}.\n", clean(against));
    }
    for finding in &verdict.findings {
        text += &format!("  {}\n", clean(finding));
    }
    if verdict.checkpoint.is_empty() {
        return text;
    }
    text + &format!("\n{}", clean_lines(&verdict.checkpoint))
}

pub(super) fn table(entries: &[AuditEntry], style: Style) -> String {
    let rows = entries.iter().map(|entry| {
        let who = match &entry.second {
            Some(second) => format!("{} with {second}", entry.actor),
            None => entry.actor.clone(),
        };
        vec![
            field(entry.seq),
            field(time(entry.at)),
            toned(who, Tone::Strong),
            field(&entry.verb),
            optional(entry.object.as_ref()),
            optional(entry.reason.as_ref()),
        ]
    });
    style.table(
        &["ENTRY", "AT", "WHO", "WHAT", "TO", "REASON"],
        rows.collect(),
    )
}
