//! `mailing`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::body::NewFile;
use super::code::CodeArg;
use super::context::{Context, Sinks, json_line, write_out};
use super::letter;
use super::prompt;
use super::style::{Style, Tone, clean, clean_lines, field, time, toned};
use crate::control::Failure;
use crate::control::api::Count;
use crate::control::api::mailing::{
    Approve, Cancel, Counts, List, MailingReport, Pause, Preview, Resume, Show, Watch, WatchRow,
};
use crate::store::MailingState;

/// The longest message that is read here; the server takes none that is longer.
const PREVIEW_MAX: usize = 64 * 1024 * 1024;

/// Messages to lists
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: MailingCommand,
}

#[derive(Debug, Subcommand)]
enum MailingCommand {
    /// List mailings
    #[command(
        after_help = "Examples:\n  hustings mailing list\n  hustings mailing list --current --json"
    )]
    List {
        /// Only those that are held, on their way or paused
        #[arg(long)]
        current: bool,
    },
    /// Show a mailing as a subscriber would get it
    #[command(
        after_help = "Examples:\n  hustings mailing preview 3f9c\n  hustings mailing preview 3f9c --to preview.eml\n  hustings mailing preview 3f9c --html preview.html"
    )]
    Preview {
        /// The mailing, by the first digits of its id
        mailing: String,
        /// Write the message to this file, to open it in a mail program
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        to: Option<PathBuf>,
        /// Show the message as it goes over the wire instead of its words
        #[arg(long, conflicts_with = "to")]
        raw: bool,
        /// Write its designed form (HTML) to this file, to open it in a browser
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["to", "raw"])]
        html: Option<PathBuf>,
    },
    /// Let a held mailing go
    ///
    /// The list's rule says who may: the sender, who has seen the preview, or a second person with the role approver.
    #[command(
        after_help = "Examples:\n  hustings mailing preview 3f9c\n  hustings mailing approve 3f9c"
    )]
    Approve {
        /// The mailing, by the first digits of its id
        mailing: String,
        /// Approve these bytes alone: the digest that the preview showed
        #[arg(long, value_name = "HEX")]
        digest: Option<String>,
        /// Let it go although large receivers would refuse it for what DNS lacks; it stands in the audit log
        #[arg(long)]
        anyway: bool,
        #[command(flatten)]
        code: CodeArg,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Watch a mailing on its way until it ends
    #[command(
        after_help = "Examples:\n  hustings mailing watch 3f9c\n  hustings mailing watch 3f9c --json"
    )]
    Watch {
        /// The mailing, by the first digits of its id
        mailing: String,
    },
    /// Stop a mailing for a while; copies that are being handed over end
    #[command(after_help = "Examples:\n  hustings mailing pause 3f9c")]
    Pause {
        /// The mailing, by the first digits of its id
        mailing: String,
    },
    /// Let a paused mailing go on
    #[command(after_help = "Examples:\n  hustings mailing resume 3f9c")]
    Resume {
        /// The mailing, by the first digits of its id
        mailing: String,
    },
    /// End a mailing for good; copies that were not sent are never sent
    #[command(after_help = "Examples:\n  hustings mailing cancel 3f9c --reason \"wrong date\"")]
    Cancel {
        /// The mailing, by the first digits of its id
        mailing: String,
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
        MailingCommand::List { current } => context
            .print_rows(&List { current: *current }, "There is no mailing.", table)
            .map(drop),
        MailingCommand::Preview {
            mailing,
            to,
            raw,
            html,
        } => preview(mailing, to.as_deref(), *raw, html.as_deref(), context),
        MailingCommand::Approve {
            mailing,
            digest,
            anyway,
            code,
            yes,
        } => {
            let seen = really("approve", mailing, "", *yes, context)?;
            code.read(context)?;
            let approve = Approve {
                mailing: mailing.clone(),
                // What was asked about is what is approved.
                digest: digest.clone().or(seen.map(|seen| seen.digest)),
                anyway: *anyway,
            };
            context.print_answer(&approve, one)
        }
        MailingCommand::Watch { mailing } => watch(mailing, context),
        MailingCommand::Pause { mailing } => context.print_answer(
            &Pause {
                mailing: mailing.clone(),
            },
            one,
        ),
        MailingCommand::Resume { mailing } => context.print_answer(
            &Resume {
                mailing: mailing.clone(),
            },
            one,
        ),
        MailingCommand::Cancel {
            mailing,
            reason,
            yes,
        } => {
            really("end", mailing, " for good", *yes, context)?;
            let cancel = Cancel {
                mailing: mailing.clone(),
                reason: reason.clone(),
            };
            context.print_answer(&cancel, one)
        }
    }
}

