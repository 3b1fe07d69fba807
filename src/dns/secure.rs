//! Look-ups whose answers are proven by DNSSEC, or proven not to be signed: where mail goes, at which addresses, and which
//! certificate is expected there (RFC 7672). A forged answer is an error here and never an unsigned one.
//!
//! The validator is hickory's. It takes one kind of wildcard answer (NSEC, one label deep) for a forgery, so that it is
//! asked for nothing but this; whoever writes to us is judged by another resolver.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle as _, FirstAnswer as _};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::{DnsRequestOptions, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig, TokioResolver};
use tokio::time::timeout;

use super::error::{Hitch, LookupError};
use super::mx::MailHosts;
use super::resolver::{self, ResolverSettings};
use crate::address::Domain;
use crate::tls::Tlsa;

/// TLSA records taken from one answer.
const MOST_TLSA: usize = 32;

/// Who checks the signatures in DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dnssec<'a> {
    /// We do, from the root's keys, or from those in this file.
    Validate(Option<&'a Path>),
    /// The resolver does, and says so (the AD bit): it has to be on this machine.
    TrustAd,
}

/// A resolver that knows which answers are proven. Clones share one cache.
#[derive(Clone)]
pub struct SecureResolver {
    inner: Inner,
    settings: ResolverSettings,
}

#[derive(Clone)]
enum Inner {
    Validating(Box<TokioResolver>),
    TrustingAd(NameServerPool<TokioRuntimeProvider>),
}

impl std::fmt::Debug for SecureResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecureResolver")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A domain's mail servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenHosts {
    /// The hosts.
    pub hosts: MailHosts,
    /// Whether DNSSEC proves that it is these.
    pub secure: bool,
    /// The domain, and the name that it is an alias of: those that a certificate may be for as well (RFC 7672 §3.2.2).
    pub next_hop: Vec<Box<str>>,
}

/// A mail server's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenAddresses {
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The names under which its TLSA records may stand, to be asked in this order; none if nothing is proven about it
    /// (RFC 7672 §2.2.2, §2.2.3).
    pub tlsa_bases: Vec<Box<str>>,
}

/// Of which nothing is proven.
impl From<Vec<IpAddr>> for ProvenAddresses {
    fn from(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            tlsa_bases: Vec::new(),
        }
    }
}

/// An answer. No records is an answer too.
struct Answer {
    records: Vec<Record>,
    secure: bool,
}

impl Answer {
    /// The name at the end of the aliases.
    fn canonical(&self, start: &Name) -> Name {
        let mut name = start;
        // An alias may be named once: no circle is longer than the answer.
        for _ in &self.records {
            let next = self.records.iter().find_map(|record| match &record.data {
                RData::CNAME(alias) if record.name == *name => Some(&alias.0),
                _ => None,
            });
            match next {
                Some(next) => name = next,
                None => break,
            }
        }
        name.clone()
    }
}

impl SecureResolver {
    /// A resolver that asks the same servers as [`super::Resolver`] with these settings.
    ///
    /// # Errors
    /// [`LookupError::Setup`] if the system's configuration can't be read; [`LookupError::Anchor`] if the trust anchor
    /// can't.
    pub fn new(settings: ResolverSettings, dnssec: Dnssec<'_>) -> Result<Self, LookupError> {
        let inner = match dnssec {
            Dnssec::Validate(anchor) => Inner::Validating(Box::new(validating(&settings, anchor)?)),
            Dnssec::TrustAd => Inner::TrustingAd(trusting(&settings)?),
        };
        Ok(Self { inner, settings })
    }

    /// The hosts that take mail for `domain`, in the order in which they are to be tried.
    ///
    /// # Errors
    /// As [`super::Resolver::mail_hosts`]; [`LookupError::Bogus`] for a forged or unprovable answer.
    pub async fn mail_hosts(&self, domain: &Domain) -> Result<ProvenHosts, LookupError> {
        let start = name(domain.as_str())?;
        let answer = self.ask(start.clone(), RecordType::MX).await?;
        let hosts = resolver::mail_hosts_in(&answer.records, &self.settings)?;
        let mut next_hop = vec![shown(&start)];
        let canonical = answer.canonical(&start);
        if canonical != start {
            next_hop.push(shown(&canonical));
        }
        Ok(ProvenHosts {
            hosts,
            secure: answer.secure,
            next_hop,
        })
    }

