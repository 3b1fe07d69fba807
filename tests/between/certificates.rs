//! Certificates from an authority (Pebble): got and renewed with both kinds of proof while mail flows, with keys that stay
//! the same; what is served at their names; and new keys, once DNS has their records.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::party::{Party, needs, said};
use crate::support::pebble::Pebble;
use crate::support::zone::Zone;
use hickory_server::proto::rr::RecordType;
use hustings::control::api::service::{CertificateReport, Status, StatusReport};
use hustings::daemon::sandbox::browser::Browser;
use hustings::daemon::sandbox::peer::{Dialogue, Post, Trust};
use hustings::daemon::sandbox::stage::{HOST, OFFICE, free_ports};
use hustings::tls::pki_types::{CertificateDer, ServerName};
use hustings::zone::Act;
use jiff::SignedDuration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const POLICY_HOST: &str = "mta-sts.party.example";
const SETTINGS_HOST: &str = "autoconfig.party.example";
/// How long the authority and we may take for what is due.
const PATIENCE: Duration = Duration::from_secs(60);

/// A party that gets its certificates from Pebble.
struct Lab {
    zone: Zone,
    pebble: Pebble,
    party: Party,
    http: u16,
}

impl Lab {
    async fn start(kinds: &str, names: &[&str]) -> Self {
        let zone = Zone::start().await;
        for name in names {
            zone.address_of(name, "127.0.0.1").await;
        }
        let (ports, more) = (free_ports().unwrap(), free_ports().unwrap());
        let http = more[4];
        let pebble = Pebble::start(zone.address(), http, ports[3]).await;
        let (at, directory) = (zone.address(), pebble.directory());
        let authority = pebble.door_authority();
        let start = Party::start_as(|plan| {
            plan.ports = ports;
            plan.more = vec![
                ("listen.http", format!("addresses = [\"127.0.0.1:{http}\"]")),
                (
                    "tls",
                    format!(
                        "source = \"acme\"\n[tls.acme]\ndirectory = \"{directory}\"\nterms_agreed = true\n\
                         trusted_certificates = {authority:?}\nchallenges = [{kinds}]\n\
                         [mta_sts]\nmode = \"enforce\"",
                    ),
                ),
                ("delivery", format!("resolver = [\"{at}\"]")),
                (
                    "dns",
                    format!(
                        "check = true\nautoconfig = true\nauthorities = [\"{at}\"]\nprobe = \"127.0.0.1:1\""
                    ),
                ),
            ];
        });
        let party = start.await;
        Self {
            zone,
            pebble,
            party,
            http,
        }
    }

    async fn status(&self) -> StatusReport {
        self.party.socket().ask(Status {}).await.unwrap().answer
    }

    /// Waits until the status is as it should be.
    async fn until(&self, what: &str, holds: impl Fn(&StatusReport) -> bool) -> StatusReport {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status().await;
            if holds(&status) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "not yet: {what}\n{status:#?}\n{}",
                self.pebble.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until both certificates are the authority's.
    async fn issued(&self) -> StatusReport {
        let issued = |status: &StatusReport| {
            let from = |one: &CertificateReport| one.source == "acme";
            status.certificates.len() == 2 && status.certificates.iter().all(from)
        };
        self.until("both certificates from the authority", issued)
            .await
    }

    /// The certificate that a door shows to whom trusts `trust`.
    async fn shown(
        &self,
        door: &'static str,
        name: &str,
        trust: &Trust,
    ) -> CertificateDer<'static> {
        let stream = TcpStream::connect(self.party.door(door)).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TlsConnector::from(trust.config()).connect(name, stream);
        let stream = stream.await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0]
            .clone()
            .into_owned()
    }

    /// SHA-256 of the keys whose records are to be published: those that are served, and those that follow.
    fn keys(&self) -> Vec<Vec<u8>> {
        let wanted = self.party.rooms().names.wanted();
        let publish = wanted.into_iter().filter(|one| one.act == Act::Publish);
        let tlsa = publish.filter_map(|one| match one.data {
            hustings::dns::Data::Tlsa(_, digest) => Some(digest),
            _ => None,
        });
        tlsa.collect()
    }

    /// Publishes TLSA records of these keys.
    async fn publish(&self, keys: &[Vec<u8>]) {
        for key in keys {
            let name = format!("_25._tcp.{HOST}");
            self.zone.tlsa(&name, [3, 1, 1], key).await;
        }
    }

    async fn reload(&self, change: impl Fn(String) -> String) {
        let file = self.party.stage.config_file();
        let text = std::fs::read_to_string(&file).unwrap();
        let changed = change(text.clone());
        assert_ne!(text, changed, "nothing was changed");
        std::fs::write(&file, changed).unwrap();
        self.cli(&["config", "reload"], 0).await;
    }

    async fn cli(&self, arguments: &[&str], code: i32) -> String {
        let output = self.party.cli(arguments).await;
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }
}

