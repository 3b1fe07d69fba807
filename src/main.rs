//! Hustings: parses the command line and runs it.

use std::process::ExitCode;

use hustings::cli::{self, Global, Programs, sandbox, serve};
use hustings::control::Failure;

/// The programs that aren't clients of the daemon.
struct Daemon;

impl Programs for Daemon {
    fn serve(&self, _: &serve::Args, _: &Global) -> Result<(), Failure> {
        Err(unfinished("run the service"))
    }

    fn sandbox(&self, _: &sandbox::Args, _: &Global) -> Result<(), Failure> {
        Err(unfinished("run the sandbox"))
    }
}

fn unfinished(what: &str) -> Failure {
    Failure::failed(
        format!("can't {what}"),
        "this build has no rooms and doors wired in yet",
        "use a build that has",
    )
}

fn main() -> ExitCode {
    cli::main(&Daemon)
}