    /// The addresses of a host, of both families in turn, IPv6 first.
    ///
    /// # Errors
    /// As [`super::Resolver::addresses`]; [`LookupError::Bogus`] if no address is left beside forged answers.
    pub async fn addresses(&self, host: &str) -> Result<ProvenAddresses, LookupError> {
        let start = name(host)?;
        let (v6, v4) = tokio::join!(
            self.ask(start.clone(), RecordType::AAAA),
            self.ask(start.clone(), RecordType::A)
        );
        let records = |answer: &Result<Answer, LookupError>| {
            let records = answer.as_ref().map(|answer| answer.records.clone());
            records.map_err(|error| *error)
        };
        let limit = self.settings.max_addresses;
        let addresses = resolver::addresses_in(&records(&v6), &records(&v4), limit)?;
        let found: Vec<&Answer> = [&v6, &v4]
            .into_iter()
            .flatten()
            .filter(|answer| !answer.records.is_empty())
            .collect();
        let canonical = found.first().map(|answer| answer.canonical(&start));
        let alias = canonical.filter(|canonical| *canonical != start);
        let secure = !found.is_empty() && found.iter().all(|answer| answer.secure);
        let tlsa_bases = match (secure, alias) {
            (true, Some(alias)) => vec![shown(&alias), shown(&start)],
            (true, None) => vec![shown(&start)],
            // A signed alias of an unsigned name: whoever signed the alias may vouch for its certificate.
            (false, Some(_)) if self.has_secure_alias(&start).await => vec![shown(&start)],
            (false, _) => Vec::new(),
        };
        Ok(ProvenAddresses {
            addresses,
            tlsa_bases,
        })
    }

    async fn has_secure_alias(&self, host: &Name) -> bool {
        let answer = self.ask(host.clone(), RecordType::CNAME).await;
        answer.is_ok_and(|answer| answer.secure && !answer.records.is_empty())
    }

    /// The TLSA records of a port of this name (RFC 6698 §3), as far as they are proven: unsigned ones don't count.
    ///
    /// # Errors
    /// [`LookupError`] if they could not be looked up, or were forged: then nobody knows whether there are any.
    pub async fn tlsa(&self, base: &str, port: u16) -> Result<Vec<Tlsa>, LookupError> {
        let owner = name(&format!("_{port}._tcp.{base}"))?;
        let answer = match self.ask(owner, RecordType::TLSA).await {
            Err(LookupError::NoSuchDomain) => return Ok(Vec::new()),
            answer => answer?,
        };
        if !answer.secure {
            return Ok(Vec::new());
        }
        let records = answer
            .records
            .iter()
            .filter_map(|record| match &record.data {
                RData::TLSA(tlsa) => Some(Tlsa::new(
                    tlsa.cert_usage.into(),
                    tlsa.selector.into(),
                    tlsa.matching.into(),
                    tlsa.cert_data.clone(),
                )),
                _ => None,
            });
        Ok(records.take(MOST_TLSA).collect())
    }

    async fn ask(&self, name: Name, kind: RecordType) -> Result<Answer, LookupError> {
        let asked = async {
            match &self.inner {
                Inner::Validating(resolver) => validated(resolver, name, kind).await,
                Inner::TrustingAd(pool) => told(pool, name, kind).await,
            }
        };
        timeout(self.settings.deadline, asked)
            .await
            .unwrap_or(Err(LookupError::Temporary(Hitch::TimedOut)))
    }
}

fn name(text: &str) -> Result<Name, LookupError> {
    let text = text.trim_end_matches('.');
    Name::from_ascii(format!("{text}.")).map_err(|_| LookupError::NoSuchDomain)
}

/// A name as mail knows it: lower case, no dot at the end.
fn shown(name: &Name) -> Box<str> {
    let text = name.to_ascii().to_ascii_lowercase();
    text.trim_end_matches('.').into()
}

/// Whether a file can be the trust anchor.
pub fn is_trust_anchor(file: &Path) -> bool {
    anchors(file).is_ok()
}

fn anchors(file: &Path) -> Result<TrustAnchors, LookupError> {
    let anchors = TrustAnchors::from_file(file).map_err(|_| LookupError::Anchor)?;
    match anchors.is_empty() {
        true => Err(LookupError::Anchor),
        false => Ok(anchors),
    }
}

fn validating(
    settings: &ResolverSettings,
    anchor: Option<&Path>,
) -> Result<TokioResolver, LookupError> {
    let mut builder = resolver::builder(settings)?;
    let options = builder.options_mut();
    options.validate = true;
    // The aliases on the way have to be proven too.
    options.preserve_intermediates = true;
    if let Some(file) = anchor {
        builder = builder.with_trust_anchor(Arc::new(anchors(file)?));
    }
    builder.build().map_err(|_| LookupError::Setup)
}

