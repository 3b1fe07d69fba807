//! The command as a process: exit status, what goes where, and a whole set-up.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

fn hustings() -> Command {
    let mut command = Command::cargo_bin("hustings").unwrap();
    command
        .env_remove("HUSTINGS_SOCKET")
        .env_remove("HUSTINGS_CONFIG")
        .env("HUSTINGS_SOCKET", "/nonexistent/control.sock");
    command
}

#[test]
fn misuse_exits_with_2() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["staff"],
        &["staff", "add", "ada"],
        &[
            "staff",
            "add",
            "ada",
            "--address",
            "a@b.example",
            "--role",
            "king",
        ],
        &["queue", "retry"],
        &["sandbox", "clock", "+8x"],
        &["man", "frobnicate"],
    ] {
        hustings().args(arguments).assert().code(2);
    }
}

#[test]
fn what_cant_be_undone_is_not_done_without_yes_where_nobody_can_be_asked() {
    for arguments in [
        &["staff", "revoke", "ben"][..],
        &["lock"],
        &["mailing", "cancel", "3f9c"],
        &["queue", "drop", "3f9c"],
        &["subscriber", "agree", "00000000"],
        &["subscriber", "refuse", "00000000", "--reason", "no"],
    ] {
        hustings()
            .args(arguments)
            .assert()
            .code(2)
            .stderr(contains("--yes"));
    }
    hustings()
        .args(["subscriber", "erase", "-", "--reason", "asked"])
        .write_stdin("jo@example.org\n")
        .assert()
        .code(2)
        .stderr(contains("--yes").and(contains("jo@example.org").not()));
}

#[test]
fn without_a_daemon_the_error_names_the_socket_and_the_next_step() {
    hustings()
        .arg("status")
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains("/nonexistent/control.sock").and(contains("systemctl start hustings")));
    let output = hustings()
        .args(["--json", "staff", "list"])
        .assert()
        .code(1)
        .get_output()
        .stderr
        .clone();
    let error: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(error["error"]["class"], "failed");
    assert!(
        error["error"]["next"]
            .as_str()
            .unwrap()
            .contains("systemctl")
    );
}

#[test]
fn help_man_and_completions_work_without_anything() {
    hustings()
        .arg("--help")
        .assert()
        .success()
        .stdout(contains("only writes to people who said yes"));
    hustings()
        .args(["man", "staff", "add"])
        .assert()
        .success()
        .stdout(contains(".TH").and(contains("Examples")));
    for shell in ["bash", "zsh", "fish"] {
        hustings()
            .args(["completions", shell])
            .assert()
            .success()
            .stdout(contains("subscriber"));
    }
    let directory = tempfile::tempdir().unwrap();
    hustings()
        .args(["man", "--to"])
        .arg(directory.path())
        .assert()
        .success();
    assert!(directory.path().join("hustings-mailing-approve.1").exists());
    assert!(directory.path().join("hustings.1").exists());
}

#[test]
fn a_configuration_is_checked_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hustings.toml");
    std::fs::write(
        &path,
        "domains = [\"party.example\"]\nminimum_age = 12\nfrob = 1\n",
    )
    .unwrap();
    let check = |extra: &[&str]| {
        let mut command = hustings();
        command
            .args(["config", "check", "--without-files", "--config"])
            .arg(&path)
            .args(extra);
        command
    };
    check(&[])
        .assert()
        .code(1)
        .stdout(contains("frob").and(contains(":3:1")))
        .stderr(contains("things are wrong"));
    let output = check(&["--json"])
        .assert()
        .code(1)
        .get_output()
        .stdout
        .clone();
    let checked: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(checked["good"], false);
    let problems = checked["problems"].as_array().unwrap();
    assert!(problems.iter().any(|problem| problem["line"] == 3));
    std::fs::copy("config/hustings.toml", &path).unwrap();
    check(&[])
        .assert()
        .success()
        .stdout(contains("nothing is wrong"));
}

fn init(directory: &Path) -> Command {
    let mut command = hustings();
    command
        .arg("init")
        .arg("--config")
        .arg(directory.join("hustings.toml"));
    command
}

/// The set-up's own paths are the system's; a test brings its configuration along.
fn configured(directory: &Path, source: &str) {
    let at = |name: &str| directory.join(name);
    std::fs::create_dir(at("run")).unwrap();
    let text = std::fs::read_to_string("config/hustings.toml").unwrap();
    let set = |text: String, old: &str, path: std::path::PathBuf| {
        let key = old.split(' ').next().unwrap();
        let line = text
            .lines()
            .find(|line| line.trim_start_matches('#').starts_with(old));
        text.replace(line.unwrap(), &format!("{key} = \"{}\"", path.display()))
    };
    let text = set(text, "data_dir =", at("data"));
    let text = set(text, "runtime_dir =", at("run"));
    // The key's directory isn't there yet, as /etc/hustings isn't when the configuration is elsewhere.
    let text = set(
        text,
        "file = \"/etc/hustings/root.key\"",
        at("etc/root.key"),
    );
    let text = text.replace(
        "#source = \"credential\"",
        &format!("source = \"{source}\""),
    );
    std::fs::write(at("hustings.toml"), text).unwrap();
}

#[test]
fn init_sets_up_and_can_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    configured(directory.path(), "file");

    init(directory.path()).arg("--no-units").assert().code(2);
    init(directory.path())
        .args(["--no-units", "--admin", "ada", "--admin-uid", "1000"])
        .assert()
        .code(2)
        .stderr(contains("--sheet-to"));
    assert!(
        !at("data").exists(),
        "nothing is made without a place for the sheet"
    );
    init(directory.path())
        .args([
            "--no-units",
            "--admin",
            "ada",
            "--admin-uid",
            "1000",
            "--sheet-to",
        ])
        .arg(at("sheet.txt"))
        .assert()
        .success()
        .stdout(
            contains("Account:   ada")
                .and(contains("party.example. IN MX 10 mail.party.example."))
                .and(contains(
                    "hustings-rsa-list1._domainkey.party.example. IN TXT",
                ))
                .and(contains("_dmarc.party.example. IN TXT")),
        )
        .stderr(contains(
            "key file: protects the database file and its backups",
        ));
    assert!(
        std::fs::read_to_string(at("sheet.txt"))
            .unwrap()
            .contains("END")
    );
    init(directory.path())
        .args(["--units"])
        .arg(directory.path())
        .env("PATH", "/nonexistent")
        .assert()
        .stderr(contains("kept"));
    assert!(at("hustings.service").exists());
}

#[test]
fn a_sealed_export_that_is_none_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("party.sealed");
    std::fs::write(&file, "not sealed").unwrap();
    hustings()
        .args(["subscriber", "open"])
        .arg(&file)
        .arg("--to")
        .arg(directory.path().join("out"))
        .write_stdin("phrase\n")
        .assert()
        .code(1)
        .stderr(contains("not a sealed stream"));
    assert!(!directory.path().join("out").exists());
}
