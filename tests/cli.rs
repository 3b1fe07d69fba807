//! The command as a process: exit status, what goes where, and a whole set-up.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use assert_cmd::Command;
use hustings::config::Config;
use hustings::daemon::init::{Due, due, make_store, root_key};
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
        &["--json", "man"],
        &["--json", "completions", "bash"],
        &["sandbox", "--port", "0"],
        &["sandbox", "--port", "65533"],
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

/// `| head` and a full disk are no reason to panic.
#[test]
fn where_nobody_reads_what_went_wrong_the_exit_status_still_says_it() {
    let binary = assert_cmd::cargo::cargo_bin("hustings");
    for arguments in [
        &["config", "check"][..],
        &["--json", "config", "check"],
        &["status"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let status = std::process::Command::new(&binary)
            .args(arguments)
            .args(["--config", "/nonexistent/h.toml"])
            .env("HUSTINGS_SOCKET", "/nonexistent/control.sock")
            .stdout(Stdio::null())
            .stderr(full)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(1), "{arguments:?}");
    }
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
        .stdout(contains("nothing is wrong").and(contains("Warning: party.ico_registration")));
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

/// Gives a configuration a certificate that is there.
fn certified(directory: &Path, name: &str) {
    let at = |name: &str| directory.join(name);
    let ca = hustings::tls::SelfMadeCa::new("Test CA", jiff::Timestamp::now()).unwrap();
    ca.issue_to(directory, "mail", &["mail.party.example"])
        .unwrap();
    let text = std::fs::read_to_string(at(name)).unwrap();
    let text: String = text
        .lines()
        .map(|line| match line.split(" = ").next() {
            Some("chain") => format!("chain = \"{}\"\n", at("mail.pem").display()),
            Some("key") => format!("key = \"{}\"\n", at("mail.key").display()),
            _ => format!("{line}\n"),
        })
        .collect();
    std::fs::write(at(name), text).unwrap();
}

#[test]
fn init_sets_up_and_can_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    configured(directory.path(), "file");

    init(directory.path())
        .arg("--no-units")
        .assert()
        .code(2)
        .stderr(contains("--admin, --sheet-to").and(contains("What is named above").not()));
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
            contains("User name: ada")
                .and(contains(
                    "Server:    mail.party.example\nRead:      IMAP, port 993, TLS",
                ))
                .and(contains("Send:      SMTP, port 465, TLS"))
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

    // The same again is no contradiction.
    init(directory.path())
        .args(["--no-units", "--domain", "party.example", "--key", "file"])
        .args(["--admin", "ada", "--admin-uid", "1000", "--sheet-to"])
        .arg(at("again.txt"))
        .assert()
        .success()
        .stderr(contains("first admin").and(contains("taken already")));
    assert!(!at("again.txt").exists());
    let before = std::fs::read(at("hustings.toml")).unwrap();
    init(directory.path())
        .args([
            "--domain",
            "other.example",
            "--hostname",
            "mx.other.example",
        ])
        .args([
            "--party",
            "Other",
            "--postal-address",
            "2 Low Road, York YO1 1AA",
        ])
        .args(["--key", "passphrase", "--data-dir", "elsewhere"])
        .args(["--admin", "bob", "--units"])
        .arg(at("units"))
        .assert()
        .code(1)
        .stderr(
            contains("--domain other.example: it is party.example")
                .and(contains("--hostname mx.other.example"))
                .and(contains("--party Other: it is The Example Party"))
                .and(contains("--postal-address"))
                .and(contains("--key passphrase: it is file"))
                .and(contains("--data-dir"))
                .and(contains("--admin bob"))
                .and(contains("nothing was changed"))
                .and(contains("kept").not()),
        );
    for wrong in [&["--admin", "bob"][..], &["--admin-uid", "7"]] {
        init(directory.path())
            .args(wrong)
            .arg("--no-units")
            .assert()
            .code(1)
            .stderr(contains("somebody else").and(contains("nothing was changed")));
    }
    assert_eq!(std::fs::read(at("hustings.toml")).unwrap(), before);
    assert!(!at("units").exists());
}

