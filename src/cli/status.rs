//! `status`.

use super::context::Context;
use super::style::{Style, Tone, clean, field, time, toned};
use crate::control::Failure;
use crate::control::api::Count;
use crate::control::api::service::{DoorReport, LockState, Status, StatusReport};

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
    for warning in &report.warnings {
        text += &format!(
            "\n{} {}\n",
            style.paint("warning:", Tone::Warning),
            style.prose(warning, 9)
        );
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
