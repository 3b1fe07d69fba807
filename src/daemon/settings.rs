//! From the configuration to what each room is told. Rooms don't read the configuration themselves, so that a reload
//! swaps plain data, and a room can be tried without a file.

use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::Date;

use crate::address::EmailAddress;
use crate::config::{Approval, Config, List, Name, Period};
use crate::consent::constituency::{Constituencies, Constituency};
use crate::consent::{ConsentLimits, ConsentSettings, ListSettings, TemplateLetters};
use crate::delivery::destination::Limits;
use crate::delivery::engine::{EngineSettings, Network};
use crate::delivery::route::{Ourselves, Reach, Router, SMTP_PORT, StaticRoutes};
use crate::delivery::schedule::Schedule;
use crate::delivery::signing::Selectors;
use crate::dns::{Resolver, ResolverSettings};
use crate::list::{ApprovalRule, MailingList, MailingSettings, Pace};
use crate::message::dkim::Signer;
use crate::smtp::client::{Dialer, HelloName, SessionLimits, Timeouts, TlsSetup};
use crate::staff::Premises;
use crate::template::{
    Colour, Lang, ListChoice, ListPurpose, Party, Privacy, Promoter, Retention, Seat, Templates,
    Text, Tongues,
};
use crate::web::{Site, SiteParts, by_nation};

