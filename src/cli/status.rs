//! `status`.

use super::context::Context;
use super::style::{Style, Tone, clean, field, optional, time, toned};
use crate::control::Failure;
use crate::control::api::Count;
use crate::control::api::service::{
    CertificateReport, DoorReport, HeldUpReport, LockState, ReportWork, Status, StatusReport,
};

/// Show how the service is: locked or not, its doors, its work, what needs your care
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hustings status\n  hustings status --json | jq .state")]
pub(super) struct Args {}

pub(super) fn run(_: &Args, context: &Context) -> Result<(), Failure> {
    context.print_answer(&Status {}, text)
}

/// How wide the names at the left are.
const LABEL: usize = 13;

pub(super) fn text(report: &StatusReport, style: Style) -> String {
    let tone = match report.state {
        LockState::Unlocked => Tone::Good,
        LockState::Locked | LockState::Unlocking | LockState::Stopping => Tone::Warning,
    };
    let mut lines = vec![
        ("state", style.paint(report.state.as_str(), tone)),
        ("version", clean(&report.version)),
        ("since", time(report.started_at)),
        ("root key", style.prose(&report.key, LABEL)),
        ("store", style.prose(&report.store, LABEL)),
        ("you", clean(&report.you)),
    ];
    if let Some(work) = &report.work {
        let mailings = format!(
            "{} running, {} held",
            work.mailings_running, work.mailings_held
        );
        if let Some(queued) = work.queued {
            lines.push(("queue", format!("{queued} waiting")));
        }
        lines.push(("mailings", mailings));
        lines.push(("staff", work.staff.to_string()));
        if let Some(held) = work.held_up.filter(|held| *held != Default::default()) {
            lines.push(("log-ins", style.paint(&held_up(held), Tone::Warning)));
        }
        if let Some(reports) = &work.reports {
            lines.push(("reports", reports_of(reports)));
        }
    }
    if report.waiting_withdrawals != Count::Exactly(0) {
        let waiting = match report.waiting_withdrawals {
            Count::Exactly(1) => "1 waits for the unlock".to_owned(),
            count => format!("{count} wait for the unlock"),
        };
        lines.push(("withdrawals", style.paint(&waiting, Tone::Warning)));
    }
    let mut text = String::new();
    for (name, value) in lines {
        text += &format!(
            "{}{value}\n",
            style.paint(&format!("{name:<LABEL$}"), Tone::Strong)
        );
    }
    if !report.doors.is_empty() {
        text += "\n";
        text += &doors(&report.doors, style);
    }
    if !report.certificates.is_empty() {
        text += "\n";
        text += &certificates(&report.certificates, style);
    }
    if !report.refused.is_empty() {
        text += "\n";
        text += &refused(report, style);
    }
    for warning in &report.warnings {
        text += &format!(
            "\n{} {}\n",
            style.paint(
                "warning:",
                match warning.starts_with("RED:") {
                    true => Tone::Bad,
                    false => Tone::Warning,
                }
            ),
            style.prose(warning, 9)
        );
    }
    text
}

fn held_up(held: HeldUpReport) -> String {
    let some = |count: u64, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    format!(
        "{} held up, {} guessed at (lift it: hustings staff unlock)",
        some(held.networks, "network"),
        some(held.names, "name")
    )
}

fn reports_of(work: &ReportWork) -> String {
    let mut text = format!("{} kept, {} sent", work.kept, work.sent);
    if work.given_up > 0 {
        text += &format!(", {} that nobody took", work.given_up);
    }
    if !work.tls_failures.is_empty() {
        let failures = work.tls_failures.iter();
        let failures: Vec<_> = failures
            .map(|(kind, count)| format!("{} {count}", clean(kind)))
            .collect();
        text += &format!("; TLS on the way out: {}", failures.join(", "));
    }
    text
}

fn doors(doors: &[DoorReport], style: Style) -> String {
    let rows = doors.iter().map(|door| {
        let tone = if door.state == "open" {
            Tone::Good
        } else {
            Tone::Warning
        };
        vec![
            field(&door.name),
            toned(&door.state, tone),
            field(door.addresses.join(", ")),
            field(door.connections),
        ]
    });
    style.table(
        &["DOOR", "STATE", "ADDRESSES", "CONNECTIONS"],
        rows.collect(),
    )
}

fn certificates(certificates: &[CertificateReport], style: Style) -> String {
    let rows = certificates.iter().map(|one| {
        let tone = match one.source.as_str() {
            "self-made" => Tone::Warning,
            _ => Tone::Plain,
        };
        vec![
            field(&one.key),
            toned(&one.source, tone),
            field(one.names.join(", ")),
            field(time(one.expires_at)),
            optional(one.renews_at.map(time)),
        ]
    });
    style.table(
        &["CERTIFICATE", "FROM", "NAMES", "ENDS", "RENEWED"],
        rows.collect(),
    )
}

fn refused(report: &StatusReport, style: Style) -> String {
    let rows = report.refused.iter().map(|one| {
        vec![
            field(&one.door),
            field(&one.reason),
            field(one.times),
            field(one.networks),
        ]
    });
    let times = report.refused_since.map_or_else(
        || "TIMES".to_owned(),
        |since| format!("SINCE {}", since.strftime("%F")),
    );
    style.table(
        &["TLS REFUSED AT", "BECAUSE IT", &times, "NETWORKS"],
        rows.collect(),
    )
}