/// Asks before a mailing goes or ends, in words that say which it is. The service is asked first: of what isn't there
/// nobody is asked.
fn really(
    verb: &str,
    mailing: &str,
    end: &str,
    yes: bool,
    context: &Context,
) -> Result<Option<MailingReport>, Failure> {
    if yes || !prompt::somebody_there() {
        prompt::confirm(&format!("{verb} mailing {mailing}{end}"), yes)?;
        return Ok(None);
    }
    let ask = Show {
        mailing: mailing.to_owned(),
    };
    let seen = context.ask(&ask)?;
    prompt::confirm(&format!("{verb} {}{end}", question(&seen)), yes)?;
    Ok(Some(seen))
}

/// A mailing as somebody is asked about it.
pub(super) fn question(mailing: &MailingReport) -> String {
    let people = match mailing.counts.audience {
        Count::Exactly(0) => "nobody".to_owned(),
        Count::Exactly(1) => "1 person".to_owned(),
        count => format!("{count} people"),
    };
    format!(
        "mailing {} to {}, {people}, \u{201c}{}\u{201d}",
        short(&mailing.id.to_string()),
        target(mailing),
        clean(&mailing.subject)
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

/// The list, and the part of it that a mailing is narrowed to.
fn target(mailing: &MailingReport) -> String {
    match &mailing.constituencies {
        Some(part) => clean(&format!("{} ({})", mailing.list, part.join(", "))),
        None => clean(&mailing.list),
    }
}

fn preview(
    mailing: &str,
    to: Option<&std::path::Path>,
    raw: bool,
    html: Option<&std::path::Path>,
    context: &Context,
) -> Result<(), Failure> {
    let designed = html.map(NewFile::create).transpose()?;
    let mut file = to.map(NewFile::create).transpose()?;
    let mut shown: Vec<u8> = Vec::new();
    let sinks = Sinks {
        row: &mut |_| Ok(()),
        body: &mut |bytes| match &mut file {
            Some(file) => file.write(bytes),
            None => {
                let room = PREVIEW_MAX.saturating_sub(shown.len());
                shown.extend_from_slice(&bytes[..bytes.len().min(room)]);
                Ok(())
            }
        },
    };
    let ask = Preview {
        mailing: mailing.to_owned(),
    };
    let report = context.ask_into(&ask, None, sinks)?;
    if let Some(file) = file {
        file.finish()?;
    }
    if let Some(mut file) = designed {
        let Some(page) = letter::designed(&shown) else {
            return Err(Failure::refused(
                "can't write the designed form",
                "the mailing has none, or is too long to be shown",
                "write the whole message with --to",
            ));
        };
        file.write(page.as_bytes())?;
        file.finish()?;
    }
    context.print(&report, |style| preview_text(&report, style))?;
    if context.json || to.is_some() {
        return Ok(());
    }
    let words = letter::read(&shown).filter(|_| !raw);
    let text = words.unwrap_or_else(|| clean_lines(&String::from_utf8_lossy(&shown)));
    write_out(format!("\n{text}\n").as_bytes())
}

fn watch(mailing: &str, context: &Context) -> Result<(), Failure> {
    let ask = Watch {
        mailing: mailing.to_owned(),
    };
    if !context.json {
        let show = Show {
            mailing: mailing.to_owned(),
        };
        let seen = context.ask(&show)?;
        context.write(&format!("{}\n", capital(&question(&seen))))?;
    }
    let mut show = |row: WatchRow| {
        if context.json {
            context.write(&json_line(&row)?)
        } else {
            context.write(&watch_line(&row, context.style))
        }
    };
    let sinks = Sinks {
        row: &mut show,
        body: &mut |_| Ok(()),
    };
    let report = context.ask_into(&ask, None, sinks)?;
    context.print(&report, |style| format!("\n{}", one(&report, style)))
}

pub(super) fn watch_line(row: &WatchRow, style: Style) -> String {
    let mut line = format!(
        "{}  {}  {}",
        time(row.at),
        state(row.state, style),
        progress(row.state, &row.counts)
    );
    for (cause, count) in &row.causes {
        line += &format!("; {} {}", count, clean(cause));
    }
    if let Some(rate) = row.per_second {
        line += &format!("; {rate:.0}/s");
    }
    if let Some(done) = row.done_at {
        line += &format!(", done at {}", time(done));
    }
    line + "\n"
}

fn progress(state: MailingState, counts: &Counts) -> String {
    // Nobody has it before it's approved.
    if state == MailingState::Held {
        return format!("{} would get it", counts.audience);
    }
    let mut text = match counts.sent {
        Some(sent) => format!("{sent} of {} sent", counts.audience),
        None => format!("{} of {} tried", counts.tried, counts.audience),
    };
    text += &format!(", {} waiting", counts.waiting);
    for (count, what) in [(counts.failed, "failed"), (counts.withdrawn, "withdrawn")] {
        if let Some(count) = count {
            text += &format!(", {count} {what}");
        }
    }
    for (count, what) in [
        (Some(counts.cancelled), "cancelled"),
        (counts.bounced, "came back"),
    ] {
        if let Some(count) = count.filter(|count| *count != Count::Exactly(0)) {
            text += &format!(", {count} {what}");
        }
    }
    text
}

/// Said to who isn't an admin.
const ROUNDED: &str = "Counted from the subscribers at 04:00 UTC and rounded down; what failed is shown on the morning after the end.\n";

fn state_name(state: MailingState) -> (&'static str, Tone) {
    match state {
        MailingState::Held => ("held", Tone::Warning),
        MailingState::Sending => ("sending", Tone::Good),
        MailingState::Paused => ("paused", Tone::Warning),
        MailingState::Cancelled => ("cancelled", Tone::Bad),
        MailingState::Done => ("done", Tone::Plain),
    }
}

fn state(state: MailingState, style: Style) -> String {
    let (name, tone) = state_name(state);
    style.paint(name, tone)
}

pub(super) fn table(mailings: &[MailingReport], style: Style) -> String {
    let rows = mailings.iter().map(|mailing| {
        let (name, tone) = state_name(mailing.state);
        vec![
            toned(short(&mailing.id.to_string()), Tone::Strong),
            field(target(mailing)),
            toned(name, tone),
            field(&mailing.subject),
            field(&mailing.sender),
            field(time(mailing.created_at)),
            field(format!(
                "{}/{}",
                mailing.counts.sent.unwrap_or(mailing.counts.tried),
                mailing.counts.audience
            )),
        ]
    });
    let table = style.table(
        &["MAILING", "TO", "STATE", "SUBJECT", "SENDER", "AT", "SENT"],
        rows.collect(),
    );
    let stopped = mailings.iter().filter_map(|mailing| {
        let why = mailing.stopped.as_deref()?;
        Some(format!(
            "{}: {}.\n",
            short(&mailing.id.to_string()),
            clean(why)
        ))
    });
    let mut below: String = stopped.collect();
    if mailings.iter().any(is_rounded) {
        below += ROUNDED;
    }
    match below.is_empty() {
        true => table,
        false => table + "\n" + &below,
    }
}

fn is_rounded(mailing: &MailingReport) -> bool {
    mailing.counts.withdrawn.is_none()
}

fn one(mailing: &MailingReport, style: Style) -> String {
    let mut text = format!(
        "Mailing {} to {}: {}; {}.\nSubject: {}\n",
        short(&mailing.id.to_string()),
        target(mailing),
        state(mailing.state, style),
        progress(mailing.state, &mailing.counts),
        clean(&mailing.subject)
    );
    if mailing.state == MailingState::Held && mailing.counts.audience == Count::Exactly(0) {
        let part = if mailing.constituencies.is_some() {
            " in that part of it"
        } else {
            ""
        };
        text += &format!("Nobody is on the list{part} now: it would go to nobody.\n");
    }
    if let Some(why) = &mailing.stopped {
        text += &format!("Stopped by the service: {}.\n", clean(why));
    }
    match is_rounded(mailing) {
        true => text + ROUNDED,
        false => text,
    }
}

pub(super) fn preview_text(mailing: &MailingReport, style: Style) -> String {
    let mut text = one(mailing, style);
    text += &format!("Digest:  {}\n", clean(&mailing.digest));
    if mailing.state == MailingState::Held && mailing.second_person {
        text += "Somebody else than its sender has to approve it.\n";
    }
    text
}

/// The first digits of an id: what people type.
pub(super) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}
