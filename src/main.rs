//! Hustings: parses the command line and runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use hustings::cli::{self, ColourChoice, Global, Programs, sandbox, serve};
use hustings::control::{Class, Failure};
use hustings::daemon;
use hustings::daemon::notify::Sockets;
use hustings::daemon::sandbox::run::Options;
use hustings::daemon::sandbox::walkthrough::Colours;
use hustings::daemon::serve::StartError;

/// The programs that aren't clients of the daemon.
struct Daemon;

impl Programs for Daemon {
    fn serve(&self, args: &serve::Args, global: &Global) -> Result<(), Failure> {
        // Before there is a runtime: it has threads, and this changes the environment.
        let sockets = Sockets::take().map_err(|error| {
            Failure::failed(
                "can't take the sockets that systemd handed over",
                error.to_string(),
                "look at hustings.socket: all of them must be listening TCP sockets",
            )
        })?;
        let runtime = runtime("run the service")?;
        let served = runtime.block_on(daemon::serve::run(&global.config, args.locked, sockets));
        served.map_err(|error| not_served(&error))
    }

    fn sandbox(&self, args: &sandbox::Args, global: &Global) -> Result<(), Failure> {
        let colours = match global.color {
            ColourChoice::Auto => Colours::detect(),
            ColourChoice::Always => Colours(true),
            ColourChoice::Never => Colours(false),
        };
        daemon::sandbox::run::run(&Options {
            walkthrough: args.walkthrough,
            directory: args.directory.clone(),
            port: args.port,
            colours,
        })
    }

    fn sandboxes(&self) -> Result<Vec<PathBuf>, Failure> {
        daemon::sandbox::running().map_err(|error| {
            Failure::failed(
                "can't look for sandboxes",
                error.to_string(),
                "name the sandbox's socket with --socket",
            )
        })
    }
}

/// The error's own next step, or the one that mostly helps.
fn not_served(error: &StartError) -> Failure {
    let what = "can't run the service";
    let failure = match error {
        // Each of its mistakes has a next step of its own.
        StartError::Config(_) => Failure::failed(what, error.to_string(), ""),
        error => Failure::from_error(Class::Failed, what, error),
    };
    if !failure.next.is_empty() {
        return failure;
    }
    Failure {
        next: "mend it and start again; `sudo hustings config check` looks at the configuration"
            .to_owned(),
        ..failure
    }
}

fn runtime(what: &str) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("hustings")
        .build()
        .map_err(|error| {
            Failure::from_error(
                hustings::control::Class::Failed,
                format!("can't {what}"),
                &error,
            )
        })
}

fn main() -> ExitCode {
    cli::main(&Daemon)
}