/// What can be wrong with a configuration that reads well, found when the rooms are told.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The constituencies.
    #[error("the constituencies can't be used: {0}")]
    Constituencies(String),
    /// Mail to other servers.
    #[error("mail can't be sent with these settings: {0}")]
    Delivery(String),
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
    for (name, mailbox) in &config.mailbox {
        premises = premises.mailbox(name.as_str());
        for address in &mailbox.addresses {
            premises = premises.taken(address, format!("the mailbox {name}"));
        }
    }
    for (key, list) in &config.list {
        if let Some(address) = config.list_address(key) {
            premises = premises.taken(&address, format!("the list {key}"));
        }
        premises = premises.taken(&list.from, format!("the list {key}"));
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
        let (templates, faults) = templates(party(&config), config.templates.as_deref());
        for fault in &faults {
            tracing::error!(fault, "an own template is not used");
        }
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
            let more = |text: &str| format!("{text} {extra}");
            statement = Text {
                en: more(&statement.en),
                cy: statement.cy.as_deref().map(more),
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
    pub fn mailings(&self, signer: Arc<Signer>) -> MailingSettings {
        let config = &self.config;
        MailingSettings {
            lists: config
                .list
                .iter()
                .filter_map(|(key, list)| self.mailing_list(key, list))
                .collect(),
            constituencies: self.constituencies.clone(),
            templates: self.templates.clone(),
            signer,
            schedule: self.schedule(),
            base_url: config.pages_url(),
            mail_domain: config.domain().clone(),
            notices_from: self.postmaster(),
            pace: Pace::default(),
        }
    }

    fn mailing_list(&self, key: &Name, list: &List) -> Option<MailingList> {
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

    /// The address that notices come from.
    pub fn postmaster(&self) -> EmailAddress {
        EmailAddress::from_parts("postmaster", self.config.domain())
            .expect("a checked domain takes any local part")
    }

    /// How other servers are found and reached.
    ///
    /// # Errors
    /// [`SettingsError::Delivery`] if the resolver, a route or TLS can't be set up.
    pub fn network(&self) -> Result<Network, SettingsError> {
        let wrong = |error: &dyn std::fmt::Display| SettingsError::Delivery(error.to_string());
        let config = &self.config;
        let resolver = Resolver::new(ResolverSettings {
            servers: config.delivery.resolver.clone(),
            ..ResolverSettings::default()
        })
        .map_err(|error| wrong(&error))?;
        let routes: Vec<(String, String)> = config
            .delivery
            .route
            .iter()
            .map(|(key, to)| (key.clone(), to.to_string()))
            .collect();
        let routes = routes.iter().map(|(key, to)| (key.as_str(), to.as_str()));
        let mut names = config.domains.clone();
        names.push(config.hostname.clone());
        Ok(Network {
            router: Router {
                resolver,
                routes: StaticRoutes::parse(routes).map_err(|error| wrong(&error))?,
                ourselves: Ourselves {
                    names,
                    addresses: Vec::new(),
                },
                port: SMTP_PORT,
                reach: Reach::Public,
            },
            dialer: Dialer {
                hello: HelloName::parse(config.ehlo_name().as_str())
                    .map_err(|error| wrong(&error))?,
                tls: TlsSetup::new(None).map_err(|error| wrong(&error))?,
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

    /// What differs from other settings and takes effect at a restart only.
    pub fn needs_restart(&self, old: &Self) -> Vec<String> {
        let (new, old) = (&self.config, &old.config);
        let differs = |name: &str, differs: bool| differs.then(|| name.to_owned());
        [
            differs(
                "listen",
                format!("{:?}", new.listen) != format!("{:?}", old.listen),
            ),
            differs("key", format!("{:?}", new.key) != format!("{:?}", old.key)),
            differs("data_dir", new.data_dir != old.data_dir),
            differs("runtime_dir", new.runtime_dir != old.runtime_dir),
            differs("hostname", new.hostname != old.hostname),
            differs(
                "limits",
                format!("{:?}", new.limits) != format!("{:?}", old.limits),
            ),
            differs("log", format!("{:?}", new.log) != format!("{:?}", old.log)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The selectors of our signatures.
    pub fn selectors(&self) -> Selectors {
        Selectors {
            rsa: self.config.dkim.rsa_selector.to_string(),
            ed25519: self.config.dkim.ed25519_selector.to_string(),
        }
    }

    /// What the pages show.
    pub fn site(&self) -> Site {
        let lists = self.config.list.iter().filter(|(_, list)| list.open);
        Site::new(SiteParts {
            templates: templates(party(&self.config), self.config.templates.as_deref()).0,
            lists: lists
                .map(|(key, list)| ListChoice {
                    key: key.as_str().to_owned(),
                    title: Text::english(&list.title),
                    statement: self.statement(list),
                })
                .collect(),
            nations: by_nation(self.constituencies.iter().map(seat)),
            ogl: self.constituencies.is_builtin() && !self.constituencies.is_empty(),
            privacy: self.privacy(),
        })
    }

    fn privacy(&self) -> Privacy {
        let config = &self.config;
        let party = &config.party;
        Privacy {
            date: Some(self.as_of.strftime("%-d %B %Y").to_string()),
            ico_number: party.ico_registration.clone(),
            dpo: party.dpo.clone(),
            minimum_age: least_age(config),
            lists: config
                .list
                .values()
                .map(|list| ListPurpose {
                    title: Text::english(&list.title),
                    purpose: purpose(list),
                })
                .collect(),
            recipients: vec![self.templates.host(&party.hosting)],
            location: Text::english(&party.hosting),
            transfers: None,
            retention: retention(config),
            complaint_form: None,
            ogl: self.constituencies.is_builtin() && !self.constituencies.is_empty(),
        }
    }
}

/// The party's own templates over the built-in ones, and what is wrong with those that are not used. A built-in text is
/// whole in law, and evidence refers to the words that were shown: so it may always stand in for a faulty one.
fn templates(party: Party, directory: Option<&Path>) -> (Templates, Vec<String>) {
    let Some(directory) = directory else {
        return (Templates::builtin(party), Vec::new());
    };
    let (templates, faults) = Templates::load(party, directory);
    let faults = faults.iter().map(ToString::to_string);
    (templates, faults.collect())
}

fn party(config: &Config) -> Party {
    let imprint = &config.imprint;
    Party {
        name: config.party.name.clone(),
        address: config.party.postal_address.clone(),
        email: config.party.privacy_contact.to_string(),
        url: config.pages_url(),
        promoter: imprint.promoter.as_ref().map(|name| Promoter {
            name: name.clone(),
            address: imprint
                .promoter_address
                .clone()
                .unwrap_or_else(|| config.party.postal_address.clone()),
        }),
        colour: Colour::parse(&config.party.colours.accent.to_string())
            .expect("the configuration's colours are written alike"),
    }
}

fn purpose(list: &List) -> Text {
    Text {
        en: list.purpose.clone(),
        cy: list.purpose_cy.clone(),
    }
}

/// The configuration refuses ages that don't fit.
fn least_age(config: &Config) -> u8 {
    u8::try_from(config.minimum_age).unwrap_or(u8::MAX)
}

fn retention(config: &Config) -> Retention {
    let keep = &config.retention;
    // What is given in another unit is rounded up: the notice must not promise less than is kept.
    let months = |period: Period| {
        let span = period.to_span();
        let whole = span.get_months() + 12 * i32::from(span.get_years());
        u32::try_from(whole).unwrap_or(0) + u32::try_from(span.get_days()).unwrap_or(0).div_ceil(28)
    };
    let days = |period: Period| {
        let span = period.to_span();
        let long = 31 * span.get_months() + 366 * i32::from(span.get_years());
        u32::try_from(span.get_days() + long).unwrap_or(0)
    };
    Retention {
        reconfirm_months: months(keep.reconfirm),
        backup_days: days(keep.backups),
        evidence_years: months(keep.evidence).div_ceil(12),
        log_days: days(keep.logs),
        mail_months: months(keep.mail),
        ..Retention::default()
    }
}

fn seat(constituency: &Constituency) -> (String, Seat) {
    let seat = Seat {
        code: constituency.code().as_str().to_owned(),
        name: constituency.name().to_owned(),
        cy: constituency.welsh_name().map(str::to_owned),
    };
    (constituency.group().to_owned(), seat)
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
