//! What the law asks of the party itself, as far as the configuration tells: `status` reminds of it until it's done.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::{CertificateSource, Config, Party};
use crate::tls::Pair;

/// From how many days before the end of the registration on `status` reminds, and from when on it presses.
const REMIND: i32 = 30;
const PRESS: i32 = 7;

/// What isn't wrong with a configuration and still wants doing: the reminders of the day, and Welsh that is missing.
pub fn config_warnings(config: &Config, now: Timestamp) -> Vec<String> {
    let mut all = reminders(&config.party, now);
    for (key, list) in &config.list {
        let lacks = match list {
            list if list.purpose_cy.is_none() => "purpose_cy",
            list if list.consent_extra.is_some() && list.consent_extra_cy.is_none() => {
                "consent_extra_cy"
            }
            _ => continue,
        };
        all.push(format!(
            "list.{}.{lacks} is not set: whoever reads the pages in Welsh is asked for their consent in English there",
            key.as_str()
        ));
    }
    all
}

/// What [`config_warnings`] can say once the files that a configuration names may be read.
pub fn file_warnings(config: &Config, now: Timestamp) -> Vec<String> {
    let files = config.tls.certificate.iter();
    // One that can't be read is another's to tell.
    let pairs: Vec<_> = files
        .filter_map(|pair| Pair::load(&pair.chain, &pair.key, now).ok())
        .collect();
    match pairs.is_empty() {
        true => Vec::new(),
        false => unserved_names(config, &pairs),
    }
}

/// The names that the configuration promises beside its host and that no certificate from the files is for: others would
/// ask there in vain. Certificates of our own making have them all.
pub(super) fn unserved_names(config: &Config, pairs: &[Pair]) -> Vec<String> {
    if config.tls.source != CertificateSource::Files {
        return Vec::new();
    }
    let names = config.certificate_names().into_iter();
    let unserved = names
        .filter(|name| *name != config.hostname)
        .filter(|name| !pairs.iter().any(|pair| pair.is_for(name)));
    let warn = |name| {
        format!(
            "no certificate is for {name}, where others look because of this configuration: put the name into the \
             certificate's, or turn off what is served there (mta_sts.mode, dns.autoconfig, pages.url)"
        )
    };
    unserved.map(warn).collect()
}

/// The reminders of a day.
pub(super) fn reminders(party: &Party, now: Timestamp) -> Vec<String> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut all = Vec::new();
    if party.ico_registration.is_none() {
        all.push(
            "party.ico_registration is not set: pay the data protection fee and register with the Information Commission \
             (SI 2018/480), then set it"
                .to_owned(),
        );
    }
    all.extend(party.ico_expires.and_then(|ends| registration(ends, today)));
    if party.dpo.is_none() && party.dpo_decision.is_none() {
        all.push(
            "neither party.dpo nor party.dpo_decision is set: name the data protection officer, or write down who decided \
             that none is needed, when and why (UK GDPR art 37)"
                .to_owned(),
        );
    }
    if party.hosting.is_none() {
        all.push(
            "party.hosting is not set: write down where the machine stands and who runs it, since the privacy notice has to \
             say who receives the data (UK GDPR art 13(1)(e))"
                .to_owned(),
        );
    }
    if party.transfers.is_none() {
        all.push(
            "party.transfers is not set: write \"none\", or where data goes outside the United Kingdom and by which \
             safeguard, since the privacy notice has to say it (UK GDPR art 13(1)(f))"
                .to_owned(),
        );
    }
    all
}

fn registration(ends: Date, today: Date) -> Option<String> {
    let left = today.until(ends).map_or(i32::MAX, |span| span.get_days());
    let next = "renew it and set party.ico_expires";
    match left {
        ..0 => Some(format!(
            "the registration with the Information Commission ended on {ends}: {next} at once"
        )),
        0..=PRESS => Some(format!(
            "the registration with the Information Commission ends in {} ({ends}): {next} now",
            days(left)
        )),
        left if left <= REMIND => Some(format!(
            "the registration with the Information Commission ends on {ends}: {next}"
        )),
        _ => None,
    }
}

