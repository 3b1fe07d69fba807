//! A real Postfix in a directory of its own, on loopback ports: it takes mail for its domains at a door that asks for TLS,
//! keeps it in mailboxes of one file a mail, and carries what it's handed in the clear at another door, to the party alone.
//! Must be root: its parts run as the users that its package made.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use hustings::daemon::sandbox::peer::{Dialogue, Post};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::authority::Shown;
use super::party::needs;

/// Its name.
pub const NAME: &str = "mx.peer.test";
/// The domain of those who have a mailbox with it: [`PEOPLE`].
pub const PEER: &str = "peer.test";
/// A domain whose mail it accepts, for whomever, and then can't deliver.
pub const LATE: &str = "voters0.example";
/// Who has a mailbox at [`PEER`].
pub const PEOPLE: [&str; 3] = ["ann", "bob", "eve"];
/// From where it connects to others.
pub const FROM: &str = "127.0.0.2";

/// How long a mail may take.
const SOON: Duration = Duration::from_secs(60);
/// Who owns its mailboxes: anybody but root will do.
const OWNER: u32 = 65_534;

/// Where it sends to, and what it makes of it.
#[derive(Debug, Clone, Copy)]
pub struct Sends<'a> {
    /// The party's door.
    pub to: SocketAddr,
    /// The party's domain, and the name in its certificate.
    pub domain: (&'a str, &'a str),
    /// Who must have vouched for it.
    pub authority: &'a Path,
}

/// A running Postfix. Dropping it stops it.
pub struct Postfix {
    place: tempfile::TempDir,
    /// The door for the party, and the one for the story.
    doors: [SocketAddr; 2],
}

/// Whether there can be one: it's installed, and we are root.
pub fn needs_postfix() -> bool {
    // Debian puts it where only root's PATH may lead.
    if !Path::new("/usr/sbin/postfix").is_file() && !needs("postfix") {
        return false;
    }
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "CI must be root");
        println!("skipped: needs root");
    }
    root
}

