//! The whole set of records, from what is configured and which keys sign. The same facts give the same set.

use std::net::IpAddr;

use super::{Act, Need, Topic, Wanted};
use crate::address::Domain;
use crate::delivery::signing::{KeyRecord, Phase, Stream};
use crate::dns::{Data, reverse_name};
use crate::report::DMARC_REPORTS;

/// A service that mail programs look for (RFC 6186, RFC 8314).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFact {
    /// Its name: `submissions`.
    pub name: &'static str,
    /// Its port; none is that it isn't offered here.
    pub port: Option<u16>,
}

/// What the set is made from.
#[derive(Debug, Clone)]
pub struct Facts {
    /// This host.
    pub host: Domain,
    /// What it says in EHLO.
    pub ehlo: Domain,
    /// The party's domains.
    pub domains: Vec<Domain>,
    /// This host's public addresses, as far as they're known.
    pub addresses: Vec<IpAddr>,
    /// Mail to others leaves by another host.
    pub relayed: bool,
    /// Others who send for the party: their SPF records are included.
    pub spf_include: Vec<Domain>,
    /// The DKIM keys.
    pub keys: Vec<KeyRecord>,
    /// What DMARC asks for: `none`, `quarantine`, `reject`.
    pub dmarc: &'static str,
    /// The id of the MTA-STS policy that is served.
    pub mta_sts: Option<String>,
    /// Where reports on TLS are taken.
    pub tls_reports: Option<String>,
    /// SHA-256 of the public keys that are served on port 25.
    pub served_keys: Vec<[u8; 32]>,
    /// The same of the keys that are to be served next.
    pub next_keys: Vec<[u8; 32]>,
    /// The same of those that were served before.
    pub retired_keys: Vec<[u8; 32]>,
    /// What mail programs look for.
    pub services: Vec<ServiceFact>,
    /// Whether settings for mail programs are served.
    pub autoconfig: bool,
    /// Who may issue certificates.
    pub caa: Vec<Domain>,
}

/// The whole set, this host first, then each domain.
pub fn wanted(facts: &Facts) -> Vec<Wanted> {
    let mut all = host(facts);
    for domain in &facts.domains {
        all.extend(mail(facts, domain));
        all.extend(keys(facts, domain));
        all.extend(policies(facts, domain));
        all.extend(programs(facts, domain));
    }
    all
}

fn record(topic: Topic, domain: Option<&Domain>, name: impl ToString, data: Data) -> Wanted {
    Wanted {
        topic,
        domain: domain.cloned(),
        name: name.to_string(),
        data,
        need: Need::Advised,
        act: Act::Publish,
        note: None,
    }
}

impl Wanted {
    fn needed_for(mut self, need: Need) -> Self {
        self.need = need;
        self
    }

    fn with_act(mut self, act: Act) -> Self {
        self.act = act;
        self
    }

    fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

fn txt(text: impl Into<String>) -> Data {
    Data::Text(text.into())
}

fn host(facts: &Facts) -> Vec<Wanted> {
    let host = &facts.host;
    let mut all = Vec::new();
    for address in &facts.addresses {
        let a = record(Topic::Address, None, host, Data::Address(*address));
        all.push(a.needed_for(Need::Mailings));
    }
    for address in &facts.addresses {
        let name = Data::Name(facts.ehlo.to_string());
        let ptr = record(Topic::Reverse, None, reverse_name(*address), name);
        all.push(
            ptr.needed_for(Need::Mailings)
                .with_act(Act::AskProvider)
                .noting("who rents out the address sets it, often in a panel of its own"),
        );
    }
    // The name in EHLO, for mail with the null reverse-path (RFC 7208 §2.3).
    if !facts.domains.contains(&facts.ehlo) {
        all.push(record(Topic::Spf, None, &facts.ehlo, txt("v=spf1 a -all")));
    }
    let tlsa = |key: &[u8; 32]| {
        let data = Data::Tlsa([3, 1, 1], key.to_vec());
        record(Topic::Tlsa, None, format!("_25._tcp.{host}"), data)
    };
    let counts =
        "counts where the zone is signed (DNSSEC); publish a new one before the key changes";
    all.extend(facts.served_keys.iter().map(|key| tlsa(key).noting(counts)));
    let next =
        "of the next key, which is served after it was seen here for two TTLs; keep the others";
    all.extend(facts.next_keys.iter().map(|key| tlsa(key).noting(next)));
    let old = |key| {
        tlsa(key)
            .with_act(Act::Remove)
            .noting("of a key that is served no more; take it away")
    };
    let gone = facts.retired_keys.iter();
    let gone = gone.filter(|key| !facts.served_keys.contains(key));
    all.extend(gone.map(old));
    for issuer in &facts.caa {
        let caa = Data::Caa {
            critical: false,
            tag: "issue".to_owned(),
            value: issuer.to_string(),
        };
        all.push(record(Topic::Caa, None, host, caa));
    }
    all
}

fn mail(facts: &Facts, domain: &Domain) -> Vec<Wanted> {
    let mx = Data::Mx {
        preference: 10,
        host: facts.host.to_string(),
    };
    vec![
        record(Topic::Mx, Some(domain), domain, mx).needed_for(Need::Mailings),
        record(Topic::Spf, Some(domain), domain, txt(spf(facts))).needed_for(Need::Mailings),
    ]
}

/// One record for all who send: a second one would make both void (RFC 7208 §4.5). The MX is who sends, unless the known
/// addresses are others than the host's name will say.
fn spf(facts: &Facts) -> String {
    let mut text = "v=spf1 mx".to_owned();
    for include in &facts.spf_include {
        text += &format!(" include:{include}");
    }
    text + " -all"
}

fn keys(facts: &Facts, domain: &Domain) -> Vec<Wanted> {
    let own = facts.keys.iter().filter(|key| key.domain == *domain);
    own.map(|key| {
        let wanted = record(Topic::Dkim, Some(domain), key.name(), txt(&key.text));
        let stream = key.pair.stream;
        let what = stream.map_or("all mail".to_owned(), |stream| format!("{stream} mail"));
        match key.phase {
            Phase::Live if matches!(stream, None | Some(Stream::List)) => wanted
                .needed_for(Need::Mailings)
                .noting(format!("signs {what}")),
            Phase::Live => wanted
                .needed_for(Need::Mail)
                .noting(format!("signs {what}")),
            Phase::Next => wanted.noting(format!("will sign {what} once it is seen here")),
            Phase::Kept => {
                let until = key.keep_until.map(|at| at.strftime("%F").to_string());
                let until = until.unwrap_or_default();
                wanted
                    .needed_for(Need::Mail)
                    .with_act(Act::Keep)
                    .noting(format!("signed {what} until lately; keep it until {until}"))
            }
            Phase::Removable => wanted
                .with_act(Act::Remove)
                .noting(format!("signs {what} no more; take it away")),
        }
    })
    .collect()
}

fn policies(facts: &Facts, domain: &Domain) -> Vec<Wanted> {
    let dmarc = format!(
        "v=DMARC1; p={}; rua=mailto:{DMARC_REPORTS}@{domain}",
        facts.dmarc
    );
    let mut all = vec![
        record(
            Topic::Dmarc,
            Some(domain),
            format!("_dmarc.{domain}"),
            txt(dmarc),
        )
        .needed_for(Need::Mailings),
    ];
    if let Some(id) = &facts.mta_sts {
        let text = txt(format!("v=STSv1; id={id}"));
        let policy = format!("_mta-sts.{domain}");
        all.push(record(Topic::MtaSts, Some(domain), policy, text));
        let alias = Data::Alias(facts.host.to_string());
        let host = format!("mta-sts.{domain}");
        all.push(record(Topic::MtaSts, Some(domain), host, alias));
    }
    if let Some(url) = &facts.tls_reports {
        let text = txt(format!("v=TLSRPTv1; rua={url}"));
        let name = format!("_smtp._tls.{domain}");
        all.push(record(Topic::TlsReports, Some(domain), name, text));
    }
    all
}

fn programs(facts: &Facts, domain: &Domain) -> Vec<Wanted> {
    let services = facts.services.iter().map(|service| {
        let data = Data::Service {
            // RFC 8314 §5.1: TLS from the first byte before STARTTLS.
            priority: match (service.port, service.name) {
                (Some(_), "submission") => 10,
                _ => 0,
            },
            weight: u16::from(service.port.is_some()),
            port: service.port.unwrap_or(0),
            target: service
                .port
                .map_or_else(String::new, |_| facts.host.to_string()),
        };
        let name = format!("_{}._tcp.{domain}", service.name);
        let wanted = record(Topic::Services, Some(domain), name, data);
        match service.port {
            Some(_) => wanted.noting("for mail programs"),
            None => wanted.noting("says that it isn't offered; may be left out"),
        }
    });
    let mut all: Vec<_> = services.collect();
    if facts.autoconfig {
        let alias = Data::Alias(facts.host.to_string());
        let name = format!("autoconfig.{domain}");
        all.push(record(Topic::Autoconfig, Some(domain), name, alias));
    }
    all
}
