//! `dns reports`.

use super::context::{Context, json_line};
use super::style::{Field, Style, Tone, clean, counted, field, toned};
use crate::control::Failure;
use crate::control::api::dns::{Reported, Reports, SourceReport};

pub(super) fn run(ask: &Reports, context: &Context) -> Result<(), Failure> {
    let reported = context.print_rows(ask, "No report has come yet.", table)?;
    match context.json {
        true => context.write(&json_line(&reported)?),
        false => context.write(&said(&reported)),
    }
}

pub(super) fn said(reported: &Reported) -> String {
    let on = |count: u64| counted(count, "report", "reports");
    format!(
        "\n{} on mail (DMARC), {} on TLS.\n",
        on(reported.dmarc),
        on(reported.tls)
    )
}

pub(super) fn table(sources: &[SourceReport], style: Style) -> String {
    let mut text = String::new();
    for (about, heads) in [
        (
            "mail",
            [
                "STATE",
                "DOMAIN",
                "FROM NETWORK",
                "MAILS",
                "WHY",
                "DAYS",
                "TOLD BY",
            ],
        ),
        (
            "tls",
            [
                "STATE",
                "DOMAIN",
                "AT SERVER",
                "CONNECTIONS",
                "WHY",
                "DAYS",
                "TOLD BY",
            ],
        ),
    ] {
        let of = sources.iter().filter(|one| one.about == about);
        let rows: Vec<_> = of.map(row).collect();
        if rows.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text += "\n";
        }
        text += &style.table(&heads, rows);
    }
    text
}

fn row(one: &SourceReport) -> Vec<Field> {
    let (state, tone) = match one.passes {
        true => ("passes", Tone::Good),
        false => ("fails", Tone::Bad),
    };
    vec![
        toned(state, tone),
        toned(&one.domain, Tone::Strong),
        field(place(one)),
        field(one.count),
        field(why(one)),
        field(match one.from == one.to {
            true => one.from.clone(),
            false => format!("{} to {}", one.from, one.to),
        }),
        field(match one.unproven {
            true => format!("{} (unproven)", one.reporters.join(", ")),
            false => one.reporters.join(", "),
        }),
    ]
}

fn place(one: &SourceReport) -> String {
    if one.about == "tls" {
        return one.host.clone().unwrap_or_else(|| "any".to_owned());
    }
    let network = one.network.as_deref().unwrap_or("many others");
    match one.own {
        true => format!("{network} (this machine)"),
        false => network.to_owned(),
    }
}

fn why(one: &SourceReport) -> String {
    if one.about == "tls" {
        let policy = one.policy.as_deref().unwrap_or_default();
        return match &one.result {
            Some(result) => format!("{} ({policy})", clean(result)),
            None => policy.to_owned(),
        };
    }
    let said = |passed: Option<bool>| match passed {
        Some(true) => "pass",
        _ => "fail",
    };
    let mut text = format!("SPF {}, DKIM {}", said(one.spf), said(one.dkim));
    match one.became.as_deref() {
        Some("quarantine") => text += "; taken for junk",
        Some("reject") => text += "; refused",
        _ => {}
    }
    if let Some(author) = one.author.as_ref().filter(|author| **author != one.domain) {
        text += &format!("; From: {}", clean(author));
    }
    let others = one.vouched.iter().filter(|name| **name != one.domain);
    let others: Vec<_> = others.map(|name| clean(name)).collect();
    if !others.is_empty() {
        text += &format!("; sent by {}", others.join(", "));
    }
    text
}
