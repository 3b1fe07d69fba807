//! mbsync (isync) keeps a copy in Maildirs: two thousand mails, changes on both sides, and then nothing more to do.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::imap::Imap;
use crate::support::mailbox::{mail, mails, number_of, run};
use crate::support::party::{Party, needs, said};

/// Mails by their numbers, with the flags that both sides know: S (seen), F (flagged), R (answered), D (draft).
type Copy = BTreeMap<usize, String>;

struct Maildirs(tempfile::TempDir);

impl Maildirs {
    fn new() -> Self {
        let here = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(here.0.path().join("mail")).unwrap();
        here
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join("mail").join(name)
    }

    /// The files of a folder: path, number and flags.
    fn files(&self, name: &str) -> Vec<(PathBuf, usize, String)> {
        let mut files = Vec::new();
        for part in ["cur", "new"] {
            for entry in std::fs::read_dir(self.folder(name).join(part)).unwrap() {
                let path = entry.unwrap().path();
                let number = number_of(&std::fs::read(&path).unwrap()).unwrap();
                let name = path.file_name().unwrap().to_str().unwrap();
                let flags = name.split_once(":2,").map_or("", |(_, flags)| flags);
                files.push((path.clone(), number, flags.to_owned()));
            }
        }
        files.sort_by_key(|(_, number, _)| *number);
        files
    }

    fn copy(&self, name: &str) -> Copy {
        let files = self.files(name).into_iter();
        files.map(|(_, number, flags)| (number, flags)).collect()
    }

    /// Says other flags of a mail.
    fn flag(&self, name: &str, number: usize, flags: &str) {
        let files = self.files(name);
        let (path, ..) = files.iter().find(|(_, is, _)| *is == number).unwrap();
        let file = path.file_name().unwrap().to_str().unwrap();
        let base = file.split_once(":2,").map_or(file, |(base, _)| base);
        let to = self
            .folder(name)
            .join("cur")
            .join(format!("{base}:2,{flags}"));
        std::fs::rename(path, to).unwrap();
    }

    fn put(&self, name: &str, number: usize) {
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(self.folder(name).join(part)).unwrap();
        }
        let file = self.folder(name).join(format!("new/{number}.here"));
        let text = String::from_utf8(mail(number))
            .unwrap()
            .replace("\r\n", "\n");
        std::fs::write(file, text).unwrap();
    }

    async fn sync(&self, party: &Party) -> String {
        let config = self.0.path().join("mbsyncrc");
        std::fs::write(&config, configuration(party, self.0.path())).unwrap();
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut mbsync = Command::new("mbsync");
        mbsync
            .arg("-c")
            .arg(&config)
            .arg("-a")
            .env("HOME", self.0.path());
        let output = run(mbsync).await;
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        said
    }
}

/// The certificate is trusted by itself: the program would look for an address in it.
fn configuration(party: &Party, here: &Path) -> String {
    let certificate = party.stage.root().join("tls/party.pem");
    let mail = here.join("mail");
    format!(
        "IMAPAccount party\nHost 127.0.0.1\nPort {}\nUser {}\nPass \"{}\"\nSSLType IMAPS\nSystemCertificates no\n\
         Timeout 100\nCertificateFile {}\n\nIMAPStore far\nAccount party\n\nMaildirStore near\nPath {}/\nInbox {}\n\
         SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\n\
         Sync All\nSyncState *\n",
        party.door("imaps").port(),
        party.sender.name,
        party.sender.password,
        certificate.display(),
        mail.display(),
        mail.join("INBOX").display(),
    )
}

