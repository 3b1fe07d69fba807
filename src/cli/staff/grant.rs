//! `staff grant`, `staff grants`, `staff end-grant` and `staff training`.

use clap::Args;
use jiff::civil::Date;

use super::super::code::CodeArg;
use super::super::context::Context;
use super::super::style::{Style, Tone, clean, field, optional, time, toned};
use super::{RoleArg, role_name};
use crate::control::Failure;
use crate::control::api::staff::{EndGrant, Grant, GrantRow, Grants, Training};
use crate::staff::last_day;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hustings staff grant ben sender --for 4h --reason \"writes today's mail for ada\"\n  hustings staff grant cy sender --for 2d --list news --constituency leeds-east,leeds-south"
)]
pub(super) struct GrantArgs {
    /// The login name
    name: String,
    /// The role
    role: RoleArg,
    /// For how long: 90m, 4h or 2d; 31d at most
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    lasts: i64,
    /// The only list that a sender may write to
    #[arg(long, value_name = "LIST")]
    list: Option<String>,
    /// The only constituencies that a sender may write to, as in the list's address; whom it reaches stays unknown to them
    #[arg(
        long = "constituency",
        value_name = "CONSTITUENCY",
        value_delimiter = ','
    )]
    constituencies: Vec<String>,
    /// Why; it stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    code: CodeArg,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hustings staff end-grant ben sender")]
pub(super) struct EndGrantArgs {
    /// The login name
    name: String,
    /// The role
    role: RoleArg,
    /// Why; it stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hustings staff training ben 2026-11-21")]
pub(super) struct TrainingArgs {
    /// The login name
    name: String,
    /// The day of the training: 2026-11-21
    #[arg(value_parser = day)]
    date: Date,
    /// The day that is noted was wrong: take this one, even if that counts longer or this one's time is over
    #[arg(long)]
    correct: bool,
    /// Why; it stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    code: CodeArg,
}

/// `2026-11-21`, and no other way to write a day.
fn day(text: &str) -> Result<Date, String> {
    let date = text.parse().ok();
    let date = date.filter(|date: &Date| date.to_string() == text);
    date.ok_or_else(|| "write it as 2026-11-21".to_owned())
}

/// `90m`, `4h`, `2d`, in seconds.
fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "write a number and m, h or d, as in 4h".to_owned();
    let units = [('m', 60), ('h', 3_600), ('d', 86_400)];
    let unit = units.iter().find(|(unit, _)| text.ends_with(*unit));
    let (unit, factor) = unit.ok_or_else(wrong)?;
    let number = text
        .strip_suffix(*unit)
        .and_then(|digits| digits.parse::<u32>().ok());
    number
        .map(|number| i64::from(number) * factor)
        .ok_or_else(wrong)
}

pub(super) fn grant(args: &GrantArgs, context: &Context) -> Result<(), Failure> {
    args.code.read(context)?;
    let grant = Grant {
        name: args.name.clone(),
        role: args.role.into(),
        seconds: args.lasts,
        list: args.list.clone(),
        constituencies: args.constituencies.clone(),
        reason: args.reason.clone(),
    };
    context.print_answer(&grant, |row, style| table(std::slice::from_ref(row), style))
}

pub(super) fn list(context: &Context) -> Result<(), Failure> {
    let none = "Nobody has a role for a time.";
    context.print_rows(&Grants {}, none, table).map(drop)
}

pub(super) fn end(args: &EndGrantArgs, context: &Context) -> Result<(), Failure> {
    let end = EndGrant {
        name: args.name.clone(),
        role: args.role.into(),
        reason: args.reason.clone(),
    };
    let name = clean(&args.name);
    let role = role_name(args.role.into());
    context.print_answer(&end, |_, _| {
        format!("{name} has the role {role} by grant no more.\n")
    })
}

pub(super) fn training(args: &TrainingArgs, context: &Context) -> Result<(), Failure> {
    args.code.read(context)?;
    let training = Training {
        name: args.name.clone(),
        date: args.date,
        correct: args.correct,
        reason: args.reason.clone(),
    };
    let name = clean(&args.name);
    context.print_answer(&training, |trained, _| {
        format!(
            "The training of {name} counts to the end of {}.\n",
            last_day(trained.until)
        )
    })
}

pub(in crate::cli) fn table(grants: &[GrantRow], style: Style) -> String {
    let rows = grants.iter().map(|grant| {
        let some = !grant.constituencies.is_empty();
        vec![
            toned(&grant.name, Tone::Strong),
            field(role_name(grant.role)),
            field(time(grant.until)),
            optional(grant.list.as_ref()),
            optional(some.then(|| grant.constituencies.join(", "))),
            field(time(grant.given_at)),
        ]
    });
    let head = ["NAME", "ROLE", "UNTIL", "LIST", "CONSTITUENCIES", "GIVEN"];
    style.table(&head, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::{day, seconds};

    #[test]
    fn a_day_is_written_in_one_way() {
        assert!(day("2026-11-21").is_ok());
        for bad in [
            "21.11.2026",
            "21/11/2026",
            "2026-11-21T12:00",
            "20261121",
            "2026-02-30",
            "",
        ] {
            assert_eq!(
                day(bad),
                Err("write it as 2026-11-21".to_owned()),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn times_are_read_strictly() {
        for (text, expected) in [("90m", 5_400), ("4h", 14_400), ("2d", 172_800), ("0h", 0)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for bad in ["", "h", "4", "4w", "-4h", "4 h", "4hh", "99999999999d", "é"] {
            assert!(seconds(bad).is_err(), "{bad:?}");
        }
    }
}