#[test]
fn init_makes_nothing_before_all_it_was_told_is_good() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    configured(directory.path(), "file");
    std::fs::write(at("taken"), "somebody's").unwrap();
    for (admin, uid, sheet, code, why) in [
        ("ada", "0", "sheet", 2, "that is root"),
        ("office", "1000", "sheet", 2, "a role's mailbox"),
        ("news", "1000", "sheet", 2, "the list news"),
        ("Ada!", "1000", "sheet", 2, "login name"),
        ("ada", "1000", "taken", 1, "something is there already"),
        ("ada", "1000", "nowhere/sheet", 1, "No such file"),
    ] {
        init(directory.path())
            .args([
                "--no-units",
                "--admin",
                admin,
                "--admin-uid",
                uid,
                "--sheet-to",
            ])
            .arg(at(sheet))
            .assert()
            .code(code)
            .stderr(contains(why).and(contains("What is named above").not()));
        assert!(!at("data").exists() && !at("etc").exists(), "{admin} {uid}");
    }
    // From nothing: everything that lacks or is wrong, at once.
    let nothing = tempfile::tempdir().unwrap();
    init(nothing.path())
        .args([
            "--domain",
            "",
            "--hostname",
            "not a domain",
            "--admin-uid",
            "0",
        ])
        .args(["--postal-address", "nowhere"])
        .assert()
        .code(2)
        .stderr(
            contains("--party, --key, --admin, --sheet-to")
                .and(contains("--domain: "))
                .and(contains("--hostname: "))
                .and(contains("--postal-address: "))
                .and(contains("--admin-uid: ")),
        );
    assert_eq!(std::fs::read_dir(nothing.path()).unwrap().count(), 0);
}

#[test]
fn init_goes_on_where_it_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for source in ["file", "passphrase"] {
        let directory = at(source);
        std::fs::create_dir(&directory).unwrap();
        configured(&directory, source);
        let phrase = "correct horse battery staple, thrice";
        let config = Config::load_without_files(&directory.join("hustings.toml")).unwrap();
        // Somebody stopped it while the sheet was shown.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let phrase = hustings::control::SecretText::new(phrase.to_owned());
            let phrase = (source == "passphrase").then_some(phrase);
            let root = root_key(&config, phrase.as_ref(), Path::new("/nonexistent"), false);
            make_store(&config, &root.unwrap()).await.unwrap();
        });
        let go_on = |more: &[&str]| {
            let mut command = init(&directory);
            command
                .arg("--no-units")
                .args(more)
                .write_stdin(format!("{phrase}\n"));
            command
        };
        go_on(&["--admin", "ada"])
            .assert()
            .code(2)
            .stderr(contains("--sheet-to"));
        assert_eq!(due(&config), Due::Sheet);
        let sheet = directory.join("sheet.txt");
        go_on(&["--admin", "ada", "--admin-uid", "2001", "--sheet-to"])
            .arg(&sheet)
            .assert()
            .success()
            .stdout(contains("User name: ada").and(contains("MX 10")));
        assert!(std::fs::read_to_string(&sheet).unwrap().contains("END"));
        assert_eq!(due(&config), Due::Nothing);
        go_on(&[])
            .assert()
            .success()
            .stdout(contains("Account:").not());
        go_on(&["--admin", "bob"])
            .assert()
            .code(1)
            .stderr(contains("somebody else"));
    }
}

/// As its help shows it.
#[test]
fn init_can_be_tried_without_a_trace_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let usual = ["/etc/hustings", "/var/lib/hustings", "/run/hustings"];
    let there = || usual.map(|path| Path::new(path).exists());
    let before = there();
    hustings()
        .current_dir(directory.path())
        .args(["init", "--config", "./h.toml", "--data-dir", "./data"])
        .args(["--runtime-dir", "./run", "--key", "file"])
        .args(["--key-file", "./root.key", "--domain", "party.example"])
        .args([
            "--hostname",
            "mail.party.example",
            "--party",
            "The Example Party",
        ])
        .args(["--postal-address", "1 High Street, Leeds LS1 1AA"])
        .args(["--admin", "ada", "--admin-uid", "1000"])
        .args(["--sheet-to", "./sheet.txt", "--no-units"])
        .assert()
        .success();
    for name in ["h.toml", "data/hustings.db", "run", "root.key", "sheet.txt"] {
        assert!(directory.path().join(name).exists(), "{name}");
    }
    assert_eq!(there(), before);
}

