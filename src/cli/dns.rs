//! `dns`.

use clap::Subcommand;

use super::context::{Context, Sinks, json_line};
use super::style::{Style, Tone, clean, counted, field, optional, time, toned};
use crate::control::api::dns::{
    Check, Checked, Dkim, FindingReport, KeyReport, RecordReport, Records, Reports, RotateDkim,
    RotateTls, Rotated, TlsRotation,
};
use crate::control::{Ask, Failure};

/// What the party publishes in DNS
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: DnsCommand,
}

#[derive(Debug, Subcommand)]
enum DnsCommand {
    /// Print every record that is to be published, for this machine and each domain
    #[command(
        after_help = "Examples:\n  hustings dns records\n  hustings dns records --zone > party.example.zone\n  hustings dns records --domain party.example --json"
    )]
    Records {
        /// Of this domain alone, and of this machine
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// As lines of a zone file, with long texts in strings of 255 characters
        #[arg(long, conflicts_with = "json")]
        zone: bool,
    },
    /// Look each record up at the domain's own name servers and through the resolver, and say what to mend
    ///
    /// What this machine can't check is shown as "not checked" and holds nothing back. While something is wrong that large
    /// receivers refuse mailings for, mailings are held back; `mailing approve --anyway` sends one all the same.
    #[command(
        after_help = "Examples:\n  hustings dns check\n  hustings dns check --json | jq 'select(.state == \"missing\")'\n\nExit status: 1 if something is missing or different."
    )]
    Check {
        /// Of this domain alone, and of this machine
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
    },
    /// List the DKIM keys: what each signs, since when, and what is to be done with its record
    #[command(after_help = "Examples:\n  hustings dns dkim")]
    Dkim,
    /// Show what other servers report: who sends mail in the party's name and does it pass, and how TLS on the way here fared
    ///
    /// What fails comes first. Reports on mail (DMARC) come to dmarc@ each domain, reports on TLS (TLSRPT) to the address that
    /// `dns records` lists; both are kept for 90 days. A network is an IPv4 /24 or an IPv6 /56. Anybody can send a report:
    /// "unproven" are those of whom nobody knows whether they are who they say. Reports tell to whose servers mail went, so
    /// that only admins see them.
    #[command(
        after_help = "Examples:\n  hustings dns reports\n  hustings dns reports --days 7 --domain party.example\n  hustings dns reports --json | jq 'select(.passes == false)'"
    )]
    Reports {
        /// Of this domain alone
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// Of the last days alone
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=90))]
        days: Option<u32>,
    },
    /// Make new DKIM keys, and print the records to publish
    ///
    /// Nothing is signed with them before their records are seen at the domain's own name servers; that is looked at every
    /// three hours, and at once with --now. The old records stay for 14 days after that, for mail that is on its way; then
    /// `status` and `dns records` say that they can be taken away.
    #[command(
        after_help = "Examples:\n  hustings dns rotate-dkim\n  hustings dns rotate-dkim --stream list --domain party.example\n  hustings dns rotate-dkim --now"
    )]
    RotateDkim {
        /// Of this domain alone
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// For this kind of mail alone
        #[arg(long, value_name = "KIND", value_parser = ["list", "staff", "service"])]
        stream: Option<String>,
        /// Make none: look now whether the records of those that wait are published, and sign with them
        #[arg(long)]
        now: bool,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT", conflicts_with = "now")]
        reason: Option<String>,
    },
    /// Make the next keys for the certificates, and print their TLSA records to publish beside those that are there
    ///
    /// The keys are served once their records were seen at the domain's own name servers, and two TTLs are over, so that
    /// nobody remembers the records without them; the authority has issued certificates for them by then. That is looked at
    /// every three hours, and at once with --now. Renewals by themselves keep the keys, so this is only for when a key may
    /// have leaked, or by habit once a year. For certificates from files, their maker does it.
    #[command(
        after_help = "Examples:\n  hustings dns rotate-tls --reason \"yearly\"\n  hustings dns rotate-tls --now"
    )]
    RotateTls {
        /// Make none: look now whether the records of those that wait are published. Where no TLSA record is published at
        /// all, the keys are served without
        #[arg(long)]
        now: bool,
        /// Why; it stands in the audit log
        #[arg(long, value_name = "TEXT", conflicts_with = "now")]
        reason: Option<String>,
    },
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.command {
        DnsCommand::Records { domain, zone } => {
            let ask = Records {
                domain: domain.clone(),
            };
            let show = if *zone { zone_file } else { listing };
            context
                .print_rows(&ask, "There is no record.", show)
                .map(drop)
        }
        DnsCommand::Check { domain } => check(domain.clone(), context),
        DnsCommand::Dkim => context
            .print_rows(&Dkim {}, "There is no key.", keys)
            .map(drop),
        DnsCommand::Reports { domain, days } => {
            let ask = Reports {
                domain: domain.clone(),
                days: *days,
            };
            super::dns_reports::run(&ask, context)
        }
        DnsCommand::RotateTls { now, reason } => rotate(
            &RotateTls {
                now: *now,
                reason: reason.clone(),
            },
            context,
            tls_rotation,
        ),
        DnsCommand::RotateDkim {
            domain,
            stream,
            now,
            reason,
        } => rotate(
            &RotateDkim {
                domain: domain.clone(),
                stream: stream.clone(),
                now: *now,
                reason: reason.clone(),
            },
            context,
            |records, rotated| rotation(records, rotated, *now),
        ),
    }
}

