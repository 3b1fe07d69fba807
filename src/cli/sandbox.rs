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
/// machine. Ends with Ctrl-C (or SIGTERM, SIGHUP) and leaves nothing behind.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hustings sandbox\n  hustings sandbox --walkthrough\n  hustings sandbox --directory ./trial --port 4000\n  hustings sandbox clock --socket /tmp/hustings-XXXXXX/run/control.sock +8d"
)]
pub struct Args {
    /// Do the whole story by itself and say what was seen on the wire; exit 0 only if all held
    #[arg(long)]
    pub walkthrough: bool,
    /// Keep the data in this directory instead of a throwaway one: a new or empty one, or that of an earlier sandbox
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
    /// The first of the five ports to use on 127.0.0.1; any free ones if not given
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_531))]
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
    /// All schedules follow: retries, expiry, reminders. It needs --socket, and to be run as the sandbox's Ben: the sandbox
    /// prints the whole command ("a week later"). One move is at most 36500 days.
    #[command(
        after_help = "Examples:\n  hustings sandbox clock --socket /tmp/hustings-XXXXXX/run/control.sock\n  hustings sandbox clock --socket /tmp/hustings-XXXXXX/run/control.sock +8d"
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
    let asked = context.print_answer(&SandboxClock { by_seconds }, |reading, _| {
        format!("It is {} in the sandbox.\n", time(reading.now))
    });
    asked.map_err(|failure| match global.socket {
        Some(_) => failure,
        // The installed service's socket was tried: it's the sandbox's that is meant.
        None => Failure {
            next: "add --socket with the path that the sandbox printed; its line \"a week later\" is the whole command"
                .to_owned(),
            ..failure
        },
    })
}

/// The longest move of the clock, in days: a hundred years.
const FARTHEST_DAYS: i64 = 36_500;

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
        let digits = &rest[..rest.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let number = digits.parse().unwrap_or(i64::MAX);
        Some(number.saturating_mul(unit).saturating_mul(sign))
    };
    if let Some(far) = parse()
        && far.saturating_abs() > FARTHEST_DAYS * 86_400
    {
        return Err(Failure::misuse(
            "can't move the clock",
            format!("that is farther than {FARTHEST_DAYS} days at once"),
            format!("give at most +{FARTHEST_DAYS}d"),
        ));
    }
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
        for bad in ["", "+", "8", "d", "+8w", "--8d", "+8é", "+-8d"] {
            let refused = seconds(bad).expect_err(bad);
            assert!(refused.why.contains("can't be read"), "{bad:?}");
        }
        for far in ["+99999999999d", "-99999999999999999999999s", "+36501d"] {
            let refused = seconds(far).expect_err(far);
            assert!(refused.why.contains("36500 days"), "{refused}");
        }
        assert_eq!(seconds("+36500d").expect("reads"), 36_500 * 86_400);
    }
}
