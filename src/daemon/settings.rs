//! From the configuration to what each room is told. Rooms don't read the configuration themselves, so that a reload
//! swaps plain data, and a room can be tried without a file.

mod hosted;
mod pace;
mod pages;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::Date;

use crate::address::EmailAddress;
use crate::certificate::CertificateSettings;
use crate::clock::Clock;
use crate::config::{self, Approval, Config, List, Name};
use crate::consent::constituency::{Constituencies, Constituency};
use crate::consent::{ConsentLimits, ConsentSettings, ListSettings, TemplateLetters};
use crate::delivery::destination::Limits;
use crate::delivery::engine::{EngineSettings, Network};
use crate::delivery::policy::results::{NoResults, TlsResults};
use crate::delivery::policy::{Overrides, Planner, Require};
use crate::delivery::route::{Ourselves, Reach, Router, SMTP_PORT, StaticRoutes};
use crate::delivery::schedule::Schedule;
use crate::delivery::signing::{Selectors, Signing, Stream};
use crate::delivery::sts::{Fetcher, StsCache};
use crate::dns::{Dnssec, Resolver, ResolverSettings, SecureResolver};
use crate::list::{ApprovalRule, MailingList, MailingSettings, Pace, Standing};
use crate::report::write::Author;
use crate::report::{DMARC_REPORTS, Ours, ReporterSettings, TlsTally};
use crate::smtp::client::{Dialer, HelloName, SessionLimits, Timeouts, TlsSetup};
use crate::staff::Premises;
use crate::store::Store;
use crate::template::{Lang, Templates, Text, Tongues};
use crate::tls::trusted_roots;
use crate::web::Hosted;

use super::names::addresses;
use pages::{least_age, party, purpose, templates};

/// What can be wrong with a configuration that reads well, found when the rooms are told.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The constituencies.
    #[error("the constituencies can't be used: {0}")]
    Constituencies(String),
    /// Mail to other servers.
    #[error("mail can't be sent with these settings: {0}")]
    Delivery(String),
    /// Certificates.
    #[error("certificates can't be asked for with these settings: {0}")]
    Certificates(String),
}

/// Everything that is made from the configuration and not yet in a room.
pub struct Settings {
    /// The configuration.
    pub config: Arc<Config>,
    /// The templates, with the party in them.
    pub templates: Arc<Templates>,
    /// The constituencies; none if the party doesn't ask.
    pub constituencies: Arc<Constituencies>,
    /// Templates of the party's own that can't be used, each with why; the built-in ones are used in their place.
    pub faults: Vec<String>,
    /// The date of the privacy notice.
    as_of: Date,
}

/// The party's domains, and the addresses in them that belong to lists and role mailboxes.
pub fn premises(config: &Config) -> Premises {
    let mut premises = Premises::new(config.domains.iter().cloned());
    for (key, list) in &config.list {
        if let Some(address) = config.list_address(key) {
            premises = premises.taken(&address, format!("the list {key}"));
        }
        premises = premises.taken(&list.from, format!("the list {key}"));
    }
    for domain in &config.domains {
        if let Ok(address) = EmailAddress::from_parts(DMARC_REPORTS, domain) {
            premises = premises.taken(&address, "DMARC reports".to_owned());
        }
    }
    // Last: the sender of a list is mostly a mailbox, and is better known as that.
    for (name, mailbox) in &config.mailbox {
        premises = premises.mailbox(name.as_str());
        for address in &mailbox.addresses {
            premises = premises.taken(address, format!("the mailbox {name}"));
        }
    }
    premises
}

impl Settings {
    /// Makes everything. `as_of` is the date of this configuration, printed on the privacy notice.
    ///
    /// # Errors
    /// A [`SettingsError`] that names the file and what to mend.
    pub fn new(config: Config, as_of: Date) -> Result<Self, SettingsError> {
        let constituencies = Constituencies::from_config(&config.constituencies)
            .map_err(|error| SettingsError::Constituencies(error.to_string()))?
            .unwrap_or_else(Constituencies::none);
        let (templates, mut faults) = templates(party(&config), config.templates.as_deref());
        for fault in &faults {
            tracing::error!(fault, "an own template is not used");
        }
        faults.extend(pace::unknown(&config));
        Ok(Self {
            config: Arc::new(config),
            templates: Arc::new(templates),
            constituencies: Arc::new(constituencies),
            faults,
            as_of,
        })
    }

