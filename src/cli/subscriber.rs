//! `subscriber`: for admins.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum, ValueHint};

use super::body::{NewFile, open};
use super::context::{Context, Sinks, json_line};
use super::prompt::{self, ADDRESS_HELP};
use super::style::{Style, Tone, clean, field, optional, time, toned};
use crate::control::api::subscriber::{
    Add, Agree, Agreed, CardChannel, Erase, Erased, Export, Exported, Find, Found, Import,
    Imported, RowVerdict, Share, Stats, StatsReport, Waiting, WaitingReport,
};
use crate::control::{BODY_MAX, Class, Failure};
use crate::vault::{StreamError, StreamKey, StreamOpener};

/// People who subscribed; for admins alone
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: SubscriberCommand,
}

/// How somebody asked to be added
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Channel {
    /// On paper
    Paper,
    /// At an event
    Event,
}

impl From<Channel> for CardChannel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Paper => Self::Paper,
            Channel::Event => Self::Event,
        }
    }
}

/// The language of a card
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// English
    En,
    /// Welsh
    Cy,
}

impl Language {
    const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Cy => "cy",
        }
    }
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
    Add {
        #[arg(help = ADDRESS_HELP)]
        address: String,
        /// For this list; may be given more than once
        #[arg(
            long = "list",
            value_name = "LIST",
            required = true,
            value_delimiter = ','
        )]
        lists: Vec<String>,
        /// The constituency's code or name, if they gave one
        #[arg(long)]
        constituency: Option<String>,
        /// Where they filled it in
        #[arg(long)]
        channel: Channel,
        /// When they filled it in, as year-month-day
        #[arg(long, value_name = "DATE")]
        asked_on: String,
        /// The batch of cards that it lies in, so that it can be found
        #[arg(long, value_name = "TEXT")]
        batch: String,
        /// The statement of minimum age is ticked on the card
        #[arg(long)]
        age_stated: bool,
        /// The language of the card
        #[arg(long, default_value = "en")]
        language: Language,
    },
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
    Import {
        /// The CSV file, or `-` for standard input
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The CSV file of those who left the old system
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "no_suppressions")]
        suppressions: Option<PathBuf>,
        /// State that the old system has no list of those who left; it goes on the record
        #[arg(long, conflicts_with = "suppressions")]
        no_suppressions: bool,
        /// Only say which rows would be taken; the suppression file is left alone
        #[arg(long)]
        dry_run: bool,
    },
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
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Erase an address and everything about it; only a keyed hash stays, so that it is never written to again
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
    /// Count subscribers by list and constituency; numbers under five are shown to admins alone
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
        SubscriberCommand::Add {
            address,
            lists,
            constituency,
            channel,
            asked_on,
            batch,
            age_stated,
            language,
        } => {
            let add = Add {
                address: prompt::address(address)?,
                lists: lists.clone(),
                constituency: constituency.clone(),
                channel: (*channel).into(),
                asked_on: asked_on.clone(),
                batch: batch.clone(),
                age_stated: *age_stated,
                language: language.tag().to_owned(),
            };
            context.print_answer(&add, |_, _| ADDED.to_owned())
        }
        SubscriberCommand::Import {
            file,
            reason,
            suppressions,
            dry_run,
            ..
        } => run_import(file, suppressions.as_deref(), *dry_run, reason, context),
        SubscriberCommand::Export { to, reason } => export(to, reason, context),
        SubscriberCommand::Open { file, to } => open_sealed(file, to),
        SubscriberCommand::Waiting => context
            .print_rows(
                &Waiting {},
                "Nothing waits for a second person.",
                waiting_table,
            )
            .map(drop),
        SubscriberCommand::Agree { code, yes } => {
            prompt::confirm(&format!("agree to what waits under {code}"), *yes)?;
            context.print_answer(&Agree { code: code.clone() }, agreed_text)
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

/// The largest suppression file: it is held while it is sent, so that its length is known.
const SUPPRESSIONS_MAX: u64 = 256 << 20;

fn run_import(
    file: &std::path::Path,
    suppressions: Option<&std::path::Path>,
    dry_run: bool,
    reason: &str,
    context: &Context,
) -> Result<(), Failure> {
    let rows = open(file)?;
    let left = suppressions.map(read_suppressions).transpose()?;
    let import = Import {
        suppression_bytes: left.as_ref().map(|bytes| bytes.len() as u64),
        dry_run,
        reason: reason.to_owned(),
    };
    let left = left.unwrap_or_default();
    let mut from = io::Cursor::new(&*left).chain(rows);
    let mut show = |verdict: RowVerdict| {
        if context.json {
            context.write(&json_line(&verdict)?)
        } else {
            context.write(&verdict_line(&verdict, context.style))
        }
    };
    let sinks = Sinks {
        row: &mut show,
        body: &mut |_| Ok(()),
    };
    let imported = context.ask_into(&import, Some(&mut from), sinks)?;
    context.print(&imported, |_| imported_text(&imported, dry_run))
}

fn read_suppressions(path: &std::path::Path) -> Result<zeroize::Zeroizing<Vec<u8>>, Failure> {
    let what = || format!("can't read {}", path.display());
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    open(path)?
        .take(SUPPRESSIONS_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::failed(what(), error.to_string(), "check that it is the right file")
        })?;
    if bytes.len() as u64 > SUPPRESSIONS_MAX {
        let why = format!("it has more than {SUPPRESSIONS_MAX} bytes");
        return Err(Failure::refused(what(), why, "split it"));
    }
    Ok(bytes)
}

