//! What delivery is built with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::SignedDuration;

use super::{Settings, SettingsError, port};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::delivery::destination::Limits;
use crate::delivery::engine::{EngineSettings, Network};
use crate::delivery::policy::results::{NoResults, TlsResults};
use crate::delivery::policy::{Overrides, Planner, Require};
use crate::delivery::route::{Ourselves, Reach, Router, StaticRoutes};
use crate::delivery::schedule::Schedule;
use crate::delivery::signing::Selectors;
use crate::delivery::sts::{Fetcher, StsCache};
use crate::dns::{Dnssec, Resolver, ResolverSettings, SecureResolver};
use crate::report::TlsTally;
use crate::smtp::client::{Dialer, HelloName, SessionLimits, Timeouts, TlsSetup};
use crate::store::Store;
use crate::tls::trusted_roots;

/// What outlives the configuration when other servers have to prove who they are.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The MTA-STS policies at hand; none while the store is locked.
    pub(super) sts: Option<StsCache>,
    /// What came of connections.
    pub(super) tally: Option<Arc<TlsTally>>,
}

impl Trust {
    /// With the policies in this store, and nothing counted yet.
    pub fn new(store: &Store, clock: &Clock) -> Self {
        Self {
            sts: Some(StsCache::new(store.clone(), clock.clone())),
            tally: Some(Arc::new(TlsTally::new(clock.clone()))),
        }
    }

    /// What came of connections.
    pub fn tally(&self) -> Option<&Arc<TlsTally>> {
        self.tally.as_ref()
    }

    fn results(&self) -> Arc<dyn TlsResults> {
        match &self.tally {
            Some(tally) => tally.clone(),
            None => Arc::new(NoResults),
        }
    }
}

pub(super) fn overrides(policies: &BTreeMap<String, config::RequireTls>) -> Overrides {
    let mut overrides = Overrides::default();
    for (pattern, require) in policies {
        let require = match require {
            config::RequireTls::Encrypted => Require::Encrypted,
            config::RequireTls::Verified => Require::Verified,
            config::RequireTls::Dane => Require::Dane,
        };
        // The configuration refuses what is no domain.
        overrides.add(pattern, require);
    }
    overrides
}

/// The selectors of our signatures.
pub(in crate::daemon) fn selectors(config: &Config) -> Selectors {
    Selectors {
        rsa: config.dkim.rsa_selector.to_string(),
        ed25519: config.dkim.ed25519_selector.to_string(),
    }
}

/// When mail is tried again, and for how long.
pub(in crate::daemon) fn schedule(config: &Config) -> Schedule {
    let delivery = &config.delivery;
    let span = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    let usual = Schedule::default();
    Schedule {
        waits: delivery.retry.iter().copied().map(span).collect(),
        staff: span(delivery.expire),
        service: usual.service.min(span(delivery.expire)),
        copy: usual.copy.min(span(delivery.expire)),
        delayed_after: span(delivery.late_notice),
        ..usual
    }
}

/// Sections have no other way to be compared; none of them holds a secret.
pub(super) fn shown(section: &impl std::fmt::Debug) -> String {
    format!("{section:?}")
}

/// What the engine and the queue are told once.
pub(super) fn kept_by_the_engine(config: &Config) -> String {
    let delivery = &config.delivery;
    shown(&(
        (delivery.connections, delivery.connections_per_destination),
        (&delivery.retry, delivery.expire, delivery.late_notice),
    ))
}

impl Settings {
    /// How other servers are found and reached. `door` is where our own takes mail: what we send to our own domains comes
    /// in there.
    ///
    /// # Errors
    /// [`SettingsError::Delivery`] if the resolver, a route or TLS can't be set up.
    pub fn network(
        &self,
        door: Option<SocketAddr>,
        trust: &Trust,
    ) -> Result<Network, SettingsError> {
        let wrong = |error: &dyn std::fmt::Display| SettingsError::Delivery(error.to_string());
        let config = &self.config;
        let delivery = &config.delivery;
        let lookups = ResolverSettings {
            servers: delivery.resolver.clone(),
            ..ResolverSettings::default()
        };
        let resolver = Resolver::new(lookups.clone()).map_err(|error| wrong(&error))?;
        let dnssec = match delivery.dnssec {
            config::Dnssec::Validate => Dnssec::Validate(delivery.trust_anchor.as_deref()),
            config::Dnssec::TrustAd => Dnssec::TrustAd,
        };
        let secure = SecureResolver::new(lookups, dnssec).map_err(|error| wrong(&error))?;
        let roots = trusted_roots(delivery.trusted_certificates.as_deref());
        let tls = TlsSetup::new(Some(roots.map_err(|error| wrong(&error))?));
        let tls = tls.map_err(|error| wrong(&error))?;
        let reach = match delivery.private_networks {
            true => Reach::Anywhere,
            false => Reach::Public,
        };
        let fetcher = Fetcher {
            resolver: resolver.clone(),
            tls: tls.verified(),
            port: port(delivery.mta_sts_port),
            reach,
        };
        let routes: Vec<(String, String)> = config
            .delivery
            .route
            .iter()
            .map(|(key, to)| (key.clone(), to.to_string()))
            .collect();
        let routes = routes.iter().map(|(key, to)| (key.as_str(), to.as_str()));
        let mut routes = StaticRoutes::parse(routes).map_err(|error| wrong(&error))?;
        if let Some(door) = door {
            routes.bring_home(&config.domains, door);
        }
        let mut names = config.domains.clone();
        names.push(config.hostname.clone());
        Ok(Network {
            planner: Planner {
                sts: trust.sts.as_ref().map(|sts| sts.with(fetcher)),
                overrides: overrides(&delivery.tls_policy),
                results: trust.results(),
            },
            router: Router {
                resolver,
                secure: Some(secure),
                routes,
                ourselves: Ourselves {
                    names,
                    addresses: Vec::new(),
                },
                port: port(delivery.smtp_port),
                reach,
            },
            dialer: Dialer {
                hello: HelloName::parse(config.ehlo_name().as_str())
                    .map_err(|error| wrong(&error))?,
                tls,
                timeouts: Timeouts::default(),
                limits: SessionLimits::default(),
                sources: config.delivery.source_addresses.clone(),
            },
        })
    }

    /// How much is sent at once.
    pub fn engine(&self) -> EngineSettings {
        let delivery = &self.config.delivery;
        let many = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let usual = EngineSettings::default();
        EngineSettings {
            limits: Limits {
                total: many(delivery.connections),
                each: many(delivery.connections_per_destination),
                ..usual.limits
            },
            ..usual
        }
    }
}
