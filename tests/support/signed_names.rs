//! DNS by other people's tools: zones that ldns signs and NSD serves, and Unbound, which resolves and validates them. All on
//! loopback ports; the root is the story's own.
//!
//! | zone | |
//! |---|---|
//! | `.` | signed, NSEC, ECDSA |
//! | `test.` | signed, NSEC3, RSA |
//! | `bogus.` | signed, and one address changed after that |
//! | `expired.` | its signatures' time is over |
//! | `plain.` | not signed |

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The zones below the root.
const ZONES: [Zone; 4] = [
    Zone::new("test", Some("RSASHA256")),
    Zone::new("bogus", Some("ECDSAP256SHA256")),
    Zone::new("expired", Some("ECDSAP256SHA256")),
    Zone::new("plain", None),
];
/// How long they may take to start.
const START: Duration = Duration::from_secs(120);
/// What every zone begins with.
const TOP: &str = "SOA ns.test. hostmaster.test. 1 3600 600 86400 60\n@ NS ns.test.\n";

#[derive(Clone, Copy)]
struct Zone {
    name: &'static str,
    algorithm: Option<&'static str>,
}

impl Zone {
    const fn new(name: &'static str, algorithm: Option<&'static str>) -> Self {
        Self { name, algorithm }
    }
}

