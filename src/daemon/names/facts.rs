//! What the set of records is made from: the configuration, the keys that sign, the certificates that are served.

use std::net::IpAddr;

use crate::config::Config;
use crate::delivery::signing::KeyRecord;
use crate::dns::is_public;
use crate::tls::Pair;
use crate::zone::{Facts, OwnPolicy, ServiceFact};

/// The facts. `pairs` are the certificates in use.
pub fn facts(config: &Config, keys: Vec<KeyRecord>, pairs: &[Pair]) -> Facts {
    let dns = &config.dns;
    let served = pairs.iter().filter(|pair| pair.is_for(&config.hostname));
    Facts {
        host: config.hostname.clone(),
        ehlo: config.ehlo_name().clone(),
        domains: config.domains.clone(),
        addresses: addresses(config),
        // Who writes down this machine's addresses wants them looked at, whatever the routes.
        relayed: config.delivery.route.contains_key("*") && dns.addresses.is_empty(),
        spf_include: dns.spf_include.clone(),
        keys,
        dmarc: dns.dmarc.as_str(),
        mta_sts: OwnPolicy::of(config).map(|policy| policy.id),
        tls_reports: tls_reports(config),
        served_keys: served.filter_map(Pair::public_key_digest).collect(),
        next_keys: Vec::new(),
        retired_keys: Vec::new(),
        services: services(config),
        autoconfig: dns.autoconfig,
        caa: dns.caa.clone(),
    }
}

/// Where others may post their reports on TLS: where the configuration says, or at our own pages. It has to be HTTPS (RFC
/// 8460 §3), which a laboratory's may not be.
fn tls_reports(config: &Config) -> Option<String> {
    let own = || format!("{}{}", config.pages_url(), crate::web::TLS_REPORTS);
    let url = config.dns.tls_reports.as_ref();
    let url = url.map_or_else(own, ToString::to_string);
    url.starts_with("https://").then_some(url)
}

/// This machine's public addresses, as far as the configuration knows them.
pub(in crate::daemon) fn addresses(config: &Config) -> Vec<IpAddr> {
    let dns = &config.dns.addresses;
    if !dns.is_empty() {
        return dns.clone();
    }
    let sources = config.delivery.source_addresses.iter();
    sources.copied().filter(|one| is_public(*one)).collect()
}

/// What mail programs may look for (RFC 6186, RFC 8314 §5.1), and where it is; with settings for them, also where Outlook
/// finds its own.
fn services(config: &Config) -> Vec<ServiceFact> {
    let listeners = config.listen.all();
    let port = |name: &str, usual: u16| {
        let (_, addresses, _) = listeners.iter().find(|(known, ..)| *known == name)?;
        // Port 0 is any free one, in a laboratory.
        addresses.first().map(|address| match address.port() {
            0 => usual,
            port => port,
        })
    };
    let doors = [
        ("submissions", 465),
        ("submission", 587),
        ("imaps", 993),
        ("pop3s", 995),
    ];
    let doors = doors.into_iter().map(|(name, usual)| ServiceFact {
        name,
        port: port(name, usual),
    });
    let outlook = config.dns.autoconfig.then(|| ServiceFact {
        name: "autodiscover",
        port: port("https", 443),
    });
    doors.chain(outlook).collect()
}