fn days(count: i32) -> String {
    match count {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        many => format!("{many} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(change: impl FnOnce(&mut Party)) -> Party {
        let mut party = crate::config::Config::example().party.clone();
        party.ico_registration = Some("ZA123456".to_owned());
        party.ico_expires = None;
        party.dpo = None;
        party.dpo_decision = Some("Committee of 3 May 2026: under 5,000 subscribers".to_owned());
        party.hosting = Some("United Kingdom (Example Hosting Ltd, London)".to_owned());
        party.transfers = Some("none".to_owned());
        change(&mut party);
        party
    }

    fn on(day: &str, party: &Party) -> Vec<String> {
        reminders(party, format!("{day}T12:00:00Z").parse().expect("a time"))
    }

    #[test]
    fn the_end_of_the_registration_is_announced() {
        let party = party(|party| party.ico_expires = Some("2027-11-21".parse().expect("a day")));
        assert_eq!(on("2027-10-21", &party), Vec::<String>::new());
        for (day, needle) in [
            ("2027-10-22", "ends on 2027-11-21"),
            ("2027-11-14", "ends in 7 days"),
            ("2027-11-20", "ends in 1 day ("),
            ("2027-11-21", "less than a day"),
            ("2027-11-22", "ended on 2027-11-21"),
        ] {
            let said = on(day, &party);
            assert_eq!(said.len(), 1, "{day}: {said:?}");
            assert!(said[0].contains(needle), "{day}: {said:?}");
        }
    }

    #[test]
    fn an_officer_or_a_decision_and_a_registration_are_asked_for() {
        assert_eq!(on("2026-11-21", &party(|_| {})), Vec::<String>::new());
        let said = on("2026-11-21", &party(|party| party.dpo_decision = None));
        assert!(said.len() == 1 && said[0].contains("party.dpo"), "{said:?}");
        let said = on("2026-11-21", &party(|party| party.ico_registration = None));
        assert!(
            said.len() == 1 && said[0].contains("data protection fee"),
            "{said:?}"
        );
    }

    #[test]
    fn welsh_that_is_missing_is_named() {
        let warned = |change: fn(&mut crate::config::List)| {
            let mut config = Config::example();
            config.party = party(|_| {});
            let list = config.list.values_mut().next().expect("a list");
            list.purpose_cy = Some("newyddion".to_owned());
            change(list);
            config_warnings(&config, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(warned(|_| {}), Vec::<String>::new());
        for (change, named) in [
            (
                (|list| list.purpose_cy = None) as fn(&mut crate::config::List),
                "purpose_cy",
            ),
            (
                |list| list.consent_extra = Some("More.".to_owned()),
                "consent_extra_cy",
            ),
        ] {
            let said = warned(change);
            assert!(said.len() == 1 && said[0].contains(named), "{said:?}");
        }
    }

    #[test]
    fn names_that_no_certificate_is_for_are_told() {
        let place = tempfile::tempdir().expect("a place");
        let now = Timestamp::now();
        let ca = crate::tls::SelfMadeCa::new("a test's", now).expect("an authority");
        let mut config = Config::example();
        config.tls.source = CertificateSource::Files;
        config.mta_sts.mode = crate::config::StsMode::Testing;
        config.dns.autoconfig = true;
        let host = config.hostname.to_string();
        let domain = config.domains[0].to_string();
        let mut warned = |name: &str, names: &[&str]| {
            let files = ca.issue_to(place.path(), name, names).expect("a pair");
            config.tls.certificate = vec![crate::config::CertificateFiles {
                chain: files.chain,
                key: files.key,
            }];
            file_warnings(&config, now)
        };
        let said = warned("host", &[&host]);
        for name in ["mta-sts", "autoconfig"] {
            let name = format!("no certificate is for {name}.{domain},");
            assert!(said.iter().any(|one| one.starts_with(&name)), "{said:?}");
        }
        let wild = format!("*.{domain}");
        assert_eq!(warned("wild", &[&host, &wild]), Vec::<String>::new());
    }

    #[test]
    fn what_the_notice_has_to_say_is_asked_for() {
        let said = on("2026-11-21", &party(|party| party.hosting = None));
        assert!(
            said.len() == 1 && said[0].contains("party.hosting"),
            "{said:?}"
        );
        let said = on("2026-11-21", &party(|party| party.transfers = None));
        assert!(
            said.len() == 1 && said[0].contains("party.transfers"),
            "{said:?}"
        );
    }
}
