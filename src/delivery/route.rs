//! Where a domain's mail goes: by a static route if the configuration has one, else by MX; never to ourselves.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use rustls_pki_types::ServerName;

use crate::address::Domain;
use crate::dns::{
    LookupError, MailHosts, MxHost, ProvenAddresses, Resolver, SecureResolver, is_public,
};

/// The port that servers take mail at.
pub const SMTP_PORT: u16 = 25;

/// A route in the configuration is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteSettingError {
    /// The key.
    #[error("route.{0:?}: the key must be a domain name, \"*.\" and a domain name, or \"*\"")]
    Key(String),
    /// The value.
    #[error("route.{0:?} = {1:?}: write it as host:port or address:port, as in \"127.0.0.1:2525\"")]
    Value(String, String),
}

/// A domain's mail can't be brought anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// What DNS said.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// This host is the domain's best mail server, and it takes no mail for it (RFC 5321 §5.1).
    #[error(
        "the domain's MX points back at this server, which takes no mail for it: check its MX record or `domains`"
    )]
    Ourselves,
    /// All its servers have private or loopback addresses.
    #[error("the domain's mail servers have only private addresses, to which no mail is sent")]
    Unreachable,
}

impl RouteError {
    /// Whether the same question may be answered otherwise later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Lookup(error) if error.is_temporary())
    }

    /// The status code of the failure (RFC 3463, RFC 7505), for a DSN.
    pub fn enhanced(&self) -> (u8, u16, u16) {
        match self {
            Self::Lookup(LookupError::NoSuchDomain) => (5, 1, 2),
            Self::Lookup(LookupError::NullMx) => (5, 1, 10),
            Self::Lookup(LookupError::NoAddress) | Self::Unreachable => (5, 4, 4),
            Self::Lookup(_) => (4, 4, 3),
            Self::Ourselves => (5, 4, 6),
        }
    }
}

/// How a target was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration says so.
    Static,
    /// An MX record.
    Mx,
    /// The domain's own address, for want of an MX record.
    Implicit,
}

/// One mail server to try, with all its addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, or its address if a static route gives no name.
    pub host: Box<str>,
    /// Where to dial, in order.
    pub addresses: Vec<SocketAddr>,
    /// How it was found.
    pub origin: Origin,
    /// The MX record's preference; the lowest is tried first.
    pub preference: u16,
    /// The names under which its TLSA records may stand (RFC 7672 §2.2); none if nothing is proven about it.
    pub tlsa_bases: Vec<Box<str>>,
}

/// A server's name and address tell the domain; that may be one person's, so they aren't shown.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.len();
        write!(f, "Target({:?}, {addresses} addresses)", self.origin)
    }
}

/// Where a domain's mail goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// The servers to try, best first; at least one, each with at least one address.
    pub targets: Vec<Target>,
    /// Whether DNSSEC, or the configuration, vouches for these being the domain's servers.
    pub secure: bool,
    /// The domain, and the name that it is an alias of, if it has MX records.
    pub next_hop: Vec<Box<str>>,
}

/// It names the domain.
impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Found({:?}, secure: {})", self.targets, self.secure)
    }
}

impl Target {
    /// The name for SNI and for the certificate.
    pub fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.to_string()).ok()
    }
}

/// A static route's end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Via {
    Address(SocketAddr),
    Host(Box<str>, u16),
}

/// The static routes of the configuration. They are the admin's word: neither private addresses nor loops are looked
/// for behind them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticRoutes {
    domains: HashMap<Domain, Via>,
    /// By what comes after `*.`: for every name below it, and not for itself.
    below: HashMap<Domain, Via>,
    all: Option<Via>,
}

impl StaticRoutes {
    /// Reads `"*" = "127.0.0.1:2525"`, `"*.example.org" = "relay.example.org:25"` and `"example.org" = "[::1]:25"`.
    ///
    /// # Errors
    /// [`RouteSettingError`] with the key, and the value, that is wrong.
    pub fn parse<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, RouteSettingError> {
        let mut routes = Self::default();
        for (key, value) in settings {
            let wrong = || RouteSettingError::Value(key.to_owned(), value.to_owned());
            let via = Via::parse(value).ok_or_else(wrong)?;
            let domain = |name: &str| {
                Domain::parse(name).map_err(|_| RouteSettingError::Key(key.to_owned()))
            };
            if key == "*" {
                routes.all = Some(via);
            } else if let Some(suffix) = key.strip_prefix("*.") {
                routes.below.insert(domain(suffix)?, via);
            } else {
                routes.domains.insert(domain(key)?, via);
            }
        }
        Ok(routes)
    }

