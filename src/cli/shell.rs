//! `completions` and `man`, written from the command line's own description.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use clap_complete::Shell;

use super::context::{Context, write_out};
use crate::control::Failure;

/// Write the completions for a shell; there is no --json of it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hustings completions bash > /etc/bash_completion.d/hustings\n  hustings completions fish > ~/.config/fish/completions/hustings.fish"
)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Write the manual pages: one to standard output, or all to a directory; there is no --json of it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hustings man | man -l -\n  hustings man --to /usr/local/share/man/man1"
)]
pub(super) struct ManArgs {
    /// The command whose page to write, as in `staff add`
    command: Vec<String>,
    /// Write the pages of all commands to this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    to: Option<PathBuf>,
}

/// Both are texts for other programs, and there is nothing to say in JSON.
fn refuse_json(what: &str, context: &Context) -> Result<(), Failure> {
    if !context.json {
        return Ok(());
    }
    Err(Failure::misuse(
        format!("can't write {what} as JSON"),
        "it is a text of its own kind",
        "leave --json out",
    ))
}

pub(super) fn completions(args: &CompletionsArgs, context: &Context) -> Result<(), Failure> {
    refuse_json("the completions", context)?;
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "hustings", &mut text);
    write_out(&text)
}

pub(super) fn man(args: &ManArgs, context: &Context) -> Result<(), Failure> {
    refuse_json("a manual page", context)?;
    let mut root = super::command();
    root.build();
    if let Some(directory) = &args.to {
        std::fs::create_dir_all(directory).map_err(|error| {
            Failure::failed(
                format!("can't make the directory {}", directory.display()),
                error.to_string(),
                "check the path and its permissions",
            )
        })?;
        return write_all(&root, directory);
    }
    let mut found = &root;
    for name in &args.command {
        found = found.find_subcommand(name).ok_or_else(|| {
            Failure::misuse(
                format!("can't write the page of \"{}\"", args.command.join(" ")),
                "there is no such command",
                "see them all: hustings --help",
            )
        })?;
    }
    write_out(&page(found)?)
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    clap_mangen::Man::new(command.clone().disable_help_subcommand(true))
        .title(name.to_uppercase())
        .manual("Hustings")
        .render(&mut text)
        .map_err(|error| Failure::failed("can't write the page", error.to_string(), "try again"))?;
    Ok(text)
}

fn write_all(command: &clap::Command, directory: &Path) -> Result<(), Failure> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    let path = directory.join(format!("{name}.1"));
    std::fs::write(&path, page(command)?).map_err(|error| {
        Failure::failed(
            format!("can't write {}", path.display()),
            error.to_string(),
            "check the directory and its permissions",
        )
    })?;
    command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help" && !sub.is_hide_set())
        .try_for_each(|sub| write_all(sub, directory))
}
