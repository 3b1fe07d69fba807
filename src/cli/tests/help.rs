//! The help of each command, and how commands fail.

use super::*;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

fn helps(command: &mut clap::Command, path: &str, out: &mut String) {
    let path = format!("{path} {}", command.get_name()).trim().to_owned();
    *out += &format!("$ {path} --help\n{}\n", command.render_long_help());
    let names: Vec<String> = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        if let Some(sub) = command.find_subcommand_mut(&name) {
            helps(sub, &path, out);
        }
    }
}

#[test]
fn the_help_of_each_command() {
    let mut root = Cli::command().term_width(100);
    root.build();
    insta::assert_snapshot!("help", root.render_long_help().to_string());
    let names: Vec<String> = root
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        let mut out = String::new();
        helps(
            root.find_subcommand_mut(&name).expect("is there"),
            "hustings",
            &mut out,
        );
        insta::assert_snapshot!(format!("help-{name}"), out);
    }
}

fn leaves<'c>(command: &'c clap::Command, path: &str, all: &mut Vec<(String, &'c clap::Command)>) {
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        let path = format!("{path} {}", sub.get_name());
        if sub.get_subcommands().any(|sub| sub.get_name() != "help") {
            leaves(sub, &path, all);
        } else {
            all.push((path, sub));
        }
    }
}

#[test]
fn each_command_has_examples_and_says_what_an_address_argument_gives_away() {
    let root = Cli::command();
    let mut all = Vec::new();
    leaves(&root, "hustings", &mut all);
    assert!(all.len() > 35, "{}", all.len());
    for (path, command) in all {
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(after.contains("Examples:"), "{path} has no examples");
        assert!(
            after.contains(&path),
            "{path}: an example must show the command itself"
        );
        for argument in command
            .get_arguments()
            .filter(|argument| argument.get_id() == "address")
        {
            let help = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("ps") && help.contains("history"), "{path}");
        }
    }
}

#[test]
fn each_request_of_the_command_line_has_a_name_in_the_list() {
    let mut names = crate::control::api::ALL.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, crate::control::api::ALL, "sorted, none twice");
}

#[test]
fn errors_name_the_thing_and_the_next_step_and_hold_no_escape() {
    let failure = Failure::refused(
        "can't revoke b\x1b[31mob",
        "he is the last admin",
        "make another",
    );
    insta::assert_snapshot!(complaint(&failure, PLAIN), @r"
    error: can't revoke b�[31mob: he is the last admin
      next: make another
    ");
}
