//! TLSA records against certificates (RFC 6698, 7671), as mail uses them (RFC 7672): who signed the records is asked
//! before, nothing here knows DNS.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const TRUST_ANCHOR: u8 = 2;
const END_ENTITY: u8 = 3;
const WHOLE: u8 = 0;
const KEY: u8 = 1;
const FULL: u8 = 0;
const SHA_256: u8 = 1;
const SHA_512: u8 = 2;

/// A TLSA record as it stands in DNS.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tlsa {
    usage: u8,
    selector: u8,
    matching: u8,
    data: Vec<u8>,
}

impl Tlsa {
    /// A record of these numbers (RFC 6698 §2.1).
    pub fn new(usage: u8, selector: u8, matching: u8, data: Vec<u8>) -> Self {
        Self {
            usage,
            selector,
            matching,
            data,
        }
    }

    /// Reads the data of a record; none if it is too short to be one.
    pub fn parse(rdata: &[u8]) -> Option<Self> {
        match rdata {
            [usage, selector, matching, data @ ..] => {
                Some(Self::new(*usage, *selector, *matching, data.to_vec()))
            }
            _ => None,
        }
    }

    /// Whether mail can use it (RFC 7672 §3.1): usages 2 and 3, selectors and matching types that we know, data that can
    /// match. What asks for the Internet's authorities as well (usages 0 and 1) is of no use to mail (§3.1.3).
    pub fn is_usable(&self) -> bool {
        let fits = match self.matching {
            FULL => match self.selector {
                WHOLE => X509Certificate::from_der(&self.data).is_ok(),
                _ => x509_parser::x509::SubjectPublicKeyInfo::from_der(&self.data).is_ok(),
            },
            SHA_256 => self.data.len() == digest::SHA256_OUTPUT_LEN,
            SHA_512 => self.data.len() == digest::SHA512_OUTPUT_LEN,
            _ => false,
        };
        matches!(self.usage, TRUST_ANCHOR | END_ENTITY)
            && matches!(self.selector, WHOLE | KEY)
            && fits
    }

    fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        let parsed;
        let selected = match self.selector {
            KEY => {
                let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
                    return false;
                };
                parsed = certificate;
                parsed.tbs_certificate.subject_pki.raw
            }
            _ => certificate.as_ref(),
        };
        match self.matching {
            FULL => selected == self.data,
            SHA_256 => digest::digest(&digest::SHA256, selected).as_ref() == self.data,
            SHA_512 => digest::digest(&digest::SHA512, selected).as_ref() == self.data,
            _ => false,
        }
    }
}

/// As zone files and reports write it: `3 1 1 0123…`.
impl fmt::Display for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.usage, self.selector, self.matching)?;
        self.data
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tlsa({self})")
    }
}

/// The records that count: usable ones, and of digests of the same thing only the strongest (RFC 7671 §9), so that a
/// weak one can't stand in for it.
pub fn usable(records: Vec<Tlsa>) -> Vec<Tlsa> {
    let good: Vec<Tlsa> = records.into_iter().filter(Tlsa::is_usable).collect();
    let stronger = |one: &Tlsa| {
        good.iter().any(|other| {
            (other.usage, other.selector) == (one.usage, one.selector)
                && one.matching != FULL
                && other.matching > one.matching
        })
    };
    good.iter().filter(|one| !stronger(one)).cloned().collect()
}

/// What a server has to show: a certificate that one of these records matches.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Dane {
    /// At least one, all [`usable`].
    records: Vec<Tlsa>,
    /// The names of which a certificate under a trust anchor has to bear one (RFC 7672 §3.2.2).
    names: Vec<Box<str>>,
}

/// Its names tell the domain, which may be one person's.
impl std::fmt::Debug for Dane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dane(..)")
    }
}

impl Dane {
    /// What these records ask of a server; none if none of them is usable.
    pub fn new(records: Vec<Tlsa>, names: Vec<Box<str>>) -> Option<Self> {
        let records = usable(records);
        (!records.is_empty()).then_some(Self { records, names })
    }

    /// The records, as reports write them.
    pub fn records(&self) -> impl Iterator<Item = String> + '_ {
        self.records.iter().map(ToString::to_string)
    }

    /// Checks what a server showed.
    ///
    /// # Errors
    /// The certificate's fault, as TLS has it.
    pub fn check(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let of = |usage| self.records.iter().filter(move |one| one.usage == usage);
        // Neither name nor date nor issuer is looked at (RFC 7672 §3.1.1): DNS vouches for the key.
        if of(END_ENTITY).any(|record| record.matches(leaf)) {
            return Ok(());
        }
        let mut anchors = RootCertStore::empty();
        for other in others {
            if of(TRUST_ANCHOR).any(|record| record.matches(other)) {
                // One that can't be read anchors nothing.
                let _ = anchors.add(other.clone());
            }
        }
        if anchors.is_empty() {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        let parsed = ParsedCertificate::try_from(leaf)?;
        let algorithms = super::provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &anchors, others, now, algorithms)?;
        let bears = |name: &str| {
            ServerName::try_from(name).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
        };
        if self.names.iter().any(|name| bears(name)) {
            Ok(())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }
}

/// [`Dane`] in a handshake.
#[derive(Debug)]
pub(super) struct DaneVerifier {
    pub(super) dane: Arc<Dane>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for DaneVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.dane.check(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests;
