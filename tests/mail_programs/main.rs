//! The mail programs that people have, against the party's own ports: mbsync keeps a copy, Python's imap-tools and Node's
//! imapflow look, somebody sits before neomutt, nodemailer and msmtp send, and Thunderbird starts up. (curl, imaplib and what
//! comes by POP3 have stories of their own.)

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod libraries;
mod mbsync;
mod neomutt;
mod sending;
mod thunderbird;

use support::imap::Imap;
use support::mailbox::fill;
use support::party::Party;

/// A party in whose INBOX Ada has mails.
async fn party(mails: &[Vec<u8>]) -> Party {
    let party = Party::start().await;
    let rooms = party.rooms();
    let ada = rooms.staff.roll().by_name(party.sender.name).unwrap().id;
    fill(&rooms.store, ada, mails).await;
    party
}

/// Another session of Ada's.
async fn ada(party: &Party) -> Imap {
    let (door, trust) = (party.door("imaps"), party.stage.trust());
    Imap::log_in(door, trust, party.sender.name, &party.sender.password).await
}

/// Where something beside the stories lies.
fn beside(name: &str) -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("tests/mail_programs").join(name)
}

/// The directory of packages that this variable names. Says `skipped: needs X` if it doesn't; in CI that is a failure.
fn packages(variable: &str) -> Option<std::path::PathBuf> {
    let named = std::env::var_os(variable).map(Into::into);
    if named.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI must set {variable}");
        println!("skipped: needs {variable}, see .ci/run");
    }
    named
}
