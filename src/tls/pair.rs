//! A certificate chain and its private key, as they come from PEM files, checked before anything uses them.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, SignatureAlgorithm};
use rustls_pki_types::pem::{self, PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::address::Domain;

/// Bytes of a PEM file that are read.
const MAX_FILE: u64 = 1 << 20;
/// Certificates in a chain.
const MAX_CHAIN: usize = 10;

/// Why a pair can't be used. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A file can't be read.
    #[error("{path} can't be read: {source}", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Whether it's the key's.
        key: bool,
        /// Why.
        source: std::io::Error,
    },
    /// A file is far larger than any PEM file.
    #[error("{path} is larger than {MAX_FILE} bytes: it's no PEM file", path = .path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Whether it's the key's.
        key: bool,
    },
    /// A file is broken PEM.
    #[error("{path} is not well-formed PEM", path = .path.display())]
    NotPem {
        /// Which.
        path: PathBuf,
        /// Whether it's the key's.
        key: bool,
    },
    /// A file has something else in it.
    #[error("{path} has no {wanted} in it, but {found}", path = .path.display())]
    WrongKind {
        /// Which.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
        /// What is.
        found: &'static str,
    },
    /// The key is protected by a passphrase.
    #[error("the key in {path} is encrypted with a passphrase", path = .0.display())]
    EncryptedKey(PathBuf),
    /// The key's kind isn't known.
    #[error("the key in {path} is of no kind that TLS takes here (ECDSA P-256/P-384, RSA from 2048 bits, Ed25519)", path = .0.display())]
    UnusableKey(PathBuf),
    /// The certificate can't be parsed.
    #[error("certificate {number} in {path} is no X.509 certificate", path = .path.display())]
    BadCertificate {
        /// Which file.
        path: PathBuf,
        /// Which in it, from 1.
        number: usize,
    },
    /// Too many certificates.
    #[error("{path} has more than {MAX_CHAIN} certificates in it", path = .0.display())]
    TooMany(PathBuf),
    /// Certificate and key don't belong together.
    #[error("the key in {key} does not belong to the certificate in {chain}", key = .key.display(), chain = .chain.display())]
    Mismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// No longer valid.
    #[error("the certificate in {path} expired on {at:.0}", path = .path.display())]
    Expired {
        /// Which.
        path: PathBuf,
        /// When.
        at: Timestamp,
    },
    /// Not valid yet.
    #[error("the certificate in {path} is only valid from {at:.0} on", path = .path.display())]
    NotYetValid {
        /// Which.
        path: PathBuf,
        /// From when.
        at: Timestamp,
    },
}

impl PairError {
    /// Whether the key's file is at fault, rather than the certificate's.
    pub fn is_about_key(&self) -> bool {
        match self {
            Self::Unreadable { key, .. }
            | Self::TooLarge { key, .. }
            | Self::NotPem { key, .. } => *key,
            Self::WrongKind { wanted, .. } => *wanted == PRIVATE_KEY,
            Self::EncryptedKey(_) | Self::UnusableKey(_) | Self::Mismatch { .. } => true,
            _ => false,
        }
    }

    /// Whether it's only that this Unix user may not read the file.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied)
    }

    /// What to do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the path, and that the service's user may read it",
            Self::TooLarge { .. } | Self::NotPem { .. } | Self::BadCertificate { .. } => {
                "check the path; the file starts with -----BEGIN"
            }
            Self::WrongKind { .. } => {
                "check the paths: the chain is often called fullchain.pem, the key privkey.pem"
            }
            Self::EncryptedKey(_) => {
                "save the key without a passphrase, readable by the service alone (mode 0400)"
            }
            Self::UnusableKey(_) => {
                "make a new key, for instance with: openssl ecparam -genkey -name prime256v1"
            }
            Self::TooMany(_) => "keep the server's certificate and those between it and the root",
            Self::Mismatch { .. } => {
                "use the key that the certificate was made for; after a renewal, replace both files"
            }
            Self::Expired { .. } => "renew the certificate, and replace both files",
            Self::NotYetValid { .. } => "check this machine's clock, or wait",
        }
    }
}

