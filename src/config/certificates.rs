//! Certificates: where they come from.

use std::path::PathBuf;
use std::time::Duration;

use super::choices::{CertificateSource, ChallengeKind};
use super::declare::{Check, section};
use super::problem::Place;
use super::values::WebAddress;
use crate::address::EmailAddress;

section! {
    /// Certificates for the host name, the pages, and what is served at mta-sts.DOMAIN and autoconfig.DOMAIN.
    pub struct Tls {
        /// "files" (read again when they change, and on `systemctl reload`), "acme" (the service asks an authority for
        /// them, and renews them by itself), or "self-made" (good for servers that find the key in DNS, and for those that
        /// verify nobody; browsers warn). A self-made one also serves until the authority has issued the first.
        source: CertificateSource = default(CertificateSource::Files),
        /// How often the files are looked at.
        check_every: Duration = default(Duration::from_secs(60)),
        /// For "acme" and "self-made": where keys and certificates lie in files, outside the database and its backups, so
        /// that the doors can speak while the vault is locked. They are sealed in the database as well.
        directory: PathBuf = default(PathBuf::from("/var/lib/hustings-tls")),
        /// For "acme": the authority.
        acme: Acme = section(),
        /// For "files": pairs of certificate and key. Two pairs for the same names, one ECDSA and one RSA, serve old peers as
        /// well.
        certificate: Vec<CertificateFiles> = tables(),
    }
}

impl Check for Tls {
    fn check(&self, at: &Place<'_>) {
        let files = self.source == CertificateSource::Files;
        at.expect(
            !files || !self.certificate.is_empty(),
            "",
            "there's no certificate: nothing is served without TLS",
            "add [[tls.certificate]] with the paths `chain` and `key`, or set source = \"acme\"",
        );
        at.expect(
            files || self.certificate.is_empty(),
            "certificate",
            format!(
                "`source` is \"{}\", but there are certificates in files as well",
                self.source.as_str()
            ),
            "remove [[tls.certificate]], or set source = \"files\"",
        );
        at.expect(
            self.source != CertificateSource::Acme || self.acme.terms_agreed,
            "acme.terms_agreed",
            "certificates are to come from an authority whose terms nobody agreed to",
            "read the authority's terms of service, and set terms_agreed = true under [tls.acme]",
        );
    }
}

section! {
    /// The authority that issues the certificates (ACME, RFC 8555). It gets two, ECDSA and RSA, and renews each when two thirds
    /// of its life are over, or when the authority says (ARI). The keys stay the same until `hustings dns rotate-tls`.
    pub struct Acme {
        /// Its directory.
        directory: WebAddress = default("https://acme-v02.api.letsencrypt.org/directory".parse().expect("a valid address")),
        /// Whether somebody of the party has read the authority's terms of service and agrees to them.
        terms_agreed: bool = default(false),
        /// A mail address that the authority may write to about the account. Let's Encrypt keeps none.
        contact: Option<EmailAddress> = optional("office@party.example"),
        /// How it may look whether a name is ours, the first one first: "http-01" (on port 80) or "tls-alpn-01" (on the https
        /// port).
        challenges: Vec<ChallengeKind> = default(vec![ChallengeKind::Http, ChallengeKind::TlsAlpn]),
        /// Certificates (PEM) to trust beside the system's, when the authority has to prove who it is. Only a laboratory wants
        /// any.
        trusted_certificates: Option<PathBuf> = optional("/etc/hustings/acme-root.pem"),
    }
}

impl Check for Acme {
    fn check(&self, at: &Place<'_>) {
        at.expect(
            !self.challenges.is_empty(),
            "challenges",
            "`challenges` is empty: the authority has no way to see that a name is ours",
            "write [\"http-01\", \"tls-alpn-01\"]",
        );
        at.expect(
            self.directory.to_string().starts_with("https://"),
            "directory",
            "`directory` is no https: address",
            "write the address of the authority's directory, https://…",
        );
    }
}

section! {
    /// One certificate and its key.
    pub struct CertificateFiles {
        /// The certificate and those between it and the root, in PEM (`fullchain.pem`).
        chain: PathBuf = required("/etc/hustings/tls/fullchain.pem"),
        /// Its private key, in PEM, readable by the service alone.
        key: PathBuf = required("/etc/hustings/tls/privkey.pem"),
    }
}

impl Check for CertificateFiles {}