#[test]
fn a_data_directory_that_is_gone_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    configured(directory.path(), "file");
    let config = directory.path().join("hustings.toml");
    let named = |text: &str| contains(text.to_owned());
    let data = directory.path().join("data").display().to_string();
    hustings()
        .args(["config", "check", "--config"])
        .arg(&config)
        .assert()
        .code(1)
        .stdout(named(&format!("the data directory {data} is not there")));
    hustings()
        .args(["serve", "--config"])
        .arg(&config)
        .assert()
        .code(1)
        .stderr(
            named(&data)
                .and(contains("is not there"))
                .and(contains("correct `data_dir`")),
        );
}

/// What would keep the service from starting is named by the command that is run before.
#[test]
fn a_file_of_constituencies_is_read_by_the_check_as_by_the_start() {
    let directory = tempfile::tempdir().unwrap();
    hustings()
        .current_dir(directory.path())
        .args(["init", "--config", "./h.toml", "--data-dir", "./data"])
        .args(["--runtime-dir", "./run", "--key", "file"])
        .args(["--key-file", "./root.key", "--domain", "party.example"])
        .args([
            "--hostname",
            "mail.party.example",
            "--party",
            "The Example Party",
        ])
        .args(["--postal-address", "1 High Street, Leeds LS1 1AA"])
        .args(["--admin", "ada", "--admin-uid", "1000"])
        .args(["--sheet-to", "./sheet.txt", "--no-units"])
        .assert()
        .success();
    certified(directory.path(), "h.toml");
    let config = directory.path().join("h.toml");
    let seats = directory.path().join("seats.csv");
    let before = std::fs::read_to_string(&config).unwrap();
    let named = format!("constituencies = \"{}\"\n{before}", seats.display());
    std::fs::write(&config, named).unwrap();
    let check = |csv: &str| {
        std::fs::write(&seats, csv).unwrap();
        hustings()
            .args(["config", "check", "--config"])
            .arg(&config)
            .assert()
    };
    let good = "code,name,nation\nE14001320,Leeds East,England\n";
    check(good).success();
    for bad in [
        format!("{good}E14001320,Leeds West,England\n"),
        format!("{good}E14001321,,England\n"),
        "place,title\n1,2\n".to_owned(),
        String::new(),
    ] {
        check(&bad)
            .code(1)
            .stdout(contains("constituencies: "))
            .stderr(contains("the service wouldn't start"));
    }
}

/// What an admin's own Unix user may not see is no mistake of the file.
#[test]
fn what_a_user_may_not_look_at_is_not_checked() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    configured(directory.path(), "file");
    std::fs::create_dir(at("data")).unwrap();
    std::fs::create_dir(at("etc")).unwrap();
    std::fs::write(at("etc/root.key"), [7; 32]).unwrap();
    certified(directory.path(), "hustings.toml");
    let mode = |name: &str, mode| {
        std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let root = rustix::process::geteuid().is_root();
    mode("", 0o755);
    for (name, bits) in [
        ("etc/root.key", 0o400),
        ("mail.key", 0o400),
        ("data", 0o700),
    ] {
        // Who isn't root can't become somebody else, and shuts themselves out instead.
        mode(name, if root { bits } else { 0 });
    }
    let binary = assert_cmd::cargo::cargo_bin("hustings");
    let prefix = hustings::daemon::sandbox::caller::prefix();
    let mut words = prefix.split_whitespace().map(str::to_owned);
    let mut command = match words.next() {
        Some(program) => {
            let mut command = Command::new(program);
            command.args(words).arg(&binary);
            command
        }
        None => Command::new(&binary),
    };
    command
        .args(["config", "check", "--config"])
        .arg(at("hustings.toml"))
        .assert()
        .success()
        .stdout(
            contains("nothing is wrong with what this Unix user can see")
                .and(contains(
                    "Not checked as this user; run it as root or with sudo",
                ))
                .and(contains("key.file"))
                .and(contains("tls.certificate.0.key"))
                .and(contains("data_dir")),
        );
    mode("data", 0o700);
}

