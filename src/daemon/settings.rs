//! From the configuration to what each room is told. Rooms don't read the configuration themselves, so that a reload
//! swaps plain data, and a room can be tried without a file.

mod delivery;
mod hosted;
mod pace;
mod pages;
mod programs;

use std::sync::Arc;

use jiff::civil::Date;
use pages::{least_age, party, purpose, templates};

use super::names::addresses;
use crate::address::EmailAddress;
use crate::certificate::CertificateSettings;
use crate::config::{self, Approval, Config, List, Name};
use crate::consent::constituency::{Constituencies, Constituency};
use crate::consent::{ConsentLimits, ConsentSettings, ListSettings, TemplateLetters};
use crate::delivery::route::SMTP_PORT;
use crate::delivery::schedule::Schedule;
use crate::delivery::signing::{Selectors, Signing, Stream};
use crate::list::{ApprovalRule, MailingList, MailingSettings, Pace, Standing};
use crate::report::write::Author;
use crate::report::{DMARC_REPORTS, Ours, ReporterSettings};
use crate::staff::Premises;
use crate::template::{Lang, Templates, Text, Tongues};
use crate::web::Hosted;

pub use delivery::Trust;

pub(super) use delivery::{schedule, selectors};

use delivery::{kept_by_the_engine, shown};

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
                first_contacts_per_hour: config.limits.first_contacts_per_hour,
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

/// The configuration refuses what is no port.
fn port(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(SMTP_PORT)
}

#[cfg(test)]
mod tests;
