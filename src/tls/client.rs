//! The client's side of TLS: where nobody asks who answers, where the Internet's authorities must vouch for it, and where
//! DNS does.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::dane::{Dane, DaneVerifier};

/// TLS in which the server's certificate must be good for its name, by `verifier`. No session is resumed: each connection
/// is proven anew.
pub fn verifying_client(verifier: Arc<WebPkiServerVerifier>) -> ClientConfig {
    client(super::provider(), verifier)
}

/// TLS in which these roots must vouch for the server's certificate and its name.
///
/// # Errors
/// If there is no root.
pub fn verified_client(roots: RootCertStore) -> Result<Arc<ClientConfig>, VerifierBuilderError> {
    let roots = Arc::new(roots);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, super::provider()).build()?;
    Ok(Arc::new(verifying_client(verifier)))
}

/// TLS in which the server's certificate must match TLSA records (RFC 7672).
pub fn dane_client(dane: Arc<Dane>) -> ClientConfig {
    let provider = super::provider();
    client(provider.clone(), Arc::new(DaneVerifier { dane, provider }))
}

fn client(provider: Arc<CryptoProvider>, verifier: Arc<dyn ServerCertVerifier>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(super::VERSIONS)
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config
}

/// TLS "encrypted without authentication" (RFC 7435): any certificate is taken, whatever its name, issuer or date, since
/// most mail servers' certificates prove nothing and the other choice would be not to send. Against somebody who only
/// listens this is as good as any TLS; against somebody on the way who answers in the other server's place it's nothing:
/// that's what MTA-STS and DANE are for. The handshake's signature is still checked, so that a certificate that counts as
/// verified can't be shown by somebody without its key; only of a certificate so odd that it can't be read (old
/// appliances make X.509 v1) nothing is asked, as it will never count as verified.
///
/// Sessions are resumed within one configuration, by server name, and a resumed one asks for no certificate: a stricter
/// policy needs a configuration of its own.
///
/// # Panics
/// Never: AWS-LC has both versions.
pub fn encrypting_client() -> Arc<ClientConfig> {
    let provider = super::provider();
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(super::VERSIONS)
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        unless_unreadable(verify_tls12_signature(
            message,
            certificate,
            signed,
            algorithms,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        unless_unreadable(verify_tls13_signature(
            message,
            certificate,
            signed,
            algorithms,
        ))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn unless_unreadable(
    checked: Result<HandshakeSignatureValid, Error>,
) -> Result<HandshakeSignatureValid, Error> {
    match checked {
        Err(Error::InvalidCertificate(
            CertificateError::BadEncoding | CertificateError::Other(_),
        )) => Ok(HandshakeSignatureValid::assertion()),
        checked => checked,
    }
}
