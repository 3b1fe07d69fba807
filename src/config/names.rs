//! What the party publishes in DNS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::choices::{DmarcPolicy, StsMode};
use super::declare::{Check, section};
use super::problem::Place;
use super::values::{HostPort, WebAddress};
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
        /// Where other servers may post their reports on TLS. If not set, at the pages: /tls-reports.
        tls_reports: Option<WebAddress> = optional("https://mail.party.example/tls-reports"),
        /// Whether settings for mail programs are served: Mozilla's at autoconfig.DOMAIN, Microsoft's (autodiscover) and Apple's
        /// profile (/mail/profile.mobileconfig) at this host.
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

section! {
    /// The party's own MTA-STS policy (RFC 8461): how other servers shall secure mail to it. It is served at
    /// https://mta-sts.DOMAIN/.well-known/mta-sts.txt, with a record in DNS whose id follows its content.
    pub struct MtaSts {
        /// "off", "testing" (others report what doesn't keep to it, and deliver all the same) or "enforce" (they deliver to
        /// nobody who doesn't keep to it). Begin with "testing".
        mode: StsMode = default(StsMode::Off),
        /// The servers that mail for the party's domains goes to, as in the MX records. If empty, the host name.
        mx: Vec<Domain> = default(Vec::new()),
        /// How long others may keep to it without asking again: "1d" or more; with "testing", a day is enough.
        max_age: Duration = default(Duration::from_secs(7 * 86_400)),
    }
}

impl Check for MtaSts {
    fn check(&self, at: &Place<'_>) {
        let longest = Duration::from_secs(31_557_600);
        at.expect(
            self.max_age >= Duration::from_secs(86_400) && self.max_age <= longest,
            "max_age",
            "`max_age` is not between a day and a year (RFC 8461 \u{a7}3.2)",
            "write \"7d\"; once all is well, \"30d\" or more",
        );
    }
}
