//! The client's side of TLS: which certificate policy holds, what came of it, and the record for reports.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier as _;
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::delivery::policy::TlsPolicy;
use crate::smtp::client::error::{ClientError, codes};
use crate::smtp::reply::Reply;
use crate::tls::{CertificateFault, dane_client, encrypting_client, provider, verifying_client};

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
    /// The server had to prove who it is, and did not.
    #[error("the other server did not prove who it is: {0}")]
    Certificate(CertificateFault),
}

/// What its certificate says about the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// Chain and name are good.
    Verified,
    /// It matches its TLSA records.
    Dane,
    /// Not proven, and why.
    Unverified(CertificateFault),
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
    /// What had to be proven.
    pub policy: TlsPolicy,
}

/// The TLS set-up of all outbound connections. Sessions are resumed among opportunistic ones alone.
#[derive(Debug, Clone)]
pub struct TlsSetup {
    any: Arc<ClientConfig>,
    /// The verifier, and TLS that insists on it; none if nobody is trusted.
    verified: Option<(Arc<WebPkiServerVerifier>, Arc<ClientConfig>)>,
}

/// The set-up can't be built.
#[derive(Debug, thiserror::Error)]
#[error("TLS for outgoing mail can't be set up: {0}; check the trusted roots")]
pub struct TlsSetupError(String);

impl TlsSetup {
    /// A set-up; certificates are checked against `roots`, where they have to be good and for the record. Without any,
    /// none is good.
    ///
    /// # Errors
    /// [`TlsSetupError`] if the roots are unusable.
    pub fn new(roots: Option<RootCertStore>) -> Result<Self, TlsSetupError> {
        let verified = roots.filter(|roots| !roots.is_empty()).map(|roots| {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
            let config = Arc::new(verifying_client(verifier.clone()));
            Ok::<_, VerifierBuilderError>((verifier, config))
        });
        Ok(Self {
            any: encrypting_client(),
            verified: verified
                .transpose()
                .map_err(|error| TlsSetupError(error.to_string()))?,
        })
    }

    /// TLS that insists on certificates which are good for the server's name; none if nobody is trusted.
    pub fn verified(&self) -> Option<Arc<ClientConfig>> {
        self.verified.as_ref().map(|(_, config)| config.clone())
    }

    pub(super) fn config(&self, policy: &TlsPolicy) -> Result<Arc<ClientConfig>, TlsFailure> {
        match policy {
            TlsPolicy::Opportunistic => Ok(self.any.clone()),
            TlsPolicy::Verified => self
                .verified()
                .ok_or(TlsFailure::Certificate(CertificateFault::Untrusted)),
            TlsPolicy::Dane(dane) => Ok(Arc::new(dane_client(dane.clone()))),
        }
    }

    /// Reads the record off a finished handshake.
    pub(super) fn record(
        &self,
        connection: &ClientConnection,
        name: &ServerName<'_>,
        policy: &TlsPolicy,
    ) -> TlsRecord {
        TlsRecord {
            version: match connection.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLSv1.2",
            },
            cipher: connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or("unknown"),
            authentication: match policy {
                TlsPolicy::Dane(_) => Authentication::Dane,
                _ => self.authenticate(connection.peer_certificates(), name),
            },
            policy: policy.clone(),
        }
    }

    fn authenticate(
        &self,
        chain: Option<&[CertificateDer<'_>]>,
        name: &ServerName<'_>,
    ) -> Authentication {
        let Some((verifier, _)) = &self.verified else {
            return Authentication::Unverified(CertificateFault::Untrusted);
        };
        let Some((leaf, others)) = chain.and_then(<[_]>::split_first) else {
            return Authentication::Unverified(CertificateFault::Missing);
        };
        match verifier.verify_server_cert(leaf, others, name, &[], UnixTime::now()) {
            Ok(_) => Authentication::Verified,
            Err(error) => Authentication::Unverified(
                CertificateFault::of(&error).unwrap_or(CertificateFault::Invalid),
            ),
        }
    }
}
