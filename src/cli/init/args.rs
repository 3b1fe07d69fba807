//! Choices on the command line, and what they are in the configuration.

use clap::ValueEnum;

/// Where the root key comes from
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum KeyArg {
    /// systemd decrypts it at start
    Credential,
    /// A file on this host
    File,
    /// Typed at `hustings unlock` after each start
    Passphrase,
}

/// Where the certificates come from
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CertificatesArg {
    /// Let's Encrypt, asked by the service itself; this says that you agree to its terms of service
    Acme,
    /// Files that another program renews
    Files,
    /// The service itself: for DANE, or to begin with
    SelfMade,
}

impl CertificatesArg {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Acme => "acme",
            Self::Files => "files",
            Self::SelfMade => "self-made",
        }
    }
}

impl KeyArg {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::File => "file",
            Self::Passphrase => "passphrase",
        }
    }
}
