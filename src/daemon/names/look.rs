//! Looks the party's records up: at the name servers of each zone, through the resolver, and at the network.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::address::Domain;
use crate::config::{self, Config, HostPort};
use crate::daemon::mail_in::names::Lookups;
use crate::dns::{
    Dnssec, Hitch, Kind, LookupError, NameServer, Resolver, ResolverSettings, SecureResolver,
    is_listing, listing_name,
};
use crate::message::verdict::spf::{Sending, SpfResult, check_sender};
use crate::zone::{Answer, Asked, Looks, Proof, Reach, Reverse, Silent};

/// The longest that one look-up takes.
const EACH: Duration = Duration::from_secs(8);
/// How long a mail server elsewhere may take to greet.
const GREETING: Duration = Duration::from_secs(8);
/// How often a name server may be silent in one look.
const SILENT: u8 = 2;
/// Who is tried if the configuration names nobody: the mail server of a large provider.
const USUAL: &str = "gmail-smtp-in.l.google.com";

type Servers = Arc<Vec<NameServer>>;

/// One look at everything: what it remembers is new each time.
pub struct Look {
    lookups: Lookups,
    /// It checks DNSSEC as other servers do.
    secure: Option<SecureResolver>,
    /// Instead of those that zones name.
    fixed: Option<Servers>,
    /// By name, as it was asked for.
    servers: Mutex<HashMap<String, Servers>>,
    /// How often a name server gave no answer in time.
    silent: Mutex<HashMap<String, u8>>,
    blocklists: Vec<Domain>,
    probe: Option<HostPort>,
}

impl Look {
    /// As the configuration says.
    ///
    /// # Errors
    /// [`LookupError::Setup`].
    pub fn new(config: &Config) -> Result<Self, LookupError> {
        let settings = ResolverSettings {
            servers: config.delivery.resolver.clone(),
            deadline: EACH,
            patience: EACH / 2,
            cache: 512,
            ..ResolverSettings::default()
        };
        let dnssec = match config.delivery.dnssec {
            config::Dnssec::Validate => Dnssec::Validate(config.delivery.trust_anchor.as_deref()),
            config::Dnssec::TrustAd => Dnssec::TrustAd,
        };
        // A trust anchor that can't be read is told where the service starts.
        let secure = SecureResolver::new(settings.clone(), dnssec).ok();
        let authorities = &config.dns.authorities;
        let fixed: Result<Vec<_>, _> = authorities
            .iter()
            .map(|address| NameServer::at(address.to_string(), &[*address]))
            .collect();
        Ok(Self {
            lookups: Lookups(Resolver::new(settings)?),
            secure,
            fixed: (!authorities.is_empty()).then_some(Arc::new(fixed?)),
            servers: Mutex::default(),
            silent: Mutex::default(),
            blocklists: config.dns.blocklists.clone(),
            probe: config.dns.probe.clone(),
        })
    }

    /// The same as [`Looks::ask`].
    pub(super) async fn ask_all(&self, name: &str, kind: Kind) -> Asked {
        self.ask(name, kind).await
    }

    /// For how long others may remember these records: the longest that one of the zone's name servers says, nothing if
    /// there are no records. None if no server says anything.
    pub(super) async fn ttl(&self, name: &str, kind: Kind) -> Option<SignedDuration> {
        let mut longest = None;
        for server in self.servers(name).await.iter() {
            if let Ok(ttl) = server.ttl(name, kind).await {
                longest = longest.max(Some(ttl));
            }
        }
        longest.map(|ttl| SignedDuration::from_secs(ttl.into()))
    }

    fn resolver(&self) -> &Resolver {
        &self.lookups.0
    }

    async fn servers(&self, name: &str) -> Servers {
        if let Some(fixed) = &self.fixed {
            return fixed.clone();
        }
        let known = || self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(servers) = known().get(name) {
            return servers.clone();
        }
        let found = self.resolver().name_servers(name).await.unwrap_or_default();
        let found = Arc::new(found);
        known().insert(name.to_owned(), found.clone());
        found
    }

