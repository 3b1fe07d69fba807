//! The resolver: hickory's, with our own deadline, bounds and errors. It caches by itself, as long as the records say.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
    ServerOrderingStrategy,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::time::timeout;

use crate::address::Domain;
use crate::dns::error::{Hitch, LookupError};
use crate::dns::mx::{MailHosts, MxHost, Shuffle, host_name, in_order};

/// How names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverSettings {
    /// The recursive resolvers to ask, each if the one before doesn't answer; without any, those of the system
    /// (`/etc/resolv.conf`).
    pub servers: Vec<SocketAddr>,
    /// The longest a look-up takes, with all its retries.
    pub deadline: Duration,
    /// Hosts taken from an MX answer.
    pub max_hosts: usize,
    /// Addresses taken for a host.
    pub max_addresses: usize,
    /// How long one name server is waited for; it is asked twice.
    pub patience: Duration,
    /// Answers remembered at once, those that say "there is none" among them.
    pub cache: u64,
}

impl ResolverSettings {
    /// For verdicts on incoming mail, whose names strangers choose: somebody waits at the other end, and an answer may
    /// be as large as 64 KiB.
    pub fn for_verdicts(servers: Vec<SocketAddr>, deadline: Duration) -> Self {
        Self {
            servers,
            deadline,
            patience: deadline.min(Duration::from_secs(3)),
            cache: 512,
            ..Self::default()
        }
    }
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            deadline: Duration::from_secs(20),
            max_hosts: 12,
            max_addresses: 16,
            patience: Duration::from_secs(5),
            cache: 8_192,
        }
    }
}

/// Looks names up. Clones share one cache.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
    settings: ResolverSettings,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Resolver {
    /// # Errors
    /// [`LookupError::Setup`] if the system's configuration can't be read.
    pub fn new(settings: ResolverSettings) -> Result<Self, LookupError> {
        let builder = builder(&settings)?;
        let inner = builder.build().map_err(|_| LookupError::Setup)?;
        Ok(Self { inner, settings })
    }

    pub(super) fn from_parts(inner: TokioResolver, settings: ResolverSettings) -> Self {
        Self { inner, settings }
    }

    /// The hosts that take mail for `domain`, in the order in which they are to be tried.
    ///
    /// # Errors
    /// [`LookupError`]; [`LookupError::NoAddress`] if all its MX records name nothing that can be a host.
    pub async fn mail_hosts(&self, domain: &Domain) -> Result<MailHosts, LookupError> {
        let answer = self.look_up(domain.as_str(), RecordType::MX).await?;
        let records = answer.as_ref().map(Lookup::answers).unwrap_or_default();
        mail_hosts_in(records, &self.settings)
    }

    /// The addresses of a host, of both families in turn, IPv6 first.
    ///
    /// # Errors
    /// [`LookupError`]. One family that can't be looked up doesn't hide the other.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let (v6, v4) = tokio::join!(
            self.look_up(host, RecordType::AAAA),
            self.look_up(host, RecordType::A)
        );
        let records = |answer: Result<Option<Lookup>, LookupError>| {
            answer.map(|answer| answer.map_or_else(Vec::new, |answer| answer.answers().to_vec()))
        };
        addresses_in(&records(v6), &records(v4), self.settings.max_addresses)
    }

    /// One look-up; `None` if the name exists and has no such record.
    pub(super) async fn look_up(
        &self,
        name: &str,
        kind: RecordType,
    ) -> Result<Option<Lookup>, LookupError> {
        // The dot at the end keeps the system's search list out of it.
        let name = Name::from_ascii(format!("{name}.")).map_err(|_| LookupError::NoSuchDomain)?;
        match timeout(self.settings.deadline, self.inner.lookup(name, kind)).await {
            Err(_) => Err(LookupError::Temporary(Hitch::TimedOut)),
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(error)) => read_error(&error),
        }
    }
}

/// Hickory's, with our servers and options.
pub(super) fn builder(
    settings: &ResolverSettings,
) -> Result<ResolverBuilder<TokioRuntimeProvider>, LookupError> {
    let mut builder = match settings.servers.as_slice() {
        [] => TokioResolver::builder_tokio().map_err(|_| LookupError::Setup)?,
        servers => {
            TokioResolver::builder_with_config(only(servers), TokioRuntimeProvider::default())
        }
    };
    options(builder.options_mut(), settings);
    Ok(builder)
}

