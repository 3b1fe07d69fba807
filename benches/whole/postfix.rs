//! Debian's Postfix on the same machine, with the same load: what our figures are to be held against. It takes each mail
//! durably and then discards it: delivering it as well would only cost it more.
//!
//! Only where `postfix` is installed and this runs as root, which Postfix asks for. Its directories are throwaway ones.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hustings::daemon::sandbox::stage::{DOMAIN, free_ports};
use tempfile::TempDir;

use crate::process::{Process, Tree};

/// How long it may take to open.
const START: Duration = Duration::from_secs(20);

/// A running Postfix, stopped when dropped.
pub(crate) struct Postfix {
    directory: TempDir,
    port: u16,
}

impl Postfix {
    /// Starts one that takes mail for the party's domain over STARTTLS with this certificate. `None` where there is none.
    pub(crate) fn start(certificate: &str, key: &str) -> Option<Self> {
        let there = Command::new("postconf").arg("mail_version").output();
        if !there.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let directory = TempDir::new().unwrap();
        open_to_all(directory.path());
        let at = |name: &str| directory.path().join(name);
        for (name, content) in [("certificate.pem", certificate), ("key.pem", key)] {
            std::fs::write(at(name), content).unwrap();
        }
        let port = free_ports().unwrap()[0];
        std::fs::create_dir(at("config")).unwrap();
        std::fs::create_dir(at("data")).unwrap();
        std::fs::write(at("config/main.cf"), main_cf(directory.path())).unwrap();
        std::fs::write(at("config/master.cf"), master_cf(port)).unwrap();
        std::fs::create_dir(at("queue")).unwrap();
        run(Command::new("chown").arg("postfix").arg(at("data")));
        let postfix = Self { directory, port };
        postfix.command("start");
        postfix.wait_open();
        Some(postfix)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// User and system time of the master and all the processes it ever had, those that run still among them.
    pub(crate) fn cpu(&self) -> Duration {
        self.tree().cpu()
    }

    /// Resident memory of all its processes now, in MiB. What they share is counted once for each.
    pub(crate) fn resident(&self) -> f64 {
        let memory = self.tree().living().filter_map(Process::memory_if_running);
        memory.map(|memory| memory.now as f64 / 1024.0).sum()
    }

    fn tree(&self) -> Tree {
        Tree(Process(self.master()))
    }

    fn master(&self) -> u32 {
        let file = self.directory.path().join("queue/pid/master.pid");
        std::fs::read_to_string(file)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    fn command(&self, verb: &str) {
        run(Command::new("postfix")
            .arg("-c")
            .arg(self.directory.path().join("config"))
            .arg(verb));
    }

    fn wait_open(&self) {
        let deadline = Instant::now() + START;
        while std::net::TcpStream::connect(self.address()).is_err() {
            assert!(Instant::now() < deadline, "postfix doesn't open");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let config = self.directory.path().join("config");
        let _ = Command::new("postfix")
            .arg("-c")
            .arg(config)
            .arg("stop")
            .output();
    }
}

/// Its processes run as a user of their own and must get through.
fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// No limit that a load from one address would meet.
fn main_cf(directory: &Path) -> String {
    let at = directory.display();
    format!(
        "compatibility_level = 3.6\nqueue_directory = {at}/queue\ndata_directory = {at}/data\nmaillog_file = {at}/log\nmaillog_file_prefixes = {at}\n\
         myhostname = mail.{DOMAIN}\nmydestination = {DOMAIN}\nlocal_recipient_maps =\nlocal_transport = discard:\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmessage_size_limit = 0\nmailbox_size_limit = 0\n\
         smtpd_tls_security_level = encrypt\nsmtpd_tls_chain_files = {at}/key.pem, {at}/certificate.pem\n\
         smtpd_client_connection_count_limit = 0\nsmtpd_peername_lookup = no\ndefault_process_limit = 120\n\
         smtpd_recipient_restrictions = reject_unauth_destination\nalias_maps =\n"
    )
}

fn master_cf(port: u16) -> String {
    let mut services = format!("127.0.0.1:{port} inet n - n - - smtpd\n");
    for line in [
        "pickup unix n - n 60 1 pickup",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "tlsmgr unix - - n 1000? 1 tlsmgr",
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce",
        "verify unix - - n - 1 verify",
        "flush unix n - n 1000? 0 flush",
        "proxymap unix - - n - - proxymap",
        "error unix - - n - - error",
        "retry unix - - n - - error",
        "discard unix - - n - - discard",
        "anvil unix - - n - 1 anvil",
        "postlog unix-dgram n - n - 1 postlogd",
    ] {
        services.push_str(line);
        services.push('\n');
    }
    services
}