/// The zones' records as zone files have them, with full names, by zone.
#[derive(Default)]
pub struct Records(Vec<(&'static str, String)>);

impl Records {
    /// Adds a line to a zone.
    pub fn add(&mut self, zone: &'static str, line: impl Into<String>) {
        self.0.push((zone, line.into()));
    }

    fn of(&self, zone: &str) -> String {
        let own = self.0.iter().filter(|(name, _)| *name == zone);
        own.map(|(_, line)| format!("{line}\n")).collect()
    }
}

/// Both servers. Dropping them ends them.
pub struct SignedNames {
    place: tempfile::TempDir,
    resolver: SocketAddr,
    children: Vec<Child>,
}

impl SignedNames {
    /// Signs the records and serves them. In the zone `bogus.`, `changed` becomes another text after it was signed.
    pub async fn start(ports: [u16; 2], records: &Records, changed: (&str, &str)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let [server, resolver] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut root = String::new();
        for zone in ZONES {
            let text = format!("@ {TOP}{}", records.of(zone.name));
            root += &format!("{}. NS ns.test.\n", zone.name);
            root += &sign(place.path(), zone.name, &text, zone.algorithm);
        }
        let bogus = place.path().join("bogus.zone");
        let text = fs::read_to_string(&bogus).unwrap();
        assert!(text.contains(changed.0), "{text}");
        fs::write(bogus, text.replace(changed.0, changed.1)).unwrap();
        let root = format!("@ {TOP}{root}");
        sign(place.path(), "", &root, Some("ECDSAP256SHA256"));
        let mut names = Self {
            place,
            resolver,
            children: Vec::new(),
        };
        names.run("nsd", "nsd.conf", &nsd(names.place.path(), server));
        let unbound = unbound(names.place.path(), resolver, server);
        names.run("unbound", "unbound.conf", &unbound);
        tokio::task::spawn_blocking(move || answers(&[server, resolver]))
            .await
            .unwrap();
        names
    }

    /// Where Unbound listens.
    pub fn resolver(&self) -> SocketAddr {
        self.resolver
    }

    /// The file with the root's key.
    pub fn anchor(&self) -> PathBuf {
        self.place.path().join("root.key")
    }

    fn run(&mut self, program: &str, file: &str, text: &str) {
        let file = self.place.path().join(file);
        fs::write(&file, text).unwrap();
        let child = Command::new(Path::new("/usr/sbin").join(program))
            .arg("-d")
            .arg("-c")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.children.push(child.unwrap());
    }
}

impl Drop for SignedNames {
    fn drop(&mut self) {
        for child in &mut self.children {
            // They have children of their own, which a kill would leave behind.
            let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let _ = kill_process(id.unwrap(), Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// Writes `NAME.zone`, signed if there is an algorithm; what its parent says of its key. The root's key becomes `root.key`.
fn sign(place: &Path, name: &str, text: &str, algorithm: Option<&str>) -> String {
    let zone = place.join(format!("{}.zone", called(name)));
    let text = format!("$ORIGIN {name}.\n$TTL 60\n{text}");
    let Some(algorithm) = algorithm else {
        fs::write(zone, text).unwrap();
        return String::new();
    };
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let output = command.args(arguments).current_dir(place).output().unwrap();
        assert!(output.status.success(), "{program} {name}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let size = if algorithm.starts_with("RSA") {
        "2048"
    } else {
        "256"
    };
    let top = format!("{name}.");
    let key = run("ldns-keygen", &["-k", "-a", algorithm, "-b", size, &top]);
    let plain = format!("{}.plain", called(name));
    fs::write(place.join(&plain), text).unwrap();
    let signed = zone.display().to_string();
    let mut how = vec!["-o", &top, "-f", &signed];
    match name {
        "test" => how.push("-n"),
        "expired" => how.extend(["-i", "20250101", "-e", "20250201"]),
        _ => (),
    }
    how.extend([&*plain, &key]);
    run("ldns-signzone", &how);
    let read = |kind: &str| fs::read_to_string(place.join(format!("{key}.{kind}"))).unwrap();
    if name.is_empty() {
        fs::write(place.join("root.key"), read("key")).unwrap();
    }
    read("ds")
}

fn called(zone: &str) -> &str {
    if zone.is_empty() { "root" } else { zone }
}

fn nsd(place: &Path, at: SocketAddr) -> String {
    let dir = place.display();
    let zones = ZONES.iter().map(|zone| zone.name).chain([""]);
    let zones = zones.map(|name| {
        format!(
            "zone:\n  name: \"{name}.\"\n  zonefile: \"{}.zone\"\n",
            called(name)
        )
    });
    format!(
        "server:\n  ip-address: {}@{}\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{dir}\"\n  \
         database: \"\"\n  pidfile: \"{dir}/nsd.pid\"\n  logfile: \"{dir}/nsd.log\"\n  \
         zonelistfile: \"{dir}/nsd.list\"\n  xfrdfile: \"{dir}/nsd.xfrd\"\n  xfrdir: \"{dir}\"\n\
         remote-control:\n  control-enable: no\n{}",
        at.ip(),
        at.port(),
        zones.collect::<String>(),
    )
}

fn unbound(place: &Path, at: SocketAddr, server: SocketAddr) -> String {
    let dir = place.display();
    let zones = ZONES.iter().map(|zone| zone.name).chain([""]);
    let stubs = zones.map(|name| {
        let (ip, port) = (server.ip(), server.port());
        format!("stub-zone:\n  name: \"{name}.\"\n  stub-addr: {ip}@{port}\n")
    });
    format!(
        "server:\n  interface: {}\n  port: {}\n  do-not-query-localhost: no\n  do-ip6: no\n  num-threads: 1\n  \
         username: \"\"\n  chroot: \"\"\n  directory: \"{dir}\"\n  pidfile: \"\"\n  use-syslog: no\n  \
         logfile: \"{dir}/unbound.log\"\n  verbosity: 1\n  val-log-level: 2\n  module-config: \"validator iterator\"\n  \
         trust-anchor-file: \"{dir}/root.key\"\n  local-zone: \"test.\" nodefault\n\
         remote-control:\n  control-enable: no\n{}",
        at.ip(),
        at.port(),
        stubs.collect::<String>(),
    )
}

/// Waits until both answer a question over TCP: what the root's name servers are.
fn answers(servers: &[SocketAddr]) {
    let query = b"\0\x11\0\x07\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
    let deadline = Instant::now() + START;
    for server in servers {
        let asked = || -> std::io::Result<u8> {
            let mut stream = TcpStream::connect(server)?;
            stream.set_read_timeout(Some(START))?;
            stream.write_all(query)?;
            let mut answer = [0; 6];
            stream.read_exact(&mut answer)?;
            Ok(answer[5] & 0x0f)
        };
        loop {
            let answer = asked();
            if matches!(answer, Ok(0)) {
                break;
            }
            assert!(Instant::now() < deadline, "{server}: {answer:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