    /// Mail for these domains, which are ours, comes in by our own door like anybody's, unless the configuration sends it
    /// elsewhere by name.
    pub fn bring_home(&mut self, domains: &[Domain], door: SocketAddr) {
        for domain in domains {
            if self.below(domain).is_none() {
                let own = self.domains.entry(domain.clone());
                own.or_insert(Via::Address(door));
            }
        }
    }

    /// The domain's own route, or that of the longest suffix, or the one for all.
    fn find(&self, domain: &Domain) -> Option<&Via> {
        self.domains
            .get(domain)
            .or_else(|| self.below(domain))
            .or(self.all.as_ref())
    }

    fn below(&self, domain: &Domain) -> Option<&Via> {
        let suffixes = domain.as_str().match_indices('.');
        suffixes
            .filter_map(|(dot, _)| domain.as_str().get(dot + 1..))
            .find_map(|suffix| self.below.get(suffix))
    }
}

impl Via {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return (address.port() != 0).then_some(Self::Address(address));
        }
        let (host, port) = text.rsplit_once(':')?;
        let host = Domain::parse(host).ok()?;
        let port = port.parse().ok().filter(|&port: &u16| port != 0)?;
        Some(Self::Host(host.as_str().into(), port))
    }
}

/// Who we are, so that mail is never sent in a circle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ourselves {
    /// Our names, as MX records may have them.
    pub names: Vec<Domain>,
    /// Our addresses.
    pub addresses: Vec<IpAddr>,
}

impl Ourselves {
    fn is_name(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.as_str() == host)
    }

    fn has_any(&self, addresses: &[IpAddr]) -> bool {
        addresses
            .iter()
            .any(|address| self.addresses.contains(&address.to_canonical()))
    }
}

/// Which addresses a route found by DNS may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Only the Internet.
    #[default]
    Public,
    /// Loopback and private networks too; for stories on one host.
    Anywhere,
}

/// Finds the servers for a domain.
#[derive(Debug, Clone)]
pub struct Router {
    /// DNS.
    pub resolver: Resolver,
    /// DNS that proves what it says; without it nothing is proven.
    pub secure: Option<SecureResolver>,
    /// Static routes, which go before DNS.
    pub routes: StaticRoutes,
    /// Who we are.
    pub ourselves: Ourselves,
    /// The port of servers found by DNS: [`SMTP_PORT`].
    pub port: u16,
    /// Where DNS may send us.
    pub reach: Reach,
}

impl Router {
    /// The servers to try for `domain`, best first; at least one, each with at least one address. Nothing is proven about
    /// them.
    ///
    /// # Errors
    /// [`RouteError`].
    pub async fn targets(&self, domain: &Domain) -> Result<Vec<Target>, RouteError> {
        self.find(domain, false).await.map(|found| found.targets)
    }

    /// The servers to try for `domain`. If `proven`, by DNS that proves what it says, if there is one at hand: forged
    /// answers are errors then.
    ///
    /// # Errors
    /// [`RouteError`].
    pub async fn find(&self, domain: &Domain, proven: bool) -> Result<Found, RouteError> {
        let dns = Dns {
            plain: &self.resolver,
            secure: self.secure.as_ref().filter(|_| proven),
        };
        if let Some(via) = self.routes.find(domain) {
            let target = static_target(dns, via).await?;
            return Ok(Found {
                targets: vec![target],
                secure: true,
                next_hop: Vec::new(),
            });
        }
        let (hosts, secure, next_hop) = dns.mail_hosts(domain).await?;
        match hosts {
            MailHosts::Mx(hosts) => {
                let hosts = before_ourselves(hosts, &self.ourselves)?;
                Ok(Found {
                    targets: self.mx_targets(dns, hosts).await?,
                    secure,
                    next_hop,
                })
            }
            MailHosts::Implicit => {
                // RFC 5321 §5.1: as if it had an MX with preference 0 that names the domain itself.
                let host = MxHost {
                    preference: 0,
                    name: domain.as_str().into(),
                };
                let hosts = before_ourselves(vec![host], &self.ourselves)?;
                let mut targets = self.mx_targets(dns, hosts).await?;
                targets
                    .iter_mut()
                    .for_each(|target| target.origin = Origin::Implicit);
                // Its own address is what has to be proven (RFC 7672 §2.2.2).
                let secure = targets.iter().all(|target| !target.tlsa_bases.is_empty());
                Ok(Found {
                    targets,
                    secure,
                    next_hop: Vec::new(),
                })
            }
        }
    }

