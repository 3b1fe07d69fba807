//! A key that we made for our own certificates: it signs requests for them, and itself until there is one.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use jiff::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SignatureAlgorithm,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::pair::{Pair, PairError};
use super::self_made::{SelfMadeError, params};

/// The kinds of keys that are served side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// ECDSA on P-256: small and fast.
    Ecdsa,
    /// RSA with 2048 bits, for peers that know nothing else.
    Rsa,
}

impl KeyKind {
    /// Both, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Ecdsa, Self::Rsa];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
        }
    }

    fn algorithm(self) -> &'static SignatureAlgorithm {
        match self {
            Self::Ecdsa => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::Rsa => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

/// A private key as PEM. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct OwnKey {
    pem: Zeroizing<String>,
}

impl OwnKey {
    /// A new one. RSA takes up to a second of a core.
    ///
    /// # Errors
    /// [`SelfMadeError::Make`] if there is no randomness.
    pub fn generate(kind: KeyKind) -> Result<Self, SelfMadeError> {
        let key = Wiped(KeyPair::generate_for(kind.algorithm())?);
        Ok(Self {
            pem: pem(key.0.serialized_der()),
        })
    }

    /// One that was kept.
    pub fn from_pem(pem: Zeroizing<String>) -> Self {
        Self { pem }
    }

    /// Its text, to be kept.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    fn pair(&self) -> Result<Wiped, rcgen::Error> {
        let der = PrivateKeyDer::from_pem_slice(self.pem.as_bytes());
        let mut der = der.map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let pair = KeyPair::try_from(&der);
        der.zeroize();
        pair.map(Wiped)
    }

    /// What a TLSA record 3 1 1 holds of it: SHA-256 of the public key with its kind.
    ///
    /// # Errors
    /// [`SelfMadeError::Make`] if it is no key.
    pub fn public_digest(&self) -> Result<[u8; 32], SelfMadeError> {
        let public = self.pair()?.0.subject_public_key_info();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &public);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Ok(bytes)
    }

    /// A request for a certificate for these names (PKCS #10, in DER).
    ///
    /// # Errors
    /// [`SelfMadeError::Make`] if a name isn't one.
    pub fn request(&self, names: &[String]) -> Result<Vec<u8>, SelfMadeError> {
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&self.pair()?.0)?;
        Ok(request.der().to_vec())
    }

    /// A certificate that it signs itself, in PEM: nobody trusts it but who finds the key in DNS (DANE).
    ///
    /// # Errors
    /// [`SelfMadeError::Make`] if a name isn't one.
    pub fn self_signed(&self, names: &[String], now: Timestamp) -> Result<String, SelfMadeError> {
        let common = names.first().map_or("hustings", String::as_str);
        let mut params = params(names.to_vec(), common, now)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(params.self_signed(&self.pair()?.0)?.pem())
    }

    /// The key with a chain that was made for it, whatever its dates: one that ended is better than none, for those who
    /// find the key in DNS and those who verify nobody.
    ///
    /// # Errors
    /// [`PairError`].
    pub fn with_chain(&self, chain: &str) -> Result<Pair, PairError> {
        let place = Path::new("the certificate");
        Pair::undated((place, chain.as_bytes()), (place, self.pem.as_bytes()))
    }
}

/// A key pair that is wiped when it goes.
struct Wiped(KeyPair);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A key (PKCS #8) as text, written into room that was taken at once: a text that grows leaves pieces of a key behind.
fn pem(der: &[u8]) -> Zeroizing<String> {
    const LINE: usize = 48;
    let mut text = Zeroizing::new(String::with_capacity(der.len() * 3 / 2 + 64));
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in der.chunks(LINE) {
        base64::engine::general_purpose::STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    text
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnKey(..)")
    }
}
