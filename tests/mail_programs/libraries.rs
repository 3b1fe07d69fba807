//! Libraries with which people write their own: imap-tools of Python, imapflow and nodemailer of Node.js.

use std::process::Command;

use hustings::daemon::sandbox::stage::HOST;

use crate::support::mailbox::{mails, python, run};
use crate::support::party::{needs, said};
use crate::{beside, packages};

#[tokio::test(flavor = "multi_thread")]
async fn imap_tools_looks_finds_and_moves() {
    if !needs("python3") {
        return;
    }
    let Some(packages) = packages("HUSTINGS_PYTHON_PACKAGES") else {
        return;
    };
    let party = crate::party(&mails(40)).await;
    let script = std::fs::read_to_string(beside("imap_tools_client.py")).unwrap();
    let (authority, port) = (party.stage.authority_file(), party.door("imaps").port());
    let (user, password) = (party.sender.name, &party.sender.password);
    let mut command = python(&script, &authority, port, user, password);
    command.env("PYTHONPATH", packages);
    let output = run(command).await;
    assert!(said(&output).ends_with("all well\n"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodemailer_sends_and_imapflow_reads() {
    if !needs("node") {
        return;
    }
    let Some(packages) = packages("HUSTINGS_NODE_PACKAGES") else {
        return;
    };
    let party = crate::party(&mails(40)).await;
    // Where it lies, Node looks for packages.
    let here = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(packages, here.path().join("node_modules")).unwrap();
    let script = here.path().join("client.mjs");
    std::fs::copy(beside("node_client.mjs"), &script).unwrap();
    let mut node = Command::new("node");
    node.arg(script)
        .env("CA", party.stage.authority_file())
        .env("HOST", HOST)
        .env("IMAPS", party.door("imaps").port().to_string())
        .env("SUBMISSIONS", party.door("submissions").port().to_string())
        .env("LOGIN", party.sender.name)
        .env("PASSWORD", &party.sender.password)
        .env("ADDRESS", &party.sender.address);
    let output = run(node).await;
    assert!(said(&output).ends_with("all well\n"), "{}", said(&output));
    party.mail("b@elsewhere.example", |_| true).await;
}