/// What the server has in a folder.
async fn far(imap: &mut Imap, folder: &str) -> Copy {
    assert!(
        imap.say(&format!("EXAMINE {folder}"))
            .await
            .end
            .starts_with("OK")
    );
    let heard = imap
        .say("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (X-Number)])")
        .await;
    let read = |line: &str| {
        let number = number_of(line.split_once("\r\n").unwrap().1.as_bytes()).unwrap();
        let flags = line.split_once("FLAGS (").unwrap().1;
        let flags = flags.split_once(')').unwrap().0;
        let known = [
            ("\\Draft", 'D'),
            ("\\Flagged", 'F'),
            ("\\Answered", 'R'),
            ("\\Seen", 'S'),
        ];
        let set = known.iter().filter(|(name, _)| flags.contains(name));
        (number, set.map(|(_, letter)| *letter).collect())
    };
    heard.with("FETCH (").into_iter().map(read).collect()
}

/// Where two differ, by the numbers.
fn differ<'c>(
    one: &'c Copy,
    other: &'c Copy,
) -> Vec<(usize, Option<&'c String>, Option<&'c String>)> {
    let numbers: BTreeSet<_> = one.keys().chain(other.keys()).copied().collect();
    let both = numbers
        .into_iter()
        .map(|number| (number, one.get(&number), other.get(&number)));
    both.filter(|(_, one, other)| one != other).collect()
}

/// What would change if anything moved.
async fn standing(imap: &mut Imap, folders: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for folder in folders {
        let heard = imap
            .say(&format!("STATUS {folder} (MESSAGES UIDNEXT HIGHESTMODSEQ)"))
            .await;
        // The first that asks for changes hears where the open folder stands as well (RFC 7162 §3.1.2).
        let status = heard.lines.into_iter();
        all.extend(status.filter(|line| line.starts_with("* STATUS")));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn mbsync_keeps_two_thousand_mails_alike_on_both_sides() {
    if !needs("mbsync") {
        return;
    }
    let party = crate::party(&mails(2_000)).await;
    let near = Maildirs::new();
    let began = std::time::Instant::now();
    near.sync(&party).await;
    println!("2,000 mails copied in {:?}", began.elapsed());
    let all: Copy = (0..2_000).map(|number| (number, String::new())).collect();
    assert_eq!(differ(&near.copy("INBOX"), &all), []);

    // Here.
    near.flag("INBOX", 7, "FS");
    near.flag("INBOX", 8, "R");
    near.flag("INBOX", 9, "T");
    near.put("INBOX", 3_000);
    near.put("Here", 3_001);
    // There.
    let mut imap = crate::ada(&party).await;
    for command in [
        "SELECT INBOX",
        "STORE 101 +FLAGS (\\Seen)",
        "STORE 102:103 +FLAGS (\\Deleted)",
        "EXPUNGE",
        "MOVE 201 Archive",
        "CREATE There",
    ] {
        let heard = imap.say(command).await;
        assert!(heard.end.starts_with("OK"), "{command}: {heard:?}");
    }
    imap.append("There", "\\Flagged", &mail(4_000)).await;
    imap.append("INBOX", "", &mail(4_001)).await;
    near.sync(&party).await;

    let mut expected = all;
    for (number, flags) in [(7, "FS"), (8, "R"), (100, "S"), (3_000, ""), (4_001, "")] {
        expected.insert(number, flags.to_owned());
    }
    // The 201st, when two before it were gone, is the one that was 202 from zero.
    for gone in [9, 101, 102, 202] {
        expected.remove(&gone);
    }
    let folders = ["INBOX", "Archive", "Here", "There"];
    for (folder, expected) in [
        ("INBOX", expected),
        ("Archive", [(202, String::new())].into()),
        ("Here", [(3_001, String::new())].into()),
        ("There", [(4_000, "F".to_owned())].into()),
    ] {
        assert_eq!(
            differ(&far(&mut imap, folder).await, &expected),
            [],
            "{folder} there"
        );
        assert_eq!(differ(&near.copy(folder), &expected), [], "{folder} here");
    }

    // Nothing more to do.
    let before = (standing(&mut imap, &folders).await, near.files("INBOX"));
    let said = near.sync(&party).await;
    let after = (standing(&mut imap, &folders).await, near.files("INBOX"));
    assert!(before == after, "{said}");
}