    /// What the consent room is told.
    pub fn consent(&self) -> ConsentSettings {
        let config = &self.config;
        ConsentSettings {
            party: config.party.name.clone(),
            lists: config
                .list
                .iter()
                .map(|(key, list)| self.list(key, list))
                .collect(),
            minimum_age: least_age(config),
            languages: Lang::ALL.to_vec(),
            notice: self.notice(),
            constituencies: self.constituencies.clone(),
            base_url: config.pages_url(),
            mail_domain: config.domain().clone(),
            limits: ConsentLimits {
                per_domain_hour: config.limits.challenges_per_domain,
                imported_per_day: config.limits.import_challenges_per_day,
                ..ConsentLimits::default()
            },
        }
    }

    fn list(&self, key: &Name, list: &List) -> ListSettings {
        let purpose = purpose(list);
        ListSettings {
            key: key.as_str().to_owned(),
            title: Text::english(&list.title),
            statement: self.statement(list),
            purpose,
            open: list.open,
        }
    }

    /// The statement beside a list's box: it becomes evidence.
    pub(super) fn statement(&self, list: &List) -> Text {
        let mut statement = self.templates.consent_statement(&purpose(list));
        if let Some(extra) = &list.consent_extra {
            let welsh = statement.cy.zip(list.consent_extra_cy.as_ref());
            statement = Text {
                en: format!("{} {extra}", statement.en),
                cy: welsh.map(|(text, extra)| format!("{text} {extra}")),
            };
        }
        statement
    }

    /// The privacy notice as text: what evidence refers to.
    fn notice(&self) -> Text {
        let text = self.templates.notice_text(&self.privacy());
        text.unwrap_or_else(|_| Text::english(""))
    }

    /// How letters of the consent room are written.
    pub fn letters(&self) -> TemplateLetters {
        TemplateLetters {
            templates: self.templates.clone(),
            from: self.config.party.privacy_contact.clone(),
            from_name: self.config.party.short_name().to_owned(),
            mail_domain: self.config.domain().clone(),
        }
    }

    /// Which addresses staff accounts can't have.
    pub fn premises(&self) -> Premises {
        premises(&self.config)
    }

    /// What the list room is told.
    pub fn mailings(&self, signing: &Signing, standing: Arc<dyn Standing>) -> MailingSettings {
        let config = &self.config;
        MailingSettings {
            lists: config
                .list
                .iter()
                .filter_map(|(key, list)| self.mailing_list(key, list, signing))
                .collect(),
            constituencies: self.constituencies.clone(),
            templates: self.templates.clone(),
            signer: signing.signer(Stream::List, None),
            standing,
            schedule: self.schedule(),
            base_url: config.pages_url(),
            mail_domain: config.domain().clone(),
            notices_from: self.postmaster(),
            pace: Pace::default(),
        }
    }

    fn mailing_list(&self, key: &Name, list: &List, signing: &Signing) -> Option<MailingList> {
        let config = &self.config;
        let wales = self.constituencies.iter().any(Constituency::is_in_wales);
        let bilingual = wales && list.purpose_cy.is_some();
        Some(MailingList {
            key: key.as_str().to_owned(),
            title: Text::english(&list.title),
            addresses: vec![config.list_address(key)?],
            from: list.from.clone(),
            from_name: list
                .from_name
                .clone()
                .unwrap_or_else(|| config.party.short_name().to_owned()),
            reply_to: None,
            signer: signing.signer(Stream::List, Some(list.from.domain())),
            list_id: format!("{key}.{}", config.domain()),
            approval: match list.approval {
                Approval::SelfApproved => ApprovalRule::Sender,
                Approval::SecondPerson => ApprovalRule::SecondPerson,
            },
            by_constituency: list.by_constituency,
            max_size: list.max_size.as_usize(),
            tongues: if bilingual {
                Tongues::Both
            } else {
                Tongues::English
            },
        })
    }

    /// When mail is tried again, and for how long.
    pub fn schedule(&self) -> Schedule {
        schedule(&self.config)
    }

    /// What is ours, as far as reports of others speak of it.
    pub fn ours(&self) -> Ours {
        Ours {
            domains: self.config.domains.clone(),
            addresses: addresses(&self.config),
        }
    }

    /// Who tells other domains of TLS on the way to them.
    pub fn reporter(&self) -> ReporterSettings {
        let config = &self.config;
        ReporterSettings {
            on: config.delivery.tls_reports,
            author: Author {
                organization: config.party.name.clone(),
                submitter: config.domain().clone(),
                contact: self.postmaster(),
            },
            host: config.hostname.clone(),
            own: config.domains.clone(),
        }
    }

    /// What programs fetch from us.
    pub fn hosted(&self) -> Hosted {
        hosted::hosted(&self.config)
    }

