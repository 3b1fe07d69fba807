//! An authority that vouches for whomever a story likes, and for some whom it shouldn't.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A chain, the first certificate its owner's, and the key to it.
pub type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// Writes its certificate.
    pub fn write_to(&self, file: &Path) {
        std::fs::write(file, self.certificate.pem()).unwrap();
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.certificate.der()
    }

    /// A certificate for this name, with the authority's behind it.
    pub fn vouch(&self, name: &str) -> Shown {
        self.issue(CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    /// One whose time is over.
    pub fn vouched(&self, name: &str) -> Shown {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Shown {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![certificate.der().clone(), self.certificate.der().clone()];
        (chain, key.serialize_der().try_into().unwrap())
    }
}

/// A certificate for which nobody vouches.
pub fn self_signed(name: &str) -> Shown {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    (vec![made.cert.der().clone()], key)
}

/// SHA-256 of a certificate's public key, as a TLSA record `x 1 1` has it.
pub fn key_hash(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    let key = parsed.tbs_certificate.subject_pki.raw;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key);
    hash.as_ref().to_vec()
}
