//! What the party publishes in DNS.

use std::net::{IpAddr, SocketAddr};

use super::choices::DmarcPolicy;
use super::declare::{Check, section};
use super::problem::Place;
use super::values::{HostPort, Name, WebAddress};
use crate::address::Domain;

section! {
    /// What the party publishes in DNS. `hustings dns records` prints it, `hustings dns check` looks it up. DNS is asked as in
    /// `delivery.resolver`.
    pub struct Dns {
        /// Look it up every three hours, and hold a mailing back while large receivers would refuse it. Only a laboratory
        /// without DNS wants false.
        check: bool = default(true),
        /// This machine's public addresses. If empty, `delivery.source_addresses`, or what DNS says of the host name.
        addresses: Vec<IpAddr> = default(Vec::new()),
        /// Others who send mail for the party: their SPF records are included in the party's one.
        spf_include: Vec<Domain> = default(Vec::new()),
        /// What DMARC asks other servers to do with mail in the party's name that it didn't send: "none", "quarantine" or
        /// "reject".
        dmarc: DmarcPolicy = default(DmarcPolicy::Quarantine),
        /// The id of the MTA-STS policy, if one is served at mta-sts.DOMAIN. Nothing is published if not set.
        mta_sts: Option<Name> = optional("v20261121"),
        /// Where other servers may post their reports on TLS. If not set, at the pages: /tls-reports.
        tls_reports: Option<WebAddress> = optional("https://mail.party.example/tls-reports"),
        /// Whether settings for mail programs are served at autoconfig.DOMAIN.
        autoconfig: bool = default(false),
        /// Who may issue certificates for this machine. If empty, no CAA record is listed.
        caa: Vec<Domain> = default(Vec::new()),
        /// Blocklists to ask whether this machine's addresses are on them. Whoever runs one learns of these addresses.
        blocklists: Vec<Domain> = default(Vec::new()),
        /// The mail server that is tried to see whether port 25 is open outwards. If not set, one of a large provider.
        probe: Option<HostPort> = optional("mx.elsewhere.example:25"),
        /// A laboratory's name servers, asked in place of those that a zone names.
        authorities: Vec<SocketAddr> = default(Vec::new()),
    }
}

impl Check for Dns {
    fn check(&self, at: &Place<'_>) {
        at.expect(
            self.spf_include.len() <= 5,
            "spf_include",
            "`spf_include` names more than five: receivers follow ten look-ups in all (RFC 7208 \u{a7}4.6.4)",
            "keep those that still send for the party",
        );
    }
}
