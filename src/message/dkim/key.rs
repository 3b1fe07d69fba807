//! DKIM keys: made, kept as zeroizing PKCS#8, and published as a record's text.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The fewest bits an RSA key may have: RFC 8301 asks signers for 2048, and large receivers count less as unsigned.
const MIN_RSA_BITS: usize = 2048;

/// Why a key can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are neither an RSA nor an Ed25519 private key in PKCS#8.
    #[error("not a DKIM key: expected an RSA or Ed25519 private key as PKCS#8; make a new one")]
    NotAKey,
    /// An RSA key that large receivers refuse.
    #[error("the RSA key has fewer than 2048 bits, which large receivers refuse; make a new one")]
    TooShort,
    /// The cryptographic library could not make a key.
    #[error("a DKIM key could not be made: the system's random source or memory failed; try again")]
    Generate,
}

/// A signing algorithm (`a=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `rsa-sha256` (RFC 6376).
    RsaSha256,
    /// `ed25519-sha256` (RFC 8463).
    Ed25519Sha256,
}

impl Algorithm {
    /// The value of the signature's `a=` tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A private key that signs mail.
pub struct SigningKey(Pair);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.algorithm().tag())
    }
}

impl SigningKey {
    /// Makes an RSA-2048 key. Takes about a tenth of a second or more: call it where blocking is fine.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate_rsa() -> Result<Self, KeyError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generate)?;
        Ok(Self(Pair::Rsa(Box::new(pair))))
    }

    /// Makes an Ed25519 key.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate_ed25519() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?;
        Ok(Self(Pair::Ed25519(Box::new(pair))))
    }

    /// Reads a key from PKCS#8 DER.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`], or [`KeyError::TooShort`] for RSA under 2048 bits.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self(Pair::Ed25519(Box::new(pair))));
        }
        let pair =
            RsaKeyPair::from_pkcs8(der).map_err(|error| match error.to_string().as_str() {
                "TooSmall" => KeyError::TooShort,
                _ => KeyError::NotAKey,
            })?;
        if 8 * pair.public_modulus_len() < MIN_RSA_BITS {
            return Err(KeyError::TooShort);
        }
        Ok(Self(Pair::Rsa(Box::new(pair))))
    }

    /// The key as PKCS#8 DER, to be sealed by whoever keeps it.
    ///
    /// # Errors
    /// [`KeyError::Generate`] if the library can't write it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let der = match &self.0 {
            Pair::Rsa(pair) => {
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> =
                    pair.as_der().map_err(|_| KeyError::Generate)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => {
                let der = pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
        };
        Ok(der)
    }

    /// Which algorithm the key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Pair::Rsa(_) => Algorithm::RsaSha256,
            Pair::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    /// The text of the TXT record at `SELECTOR._domainkey.DOMAIN` (RFC 6376 §3.6.1). It's longer than one DNS string
    /// for RSA: whoever writes the zone cuts it.
    ///
    /// # Errors
    /// [`KeyError::Generate`] if the library can't write the public key.
    pub fn record(&self) -> Result<String, KeyError> {
        match &self.0 {
            Pair::Rsa(pair) => {
                let der: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
                    pair.public_key().as_der().map_err(|_| KeyError::Generate)?;
                Ok(format!(
                    "v=DKIM1; k=rsa; p={}",
                    STANDARD.encode(der.as_ref())
                ))
            }
            // RFC 8463 §4.2: the bare 32 bytes, not a SubjectPublicKeyInfo.
            Pair::Ed25519(pair) => Ok(format!(
                "v=DKIM1; k=ed25519; p={}",
                STANDARD.encode(pair.public_key().as_ref())
            )),
        }
    }

    /// Signs the canonical header data. Both schemes are deterministic: the same bytes give the same signature.
    pub(super) fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        match &self.0 {
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut out)
                    .ok()?;
                Some(out)
            }
            // RFC 8463 §3: PureEdDSA over the SHA-256 hash of the data.
            Pair::Ed25519(pair) => {
                let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data);
                Some(pair.try_sign(hash.as_ref()).ok()?.as_ref().to_vec())
            }
        }
    }
}
