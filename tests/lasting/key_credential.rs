//! The root key as a systemd credential, lost and brought back from the recovery sheet, on a host of its own: `/etc` and
//! systemd's secret are the story's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::party::{Spawned, needs, said};

/// As the configuration calls it by default.
const NAME: &str = "hustings-root-key";

/// A host: what a process under it sees in `/etc` and `/var/lib/systemd`.
struct Host(tempfile::TempDir);

impl Host {
    /// None where nobody may make one; in CI somebody must.
    fn new() -> Option<Self> {
        if !needs("unshare") || !needs("systemd-creds") {
            return None;
        }
        let host = Self(tempfile::tempdir().unwrap());
        for part in ["etc/credstore.encrypted", "systemd", "credentials"] {
            fs::create_dir_all(host.0.path().join(part)).unwrap();
        }
        // Its own: images often come without one, and systemd's secret hangs on it.
        let id = host.0.path().join("etc/machine-id");
        fs::write(id, "4f6b9a0c2d1e48d7a35c7b8e90f1a2b3\n").unwrap();
        for file in ["passwd", "group", "nsswitch.conf"] {
            let _ = fs::copy(
                Path::new("/etc").join(file),
                host.0.path().join("etc").join(file),
            );
        }
        let may = host.run("true", &[], "").status.success();
        assert!(
            may || std::env::var_os("CI").is_none(),
            "CI must let us make a host"
        );
        if !may {
            println!("skipped: needs the right to mount");
        }
        may.then_some(host)
    }

    fn run(&self, program: &str, arguments: &[&str], input: &str) -> Output {
        use std::io::Write as _;
        let at = |part: &str| self.0.path().join(part).display().to_string();
        let script = format!(
            "mount --bind {} /etc && mount --bind {} /var/lib/systemd && exec \"$@\"",
            at("etc"),
            at("systemd")
        );
        let mut child = Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                &script,
                "sh",
                program,
            ])
            .args(arguments)
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may not want to hear it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// The encrypted credential, where systemd looks for it.
    fn sealed(&self) -> PathBuf {
        self.0.path().join("etc/credstore.encrypted").join(NAME)
    }

    /// Where a service finds its credentials, in the clear.
    fn opened(&self) -> PathBuf {
        self.0.path().join("credentials").join(NAME)
    }

    /// What systemd does at a start: opens the credential for the service.
    fn open(&self) {
        let sealed = format!("/etc/credstore.encrypted/{NAME}");
        let name = format!("--name={NAME}");
        let opened = self.run("systemd-creds", &["decrypt", &name, &sealed, "-"], "");
        assert!(opened.status.success(), "{}", said(&opened));
        fs::write(self.opened(), opened.stdout).unwrap();
    }

    fn restore(&self, config: &Path, sheet: &str) -> (Option<i32>, String) {
        let config = config.display().to_string();
        let arguments = ["--config", &config, "key", "restore", "-"];
        let output = self.run(env!("CARGO_BIN_EXE_hustings"), &arguments, sheet);
        (output.status.code(), said(&output))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_credential_comes_back_from_the_sheet() {
    let Some(host) = Host::new() else { return };
    let mut party = Spawned::set(|_| ()).await;
    // The key that the party was set up with, handed over as systemd does.
    let key = party.stage.config().key_file();
    fs::copy(&key, host.opened()).unwrap();
    fs::remove_file(&key).unwrap();
    let config = party.stage.config_file();
    let text = fs::read_to_string(&config).unwrap();
    let section = text.find("[key]").unwrap();
    let end = section + text[section..].find("\n\n").unwrap();
    let text = format!(
        "{}[key]\nsource = \"credential\"{}",
        &text[..section],
        &text[end..]
    );
    fs::write(&config, text).unwrap();
    let credentials = host.opened().parent().unwrap().display().to_string();
    let as_service = ["env", &format!("CREDENTIALS_DIRECTORY={credentials}")];
    party.run(&as_service).await;
    let backup = party.cli(&["key", "backup"]).await;
    assert!(backup.status.success(), "{}", said(&backup));
    let sheet = String::from_utf8(backup.stdout).unwrap();
    party.subscribe("ann@x.example", &["news"]).await;
    party.stop().await;

    fs::remove_file(host.opened()).unwrap();
    let (_, why) = party.fails_to_start().await;
    assert!(why.contains("credential"), "{why}");

    // Another party's sheet makes no credential.
    let mut other = Spawned::start().await;
    let theirs = String::from_utf8(other.cli(&["key", "backup"]).await.stdout).unwrap();
    other.stop().await;
    let (code, why) = host.restore(&config, &theirs);
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("not that of this database"), "{why}");
    assert!(!host.sealed().exists(), "{why}");

    let (code, told) = host.restore(&config, &sheet);
    assert_eq!(code, Some(0), "{told}");
    let sealed = fs::read(host.sealed()).unwrap();
    assert_eq!(
        host.restore(&config, &sheet).0,
        Some(0),
        "it can be repeated"
    );
    assert_eq!(
        fs::read(host.sealed()).unwrap(),
        sealed,
        "and changes nothing"
    );
    // One that is somebody else's is never written over.
    let (other_config, own) = (other.stage.config_file(), fs::read(&config).unwrap());
    let theirs_now = fs::read_to_string(&other_config).unwrap();
    let at = theirs_now.find("[key]").unwrap();
    let end = at + theirs_now[at..].find("\n\n").unwrap();
    let text = format!(
        "{}[key]\nsource = \"credential\"{}",
        &theirs_now[..at],
        &theirs_now[end..]
    );
    fs::write(&other_config, text).unwrap();
    let (code, why) = host.restore(&other_config, &theirs);
    assert_eq!(code, Some(1), "{why}");
    assert_eq!(fs::read(host.sealed()).unwrap(), sealed, "{why}");
    assert_eq!(fs::read(&config).unwrap(), own);

    host.open();
    party.run(&as_service).await;
    party.verify().await;
    let find = ["subscriber", "find", "ann@x.example", "--reason", "to see"];
    let found = said(&party.cli(&find).await);
    assert!(found.contains("news"), "{found}");
    let log = said(&party.cli(&["audit", "show"]).await);
    assert!(log.contains("key restore"), "{log}");
}

/// What an attacker inside of the service could still reach, as systemd counts it: 10 is everything.
#[test]
fn the_unit_is_confined() {
    if !needs("systemd-analyze") {
        return;
    }
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hustings.service");
    let analysed = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=15"])
        .arg(unit)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&analysed.stdout);
    let overall = text.lines().find(|line| line.contains("exposure level"));
    println!("{overall:?}");
    assert!(analysed.status.success() && overall.is_some(), "{text}");
}
