//! How mail leaves: where it goes, how fast, how often it's tried, and what other servers have to prove.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::choices::{Dnssec, RequireTls};
use super::declare::{Check, section};
use super::problem::Place;
use super::service::between;
use super::values::HostPort;
use crate::address::Domain;

section! {
    /// Mail to other servers.
    pub struct Delivery {
        /// DNS servers to ask, each if the one before doesn't answer. If empty, those of the system.
        resolver: Vec<SocketAddr> = default(Vec::new()),
        /// Fixed routes instead of MX look-ups: a domain, "*.domain" or "*", and where its mail goes. "*" doesn't cover the
        /// party's own domains: mail to them comes in by its own port 25, unless a route names them.
        route: BTreeMap<String, HostPort> = map(("*", "127.0.0.1:2525")),
        /// The name to say in EHLO. If not set, the host name. It should be what the sending address's PTR record says.
        ehlo: Option<Domain> = optional("mail.party.example"),
        /// Addresses to send from, one per family. If empty, the system chooses.
        source_addresses: Vec<IpAddr> = default(Vec::new()),
        /// Connections at once.
        connections: u32 = default(40),
        /// Connections at once to one destination, and to one provider: whoever runs the mail servers of several.
        connections_per_destination: u32 = default(4),
        /// Copies of mailings that a provider gets on the first day that it gets any. Each day that used half of them allows
        /// twice as many, until 100000: other servers take a new one that sends thousands at once for a spammer's. What is
        /// left goes on the next day (UTC). 0 is no limit.
        copies_on_first_day: u32 = default(2_000),
        /// Copies of mailings that a provider gets in a minute. 0 is as many as it takes.
        copies_per_minute: u32 = default(0),
        /// Other numbers for one provider: "google", "microsoft", "yahoo" or another that `hustings queue list` names, or the
        /// domain that its mail servers are under.
        connections_to: BTreeMap<String, u32> = map(("google", "2")),
        /// The same, of copies on the first day.
        copies_on_first_day_to: BTreeMap<String, u32> = map(("microsoft", "500")),
        /// The same, of copies in a minute.
        copies_per_minute_to: BTreeMap<String, u32> = map(("example.org", "60")),
        /// Waits between attempts; the last one repeats.
        retry: Vec<Duration> = default([5, 15, 30, 60, 120, 240].map(|minutes| Duration::from_secs(minutes * 60)).to_vec()),
        /// When a mail is given up.
        expire: Duration = default(Duration::from_secs(5 * 86_400)),
        /// When its sender is told that it's late.
        late_notice: Duration = default(Duration::from_secs(4 * 3_600)),
        /// Who checks the signatures in DNS (DNSSEC) when it says where mail goes: "validate", or "trust-ad" if a resolver
        /// on this machine does, such as unbound (better, where there is one).
        dnssec: Dnssec = default(Dnssec::Validate),
        /// The keys of the root zone, as DNSKEY records in a file. If not set, those that are built in.
        trust_anchor: Option<PathBuf> = optional("/etc/hustings/root.key.dns"),
        /// Certificates (PEM) to trust beside the system's, when other servers and their policies have to prove who they are.
        trusted_certificates: Option<PathBuf> = optional("/etc/hustings/trusted.pem"),
        /// The port of other mail servers. Only a laboratory wants another.
        smtp_port: u32 = default(25),
        /// The port that other domains' MTA-STS policies are fetched from. Only a laboratory wants another.
        mta_sts_port: u32 = default(443),
        /// Whether DNS may lead to private addresses. Only a laboratory wants true.
        private_networks: bool = default(false),
        /// Tell other domains once a day how TLS on the way to them fared, if they ask for it in DNS (TLSRPT, RFC 8460).
        tls_reports: bool = default(true),
        /// What the servers of a domain ("*.domain": of all below it) have to show, whatever it asks for itself. "verified":
        /// a certificate that is good for the server's name, or the one in DNS (DANE); "dane": the one in DNS alone;
        /// "encrypted": neither, for a domain whose own policy is broken. Without an entry the domain decides, by DANE or
        /// MTA-STS; one that asks for nothing gets its mail over encrypted connections, whoever answers.
        tls_policy: BTreeMap<String, RequireTls> = map(("example.org", "verified")),
    }
}

impl Check for Delivery {
    fn check(&self, at: &Place<'_>) {
        between(at, "connections", self.connections, 1, 1_000);
        between(
            at,
            "connections_per_destination",
            self.connections_per_destination,
            1,
            100,
        );
        providers(at, "connections_to", &self.connections_to);
        providers(at, "copies_on_first_day_to", &self.copies_on_first_day_to);
        providers(at, "copies_per_minute_to", &self.copies_per_minute_to);
        for (name, connections) in &self.connections_to {
            let place = format!("connections_to.{name}");
            between(at, &place, *connections, 1, 100);
        }
        between(at, "smtp_port", self.smtp_port, 1, 65_535);
        between(at, "mta_sts_port", self.mta_sts_port, 1, 65_535);
        for pattern in self.tls_policy.keys() {
            let name = pattern.strip_prefix("*.").unwrap_or(pattern);
            at.expect(
                Domain::parse(name).is_ok_and(|domain| domain.as_str() == name),
                &format!("tls_policy.{pattern}"),
                format!(
                    "`{}` is no domain: expected one in lower case, or \"*.domain\"",
                    pattern.escape_debug()
                ),
                "write it as in tls_policy.\"example.org\" = \"verified\"",
            );
        }
        at.expect(
            !self.retry.is_empty(),
            "retry",
            "`retry` is empty: mail that can't be delivered at once must be tried again",
            "write waits such as [\"5m\", \"30m\", \"4h\"]",
        );
        at.expect(
            self.retry
                .iter()
                .all(|wait| *wait >= Duration::from_secs(60)),
            "retry",
            "`retry` has a wait under a minute: other servers take that for an attack",
            "write \"1m\" or more for each",
        );
        at.expect(
            self.late_notice < self.expire,
            "late_notice",
            "`late_notice` comes after `expire`: the sender would hear that it's late after it was given up",
            "make `expire` longer than `late_notice`",
        );
        let families = |v4| {
            self.source_addresses
                .iter()
                .filter(|ip| ip.is_ipv4() == v4)
                .count()
        };
        at.expect(
            families(true) <= 1 && families(false) <= 1,
            "source_addresses",
            "`source_addresses` has two addresses of one family: mail leaves from one of each",
            "keep one IPv4 and one IPv6 address",
        );
        for pattern in self.route.keys() {
            let domain = pattern.strip_prefix("*.").unwrap_or(pattern);
            at.expect(
                pattern == "*"
                    || Domain::parse(domain)
                        .is_ok_and(|domain| domain.as_str() == pattern.trim_start_matches("*.")),
                &format!("route.{pattern}"),
                format!(
                    "`{}` is no route: expected a domain in lower case, \"*.domain\" or \"*\"",
                    pattern.escape_debug()
                ),
                "write it as in route.\"*\" = \"127.0.0.1:2525\"",
            );
        }
    }
}

/// Names of providers, or domains; which names there are, the post room knows.
fn providers(at: &Place<'_>, key: &str, numbers: &BTreeMap<String, u32>) {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    for name in numbers.keys() {
        at.expect(
            !name.is_empty() && name.chars().all(is_plain),
            &format!("{key}.{name}"),
            format!("`{}` is no provider", name.escape_debug()),
            "write a name such as \"google\", or the domain of its mail servers in lower case",
        );
    }
}
