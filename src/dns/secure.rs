//! Look-ups whose answers are proven by DNSSEC, or proven not to be signed: where mail goes, at which addresses, and which
//! certificate is expected there (RFC 7672). A forged answer is an error here and never an unsigned one.
//!
//! The validator is hickory's. It takes one kind of wildcard answer (NSEC, one label deep) for a forgery, so that it is
//! asked for nothing but this; whoever writes to us is judged by another resolver.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle as _, FirstAnswer as _};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::{
    DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode,
};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig, TokioResolver};
use tokio::time::timeout;

use super::error::{Hitch, LookupError};
use super::mx::MailHosts;
use super::proof::{Answer, data, judged, stands_alone};
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
    /// None believes what the servers say of proof.
    validator: Option<Box<Validator>>,
    servers: Servers,
    settings: ResolverSettings,
}

type Servers = NameServerPool<TokioRuntimeProvider>;

/// Who checks signatures.
#[derive(Clone)]
struct Validator {
    /// With a cache. It keeps to itself what it finds fault with.
    resolver: TokioResolver,
    /// Without one. It says what it finds fault with.
    bare: DnssecDnsHandle<Servers>,
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

impl SecureResolver {
    /// A resolver that asks the same servers as [`super::Resolver`] with these settings.
    ///
    /// # Errors
    /// [`LookupError::Setup`] if the system's configuration can't be read; [`LookupError::Anchor`] if the trust anchor
    /// can't.
    pub fn new(settings: ResolverSettings, dnssec: Dnssec<'_>) -> Result<Self, LookupError> {
        let servers = servers(&settings)?;
        let validator = match dnssec {
            Dnssec::Validate(anchor) => {
                let validator = validating(&settings, anchor, servers.clone())?;
                Some(Box::new(validator))
            }
            Dnssec::TrustAd => None,
        };
        Ok(Self {
            validator,
            servers,
            settings,
        })
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

    /// Whether what is said of this name by the zone that it is the top of is forged, or can't be proven.
    pub async fn is_bogus(&self, zone: &str) -> bool {
        let Ok(zone) = name(zone) else { return false };
        let answer = self.ask(zone, RecordType::NS).await;
        matches!(answer, Err(LookupError::Bogus))
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
            let query = Query::query(name.clone(), kind);
            let answer = match &self.validator {
                Some(validator) => validated(validator, name, kind).await,
                None => told(&self.servers, query.clone()).await,
            };
            match answer {
                Err(LookupError::Temporary(Hitch::ServerFailure))
                    if withholds(&self.servers, query).await =>
                {
                    Err(LookupError::Bogus)
                }
                answer => answer,
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
    servers: Servers,
) -> Result<Validator, LookupError> {
    let anchors = Arc::new(match anchor {
        Some(file) => anchors(file)?,
        None => TrustAnchors::default(),
    });
    let mut builder = resolver::builder(settings)?.with_trust_anchor(anchors.clone());
    let options = builder.options_mut();
    options.validate = true;
    // The aliases on the way have to be proven too.
    options.preserve_intermediates = true;
    Ok(Validator {
        resolver: builder.build().map_err(|_| LookupError::Setup)?,
        bare: DnssecDnsHandle::with_trust_anchor(servers, anchors),
    })
}

/// Without a cache: the resolver on this machine has one.
fn servers(settings: &ResolverSettings) -> Result<Servers, LookupError> {
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
    validator: &Validator,
    name: Name,
    kind: RecordType,
) -> Result<Answer, LookupError> {
    let query = Query::query(name.clone(), kind);
    match validator.resolver.lookup(name, kind).await {
        Ok(lookup) => judged(data(lookup.answers())),
        Err(NetError::Dns(DnsError::DnssecBogus)) => again(&validator.bare, query).await,
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

/// Looks at what the validator has found fault with. It can be with a denial that nobody had asked for.
async fn again(bare: &DnssecDnsHandle<Servers>, query: Query) -> Result<Answer, LookupError> {
    match bare.send(request(query.clone())).first_answer().await {
        Err(NetError::Dns(DnsError::Nsec { response, .. }))
            if response.response_code == ResponseCode::NoError
                && stands_alone(&query, &response.answers) =>
        {
            judged(data(&response.answers))
        }
        _ => Err(LookupError::Bogus),
    }
}

async fn told(servers: &Servers, query: Query) -> Result<Answer, LookupError> {
    match answer(servers, request(query)).await {
        Ok(response) => Ok(Answer {
            records: data(&response.answers),
            secure: response.metadata.authentic_data,
        }),
        Err(error) => resolver::read_error(&error).map(|_| Answer {
            records: Vec::new(),
            secure: false,
        }),
    }
}

/// Whether the servers have an answer after all, which they gave out as a failure: SERVFAIL is what a resolver that
/// validates says of forged answers, and of much else. Without its checks (RFC 4035 §3.2.2) it says what it found.
async fn withholds(servers: &Servers, query: Query) -> bool {
    let mut request = request(query);
    request.metadata.checking_disabled = true;
    match answer(servers, request).await {
        Ok(_) => true,
        Err(error) => matches!(
            resolver::read_error(&error),
            Ok(_) | Err(LookupError::NoSuchDomain)
        ),
    }
}

fn request(query: Query) -> DnsRequest {
    let mut options = DnsRequestOptions::default();
    options.use_edns = true;
    // A resolver says what it proved only to those who ask for proof (RFC 6840 §5.7).
    options.edns_set_dnssec_ok = true;
    options.recursion_desired = true;
    DnsRequest::from_query(query, options)
}

async fn answer(servers: &Servers, request: DnsRequest) -> Result<DnsResponse, NetError> {
    let response = servers.send(request).first_answer().await?;
    DnsError::from_response(response).map_err(NetError::from)
}