    async fn mx_targets(
        &self,
        dns: Dns<'_>,
        hosts: Vec<MxHost>,
    ) -> Result<Vec<Target>, RouteError> {
        let lookups: Vec<_> = hosts
            .iter()
            .map(|host| {
                let (plain, secure) = (dns.plain.clone(), dns.secure.cloned());
                let name = host.name.clone();
                tokio::spawn(async move {
                    let secure = secure.as_ref();
                    Dns {
                        plain: &plain,
                        secure,
                    }
                    .addresses(&name)
                    .await
                })
            })
            .collect();
        let mut found = Vec::with_capacity(hosts.len());
        for (host, lookup) in hosts.into_iter().zip(lookups) {
            // A look-up that panicked is one that failed.
            let hitch = LookupError::Temporary(crate::dns::Hitch::Unreachable);
            found.push((host, lookup.await.unwrap_or(Err(hitch))));
        }
        choose(found, &self.ourselves, self.reach, self.port)
    }
}

/// DNS, with or without proof.
#[derive(Clone, Copy)]
struct Dns<'a> {
    plain: &'a Resolver,
    secure: Option<&'a SecureResolver>,
}

impl Dns<'_> {
    async fn mail_hosts(
        self,
        domain: &Domain,
    ) -> Result<(MailHosts, bool, Vec<Box<str>>), LookupError> {
        match self.secure {
            Some(secure) => {
                let found = secure.mail_hosts(domain).await?;
                Ok((found.hosts, found.secure, found.next_hop))
            }
            None => Ok((self.plain.mail_hosts(domain).await?, false, Vec::new())),
        }
    }

    async fn addresses(self, host: &str) -> Result<ProvenAddresses, LookupError> {
        match self.secure {
            Some(secure) => secure.addresses(host).await,
            None => self.plain.addresses(host).await.map(Into::into),
        }
    }
}

async fn static_target(dns: Dns<'_>, via: &Via) -> Result<Target, RouteError> {
    let (host, addresses, tlsa_bases) = match via {
        Via::Address(address) => {
            let host = address.ip().to_string().into();
            (host, vec![*address], Vec::new())
        }
        Via::Host(host, port) => {
            let found = dns.addresses(host).await?;
            let addresses = found.addresses.into_iter();
            let addresses = addresses.map(|ip| SocketAddr::new(ip, *port)).collect();
            (host.clone(), addresses, found.tlsa_bases)
        }
    };
    Ok(Target {
        host,
        addresses,
        origin: Origin::Static,
        preference: 0,
        tlsa_bases,
    })
}

/// RFC 5321 §5.1: when one of the hosts is ourselves, it and all that are no better than it are left out.
fn before_ourselves(
    mut hosts: Vec<MxHost>,
    ourselves: &Ourselves,
) -> Result<Vec<MxHost>, RouteError> {
    let own = hosts
        .iter()
        .filter(|host| ourselves.is_name(&host.name))
        .map(|host| host.preference)
        .min();
    if let Some(own) = own {
        hosts.retain(|host| host.preference < own);
    }
    if hosts.is_empty() {
        Err(RouteError::Ourselves)
    } else {
        Ok(hosts)
    }
}

/// Makes targets of hosts (in their order) and what was found for each.
fn choose(
    found: Vec<(MxHost, Result<ProvenAddresses, LookupError>)>,
    ourselves: &Ourselves,
    reach: Reach,
    port: u16,
) -> Result<Vec<Target>, RouteError> {
    let is_own = |answer: &Result<ProvenAddresses, LookupError>| matches!(answer, Ok(found) if ourselves.has_any(&found.addresses));
    let own = found
        .iter()
        .filter(|(_, answer)| is_own(answer))
        .map(|(host, _)| host.preference)
        .min();
    let (mut targets, mut worst) = (Vec::new(), None);
    for (host, answer) in found {
        if own.is_some_and(|own| host.preference >= own) {
            worst = worst.or(Some(RouteError::Ourselves));
            continue;
        }
        match answer {
            Ok(found) => {
                let ips = found
                    .addresses
                    .into_iter()
                    .filter(|ip| reach == Reach::Anywhere || is_public(*ip));
                let addresses: Vec<_> = ips.map(|ip| SocketAddr::new(ip, port)).collect();
                if addresses.is_empty() {
                    worst = worst.or(Some(RouteError::Unreachable));
                } else {
                    targets.push(Target {
                        host: host.name,
                        addresses,
                        origin: Origin::Mx,
                        preference: host.preference,
                        tlsa_bases: found.tlsa_bases,
                    });
                }
            }
            // Hope goes before all: a host that may be found later makes the whole answer a temporary one.
            Err(error) if error.is_temporary() => worst = Some(error.into()),
            // An MX that names nothing isn't the domain's own absence.
            Err(_) => worst = worst.or(Some(LookupError::NoAddress.into())),
        }
    }
    match worst {
        Some(error) if targets.is_empty() => Err(error),
        _ => Ok(targets),
    }
}

#[cfg(test)]
mod tests;