/// The mail hosts in an answer, in the order in which they are to be tried.
pub(super) fn mail_hosts_in(
    records: &[Record],
    settings: &ResolverSettings,
) -> Result<MailHosts, LookupError> {
    let records: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.data {
            RData::MX(mx) => Some(mx),
            _ => None,
        })
        .collect();
    if records.is_empty() {
        return Ok(MailHosts::Implicit);
    }
    // RFC 7505 §3: a null MX is alone. Beside others it's a mistake, and they count.
    if records.iter().all(|mx| mx.exchange.is_root()) {
        return Err(LookupError::NullMx);
    }
    let named = records.iter().filter_map(|mx| {
        let name = host_name(&mx.exchange.to_ascii())?;
        Some(MxHost {
            preference: mx.preference,
            name,
        })
    });
    let hosts = in_order(named.collect(), settings.max_hosts, &mut Shuffle::random());
    if hosts.is_empty() {
        Err(LookupError::NoAddress)
    } else {
        Ok(MailHosts::Mx(hosts))
    }
}

pub(super) fn only(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let connections =
            [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
        NameServerConfig::new(server.ip(), true, connections.into())
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}

pub(super) fn options(options: &mut ResolverOpts, settings: &ResolverSettings) {
    options.timeout = settings.patience;
    options.cache_size = settings.cache;
    options.attempts = 2;
    // As the configuration lists them: the first answers, the others stand in for it.
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options.try_tcp_on_error = true;
    // Mail goes by DNS alone: a name in /etc/hosts must not turn a stranger's MX into this machine.
    options.use_hosts_file = ResolveHosts::Never;
    // A day is long enough for a record to be wrong, and five minutes for it to be absent.
    options.positive_max_ttl = Some(Duration::from_secs(86_400));
    options.negative_max_ttl = Some(Duration::from_secs(300));
}

pub(super) fn read_error(error: &NetError) -> Result<Option<Lookup>, LookupError> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. })) => {
            match *response_code {
                ResponseCode::NoError => Ok(None),
                ResponseCode::NXDomain => Err(LookupError::NoSuchDomain),
                _ => Err(LookupError::Temporary(Hitch::ServerFailure)),
            }
        }
        NetError::Dns(_) => Err(LookupError::Temporary(Hitch::ServerFailure)),
        NetError::Timeout => Err(LookupError::Temporary(Hitch::TimedOut)),
        _ => Err(LookupError::Temporary(Hitch::Unreachable)),
    }
}

type Answer = Result<Vec<Record>, LookupError>;

/// The addresses in two answers, of both families in turn. One family that can't be looked up doesn't hide the other.
pub(super) fn addresses_in(
    v6: &Answer,
    v4: &Answer,
    limit: usize,
) -> Result<Vec<IpAddr>, LookupError> {
    let found = interleave(v6, v4, limit);
    if !found.is_empty() {
        return Ok(found);
    }
    // NXDOMAIN is about the name: one is enough. A failure leaves open what the other family would have said.
    let errors = [v6.as_ref().err(), v4.as_ref().err()];
    let first = |want: fn(&LookupError) -> bool| errors.iter().flatten().copied().find(|e| want(e));
    let no_such = first(|error| *error == LookupError::NoSuchDomain);
    Err(no_such
        .or_else(|| first(LookupError::is_temporary))
        .copied()
        .unwrap_or(LookupError::NoAddress))
}

fn interleave(v6: &Answer, v4: &Answer, limit: usize) -> Vec<IpAddr> {
    let (mut v6, mut v4) = (addresses_of(v6), addresses_of(v4));
    let mut found = Vec::new();
    loop {
        let turn = [v6.next(), v4.next()];
        if turn == [None, None] {
            break;
        }
        found.extend(turn.into_iter().flatten());
    }
    found.truncate(limit);
    found
}

/// The addresses in an answer, CNAMEs on the way to them left out.
fn addresses_of(answer: &Answer) -> impl Iterator<Item = IpAddr> {
    let records = answer.as_deref().unwrap_or_default();
    records.iter().filter_map(|record| match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    })
}
