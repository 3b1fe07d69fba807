//! The client's side of TLS: which certificate policy holds, what came of it, and the record for reports.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::delivery::policy::TlsPolicy;
use crate::smtp::client::error::{ClientError, codes};
use crate::smtp::reply::Reply;
use crate::tls::{encrypting_client, provider};

/// Why there is no encrypted session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// EHLO didn't offer STARTTLS.
    #[error("the other server offers no encryption (STARTTLS)")]
    NotOffered,
    /// STARTTLS was refused.
    #[error("the other server refused to encrypt ({code})", code = codes(.0))]
    Refused(Reply),
    /// Silence, an end, or what is no reply, where STARTTLS was to be answered.
    #[error("the other server doesn't answer when asked to encrypt: {0}")]
    Unanswered(Box<ClientError>),
    /// Bytes came between the reply to STARTTLS and the handshake: somebody on the way wants them taken for words
    /// spoken inside TLS.
    #[error(
        "the other server sent plaintext behind its reply to STARTTLS; the connection may be tampered with"
    )]
    Injected,
    /// The handshake didn't end in time.
    #[error("the TLS handshake with the other server stalled")]
    Stalled,
    /// The connection ended in the handshake.
    #[error("the other server closed the connection in the TLS handshake")]
    Closed,
    /// The handshake failed.
    #[error("the TLS handshake with the other server failed: {0}")]
    Handshake(String),
}

/// What its certificate says about the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// Chain and name are good.
    Verified,
    /// Not proven, and why.
    Unverified(String),
}

/// The record of one encrypted session, for the log and for TLSRPT (RFC 8460).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsRecord {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite's IANA name.
    pub cipher: &'static str,
    /// What was proven.
    pub authentication: Authentication,
}

/// The TLS set-up shared by all outbound connections of one policy. (Sessions are resumed within it, and a resumed one
/// asks for no certificate: a stricter policy needs a set-up of its own.)
#[derive(Debug, Clone)]
pub struct TlsSetup {
    config: Arc<ClientConfig>,
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

/// The set-up can't be built.
#[derive(Debug, thiserror::Error)]
#[error("TLS for outgoing mail can't be set up: {0}; check the trusted roots")]
pub struct TlsSetupError(String);

impl TlsSetup {
    /// A set-up; with `roots`, certificates are checked against them for the record.
    ///
    /// # Errors
    /// [`TlsSetupError`] if the roots are empty or unusable.
    pub fn new(roots: Option<RootCertStore>) -> Result<Self, TlsSetupError> {
        let verifier = roots.map(|roots| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()
        });
        Ok(Self {
            config: encrypting_client(),
            verifier: verifier
                .transpose()
                .map_err(|error| TlsSetupError(error.to_string()))?,
        })
    }

    pub(super) fn config(&self, policy: TlsPolicy) -> Arc<ClientConfig> {
        match policy {
            TlsPolicy::Opportunistic => self.config.clone(),
        }
    }

    /// Reads the record off a finished handshake.
    pub(super) fn record(&self, connection: &ClientConnection, name: &ServerName<'_>) -> TlsRecord {
        TlsRecord {
            version: match connection.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLSv1.2",
            },
            cipher: connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or("unknown"),
            authentication: self.authenticate(connection.peer_certificates(), name),
        }
    }

    fn authenticate(
        &self,
        chain: Option<&[CertificateDer<'_>]>,
        name: &ServerName<'_>,
    ) -> Authentication {
        let unverified = |why: &str| Authentication::Unverified(why.to_owned());
        let Some(verifier) = &self.verifier else {
            return unverified("no trusted roots are set up");
        };
        let Some((leaf, others)) = chain.and_then(<[_]>::split_first) else {
            return unverified("the server showed no certificate");
        };
        match verifier.verify_server_cert(leaf, others, name, &[], UnixTime::now()) {
            Ok(_) => Authentication::Verified,
            Err(error) => unverified(reason(&error)),
        }
    }
}

/// The kinds of RFC 8460 §4.3.2 in words.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(kind) => match kind {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another name"
            }
            CertificateError::UnknownIssuer => "the certificate's issuer is not trusted",
            CertificateError::Revoked => "the certificate is revoked",
            _ => "the certificate is not valid",
        },
        _ => "the certificate can't be read",
    }
}
