//! Hustings: parses the command line and runs it.

use std::process::ExitCode;

use hustings::cli::{self, Global, Programs, sandbox, serve};
use hustings::control::Failure;
use hustings::daemon;

/// The programs that aren't clients of the daemon.
struct Daemon;

impl Programs for Daemon {
    fn serve(&self, args: &serve::Args, global: &Global) -> Result<(), Failure> {
        let runtime = runtime("run the service")?;
        let served = runtime.block_on(daemon::serve::run(&global.config, args.locked));
        served.map_err(|error| {
            Failure::failed(
                "can't run the service",
                error.to_string(),
                "mend it and start again; `hustings config check` looks at the configuration",
            )
        })
    }

    fn sandbox(&self, _: &sandbox::Args, _: &Global) -> Result<(), Failure> {
        Err(Failure::failed("can't run the sandbox", "not yet", "soon"))
    }
}

fn runtime(what: &str) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("hustings")
        .build()
        .map_err(|error| Failure::from_error(hustings::control::Class::Failed, format!("can't {what}"), &error))
}

fn main() -> ExitCode {
    cli::main(&Daemon)
}
