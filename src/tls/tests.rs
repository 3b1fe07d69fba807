//! Tests of TLS: handshakes in memory, certificates on the disk.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, ServerConnection,
    SignatureAlgorithm,
};
use rustls_pki_types::ServerName;

use super::*;
use crate::clock::Clock;

fn ca() -> SelfMadeCa {
    SelfMadeCa::new("Test CA", Timestamp::now()).unwrap()
}

/// A client that trusts the authority.
fn trusting(ca: &SelfMadeCa) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der()).unwrap();
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The same with a provider that only verifies these signatures.
fn limited(
    ca: &SelfMadeCa,
    wanted: SignatureAlgorithm,
    version: &'static rustls::SupportedProtocolVersion,
) -> ClientConfig {
    let mut limited = (*provider()).clone();
    let all = limited.signature_verification_algorithms;
    let of_kind = |scheme: &rustls::SignatureScheme| {
        let name = format!("{scheme:?}");
        match wanted {
            SignatureAlgorithm::RSA => name.starts_with("RSA"),
            _ => name.starts_with("ECDSA"),
        }
    };
    let mapping: Vec<_> = all
        .mapping
        .iter()
        .filter(|(scheme, _)| of_kind(scheme))
        .copied()
        .collect();
    limited.signature_verification_algorithms.mapping = Box::leak(mapping.into_boxed_slice());
    let mut roots = RootCertStore::empty();
    roots.add(ca.der()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(limited))
        .with_protocol_versions(Box::leak(Box::new([version])))
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Client and server after their handshake, with all that both wanted to say.
fn shake(
    client: Arc<ClientConfig>,
    server: Arc<rustls::ServerConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name)?;
    let mut server = ServerConnection::new(server)?;
    for _ in 0..10 {
        carry(
            |out| client.write_tls(out).unwrap(),
            |mut bytes| server.read_tls(&mut bytes).unwrap(),
        );
        server.process_new_packets()?;
        carry(
            |out| server.write_tls(out).unwrap(),
            |mut bytes| client.read_tls(&mut bytes).unwrap(),
        );
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

fn carry(mut write: impl FnMut(&mut Vec<u8>) -> usize, mut read: impl FnMut(&[u8]) -> usize) {
    let mut bytes = Vec::new();
    while write(&mut bytes) > 0 {}
    let mut at = 0;
    while at < bytes.len() {
        at += read(&bytes[at..]);
    }
}

fn served(client: &ClientConnection) -> Vec<u8> {
    client.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn every_door_shakes_hands_in_both_versions() {
    let ca = ca();
    let certificates = Certificates::fixed(vec![ca.issue(&["mail.party.example"]).unwrap()]);
    for door in [Door::Mx, Door::Submission, Door::Https] {
        let server = server_config(certificates.clone(), door);
        for (version, expected) in [
            (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
            (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
        ] {
            let client = Arc::new(limited(&ca, SignatureAlgorithm::ECDSA, version));
            let (client, _) = shake(client, server.clone(), "mail.party.example").unwrap();
            assert_eq!(client.protocol_version(), Some(expected));
        }
        assert_eq!(server.max_early_data_size, 0);
    }
}

#[test]
fn port_25_gives_no_tickets_and_resumes_nothing() {
    let ca = ca();
    let certificates = Certificates::fixed(vec![ca.issue(&["mail.party.example"]).unwrap()]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let resumed = |door| {
            let client = Arc::new(limited(&ca, SignatureAlgorithm::ECDSA, version));
            let server = server_config(certificates.clone(), door);
            shake(client.clone(), server.clone(), "mail.party.example").unwrap();
            let (client, _) = shake(client, server, "mail.party.example").unwrap();
            client.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
        };
        assert!(!resumed(Door::Mx));
        assert!(
            resumed(Door::Https),
            "the test must be able to see a resumption"
        );
    }
    let server = server_config(certificates, Door::Mx);
    let (client, _) = shake(Arc::new(trusting(&ca)), server, "mail.party.example").unwrap();
    assert_eq!(client.tls13_tickets_received(), 0);
}

#[test]
fn pages_speak_http2_and_http1() {
    let ca = ca();
    let certificates = Certificates::fixed(vec![ca.issue(&["mail.party.example"]).unwrap()]);
    for (offer, expected) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"], "http/1.1")] {
        let mut client = trusting(&ca);
        client.alpn_protocols = offer.iter().map(|name| name.as_bytes().to_vec()).collect();
        let server = server_config(certificates.clone(), Door::Https);
        let (client, _) = shake(Arc::new(client), server, "mail.party.example").unwrap();
        assert_eq!(client.alpn_protocol(), Some(expected.as_bytes()));
    }
}

#[test]
fn a_client_gets_the_pair_it_can_verify() {
    let ca = ca();
    let (ecdsa, rsa) = (
        ca.issue(&["mail.party.example"]).unwrap(),
        ca.issue_rsa(&["mail.party.example"]).unwrap(),
    );
    // Whatever the order of the files.
    let certificates = Certificates::fixed(vec![rsa.clone(), ecdsa.clone()]);
    let server = server_config(certificates, Door::Mx);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (wanted, expected) in [
            (SignatureAlgorithm::ECDSA, &ecdsa),
            (SignatureAlgorithm::RSA, &rsa),
        ] {
            let mut client = limited(&ca, wanted, version);
            // The authority signs with ECDSA, which these clients can't all verify: only the choice is of interest.
            client.dangerous().set_certificate_verifier(any_for(wanted));
            let (client, _) =
                shake(Arc::new(client), server.clone(), "mail.party.example").unwrap();
            assert_eq!(
                served(&client),
                expected.certificate().to_vec(),
                "{wanted:?}"
            );
        }
    }
    let (client, _) = shake(Arc::new(trusting(&ca)), server, "mail.party.example").unwrap();
    assert_eq!(
        served(&client),
        ecdsa.certificate().to_vec(),
        "ECDSA comes first"
    );
}

/// A verifier that offers one kind of signature and takes all.
fn any_for(wanted: SignatureAlgorithm) -> Arc<dyn rustls::client::danger::ServerCertVerifier> {
    #[derive(Debug)]
    struct Any(Vec<rustls::SignatureScheme>);
    impl rustls::client::danger::ServerCertVerifier for Any {
        fn verify_server_cert(
            &self,
            _: &pki_types::CertificateDer<'_>,
            _: &[pki_types::CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: pki_types::UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.0.clone()
        }
    }
    use rustls::SignatureScheme::*;
    Arc::new(Any(match wanted {
        SignatureAlgorithm::RSA => vec![RSA_PSS_SHA256, RSA_PKCS1_SHA256],
        _ => vec![ECDSA_NISTP256_SHA256],
    }))
}

#[test]
fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
    let ca = ca();
    let (mail, www) = (
        ca.issue(&["mail.party.example"]).unwrap(),
        ca.issue(&["*.party.test"]).unwrap(),
    );
    let server = server_config(
        Certificates::fixed(vec![mail.clone(), www.clone()]),
        Door::Https,
    );
    for (name, expected) in [
        ("mail.party.example", &mail),
        ("www.party.test", &www),
        ("MAIL.party.example", &mail),
        ("a.b.party.test", &mail),
        ("unknown.example", &mail),
    ] {
        let (client, _) = shake(encrypting_client(), server.clone(), name).unwrap();
        assert_eq!(served(&client), expected.certificate().to_vec(), "{name}");
    }
    // No name asked for: an address.
    let (client, _) = shake(encrypting_client(), server, "127.0.0.1").unwrap();
    assert_eq!(served(&client), mail.certificate().to_vec());
    let name = |text: &str| crate::address::Domain::parse(text).unwrap();
    assert!(mail.is_for(&name("mail.party.example")) && !mail.is_for(&name("party.example")));
    assert!(
        www.is_for(&name("x.party.test"))
            && !www.is_for(&name("party.test"))
            && !www.is_for(&name("x.y.party.test"))
    );
}

#[test]
fn encrypting_takes_any_certificate_but_checks_the_handshake() {
    let ca = ca();
    let pair = ca.issue(&["other.example"]).unwrap();
    let server = server_config(Certificates::fixed(vec![pair.clone()]), Door::Mx);
    let trusting = Arc::new(trusting(&ca));
    assert!(
        shake(trusting, server.clone(), "mail.party.example").is_err(),
        "the name is another"
    );
    shake(encrypting_client(), server, "mail.party.example").unwrap();

    // Somebody who shows that certificate without its key.
    #[derive(Debug)]
    struct Thief(Arc<rustls::sign::CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Thief {
        fn resolve(
            &self,
            _: rustls::server::ClientHello<'_>,
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(self.0.clone())
        }
    }
    let own = ca.issue(&["thief.example"]).unwrap();
    let stolen = rustls::sign::CertifiedKey::new(
        vec![pair.certificate().clone()],
        own.certified().key.clone(),
    );
    let thief = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Thief(Arc::new(stolen))));
    let error = shake(encrypting_client(), Arc::new(thief), "other.example").unwrap_err();
    assert!(
        matches!(
            error,
            rustls::Error::InvalidCertificate(rustls::CertificateError::BadSignature)
        ),
        "{error}"
    );
}

struct Files {
    dir: tempfile::TempDir,
    ca: SelfMadeCa,
}

impl Files {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            ca: ca(),
        }
    }

    fn issue(&self, name: &str) -> PairFiles {
        self.ca
            .issue_to(self.dir.path(), name, &["mail.party.example"])
            .unwrap()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> std::path::PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

#[track_caller]
fn fails(chain: &Path, key: &Path, expected: &str, about_key: bool) {
    let error = Pair::load(chain, key, Timestamp::now()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(expected), "{text:?} has no {expected:?}");
    assert!(!text.contains("PRIVATE KEY"), "{text:?}");
    assert!(!error.next_step().is_empty());
    assert_eq!(error.is_about_key(), about_key, "{text}");
}

#[test]
fn pairs_that_cannot_be_used_say_why() {
    let files = Files::new();
    let (good, other) = (files.issue("good"), files.issue("other"));
    let chain_text = std::fs::read_to_string(&good.chain).unwrap();
    let key_text = std::fs::read_to_string(&good.key).unwrap();
    let none = files.dir.path().join("none");

    fails(&none, &good.key, "none can't be read: No such file", false);
    fails(&good.chain, &none, "none can't be read: No such file", true);
    fails(
        files.dir.path(),
        &good.key,
        "can't be read: Is a directory",
        false,
    );
    fails(
        &good.chain,
        &other.key,
        "does not belong to the certificate in",
        true,
    );
    fails(
        &good.key,
        &good.key,
        "has no certificate in it, but a private key",
        false,
    );
    fails(
        &good.chain,
        &good.chain,
        "has no private key in it, but a certificate",
        true,
    );
    fails(
        &files.write("empty", ""),
        &good.key,
        "has no certificate in it, but nothing",
        false,
    );
    fails(
        &files.write("text", "hello"),
        &good.key,
        "but no PEM at all",
        false,
    );
    fails(
        &files.write("der", files.ca.der()),
        &good.key,
        "but a DER file",
        false,
    );
    fails(
        &good.chain,
        &files.write("empty", ""),
        "has no private key in it, but nothing",
        true,
    );
    fails(
        &files.write("cut", &chain_text[..200]),
        &good.key,
        "is not well-formed PEM",
        false,
    );
    fails(
        &good.chain,
        &files.write("cut.key", &key_text[..80]),
        "is not well-formed PEM",
        true,
    );
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fails(
        &good.chain,
        &files.write("enc.key", encrypted),
        "is encrypted with a passphrase",
        true,
    );
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    fails(
        &good.chain,
        &files.write("bad.key", nonsense),
        "is of no kind that TLS takes here",
        true,
    );
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fails(
        &files.write("bad", nonsense),
        &good.key,
        "certificate 1 in",
        false,
    );
    fails(
        &files.write("bad2", chain_text.clone() + nonsense),
        &good.key,
        "certificate 3 in",
        false,
    );
    fails(
        &files.write("many", chain_text.repeat(6)),
        &good.key,
        "more than 10 certificates",
        false,
    );
    fails(
        &files.write("huge", vec![b'x'; 2 << 20]),
        &good.key,
        "is larger than",
        false,
    );
    fails(
        &good.chain,
        &files.write("huge", vec![b'x'; 2 << 20]),
        "is larger than",
        true,
    );
}

#[test]
fn pairs_out_of_date_say_when() {
    let files = Files::new();
    let good = files.issue("good");
    let at = |days: i64| {
        let now = Timestamp::now() + SignedDuration::from_hours(24 * days);
        Pair::load(&good.chain, &good.key, now)
    };
    assert!(at(0).unwrap().expires() > Timestamp::now() + SignedDuration::from_hours(24 * 363));
    let late = at(400).unwrap_err();
    assert!(
        matches!(late, PairError::Expired { .. }) && late.to_string().contains(" expired on 20"),
        "{late}"
    );
    let early = at(-10).unwrap_err();
    assert!(
        matches!(early, PairError::NotYetValid { .. })
            && early.to_string().contains("only valid from 20"),
        "{early}"
    );
    assert!(!late.is_about_key() && !early.is_about_key());
}

#[test]
fn keys_are_written_for_the_service_alone() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new();
    for _ in 0..2 {
        let pair = files.issue("again");
        let mode = std::fs::metadata(&pair.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
    }
    assert!(files.ca.issue(&["not a name"]).is_err() || files.ca.issue(&["é"]).is_err());
    assert!(files.ca.pem().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn changed_files_are_read_again_and_broken_ones_are_not() {
    let files = Files::new();
    let now = Timestamp::now();
    let pair = files.issue("mail");
    let certificates = Certificates::open(vec![pair.clone()], now).unwrap();
    let in_use = || certificates.pairs()[0].certificate().to_vec();
    let first = in_use();
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Unchanged
    );

    files.issue("mail");
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Changed
    );
    let second = in_use();
    assert_ne!(first, second);
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Unchanged
    );

    // The chain is replaced, the key not yet.
    let other = files.issue("other");
    std::fs::copy(&other.chain, &pair.chain).unwrap();
    assert!(matches!(
        certificates.reload_if_changed(now),
        Err(PairError::Mismatch { .. })
    ));
    assert!(certificates.read_again(now).is_err());
    assert_eq!(in_use(), second, "the old pair stays");
    std::fs::remove_file(&pair.key).unwrap();
    assert!(certificates.reload_if_changed(now).is_err());
    std::fs::copy(&other.key, &pair.key).unwrap();
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Changed
    );
    let third = in_use();
    assert_ne!(third, second);

    // A new configuration names other files.
    assert!(
        certificates
            .replace(
                vec![PairFiles {
                    chain: "/none".into(),
                    key: "/none".into()
                }],
                now
            )
            .is_err()
    );
    assert_eq!(in_use(), third);
    certificates.replace(vec![files.issue("new")], now).unwrap();
    assert_ne!(in_use(), third);
    assert!(certificates.expires().unwrap() > now);
    // What was read is served once it is taken, as long as the same files are watched.
    let fourth = in_use();
    files.issue("new");
    let read = certificates.read_again(now).unwrap();
    assert_eq!(in_use(), fourth);
    certificates.take(read);
    let fifth = in_use();
    assert_ne!(fifth, fourth);
    assert_eq!(
        certificates.reload_if_changed(now).unwrap(),
        Reloaded::Unchanged
    );
    let late = certificates.read_again(now).unwrap();
    certificates.put(Vec::new());
    certificates.take(late);
    assert!(certificates.pairs().is_empty(), "others are served by now");
}

