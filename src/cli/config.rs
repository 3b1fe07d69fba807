//! `config`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use std::path::Path;

use super::Global;
use super::context::Context;
use super::style::{clean, clean_lines, counted};
use crate::config::{Config, ConfigErrors, Problem};
use crate::consent::constituency::Constituencies;
use crate::control::Failure;
use crate::control::api::service::Reload;
use crate::daemon::{config_warnings, file_warnings, init};
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
    /// what the privacy notice has to say, and Welsh. Also looks at the data directory, at certificates and key files,
    /// and rehearses the party's own templates. What your Unix user may not look at is said to be not checked: sudo checks
    /// all of it.
    #[command(
        after_help = "Examples:\n  sudo hustings config check\n  hustings config check --config new.toml --without-files"
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
    /// What this Unix user may not look at.
    #[serde(default)]
    not_checked: Vec<ProblemReport>,
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
    let path = &global.config;
    let read = if without_files {
        Config::load_without_files(path)
    } else {
        Config::load(path)
    };
    // They need no file that only root may see.
    let warnings = Config::load_without_files(path).map_or_else(
        |_| Vec::new(),
        |config| {
            let now = jiff::Timestamp::now();
            let mut warnings = config_warnings(&config, now);
            if !without_files {
                warnings.extend(file_warnings(&config, now));
            }
            warnings
        },
    );
    let (unseen, wrong) = match read {
        Ok(_) => (Vec::new(), None),
        // For these two a file that can't be read is one that keeps the service from starting.
        Err(errors) if is_root_or_service() => (Vec::new(), Some(errors)),
        Err(errors) => errors.without_unseen(),
    };
    let checked = Checked {
        warnings,
        good: wrong.is_none(),
        problems: wrong.as_ref().map(problems).unwrap_or_default(),
        not_checked: unseen.iter().map(|one| report(one, None)).collect(),
    };
    if let Some(errors) = wrong {
        context.print(&checked, |_| format!("{errors}\n{}", not_checked(&unseen)))?;
        return Err(Failure::failed(
            format!("can't use {}", path.display()),
            counted(
                checked.problems.len() as u64,
                "thing is wrong with it",
                "things are wrong with it",
            ),
            "mend what is named above and check again",
        ));
    }
    if !without_files && unseen.iter().all(|one| one.key != "constituencies") {
        check_constituencies(path, context)?;
    }
    if !without_files && unseen.iter().all(|one| one.key != "templates") {
        check_templates(path, context)?;
    }
    context.print(&checked, |_| {
        let what = match unseen.is_empty() {
            true => "nothing is wrong",
            false => "nothing is wrong with what this Unix user can see",
        };
        let warnings = checked.warnings.iter();
        let warnings: String = warnings
            .map(|warning| format!("Warning: {}\n", clean(warning)))
            .collect();
        format!(
            "{}: {what}.\n{warnings}{}",
            path.display(),
            not_checked(&unseen)
        )
    })
}

fn is_root_or_service() -> bool {
    let me = rustix::process::geteuid();
    me.is_root() || init::known_service_user().is_some_and(|(uid, _)| uid == me.as_raw())
}

fn problems(errors: &ConfigErrors) -> Vec<ProblemReport> {
    let all = errors.problems().iter();
    all.map(|problem| report(problem, errors.place(problem)))
        .collect()
}

fn report(problem: &Problem, place: Option<(usize, usize)>) -> ProblemReport {
    ProblemReport {
        key: problem.key.clone(),
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        message: problem.message.clone(),
        help: problem.help.clone(),
    }
}

/// What this user may not look at, as the keys and the database of an installation are kept from its admins.
fn not_checked(unseen: &[Problem]) -> String {
    if unseen.is_empty() {
        return String::new();
    }
    let mut text = "\nNot checked as this user; run it as root or with sudo:\n".to_owned();
    for one in unseen {
        text += &format!("  {}: {}\n", clean(&one.key), clean(&one.message));
    }
    text
}

/// The party's own list of constituencies, read as the service reads it at its start.
fn check_constituencies(config: &Path, context: &Context) -> Result<(), Failure> {
    let Ok(read) = Config::load_without_files(config) else {
        return Ok(());
    };
    let Err(error) = Constituencies::from_config(&read.constituencies) else {
        return Ok(());
    };
    let problem = ProblemReport {
        key: "constituencies".to_owned(),
        line: None,
        column: None,
        message: error.to_string(),
        help: "mend the file; docs/guide.md says what stands in it".to_owned(),
    };
    let checked = Checked {
        warnings: Vec::new(),
        good: false,
        problems: vec![problem],
        not_checked: Vec::new(),
    };
    context.print(&checked, |_| {
        format!("constituencies: {}\n", clean(&error.to_string()))
    })?;
    Err(Failure::failed(
        format!("can't use {}", config.display()),
        "its file of constituencies can't be used, and the service wouldn't start",
        "mend what is named above and check again",
    ))
}

/// The party's own templates, rehearsed with sample data as the service does it.
fn check_templates(config: &Path, context: &Context) -> Result<(), Failure> {
    let Ok(Some(directory)) = Config::load_without_files(config).map(|config| config.templates)
    else {
        return Ok(());
    };
    let Err(faults) = Templates::check(&directory) else {
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
        not_checked: Vec::new(),
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
