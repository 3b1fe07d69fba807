//! The command line: one file per noun, a thin client of the control socket.
//!
//! It parses, asks the daemon, and shows what comes back. It decides nothing and never opens the database; `serve`,
//! `sandbox` and `init` are the daemon's own programs, which it only starts.
//!
//! | | |
//! |---|---|
//! | exit status | 0 done, 1 refused or failed, 2 misuse |
//! | standard output | what was asked for: tables for people, with `--json` one JSON object a line |
//! | standard error | progress, notes, errors (with `--json` as a JSON object `{"error": …}`) |

// They panic where nobody reads: `| head`, a full disk. `context::write_out` and `context::write_note` don't.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::control::{Class, Failure};
use context::Context;

mod audit;
mod body;
mod code;
mod config;
mod consent;
mod contact;
mod context;
mod dns;
mod dns_reports;
pub mod init;
mod init_dns;
mod key;
mod letter;
mod list;
mod lock;
mod mailbox;
mod mailing;
mod prompt;
mod queue;
pub mod sandbox;
pub mod serve;
mod shell;
mod staff;
mod status;
mod store;
mod style;
mod subscriber;
#[cfg(test)]
mod tests;

pub use context::{DEFAULT_CONFIG, SOCKET_NAME};
pub use style::ColourChoice;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "hustings",
    version,
    about = "A mail server that only writes to people who said yes",
    long_about = "A mail server that only writes to people who said yes.\n\nOne binary and one sealed file are a small \
party's whole mail system. Commands talk to the running service over a unix socket; it knows you by your Unix user.",
    after_help = "Exit status:\n  0  done\n  1  refused or failed, as where what you name isn't there\n  2  misuse: what was typed can't be read or lacks something\n\nTry it: hustings sandbox",
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The configuration
    #[arg(long, global = true, value_name = "FILE", env = "HUSTINGS_CONFIG", default_value = DEFAULT_CONFIG, hide_env_values = true)]
    pub config: PathBuf,
    /// The daemon's control socket, if it isn't where the configuration says; one behind the command's name counts before
    /// one in front of it
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "HUSTINGS_SOCKET",
        hide_env_values = true
    )]
    pub socket: Option<PathBuf>,
    /// Write JSON for machines, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours; NO_COLOR is heeded
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColourChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Sandbox(sandbox::Args),
    Init(init::Args),
    Status(status::Args),
    Unlock(lock::UnlockArgs),
    Lock(lock::LockArgs),
    Config(config::Args),
    Store(store::Args),
    Staff(staff::Args),
    List(list::Args),
    Subscriber(subscriber::Args),
    Consent(consent::Args),
    Contact(contact::Args),
    Mailing(mailing::Args),
    Queue(queue::Args),
    Mailbox(mailbox::Args),
    Dns(dns::Args),
    Audit(audit::Args),
    Key(key::Args),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
}

/// The programs that aren't clients of the daemon: the daemon itself and what builds one.
pub trait Programs {
    /// Runs the service until it is stopped.
    ///
    /// # Errors
    /// Why it could not start, or ended otherwise than asked.
    fn serve(&self, args: &serve::Args, global: &Global) -> Result<(), Failure>;
    /// Runs the sandbox.
    ///
    /// # Errors
    /// Why it could not, or which step of the walkthrough failed.
    fn sandbox(&self, args: &sandbox::Args, global: &Global) -> Result<(), Failure>;
    /// The control sockets of sandboxes that run on this machine.
    ///
    /// # Errors
    /// Why they can't be told.
    fn sandboxes(&self) -> Result<Vec<PathBuf>, Failure>;
}

/// Parses the process's arguments and runs the command.
pub fn main(programs: &dyn Programs) -> ExitCode {
    let cli = Cli::parse();
    let global = cli.global.clone();
    match run(cli, programs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure, &global);
            ExitCode::from(failure.class.exit_code())
        }
    }
}

/// The command line as clap knows it, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

pub(crate) fn run(cli: Cli, programs: &dyn Programs) -> Result<(), Failure> {
    let global = &cli.global;
    let context = Context::new(global);
    match &cli.command {
        Command::Serve(args) => programs.serve(args, global),
        Command::Sandbox(args) => sandbox::run(args, &context, global, programs),
        Command::Init(args) => init::run(args, global, &context),
        Command::Status(args) => status::run(args, &context),
        Command::Unlock(args) => lock::unlock(args, &context),
        Command::Lock(args) => lock::lock(args, &context),
        Command::Config(args) => config::run(args, global, &context),
        Command::Store(args) => store::run(args, &context),
        Command::Staff(args) => staff::run(args, &context),
        Command::List(args) => list::run(args, &context),
        Command::Subscriber(args) => subscriber::run(args, &context),
        Command::Consent(args) => consent::run(args, &context),
        Command::Contact(args) => contact::run(args, &context),
        Command::Mailing(args) => mailing::run(args, &context),
        Command::Queue(args) => queue::run(args, &context),
        Command::Mailbox(args) => mailbox::run(args, &context),
        Command::Dns(args) => dns::run(args, &context),
        Command::Audit(args) => audit::run(args, &context),
        Command::Key(args) => key::run(args, global, &context),
        Command::Completions(args) => shell::completions(args, &context),
        Command::Man(args) => shell::man(args, &context),
    }
}

/// Says on standard error what went wrong.
fn complain(failure: &Failure, global: &Global) {
    // A reader that has gone wants to hear nothing.
    if failure.class == Class::Gone && failure.what.is_empty() {
        return;
    }
    if global.json {
        if let Ok(text) = serde_json::to_string(&serde_json::json!({ "error": failure })) {
            context::write_note(&format!("{text}\n"));
        }
        return;
    }
    context::write_note(&complaint(failure, style::error_style(global.color)));
}

fn complaint(failure: &Failure, style: style::Style) -> String {
    use style::{Tone, clean_lines};
    let mut text = format!(
        "{}: {}: {}\n",
        style.paint("error", Tone::Bad),
        clean_lines(&failure.what),
        clean_lines(&failure.why)
    );
    if !failure.next.is_empty() {
        text += &format!(
            "  {} {}\n",
            style.paint("next:", Tone::Strong),
            clean_lines(&failure.next)
        );
    }
    text
}
