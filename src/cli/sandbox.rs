//! `sandbox`: everything on this machine, to try it.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::context::Context;
use super::style::time;
use super::{Global, Programs};
use crate::control::Failure;
use crate::control::api::service::SandboxClock;

/// Try it all on this machine: a real daemon, a throwaway directory, an outside world
///
/// Prints where to click: the sign-up page, the inbox of the outside world, how to send as staff. Nothing leaves this
/// machine. Ends with Ctrl-C and leaves nothing behind.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hustings sandbox\n  hustings sandbox --walkthrough\n  hustings sandbox clock +8d"
)]
pub struct Args {
    /// Do the whole story by itself and say what was seen on the wire; exit 0 only if all held
    #[arg(long)]
    pub walkthrough: bool,
    /// Keep the data in this directory instead of a throwaway one
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
    /// The first of the ports to use on 127.0.0.1; any free ones if not given
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// What to do in a sandbox that runs
    #[command(subcommand)]
    pub command: Option<SandboxCommand>,
}

/// What can be done in a sandbox that runs.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Show or move the sandbox's clock
    ///
    /// All schedules follow: retries, expiry, reminders. Give --socket as the sandbox printed it.
    #[command(
        after_help = "Examples:\n  hustings sandbox clock\n  hustings sandbox clock +8d\n  hustings sandbox clock +90m"
    )]
    Clock {
        /// How far: +8d, +3h, +90m, +30s; with - back
        #[arg(value_name = "BY", allow_hyphen_values = true)]
        by: Option<String>,
    },
}

pub(super) fn run(
    args: &Args,
    context: &Context,
    global: &Global,
    programs: &dyn Programs,
) -> Result<(), Failure> {
    let Some(SandboxCommand::Clock { by }) = &args.command else {
        return programs.sandbox(args, global);
    };
    let by_seconds = by.as_deref().map(seconds).transpose()?;
    context.print_answer(&SandboxClock { by_seconds }, |reading, _| {
        format!("It is {} in the sandbox.\n", time(reading.now))
    })
}

/// `+8d`, `-90m`.
fn seconds(text: &str) -> Result<i64, Failure> {
    let parse = || {
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let unit = match rest.chars().last()? {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        let number: u32 = rest[..rest.len() - 1].parse().ok()?;
        i64::from(number).checked_mul(unit)?.checked_mul(sign)
    };
    parse().ok_or_else(|| {
        Failure::misuse(
            "can't move the clock",
            "the span can't be read",
            "write a number and d, h, m or s, as in +8d",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, expected) in [
            ("+8d", 691_200),
            ("90m", 5_400),
            ("-1h", -3_600),
            ("+0s", 0),
        ] {
            assert_eq!(seconds(text).expect("reads"), expected, "{text}");
        }
        for bad in [
            "",
            "+",
            "8",
            "d",
            "+8w",
            "--8d",
            "+8é",
            "99999999999d",
            "+-8d",
        ] {
            assert!(seconds(bad).is_err(), "{bad:?}");
        }
    }
}
