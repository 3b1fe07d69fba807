//! Which configuration was in force when stands in the audit log: each start and each reload, by whom, with the digest of
//! the file; what was refused as refused; what came while locked once it's unlocked.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::party::{Spawned, said};
use hustings::control::SecretText;
use hustings::control::api::audit::{AuditEntry, Show};
use hustings::control::api::service::LockState;
use rustix::process::Signal;

const PASSPHRASE: &str = "seven purple otters vote in Heptonstall";

/// What the audit log says of the configuration, by whom and of which file.
async fn entries(party: &Spawned) -> Vec<(String, String, String)> {
    let show = Show {
        from: Some(0),
        limit: 1000,
    };
    let rows = party.stage.socket().ask(show).await.unwrap().rows;
    let about = |row: &AuditEntry| row.verb == "start" || row.verb.starts_with("config");
    rows.into_iter()
        .filter(about)
        .map(|row| (row.actor, row.verb, row.object.unwrap_or_default()))
        .collect()
}

/// The entries once there are so many.
async fn so_many(party: &Spawned, wanted: usize) -> Vec<(String, String, String)> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let all = entries(party).await;
        if all.len() >= wanted {
            return all;
        }
        assert!(Instant::now() < deadline, "only {all:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn entry(actor: &str, verb: &str, object: &str) -> (String, String, String) {
    (actor.into(), verb.into(), object.into())
}

/// The configuration as `sha256sum` names it, and as the audit log does.
fn digest(party: &Spawned) -> String {
    let mut sum = Command::new("sha256sum");
    let sum = sum.arg(party.stage.config_file()).output().unwrap();
    format!("configuration {}", &said(&sum)[..16])
}

fn write(party: &Spawned, change: impl FnOnce(&str) -> String) -> String {
    let file = party.stage.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, change(&text)).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn each_start_and_reload_stands_in_the_log_with_the_file_that_was_read() {
    let mut party = Spawned::start().await;
    let first = digest(&party);
    assert_eq!(so_many(&party, 1).await, [entry("system", "start", &first)]);

    write(&party, |text| format!("{text}\n# a comment\n"));
    let second = digest(&party);
    assert_ne!(first, second);
    let reloaded = said(&party.cli(&["config", "reload"]).await);
    let short = second.split(' ').next_back().unwrap();
    assert!(reloaded.contains(short), "{reloaded}");
    party.signal(Signal::HUP);
    let all = so_many(&party, 3).await;
    assert_eq!(all[1], entry("ben", "config reload", &second));
    assert_eq!(all[2], entry("system", "config reload", &second));

    // A bad one is named, and nothing of what stands in it.
    let good = write(&party, |text| format!("{text}\nsecret-word = 3\n"));
    let bad = digest(&party);
    let refused = party.cli(&["config", "reload"]).await;
    assert!(!refused.status.success(), "{}", said(&refused));
    party.signal(Signal::HUP);
    let all = so_many(&party, 5).await;
    assert_eq!(all[3], entry("ben", "config reload refused", &bad));
    assert_eq!(all[4], entry("system", "config reload refused", &bad));
    let shown = said(&party.cli(&["audit", "show"]).await);
    assert!(!shown.contains("secret-word"), "{shown}");
    for told in ["config reload refused", &bad, "system"] {
        assert!(shown.contains(told), "{shown}");
    }

    // One that isn't there has no name, and is on record as well.
    std::fs::remove_file(party.stage.config_file()).unwrap();
    party.signal(Signal::HUP);
    let all = so_many(&party, 6).await;
    assert_eq!(all[5], entry("system", "config reload refused", ""));
    std::fs::write(party.stage.config_file(), good).unwrap();
    party.stop().await;
    party.run(&[]).await;
    let all = so_many(&party, 7).await;
    assert_eq!(all[6..], [entry("system", "start", &second)]);
    party.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_locked_is_written_at_the_unlock() {
    let passphrase = SecretText::new(PASSPHRASE.to_owned());
    let mut party = Spawned::set(|plan| plan.passphrase = Some(passphrase)).await;
    party.launch(&[]);
    let locked = |state| state == LockState::Locked;
    party.wait_for(|status| locked(status.state)).await;
    let first = digest(&party);
    write(&party, |text| format!("{text}\n# while locked\n"));
    let second = digest(&party);
    let reloaded = party.cli(&["config", "reload"]).await;
    assert!(reloaded.status.success(), "{}", said(&reloaded));
    let unlock = party
        .cli_told(&["unlock"], &format!("{PASSPHRASE}\n"))
        .await;
    assert!(unlock.status.success(), "{}", said(&unlock));
    party.wait_open().await;
    let all = so_many(&party, 2).await;
    assert_eq!(all[0], entry("system", "start", &first));
    assert_eq!((all[1].1.as_str(), &all[1].2), ("config reload", &second));
    assert!(all[1].0.starts_with("nobody (uid "), "{all:?}");
}
