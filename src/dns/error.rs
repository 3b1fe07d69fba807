//! Why a look-up gave nothing.

/// A look-up that gave no usable answer. The messages don't name the domain: it may name a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// NXDOMAIN, as DNS says now.
    #[error("the domain does not exist")]
    NoSuchDomain,
    /// The domain says that it takes no mail (RFC 7505).
    #[error("the domain says that it takes no mail (null MX)")]
    NullMx,
    /// It exists, and has neither a mail server nor an address.
    #[error("the domain has no mail server and no address")]
    NoAddress,
    /// No answer that can be relied on; another try may give one.
    #[error("DNS gave no answer: {0}; it will be asked again")]
    Temporary(Hitch),
    /// The answer is forged, or nobody can say whether it should be signed (DNSSEC). It isn't used.
    #[error("the answer of DNS is not signed as it should be (DNSSEC); it will be asked again")]
    Bogus,
    /// The file with the trust anchor can't be read.
    #[error("the DNSSEC trust anchor can't be read: check the file in `delivery.trust_anchor`")]
    Anchor,
    /// The resolver can't be set up.
    #[error(
        "the DNS resolver can't be set up: check /etc/resolv.conf or set `delivery.resolver` in the configuration"
    )]
    Setup,
}

/// What went wrong on the way to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Hitch {
    /// Nobody answered in time.
    #[error("time ran out")]
    TimedOut,
    /// SERVFAIL, REFUSED or the like.
    #[error("the name server failed")]
    ServerFailure,
    /// The resolver can't be reached, or its answer can't be read.
    #[error("the resolver can't be reached or its answer not read")]
    Unreachable,
}

impl LookupError {
    /// Whether another try may do better.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Temporary(_) | Self::Bogus | Self::Anchor | Self::Setup
        )
    }
}
