//! Pebble, a certificate authority for tests (ACME), as a program of its own: it asks this machine's ports whether names
//! are ours, and finds them in the story's zone.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hustings::daemon::sandbox::browser::Browser;
use hustings::daemon::sandbox::peer::Trust;
use hustings::daemon::sandbox::stage::free_ports;
use hustings::tls::SelfMadeCa;
use hustings::tls::pki_types::CertificateDer;
use hustings::tls::pki_types::pem::PemObject as _;
use jiff::Timestamp;

/// A running Pebble. Dropping it ends it.
pub struct Pebble {
    child: Child,
    place: tempfile::TempDir,
    api: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    /// Its certificates' root.
    pub root: CertificateDer<'static>,
}

impl Pebble {
    /// Starts it. It finds names in DNS at `dns`, and asks on these ports.
    pub async fn start(dns: SocketAddr, http: u16, https: u16) -> Self {
        let place = tempfile::tempdir().unwrap();
        let ca = SelfMadeCa::new("Pebble's own door", Timestamp::now()).unwrap();
        let files = ca.issue_to(place.path(), "api", &["127.0.0.1"]).unwrap();
        std::fs::write(place.path().join("ca.pem"), ca.pem()).unwrap();
        let ports = free_ports().unwrap();
        let at = |n: usize| SocketAddr::from(([127, 0, 0, 1], ports[n]));
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "{}", "managementListenAddress": "{}", "certificate": "{}",
                "privateKey": "{}", "httpPort": {http}, "tlsPort": {https}, "ocspResponderURL": "http://127.0.0.1:4002",
                "externalAccountBindingRequired": false, "certificateValidityPeriod": 7776000}}}}"#,
            at(0),
            at(1),
            files.chain.display(),
            files.key.display(),
        );
        std::fs::write(place.path().join("config.json"), config).unwrap();
        let mut child = Command::new("pebble")
            .arg("-config")
            .arg(place.path().join("config.json"))
            .args(["-strict", "-dnsserver", &dns.to_string()])
            // It would wait a few seconds before it looks, remember between two orders what it saw, and refuse some of
            // what is right, so that clients learn to ask again.
            .envs([
                ("PEBBLE_VA_NOSLEEP", "1"),
                ("PEBBLE_AUTHZREUSE", "0"),
                ("PEBBLE_WFE_NONCEREJECT", "0"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (kept, said) = (log.clone(), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let trust = Trust::new(ca.der()).unwrap();
        let root = root(at(1), trust).await;
        Self {
            child,
            place,
            api: at(0),
            log,
            root,
        }
    }

    /// The address of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.api)
    }

    /// The file with the authority that vouches for its own door.
    pub fn door_authority(&self) -> PathBuf {
        self.place.path().join("ca.pem")
    }

    /// Whom its certificates' users must trust.
    pub fn trust(&self) -> Trust {
        Trust::new(self.root.clone()).unwrap()
    }

    /// The file with its root.
    pub fn root_file(&self) -> PathBuf {
        let file = self.place.path().join("root.pem");
        write_pem(&file, &self.root);
        file
    }

    /// How often a line with this text stands in its log.
    pub fn said(&self, text: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line.contains(text)).count()
    }

    /// All that it said.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn root(management: SocketAddr, trust: Trust) -> CertificateDer<'static> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let browser = Browser::secured(management, "127.0.0.1", trust.clone());
        match browser.get("/roots/0").await {
            Ok(page) => return CertificateDer::from_pem_slice(page.text.as_bytes()).unwrap(),
            Err(error) => assert!(Instant::now() < deadline, "pebble doesn't answer: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn write_pem(file: &Path, certificate: &CertificateDer<'_>) {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<_> = text.as_bytes().chunks(64).collect();
    let body = lines.join(&b"\n"[..]);
    let body = String::from_utf8(body).unwrap();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    std::fs::write(file, pem).unwrap();
}