const CERTIFICATE: &str = "certificate";
const PRIVATE_KEY: &str = "private key";

/// A certificate chain and its key, which belong together. `Debug` shows neither.
#[derive(Clone)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
    from: Timestamp,
    expires: Timestamp,
}

impl Pair {
    /// Reads a pair from its files and checks it.
    ///
    /// # Errors
    /// [`PairError`], naming the file.
    pub fn load(chain: &Path, key: &Path, now: Timestamp) -> Result<Self, PairError> {
        let chain_pem = read(chain, false)?;
        let key_pem = read(key, true)?;
        Self::from_pem((chain, &chain_pem), (key, &key_pem), now)
    }

    /// Checks a pair whose PEM texts were read; the paths are for errors.
    ///
    /// # Errors
    /// [`PairError`], naming the file.
    pub fn from_pem(
        (chain_path, chain_pem): (&Path, &[u8]),
        (key_path, key_pem): (&Path, &[u8]),
        now: Timestamp,
    ) -> Result<Self, PairError> {
        let pair = Self::undated((chain_path, chain_pem), (key_path, key_pem))?;
        let path = || chain_path.to_owned();
        if now > pair.expires {
            return Err(PairError::Expired {
                path: path(),
                at: pair.expires,
            });
        }
        if now < pair.from {
            return Err(PairError::NotYetValid {
                path: path(),
                at: pair.from,
            });
        }
        Ok(pair)
    }

    /// The same, whatever its dates.
    pub(super) fn undated(
        (chain_path, chain_pem): (&Path, &[u8]),
        (key_path, key_pem): (&Path, &[u8]),
    ) -> Result<Self, PairError> {
        let chain = parse_chain(chain_path, chain_pem)?;
        let key = parse_key(key_path, key_pem)?;
        let key = super::provider()
            .key_provider
            .load_private_key(key)
            .map_err(|_| PairError::UnusableKey(key_path.to_owned()))?;
        let (names, from, until) = {
            let bad = || PairError::BadCertificate {
                path: chain_path.to_owned(),
                number: 1,
            };
            let (_, leaf) = X509Certificate::from_der(&chain[0]).map_err(|_| bad())?;
            let time = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp());
            let validity = leaf.validity();
            let from = time(validity.not_before).map_err(|_| bad())?;
            (
                dns_names(&leaf),
                from,
                time(validity.not_after).map_err(|_| bad())?,
            )
        };
        let certified = CertifiedKey::new(chain, key);
        check_match(&certified, chain_path, key_path)?;
        Ok(Self {
            certified: Arc::new(certified),
            names,
            from,
            expires: until,
        })
    }

    /// From when it is valid.
    pub fn valid_from(&self) -> Timestamp {
        self.from
    }

    /// The names it is for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether its key is RSA, or else of a newer kind.
    pub fn is_rsa(&self) -> bool {
        self.preference() == 2
    }

    /// Whether it is signed by nobody but itself.
    pub fn is_self_signed(&self) -> bool {
        let leaf = X509Certificate::from_der(self.certificate());
        leaf.is_ok_and(|(_, leaf)| leaf.subject() == leaf.issuer())
    }

    /// When the certificate ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether the certificate is for this name, as itself or by a wildcard (RFC 6125 §6.4.3: one label).
    pub fn is_for(&self, name: &Domain) -> bool {
        self.serves(name.as_str())
    }

    /// The same for a name that is a text.
    pub fn serves_name(&self, name: &str) -> bool {
        self.serves(name)
    }

    pub(super) fn serves(&self, name: &str) -> bool {
        self.names.iter().any(|own| match own.strip_prefix("*.") {
            Some(parent) => name
                .split_once('.')
                .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
            None => own.eq_ignore_ascii_case(name),
        })
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// The end-entity certificate, in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certified.cert[0]
    }

    /// SHA-256 of the public key with its kind (SubjectPublicKeyInfo): what a TLSA record 3 1 1 holds (RFC 6698 §2.1).
    pub fn public_key_digest(&self) -> Option<[u8; 32]> {
        let (_, leaf) = X509Certificate::from_der(self.certificate()).ok()?;
        let key = leaf.tbs_certificate.subject_pki.raw;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key);
        digest.as_ref().try_into().ok()
    }

    /// The order in which pairs are tried: ECDSA is much cheaper to sign with, and old peers that lack it take RSA.
    pub(super) fn preference(&self) -> u8 {
        match self.certified.key.algorithm() {
            SignatureAlgorithm::ECDSA => 0,
            SignatureAlgorithm::ED25519 => 1,
            _ => 2,
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair(..)")
    }
}

