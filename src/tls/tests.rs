//! Tests of TLS: handshakes in memory, certificates on the disk.

#![allow(clippy::unwrap_used)]

mod files;
mod names;

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