/// A sandbox takes its throwaway data, with the root key, away however it is ended.
#[test]
fn a_sandbox_leaves_nothing_behind() {
    use rustix::process::{Pid, Signal, kill_process};

    let left = |place: &Path| -> Vec<_> {
        let entries = std::fs::read_dir(place).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let start = |place: &Path, arguments: &[&str]| {
        std::process::Command::new(assert_cmd::cargo::cargo_bin("hustings"))
            .arg("sandbox")
            .args(arguments)
            .env("TMPDIR", place)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    for signal in [Signal::TERM, Signal::HUP] {
        let place = tempfile::tempdir().unwrap();
        let mut sandbox = start(place.path(), &[]);
        let mut said = BufReader::new(sandbox.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("Ctrl-C ends it")));
        assert!(!left(place.path()).is_empty());
        kill_process(Pid::from_child(&sandbox), signal).unwrap();
        assert!(sandbox.wait().unwrap().success());
        assert_eq!(left(place.path()), [] as [std::path::PathBuf; 0]);
    }
    // A start that fails half-way: the last of its ports is taken.
    let place = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = taken.local_addr().unwrap().port() - 4;
    let mut sandbox = start(place.path(), &["--port", &first.to_string()]);
    assert_eq!(sandbox.wait().unwrap().code(), Some(1));
    assert_eq!(left(place.path()), [] as [std::path::PathBuf; 0]);
}

/// A lock ends the daemon. Systemd would start it again, which the sandbox does itself; and a directory that was kept while
/// it was locked opens again.
#[test]
fn a_locked_sandbox_comes_up_again() {
    use rustix::process::{Pid, Signal, kill_process};

    let place = tempfile::tempdir().unwrap();
    let start = || {
        let mut sandbox = std::process::Command::new(assert_cmd::cargo::cargo_bin("hustings"))
            .args(["sandbox", "--directory"])
            .arg(place.path().join("kept"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(sandbox.stdout.take().unwrap()).lines();
        (sandbox, said.map(Result::unwrap))
    };
    let end = |mut sandbox: std::process::Child| {
        kill_process(Pid::from_child(&sandbox), Signal::TERM).unwrap();
        assert!(sandbox.wait().unwrap().success());
    };
    let (sandbox, mut said) = start();
    let status = said.find(|line| line.ends_with(" status")).unwrap();
    let own = status.trim_start().strip_prefix("how it is").unwrap();
    let own = own.strip_suffix("status").unwrap().to_owned();
    let cli = |arguments: &[&str]| {
        let mut words = own.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(arguments).assert().success()
    };
    for _ in 0..2 {
        assert!(said.any(|line| line.contains("Ctrl-C ends it")));
        cli(&["lock", "--yes"]);
        assert!(said.any(|line| line.contains("is started again")));
        assert!(said.any(|line| line.contains("how it is")));
        cli(&["status"]).stdout(contains("locked"));
        cli(&["unlock"]);
    }
    cli(&["lock", "--yes"]);
    assert!(said.any(|line| line.contains("is started again")));
    end(sandbox);
    let (sandbox, mut said) = start();
    assert!(said.any(|line| line.contains("Ctrl-C ends it")));
    cli(&["status"]).stdout(contains("open"));
    end(sandbox);
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

/// What the books say of tests: `path: name`, and names behind it that stand in the same file.
#[test]
fn the_books_name_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut missing) = (0, Vec::new());
    for book in ["design", "law", "rfc", "security", "operations", "guide"] {
        let text = std::fs::read_to_string(root.join(format!("docs/{book}.md"))).unwrap();
        for line in text.lines() {
            let mut source = String::new();
            // What stands in backquotes is every second piece.
            for said in line.split('`').skip(1).step_by(2) {
                let named = match said.split_once(".rs: ") {
                    Some((path, name)) => {
                        let path = root.join(format!("{path}.rs"));
                        source = std::fs::read_to_string(path).unwrap_or_default();
                        name
                    }
                    None if source.is_empty() || said.matches('_').count() < 3 => continue,
                    None => said,
                };
                found += 1;
                if !source.contains(&format!("fn {named}(")) {
                    missing.push(format!("{book}: {said}"));
                }
            }
        }
    }
    assert!(found > 50, "{found}");
    assert_eq!(missing, [""; 0]);
}
