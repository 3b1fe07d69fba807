//! From the configuration to what each room is told. Rooms don't read the configuration themselves, so that a reload
//! swaps plain data, and a room can be tried without a file.

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;

use crate::config::{Config, List, Name, Period};
use crate::consent::constituency::{Constituencies, Constituency};
use crate::consent::{ConsentLimits, ConsentSettings, ListSettings, TemplateLetters};
use crate::staff::Premises;
use crate::template::{
    Colour, Lang, ListChoice, ListPurpose, Party, Privacy, Promoter, Retention, Seat, Templates,
    Text, Visit,
};
use crate::web::{Site, SiteParts, by_nation};

/// What can be wrong with a configuration that reads well, found when the rooms are told.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The constituencies.
    #[error("the constituencies can't be used: {0}")]
    Constituencies(String),
    /// A template.
    #[error("a template of the party's own can't be used: {0}")]
    Template(String),
}

/// Everything that is made from the configuration and not yet in a room.
pub struct Settings {
    /// The configuration.
    pub config: Arc<Config>,
    /// The templates, with the party in them.
    pub templates: Arc<Templates>,
    /// The constituencies; none if the party doesn't ask.
    pub constituencies: Arc<Constituencies>,
    /// The date of the privacy notice.
    as_of: Date,
}

/// The party's domains, and the addresses in them that belong to lists and role mailboxes.
pub fn premises(config: &Config) -> Premises {
    let mut premises = Premises::new(config.domains.iter().cloned());
    for (name, mailbox) in &config.mailbox {
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
        let templates = templates(party(&config), config.templates.as_deref())?;
        Ok(Self {
            config: Arc::new(config),
            templates: Arc::new(templates),
            constituencies: Arc::new(constituencies),
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
    fn statement(&self, list: &List) -> Text {
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

    /// The privacy notice as people read it; its bytes are what evidence refers to.
    fn notice(&self) -> Text {
        let say = |lang| {
            self.templates
                .page(Visit::answer(lang), &self.privacy())
                .unwrap_or_default()
        };
        Text {
            en: say(Lang::En),
            cy: Some(say(Lang::Cy)),
        }
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

    /// What the pages show.
    ///
    /// # Errors
    /// [`SettingsError::Template`] if a template can't be used any more.
    pub fn site(&self) -> Result<Site, SettingsError> {
        let lists = self.config.list.iter().filter(|(_, list)| list.open);
        Ok(Site::new(SiteParts {
            templates: templates(party(&self.config), self.config.templates.as_deref())?,
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
        }))
    }

    fn privacy(&self) -> Privacy {
        let config = &self.config;
        let party = &config.party;
        Privacy {
            date: self.as_of.strftime("%-d %B %Y").to_string(),
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
            recipients: Vec::new(),
            location: Text::english(&party.hosting),
            transfers: None,
            retention: retention(config),
            complaint_form: None,
            ogl: self.constituencies.is_builtin() && !self.constituencies.is_empty(),
        }
    }
}

fn templates(party: Party, directory: Option<&Path>) -> Result<Templates, SettingsError> {
    let Some(directory) = directory else {
        return Ok(Templates::builtin(party));
    };
    let (templates, errors) = Templates::load(party, directory);
    match errors.first() {
        None => Ok(templates),
        Some(error) => Err(SettingsError::Template(error.to_string())),
    }
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
    let months = |period: Period| {
        let span = period.to_span();
        u32::try_from(span.get_months() + 12 * i32::from(span.get_years())).unwrap_or(0)
    };
    let days = |period: Period| u32::try_from(period.to_span().get_days()).unwrap_or(0);
    Retention {
        reconfirm_months: months(keep.reconfirm),
        backup_days: days(keep.backups),
        evidence_years: months(keep.evidence) / 12,
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