    /// How our own certificates are looked after; none if they come from files.
    ///
    /// # Errors
    /// [`SettingsError::Certificates`] if the way to the authority can't be set up.
    pub fn certificates(&self) -> Result<Option<CertificateSettings>, SettingsError> {
        hosted::certificates(&self.config)
    }

    /// The address that notices come from.
    pub fn postmaster(&self) -> EmailAddress {
        EmailAddress::from_parts("postmaster", self.config.domain())
            .expect("a checked domain takes any local part")
    }

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

    /// What differs from the configuration of the start and takes effect at a restart only.
    pub fn needs_restart(&self, started: &Config) -> Vec<String> {
        let (new, old) = (&*self.config, started);
        let mut changed = Vec::new();
        let mut look = |name: &str, differs: bool| {
            if differs {
                changed.push(name.to_owned());
            }
        };
        for (new, old) in new.listen.all().iter().zip(old.listen.all()) {
            look(&format!("listen.{}", old.0), *new != old);
        }
        look("hostname", new.hostname != old.hostname);
        look("domains", new.domains != old.domains);
        look("data_dir", new.data_dir != old.data_dir);
        look("runtime_dir", new.runtime_dir != old.runtime_dir);
        look("key", shown(&new.key) != shown(&old.key));
        look("tls", restarts(&new.tls) != restarts(&old.tls));
        look("dkim", shown(&new.dkim) != shown(&old.dkim));
        look("log", shown(&new.log) != shown(&old.log));
        look("limits.buffers", new.limits.buffers != old.limits.buffers);
        look(
            "delivery",
            kept_by_the_engine(new) != kept_by_the_engine(old),
        );
        changed
    }

    /// The selectors of our signatures.
    pub fn selectors(&self) -> Selectors {
        selectors(&self.config)
    }
}

/// What of the certificates can't be changed while they're served.
fn restarts(tls: &config::Tls) -> String {
    let watched = (&tls.certificate, tls.check_every);
    format!("{:?} {:?} {watched:?}", tls.source, tls.directory)
}

/// What outlives the configuration when other servers have to prove who they are.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The MTA-STS policies at hand; none while the store is locked.
    sts: Option<StsCache>,
    /// What came of connections.
    tally: Option<Arc<TlsTally>>,
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

/// The configuration refuses what is no port.
fn port(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(SMTP_PORT)
}

fn overrides(policies: &BTreeMap<String, config::RequireTls>) -> Overrides {
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
pub(super) fn selectors(config: &Config) -> Selectors {
    Selectors {
        rsa: config.dkim.rsa_selector.to_string(),
        ed25519: config.dkim.ed25519_selector.to_string(),
    }
}

/// When mail is tried again, and for how long.
pub(super) fn schedule(config: &Config) -> Schedule {
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
fn shown(section: &impl std::fmt::Debug) -> String {
    format!("{section:?}")
}

/// What the engine and the queue are told once.
fn kept_by_the_engine(config: &Config) -> String {
    let delivery = &config.delivery;
    shown(&(
        (delivery.connections, delivery.connections_per_destination),
        (&delivery.retry, delivery.expire, delivery.late_notice),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a restart is needed for after this change.
    fn after(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let started = Config::example();
        let mut config = Config::example();
        change(&mut config);
        let settings = Settings::new(config, Date::constant(2026, 11, 21)).expect("is sound");
        settings.needs_restart(&started)
    }

    #[tokio::test]
    async fn mail_to_our_own_domains_comes_in_by_our_own_door() {
        let mut config = Config::example();
        (
            config.delivery.trust_anchor,
            config.delivery.trusted_certificates,
        ) = (None, None);
        let settings = Settings::new(config, Date::constant(2026, 11, 21)).expect("is sound");
        let door = "127.0.0.1:25".parse().expect("an address");
        let network = settings.network(Some(door), &Trust::default());
        let network = network.expect("is sound");
        let found = network.router.find(settings.config.domain(), false).await;
        assert_eq!(found.expect("is routed").targets[0].addresses, [door]);
    }

    #[test]
    fn a_restart_is_asked_for_only_where_it_is_needed() {
        assert!(after(|_| {}).is_empty());
        let none = after(|config| {
            config.limits.connections = 7;
            config.limits.recipients = 7;
            config.limits.signups_per_network = 7;
            config.staff.wrong_passwords = 7;
            config.staff.messages_per_day = 7;
        });
        assert!(none.is_empty(), "{none:?}");
        let some = after(|config| {
            config.listen.smtp.addresses.clear();
            config.listen.https.fd = "other".into();
            config.delivery.connections = 7;
            config.limits.buffers = crate::config::ByteSize::mib(9);
        });
        let expected = ["listen.smtp", "listen.https", "limits.buffers", "delivery"];
        assert_eq!(some, expected);
    }
}
