//! `sandbox`: everything on this machine, to try it.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};

use super::context::{Context, DEFAULT_CONFIG};
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
    after_help = "Examples:\n  hustings sandbox\n  hustings sandbox --walkthrough\n  hustings sandbox --directory ./trial --port 4000\n  hustings sandbox clock +8d"
)]
pub struct Args {
    /// Do the whole story by itself and say what was seen on the wire; exit 0 only if all held
    #[arg(long)]
    pub walkthrough: bool,
    /// Keep the data in this directory instead of a throwaway one: a new or empty one, or that of an earlier sandbox
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
    /// The first of the seven ports to use on 127.0.0.1; any free ones if not given
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_529))]
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
    /// All schedules follow: retries, expiry, reminders. It finds the sandbox that runs on this machine; where several do,
    /// --socket says which, and the sandbox printed the whole command ("a week later"). It has to be run by one of the
    /// sandbox's staff. One move is at most 36500 days. An authenticator app knows nothing of it: after a move its codes
    /// don't fit, and a recovery code has to do.
    #[command(
        after_help = "Examples:\n  hustings sandbox clock\n  hustings sandbox clock +8d\n  hustings sandbox clock --socket /tmp/hustings-XXXXXX/run/control.sock +8d"
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
    let found = match is_named(global) {
        true => None,
        false => Some(Context::new(&Global {
            socket: Some(the_one(programs.sandboxes()?)?),
            ..global.clone()
        })),
    };
    let context = found.as_ref().unwrap_or(context);
    context.print_answer(&SandboxClock { by_seconds }, |reading, _| {
        format!("It is {} in the sandbox.\n", time(reading.now))
    })
}

/// Whether it was said which sandbox is meant. The usual configuration is the installed service's.
fn is_named(global: &Global) -> bool {
    global.socket.is_some() || global.config.as_path() != Path::new(DEFAULT_CONFIG)
}

/// The sandbox that is meant where none is named.
fn the_one(mut sockets: Vec<PathBuf>) -> Result<PathBuf, Failure> {
    match (sockets.pop(), sockets.as_slice()) {
        (Some(only), []) => Ok(only),
        (None, _) => Err(Failure::refused(
            CANT,
            "no sandbox runs on this machine, or none that you may see",
            "start one with `hustings sandbox`, or give --socket with the path that it printed",
        )),
        (Some(last), others) => {
            let all = others.iter().chain([&last]);
            let all: Vec<_> = all.map(|path| path.display().to_string()).collect();
            Err(Failure::misuse(
                CANT,
                format!(
                    "{} sandboxes run on this machine: {}",
                    all.len(),
                    all.join(", ")
                ),
                "say which with --socket and one of these",
            ))
        }
    }
}

const CANT: &str = "can't reach the sandbox's clock";

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
    use clap::Parser as _;

    #[test]
    fn the_sandbox_that_runs_is_meant_where_none_is_named() {
        let sockets = ["/tmp/a/run/control.sock", "/tmp/b/run/control.sock"].map(PathBuf::from);
        let only = the_one(sockets[..1].to_vec()).expect("one");
        assert_eq!(only, sockets[0]);
        let none = the_one(vec![]).expect_err("none");
        assert!(none.why.contains("no sandbox runs"), "{none}");
        assert!(none.next.contains("--socket"), "{none}");
        let several = the_one(sockets.to_vec()).expect_err("two");
        assert!(several.why.starts_with("2 sandboxes"), "{several}");
        for socket in &sockets {
            assert!(
                several.why.contains(&socket.display().to_string()),
                "{several}"
            );
        }
    }

    #[test]
    fn who_names_a_socket_or_a_configuration_means_that_one() {
        let global = |words: &[&str]| {
            let all = ["hustings"]
                .iter()
                .chain(words)
                .chain(&["sandbox", "clock"]);
            super::super::Cli::try_parse_from(all)
                .expect("parses")
                .global
        };
        assert!(!is_named(&global(&[])));
        assert!(is_named(&global(&["--socket", "/tmp/s"])));
        assert!(is_named(&global(&["--config", "/tmp/c.toml"])));
    }

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
