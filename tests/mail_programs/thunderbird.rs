//! Thunderbird's start, as `thunderbird.txt` has it: `C:` is what it says, `S:` what it must hear before the tagged answer,
//! in this order, where `…` stands for anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::imap::{Heard, Imap, mail as short};
use crate::support::mailbox::mails;

/// Whether a line is what a pattern says.
fn fits(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn check(command: &str, heard: &Heard, expected: &[&str]) {
    let end = heard.end.as_str();
    let mut lines = heard.lines.iter().map(String::as_str).chain([end]);
    for pattern in expected {
        let found = lines.any(|line| fits(line, pattern));
        assert!(found, "{command}: no `{pattern}` (in order) in {heard:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thunderbird_starts() {
    let party = crate::party(&mails(25)).await;
    let transcript = include_str!("thunderbird.txt");
    let (door, trust) = (party.door("imaps"), party.stage.trust());
    let mut imap = Imap::connect(door, trust).await;
    let (user, password) = (party.sender.name, &party.sender.password);
    let proof = STANDARD.encode(format!("\0{user}\0{password}"));
    let mut said = 0;
    let mut lines = transcript
        .lines()
        .filter(|line| !line.starts_with('#'))
        .peekable();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("C: ") else {
            assert!(line.is_empty(), "{line}");
            continue;
        };
        let mut expected = Vec::new();
        while let Some(line) = lines.peek().and_then(|line| line.strip_prefix("S: ")) {
            expected.push(line);
            lines.next();
        }
        let heard = match command {
            "IDLE" => {
                let tag = imap.begin("IDLE").await;
                assert!(imap.response().await.unwrap().starts_with("+ "));
                let mut other = crate::ada(&party).await;
                other.append("INBOX", "", &short("while idle")).await;
                let told = imap.response().await.unwrap();
                imap.send(b"DONE\r\n").await;
                let mut heard = imap.hear(&tag).await;
                heard.lines.insert(0, told);
                heard
            }
            "APPEND" => imap.append("\"Sent\"", "\\Seen", &short("sent")).await,
            command => imap.say(&command.replace("PROOF", &proof)).await,
        };
        check(command, &heard, &expected);
        said += 1;
    }
    assert!(said > 20, "{said} commands");
}