fn check(domain: Option<String>, context: &Context) -> Result<(), Failure> {
    let checked = context.print_rows(&Check { domain }, "Nothing was looked at.", findings)?;
    if context.json {
        context.write(&json_line(&checked)?)?;
    }
    match checked.wrong {
        0 => Ok(()),
        wrong => Err(wrong_in_dns(wrong, &checked)),
    }
}

fn wrong_in_dns(wrong: u64, checked: &Checked) -> Failure {
    let mut why = format!("{} to be mended", counted(wrong, "thing is", "things are"));
    if !checked.held.is_empty() {
        why += &format!("; mailings from {} are held back", checked.held.join(", "));
    }
    Failure::failed(
        "DNS is not in order",
        why,
        "publish the lines above and run it again; new records may take an hour to be seen",
    )
}

/// Asks for new keys, and shows the records that are to be published for them.
fn rotate<A: Ask>(
    ask: &A,
    context: &Context,
    show: impl FnOnce(&[A::Row], &A::Answer) -> String,
) -> Result<(), Failure> {
    let mut records = Vec::new();
    let sinks = Sinks {
        row: &mut |row| {
            records.push(row);
            Ok(())
        },
        body: &mut |_| Ok(()),
    };
    let answer = context.ask_into(ask, None, sinks)?;
    if !context.json {
        return context.write(&show(&records, &answer));
    }
    for record in &records {
        context.write(&json_line(record)?)?;
    }
    context.write(&json_line(&answer)?)
}

pub(super) fn tls_rotation(records: &[RecordReport], rotation: &TlsRotation) -> String {
    if records.is_empty() {
        return "No new keys wait.\n".to_owned();
    }
    if let Some(at) = rotation.not_before {
        let at = time(at);
        return format!(
            "The records were seen. The next keys are served from {at} on; keep the old records until then.\n"
        );
    }
    let mut text = String::new();
    if let Some(why) = &rotation.waiting {
        text += &format!("Not yet: {}\n\n", clean(why));
    }
    text += "Publish these records beside those that are there. The next keys are served two TTLs after they were seen.\n\n";
    for record in records {
        text += &format!("{}\n", clean(&record.line));
    }
    text
}

pub(super) fn rotation(records: &[RecordReport], rotated: &Rotated, now: bool) -> String {
    let mut text = String::new();
    for name in &rotated.switched {
        text += &format!("Signs from now on: {}\n", clean(name));
    }
    for why in &rotated.waiting {
        text += &format!("Not yet: {}\n", clean(why));
    }
    if records.is_empty() {
        return match (now, rotated.switched.is_empty()) {
            (true, true) => "No new keys wait.\n".to_owned(),
            _ => {
                text + "Keep the old records for 14 days; `hustings status` says when they can go.\n"
            }
        };
    }
    text += if now {
        "\nTo be published:\n\n"
    } else {
        "Publish these records. The new keys sign once they are seen there; until then the old ones do.\n\n"
    };
    for record in records {
        text += &format!("{}\n", clean(&record.line));
    }
    text
}