fn message(subject: &str) -> String {
    format!(
        "From: jo@elector.example\r\nTo: {OFFICE}\r\nSubject: {subject}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\nHello.\r\n"
    )
}

/// SHA-256 of a certificate's key.
fn key_of(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let (_, certificate) = X509Certificate::from_der(certificate).unwrap();
    let key = certificate.tbs_certificate.subject_pki.raw;
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key)
        .as_ref()
        .to_vec()
}

/// A stranger's mail server that writes over and over until it is told to stop; each mail over a connection of its own.
async fn mail_flows(lab: &Lab, stop: &AtomicBool, taken: &AtomicUsize) {
    let trust = Trust::anybody();
    while !stop.load(Ordering::Relaxed) {
        let door = lab.party.door("smtp");
        let (mut dialogue, _) = Dialogue::connect_starttls(door, &trust, HOST)
            .await
            .unwrap();
        let number = taken.load(Ordering::Relaxed);
        let text = message(&format!("Number {number}"));
        let post = Post {
            from: "jo@elector.example",
            to: &[OFFICE],
            message: text.as_bytes(),
        };
        let answer = dialogue.post(post).await.unwrap();
        assert_eq!(answer.code, 250, "{answer}");
        taken.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_come_and_are_renewed_while_mail_flows() {
    if !needs("pebble") {
        return;
    }
    let lab = Lab::start("\"http-01\"", &[HOST, POLICY_HOST, SETTINGS_HOST]).await;
    // The doors spoke from the start on, with the keys that they still have.
    let first = lab.shown("submissions", HOST, &Trust::anybody()).await;
    let (stop, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
    let story = async {
        let (mut held, _) =
            Dialogue::connect_starttls(lab.party.door("smtp"), &Trust::anybody(), HOST)
                .await
                .unwrap();
        lab.issued().await;
        let asked_by_http = lab.pebble.said("validate w/ HTTP");
        assert!(asked_by_http >= 3, "{}", lab.pebble.log());
        let keys = lab.keys();
        assert_eq!(keys.len(), 2, "ECDSA and RSA");
        assert_eq!(
            key_of(&first),
            keys[0],
            "made before there was a certificate"
        );
        let trust = lab.pebble.trust();
        let by_http = lab.shown("submissions", HOST, &trust).await;
        assert_eq!(key_of(&by_http), keys[0]);
        assert_ne!(by_http, first);
        for name in [POLICY_HOST, SETTINGS_HOST] {
            lab.shown("https", name, &trust).await;
        }

        // Two thirds of its life, by the clock; now the authority looks the other way.
        lab.reload(|text| text.replace("\"http-01\"", "\"tls-alpn-01\""))
            .await;
        let before = lab.status().await.certificates;
        let renews_at = before[0].renews_at.unwrap();
        let days = renews_at.duration_since(lab.party.clock.now()).as_hours() / 24;
        assert!((59..=60).contains(&days), "{days}");
        lab.party
            .clock
            .advance(SignedDuration::from_hours(61 * 24))
            .unwrap();
        let later = |status: &StatusReport| {
            let renewed = |(now, then): (&CertificateReport, &CertificateReport)| {
                assert_eq!(now.key, then.key);
                now.expires_at > then.expires_at && now.renews_at > then.renews_at
            };
            assert_eq!((status.certificates.len(), before.len()), (2, 2));
            status.certificates.iter().zip(&before).all(renewed)
        };
        lab.until("both renewed", later).await;
        let by_tls = lab.shown("submissions", HOST, &trust).await;
        assert_ne!(by_tls, by_http, "another certificate");
        let asked_since = lab.pebble.said("validate w/ HTTP") - asked_by_http;
        assert_eq!(asked_since, 0, "the second time on the https port alone");
        assert_eq!(key_of(&by_tls), keys[0], "for the same key");
        assert_eq!(lab.keys(), keys, "what DNS has stays right");

        // A connection from before all that was never dropped.
        assert_eq!(held.command("NOOP").await.unwrap().code, 250);
        let deadline = Instant::now() + PATIENCE;
        while taken.load(Ordering::Relaxed) <= 10 {
            assert!(Instant::now() < deadline, "mail doesn't flow");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(story, mail_flows(&lab, &stop, &taken));
    let taken = taken.load(Ordering::Relaxed);
    assert_eq!(lab.party.kept().await, taken as u64, "each mail is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_at_its_names_and_on_port_80() {
    if !needs("pebble") {
        return;
    }
    let lab = Lab::start("\"tls-alpn-01\"", &[HOST, POLICY_HOST, SETTINGS_HOST]).await;
    lab.issued().await;
    let at = |host: &str| Browser::secured(lab.party.door("https"), host, lab.pebble.trust());
    let page = at(POLICY_HOST)
        .get("/.well-known/mta-sts.txt")
        .await
        .unwrap();
    assert_eq!(page.status, 200);
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert_eq!(
        page.text,
        "version: STSv1\r\nmode: enforce\r\nmx: mail.party.example\r\nmax_age: 604800\r\n"
    );
    let page = at(SETTINGS_HOST)
        .get("/mail/config-v1.1.xml")
        .await
        .unwrap();
    assert!(
        page.text
            .contains("<hostname>mail.party.example</hostname>"),
        "{}",
        page.text
    );
    for door in ["imaps", "pop3s", "submissions"] {
        let told = format!("<port>{}</port>", lab.party.door(door).port());
        assert!(page.text.contains(&told), "{told}: {}", page.text);
    }
    let page = at(HOST).get("/mail/profile.mobileconfig").await.unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(
        page.headers["content-type"],
        "application/x-apple-aspen-config"
    );
    if needs("python3") {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &page.text).unwrap();
        let script = "import plistlib, sys
mail = plistlib.load(open(sys.argv[1], 'rb'))['PayloadContent'][0]
print(mail['IncomingMailServerHostName'], mail['IncomingMailServerPortNumber'], mail['IncomingMailServerUseSSL'],
      mail['OutgoingMailServerPortNumber'])";
        let path = file.path().display().to_string();
        let read = run("python3", &["-c", script, &path]).await;
        let [imaps, submissions] = ["imaps", "submissions"].map(|door| lab.party.door(door).port());
        let told = format!("mail.party.example {imaps} True {submissions}");
        assert_eq!(read.trim(), told);
    }
    for (host, path) in [
        (HOST, "/.well-known/mta-sts.txt"),
        (SETTINGS_HOST, "/mail/profile.mobileconfig"),
        (SETTINGS_HOST, "/.well-known/mta-sts.txt"),
        (HOST, "/mail/config-v1.1.xml"),
    ] {
        assert_eq!(
            at(host).get(path).await.unwrap().status,
            404,
            "{host}{path}"
        );
    }
    // The record's id follows the content.
    let id = || {
        let wanted = lab.party.rooms().names.wanted();
        let mut wanted = wanted.into_iter();
        wanted
            .find(|one| one.name == "_mta-sts.party.example")
            .unwrap()
            .data
            .value()
    };
    let before = id();
    lab.reload(|text| text.replace("mode = \"enforce\"", "mode = \"testing\""))
        .await;
    let page = at(POLICY_HOST)
        .get("/.well-known/mta-sts.txt")
        .await
        .unwrap();
    assert!(page.text.contains("mode: testing"), "{}", page.text);
    assert_ne!(id(), before);

    // Port 80 sends everybody to the front page, and never on to the path that they asked for.
    let port_80 = Browser::plain(lab.party.door("http"));
    for path in ["/", "/u/secrettoken", "/c/secrettoken?x=y"] {
        let page = port_80.get(path).await.unwrap();
        assert_eq!(page.status, 301);
        assert_eq!(page.headers["location"], "https://mail.party.example/");
        assert!(!format!("{:?}{}", page.headers, page.text).contains("secret"));
    }
    let unknown = port_80
        .get("/.well-known/acme-challenge/unknown")
        .await
        .unwrap();
    assert_eq!(unknown.status, 404);
    // Whoever is no authority gets no certificate of the kind that is for authorities.
    let mut config = (*Trust::anybody().config()).clone();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = TcpStream::connect(lab.party.door("https")).await.unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    let shaken = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    assert!(shaken.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_in_dns_leaves_the_others_their_certificate() {
    if !needs("pebble") {
        return;
    }
    let mut lab = Lab::start("\"http-01\", \"tls-alpn-01\"", &[HOST, SETTINGS_HOST]).await;
    let status = lab.issued().await;
    let names = &status.certificates[0].names;
    assert!(names.contains(&HOST.to_owned()) && !names.contains(&POLICY_HOST.to_owned()));
    let told = |status: &StatusReport| {
        let mut warnings = status.warnings.iter();
        warnings.any(|warning| warning.contains("no certificate for mta-sts.party.example"))
    };
    assert!(told(&status), "{:?}", status.warnings);
    // Once it is there, whoever says so gets it at once.
    lab.zone.address_of(POLICY_HOST, "127.0.0.1").await;
    lab.reload(|text| text.replace("[log]", "# again\n[log]"))
        .await;
    lab.until("the name that was left out", |status| !told(status))
        .await;
    let trust = lab.pebble.trust();
    let shown = lab.shown("https", POLICY_HOST, &trust).await;

    // The next start asks for nothing: it has what it needs, and before the vault is open as well.
    let orders = lab.pebble.said("POST /order-plz");
    assert!(orders > 0, "{}", lab.pebble.log());
    lab.party.start_again().await;
    assert_eq!(lab.shown("https", POLICY_HOST, &trust).await, shown);
    assert_eq!(lab.pebble.said("POST /order-plz"), orders);
    let files = lab.party.stage.root().join("kept-tls");
    let kept = hustings::certificate::at_start(&files, &[], jiff::Timestamp::now()).unwrap();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().any(|pair| *pair.certificate() == shown));
    for file in std::fs::read_dir(files).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
    }
    // The keys are in the database as well, under its seal.
    let database = std::fs::read(lab.party.stage.data().join("hustings.db")).unwrap();
    assert!(memchr::memmem::find(&database, b"PRIVATE KEY").is_none());
    let _ = lab.http;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_served_once_dns_has_their_records() {
    if !needs("pebble") {
        return;
    }
    let lab = Lab::start("\"http-01\"", &[HOST, POLICY_HOST, SETTINGS_HOST]).await;
    lab.issued().await;
    let trust = lab.pebble.trust();
    let served = || lab.shown("submissions", HOST, &trust);
    let old = lab.keys();
    lab.publish(&old).await;
    lab.cli(&["dns", "check"], 1).await;
    assert!(!lab.cli(&["status"], 0).await.contains("RED:"));

    let said = lab
        .cli(&["dns", "rotate-tls", "--reason", "yearly"], 0)
        .await;
    assert_eq!(
        said.matches("_25._tcp.mail.party.example. IN TLSA 3 1 1")
            .count(),
        2,
        "{said}"
    );
    let all = lab.keys();
    let next: Vec<_> = all.into_iter().filter(|key| !old.contains(key)).collect();
    assert_eq!(next.len(), 2);
    let said = lab.cli(&["dns", "rotate-tls", "--now"], 0).await;
    assert!(said.contains("Not yet"), "{said}");
    assert!(
        lab.cli(&["status"], 0)
            .await
            .contains("the next TLS keys wait")
    );
    // Hours go by: without the records nothing happens.
    lab.party
        .clock
        .advance(SignedDuration::from_hours(48))
        .unwrap();
    lab.publish(&next).await;
    let said = lab.cli(&["dns", "rotate-tls", "--now"], 0).await;
    assert!(said.contains("The records were seen"), "{said}");
    assert!(
        old.contains(&key_of(&served().await)),
        "others remember the old set"
    );
    lab.party
        .clock
        .advance(SignedDuration::from_mins(61))
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !next.contains(&key_of(&served().await)) {
        assert!(
            Instant::now() < deadline,
            "{}",
            lab.cli(&["status"], 0).await
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The round of the day may have looked before the records were there.
    lab.cli(&["dns", "check"], 1).await;
    let status = lab.issued().await;
    assert!(
        !status.warnings.iter().any(|one| one.starts_with("RED")),
        "{:?}",
        status.warnings
    );
    let said = lab.cli(&["dns", "records"], 0).await;
    assert_eq!(said.matches("served no more").count(), 2, "{said}");
    let log = lab.cli(&["audit", "show"], 0).await;
    for act in ["dns rotate-tls", "dns seen-tls", "dns switch-tls"] {
        assert!(log.contains(act), "{act}: {log}");
    }

    // The old records alone: whoever checks them can't write to us.
    let name = format!("_25._tcp.{HOST}");
    lab.zone.remove(&name, RecordType::TLSA).await;
    lab.publish(&old).await;
    lab.cli(&["dns", "check"], 1).await;
    let status = lab.cli(&["status"], 0).await;
    assert!(status.contains("RED: a TLS key is served"), "{status}");
    // None at all harms nobody.
    lab.zone.remove(&name, RecordType::TLSA).await;
    lab.cli(&["dns", "check"], 1).await;
    assert!(!lab.cli(&["status"], 0).await.contains("RED:"));
}

/// The doors that speak TLS, and how.
const DOORS: [(&str, bool); 6] = [
    ("smtp", true),
    ("submission", true),
    ("submissions", false),
    ("https", false),
    ("imaps", false),
    ("pop3s", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn scanners_find_nothing_at_any_door() {
    if !needs("pebble") || !needs("sslscan") || !needs("testssl") {
        return;
    }
    let lab = Lab::start("\"http-01\"", &[HOST, POLICY_HOST, SETTINGS_HOST]).await;
    lab.issued().await;
    for (door, starttls) in DOORS {
        let at = lab.party.door(door).to_string();
        let sni = format!("--sni-name={HOST}");
        let mut arguments = vec!["--no-colour", "--show-sigs", &sni];
        if starttls {
            arguments.push("--starttls-smtp");
        }
        arguments.push(&at);
        let said = run("sslscan", &arguments).await;
        for (protocol, state) in [
            ("SSLv2", "disabled"),
            ("SSLv3", "disabled"),
            ("TLSv1.0", "disabled"),
            ("TLSv1.1", "disabled"),
            ("TLSv1.2", "enabled"),
            ("TLSv1.3", "enabled"),
        ] {
            let line = said.lines().find(|line| line.starts_with(protocol));
            assert!(
                line.is_some_and(|line| line.ends_with(state)),
                "{door}: {said}"
            );
        }
        let mut heartbleed = said
            .lines()
            .filter(|line| line.ends_with("to heartbleed"))
            .peekable();
        assert!(heartbleed.peek().is_some(), "{door}: {said}");
        assert!(
            heartbleed.all(|line| line.contains("not vulnerable")),
            "{door}: {said}"
        );
        let ciphers = said
            .lines()
            .filter(|line| line.starts_with("Preferred") || line.starts_with("Accepted"));
        for cipher in ciphers {
            let safe = ["GCM", "POLY1305"].iter().any(|mode| cipher.contains(mode));
            assert!(safe, "{door}: {cipher}");
        }
        assert!(
            said.contains("ECDHE-ECDSA") && said.contains("ECDHE-RSA"),
            "{door}: both kinds: {said}"
        );
    }
    // At once: most of the time it waits. What is read at the last two doors has the set-up of submission: one look by
    // sslscan at each is enough.
    let place = tempfile::tempdir().unwrap();
    let look = |n: usize| testssl(&lab, place.path(), DOORS[n]);
    tokio::join!(look(0), look(1), look(2), look(3));
}

/// What testssl looks at. All doors have one set-up, so that ciphers and forward secrecy are looked at once; its other
/// checks are for protocols and ciphers that aren't there, and take minutes.
fn checks(door: &str) -> &'static [&'static str] {
    match door {
        "https" => &["-p", "-P", "-S", "-s", "-f"],
        _ => &["-p", "-P", "-S"],
    }
}

/// Nothing above LOW may be found.
async fn testssl(lab: &Lab, place: &std::path::Path, (door, starttls): (&'static str, bool)) {
    let file = place.join(format!("{door}.json")).display().to_string();
    let root = lab.pebble.root_file().display().to_string();
    let target = format!("{HOST}:{}", lab.party.door(door).port());
    let mut arguments = vec!["--quiet", "--color", "0", "--warnings", "off"];
    arguments.extend([
        "--nodns",
        "none",
        "--ip",
        "127.0.0.1",
        "--add-ca",
        &root,
        "--jsonfile",
        &file,
    ]);
    arguments.extend(checks(door));
    if starttls {
        arguments.extend(["-t", "smtp"]);
    }
    arguments.push(&target);
    let said = run("testssl", &arguments).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let found: Vec<serde_json::Value> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {said}"));
    let severe = |one: &&serde_json::Value| {
        let severity = one["severity"].as_str().unwrap();
        // WARN and DEBUG are what it couldn't look at.
        !["OK", "INFO", "LOW", "WARN", "DEBUG"].contains(&severity)
    };
    let bad: Vec<_> = found.iter().filter(severe).collect();
    assert!(bad.is_empty(), "{door}: {bad:#?}");
    // It has seen what it should have.
    for (id, finding) in [
        ("TLS1_3", "offered with final"),
        ("cert_chain_of_trust <cert#1>", "passed."),
    ] {
        let holds = found
            .iter()
            .any(|one| one["id"] == id && one["finding"] == finding);
        assert!(holds, "{door}: {id}: {said}");
    }
}

/// Runs a program to its end without holding up the runtime, which serves it.
async fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    said(&output.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_failure_takes_no_name_away() {
    if !needs("pebble") {
        return;
    }
    let lab = Lab::start("\"http-01\"", &[HOST, POLICY_HOST, SETTINGS_HOST]).await;
    let has = |status: &StatusReport| {
        let mut names = status.certificates.iter().flat_map(|one| &one.names);
        names.any(|name| name == POLICY_HOST)
    };
    let status = lab.issued().await;
    assert!(has(&status));
    let told = |status: &StatusReport| {
        let mut warnings = status.warnings.iter();
        warnings.any(|one| one.contains("has mta-sts.party.example, and stays"))
    };
    // On the way there the authority hears of another address to write to.
    assert_eq!(lab.pebble.said("POST /my-account/"), 0);
    lab.reload(|text| {
        let contact = "terms_agreed = true\ncontact = \"postmaster@party.example\"";
        text.replace("terms_agreed = true", contact)
    })
    .await;
    lab.zone.remove(POLICY_HOST, RecordType::A).await;
    let later = |days: i64| {
        let days = SignedDuration::from_hours(24 * days);
        lab.party.clock.advance(days).unwrap();
    };
    later(61);
    let status = lab.until("the old ones stay", told).await;
    assert!(has(&status));
    let trust = lab.pebble.trust();
    lab.shown("https", POLICY_HOST, &trust).await;
    assert!(
        lab.pebble.said("POST /my-account/") > 0,
        "{}",
        lab.pebble.log()
    );
    // A new one without that name is better than none at the end.
    later(21);
    let status = lab
        .until("new ones", |status| !has(status) && !told(status))
        .await;
    assert_eq!(status.certificates.len(), 2);
    lab.shown("https", SETTINGS_HOST, &trust).await;
}
