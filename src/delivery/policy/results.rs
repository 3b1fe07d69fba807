//! What came of each connection, in the terms of TLS reports (RFC 8460 §4.3): which policy, which server, how it ended.
//! Whoever sends reports listens here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::Domain;
use crate::delivery::sts::FetchError;
use crate::tls::CertificateFault;

/// Which policy a connection was held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// DANE.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// None was found.
    #[serde(rename = "no-policy-found")]
    None,
}

impl PolicyKind {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::None => "no-policy-found",
        }
    }
}

/// The policy that a connection was held to.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundPolicy {
    /// Which.
    pub kind: PolicyKind,
    /// Its lines, or its records.
    pub lines: Vec<String>,
    /// The servers that it names.
    pub mx: Vec<String>,
}

/// Its lines name servers, which tell the domain; that may be one person's, so nothing of it is shown.
impl fmt::Debug for FoundPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FoundPolicy({})", self.kind.name())
    }
}

impl FoundPolicy {
    /// None was found.
    pub const fn none() -> Self {
        Self {
            kind: PolicyKind::None,
            lines: Vec::new(),
            mx: Vec::new(),
        }
    }
}

/// How a connection failed (RFC 8460 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ResultType {
    StarttlsNotSupported,
    CertificateHostMismatch,
    CertificateNotTrusted,
    CertificateExpired,
    ValidationFailure,
    TlsaInvalid,
    DnssecInvalid,
    DaneRequired,
    StsPolicyFetchError,
    StsPolicyInvalid,
    StsWebpkiInvalid,
}

impl ResultType {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StarttlsNotSupported => "starttls-not-supported",
            Self::CertificateHostMismatch => "certificate-host-mismatch",
            Self::CertificateNotTrusted => "certificate-not-trusted",
            Self::CertificateExpired => "certificate-expired",
            Self::ValidationFailure => "validation-failure",
            Self::TlsaInvalid => "tlsa-invalid",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::DaneRequired => "dane-required",
            Self::StsPolicyFetchError => "sts-policy-fetch-error",
            Self::StsPolicyInvalid => "sts-policy-invalid",
            Self::StsWebpkiInvalid => "sts-webpki-invalid",
        }
    }
}

impl From<CertificateFault> for ResultType {
    fn from(fault: CertificateFault) -> Self {
        match fault {
            CertificateFault::OtherName => Self::CertificateHostMismatch,
            CertificateFault::Expired => Self::CertificateExpired,
            CertificateFault::Untrusted => Self::CertificateNotTrusted,
            CertificateFault::Tlsa => Self::TlsaInvalid,
            CertificateFault::NotYetValid
            | CertificateFault::Invalid
            | CertificateFault::Missing => Self::ValidationFailure,
        }
    }
}

impl From<FetchError> for ResultType {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Certificate(_) => Self::StsWebpkiInvalid,
            FetchError::Policy(_) | FetchError::ContentType => Self::StsPolicyInvalid,
            _ => Self::StsPolicyFetchError,
        }
    }
}

/// One connection, or one that never came to be because of a policy.
#[derive(Clone, Copy)]
pub struct TlsAttempt<'a> {
    /// The domain that mail goes to.
    pub domain: &'a Domain,
    /// What it was held to.
    pub policy: &'a FoundPolicy,
    /// The server, if it came to one.
    pub host: Option<&'a str>,
    /// Its address, if it came to one.
    pub address: Option<IpAddr>,
    /// How it failed; none if it didn't.
    pub failure: Option<ResultType>,
}

impl fmt::Debug for TlsAttempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = self.failure.map(ResultType::name);
        write!(f, "TlsAttempt({:?}, {failure:?})", self.policy)
    }
}

/// Whoever wants to know what came of connections.
pub trait TlsResults: Send + Sync + fmt::Debug {
    /// Takes note of a connection. It must not wait.
    fn note(&self, attempt: &TlsAttempt<'_>);
}

/// What came of a day's connections to one domain.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections that were as the policy asks.
    pub successes: u64,
    /// Others, by how they failed and at which server.
    pub failures: BTreeMap<(ResultType, Option<Box<str>>), u64>,
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: u64 = self.failures.values().sum();
        write!(f, "Tally({} good, {failures} failed)", self.successes)
    }
}

/// Nobody wants to know: for tests and benches.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoResults;

impl TlsResults for NoResults {
    fn note(&self, _: &TlsAttempt<'_>) {}
}