impl Postfix {
    /// Starts it at these ports; it shows this certificate.
    pub fn start(ports: [u16; 2], shown: &Shown, sends: Sends<'_>) -> Self {
        let place = tempfile::tempdir().unwrap();
        // Its parts come through as other users.
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["etc", "queue", "data", "mail"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        chown(place.path().join("data"), Some(user("postfix")), None).unwrap();
        chown(place.path().join("mail"), Some(OWNER), None).unwrap();
        let doors = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let etc = place.path().join("etc");
        let write = |name: &str, text: &str| fs::write(etc.join(name), text).unwrap();
        write("main.cf", &main_cf(place.path(), sends));
        write("master.cf", &master_cf(doors));
        write("chain.pem", &pem(shown));
        fs::copy(sends.authority, etc.join("authority.pem")).unwrap();
        let postfix = Self { place, doors };
        let started = Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(etc)
            .arg("start")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(started.unwrap().success(), "{}", postfix.log());
        postfix
    }

    /// Hands it a mail, as one of its own people would.
    pub async fn hand(&self, from: &str, to: &[&str], message: &[u8]) {
        let (mut dialogue, _) = Dialogue::connect(self.doors[1]).await.unwrap();
        dialogue.command("EHLO client.test").await.unwrap();
        let answer = dialogue.post(Post { from, to, message }).await.unwrap();
        assert_eq!(answer.code, 250, "{answer}");
        dialogue.quit().await;
    }

    /// Has one of its own programs hand it many mails at once, some at a time.
    pub async fn hand_many(&self, count: usize, from: &str, to: &str, subject: &str) {
        let door = self.doors[1].to_string();
        let mut command = Command::new("/usr/sbin/smtp-source");
        command
            .args(["-s", "5", "-m", &count.to_string(), "-l", "4000"])
            .args(["-S", subject, "-f", from, "-t", to, &door])
            .stdin(Stdio::null());
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = run.await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// All mails of one of its people, with line ends as on the wire.
    pub fn mails(&self, person: &str) -> Vec<Vec<u8>> {
        let new = self.place.path().join("mail").join(person).join("new");
        let Ok(entries) = fs::read_dir(new) else {
            return Vec::new();
        };
        let mut mails: Vec<_> = entries
            .map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .map(|mail| {
                let text = String::from_utf8_lossy(&mail);
                text.replace('\n', "\r\n").into_bytes()
            })
            .collect();
        mails.sort();
        mails
    }

    /// Waits for a mail to one of its people in which this text stands.
    pub async fn mail(&self, person: &str, text: &str) -> Vec<u8> {
        let deadline = Instant::now() + SOON;
        loop {
            let mails = self.mails(person).into_iter();
            let fits = |mail: &Vec<u8>| memchr::memmem::find(mail, text.as_bytes()).is_some();
            if let Some(mail) = mails.into_iter().find(fits) {
                return mail;
            }
            assert!(
                Instant::now() < deadline,
                "no mail to {person} with {text:?}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }

    /// What one of its parts logged.
    pub fn said_by(&self, part: &str) -> Vec<String> {
        let mark = format!("postfix/{part}[");
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains(&mark));
        lines.map(str::to_owned).collect()
    }

    fn pid(&self) -> Option<Pid> {
        let file: PathBuf = self.place.path().join("queue/pid/master.pid");
        let text = fs::read_to_string(file).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while test_kill_process(pid).is_ok() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn main_cf(place: &Path, sends: Sends<'_>) -> String {
    let at = place.display();
    let (domain, host) = sends.domain;
    let people: String = PEOPLE
        .iter()
        .map(|person| format!(" {person}@{PEER}={person}/"))
        .collect();
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {at}/queue\n\
         data_directory = {at}/data\n\
         command_directory = /usr/sbin\n\
         daemon_directory = /usr/lib/postfix/sbin\n\
         meta_directory = /etc/postfix\n\
         mail_owner = postfix\n\
         setgid_group = postdrop\n\
         maillog_file = {at}/log\n\
         maillog_file_prefixes = {at}\n\
         myhostname = {NAME}\n\
         mydestination = {LATE}\n\
         local_recipient_maps =\n\
         alias_maps =\n\
         alias_database =\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         mynetworks =\n\
         smtpd_peername_lookup = no\n\
         smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n\
         virtual_mailbox_domains = {PEER}\n\
         virtual_mailbox_base = {at}/mail\n\
         virtual_mailbox_maps = inline:{{{people} }}\n\
         virtual_uid_maps = static:{OWNER}\n\
         virtual_gid_maps = static:{OWNER}\n\
         smtpd_tls_chain_files = {at}/etc/chain.pem\n\
         smtpd_tls_security_level = encrypt\n\
         smtpd_tls_received_header = yes\n\
         smtpd_tls_loglevel = 1\n\
         transport_maps = inline:{{ {domain}=smtp:[127.0.0.1]:{port} }}\n\
         smtp_bind_address = {FROM}\n\
         smtp_tls_security_level = secure\n\
         smtp_tls_secure_cert_match = {host}\n\
         smtp_tls_CAfile = {at}/etc/authority.pem\n\
         smtp_tls_loglevel = 1\n",
        port = sends.to.port(),
    )
}

fn master_cf([door, own]: [SocketAddr; 2]) -> String {
    format!(
        "{door} inet n - n - - smtpd\n\
         {own} inet n - n - - smtpd\n  -o smtpd_tls_security_level=none -o mynetworks=127.0.0.0/8\n\
         postlog unix-dgram n - n - 1 postlogd\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         proxymap unix - - n - - proxymap\n\
         smtp unix - - n - - smtp\n\
         error unix - - n - - error\n\
         retry unix - - n - - error\n\
         local unix - n n - - local\n\
         virtual unix - n n - - virtual\n\
         anvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\n"
    )
}

/// A key and the chain to it, as Postfix wants them in one file.
fn pem((chain, key): &Shown) -> String {
    let block = |kind: &str, der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
        let lines: Vec<_> = lines.collect();
        format!(
            "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
            lines.join("\n")
        )
    };
    let chain = chain.iter().map(|one| block("CERTIFICATE", one));
    block("PRIVATE KEY", key.secret_der()) + &chain.collect::<String>()
}

fn user(name: &str) -> u32 {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}:")));
    let id = line.and_then(|line| line.split(':').nth(1));
    id.expect("the package made its user").parse().unwrap()
}
