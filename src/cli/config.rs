//! `config`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use std::path::Path;

use super::Global;
use super::context::Context;
use super::style::{clean, clean_lines, counted};
use crate::config::Config;
use crate::control::Failure;
use crate::control::api::service::Reload;
use crate::daemon::config_warnings;
use crate::template::Templates;

/// The configuration
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say what is wrong with the configuration; works without the daemon
    ///
    /// Names every mistake at once, with line, key and the next step, and warns of what is missing without being wrong:
    /// what the privacy notice has to say, and Welsh. Also looks whether certificates and key files can be
    /// read, and rehearses the party's own templates: run it as root or as the service's user, or with --without-files.
    #[command(
        after_help = "Examples:\n  hustings config check\n  hustings config check --config new.toml --without-files"
    )]
    Check {
        /// Don't look at the files that the configuration names
        #[arg(long)]
        without_files: bool,
    },
    /// Have the running service read its configuration and certificates again
    ///
    /// The same as systemctl reload hustings, with an answer. A configuration with mistakes changes nothing.
    #[command(after_help = "Examples:\n  hustings config check && hustings config reload")]
    Reload,
}

/// What `config check` finds, as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Checked {
    good: bool,
    problems: Vec<ProblemReport>,
    /// What isn't wrong and still wants doing.
    #[serde(default)]
    warnings: Vec<String>,
}

/// One thing that is wrong, as JSON.
#[derive(Debug, Serialize, Deserialize)]
struct ProblemReport {
    key: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: String,
}

pub(super) fn run(args: &Args, global: &Global, context: &Context) -> Result<(), Failure> {
    match &args.command {
        ConfigCommand::Check { without_files } => check(*without_files, global, context),
        ConfigCommand::Reload => context.print_answer(&Reload {}, |reloaded, _| {
            let mut text = match reloaded.needs_restart.as_slice() {
                [] => "The configuration is in force.\n".to_owned(),
                restart => format!(
                    "The configuration is in force, but for this, which needs a restart: {}\nRestart with: systemctl restart hustings\n",
                    restart.join(", ")
                ),
            };
            if let Some(digest) = &reloaded.digest {
                text += &format!("It is file {} in the audit log (the beginning of its SHA-256).\n", clean(digest));
            }
            for fault in &reloaded.faults {
                text += &format!("Not used: {}\n", clean(fault));
            }
            for warning in &reloaded.warnings {
                text += &format!("Warning: {}\n", clean(warning));
            }
            text
        }),
    }
}

fn check(without_files: bool, global: &Global, context: &Context) -> Result<(), Failure> {
    let read = if without_files {
        Config::load_without_files(&global.config)
    } else {
        Config::load(&global.config)
    };
    let errors = match read {
        Ok(config) => {
            if let Some(directory) = config.templates.as_deref().filter(|_| !without_files) {
                check_templates(directory, context)?;
            }
            let checked = Checked {
                good: true,
                problems: Vec::new(),
                warnings: config_warnings(&config, jiff::Timestamp::now()),
            };
            return context.print(&checked, |_| {
                let mut text = format!("{}: nothing is wrong.\n", global.config.display());
                for warning in &checked.warnings {
                    text += &format!("Warning: {}\n", clean(warning));
                }
                text
            });
        }
        Err(errors) => errors,
    };
    let problems = errors.problems().iter().map(|problem| {
        let place = errors.place(problem);
        ProblemReport {
            key: problem.key.clone(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            message: problem.message.clone(),
            help: problem.help.clone(),
        }
    });
    let checked = Checked {
        good: false,
        problems: problems.collect(),
        warnings: Vec::new(),
    };
    context.print(&checked, |_| format!("{errors}\n"))?;
    Err(Failure::failed(
        format!("can't use {}", global.config.display()),
        counted(
            checked.problems.len() as u64,
            "thing is wrong with it",
            "things are wrong with it",
        ),
        "mend what is named above and check again",
    ))
}

/// The party's own templates, rehearsed with sample data as the service does it.
fn check_templates(directory: &Path, context: &Context) -> Result<(), Failure> {
    let Err(faults) = Templates::check(directory) else {
        return Ok(());
    };
    let problems = faults.iter().map(|fault| ProblemReport {
        key: "templates".to_owned(),
        line: fault.line,
        column: None,
        message: fault.to_string(),
        help: "mend the file, or take it away to use the built-in one".to_owned(),
    });
    let checked = Checked {
        good: false,
        problems: problems.collect(),
        warnings: Vec::new(),
    };
    context.print(&checked, |_| {
        let faults = faults.iter();
        faults
            .map(|fault| format!("{}\n", clean_lines(&fault.to_string())))
            .collect()
    })?;
    Err(Failure::failed(
        format!("can't use every template in {}", directory.display()),
        format!(
            "{} wrong with them; the service would start, with the built-in ones in their place",
            match faults.len() {
                1 => "one thing is".to_owned(),
                many => format!("{many} things are"),
            }
        ),
        "mend what is named above and check again",
    ))
}
