//! Why a certificate doesn't prove who showed it, in kinds that reports know (RFC 8460 §4.3).

use rustls::{CertificateError, Error};

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CertificateFault {
    /// It is for another name.
    #[error("its certificate is for another name")]
    OtherName,
    /// Its time is over.
    #[error("its certificate has expired")]
    Expired,
    /// Its time hasn't come.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// Nobody whom we trust vouches for it.
    #[error("its certificate's issuer is not trusted")]
    Untrusted,
    /// It doesn't match the TLSA records of the host (RFC 7672).
    #[error("its certificate doesn't match its TLSA records in DNS (DANE)")]
    Tlsa,
    /// It was taken back, is made for something else, or can't be read.
    #[error("its certificate is not valid")]
    Invalid,
    /// None was shown.
    #[error("it showed no certificate")]
    Missing,
}

impl CertificateFault {
    /// What a failed handshake says about the certificate; none if it failed for something else.
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::InvalidCertificate(kind) => Some(match kind {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    Self::Expired
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::NotYetValid
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
                // Somebody who calls himself as an authority does, and hasn't its key.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Untrusted,
                CertificateError::ApplicationVerificationFailure => Self::Tlsa,
                _ => Self::Invalid,
            }),
            Error::NoCertificatesPresented => Some(Self::Missing),
            _ => None,
        }
    }
}