/// The records, with a word on what is missing from it.
fn listing(records: &[RecordReport], style: Style) -> String {
    let mut text = table(records, style);
    if !records.iter().any(|record| record.topic == "address") {
        let note = "A, AAAA and PTR records of this machine belong to it: set `dns.addresses` to have them listed.";
        text += &format!("\n{}\n", style.prose(note, 0));
    }
    text
}

/// A table of what there is to publish, and each record whole below it: a DKIM key fits no column, and has to be copied.
pub(super) fn table(records: &[RecordReport], style: Style) -> String {
    let rows = records.iter().map(|record| {
        vec![
            toned(record.topic.as_str(), Tone::Strong),
            field(&record.kind),
            field(&record.name),
            field(&record.need),
            field(&record.act),
        ]
    });
    let head = ["FOR", "TYPE", "NAME", "NEEDED FOR", "TO DO"];
    let table = style.table(&head, rows.collect());
    format!("{table}\n{}", blocks(records, style))
}

/// Each record by itself. Its value has a line of its own, unbroken: it is there to be copied.
fn blocks(records: &[RecordReport], style: Style) -> String {
    let blocks = records.iter().map(|record| {
        let tone = match record.act.as_str() {
            "publish" => Tone::Plain,
            "remove" => Tone::Warning,
            _ => Tone::Quiet,
        };
        let mut text = format!(
            "{}: {} {}\n  {}\n",
            style.paint(&clean(&record.topic), Tone::Strong),
            style.paint(&clean(&record.act), tone),
            clean(&record.kind),
            clean(&record.name),
        );
        text += &format!("  {}\n", clean(&record.value));
        if let Some(note) = &record.note {
            text += &format!("  ({})\n", style.prose(note, 3));
        }
        text
    });
    blocks.collect::<Vec<_>>().join("\n")
}

pub(super) fn zone_file(records: &[RecordReport], _: Style) -> String {
    let mut text = String::new();
    let mut of: Option<&Option<String>> = None;
    for record in records {
        if of != Some(&record.domain) {
            let whose = record.domain.as_deref().unwrap_or("this machine");
            text += &format!("{}; {whose}\n", if of.is_some() { "\n" } else { "" });
            of = Some(&record.domain);
        }
        let note = clean(record.note.as_deref().unwrap_or_default());
        let line = clean(&record.line);
        text += &match record.act.as_str() {
            "publish" => format!("{line}\n"),
            "keep" => format!("; {note}:\n{line}\n"),
            "remove" => format!("; {note}: {}. {}\n", record.name, record.kind),
            _ => format!("; {note}:\n; {line}\n"),
        };
    }
    text
}

pub(super) fn findings(findings: &[FindingReport], style: Style) -> String {
    let rows = findings.iter().map(|finding| {
        let tone = match (finding.state.as_str(), finding.need.as_str()) {
            ("right", _) => Tone::Good,
            ("missing" | "different", "mailings") => Tone::Bad,
            ("missing" | "different", _) => Tone::Warning,
            _ => Tone::Quiet,
        };
        vec![
            toned(&finding.state, tone),
            toned(&finding.topic, Tone::Strong),
            field(&finding.name),
            field(&finding.said),
        ]
    });
    let mut text = style.table(&["STATE", "FOR", "NAME", "WHAT"], rows.collect());
    let fixes: Vec<&FindingReport> = findings.iter().filter(|one| one.fix.is_some()).collect();
    if !fixes.is_empty() {
        text += "\nTo be published:\n\n";
    }
    for finding in fixes {
        text += &format!("{}\n", clean(finding.fix.as_deref().unwrap_or_default()));
    }
    text
}

pub(super) fn keys(keys: &[KeyReport], style: Style) -> String {
    let rows = keys.iter().map(|key| {
        let tone = match key.phase.as_str() {
            "live" => Tone::Good,
            "kept" => Tone::Quiet,
            _ => Tone::Warning,
        };
        vec![
            toned(&key.domain, Tone::Strong),
            field(&key.stream),
            field(&key.selector),
            field(&key.algorithm),
            toned(&key.phase, tone),
            field(time(key.made_at)),
            optional(key.live_at.map(time)),
            optional(key.keep_until.map(time)),
        ]
    });
    style.table(
        &[
            "DOMAIN",
            "MAIL",
            "SELECTOR",
            "KIND",
            "STATE",
            "MADE",
            "SIGNS SINCE",
            "KEEP UNTIL",
        ],
        rows.collect(),
    )
}
