//! Mailboxes that hold mail already, and mail programs that look at them.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use hustings::clock::Clock;
use hustings::daemon::sandbox::stage::HOST;
use hustings::id::StaffId;
use hustings::mailbox::{Appended, Mailboxes};
use hustings::message::outline::outline;
use hustings::store::{Marks, Store};
use rustix::process::{Pid, Signal, kill_process};

use super::party::said;

/// How many mails are put in at once.
const AT_ONCE: usize = 200;

/// Puts mails into somebody's INBOX, in their order.
pub async fn fill(store: &Store, whose: StaffId, mails: &[Vec<u8>]) {
    let boxes = Mailboxes::new(store.clone(), Clock::system());
    let inbox = boxes.folders(whose.into()).await.unwrap()[0].clone();
    for some in mails.chunks(AT_ONCE) {
        let mut appended = Vec::with_capacity(some.len());
        for mail in some {
            let mut writer = boxes.begin().await.unwrap();
            writer.write(mail).await.unwrap();
            appended.push(Appended {
                body: writer.finish(),
                outline: Some(outline(mail)),
                marks: Marks::default(),
                received_at: None,
            });
        }
        let placed = boxes.append_all(&inbox, appended, u64::MAX).await.unwrap();
        assert_eq!(placed.len(), some.len());
    }
}

/// Mails that are told apart by a field of theirs; some are long, some have lines of dots, some are eight-bit.
pub fn mails(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(mail).collect()
}

/// One of them.
pub fn mail(number: usize) -> Vec<u8> {
    let body = match number % 10 {
        3 => ".\r\n..\r\n.a line behind a dot\r\n".to_owned(),
        6 => "Croeso i bawb: T\u{f7} Gŵyr\r\n".to_owned(),
        9 => "a line of a long mail, which goes on and on\r\n".repeat(200),
        _ => "a line\r\n".to_owned(),
    };
    format!(
        "Return-Path: <a@elsewhere.example>\r\nFrom: A <a@elsewhere.example>\r\nTo: ada@party.example\r\n\
         Subject: Number {number}\r\nX-Number: {number}\r\nMessage-ID: <{number}@elsewhere.example>\r\n\
         Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{body}end of {number}\r\n"
    )
    .into_bytes()
}

/// How long a program may take.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// Runs a program to its end without holding up the runtime, which may be serving it. One that doesn't end is ended, and
/// the story fails.
pub async fn run(mut command: Command) -> Output {
    let name = command.get_program().to_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.unwrap();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut running = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    match tokio::time::timeout(ENDS_WITHIN, &mut running).await {
        Ok(ended) => ended.unwrap(),
        Err(_) => {
            // It is ours until it was waited for.
            let _ = kill_process(pid.unwrap(), Signal::KILL);
            let output = running.await.unwrap();
            panic!("{} doesn't end: {}", name.display(), said(&output));
        }
    }
}

/// A program of Python's, for which every name leads here. It finds the authority to trust, the port, the user and the
/// password in `CA`, `PORT`, `LOGIN` and `PASSWORD`, and the name of the server in `HOST`.
pub fn python(script: &str, authority: &Path, port: u16, user: &str, password: &str) -> Command {
    const BEFORE: &str = "
import os, socket, ssl
find = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: find('127.0.0.1', *rest, **more)
CA, HOST, PORT = os.environ['CA'], os.environ['HOST'], int(os.environ['PORT'])
LOGIN, PASSWORD = os.environ['LOGIN'], os.environ['PASSWORD']
tls = ssl.create_default_context(cafile=CA)
";
    let mut command = Command::new("python3");
    command.args(["-c", &format!("{BEFORE}{script}")]);
    for (name, value) in [("HOST", HOST), ("LOGIN", user), ("PASSWORD", password)] {
        command.env(name, value);
    }
    command.env("CA", authority).env("PORT", port.to_string());
    command
}

/// curl, with what every dialogue needs; the rest of the address comes behind `scheme://host:port`.
pub fn curl(address: &str, authority: &Path, port: u16, user: &str, password: &str) -> Command {
    let (scheme, path) = address.split_once(':').unwrap();
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--max-time", "100", "--cacert"])
        .arg(authority)
        .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")])
        .args(["--user", &format!("{user}:{password}")])
        .arg(format!("{scheme}://{HOST}:{port}/{path}"));
    command
}

/// The number of a mail, by the field that tells them apart.
pub fn number_of(mail: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(mail);
    let mut lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("X-Number: "));
    lines.next()?.trim().parse().ok()
}

/// What is in a directory and those below it, file by file.
pub fn files_in(directory: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files_in(&path)),
            false => all.push(std::fs::read(path).unwrap()),
        }
    }
    all
}
