//! Debian's Dovecot on the same machine, with the same load: what the folders' figures are to be held against.
//!
//! Only where `dovecot` is installed and this runs as root, which Dovecot asks for. Its directories are throwaway ones. It
//! is set up as its authors advise for speed: two log-in processes that serve many connections, and the format of its own
//! that is asked for.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hustings::daemon::sandbox::stage::free_ports;
use tempfile::TempDir;

use crate::process::{Process, Tree};

/// How long it may take to open.
const START: Duration = Duration::from_secs(20);

/// Everybody's password.
pub(crate) const PASSWORD: &str = "a-password-for-all";

/// How it keeps mail.
#[derive(Debug, Clone)]
pub(crate) struct Keeping {
    /// `maildir`, `sdbox` or `mdbox`.
    pub(crate) format: String,
    /// `optimized`: what was taken in is on the disk; `always`: marks are as well.
    pub(crate) fsync: String,
}

/// A running Dovecot, stopped when dropped.
pub(crate) struct Dovecot {
    directory: TempDir,
    ports: [u16; 2],
    master: Child,
}

impl Dovecot {
    /// Starts one with this certificate and key. `None` where there is none.
    pub(crate) fn start(certificate: &Path, key: &Path, keeping: &Keeping) -> Option<Self> {
        let there = Command::new("dovecot").arg("--version").output();
        if !there.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let directory = TempDir::new().unwrap();
        open_to_all(directory.path());
        let at = |name: &str| directory.path().join(name);
        std::fs::copy(certificate, at("certificate.pem")).unwrap();
        std::fs::copy(key, at("key.pem")).unwrap();
        let [imap, pop3, ..] = free_ports().unwrap();
        for name in ["mail", "base", "state"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        run(Command::new("chown").arg("nobody").arg(at("mail")));
        let config = config(directory.path(), [imap, pop3], keeping);
        std::fs::write(at("dovecot.conf"), config).unwrap();
        let mut master = Command::new("dovecot");
        master.arg("-F").arg("-c").arg(at("dovecot.conf"));
        let master = master.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let dovecot = Self {
            directory,
            ports: [imap, pop3],
            master: master.unwrap(),
        };
        dovecot.wait_open();
        Some(dovecot)
    }

    pub(crate) fn imaps(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[0]))
    }

    pub(crate) fn pop3s(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[1]))
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree(Process(self.master.id()))
    }

    fn wait_open(&self) {
        let deadline = Instant::now() + START;
        while std::net::TcpStream::connect(self.imaps()).is_err() {
            let log = std::fs::read_to_string(self.directory.path().join("log"));
            assert!(Instant::now() < deadline, "dovecot doesn't open: {log:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let config = self.directory.path().join("dovecot.conf");
        let _ = Command::new("doveadm")
            .arg("-c")
            .arg(config)
            .arg("stop")
            .output();
        let _ = self.master.wait();
    }
}

/// Its processes run as users of their own and must get through.
fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// No limit that a load from one address would meet.
fn config(directory: &Path, [imap, pop3]: [u16; 2], Keeping { format, fsync }: &Keeping) -> String {
    let at = directory.display();
    format!(
        "protocols = imap pop3\nlisten = 127.0.0.1\nbase_dir = {at}/base\nstate_dir = {at}/state\nlog_path = {at}/log\n\
         instance_name = {at}\nssl = required\nssl_cert = <{at}/certificate.pem\nssl_key = <{at}/key.pem\n\
         mail_location = {format}:~/{format}\nmail_fsync = {fsync}\nfirst_valid_uid = 1\nmail_max_userip_connections = 1000\n\
         passdb {{\n  driver = static\n  args = password={PASSWORD}\n}}\n\
         userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup home={at}/mail/%u\n}}\n\
         namespace inbox {{\n  inbox = yes\n  mailbox Archive {{\n    auto = create\n  }}\n}}\n\
         service imap-login {{\n  service_count = 0\n  process_min_avail = 2\n  process_limit = 2\n  inet_listener imap {{\n    port = 0\n  }}\n\
         \x20 inet_listener imaps {{\n    port = {imap}\n    ssl = yes\n  }}\n}}\n\
         service pop3-login {{\n  service_count = 0\n  process_min_avail = 2\n  process_limit = 2\n  inet_listener pop3 {{\n    port = 0\n  }}\n\
         \x20 inet_listener pop3s {{\n    port = {pop3}\n    ssl = yes\n  }}\n}}\n"
    )
}
