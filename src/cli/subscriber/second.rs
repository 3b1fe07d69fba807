//! `subscriber waiting`, `agree` and `refuse`: what waits for a second person.

use crate::cli::code::CodeArg;
use crate::cli::context::Context;
use crate::cli::prompt;
use crate::cli::style::{Style, Tone, clean, counted, field, optional, time, toned};
use crate::control::Failure;
use crate::control::api::subscriber::{Agree, Agreed, Refuse, Refused, Waiting, WaitingReport};

pub(super) fn waiting(context: &Context) -> Result<(), Failure> {
    let none = "Nothing waits for a second person.";
    context
        .print_rows(&Waiting {}, none, waiting_table)
        .map(drop)
}

pub(super) fn agree(code: &str, own: CodeArg, yes: bool, context: &Context) -> Result<(), Failure> {
    prompt::confirm(&format!("agree to what waits under {code}"), yes)?;
    own.read(context)?;
    let agree = Agree {
        code: code.to_owned(),
    };
    context.print_answer(&agree, agreed_text)
}

pub(super) fn refuse(
    code: &str,
    reason: &str,
    yes: bool,
    context: &Context,
) -> Result<(), Failure> {
    prompt::confirm(&format!("refuse what waits under {code}"), yes)?;
    let refuse = Refuse {
        code: code.to_owned(),
        reason: reason.to_owned(),
    };
    context.print_answer(&refuse, |refused, _| refused_text(refused))
}

pub(in crate::cli) fn refused_text(refused: &Refused) -> String {
    format!(
        "{} of {} is refused and not done (their reason: {}).\n",
        clean(&refused.verb),
        clean(&refused.by),
        clean(&refused.reason)
    )
}

pub(in crate::cli) fn waiting_table(waiting: &[WaitingReport], style: Style) -> String {
    let rows = waiting.iter().map(|one| {
        vec![
            toned(&one.code, Tone::Strong),
            field(&one.verb),
            field(&one.by),
            optional(one.at.map(time)),
            field(&one.reason),
            optional(one.detail.as_ref()),
        ]
    });
    style.table(
        &["CODE", "WHAT", "BY", "AT", "REASON", "DETAIL"],
        rows.collect(),
    )
}

pub(in crate::cli) fn agreed_text(agreed: &Agreed, style: Style) -> String {
    let mut text = format!(
        "{} of {} goes ahead (reason: {}).\n",
        clean(&agreed.verb),
        clean(&agreed.by),
        clean(&agreed.reason)
    );
    if let Some(challenges) = &agreed.challenges {
        text += &format!(
            "{}, spaced evenly over the day, at most {} in 24 hours; the last about {}. Nobody is subscribed before they confirm.\n",
            counted(challenges.count, "challenge goes out", "challenges go out"),
            challenges.per_day,
            time(challenges.until)
        );
    }
    if let Some(phrase) = &agreed.opens_with {
        text += &format!(
            "The file opens with:\n\n    {}\n\nIt is shown this once. Keep it apart from the file.\n",
            style.paint(phrase.reveal(), Tone::Strong)
        );
    }
    text
}