#[tokio::test]
async fn watching_brings_new_certificates_into_use() {
    let files = Files::new();
    let pair = files.issue("mail");
    let certificates = Certificates::open(vec![pair], Timestamp::now()).unwrap();
    let first = certificates.pairs()[0].certificate().to_vec();
    let watch = tokio::spawn(
        certificates
            .clone()
            .watch(Duration::from_millis(5), Clock::system()),
    );
    files.issue("mail");
    let changed = async {
        while certificates.pairs()[0].certificate().to_vec() == first {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), changed)
        .await
        .unwrap();
    watch.abort();
    // A handshake that comes now sees the new one.
    let server = server_config(certificates.clone(), Door::Mx);
    let (client, _) = shake(encrypting_client(), server, "mail.party.example").unwrap();
    assert_ne!(served(&client), first);
}

#[test]
fn nothing_shows_a_key() {
    let ca = ca();
    let pair = ca.issue(&["mail.party.example"]).unwrap();
    let certificates = Certificates::fixed(vec![pair.clone()]);
    assert_eq!(
        format!("{ca:?} {pair:?} {certificates:?}"),
        "SelfMadeCa(..) Pair(..) Certificates(1)"
    );
}

#[test]
fn the_key_exchange_holds_against_quantum_computers_where_the_client_can() {
    use rustls::NamedGroup;
    let ca = ca();
    let certificates = Certificates::fixed(vec![ca.issue(&["mail.party.example"]).unwrap()]);
    for door in [Door::Mx, Door::Submission, Door::Https] {
        let server = server_config(certificates.clone(), door);
        let group = |client: ClientConfig| {
            let shaken = shake(Arc::new(client), server.clone(), "mail.party.example");
            let (client, _) = shaken.unwrap();
            client
                .negotiated_key_exchange_group()
                .map(|group| group.name())
        };
        assert_eq!(
            group(trusting(&ca)),
            Some(NamedGroup::X25519MLKEM768),
            "{door:?}"
        );
        let mut older = (*provider()).clone();
        older
            .kx_groups
            .retain(|group| group.name() != NamedGroup::X25519MLKEM768);
        let mut roots = RootCertStore::empty();
        roots.add(ca.der()).unwrap();
        let older = ClientConfig::builder_with_provider(Arc::new(older))
            .with_protocol_versions(VERSIONS)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        assert_eq!(group(older), Some(NamedGroup::X25519), "{door:?}");
    }
}

