//! A certificate authority of our own, for the sandbox and for tests. Nothing else trusts it.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::certificates::PairFiles;
use super::pair::{Pair, PairError};

/// A certificate could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum SelfMadeError {
    /// The names or dates don't make a certificate.
    #[error("the certificate can't be made: {0}; check the names it's for")]
    Make(#[from] rcgen::Error),
    /// What was made can't be used.
    #[error(transparent)]
    Use(#[from] PairError),
    /// It can't be written.
    #[error("the certificate can't be written: {0}; check that the directory exists and is yours")]
    Write(#[from] std::io::Error),
}

/// A certificate authority that lives as long as its process: its key is never written.
pub struct SelfMadeCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
    now: Timestamp,
}

/// A pair as PEM texts.
struct Issued {
    chain: String,
    key: Zeroizing<String>,
}

impl SelfMadeCa {
    /// Makes an authority whose certificates are valid from the day before `now` for a year. TLS peers go by their own
    /// clocks: give the host's time, not that of a moved clock.
    ///
    /// # Errors
    /// [`SelfMadeError::Make`].
    pub fn new(name: &str, now: Timestamp) -> Result<Self, SelfMadeError> {
        let mut params = params(Vec::new(), name, now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer, now })
    }

    /// The authority's certificate, for people and programs to trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's certificate, in DER.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A certificate for these host names or IP addresses, with a new ECDSA key.
    ///
    /// # Errors
    /// [`SelfMadeError`] if a name isn't one.
    pub fn issue(&self, names: &[&str]) -> Result<Pair, SelfMadeError> {
        self.issue_with(names, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// The same with an RSA key of 2048 bits, for clients that lack ECDSA.
    ///
    /// # Errors
    /// [`SelfMadeError`] if a name isn't one.
    pub fn issue_rsa(&self, names: &[&str]) -> Result<Pair, SelfMadeError> {
        self.issue_with(names, &rcgen::PKCS_RSA_SHA256)
    }

    /// The same as [`SelfMadeCa::issue`], written to `NAME.pem` and `NAME.key` (mode 0400) in a directory.
    ///
    /// # Errors
    /// [`SelfMadeError`] if a name isn't one or a file can't be written.
    pub fn issue_to(
        &self,
        dir: &Path,
        name: &str,
        names: &[&str],
    ) -> Result<PairFiles, SelfMadeError> {
        let issued = self.make(names, &rcgen::PKCS_ECDSA_P256_SHA256)?;
        let files = PairFiles {
            chain: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}.key")),
        };
        write(&files.key, issued.key.as_bytes(), 0o400)?;
        write(&files.chain, issued.chain.as_bytes(), 0o644)?;
        Ok(files)
    }

    fn issue_with(
        &self,
        names: &[&str],
        algorithm: &'static rcgen::SignatureAlgorithm,
    ) -> Result<Pair, SelfMadeError> {
        let issued = self.make(names, algorithm)?;
        let place = Path::new("(made here)");
        let (chain, key) = (
            (place, issued.chain.as_bytes()),
            (place, issued.key.as_bytes()),
        );
        Ok(Pair::from_pem(chain, key, self.now)?)
    }

    fn make(
        &self,
        names: &[&str],
        algorithm: &'static rcgen::SignatureAlgorithm,
    ) -> Result<Issued, SelfMadeError> {
        let key = KeyPair::generate_for(algorithm)?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let common = names.first().cloned().unwrap_or_default();
        let mut params = params(names, &common, self.now)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let chain = certificate.pem() + &self.issuer.pem();
        Ok(Issued {
            chain,
            key: Zeroizing::new(key.serialize_pem()),
        })
    }
}

pub(super) fn params(
    names: Vec<String>,
    common: &str,
    now: Timestamp,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    let day = |days: i64| {
        let date = now
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date()
            .saturating_add(days.days());
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    (params.not_before, params.not_after) = (day(-1), day(365));
    Ok(params)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    // A new file each time: a key must never be written into one that others have open.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)
}

impl fmt::Debug for SelfMadeCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfMadeCa(..)")
    }
}