fn read(path: &Path, key: bool) -> Result<Zeroizing<Vec<u8>>, PairError> {
    let unreadable = |source| PairError::Unreadable {
        path: path.to_owned(),
        key,
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length > MAX_FILE {
        return Err(PairError::TooLarge {
            path: path.to_owned(),
            key,
        });
    }
    // Enough room at once: a vector that grows leaves pieces of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(MAX_FILE.min(length + 1)).unwrap_or(0),
    ));
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

fn parse_chain(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text)
        .take(MAX_CHAIN + 1)
        .collect();
    let chain = chain.map_err(|_| PairError::NotPem {
        path: path.to_owned(),
        key: false,
    })?;
    if chain.is_empty() {
        let found = what_is_in(text);
        return Err(PairError::WrongKind {
            path: path.to_owned(),
            wanted: CERTIFICATE,
            found,
        });
    }
    if chain.len() > MAX_CHAIN {
        return Err(PairError::TooMany(path.to_owned()));
    }
    for (n, certificate) in chain.iter().enumerate() {
        let parsed = X509Certificate::from_der(certificate);
        if !parsed.is_ok_and(|(rest, _)| rest.is_empty()) {
            return Err(PairError::BadCertificate {
                path: path.to_owned(),
                number: n + 1,
            });
        }
    }
    Ok(chain)
}

fn parse_key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, PairError> {
    if has(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(text, b"Proc-Type: 4,ENCRYPTED") {
        return Err(PairError::EncryptedKey(path.to_owned()));
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let found = what_is_in(text);
            PairError::WrongKind {
                path: path.to_owned(),
                wanted: PRIVATE_KEY,
                found,
            }
        }
        _ => PairError::NotPem {
            path: path.to_owned(),
            key: true,
        },
    })
}

fn has(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|part| part == wanted)
}

/// The first thing in a PEM file, in words.
fn what_is_in(text: &[u8]) -> &'static str {
    match <(SectionKind, Vec<u8>) as PemObject>::pem_slice_iter(text).next() {
        Some(Ok((SectionKind::Certificate, _))) => "a certificate",
        Some(Ok((
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey,
            _,
        ))) => "a private key",
        Some(Ok((SectionKind::PublicKey, _))) => "a public key",
        Some(Ok((SectionKind::Csr, _))) => "a certificate request",
        Some(Ok((SectionKind::Crl, _))) => "a revocation list",
        Some(Ok(_)) => "something else in PEM",
        Some(Err(_)) | None if text.starts_with(&[0x30]) => "a DER file: convert it to PEM",
        Some(Err(_)) | None if text.trim_ascii().is_empty() => "nothing",
        Some(Err(_)) | None => "no PEM at all",
    }
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.map_or_else(Vec::new, |names| {
        let dns = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some((*name).to_ascii_lowercase()),
            _ => None,
        };
        names.value.general_names.iter().filter_map(dns).collect()
    })
}

fn check_match(certified: &CertifiedKey, chain: &Path, key: &Path) -> Result<(), PairError> {
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(PairError::Mismatch {
            chain: chain.to_owned(),
            key: key.to_owned(),
        }),
        Err(_) => Err(PairError::BadCertificate {
            path: chain.to_owned(),
            number: 1,
        }),
    }
}