    /// Asks one name server. One that was silent a few times is not waited for again.
    async fn ask_one(&self, server: &NameServer, name: &str, kind: Kind) -> Answer {
        let silent = || self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent()
            .get(&server.name)
            .is_some_and(|times| *times >= SILENT)
        {
            return Err(Silent);
        }
        let found = server.data(name, kind).await;
        if found == Err(LookupError::Temporary(Hitch::TimedOut)) {
            *silent().entry(server.name.clone()).or_default() += 1;
        }
        answer(found)
    }

    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        match self.resolver().addresses(name).await {
            Err(LookupError::NoSuchDomain | LookupError::NoAddress) => Ok(Vec::new()),
            found => found,
        }
    }
}

fn answer<T>(found: Result<Vec<T>, LookupError>) -> Result<Vec<T>, Silent> {
    found.map_err(|_| Silent)
}

impl Looks for Look {
    async fn ask(&self, name: &str, kind: Kind) -> Asked {
        // Whether a zone is signed stands in the zone above it.
        let servers = match kind {
            Kind::Ds => Servers::default(),
            _ => self.servers(name).await,
        };
        let asking = servers.iter().map(async |server| {
            let found = self.ask_one(server, name, kind).await;
            (server.name.clone(), found)
        });
        let (authorities, resolver) = tokio::join!(
            futures_util::future::join_all(asking),
            self.resolver().data(name, kind)
        );
        Asked {
            authorities,
            resolver: answer(resolver),
        }
    }

    async fn proof(&self, domain: &str) -> Proof {
        let (Some(secure), Ok(party)) = (&self.secure, Domain::parse(domain)) else {
            return Proof::Unknown;
        };
        match timeout(2 * EACH, secure.mail_hosts(&party)).await {
            Ok(Ok(hosts)) if hosts.secure => Proof::Signed,
            Ok(Ok(_)) => Proof::Unsigned,
            // Where the zone above fails too, it is the resolver that passes no signatures on.
            Ok(Err(LookupError::Bogus)) => {
                let above = domain.split_once('.').map_or(".", |(_, above)| above);
                match timeout(EACH, secure.is_bogus(above)).await {
                    Ok(false) => Proof::Bogus,
                    _ => Proof::Unknown,
                }
            }
            _ => Proof::Unknown,
        }
    }

    async fn spf(&self, domain: &str, from: IpAddr) -> SpfResult {
        let sender = format!("postmaster@{domain}");
        let sending = Sending {
            ip: from,
            helo: domain,
            sender: &sender,
        };
        let checking = check_sender(&self.lookups, sending);
        let checked = timeout(2 * EACH, checking).await;
        checked.map_or(SpfResult::TempError, |(result, _)| result)
    }

    async fn reverse(&self, address: IpAddr) -> Reverse {
        let names = match self.resolver().names_of(address).await {
            Err(LookupError::NoSuchDomain) => Vec::new(),
            found => found.map_err(|_| Silent)?,
        };
        let mut all = Vec::new();
        for name in names {
            let addresses = self.addresses(&name).await.map_err(|_| Silent)?;
            all.push((name, addresses));
        }
        Ok(all)
    }

    async fn listed(&self, address: IpAddr) -> Option<Vec<String>> {
        let mut on = Vec::new();
        let mut asked = false;
        for list in &self.blocklists {
            let name = listing_name(address, list);
            match self.resolver().addresses_of(&name, false).await {
                Ok(answers) => {
                    asked = true;
                    if answers.into_iter().any(is_listing) {
                        on.push(list.to_string());
                    }
                }
                Err(LookupError::NoSuchDomain) => asked = true,
                Err(_) => {}
            }
        }
        asked.then_some(on)
    }

    async fn reach(&self) -> Reach {
        let (host, port) = match &self.probe {
            Some(probe) => (probe.host.as_str(), probe.port),
            None => (USUAL, 25),
        };
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.addresses(host).await.unwrap_or_default(),
        };
        let mut reach = Reach::Unknown;
        for address in addresses.into_iter().take(4) {
            match timeout(GREETING, greets((address, port).into())).await {
                Ok(Ok(true)) => return Reach::Greeted,
                // Without a way to there, as to IPv6 from many hosts, nothing is known.
                Ok(Err(error)) if is_no_network(&error) => {}
                _ => reach = Reach::Shut,
            }
        }
        reach
    }
}

async fn greets(at: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(at).await?;
    let mut first = [0; 3];
    stream.read_exact(&mut first).await?;
    Ok(first == *b"220")
}

fn is_no_network(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::AddrNotAvailable
            | ErrorKind::NetworkDown
    )
}