/// Without a cache: the resolver on this machine has one.
fn trusting(
    settings: &ResolverSettings,
) -> Result<NameServerPool<TokioRuntimeProvider>, LookupError> {
    let (config, mut options) = match settings.servers.as_slice() {
        [] => hickory_resolver::system_conf::read_system_conf().map_err(|_| LookupError::Setup)?,
        servers => (resolver::only(servers), ResolverOpts::default()),
    };
    resolver::options(&mut options, settings);
    let ResolverConfig { name_servers, .. } = config;
    let tls = TlsConfig::new().map_err(|_| LookupError::Setup)?;
    let context = Arc::new(PoolContext::new(options, tls));
    Ok(NameServerPool::from_config(
        name_servers,
        context,
        TokioRuntimeProvider::default(),
    ))
}

async fn validated(
    resolver: &TokioResolver,
    name: Name,
    kind: RecordType,
) -> Result<Answer, LookupError> {
    match resolver.lookup(name, kind).await {
        Ok(lookup) => judged(data(lookup.answers())),
        Err(NetError::Dns(DnsError::DnssecBogus)) => Err(LookupError::Bogus),
        Err(NetError::Dns(DnsError::Nsec {
            proof, response, ..
        })) => match (proof, response.response_code) {
            (Proof::Insecure, ResponseCode::NXDomain) => Err(LookupError::NoSuchDomain),
            (Proof::Insecure, ResponseCode::NoError) => judged(data(&response.answers)),
            _ => Err(LookupError::Bogus),
        },
        // The validator has seen the proof that there is none.
        Err(error) => resolver::read_error(&error).map(|_| Answer {
            records: Vec::new(),
            secure: true,
        }),
    }
}

/// Proven if all records are. One of which nobody knows whether it should be signed is as good as forged.
fn judged(records: Vec<Record>) -> Result<Answer, LookupError> {
    let is = |record: &Record| record.proof;
    if records
        .iter()
        .any(|record| !matches!(is(record), Proof::Secure | Proof::Insecure))
    {
        return Err(LookupError::Bogus);
    }
    let secure = !records.is_empty() && records.iter().all(|record| is(record).is_secure());
    Ok(Answer { records, secure })
}

async fn told(
    pool: &NameServerPool<TokioRuntimeProvider>,
    name: Name,
    kind: RecordType,
) -> Result<Answer, LookupError> {
    let mut options = DnsRequestOptions::default();
    options.use_edns = true;
    // A resolver says what it proved only to those who ask for proof (RFC 6840 §5.7).
    options.edns_set_dnssec_ok = true;
    options.recursion_desired = true;
    let response = pool
        .lookup(Query::query(name, kind), options)
        .first_answer()
        .await
        .and_then(|response| DnsError::from_response(response).map_err(NetError::from));
    match response {
        Ok(response) => Ok(Answer {
            records: data(&response.answers),
            secure: response.metadata.authentic_data,
        }),
        // SERVFAIL is what a resolver that validates says of forged answers.
        Err(error) => resolver::read_error(&error).map(|_| Answer {
            records: Vec::new(),
            secure: false,
        }),
    }
}

/// Without the signatures.
fn data(records: &[Record]) -> Vec<Record> {
    let is_data = |record: &&Record| record.record_type() != RecordType::RRSIG;
    records.iter().filter(is_data).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_good_as_its_worst_record() {
        let judge = |proofs: &[Proof]| {
            let records = proofs.iter().map(|proof| {
                let address = RData::A(std::net::Ipv4Addr::LOCALHOST.into());
                let mut record = Record::from_rdata(Name::root(), 60, address);
                record.proof = *proof;
                record
            });
            judged(records.collect()).map(|answer| answer.secure)
        };
        let (good, unsigned) = (Proof::Secure, Proof::Insecure);
        assert_eq!(judge(&[good, good]), Ok(true));
        assert_eq!(judge(&[good, unsigned]), Ok(false));
        assert_eq!(judge(&[unsigned]), Ok(false));
        assert_eq!(judge(&[]), Ok(false), "nothing proves nothing");
        for doubtful in [Proof::Bogus, Proof::Indeterminate] {
            for beside in [good, unsigned] {
                assert_eq!(judge(&[beside, doubtful]), Err(LookupError::Bogus));
            }
        }
    }
}