#[test]
fn an_authority_gets_the_certificate_that_is_for_it_and_nobody_else_does() {
    let ca = ca();
    let certificates = Certificates::fixed(vec![ca.issue(&["mail.party.example"]).unwrap()]);
    let server = server_config(certificates.clone(), Door::Https);
    let asking = |offers: &[&[u8]]| {
        let mut client = (*encrypting_client()).clone();
        client.alpn_protocols = offers.iter().map(|offer| offer.to_vec()).collect();
        shake(Arc::new(client), server.clone(), "mail.party.example")
    };
    assert!(asking(&[ACME_TLS]).is_err(), "nobody asks for a name");
    let answering = certificates
        .challenges()
        .answer_tls("Mail.Party.Example", &[7; 32])
        .unwrap();
    let (client, _) = asking(&[ACME_TLS]).unwrap();
    assert_eq!(client.alpn_protocol(), Some(ACME_TLS));
    let usual = certificates.pairs()[0].certificate().to_vec();
    assert_ne!(served(&client), usual);
    for offers in [&[b"h2".as_slice(), ACME_TLS][..], &[b"http/1.1"], &[]] {
        let (client, _) = asking(offers).unwrap();
        assert_eq!(served(&client), usual, "{offers:?}");
    }
    drop(answering);
    assert!(asking(&[ACME_TLS]).is_err(), "it was seen");
}
