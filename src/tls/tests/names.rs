//! Which certificate a client gets, and what it makes of it.

use super::*;

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
