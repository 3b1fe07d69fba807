//! From the configuration to what people read: pages, the privacy notice, the texts of letters.

use std::path::Path;

use jiff::civil::Date;

use super::Settings;
use crate::config::{Config, ConstituencySource, List, Period};
use crate::consent::constituency::Constituency;
use crate::template::{
    Colour, Company, ListChoice, ListPurpose, Party, Privacy, Promoter, Retention, Seat, Templates,
    Text,
};
use crate::web::{Site, SiteParts, by_nation};

impl Settings {
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

    pub(super) fn privacy(&self) -> Privacy {
        let config = &self.config;
        let party = &config.party;
        let hosting = party.hosting.as_deref();
        let stated = party.transfers.as_deref();
        let stated = stated.filter(|_| !party.states_no_transfers());
        Privacy {
            date: Some(written(self.as_of)),
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
            no_dpo: party.dpo_decision.is_some(),
            recipients: hosting
                .map(|text| self.templates.host(text))
                .into_iter()
                .collect(),
            location: hosting.map(Text::english),
            transfers: stated.map(Text::english),
            no_transfers: party.states_no_transfers(),
            retention: retention(config),
            complaint_form: None,
            ogl: self.constituencies.is_builtin() && !self.constituencies.is_empty(),
        }
    }
}

/// The party's own templates over the built-in ones, and what is wrong with those that are not used. A built-in text is
/// whole in law, and evidence refers to the words that were shown: so it may always stand in for a faulty one.
pub(super) fn templates(party: Party, directory: Option<&Path>) -> (Templates, Vec<String>) {
    let Some(directory) = directory else {
        return (Templates::builtin(party), Vec::new());
    };
    let (templates, faults) = Templates::load(party, directory);
    let faults = faults.iter().map(ToString::to_string);
    (templates, faults.collect())
}

pub(super) fn party(config: &Config) -> Party {
    let imprint = &config.imprint;
    Party {
        name: config.party.name.clone(),
        address: config.party.postal_address.clone(),
        email: config.party.privacy_contact.to_string(),
        url: config.pages_url(),
        promoter: named(&imprint.promoter, &imprint.promoter_address),
        behalf: named(&imprint.on_behalf_of, &imprint.on_behalf_of_address),
        company: config.company.as_ref().map(|company| Company {
            name: company.name.clone(),
            number: company.number.clone(),
            registered_in: company.registered_in.clone(),
            office: company.registered_office.clone(),
        }),
        colour: Colour::parse(&config.party.colours.accent.to_string())
            .expect("the configuration's colours are written alike"),
        asks_constituency: config.constituencies != ConstituencySource::None,
    }
}

/// A date as people write it.
fn written(date: Date) -> Text {
    const WELSH: [&str; 12] = [
        "Ionawr",
        "Chwefror",
        "Mawrth",
        "Ebrill",
        "Mai",
        "Mehefin",
        "Gorffennaf",
        "Awst",
        "Medi",
        "Hydref",
        "Tachwedd",
        "Rhagfyr",
    ];
    let month = usize::try_from(date.month())
        .ok()
        .and_then(|month| WELSH.get(month - 1));
    let welsh = month.map(|month| format!("{} {month} {}", date.day(), date.year()));
    Text {
        en: date.strftime("%-d %B %Y").to_string(),
        cy: welsh,
    }
}

/// The configuration refuses one without the other.
fn named(name: &Option<String>, address: &Option<String>) -> Option<Promoter> {
    Some(Promoter {
        name: name.clone()?,
        address: address.clone()?,
    })
}

pub(super) fn purpose(list: &List) -> Text {
    Text {
        en: list.purpose.clone(),
        cy: list.purpose_cy.clone(),
    }
}

/// The configuration refuses ages that don't fit.
pub(super) fn least_age(config: &Config) -> u8 {
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
        // The longest of all: the notice doesn't tell roles apart.
        mail_months: config
            .mailbox
            .values()
            .filter_map(|mailbox| mailbox.keep)
            .map(months)
            .fold(months(keep.mail), u32::max),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn retention_of(keep: &str) -> Retention {
        let text = crate::config::annotated_toml();
        let from = text.find("[retention]").expect("is there");
        let (before, section) = text.split_at(from);
        let section = section.replacen("[retention]", &format!("[retention]\n{keep}\n"), 1);
        let config = Config::parse(&format!("{before}{section}"), None).expect("is sound");
        retention(&config)
    }

    #[test]
    fn the_imprint_names_all_that_the_configuration_names() {
        let own = "The Example Party of 1 High Street, Leeds LS1 1AA";
        let agent = "A. Agent of 2 Low Road, Leeds LS1 1AB";
        let joint = "The Joint List of 3 Hill, Leeds LS1 1AC";
        let split = |text: &str| {
            let (name, address) = text.split_once(" of ").expect("two parts");
            (Some(name.to_owned()), Some(address.to_owned()))
        };
        for (promoter, behalf, line) in [
            (None, None, format!("Promoted by {own}.")),
            (
                Some(agent),
                None,
                format!("Promoted by {agent} on behalf of {own}."),
            ),
            (
                None,
                Some(joint),
                format!("Promoted by {own} on behalf of {joint}."),
            ),
            (
                Some(agent),
                Some(joint),
                format!("Promoted by {agent} on behalf of {joint}."),
            ),
        ] {
            let mut config = Config::example();
            let imprint = &mut config.imprint;
            let set = |text: Option<&str>| text.map_or((None, None), split);
            (imprint.promoter, imprint.promoter_address) = set(promoter);
            (imprint.on_behalf_of, imprint.on_behalf_of_address) = set(behalf);
            let templates = Templates::builtin(party(&config));
            assert_eq!(
                templates
                    .imprint(crate::template::Lang::En)
                    .expect("renders"),
                line
            );
        }
    }

    #[test]
    fn the_notice_never_promises_less_than_is_kept() {
        let usual = retention(&Config::example());
        let shown = (usual.mail_months, usual.reconfirm_months, usual.backup_days);
        assert_eq!(shown, (24, 24, 35));
        assert_eq!((usual.evidence_years, usual.log_days), (6, 30));

        let odd = retention_of(
            "mail = \"31 days\"\nreconfirm = \"2 years\"\nevidence = \"61 months\"\nlogs = \"2 months\"\nbackups = \"1 month\"",
        );
        assert_eq!(odd.mail_months, 2, "31 days may be more than a month");
        assert_eq!(odd.reconfirm_months, 24);
        assert_eq!(odd.evidence_years, 6, "61 months are more than five years");
        assert_eq!(odd.log_days, 62, "two months have up to 62 days");
        assert_eq!(odd.backup_days, 31, "a month has up to 31 days");
    }
}
