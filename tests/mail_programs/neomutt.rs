//! neomutt, at a terminal that `script` pretends, with the keys that somebody would press: it saves a mail elsewhere, marks
//! one, throws one away, finds one by its text, opens it, and leaves.

use std::process::Command;

use crate::support::mailbox::{mails, run};
use crate::support::party::{needs, said};

const KEYS: &str = "<tag-pattern>~s 'Number 3'<enter><tag-prefix><save-message>=Archive<enter>\
    <limit>~A<enter><search>Number 5<enter><flag-message><search>Number 7<enter><delete-message><sync-mailbox>\
    <limit>~b 'end of 8'<enter><display-message><exit><limit>all<enter><quit>";

/// What neomutt looks for, and keeps, is in this directory.
fn configuration(party: &crate::Party, here: &std::path::Path) -> String {
    let port = party.door("imaps").port();
    let (user, password) = (party.sender.name, &party.sender.password);
    let folder = format!("imaps://{user}@127.0.0.1:{port}/");
    let authority = party.stage.authority_file();
    // The certificate is trusted by itself: the program would look for an address in it.
    let certificate = party.stage.root().join("tls/party.pem");
    format!(
        "set folder=\"{folder}\"\nset spoolfile=\"{folder}INBOX\"\nset imap_user={user}\nset imap_pass=\"{password}\"\n\
         set imap_authenticators=\"plain\"\nset ssl_force_tls=yes\nset ssl_starttls=no\nset certificate_file={}\n\
         set ssl_ca_certificates_file={}\nset header_cache={}\nset confirmappend=no\nset delete=yes\nset quit=yes\n\
         set mark_old=no\nset wait_key=no\nset move=no\nset imap_idle=yes\nset imap_qresync=yes\nset trash=\"=Trash\"\n\
         push \"{KEYS}\"\n",
        certificate.display(),
        authority.display(),
        here.join("cache").display(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn neomutt_saves_marks_throws_away_and_finds() {
    if !(needs("neomutt") && needs("script")) {
        return;
    }
    let party = crate::party(&mails(10)).await;
    let here = tempfile::tempdir().unwrap();
    let config = here.path().join("rc");
    std::fs::write(&config, configuration(&party, here.path())).unwrap();
    let mut neomutt = Command::new("timeout");
    neomutt
        .args(["110", "script", "-qec"])
        .arg(format!("neomutt -n -F {}", config.display()))
        .arg(here.path().join("seen"))
        .env("HOME", here.path())
        .env("TERM", "xterm");
    let output = run(neomutt).await;
    let seen = std::fs::read(here.path().join("seen")).unwrap();
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(output.status.success(), "{}\n{seen}", said(&output));
    let mut imap = crate::ada(&party).await;
    let mut flags = Vec::new();
    for folder in ["INBOX", "Archive", "Trash"] {
        imap.say(&format!("EXAMINE {folder}")).await;
        let command = "FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (X-Number)])";
        for line in imap.say(command).await.with("FETCH (") {
            let number = line.split_once("X-Number: ").unwrap().1;
            let number: usize = number.split_once('\r').unwrap().0.parse().unwrap();
            let flag = |name: &str| line.contains(name);
            flags.push((folder, number, flag("\\Seen"), flag("\\Flagged")));
        }
    }
    let there = |folder, number| flags.contains(&(folder, number, false, false));
    assert!(
        there("Archive", 3) && there("Trash", 7),
        "{flags:?}\n{seen}"
    );
    assert!(
        flags.contains(&("INBOX", 5, false, true)),
        "{flags:?}\n{seen}"
    );
    assert!(
        flags.contains(&("INBOX", 8, true, false)),
        "{flags:?}\n{seen}"
    );
    assert_eq!(flags.len(), 10, "{flags:?}\n{seen}");
}
