//! What a domain's own name servers say, each by itself and past all caches: for those who must know whether a record is
//! published, and not whether somebody remembers it.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::data::{Data, Kind};
use super::error::LookupError;
use super::resolver::{Resolver, ResolverSettings, only, options};

/// Name servers that are asked for a zone.
const MOST: usize = 8;
/// The longest that one of them takes, with its retry.
const DEADLINE: Duration = Duration::from_secs(8);
/// How long it is waited for at once.
const PATIENCE: Duration = Duration::from_secs(3);

/// A name server, asked without recursion.
#[derive(Clone)]
pub struct NameServer {
    /// What it is called.
    pub name: String,
    resolver: Resolver,
}

impl std::fmt::Debug for NameServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NameServer({})", self.name)
    }
}

impl NameServer {
    /// The server at these addresses.
    ///
    /// # Errors
    /// [`LookupError::Setup`].
    pub fn at(name: String, addresses: &[SocketAddr]) -> Result<Self, LookupError> {
        let settings = ResolverSettings {
            servers: addresses.to_vec(),
            deadline: DEADLINE,
            patience: PATIENCE,
            cache: 0,
            ..ResolverSettings::default()
        };
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(only(addresses), provider);
        options(builder.options_mut(), &settings);
        builder.options_mut().recursion_desired = false;
        let inner = builder.build().map_err(|_| LookupError::Setup)?;
        Ok(Self {
            name,
            resolver: Resolver::from_parts(inner, settings),
        })
    }

    /// Its records of this name and kind; none is an empty list, whether or not the name exists.
    ///
    /// # Errors
    /// A temporary [`LookupError`].
    pub async fn data(&self, name: &str, kind: Kind) -> Result<Vec<Data>, LookupError> {
        self.resolver.data(name, kind).await
    }

    /// How long others may remember its records of this name and kind, in seconds; 0 if there are none.
    ///
    /// # Errors
    /// A temporary [`LookupError`].
    pub async fn ttl(&self, name: &str, kind: Kind) -> Result<u32, LookupError> {
        let answer = match self.resolver.look_up(name, kind.record_type()).await {
            Err(LookupError::NoSuchDomain) => return Ok(0),
            answer => answer?,
        };
        let records = answer.as_ref().map(|answer| answer.answers());
        let records = records.unwrap_or_default().iter();
        let own = records.filter(|record| record.record_type() == kind.record_type());
        Ok(own.map(|record| record.ttl).max().unwrap_or(0))
    }
}

impl Resolver {
    /// Records of a kind; none is an empty list, whether or not the name exists.
    ///
    /// # Errors
    /// A temporary [`LookupError`].
    pub async fn data(&self, name: &str, kind: Kind) -> Result<Vec<Data>, LookupError> {
        let answer = match self.look_up(name, kind.record_type()).await {
            Err(LookupError::NoSuchDomain) => return Ok(Vec::new()),
            answer => answer?,
        };
        let records = answer.as_ref().map(|answer| answer.answers());
        let data = records.unwrap_or_default().iter();
        let data = data.filter(|record| record.record_type() == kind.record_type());
        Ok(data.filter_map(|record| Data::read(&record.data)).collect())
    }

    /// The name servers of the zone that a name is in; none if nobody is named.
    ///
    /// # Errors
    /// A temporary [`LookupError`] if the zone can't be found for now.
    pub async fn name_servers(&self, name: &str) -> Result<Vec<NameServer>, LookupError> {
        let mut zone = name;
        // A name of one label is a registry's.
        while zone.contains('.') {
            let found = self.data(zone, Kind::Ns).await?;
            if !found.is_empty() {
                return self.servers_named(found).await;
            }
            zone = zone.split_once('.').map_or("", |(_, parent)| parent);
        }
        Ok(Vec::new())
    }

    async fn servers_named(&self, found: Vec<Data>) -> Result<Vec<NameServer>, LookupError> {
        let mut servers = Vec::new();
        for data in found.into_iter().take(MOST) {
            let Data::Name(name) = data else { continue };
            // One that can't be found can't be asked: the others can.
            let addresses = self.addresses(&name).await.unwrap_or_default();
            let addresses: Vec<_> = addresses.into_iter().map(|ip| (ip, 53).into()).collect();
            if !addresses.is_empty() {
                servers.push(NameServer::at(name, &addresses)?);
            }
        }
        Ok(servers)
    }
}