fn export(to: &std::path::Path, reason: &str, context: &Context) -> Result<(), Failure> {
    let mut file = NewFile::create(to)?;
    let sinks = Sinks {
        row: &mut |_| Ok(()),
        body: &mut |bytes| file.write(bytes),
    };
    let export = Export {
        reason: reason.to_owned(),
    };
    let exported = context.ask_into(&export, None, sinks)?;
    file.finish()?;
    context.print(&exported, |_| exported_text(&exported, to))
}

fn exported_text(exported: &Exported, to: &std::path::Path) -> String {
    let mut text = format!(
        "Wrote {}: {} subscribers, {} suppressions, {} evidence events.\n",
        to.display(),
        exported.subscribers,
        exported.suppressions,
        exported.evidence,
    );
    if exported.left_out > 0 {
        text += &format!(
            "{} rows don't open and are not in it; see them with: hustings store verify\n",
            exported.left_out
        );
    }
    text += &format!(
        "SHA-256: {}\n{} holds the phrase that opens it: hustings subscriber open {}\n",
        exported.sha256,
        clean(&exported.second),
        to.display(),
    );
    text
}

fn open_sealed(file: &std::path::Path, to: &std::path::Path) -> Result<(), Failure> {
    let what = format!("can't open {}", file.display());
    let mut sealed = File::open(file).map_err(|error| {
        Failure::failed(
            &what,
            error.to_string(),
            "check the path and its permissions",
        )
    })?;
    let phrase = prompt::passphrase("Phrase that the second person has:")?;
    let mut out = NewFile::create(to)?;
    unseal(&mut sealed, phrase.reveal(), &what, &mut |plain| {
        out.write(plain)
    })?;
    // Only now: a file that was cut off must not look like a whole one.
    out.finish()
}

/// Opens a sealed stream piece by piece.
pub(super) fn unseal(
    sealed: &mut impl Read,
    phrase: &str,
    what: &str,
    write: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: StreamError| Failure::from_error(Class::Failed, what, &error);
    let unreadable =
        |error: std::io::Error| Failure::failed(what, error.to_string(), "check the disk");
    let mut buffer = zeroize::Zeroizing::new(vec![0; BODY_MAX]);
    let mut first = fill(sealed, &mut buffer).map_err(unreadable)?;
    let key = StreamKey::Passphrase(phrase);
    let mut opener = StreamOpener::new(&buffer[..first], &key).map_err(failed)?;
    let mut from = opener.header_len();
    while first > 0 {
        let piece = buffer.get(from..first).unwrap_or_default();
        write(&opener.push(piece).map_err(failed)?)?;
        first = fill(sealed, &mut buffer).map_err(unreadable)?;
        from = 0;
    }
    opener.finish().map_err(failed)
}

/// Reads until the buffer is full or the file ends.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
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
            let rows = subscriber
                .subscriptions
                .iter()
                .map(|(list, at)| vec![toned(list, Tone::Strong), field(time(*at))]);
            text += "\n";
            text += &style.table(&["LIST", "CONFIRMED"], rows.collect());
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

const ADDED: &str = "Entered. Unless it is suppressed or was asked of late, the address is asked \"was it you?\"; it is \
subscribed once its owner presses the button.\n";

pub(super) fn verdict_line(verdict: &RowVerdict, style: Style) -> String {
    let line = style.paint(&format!("line {}:", verdict.line), Tone::Warning);
    format!("{line} {}\n", clean(&verdict.why))
}

pub(super) fn imported_text(imported: &Imported, dry_run: bool) -> String {
    let would = if dry_run { "would be " } else { "" };
    let mut text = format!(
        "{} rows {would}taken, {} {would}refused.\n",
        imported.taken, imported.refused,
    );
    if imported.suppressed > 0 {
        text += &format!(
            "{} rows of the suppression file are in force.\n",
            imported.suppressed
        );
    }
    if let Some(code) = &imported.code {
        text += &format!(
            "Nothing is sent until another admin agrees: hustings subscriber agree {}\nThen at most {} challenges go out a day.\n",
            clean(code),
            imported.challenges_per_day,
        );
    }
    text
}

pub(super) fn waiting_table(waiting: &[WaitingReport], style: Style) -> String {
    let rows = waiting.iter().map(|one| {
        vec![
            toned(&one.code, Tone::Strong),
            field(&one.verb),
            field(&one.by),
            field(time(one.at)),
            field(&one.reason),
            optional(one.detail.as_ref()),
        ]
    });
    style.table(
        &["CODE", "WHAT", "BY", "AT", "REASON", "DETAIL"],
        rows.collect(),
    )
}

pub(super) fn agreed_text(agreed: &Agreed, style: Style) -> String {
    let mut text = format!(
        "{} of {} goes ahead (reason: {}).\n",
        clean(&agreed.verb),
        clean(&agreed.by),
        clean(&agreed.reason)
    );
    if let Some(phrase) = &agreed.opens_with {
        text += &format!(
            "The file opens with:\n\n    {}\n\nIt is shown this once. Keep it apart from the file.\n",
            style.paint(phrase.reveal(), Tone::Strong)
        );
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
        " A keyed hash stays, so that it is not written to again."
    } else {
        ""
    };
    format!("{held}{stays}\n")
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
    format!(
        "Subscribers: {}\nPending:     {}\nExpired:     {}\nSuppressed:  {}\n",
        report.subscribers, report.pending, report.expired, report.suppressed
    )
}

/// Reads a whole small file, such as a checkpoint; `-` is standard input.
pub(super) fn read_small(path: &std::path::Path) -> Result<String, Failure> {
    const MOST: u64 = 64 * 1024;
    let mut text = String::new();
    open(path)?
        .take(MOST)
        .read_to_string(&mut text)
        .map_err(|error| {
            Failure::failed(
                format!("can't read {}", path.display()),
                error.to_string(),
                "check that it is the right file",
            )
        })?;
    Ok(text)
}
